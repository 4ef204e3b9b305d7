#include "pooling.h"

namespace birbs::cpu {

dnnl::algorithm pooling_algorithm(const Layer& layer) {
  if (layer.kind == OpKind::max_pool2d) return dnnl::algorithm::pooling_max;
  const bool padding =
      layer.kind == OpKind::avg_pool2d && layer.count_include_pad;
  return padding ? dnnl::algorithm::pooling_avg_include_padding
                 : dnnl::algorithm::pooling_avg_exclude_padding;
}

Window pooling_window(const Layer& layer, const Shape& in) {
  if (layer.kind != OpKind::global_avg_pool2d) return layer.window;
  Window whole;
  whole.kernel_height = in.height;
  whole.kernel_width = in.width;
  return whole;
}

PoolingStage::PoolingStage(const Node& node, const Wiring& wiring,
                           NodeMemory& kept, Shared& shared)
    : shared_(shared) {
  const Layer& layer = shared.options.network.layers[node.layer];
  const auto algorithm = pooling_algorithm(layer);
  const Geometry at = geometry_of(pooling_window(layer, node.in.shape));
  const auto in = node.in.desc(wiring.count), out = node.out.desc(wiring.count);
  const auto plain = attributes_with(false);
  const auto desc = describe_pooling(plain, algorithm, in, out, at.strides,
                                     at.kernel, at.pad_before, at.pad_after);
  Arguments forward{{DNNL_ARG_SRC, attach(in, wiring.x)},
                    {DNNL_ARG_DST, attach(out, wiring.y)}};
  Arguments backward{{DNNL_ARG_DIFF_DST, attach(out, wiring.dy)},
                     {DNNL_ARG_DIFF_SRC, attach(in, wiring.dx)}};
  const memory::desc workspace = desc.workspace_desc();
  if (workspace.get_size() > 0) {
    const auto data =
        attach(workspace, kept.workspace.reserve(workspace.get_size()));
    forward.insert({DNNL_ARG_WORKSPACE, data});
    backward.insert({DNNL_ARG_WORKSPACE, data});
  }
  forward_ =
      prepare(shared, desc, dnnl::pooling_forward(desc), std::move(forward));
  if (!wiring.dx) return;
  const auto gradient =
      describe_pooling_gradient(plain, desc, algorithm, in, out, at.strides,
                                at.kernel, at.pad_before, at.pad_after);
  backward_ = prepare(shared, gradient, dnnl::pooling_backward(gradient),
                      std::move(backward));
}

void PoolingStage::forward(const Phase&) { forward_.run(shared_.stream); }

void PoolingStage::backward() {
  if (backward_) backward_.run(shared_.stream);
}

}  // namespace birbs::cpu
