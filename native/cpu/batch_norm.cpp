#include "batch_norm.h"

namespace birbs::cpu {

BatchNormStage::BatchNormStage(const Node& node, const Wiring& wiring,
                               NodeMemory& kept, Shared& shared)
    : node_(node),
      wiring_(wiring),
      shared_(shared),
      epsilon_(shared.options.network.layers[node.layer].epsilon) {
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
  if (phase.training) {
    batch_statistics(node_.in, wiring_.count, wiring_.x, mean_, variance_);
  }
  batch_norm(node_.in, wiring_.count,
             {.x = wiring_.x,
              .mean = phase.training ? mean_ : parameter(2),
              .variance = phase.training ? variance_ : parameter(3),
              .weight = parameter(0),
              .bias = parameter(1),
              .epsilon = epsilon_,
              .relu = node_.relu,
              .y = wiring_.y});
}

void BatchNormStage::backward() {
  const Parameters& parameters = shared_.parameters;
  batch_norm_gradient(node_.in, wiring_.count,
                      {.x = wiring_.x,
                       .mean = mean_,
                       .variance = variance_,
                       .weight = parameters.value(node_.layer, 0),
                       .epsilon = epsilon_,
                       .y = node_.relu ? wiring_.y : nullptr,
                       .dy = wiring_.dy,
                       .dx = wiring_.dx,
                       .dweight = parameters.gradient(node_.layer, 0),
                       .dbias = parameters.gradient(node_.layer, 1)});
}

// As PyTorch: the unbiased variance, which a single value does not have.
void BatchNormStage::update_statistics() {
  const float momentum = shared_.options.network.layers[node_.layer].momentum;
  const double total = static_cast<double>(wiring_.count) * node_.in.plane();
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
