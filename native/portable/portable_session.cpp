#include "portable_session.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "activation.h"
#include "batch_norm.h"
#include "convolution.h"
#include "dense.h"
#include "failure.h"
#include "fusion.h"
#include "normalization.h"
#include "optimizer.h"
#include "philox.h"
#include "pooling.h"

namespace birbs::portable {
namespace {

using Clock = std::chrono::steady_clock;

// Values that a session stays prepared to answer: logits, features, some more.
constexpr size_t most_programs = 4;

Plan check_and_plan(const SessionOptions& options) {
  check_session_options(options);
  return plan_network(options.network, options.batch_size);
}

// `first`: elements of the batch before those at hand.
Dropout dropout_of(const SessionOptions& options, const Layer& layer, int index,
                   uint64_t step, int64_t first) {
  return {layer.rate, options.seed,
          dropout_stream + static_cast<uint32_t>(index), step, first};
}

}  // namespace

PortableSession::PortableSession(const SessionOptions& options)
    : options_(options),
      plan_(check_and_plan(options)),
      threads_(options.threads),
      parameters_(init_parameters(plan_, options.seed)),
      gradients_(plan_.parameter_count),
      moments_(moment_count(options.optimizer) * plan_.parameter_count),
      offsets_(plan_.layers.size()),
      statistics_(plan_.layers.size()),
      written_(plan_.shapes.size()) {
  for (const Parameter& parameter : plan_.parameters) {
    offsets_[parameter.layer].push_back(parameter.offset);
  }
  for (size_t i = 0; i < plan_.layers.size(); ++i) {
    if (plan_.layers[i].kind == OpKind::batch_norm2d) {
      statistics_[i].resize(2 * plan_.shapes[i + 1].channels);
    }
  }
}

Program& PortableSession::training_program() {
  if (!training_) training_ = Program::training(plan_, options_.batch_size);
  return *training_;
}

Program& PortableSession::inference_program(int target) {
  auto found = inference_.find(target);
  if (found == inference_.end()) {
    if (inference_.size() >= most_programs) inference_.clear();
    found = inference_
                .emplace(target,
                         Program::inference(plan_, options_.batch_size, target))
                .first;
  }
  if (found->second.folded != version_) fold(found->second);
  return found->second;
}

void PortableSession::fold(Program& program) {
  for (Step& step : program.steps) {
    if (step.norm >= 0) fold_step(step);
  }
  program.folded = version_;
}

// The convolution's weights and bias with its batch norm in them.
void PortableSession::fold_step(Step& step) {
  auto of = [&](size_t nth) { return find(parameters_, step.norm, nth); };
  const Shape& out = plan_.shapes[step.layer + 1];
  const ScaleShift norm = scale_shift(of(0), of(1), of(2), of(3), out.channels,
                                      plan_.layers[step.norm].epsilon);
  const float *weight = find(parameters_, step.layer, 0),
              *bias = find(parameters_, step.layer, 1);
  const Layer& layer = plan_.layers[step.layer];
  const int64_t row =
      parameters_of(layer, plan_.shapes[step.inputs[0]])[0].shape[1] *
      layer.window.kernel_height * layer.window.kernel_width;
  step.weight.resize(row * out.channels);
  step.bias.resize(out.channels);
  for (int c = 0; c < out.channels; ++c) {
    for (int64_t i = c * row; i < (c + 1) * row; ++i) {
      step.weight[i] = static_cast<float>(weight[i] * norm.scale[c]);
    }
    const double own = bias ? bias[c] * norm.scale[c] : 0;
    step.bias[c] = static_cast<float>(own + norm.shift[c]);
  }
}

float* PortableSession::find(std::vector<float>& flat, int layer, size_t nth) {
  const auto& offsets = offsets_[layer];
  return nth < offsets.size() ? flat.data() + offsets[nth] : nullptr;
}

void PortableSession::train_step(const Batch& batch, float learning_rate,
                                 std::function<void(StepResult)> done) {
  StepResult result;
  try {
    check_batch(options_, batch);
    check_learning_rate(learning_rate);
    const auto start = Clock::now();
    result = differentiate(batch);
    update(learning_rate, result.gradient_norm);
    update_running_statistics(batch);
    ++progress_.step;
    result.device_seconds =
        std::chrono::duration<double>(Clock::now() - start).count();
  } catch (const std::exception& error) {
    result = {};
    result.error = message_of(error);
    result.code = code_of(error);
  }
  done(std::move(result));
}

void PortableSession::predict(const uint8_t* images, int count, float* logits) {
  activations(images, count, plan_.last_value(), logits);
}

void PortableSession::activations(const uint8_t* images, int count, int value,
                                  float* output) {
  check_images(options_, images, count);
  const Program& program = inference_program(value);
  forward(program, images, count, false);
  std::copy_n(program.value(value), count * plan_.shapes[value].size(), output);
}

StepResult PortableSession::gradients(const Batch& batch, float* gradients,
                                      float* logits) {
  check_batch(options_, batch);
  const auto start = Clock::now();
  StepResult result = differentiate(batch);
  std::copy(gradients_.begin(), gradients_.end(), gradients);
  std::copy_n(this->logits(), int64_t{batch.count} * options_.network.classes,
              logits);
  result.device_seconds =
      std::chrono::duration<double>(Clock::now() - start).count();
  return result;
}

// Everything of a step but the update; leaves parameters and statistics alone.
StepResult PortableSession::differentiate(const Batch& batch) {
  const Program& program = training_program();
  share_ = batch.share;
  ranks_.begin(batch);
  forward(program, batch.images, batch.count, true);
  Loss loss =
      ranks_.loss(batch, logits(), program.gradient(plan_.last_value()));
  backward(program, batch.count);
  StepResult result;
  if (ranks_.on()) ranks_.finish();
  ranks_.result(std::move(loss), &result);
  result.gradient_norm = gradient_norm();
  return result;
}

void PortableSession::forward(const Program& program, const uint8_t* images,
                              int count, bool training) {
  normalize(threads_, options_.network, count, images, program.value(0));
  for (const Step& step : program.steps) {
    forward_step(program, step, count, training);
  }
}

void PortableSession::forward_step(const Program& program, const Step& step,
                                   int count, bool training) {
  const Layer& layer = plan_.layers[step.layer];
  const Shape &in = plan_.shapes[step.inputs[0]],
              &out = plan_.shapes[step.layer + 1];
  const float* x = program.value(step.inputs[0]);
  float* y = program.value(step.output);
  const int64_t size = count * in.size();
  switch (layer.kind) {
    case OpKind::conv2d:
      return forward_convolution(program, step, count);
    case OpKind::batch_norm2d:
      return forward_batch_norm(program, step, count, training);
    case OpKind::relu:
      return relu(threads_, size, x, y);
    case OpKind::relu6:
      return relu6(threads_, size, x, y);
    case OpKind::add:
      return add(threads_, size, x, program.value(step.inputs[1]), y);
    case OpKind::max_pool2d:
      return max_pool(threads_, {count, in, out, layer.window}, x, y);
    case OpKind::avg_pool2d:
      return avg_pool(threads_,
                      {count, in, out, layer.window, layer.count_include_pad},
                      x, y);
    case OpKind::global_avg_pool2d:
      return global_avg_pool(threads_, count, in, x, y);
    case OpKind::dense:
      return dense(threads_, {count, in.channels, out.channels}, x,
                   find(parameters_, step.layer, 0),
                   find(parameters_, step.layer, 1), y);
    case OpKind::dropout:  // of training alone
      return dropout(threads_,
                     dropout_of(options_, layer, step.layer, progress_.step,
                                share_.first * in.size()),
                     size, x, y);
    default:  // flatten: the same memory
      return;
  }
}

// With whatever is fused into it.
void PortableSession::forward_convolution(const Program& program,
                                          const Step& step, int count) {
  const Layer& layer = plan_.layers[step.layer];
  const Shape &in = plan_.shapes[step.inputs[0]],
              &out = plan_.shapes[step.layer + 1];
  const bool folded = step.norm >= 0;
  float* y = program.value(step.output);
  convolve(threads_, {count, in, out, layer.window, layer.groups},
           program.value(step.inputs[0]),
           folded ? step.weight.data() : find(parameters_, step.layer, 0),
           folded ? step.bias.data() : find(parameters_, step.layer, 1), y);
  const int64_t size = count * out.size();
  if (step.addend >= 0) {
    add(threads_, size, y, program.value(step.addend), y);
  }
  if (step.activation < 0) return;
  const bool six = plan_.layers[step.activation].kind == OpKind::relu6;
  (six ? relu6 : relu)(threads_, size, y, y);
}

void PortableSession::forward_batch_norm(const Program& program,
                                         const Step& step, int count,
                                         bool training) {
  const Layer& layer = plan_.layers[step.layer];
  const BatchNorm norm{count, plan_.shapes[step.output], layer.epsilon};
  const float *x = program.value(step.inputs[0]),
              *mean = find(parameters_, step.layer, 2),
              *variance = find(parameters_, step.layer, 3);
  if (training && !layer.running_statistics()) {
    float* batch_mean = statistics_[step.layer].data();
    float* batch_variance = batch_mean + norm.shape.channels;
    if (ranks_.syncs()) {
      sum_statistics(norm, x, batch_mean, batch_variance);
    } else {
      batch_statistics(threads_, norm, x, batch_mean, batch_variance);
    }
    mean = batch_mean;
    variance = batch_variance;
  }
  batch_norm(threads_, norm, x, mean, variance,
             find(parameters_, step.layer, 0), find(parameters_, step.layer, 1),
             program.value(step.output));
}

// Of the images of all ranks.
void PortableSession::sum_statistics(const BatchNorm& norm, const float* x,
                                     float* mean, float* variance) {
  std::vector<double> sums = batch_sums(threads_, norm, x);
  ranks_.sum(sums);
  const double total =
      static_cast<double>(share_.count) * norm.shape.height * norm.shape.width;
  statistics_of(sums, total, mean, variance);
}

// From the gradient of the logits. A value that several layers read gets the
// sum of their gradients.
void PortableSession::backward(const Program& program, int count) {
  std::fill(written_.begin(), written_.end(), false);
  for (size_t i = program.steps.size(); i-- > 0;) {
    const Step& step = program.steps[i];
    if (!plan_.learns[step.output]) continue;
    const OpKind kind = plan_.layers[step.layer].kind;
    if (kind == OpKind::add || kind == OpKind::flatten) {
      pass_on(program, step, count);
      continue;
    }
    const int input = step.inputs[0];
    const bool wanted = plan_.learns[input], sum = written_[input];
    float* dx = sum ? program.scratch(i) : program.gradient(input);
    backward_step(step, count, program.value(input),
                  program.gradient(step.output), wanted ? dx : nullptr);
    if (ranks_.on()) sum_gradients(step.layer);
    if (!wanted) continue;
    if (sum) {
      float* whole = program.gradient(input);
      add(threads_, count * plan_.shapes[input].size(), dx, whole, whole);
    }
    written_[input] = true;
  }
}

// Over the ranks, while backward goes on.
void PortableSession::sum_gradients(int layer) {
  for (const Parameter& parameter : plan_.parameters) {
    if (parameter.layer != layer || !parameter.trainable) continue;
    ranks_.ready(gradients_.data() + parameter.offset, parameter.size);
  }
}

// The gradient of a value that is only added or reshaped.
void PortableSession::pass_on(const Program& program, const Step& step,
                              int count) {
  const float* dy = program.gradient(step.output);
  const int64_t size = count * plan_.shapes[step.output].size();
  for (int input : step.inputs) {
    if (!plan_.learns[input]) continue;
    float* dx = program.gradient(input);
    if (written_[input]) {
      add(threads_, size, dy, dx, dx);
    } else {
      std::copy_n(dy, size, dx);
    }
    written_[input] = true;
  }
}

// Leaves the parameters' gradients with the parameters, and that of the input
// in dx unless it is null.
void PortableSession::backward_step(const Step& step, int count, const float* x,
                                    float* dy, float* dx) {
  const Layer& layer = plan_.layers[step.layer];
  const Shape &in = plan_.shapes[step.inputs[0]],
              &out = plan_.shapes[step.output];
  const float* weight = find(parameters_, step.layer, 0);
  float *dweight = find(gradients_, step.layer, 0),
        *dbias = find(gradients_, step.layer, 1);
  const bool learns = !layer.frozen;
  switch (layer.kind) {
    case OpKind::conv2d: {
      const Convolution convolution{count, in, out, layer.window, layer.groups};
      if (learns) {
        convolve_weight_gradient(threads_, convolution, dy, x, dweight, dbias);
      }
      if (dx) convolve_input_gradient(threads_, convolution, dy, weight, dx);
      return;
    }
    case OpKind::batch_norm2d: {
      const bool fixed = layer.running_statistics();
      const float* mean = fixed ? find(parameters_, step.layer, 2)
                                : statistics_[step.layer].data();
      const float* variance =
          fixed ? find(parameters_, step.layer, 3) : mean + in.channels;
      const BatchNorm norm{count, in, layer.epsilon, fixed};
      std::optional<WholeSums> whole;
      if (!fixed && ranks_.syncs()) {
        whole = {gradient_sums(threads_, norm, dy, x, mean),
                 static_cast<double>(share_.count) * in.height * in.width};
        ranks_.sum(whole->sums);
      }
      return batch_norm_gradient(threads_, norm, dy, x, mean, variance, weight,
                                 dx, learns ? dweight : nullptr,
                                 learns ? dbias : nullptr,
                                 whole ? &*whole : nullptr);
    }
    case OpKind::max_pool2d:
      return max_pool_gradient(threads_, {count, in, out, layer.window}, dy, x,
                               dx);
    case OpKind::avg_pool2d:
      return avg_pool_gradient(
          threads_, {count, in, out, layer.window, layer.count_include_pad}, dy,
          dx);
    case OpKind::global_avg_pool2d:
      return global_avg_pool_gradient(threads_, count, in, dy, dx);
    case OpKind::dense: {
      const Dense size{count, in.channels, out.channels};
      if (learns) dense_weight_gradient(threads_, size, dy, x, dweight, dbias);
      if (dx) dense_input_gradient(threads_, size, dy, weight, dx);
      return;
    }
    case OpKind::relu:
      return relu_gradient(threads_, count * in.size(), dy, x, dx);
    case OpKind::relu6:
      return relu6_gradient(threads_, count * in.size(), dy, x, dx);
    case OpKind::dropout:
      return dropout(threads_,
                     dropout_of(options_, layer, step.layer, progress_.step,
                                share_.first * in.size()),
                     count * in.size(), dy, dx);
    default:
      return;
  }
}

double PortableSession::gradient_norm() const {
  double sum = 0;
  for (float gradient : gradients_) sum += double{gradient} * gradient;
  return std::sqrt(sum);
}

void PortableSession::update(float learning_rate, double norm) {
  const float scale = clip_scale(norm, options_.clip_norm);
  const int moments = moment_count(options_.optimizer);
  threads_.run(plan_.parameters.size(), [&](int64_t i) {
    const Parameter& parameter = plan_.parameters[i];
    if (!parameter.trainable) return;
    const UpdateRule rule = update_rule(
        options_.optimizer, group_of(options_.optimizer, plan_, parameter),
        progress_.updates(), learning_rate, scale);
    const int64_t offset = parameter.offset;
    float* first = moments > 0 ? moments_.data() + offset : nullptr;
    float* second = moments > 1 ? first + plan_.parameter_count : nullptr;
    update_parameters(rule, parameters_.data() + offset,
                      gradients_.data() + offset, first, second,
                      parameter.size);
  });
}

void PortableSession::update_running_statistics(const Batch& batch) {
  for (size_t i = 0; i < statistics_.size(); ++i) {
    const Layer& layer = plan_.layers[i];
    if (statistics_[i].empty() || layer.running_statistics()) continue;
    if (ranks_.on() && !ranks_.syncs()) {
      ranks_.average(statistics_[i].data(),
                     static_cast<int64_t>(statistics_[i].size()), batch.count);
    }
    const float* mean = statistics_[i].data();
    const Shape& shape = plan_.shapes[i + 1];
    const int index = static_cast<int>(i);
    update_running({batch.whole_count(), shape, layer.epsilon}, layer.momentum,
                   mean, mean + shape.channels, find(parameters_, index, 2),
                   find(parameters_, index, 3));
  }
  ++version_;
}

void PortableSession::get_parameters(float* values) {
  std::copy(parameters_.begin(), parameters_.end(), values);
}

void PortableSession::set_parameters(const float* values) {
  std::copy_n(values, parameters_.size(), parameters_.begin());
  ++version_;
}

OptimizerState PortableSession::get_optimizer_state() {
  return {progress_, moments_};
}

void PortableSession::set_optimizer_state(const OptimizerState& state) {
  check_optimizer_state(options_, plan_, state);
  moments_ = state.values;
  progress_ = state.progress;
}

int64_t PortableSession::memory_bytes() const {
  const size_t floats =
      parameters_.size() + gradients_.size() + moments_.size();
  auto bytes = static_cast<int64_t>(floats * sizeof(float));
  if (training_) bytes += training_->bytes();
  for (const auto& [target, program] : inference_) bytes += program.bytes();
  return bytes;
}

}  // namespace birbs::portable
