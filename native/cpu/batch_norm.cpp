#include "batch_norm.h"

namespace birbs::cpu {

using dnnl::normalization_flags;

BatchNormStage::BatchNormStage(const Node& node, const Wiring& wiring,
                               NodeMemory& kept, Shared& shared)
    : node_(node), wiring_(wiring), shared_(shared) {
  const int channels = node.in.shape.channels;
  const float epsilon = shared.options.network.layers[node.layer].epsilon;
  mean_ = static_cast<float*>(
      kept.statistics.reserve(2 * channels * sizeof(float)));
  variance_ = mean_ + channels;
  const auto data = node.in.desc(wiring.count);
  const auto vector = describe_memory({channels}, memory::format_tag::x);
  const Parameters& parameters = shared.parameters;
  auto parameter = [&](size_t nth) {
    return attach(vector, parameters.value(node.layer, nth));
  };
  auto flags = normalization_flags::use_scale | normalization_flags::use_shift;
  if (node.relu) flags = flags | normalization_flags::fuse_norm_relu;
  const auto plain = attributes_with(false);
  const auto desc = describe_batch_norm(
      plain, dnnl::prop_kind::forward_training, data, epsilon, flags);
  const auto fixed = describe_batch_norm(
      plain, dnnl::prop_kind::forward_inference, data, epsilon,
      flags | normalization_flags::use_global_stats);
  const auto gradient =
      describe_batch_norm_gradient(plain, desc, data, epsilon, flags);

  const memory x = attach(data, wiring.x);
  Arguments forward{{DNNL_ARG_SRC, x},
                    {DNNL_ARG_DST, attach(data, wiring.y)},
                    {DNNL_ARG_SCALE, parameter(0)},
                    {DNNL_ARG_SHIFT, parameter(1)},
                    {DNNL_ARG_MEAN, parameter(2)},
                    {DNNL_ARG_VARIANCE, parameter(3)}};
  inference_ =
      prepare(shared, fixed, dnnl::batch_normalization_forward(fixed), forward);
  const memory mean = attach(vector, mean_);
  const memory variance = attach(vector, variance_);
  forward[DNNL_ARG_MEAN] = mean;
  forward[DNNL_ARG_VARIANCE] = variance;
  Arguments backward{
      {DNNL_ARG_SRC, x},
      {DNNL_ARG_MEAN, mean},
      {DNNL_ARG_VARIANCE, variance},
      {DNNL_ARG_SCALE, parameter(0)},
      {DNNL_ARG_DIFF_DST, attach(data, wiring.dy)},
      {DNNL_ARG_DIFF_SRC, attach(data, wiring.dx)},
      {DNNL_ARG_DIFF_SCALE, attach(vector, parameters.gradient(node.layer, 0))},
      {DNNL_ARG_DIFF_SHIFT,
       attach(vector, parameters.gradient(node.layer, 1))}};
  add_gradient_shift(backward, parameter(1));
  const memory::desc workspace = desc.workspace_desc();
  if (workspace.get_size() > 0) {
    const auto cut =
        attach(workspace, kept.workspace.reserve(workspace.get_size()));
    forward.insert({DNNL_ARG_WORKSPACE, cut});
    backward.insert({DNNL_ARG_WORKSPACE, cut});
  }
  training_ = prepare(shared, desc, dnnl::batch_normalization_forward(desc),
                      std::move(forward));
  backward_ =
      prepare(shared, gradient, dnnl::batch_normalization_backward(gradient),
              std::move(backward));
}

void BatchNormStage::forward(const Phase& phase) {
  (phase.training ? training_ : inference_).run(shared_.stream);
}

void BatchNormStage::backward() { backward_.run(shared_.stream); }

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
