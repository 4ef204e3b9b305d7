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

DenseStage::DenseStage(const Node& node, const Bindings& bindings,
                       Shared& shared)
    : node_(node), bindings_(bindings), shared_(shared) {
  if (node.inference) return;
  const Layer& layer = shared.layer(node);
  const auto descs = describe(layer, node, bindings.count, node.weights);
  const memory weights =
      attach(node.weights, shared.parameters.value(node.layer, 0));
  Arguments arguments{
      {DNNL_ARG_SRC, attach(descs.forward.src_desc(), bindings.x)},
      {DNNL_ARG_WEIGHTS, weights},
      {DNNL_ARG_DST, attach(descs.forward.dst_desc(), bindings.y)}};
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
        {{DNNL_ARG_DIFF_DST, attach(descs.forward.dst_desc(), bindings.dy)},
         {DNNL_ARG_WEIGHTS, weights},
         {DNNL_ARG_DIFF_SRC, attach(descs.forward.src_desc(), bindings.dx)}});
  }
  if (node.learns) prepare_weights();
}

void DenseStage::prepare_weights() {
  const Panels& panels = node_.panels;
  const int count = bindings_.count;
  targets_ = Buffer(DenseGradient::targets_size(panels, count) * sizeof(float));
  const int64_t floats =
      DenseGradient::inputs_size(count) + DenseGradient::rows * panels.width;
  scratch_size_ = (floats + 15) / 16 * 16;
  scratch_ = static_cast<float*>(shared_.threads.reserve(
      scratch_size_ * shared_.options.threads * sizeof(float)));
  sums_.resize((panels.inputs + DenseGradient::rows - 1) / DenseGradient::rows);
}

void DenseStage::forward(const Phase&) {
  const Parameters& parameters = shared_.parameters;
  if (forward_) {
    forward_.run(shared_.stream);
  } else {
    dense_forward(node_.panels, bindings_.count, bindings_.x,
                  parameters.value(node_.layer, 0),
                  parameters.value(node_.layer, 1), bindings_.y);
  }
  if (node_.activation == Activation::none) return;
  activate(node_.activation, bindings_.count * node_.panels.outputs,
           bindings_.y, bindings_.y);
}

void DenseStage::backward() {
  const int64_t outputs = node_.panels.outputs;
  activation_gradient(node_.activation, bindings_.count * outputs, bindings_.y,
                      bindings_.dy);
  if (float* bias = shared_.parameters.gradient(node_.layer, 1)) {
    dense_bias_gradient(outputs, bindings_.count, bindings_.dy, bias);
  }
  if (backward_) backward_.run(shared_.stream);
}

double DenseStage::visit_weights(
    const std::function<double(const Chunk&)>& visit) {
  DenseGradient::arrange(node_.panels, bindings_.count, bindings_.dy,
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
  const int64_t count = bindings_.count;
  const int64_t last = std::min(first + DenseGradient::rows, panels.inputs);
  float* inputs = scratch;
  float* gradient = scratch + DenseGradient::inputs_size(count);
  DenseGradient::arrange_inputs(panels, count, bindings_.x, first, last,
                                inputs);
  float* weights = shared_.parameters.value(node_.layer, 0);
  const size_t group = shared_.parameters.group(node_.layer, 0);
  double sum = 0;
  for (int64_t panel = 0; panel < panels.count(); ++panel) {
    const int64_t column = panel * panels.width;
    DenseGradient::compute(panels, count, inputs,
                           targets_.floats() + column * count, last - first,
                           gradient);
    sum += visit(shared_.parameters.chunk(
        weights + panels.offset(column, first), gradient,
        (last - first) * panels.width, group));
  }
  return sum;
}

}  // namespace birbs::cpu
