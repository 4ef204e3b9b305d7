#include "portable_session.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "activation.h"
#include "batch_norm.h"
#include "convolution.h"
#include "dense.h"
#include "normalization.h"
#include "optimizer.h"
#include "philox.h"
#include "pooling.h"

namespace birbs::portable {
namespace {

using Clock = std::chrono::steady_clock;

Plan check_and_plan(const SessionOptions& options) {
  check_session_options(options);
  Plan plan = plan_network(options.network, options.batch_size);
  require_chain(plan);
  return plan;
}

}  // namespace

PortableSession::PortableSession(const SessionOptions& options)
    : options_(options),
      plan_(check_and_plan(options)),
      threads_(options.threads),
      parameters_(init_parameters(plan_, options.seed)),
      gradients_(plan_.parameter_count),
      moments_(moment_count(options.optimizer) * plan_.parameter_count) {
  allocate();
}

void PortableSession::allocate() {
  const auto& layers = plan_.layers;
  offsets_.resize(layers.size());
  statistics_.resize(layers.size());
  for (const Parameter& parameter : plan_.parameters) {
    offsets_[parameter.layer].push_back(parameter.offset);
  }
  while (first_trainable_ < layers.size() &&
         offsets_[first_trainable_].empty()) {
    ++first_trainable_;
  }
  int64_t largest = 0;
  for (size_t i = 0; i <= layers.size(); ++i) {
    int64_t size = plan_.shapes[i].size() * options_.batch_size;
    largest = std::max(largest, size);
    if (i > 0 && layers[i - 1].kind == OpKind::flatten) {
      values_.push_back(values_.back());
      continue;
    }
    storage_.emplace_back(size);
    values_.push_back(storage_.back().data());
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    if (layers[i].kind == OpKind::batch_norm2d) {
      statistics_[i].resize(2 * plan_.shapes[i].channels);
    }
  }
  gradient_.resize(largest);
  next_gradient_.resize(largest);
}

float* PortableSession::find(std::vector<float>& flat, size_t layer,
                             size_t nth) {
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
    update_running_statistics(batch.count);
    ++progress_.step;
    result.device_seconds =
        std::chrono::duration<double>(Clock::now() - start).count();
  } catch (const std::exception& error) {
    result = {};
    result.error = error.what();
  }
  done(std::move(result));
}

void PortableSession::predict(const uint8_t* images, int count, float* logits) {
  check_images(options_, images, count);
  forward(images, count, false);
  std::copy_n(values_.back(), int64_t{count} * options_.network.classes,
              logits);
}

StepResult PortableSession::gradients(const Batch& batch, float* gradients,
                                      float* logits) {
  check_batch(options_, batch);
  const auto start = Clock::now();
  StepResult result = differentiate(batch);
  std::copy(gradients_.begin(), gradients_.end(), gradients);
  std::copy_n(values_.back(), int64_t{batch.count} * options_.network.classes,
              logits);
  result.device_seconds =
      std::chrono::duration<double>(Clock::now() - start).count();
  return result;
}

// Everything of a step but the update; leaves parameters and statistics alone.
StepResult PortableSession::differentiate(const Batch& batch) {
  forward(batch.images, batch.count, true);
  Loss loss = cross_entropy(values_.back(), batch.labels, batch.count,
                            options_.network.classes, options_.class_weights,
                            options_.label_smoothing, gradient_.data());
  backward(batch.count);
  StepResult result;
  result.loss = loss.value;
  result.correct = loss.correct;
  result.image_losses = std::move(loss.of_images);
  result.gradient_norm = gradient_norm();
  return result;
}

void PortableSession::forward(const uint8_t* images, int count, bool training) {
  normalize(threads_, options_.network, count, images, values_[0]);
  for (size_t i = 0; i < plan_.layers.size(); ++i) {
    forward_layer(i, count, training);
  }
}

void PortableSession::forward_layer(size_t index, int count, bool training) {
  const Layer& layer = plan_.layers[index];
  const Shape &in = plan_.shapes[index], &out = plan_.shapes[index + 1];
  const float *x = values_[index], *weight = find(parameters_, index, 0),
              *bias = find(parameters_, index, 1);
  float* y = values_[index + 1];
  switch (layer.kind) {
    case OpKind::conv2d:
      return convolve(threads_, {count, in, out, layer.window, layer.groups}, x,
                      weight, bias, y);
    case OpKind::batch_norm2d:
      return forward_batch_norm(index, count, training);
    case OpKind::relu:
      return relu(threads_, count * in.size(), x, y);
    case OpKind::max_pool2d:
      return max_pool(threads_, {count, in, out, layer.window}, x, y);
    case OpKind::avg_pool2d:
      return avg_pool(threads_,
                      {count, in, out, layer.window, layer.count_include_pad},
                      x, y);
    case OpKind::global_avg_pool2d:
      return global_avg_pool(threads_, count, in, x, y);
    case OpKind::flatten:
      return;
    case OpKind::dense:
      return dense(threads_, {count, in.channels, out.channels}, x, weight,
                   bias, y);
    case OpKind::dropout:
      if (!training) {
        std::copy_n(x, count * in.size(), y);
        return;
      }
      return dropout(
          threads_,
          {layer.rate, options_.seed,
           dropout_stream + static_cast<uint32_t>(index), progress_.step},
          count * in.size(), x, y);
    default:
      return;
  }
}

