#include "convolution.h"

#include <algorithm>
#include <limits>

#include "depthwise_gradient.h"
#include "elementwise.h"
#include "max_pool_2x2.h"
#include "parallel.h"

namespace birbs::cpu {
namespace {

constexpr auto any = memory::format_tag::any;
constexpr auto direct = dnnl::algorithm::convolution_direct;

// Unpooled outputs up to this size at a time: a share of the last cache level.
constexpr int64_t middle_bytes = int64_t{8} << 20;

int images_at_once(const Node& node, int batch_size) {
  if (!node.pooled) return batch_size;
  const int64_t image = node.middle.shape.size() * sizeof(float);
  return static_cast<int>(
      std::clamp<int64_t>(middle_bytes / image, 1, batch_size));
}

void add(const float* part, float* sum, int64_t size) {
  for (int64_t i = 0; i < size; ++i) sum[i] += part[i];
}

}  // namespace

int ConvolutionDescs::slowness() const {
  return slowness_of(forward) + (backward ? slowness_of(*backward) : 0) +
         (weights ? slowness_of(*weights) : 0);
}

// What follows the convolution in the same kernel, where there is no backward.
// ReLU with a slope of next to nothing keeps NaN, without one it drops it; for
// relu6 see Program::finite.
dnnl::primitive_attr attributes_of(const Node& node) {
  constexpr float slope = std::numeric_limits<float>::denorm_min();
  dnnl::primitive_attr attributes = scratchpad_attributes();
  dnnl::post_ops after;
  if (node.sums()) after.append_sum(1.0f);
  if (node.inference && !node.pooled) {
    if (node.activation == Activation::relu) {
      append_eltwise(after, dnnl::algorithm::eltwise_relu, slope, 0.0f);
    } else if (node.activation == Activation::relu6) {
      append_eltwise(after, dnnl::algorithm::eltwise_clip, 0.0f, 6.0f);
    }
  }
  attributes.set_post_ops(after);
  return attributes;
}

ConvolutionDescs describe_convolution(const Layer& layer, const Node& node,
                                      const memory::desc& source,
                                      const memory::desc& target) {
  const Geometry at = geometry_of(layer.window);
  const auto weights = describe_memory(
      convolution_weights(layer.out_features, node.in.shape.channels,
                          layer.window, layer.groups),
      any);
  const auto bias =
      layer.bias || node.inference
          ? describe_memory({layer.out_features}, memory::format_tag::x)
          : memory::desc();
  const auto plain = scratchpad_attributes();
  ConvolutionDescs descs;
  descs.forward = describe_forward<dnnl::convolution_forward>(
      attributes_of(node),
      node.inference ? dnnl::prop_kind::forward_inference
                     : dnnl::prop_kind::forward_training,
      direct, source, weights, bias, target, at.strides, at.dilations,
      at.pad_before, at.pad_after);
  const memory::desc x = descs.forward.src_desc();
  const memory::desc y = descs.forward.dst_desc();
  if (node.learns && !node.own_gradient) {
    descs.weights = describe_backward<dnnl::convolution_backward_weights>(
        plain, descs.forward, direct, x, weights, bias, y, at.strides,
        at.dilations, at.pad_before, at.pad_after);
  }
  if (node.input_gradient && !node.inference) {
    descs.backward = describe_backward<dnnl::convolution_backward_data>(
        plain, descs.forward, direct, x, weights, y, at.strides, at.dilations,
        at.pad_before, at.pad_after);
  }
  return descs;
}

void choose_convolution(const Layer& layer, Node& node, const Layout* in,
                        int batch_size) {
  node.images = images_at_once(node, batch_size);
  const Node unsettled = node;
  auto desc = [&](const Layout& layout, memory::format_tag tag) {
    return describe_memory(layout.dims(node.images), tag);
  };
  const auto first_source =
      in ? in->desc(unsettled.images) : desc(unsettled.in, any);
  const auto plain = memory::format_tag::nchw;
  const std::pair<memory::desc, memory::desc> candidates[] = {
      {first_source, desc(unsettled.middle, any)},
      {desc(unsettled.in, any), desc(unsettled.middle, any)},
      {desc(unsettled.in, plain), desc(unsettled.middle, any)},
      {desc(unsettled.in, plain), desc(unsettled.middle, plain)}};
  int least = std::numeric_limits<int>::max();
  for (const auto& [source, target] : candidates) {
    const auto descs = describe_convolution(layer, unsettled, source, target);
    const auto from = layout_of(descs.forward.src_desc(), unsettled.in.shape,
                                unsettled.images);
    const auto to = layout_of(descs.forward.dst_desc(), unsettled.middle.shape,
                              unsettled.images);
    if (!from || !to) continue;
    const int gradient = descs.weights ? slowness_of(*descs.weights) : 0;
    const bool own =
        gradient > 0 && !node.pooled &&
        serves_depthwise(layer, *from, *to, descs.forward.weights_desc());
    const int slowness = descs.slowness() - (own ? gradient : 0);
    if (slowness >= least) continue;
    least = slowness;
    node.own_gradient = own;
    node.in = *from;
    node.middle = *to;
    node.weights = descs.forward.weights_desc();
    // Threads share out all rows of a batch: how a row is rounded would depend
    // on the images around it.
    const bool alone = node.inference && is_matrix_product(descs.forward);
    node.images = alone ? 1 : unsettled.images;
    if (least == 0) break;
  }
}

ConvolutionStage::ConvolutionStage(const Node& node, const Bindings& bindings,
                                   NodeMemory& kept, Shared& shared)
    : node_(node),
      layer_(shared.layer(node)),
      bindings_(bindings),
      shared_(shared),
      weight_(node.inference ? kept.weight.floats()
                             : shared.parameters.value(node.layer, 0)),
      bias_(node.inference ? kept.bias.floats()
                           : shared.parameters.value(node.layer, 1)) {
  const int images = std::min(node.images, bindings.count);
  if (node.pooled) {
    middle_ = static_cast<float*>(
        shared.middle.reserve(images * node.middle.size() * sizeof(float)));
    taken_ = static_cast<uint8_t*>(
        kept.workspace.reserve(bindings.count * node.out.size()));
  }
  ConvolutionDescs descs;
  int described = 0;
  for (int first = 0; first < bindings.count; first += images) {
    const int count = std::min(images, bindings.count - first);
    if (count != described) {
      descs = describe_convolution(layer_, node, node.in.desc(count),
                                   node.middle.desc(count));
      described = count;
    }
    add_part(descs, first, count);
  }
}

float* ConvolutionStage::output(int first) const {
  return node_.pooled ? middle_ : bindings_.y + first * node_.out.size();
}

uint8_t* ConvolutionStage::taken(int first) const {
  return taken_ + first * node_.out.size();
}

// The weights in another layout, and the call that brings them there.
memory ConvolutionStage::weights_for(const memory::desc& wanted, void* buffer,
                                     Call& reorder) {
  memory own = attach(node_.weights, weight_);
  if (wanted == node_.weights) return own;
  memory other = attach(wanted, buffer);
  reorder = {dnnl::reorder(own, other),
             {{DNNL_ARG_FROM, own}, {DNNL_ARG_TO, other}}};
  return other;
}

void ConvolutionStage::add_part(const ConvolutionDescs& descs, int first,
                                int count) {
  const auto source = node_.in.desc(count), target = node_.middle.desc(count);
  const memory x = attach(source, bindings_.x + first * node_.in.size());
  const memory y = attach(target, output(first));
  const memory dy = attach(
      target, node_.pooled ? middle_ : bindings_.dy + first * node_.out.size());

  const auto wanted = descs.forward.weights_desc();
  Arguments arguments{
      {DNNL_ARG_SRC, x},
      {DNNL_ARG_DST, y},
      {DNNL_ARG_WEIGHTS,
       weights_for(wanted, shared_.weights.reserve(wanted.get_size()),
                   forward_weights_)}};
  if (bias_) {
    arguments.insert({DNNL_ARG_BIAS, attach(descs.forward.bias_desc(), bias_)});
  }
  Part part{first, count, {}, {}, {}};
  part.forward =
      prepare(shared_, descs.forward, dnnl::convolution_forward(descs.forward),
              std::move(arguments));
  if (descs.weights) part.weights = weights_call(descs, x, dy, first == 0);
  if (descs.backward) {
    const auto layout = descs.backward->weights_desc();
    const memory weights = weights_for(
        layout, shared_.weights.reserve(layout.get_size()), backward_weights_);
    const memory dx = attach(source, bindings_.dx + first * node_.in.size());
    part.backward = prepare(shared_, *descs.backward,
                            dnnl::convolution_backward_data(*descs.backward),
                            {{DNNL_ARG_DIFF_DST, dy},
                             {DNNL_ARG_WEIGHTS, weights},
                             {DNNL_ARG_DIFF_SRC, dx}});
  }
  parts_.push_back(std::move(part));
}

// The first part writes the sum, each later one a part that is then added.
Call ConvolutionStage::weights_call(const ConvolutionDescs& descs,
                                    const memory& source, const memory& dy,
                                    bool first) {
  const memory::desc layout = descs.weights->diff_weights_desc();
  const Parameters& parameters = shared_.parameters;
  if (first) {
    weight_size_ = static_cast<int64_t>(layout.get_size() / sizeof(float));
    weight_sum_ = parameters.gradient(node_.layer, 0);
    bias_sum_ = parameters.gradient(node_.layer, 1);
    if (layout != node_.weights) {
      const memory other =
          attach(layout, shared_.weight_gradient.reserve(layout.get_size()));
      const memory own = attach(node_.weights, weight_sum_);
      gradient_ = {dnnl::reorder(other, own),
                   {{DNNL_ARG_FROM, other}, {DNNL_ARG_TO, own}}};
      weight_sum_ = static_cast<float*>(other.get_data_handle());
    }
  }
  // Room for a bias behind the weights.
  weight_part_ = static_cast<float*>(shared_.weight_part.reserve(
      layout.get_size() + layer_.out_features * sizeof(float)));
  bias_part_ = weight_part_ + weight_size_;
  Arguments arguments{{DNNL_ARG_SRC, source},
                      {DNNL_ARG_DIFF_DST, dy},
                      {DNNL_ARG_DIFF_WEIGHTS,
                       attach(layout, first ? weight_sum_ : weight_part_)}};
  if (layer_.bias) {
    arguments.insert(
        {DNNL_ARG_DIFF_BIAS, attach(descs.weights->diff_bias_desc(),
                                    first ? bias_sum_ : bias_part_)});
  }
  return prepare(shared_, *descs.weights,
                 dnnl::convolution_backward_weights(*descs.weights),
                 std::move(arguments));
}

void ConvolutionStage::forward(const Phase&) {
  if (forward_weights_) forward_weights_.run(shared_.stream);
  for (const Part& part : parts_) {
    part.forward.run(shared_.stream);
    float* y = bindings_.y + part.first * node_.out.size();
    if (node_.pooled) {
      max_pool_2x2(node_.middle, part.count,
                   node_.activation == Activation::relu, middle_, y,
                   taken(part.first));
    } else if (!node_.inference && node_.activation != Activation::none) {
      activate(node_.activation, part.count * node_.out.size(), y, y);
    }
  }
}

void ConvolutionStage::backward() {
  if (backward_weights_) backward_weights_.run(shared_.stream);
  if (!node_.pooled) {
    activation_gradient(node_.activation, bindings_.count * node_.out.size(),
                        bindings_.y, bindings_.dy);
  }
  for (const Part& part : parts_) {
    if (node_.pooled) {
      max_pool_2x2_gradient(node_.middle, part.count,
                            bindings_.dy + part.first * node_.out.size(),
                            taken(part.first), middle_);
    }
    if (part.weights) part.weights.run(shared_.stream);
    if (node_.own_gradient) {
      depthwise_weight_gradient(layer_, node_.in, node_.middle, part.count,
                                bindings_.x + part.first * node_.in.size(),
                                bindings_.dy + part.first * node_.out.size(),
                                part.first > 0,
                                shared_.parameters.gradient(node_.layer, 0));
    }
    if (part.weights && part.first > 0) {
      add(weight_part_, weight_sum_, weight_size_);
      if (layer_.bias) add(bias_part_, bias_sum_, layer_.out_features);
    }
    if (part.backward) part.backward.run(shared_.stream);
  }
  if (gradient_) gradient_.run(shared_.stream);
}

}  // namespace birbs::cpu
