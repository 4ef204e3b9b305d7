#include "dense.h"

#include <algorithm>
#include <numeric>

#include "dense_forward.h"
#include "elementwise.h"
#include "parallel.h"

namespace birbs::cpu {
namespace {

using tag = memory::format_tag;

struct DenseDescs {
  dnnl::inner_product_forward::primitive_desc forward;
  std::optional<dnnl::inner_product_backward_data::primitive_desc> backward;
};

memory::dims weight_dims(const Layer& layer, const Node& node) {
  return {layer.out_features, node.in.size()};
}

// The image's memory is taken as it lies, so the source is always plain.
DenseDescs describe(const Layer& layer, const Node& node, int count,
                    const memory::desc& weights) {
  const auto source = describe_memory({count, node.in.size()}, tag::nc);
  const auto target = describe_memory({count, layer.out_features}, tag::nc);
  const auto bias = layer.bias ? describe_memory({layer.out_features}, tag::x)
                               : memory::desc();
  DenseDescs descs;
  descs.forward = describe_forward<dnnl::inner_product_forward>(
      scratchpad_attributes(), dnnl::prop_kind::forward_training, source,
      weights, bias, target);
  if (node.input_gradient) {
    descs.backward = describe_backward<dnnl::inner_product_backward_data>(
        scratchpad_attributes(), descs.forward, source,
        descs.forward.weights_desc(), target);
  }
  return descs;
}

}  // namespace

void choose_dense(const Layer& layer, Node& node, int batch_size) {
  const int64_t outputs = layer.out_features, inputs = node.in.size();
  const memory::dims dims = weight_dims(layer, node);
  const std::pair<tag, int64_t> blocked[] = {
      {tag::OI16i64o, 64}, {tag::OI16i32o, 32}, {tag::OI16i16o, 16}};
  const auto liked =
      describe(layer, node, batch_size, describe_memory(dims, tag::any))
          .forward.weights_desc();
  node.weights = describe_memory(dims, tag::io);
  node.panels = {outputs, inputs, outputs, inputs};
  for (const auto& [layout, width] : blocked) {
    if (describe_memory(dims, layout) != liked) continue;
    node.weights = liked;
    node.panels = {outputs, inputs, width, (inputs + 15) / 16 * 16};
  }
}

DenseStage::DenseStage(const Node& node, const Wiring& wiring, Shared& shared)
    : node_(node), wiring_(wiring), shared_(shared) {
  const Layer& layer = shared.options.network.layers[node.layer];
  const auto descs = describe(layer, node, wiring.count, node.weights);
  const memory weights =
      attach(node.weights, shared.parameters.value(node.layer, 0));
  Arguments arguments{
      {DNNL_ARG_SRC, attach(descs.forward.src_desc(), wiring.x)},
      {DNNL_ARG_WEIGHTS, weights},
      {DNNL_ARG_DST, attach(descs.forward.dst_desc(), wiring.y)}};
  if (layer.bias) {
    arguments.insert(
        {DNNL_ARG_BIAS, attach(descs.forward.bias_desc(),
                               shared.parameters.value(node.layer, 1))});
  }
  forward_ =
      prepare(shared, descs.forward, dnnl::inner_product_forward(descs.forward),
              std::move(arguments));
  if (descs.backward) {
    backward_ = prepare(
        shared, *descs.backward,
        dnnl::inner_product_backward_data(*descs.backward),
        {{DNNL_ARG_DIFF_DST, attach(descs.forward.dst_desc(), wiring.dy)},
         {DNNL_ARG_WEIGHTS, weights},
         {DNNL_ARG_DIFF_SRC, attach(descs.forward.src_desc(), wiring.dx)}});
  }
  const Panels& panels = node.panels;
  targets_ =
      Buffer(DenseGradient::targets_size(panels, wiring.count) * sizeof(float));
  const int64_t floats = DenseGradient::inputs_size(wiring.count) +
                         DenseGradient::rows * panels.width;
  scratch_size_ = (floats + 15) / 16 * 16;
  scratch_ = static_cast<float*>(shared.threads.reserve(
      scratch_size_ * shared.options.threads * sizeof(float)));
  sums_.resize((panels.inputs + DenseGradient::rows - 1) / DenseGradient::rows);
}

void DenseStage::forward(const Phase& phase) {
  const Parameters& parameters = shared_.parameters;
  if (phase.training) {
    forward_.run(shared_.stream);
  } else {
    dense_forward(node_.panels, wiring_.count, wiring_.x,
                  parameters.value(node_.layer, 0),
                  parameters.value(node_.layer, 1), wiring_.y);
  }
  if (!node_.relu) return;
  relu(wiring_.count * node_.panels.outputs, wiring_.y, wiring_.y);
}

void DenseStage::backward() {
  const int64_t outputs = node_.panels.outputs;
  if (node_.relu) relu_gradient(wiring_.count * outputs, wiring_.y, wiring_.dy);
  if (float* bias = shared_.parameters.gradient(node_.layer, 1)) {
    dense_bias_gradient(outputs, wiring_.count, wiring_.dy, bias);
  }
  if (backward_) backward_.run(shared_.stream);
}

double DenseStage::visit_weights(
    const std::function<double(const Chunk&)>& visit) {
  DenseGradient::arrange(node_.panels, wiring_.count, wiring_.dy,
                         targets_.floats());
  const int64_t blocks = static_cast<int64_t>(sums_.size());
  parallel(blocks, node_.panels.size(), [&](int64_t first, int64_t last) {
    float* scratch = scratch_ + thread_index() * scratch_size_;
    for (int64_t block = first; block < last; ++block) {
      sums_[block] = visit_rows(block * DenseGradient::rows, scratch, visit);
    }
  });
  return std::accumulate(sums_.begin(), sums_.end(), 0.0);
}

double DenseStage::visit_rows(
    int64_t first, float* scratch,
    const std::function<double(const Chunk&)>& visit) const {
  const Panels& panels = node_.panels;
  const int64_t count = wiring_.count;
  const int64_t last = std::min(first + DenseGradient::rows, panels.inputs);
  float* inputs = scratch;
  float* gradient = scratch + DenseGradient::inputs_size(count);
  DenseGradient::arrange_inputs(panels, count, wiring_.x, first, last, inputs);
  float* weights = shared_.parameters.value(node_.layer, 0);
  double sum = 0;
  for (int64_t panel = 0; panel < panels.count(); ++panel) {
    const int64_t column = panel * panels.width;
    DenseGradient::compute(panels, count, inputs,
                           targets_.floats() + column * count, last - first,
                           gradient);
    sum += visit(
        shared_.parameters.chunk(weights + panels.offset(column, first),
                                 gradient, (last - first) * panels.width));
  }
  return sum;
}

}  // namespace birbs::cpu
