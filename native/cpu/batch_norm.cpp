#include "batch_norm.h"

#include "batch_norm_math.h"

namespace birbs::cpu {

using dnnl::normalization_flags;

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
  const auto data = node.in.desc(wiring.count);
  const auto vector = describe_memory({channels}, memory::format_tag::x);
  const Parameters& parameters = shared.parameters;
  auto parameter = [&](size_t nth) {
    return attach(vector, parameters.value(node.layer, nth));
  };
  auto flags = normalization_flags::use_scale | normalization_flags::use_shift |
               normalization_flags::use_global_stats;
  if (node.relu) flags = flags | normalization_flags::fuse_norm_relu;
  const auto desc = describe_batch_norm(attributes_with(false),
                                        dnnl::prop_kind::forward_inference,
                                        data, epsilon_, flags);
  const dnnl::batch_normalization_forward primitive(desc);
  Arguments arguments{{DNNL_ARG_SRC, attach(data, wiring.x)},
                      {DNNL_ARG_DST, attach(data, wiring.y)},
                      {DNNL_ARG_SCALE, parameter(0)},
                      {DNNL_ARG_SHIFT, parameter(1)},
                      {DNNL_ARG_MEAN, parameter(2)},
                      {DNNL_ARG_VARIANCE, parameter(3)}};
  inference_ = prepare(shared, desc, primitive, arguments);
  arguments[DNNL_ARG_MEAN] = attach(vector, mean_);
  arguments[DNNL_ARG_VARIANCE] = attach(vector, variance_);
  training_ = prepare(shared, desc, primitive, std::move(arguments));
}

void BatchNormStage::forward(const Phase& phase) {
  if (phase.training) {
    batch_statistics(node_.in, wiring_.count, wiring_.x, mean_, variance_);
  }
  (phase.training ? training_ : inference_).run(shared_.stream);
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
