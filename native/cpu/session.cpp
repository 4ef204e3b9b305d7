#include "session.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "failure.h"
#include "loss.h"
#include "normalization.h"
#include "parallel.h"

namespace birbs::cpu {
namespace {

using Clock = std::chrono::steady_clock;

// Batch sizes a session stays prepared for: the full batch, an epoch's rest,
// and the same of a validation.
constexpr size_t most_passes = 8;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Plan check_and_plan(const SessionOptions& options) {
  check_session_options(options);
  set_threads(options.threads);
  Plan plan = plan_network(options.network, options.batch_size);
  require_chain(plan);
  return plan;
}

bool in_place(const Node& node) {
  return node.work == Work::relu || node.work == Work::dropout;
}

}  // namespace

OnednnSession::OnednnSession(const SessionOptions& options)
    : options_(options),
      plan_(check_and_plan(options)),
      graph_(build_graph(options_.network, plan_, options.batch_size)),
      parameters_(options_.network, plan_, graph_,
                  moment_count(options.optimizer)),
      update_(parameters_),
      shared_(options_, parameters_) {
  parameters_.write_values(init_parameters(plan_, options_.seed).data());
  allocate();
  wire_gradients();
  pass_for(options.batch_size);
}

void OnednnSession::allocate() {
  const int64_t count = options_.batch_size;
  input_ = Buffer(count * graph_.input.size() * sizeof(float));
  logits_ = Buffer(count * options_.network.classes * sizeof(float));
  logit_gradients_ = Buffer(count * options_.network.classes * sizeof(float));
  int64_t largest = graph_.input.size();
  memories_.resize(graph_.nodes.size());
  for (size_t i = 0; i < graph_.nodes.size(); ++i) {
    const Node& node = graph_.nodes[i];
    const size_t bytes = count * node.out.size() * sizeof(float);
    memories_[i].output = Buffer(bytes);
    if (node.work == Work::dense) memories_[i].gradient = Buffer(bytes);
    largest = std::max(largest, node.out.size());
  }
  for (Buffer& buffer : gradients_) {
    buffer = Buffer(count * largest * sizeof(float));
  }
}

// Two buffers in turn, but what comes out of a dense layer keeps its gradient
// until the update, and work in place needs none of its own.
void OnednnSession::wire_gradients() {
  int turn = 0;
  gradient_of_.push_back(gradients_[turn].floats());
  for (size_t i = 0; i < graph_.nodes.size(); ++i) {
    if (in_place(graph_.nodes[i])) {
      gradient_of_.push_back(gradient_of_.back());
    } else if (memories_[i].gradient.bytes() > 0) {
      gradient_of_.push_back(memories_[i].gradient.floats());
    } else {
      turn = 1 - turn;
      gradient_of_.push_back(gradients_[turn].floats());
    }
  }
}

OnednnSession::Pass OnednnSession::make_pass(int count) {
  Pass pass;
  const float* x = input_.floats();
  for (size_t i = 0; i < graph_.nodes.size(); ++i) {
    const Node& node = graph_.nodes[i];
    Wiring wiring{count, x, memories_[i].output.floats(), gradient_of_[i + 1],
                  gradient_of_[i]};
    try {
      pass.stages.push_back(make_stage(node, wiring, memories_[i], shared_));
    } catch (const dnnl::error& error) {
      refuse(options_.network, node.layer, error);
    }
    if (node.work == Work::dense) {
      pass.dense.push_back(static_cast<DenseStage*>(pass.stages.back().get()));
    }
    x = wiring.y;
  }
  return pass;
}

OnednnSession::Pass& OnednnSession::pass_for(int count) {
  set_threads(options_.threads);
  auto found = passes_.find(count);
  if (found != passes_.end()) return found->second;
  if (passes_.size() >= most_passes) passes_.clear();
  return passes_.emplace(count, make_pass(count)).first->second;
}

void OnednnSession::train_step(const Batch& batch, float learning_rate,
                               std::function<void(StepResult)> done) {
  StepResult result;
  try {
    check_batch(options_, batch);
    check_learning_rate(learning_rate);
    const auto start = Clock::now();
    Pass& pass = pass_for(batch.count);
    Loss loss = differentiate(pass, batch);
    result.gradient_norm = update(pass, learning_rate);
    for (auto& stage : pass.stages) stage->update_statistics();
    ++progress_.step;
    result.loss = loss.value;
    result.correct = loss.correct;
    result.image_losses = std::move(loss.of_images);
    result.device_seconds = seconds_since(start);
  } catch (const std::exception& error) {
    result = {};
    result.error = message_of(error);
  }
  done(std::move(result));
}

void OnednnSession::predict(const uint8_t* images, int count, float* logits) {
  check_images(options_, images, count);
  forward(pass_for(count), images, count, false);
  read_logits(count, logits);
}

void OnednnSession::activations(const uint8_t*, int, int, float*) {
  throw Error("features: the device cpu has none yet.");
}

StepResult OnednnSession::gradients(const Batch& batch, float* gradients,
                                    float* logits) {
  check_batch(options_, batch);
  const auto start = Clock::now();
  Pass& pass = pass_for(batch.count);
  Loss loss = differentiate(pass, batch);
  std::vector<float> packed(parameters_.size());
  const double squares = update_.visit(pass.dense, [&](const Chunk& chunk) {
    std::copy_n(chunk.gradients, chunk.count,
                packed.data() + (chunk.values - parameters_.values()));
    return sum_of_squares(chunk.gradients, chunk.count);
  });
  parameters_.read_gradients(packed.data(), gradients);
  read_logits(batch.count, logits);
  StepResult result;
  result.loss = loss.value;
  result.correct = loss.correct;
  result.image_losses = std::move(loss.of_images);
  result.gradient_norm = std::sqrt(squares);
  result.device_seconds = seconds_since(start);
  return result;
}

void OnednnSession::forward(Pass& pass, const uint8_t* images, int count,
                            bool training) {
  normalize(options_.network, graph_.input, count, images, input_.floats());
  for (size_t i = 0; i < pass.stages.size(); ++i) {
    try {
      pass.stages[i]->forward({training, progress_.step});
    } catch (const dnnl::error& error) {
      refuse(options_.network, graph_.nodes[i].layer, error);
    }
  }
}

// Everything of a step but the update.
Loss OnednnSession::differentiate(Pass& pass, const Batch& batch) {
  forward(pass, batch.images, batch.count, true);
  read_logits(batch.count, logits_.floats());
  Loss loss =
      cross_entropy(logits_.floats(), batch.labels, batch.count,
                    options_.network.classes, options_.class_weights,
                    options_.label_smoothing, logit_gradients_.floats());
  pack(output(), batch.count, logit_gradients_.floats(), gradient_of_.back());
  backward(pass);
  return loss;
}

void OnednnSession::backward(Pass& pass) {
  for (size_t i = pass.stages.size(); i-- > graph_.first_trainable;) {
    try {
      pass.stages[i]->backward();
    } catch (const dnnl::error& error) {
      refuse(options_.network, graph_.nodes[i].layer, error);
    }
  }
}

// Returns the global norm. Without clipping the norm need not be known first,
// so one pass over the parameters does.
double OnednnSession::update(Pass& pass, float learning_rate) {
  auto rule_for = [&](double norm) {
    return update_rule(options_.optimizer, {}, progress_.updates(),
                       learning_rate, clip_scale(norm, options_.clip_norm));
  };
  auto squares = [](const Chunk& chunk) {
    return sum_of_squares(chunk.gradients, chunk.count);
  };
  auto apply = [](const UpdateRule& rule, const Chunk& chunk) {
    update_parameters(rule, chunk.values, chunk.gradients, chunk.first,
                      chunk.second, chunk.count);
  };
  if (options_.clip_norm > 0) {
    const double norm = std::sqrt(update_.visit(pass.dense, squares));
    const UpdateRule rule = rule_for(norm);
    update_.visit(pass.dense, [&](const Chunk& chunk) {
      apply(rule, chunk);
      return 0.0;
    });
    return norm;
  }
  const UpdateRule rule = rule_for(0);
  return std::sqrt(update_.visit(pass.dense, [&](const Chunk& chunk) {
    const double sum = squares(chunk);
    apply(rule, chunk);
    return sum;
  }));
}

void OnednnSession::read_logits(int count, float* logits) const {
  unpack(output(), count, memories_.back().output.floats(), logits);
}

void OnednnSession::get_parameters(float* values) {
  set_threads(options_.threads);
  parameters_.read_values(values);
}

void OnednnSession::set_parameters(const float* values) {
  set_threads(options_.threads);
  parameters_.write_values(values);
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
  size_t bytes = input_.bytes() + logits_.bytes() + logit_gradients_.bytes() +
                 gradients_[0].bytes() + gradients_[1].bytes();
  for (const NodeMemory& memory : memories_) {
    bytes += memory.output.bytes() + memory.workspace.bytes() +
             memory.statistics.bytes() + memory.gradient.bytes();
  }
  return static_cast<int64_t>(bytes) + parameters_.bytes() + shared_.bytes();
}

}  // namespace birbs::cpu
