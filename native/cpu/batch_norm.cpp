#include "batch_norm.h"

namespace birbs::cpu {

BatchNormStage::BatchNormStage(const Node& node, const Bindings& bindings,
                               NodeMemory& kept, Shared& shared)
    : node_(node),
      bindings_(bindings),
      shared_(shared),
      epsilon_(shared.layer(node).epsilon),
      fixed_(node.inference || shared.layer(node).running_statistics()) {
  const int channels = node.in.shape.channels;
  mean_ = static_cast<float*>(
      kept.statistics.reserve(2 * channels * sizeof(float)));
  variance_ = mean_ + channels;
}

void BatchNormStage::forward(const Phase& phase) {
  const Parameters& parameters = shared_.parameters;
  auto parameter = [&](size_t nth) {
    return parameters.value(node_.layer, nth);
  };
  const bool own = phase.training && !fixed_;
  if (own) {
    batch_statistics(node_.in, bindings_.count, bindings_.x, mean_, variance_);
  }
  batch_norm(node_.in, bindings_.count,
             {.x = bindings_.x,
              .mean = own ? mean_ : parameter(2),
              .variance = own ? variance_ : parameter(3),
              .weight = parameter(0),
              .bias = parameter(1),
              .epsilon = epsilon_,
              .activation = node_.activation,
              .y = bindings_.y});
}

void BatchNormStage::backward() {
  const Parameters& parameters = shared_.parameters;
  batch_norm_gradient(
      node_.in, bindings_.count,
      {.x = bindings_.x,
       .mean = fixed_ ? parameters.value(node_.layer, 2) : mean_,
       .variance = fixed_ ? parameters.value(node_.layer, 3) : variance_,
       .weight = parameters.value(node_.layer, 0),
       .epsilon = epsilon_,
       .fixed = fixed_,
       .activation = node_.activation,
       .y = bindings_.y,
       .dy = bindings_.dy,
       .dx = bindings_.dx,
       .dweight = parameters.gradient(node_.layer, 0),
       .dbias = parameters.gradient(node_.layer, 1)});
}

// As PyTorch: the unbiased variance, which a single value does not have.
void BatchNormStage::update_statistics() {
  if (fixed_) return;
  const float momentum = shared_.layer(node_).momentum;
  const double total = static_cast<double>(bindings_.count) * node_.in.plane();
  const float unbiased =
      total > 1 ? static_cast<float>(total / (total - 1)) : 1.0f;
  float* running_mean = shared_.parameters.value(node_.layer, 2);
  float* running_variance = shared_.parameters.value(node_.layer, 3);
  for (int c = 0; c < node_.in.shape.channels; ++c) {
    running_mean[c] += momentum * (mean_[c] - running_mean[c]);
    running_variance[c] +=
        momentum * (variance_[c] * unbiased - running_variance[c]);
  }
}

}  // namespace birbs::cpu
