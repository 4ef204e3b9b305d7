#include "pooling.h"

namespace birbs::cpu {
namespace {

dnnl::algorithm average(const Layer& layer) {
  const bool padding =
      layer.kind == OpKind::avg_pool2d && layer.count_include_pad;
  return padding ? dnnl::algorithm::pooling_avg_include_padding
                 : dnnl::algorithm::pooling_avg_exclude_padding;
}

// Global average pooling has the whole image for a kernel.
Window average_window(const Layer& layer, const Shape& in) {
  if (layer.kind == OpKind::avg_pool2d) return layer.window;
  Window whole;
  whole.kernel_height = in.height;
  whole.kernel_width = in.width;
  return whole;
}

}  // namespace

MaxPoolStage::MaxPoolStage(const Node& node, const Wiring& wiring,
                           NodeMemory& kept, Shared& shared)
    : pool_{node.in, node.out, shared.options.network.layers[node.layer].window,
            wiring.count},
      wiring_(wiring),
      taken_(static_cast<int32_t*>(
          kept.workspace.reserve(pool_.outputs() * sizeof(int32_t)))) {}

void MaxPoolStage::forward(const Phase&) {
  max_pool(pool_, wiring_.x, wiring_.y, taken_);
}

void MaxPoolStage::backward() {
  if (wiring_.dx) max_pool_gradient(pool_, wiring_.dy, taken_, wiring_.dx);
}

AveragePoolStage::AveragePoolStage(const Node& node, const Wiring& wiring,
                                   Shared& shared)
    : shared_(shared) {
  const Layer& layer = shared.options.network.layers[node.layer];
  const auto algorithm = average(layer);
  const Geometry at = geometry_of(average_window(layer, node.in.shape));
  const auto in = node.in.desc(wiring.count), out = node.out.desc(wiring.count);
  const auto plain = scratchpad_attributes();
  const auto desc = describe_pooling(plain, algorithm, in, out, at.strides,
                                     at.kernel, at.pad_before, at.pad_after);
  forward_ = prepare(shared, desc, dnnl::pooling_forward(desc),
                     {{DNNL_ARG_SRC, attach(in, wiring.x)},
                      {DNNL_ARG_DST, attach(out, wiring.y)}});
  if (!wiring.dx) return;
  const auto gradient =
      describe_pooling_gradient(plain, desc, algorithm, in, out, at.strides,
                                at.kernel, at.pad_before, at.pad_after);
  backward_ = prepare(shared, gradient, dnnl::pooling_backward(gradient),
                      {{DNNL_ARG_DIFF_DST, attach(out, wiring.dy)},
                       {DNNL_ARG_DIFF_SRC, attach(in, wiring.dx)}});
}

void AveragePoolStage::forward(const Phase&) { forward_.run(shared_.stream); }

void AveragePoolStage::backward() {
  if (backward_) backward_.run(shared_.stream);
}

std::unique_ptr<Stage> make_pooling(const Node& node, const Wiring& wiring,
                                    NodeMemory& kept, Shared& shared) {
  if (shared.options.network.layers[node.layer].kind == OpKind::max_pool2d) {
    return std::make_unique<MaxPoolStage>(node, wiring, kept, shared);
  }
  return std::make_unique<AveragePoolStage>(node, wiring, shared);
}

}  // namespace birbs::cpu
