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

MaxPoolStage::MaxPoolStage(const Node& node, const Bindings& bindings,
                           NodeMemory& kept, Shared& shared)
    : pool_{node.in, node.out, shared.layer(node).window, bindings.count},
      bindings_(bindings),
      taken_(static_cast<int32_t*>(
          kept.workspace.reserve(pool_.outputs() * sizeof(int32_t)))) {}

void MaxPoolStage::forward(const Phase&) {
  max_pool(pool_, bindings_.x, bindings_.y, taken_);
}

void MaxPoolStage::backward() {
  if (bindings_.dx)
    max_pool_gradient(pool_, bindings_.dy, taken_, bindings_.dx);
}

AveragePoolStage::AveragePoolStage(const Node& node, const Bindings& bindings,
                                   Shared& shared)
    : shared_(shared) {
  const Layer& layer = shared.layer(node);
  const auto algorithm = average(layer);
  const Geometry at = geometry_of(average_window(layer, node.in.shape));
  const auto in = node.in.desc(bindings.count),
             out = node.out.desc(bindings.count);
  const auto plain = scratchpad_attributes();
  const auto desc = describe_pooling(plain, algorithm, in, out, at.strides,
                                     at.kernel, at.pad_before, at.pad_after);
  forward_ = prepare(shared, desc, dnnl::pooling_forward(desc),
                     {{DNNL_ARG_SRC, attach(in, bindings.x)},
                      {DNNL_ARG_DST, attach(out, bindings.y)}});
  if (!bindings.dx) return;
  const auto gradient =
      describe_pooling_gradient(plain, desc, algorithm, in, out, at.strides,
                                at.kernel, at.pad_before, at.pad_after);
  backward_ = prepare(shared, gradient, dnnl::pooling_backward(gradient),
                      {{DNNL_ARG_DIFF_DST, attach(out, bindings.dy)},
                       {DNNL_ARG_DIFF_SRC, attach(in, bindings.dx)}});
}

void AveragePoolStage::forward(const Phase&) { forward_.run(shared_.stream); }

void AveragePoolStage::backward() {
  if (backward_) backward_.run(shared_.stream);
}

std::unique_ptr<Stage> make_pooling(const Node& node, const Bindings& bindings,
                                    NodeMemory& kept, Shared& shared) {
  if (shared.layer(node).kind == OpKind::max_pool2d) {
    return std::make_unique<MaxPoolStage>(node, bindings, kept, shared);
  }
  return std::make_unique<AveragePoolStage>(node, bindings, shared);
}

}  // namespace birbs::cpu
