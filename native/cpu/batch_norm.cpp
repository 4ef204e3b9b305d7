#include "batch_norm.h"

#include <vector>

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
  whole_ = phase.whole;
  if (own && syncs()) {
    const int channels = node_.in.shape.channels;
    std::vector<double> sums(2 * static_cast<size_t>(channels));
    batch_sums(node_.in, bindings_.count, bindings_.x, sums.data());
    shared_.ranks.sum(sums);
    statistics_of(sums.data(), total(), channels, mean_, variance_);
  } else if (own) {
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
  BatchNormGradient norm{
      .x = bindings_.x,
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
      .dbias = parameters.gradient(node_.layer, 1)};
  std::vector<double> sums;
  if (syncs()) {
    sums.resize(2 * static_cast<size_t>(node_.in.shape.channels));
    norm.own_sums = sums.data();
    batch_norm_gradient(node_.in, bindings_.count, norm);
    shared_.ranks.sum(sums);
    norm.own_sums = nullptr;
    norm.whole_sums = sums.data();
    norm.total = total();
  }
  batch_norm_gradient(node_.in, bindings_.count, norm);
}

double BatchNormStage::total() const {
  return static_cast<double>(whole_) * node_.in.plane();
}

// As PyTorch: the unbiased variance, which a single value does not have.
void BatchNormStage::update_statistics() {
  if (fixed_) return;
  if (shared_.ranks.on() && !syncs()) {  // mean_ and variance_ lie together
    shared_.ranks.average(mean_, int64_t{2} * node_.in.shape.channels,
                          bindings_.count);
  }
  const float momentum = shared_.layer(node_).momentum;
  const double values = total();
  const float unbiased =
      values > 1 ? static_cast<float>(values / (values - 1)) : 1.0f;
  float* running_mean = shared_.parameters.value(node_.layer, 2);
  float* running_variance = shared_.parameters.value(node_.layer, 3);
  for (int c = 0; c < node_.in.shape.channels; ++c) {
    running_mean[c] += momentum * (mean_[c] - running_mean[c]);
    running_variance[c] +=
        momentum * (variance_[c] * unbiased - running_variance[c]);
  }
}

}  // namespace birbs::cpu