void PortableSession::forward_batch_norm(size_t index, int count,
                                         bool training) {
  const BatchNorm norm{count, plan_.shapes[index], plan_.layers[index].epsilon};
  const float *x = values_[index], *mean = find(parameters_, index, 2),
              *variance = find(parameters_, index, 3);
  if (training) {
    float* batch_mean = statistics_[index].data();
    float* batch_variance = batch_mean + norm.shape.channels;
    batch_statistics(threads_, norm, x, batch_mean, batch_variance);
    mean = batch_mean;
    variance = batch_variance;
  }
  batch_norm(threads_, norm, x, mean, variance, find(parameters_, index, 0),
             find(parameters_, index, 1), values_[index + 1]);
}

// From the gradient of the logits in gradient_.
void PortableSession::backward(int count) {
  for (size_t i = plan_.layers.size(); i-- > first_trainable_;) {
    backward_layer(i, count);
  }
}

// Takes the gradient of the layer's output from gradient_ and leaves that of
// its input there.
void PortableSession::backward_layer(size_t index, int count) {
  const Layer& layer = plan_.layers[index];
  const Shape &in = plan_.shapes[index], &out = plan_.shapes[index + 1];
  const float *x = values_[index], *weight = find(parameters_, index, 0);
  const bool wanted = index > first_trainable_;
  float *dy = gradient_.data(), *dx = next_gradient_.data();
  float *dweight = find(gradients_, index, 0),
        *dbias = find(gradients_, index, 1);
  switch (layer.kind) {
    case OpKind::conv2d: {
      const Convolution convolution{count, in, out, layer.window, layer.groups};
      convolve_weight_gradient(threads_, convolution, dy, x, dweight, dbias);
      if (wanted) {
        convolve_input_gradient(threads_, convolution, dy, weight, dx);
      }
      break;
    }
    case OpKind::batch_norm2d: {
      const float* mean = statistics_[index].data();
      batch_norm_gradient(threads_, {count, in, layer.epsilon}, dy, x, mean,
                          mean + in.channels, weight, wanted ? dx : nullptr,
                          dweight, dbias);
      break;
    }
    case OpKind::max_pool2d:
      max_pool_gradient(threads_, {count, in, out, layer.window}, dy, x, dx);
      break;
    case OpKind::avg_pool2d:
      avg_pool_gradient(threads_,
                        {count, in, out, layer.window, layer.count_include_pad},
                        dy, dx);
      break;
    case OpKind::global_avg_pool2d:
      global_avg_pool_gradient(threads_, count, in, dy, dx);
      break;
    case OpKind::dense: {
      const Dense size{count, in.channels, out.channels};
      dense_weight_gradient(threads_, size, dy, x, dweight, dbias);
      if (wanted) dense_input_gradient(threads_, size, dy, weight, dx);
      break;
    }
    // These three work in place.
    case OpKind::relu:
      return relu_gradient(threads_, count * in.size(), dy, x, dy);
    case OpKind::dropout:
      return dropout(
          threads_,
          {layer.rate, options_.seed,
           dropout_stream + static_cast<uint32_t>(index), progress_.step},
          count * in.size(), dy, dy);
    default:
      return;
  }
  std::swap(gradient_, next_gradient_);
}

double PortableSession::gradient_norm() const {
  double sum = 0;
  for (float gradient : gradients_) sum += double{gradient} * gradient;
  return std::sqrt(sum);
}

void PortableSession::update(float learning_rate, double norm) {
  const UpdateRule rule =
      update_rule(options_.optimizer, progress_.updates(), learning_rate,
                  clip_scale(norm, options_.clip_norm));
  const int moments = moment_count(options_.optimizer);
  threads_.run(plan_.parameters.size(), [&](int64_t i) {
    const Parameter& parameter = plan_.parameters[i];
    if (!parameter.trainable) return;
    const int64_t offset = parameter.offset;
    float* first = moments > 0 ? moments_.data() + offset : nullptr;
    float* second = moments > 1 ? first + plan_.parameter_count : nullptr;
    update_parameters(rule, parameters_.data() + offset,
                      gradients_.data() + offset, first, second,
                      parameter.size);
  });
}

void PortableSession::update_running_statistics(int count) {
  for (size_t i = 0; i < statistics_.size(); ++i) {
    if (statistics_[i].empty()) continue;
    const Layer& layer = plan_.layers[i];
    const float* mean = statistics_[i].data();
    update_running({count, plan_.shapes[i], layer.epsilon}, layer.momentum,
                   mean, mean + plan_.shapes[i].channels,
                   find(parameters_, i, 2), find(parameters_, i, 3));
  }
}

void PortableSession::get_parameters(float* values) {
  std::copy(parameters_.begin(), parameters_.end(), values);
}

void PortableSession::set_parameters(const float* values) {
  std::copy_n(values, parameters_.size(), parameters_.begin());
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
  size_t floats = parameters_.size() + gradients_.size() + moments_.size() +
                  gradient_.size() + next_gradient_.size();
  for (const auto& values : storage_) floats += values.size();
  return static_cast<int64_t>(floats * sizeof(float));
}

}  // namespace birbs::portable
