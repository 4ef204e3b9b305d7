#include "session.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "failure.h"
#include "loss.h"
#include "normalization.h"
#include "parallel.h"

namespace birbs::cpu {
namespace {

using Clock = std::chrono::steady_clock;

// Values that a session stays prepared to answer: logits, features, some more.
constexpr size_t most_inferences = 4;
// What lies between layers at a time in inference: a share of the caches.
constexpr int64_t inference_bytes = int64_t{4} << 20;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Plan check_and_plan(const SessionOptions& options) {
  check_session_options(options);
  set_threads(options.threads);
  return plan_network(options.network, options.batch_size);
}

// Large dense layers are read once for all images; they take longer than what
// comes before them does for leaving the cache.
int images_at_once(const Plan& plan, int batch_size) {
  int64_t largest = 1, dense = 0;
  for (size_t i = 0; i < plan.layers.size(); ++i) {
    const int64_t in = plan.shapes[plan.inputs[i][0]].size();
    const int64_t out = plan.shapes[i + 1].size();
    largest = std::max(largest, (in + out) * int64_t{sizeof(float)});
    if (plan.layers[i].kind == OpKind::dense) {
      dense = std::max(dense, in * out * int64_t{sizeof(float)});
    }
  }
  if (dense > 2 * inference_bytes) return batch_size;
  return static_cast<int>(
      std::clamp<int64_t>(inference_bytes / largest, 1, batch_size));
}

}  // namespace

OnednnSession::OnednnSession(const SessionOptions& options)
    : options_(options),
      plan_(check_and_plan(options)),
      training_graph_(training_graph(plan_, options.batch_size)),
      parameters_(options_.optimizer, plan_, training_graph_,
                  options.collective != nullptr),
      update_(parameters_),
      shared_(options_, plan_, parameters_),
      images_at_once_(images_at_once(plan_, options.batch_size)),
      logits_(int64_t{options.batch_size} * options.network.classes),
      logit_gradients_(logits_.size()) {
  parameters_.write_values(init_parameters(plan_, options_.seed).data());
}

Program& OnednnSession::training_program() {
  set_threads(options_.threads);
  if (!training_) {
    training_.emplace(training_graph_, options_.batch_size, true, shared_);
  }
  if (folded_ != set_) {
    training_->fold();
    folded_ = set_;
  }
  return *training_;
}

OnednnSession::Inference& OnednnSession::inference_to(int value) {
  set_threads(options_.threads);
  auto found = inferences_.find(value);
  if (found == inferences_.end()) {
    if (inferences_.size() >= most_inferences) inferences_.clear();
    found = inferences_
                .try_emplace(value, plan_, images_at_once_, value,
                             training_graph_, shared_)
                .first;
  }
  Inference& inference = found->second;
  if (inference.folded != version_) {
    inference.program.fold();
    inference.folded = version_;
  }
  return inference;
}

void OnednnSession::train_step(const Batch& batch, float learning_rate,
                               std::function<void(StepResult)> done) {
  StepResult result;
  try {
    check_batch(options_, batch);
    check_learning_rate(learning_rate);
    const auto start = Clock::now();
    Program::Pass& pass = training_program().pass_for(batch.count);
    Loss loss = differentiate(pass, batch);
    result.gradient_norm = update(pass, learning_rate);
    for (auto& stage : pass.stages) stage->update_statistics();
    ++progress_.step;
    ++version_;
    shared_.ranks.result(std::move(loss), &result);
    result.device_seconds = seconds_since(start);
  } catch (const std::exception& error) {
    result = {};
    result.error = message_of(error);
    result.code = code_of(error);
  }
  done(std::move(result));
}

void OnednnSession::predict(const uint8_t* images, int count, float* logits) {
  activations(images, count, plan_.last_value(), logits);
}

void OnednnSession::activations(const uint8_t* images, int count, int value,
                                float* output) {
  check_images(options_, images, count);
  Inference& inference = inference_to(value);
  const int64_t size = plan_.shapes[value].size();
  if (!inference.program.finite()) {  // relu6 would hide it
    std::fill_n(output, count * size, std::numeric_limits<float>::quiet_NaN());
    return;
  }
  for (int first = 0; first < count; first += images_at_once_) {
    infer(inference, images + first * options_.network.input.size(),
          std::min(images_at_once_, count - first), output + first * size);
  }
}

void OnednnSession::infer(Inference& inference, const uint8_t* images,
                          int count, float* output) {
  Program& program = inference.program;
  const Graph& graph = program.graph();
  Program::Pass& pass = program.pass_for(count);
  normalize(options_.network, graph.layouts[0], count, images,
            program.value(0));
  program.forward(pass, {});
  unpack(graph.layouts[graph.target], count, program.value(graph.target),
         output);
}

StepResult OnednnSession::gradients(const Batch& batch, float* gradients,
                                    float* logits) {
  check_batch(options_, batch);
  const auto start = Clock::now();
  Program::Pass& pass = training_program().pass_for(batch.count);
  Loss loss = differentiate(pass, batch);
  std::vector<float> packed(parameters_.size());
  const double squares = update_.visit(unstored(pass), [&](const Chunk& chunk) {
    std::copy_n(chunk.gradients, chunk.count,
                packed.data() + (chunk.values - parameters_.values()));
    return sum_of_squares(chunk.gradients, chunk.count);
  });
  parameters_.read_gradients(packed.data(), gradients);
  read_logits(batch.count, logits);
  StepResult result;
  shared_.ranks.result(std::move(loss), &result);
  result.gradient_norm = std::sqrt(squares);
  result.device_seconds = seconds_since(start);
  return result;
}

// Everything of a step but the update.
Loss OnednnSession::differentiate(Program::Pass& pass, const Batch& batch) {
  Program& program = *training_;
  RankSums& ranks = shared_.ranks;
  ranks.begin(batch);
  normalize(options_.network, training_graph_.layouts[0], batch.count,
            batch.images, program.value(0));
  program.forward(
      pass, {true, progress_.step, batch.share.first, batch.whole_count()});
  read_logits(batch.count, logits_.data());
  Loss loss = ranks.loss(batch, logits_.data(), logit_gradients_.data());
  pack(output(), batch.count, logit_gradients_.data(),
       program.gradient(training_graph_.target));
  program.backward(pass, [&](const Node& node, Stage& stage) {
    if (ranks.on()) sum_gradients(node, stage);
  });
  if (ranks.on()) ranks.finish();
  return loss;
}

// Over the ranks, while backward goes on.
void OnednnSession::sum_gradients(const Node& node, Stage& stage) {
  if (node.kernel == Kernel::dense) {
    const float* values = parameters_.value(node.layer, 0);
    float* gradients = parameters_.gradient(node.layer, 0);
    static_cast<DenseStage&>(stage).visit_weights([&](const Chunk& chunk) {
      std::copy_n(chunk.gradients, chunk.count,
                  gradients + (chunk.values - values));
      return 0.0;
    });
  }
  for (size_t nth = 0; parameters_.has(node.layer, nth); ++nth) {
    float* gradients = parameters_.gradient(node.layer, nth);
    if (gradients) {
      shared_.ranks.ready(gradients, parameters_.size(node.layer, nth));
    }
  }
}

const std::vector<DenseStage*>& OnednnSession::unstored(
    const Program::Pass& pass) const {
  static const std::vector<DenseStage*> none;
  return shared_.ranks.on() ? none : pass.dense;
}

// Returns the global norm. Without clipping the norm need not be known first,
// so one pass over the parameters does.
double OnednnSession::update(Program::Pass& pass, float learning_rate) {
  std::vector<UpdateRule> rules;  // of each group
  auto set_rules = [&](double norm) {
    rules.clear();
    for (const ParameterGroup& group : parameters_.groups()) {
      rules.push_back(update_rule(options_.optimizer, group,
                                  progress_.updates(), learning_rate,
                                  clip_scale(norm, options_.clip_norm)));
    }
  };
  auto squares = [](const Chunk& chunk) {
    return sum_of_squares(chunk.gradients, chunk.count);
  };
  auto apply = [&](const Chunk& chunk) {
    update_parameters(rules[chunk.group], chunk.values, chunk.gradients,
                      chunk.first, chunk.second, chunk.count);
  };
  if (options_.clip_norm > 0) {
    const double norm = std::sqrt(update_.visit(unstored(pass), squares));
    set_rules(norm);
    update_.visit(unstored(pass), [&](const Chunk& chunk) {
      apply(chunk);
      return 0.0;
    });
    return norm;
  }
  set_rules(0);
  return std::sqrt(update_.visit(unstored(pass), [&](const Chunk& chunk) {
    const double sum = squares(chunk);
    apply(chunk);
    return sum;
  }));
}

void OnednnSession::read_logits(int count, float* logits) const {
  unpack(output(), count, training_->value(training_graph_.target), logits);
}

void OnednnSession::get_parameters(float* values) {
  set_threads(options_.threads);
  parameters_.read_values(values);
}

void OnednnSession::set_parameters(const float* values) {
  set_threads(options_.threads);
  parameters_.write_values(values);
  ++version_;
  ++set_;
}

OptimizerState OnednnSession::get_optimizer_state() {
  set_threads(options_.threads);
  OptimizerState state{progress_, {}};
  state.values.resize(moment_count(options_.optimizer) * plan_.parameter_count);
  parameters_.read_moments(state.values.data());
  return state;
}

void OnednnSession::set_optimizer_state(const OptimizerState& state) {
  check_optimizer_state(options_, plan_, state);
  set_threads(options_.threads);
  parameters_.write_moments(state.values.data());
  progress_ = state.progress;
}

int64_t OnednnSession::memory_bytes() const {
  int64_t bytes = parameters_.bytes() + shared_.bytes();
  if (training_) bytes += training_->bytes();
  for (const auto& [value, inference] : inferences_) {
    bytes += inference.program.bytes();
  }
  return bytes;
}

}  // namespace birbs::cpu
