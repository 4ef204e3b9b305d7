#include "run_operation.h"

#include <algorithm>

#include "backend.h"
#include "batch_norm_math.h"
#include "elementwise.h"
#include "loss.h"
#include "max_pool.h"
#include "onednn.h"
#include "parallel.h"

namespace birbs::cpu {
namespace {

using tag = memory::format_tag;
using dnnl::algorithm;

constexpr auto direct = algorithm::convolution_direct;
constexpr auto training = dnnl::prop_kind::forward_training;

memory::dims dims_of(const std::vector<int64_t>& shape) {
  return memory::dims(shape.begin(), shape.end());
}

memory::desc image_desc(const std::vector<int64_t>& shape) {
  return describe_memory(dims_of(shape), tag::nchw);
}

memory::desc matrix_desc(const std::vector<int64_t>& shape) {
  return describe_memory(dims_of(shape), tag::ab);
}

memory::desc vector_desc(int64_t size) {
  return describe_memory({size}, tag::x);
}

// The operation, its checked inputs and its outputs, ready to be filled.
class Run {
 public:
  Run(const Operation& operation, const std::vector<TensorView>& inputs)
      : operation_(operation), inputs_(inputs), at_(geometry()) {
    for (auto& shape : operation_shapes(operation, inputs)) {
      const size_t size = TensorView{shape}.size();
      outputs_.push_back({std::move(shape), std::vector<float>(size)});
    }
  }

  std::vector<Tensor> outputs() {
    fill();
    return std::move(outputs_);
  }

 private:
  const std::vector<int64_t>& in(size_t index) const {
    return inputs_[index].shape;
  }
  const std::vector<int64_t>& out(size_t index) const {
    return outputs_[index].shape;
  }
  memory input(size_t index, const memory::desc& desc) const {
    return attach(desc, inputs_[index].values);
  }
  memory output(size_t index, const memory::desc& desc) const {
    return attach(desc, outputs_[index].values.data());
  }

  // `x` is the shape of the pooled image.
  Geometry geometry() const {
    Window window = operation_.window;
    const bool whole = operation_.kind == OpKind::global_avg_pool2d ||
                       operation_.kind == OpKind::global_avg_pool2d_gradient;
    const std::vector<int64_t>* image = nullptr;
    if (whole && !inputs_.empty()) image = &inputs_.back().shape;
    if (image && image->size() == 4) {
      window = Window{};
      window.kernel_height = static_cast<int>((*image)[2]);
      window.kernel_width = static_cast<int>((*image)[3]);
    }
    return geometry_of(window);
  }

  template <typename Primitive>
  void execute(const Primitive& primitive, const Arguments& arguments) {
    primitive.execute(stream_, arguments);
    stream_.wait();
  }

  memory::desc weights_desc(const std::vector<int64_t>& shape) const {
    const int groups = operation_.groups;
    memory::dims dims = dims_of(shape);
    if (groups > 1) {
      dims[0] /= groups;
      dims.insert(dims.begin(), groups);
    }
    return describe_memory(dims, plain_weights(groups));
  }

  dnnl::convolution_forward::primitive_desc convolution(
      const std::vector<int64_t>& x, const std::vector<int64_t>& weights,
      const std::vector<int64_t>& y, bool bias) const {
    return describe_forward<dnnl::convolution_forward>(
        {}, training, direct, image_desc(x), weights_desc(weights),
        bias ? vector_desc(weights[0]) : memory::desc(), image_desc(y),
        at_.strides, at_.dilations, at_.pad_before, at_.pad_after);
  }

  void convolve() {
    const bool bias = inputs_.size() > 2;
    const auto desc = convolution(in(0), in(1), out(0), bias);
    Arguments arguments{{DNNL_ARG_SRC, input(0, desc.src_desc())},
                        {DNNL_ARG_WEIGHTS, input(1, desc.weights_desc())},
                        {DNNL_ARG_DST, output(0, desc.dst_desc())}};
    if (bias) {
      arguments.insert({DNNL_ARG_BIAS, input(2, desc.bias_desc())});
    }
    execute(dnnl::convolution_forward(desc), arguments);
  }

  void convolve_input_gradient() {
    const auto hint = convolution(out(0), in(1), in(0), false);
    const auto desc = describe_backward<dnnl::convolution_backward_data>(
        {}, hint, direct, hint.src_desc(), hint.weights_desc(), hint.dst_desc(),
        at_.strides, at_.dilations, at_.pad_before, at_.pad_after);
    execute(dnnl::convolution_backward_data(desc),
            {{DNNL_ARG_DIFF_DST, input(0, hint.dst_desc())},
             {DNNL_ARG_WEIGHTS, input(1, hint.weights_desc())},
             {DNNL_ARG_DIFF_SRC, output(0, hint.src_desc())}});
  }

  void convolve_weight_gradient() {
    const auto hint = convolution(in(1), out(0), in(0), true);
    const auto desc = describe_backward<dnnl::convolution_backward_weights>(
        {}, hint, direct, hint.src_desc(), hint.weights_desc(),
        hint.bias_desc(), hint.dst_desc(), at_.strides, at_.dilations,
        at_.pad_before, at_.pad_after);
    execute(dnnl::convolution_backward_weights(desc),
            {{DNNL_ARG_DIFF_DST, input(0, hint.dst_desc())},
             {DNNL_ARG_SRC, input(1, hint.src_desc())},
             {DNNL_ARG_DIFF_WEIGHTS, output(0, hint.weights_desc())},
             {DNNL_ARG_DIFF_BIAS, output(1, hint.bias_desc())}});
  }

  // `x` is the shape of the image that is averaged.
  void average_pool(const std::vector<int64_t>& x,
                    const std::vector<int64_t>& y, bool gradient) {
    const auto source = image_desc(x), target = image_desc(y);
    const auto desc =
        describe_pooling({}, average(), source, target, at_.strides, at_.kernel,
                         at_.pad_before, at_.pad_after);
    if (!gradient) {
      return execute(dnnl::pooling_forward(desc),
                     {{DNNL_ARG_SRC, input(0, source)},
                      {DNNL_ARG_DST, output(0, target)}});
    }
    const auto back = describe_pooling_gradient({}, desc, average(), source,
                                                target, at_.strides, at_.kernel,
                                                at_.pad_before, at_.pad_after);
    execute(dnnl::pooling_backward(back),
            {{DNNL_ARG_DIFF_DST, input(0, target)},
             {DNNL_ARG_DIFF_SRC, output(0, source)}});
  }

  algorithm average() const {
    const bool padding = operation_.count_include_pad &&
                         (operation_.kind == OpKind::avg_pool2d ||
                          operation_.kind == OpKind::avg_pool2d_gradient);
    return padding ? algorithm::pooling_avg_include_padding
                   : algorithm::pooling_avg_exclude_padding;
  }

  dnnl::inner_product_forward::primitive_desc inner_product(
      const std::vector<int64_t>& x, const std::vector<int64_t>& weights,
      const std::vector<int64_t>& y, bool bias) const {
    return describe_forward<dnnl::inner_product_forward>(
        {}, training, matrix_desc(x), matrix_desc(weights),
        bias ? vector_desc(weights[0]) : memory::desc(), matrix_desc(y));
  }

  void dense() {
    const bool bias = inputs_.size() > 2;
    const auto desc = inner_product(in(0), in(1), out(0), bias);
    Arguments arguments{{DNNL_ARG_SRC, input(0, desc.src_desc())},
                        {DNNL_ARG_WEIGHTS, input(1, desc.weights_desc())},
                        {DNNL_ARG_DST, output(0, desc.dst_desc())}};
    if (bias) {
      arguments.insert({DNNL_ARG_BIAS, input(2, desc.bias_desc())});
    }
    execute(dnnl::inner_product_forward(desc), arguments);
  }

  void dense_input_gradient() {
    const auto hint = inner_product(out(0), in(1), in(0), false);
    const auto desc = describe_backward<dnnl::inner_product_backward_data>(
        {}, hint, hint.src_desc(), hint.weights_desc(), hint.dst_desc());
    execute(dnnl::inner_product_backward_data(desc),
            {{DNNL_ARG_DIFF_DST, input(0, hint.dst_desc())},
             {DNNL_ARG_WEIGHTS, input(1, hint.weights_desc())},
             {DNNL_ARG_DIFF_SRC, output(0, hint.src_desc())}});
  }

  void dense_weight_gradient() {
    const auto hint = inner_product(in(1), out(0), in(0), true);
    const auto desc = describe_backward<dnnl::inner_product_backward_weights>(
        {}, hint, hint.src_desc(), hint.weights_desc(), hint.bias_desc(),
        hint.dst_desc());
    execute(dnnl::inner_product_backward_weights(desc),
            {{DNNL_ARG_DIFF_DST, input(0, hint.dst_desc())},
             {DNNL_ARG_SRC, input(1, hint.src_desc())},
             {DNNL_ARG_DIFF_WEIGHTS, output(0, hint.weights_desc())},
             {DNNL_ARG_DIFF_BIAS, output(1, hint.bias_desc())}});
  }

  Layout plain(const std::vector<int64_t>& shape) const {
    return {{static_cast<int>(shape[1]), static_cast<int>(shape[2]),
             static_cast<int>(shape[3])}};
  }
  int count(const std::vector<int64_t>& shape) const {
    return static_cast<int>(shape[0]);
  }
  const float* given(size_t index) const { return inputs_[index].values; }
  float* result(size_t index) { return outputs_[index].values.data(); }

  // `x` and `y` are the shapes of the image and of what is left of it.
  void largest(const std::vector<int64_t>& x, const std::vector<int64_t>& y,
               bool gradient) {
    const MaxPool pool{plain(x), plain(y), operation_.window, count(x)};
    std::vector<int32_t> taken(pool.outputs());
    if (!gradient) return max_pool(pool, given(0), result(0), taken.data());
    std::vector<float> unused(pool.outputs());
    max_pool(pool, given(1), unused.data(), taken.data());
    max_pool_gradient(pool, given(0), taken.data(), result(0));
  }

  // Of x, or of y: the activation leaves both bounds where they are.
  void activation_gradient(Activation activation) {
    std::copy_n(given(0), inputs_[0].size(), result(0));
    cpu::activation_gradient(activation, inputs_[0].size(), given(1),
                             result(0));
  }

  void batch_norm(bool inference) {
    const Layout layout = plain(in(0));
    if (!inference) {
      batch_statistics(layout, count(in(0)), given(0), result(1), result(2));
    }
    cpu::batch_norm(layout, count(in(0)),
                    {.x = given(0),
                     .mean = inference ? given(3) : result(1),
                     .variance = inference ? given(4) : result(2),
                     .weight = given(1),
                     .bias = given(2),
                     .epsilon = operation_.epsilon,
                     .activation = Activation::none,
                     .y = result(0)});
  }

  void batch_norm_gradient() {
    const Layout layout = plain(in(1));
    std::vector<float> mean(in(1)[1]), variance(mean.size());
    std::vector<float> dy(given(0), given(0) + inputs_[0].size());
    batch_statistics(layout, count(in(1)), given(1), mean.data(),
                     variance.data());
    cpu::batch_norm_gradient(layout, count(in(1)),
                             {.x = given(1),
                              .mean = mean.data(),
                              .variance = variance.data(),
                              .weight = given(2),
                              .epsilon = operation_.epsilon,
                              .fixed = false,
                              .activation = Activation::none,
                              .y = nullptr,
                              .dy = dy.data(),
                              .dx = result(0),
                              .dweight = result(1),
                              .dbias = result(2)});
  }

  void fill() {
    const int64_t size = inputs_[0].size();
    switch (operation_.kind) {
      case OpKind::conv2d:
        return convolve();
      case OpKind::conv2d_input_gradient:
        return convolve_input_gradient();
      case OpKind::conv2d_weight_gradient:
        return convolve_weight_gradient();
      case OpKind::max_pool2d:
        return largest(in(0), out(0), false);
      case OpKind::max_pool2d_gradient:
        return largest(in(1), in(0), true);
      case OpKind::avg_pool2d:
      case OpKind::global_avg_pool2d:
        return average_pool(in(0), out(0), false);
      case OpKind::avg_pool2d_gradient:
      case OpKind::global_avg_pool2d_gradient:
        return average_pool(in(1), in(0), true);
      case OpKind::dense:
        return dense();
      case OpKind::dense_input_gradient:
        return dense_input_gradient();
      case OpKind::dense_weight_gradient:
        return dense_weight_gradient();
      case OpKind::relu:
        return activate(Activation::relu, size, given(0), result(0));
      case OpKind::relu_gradient:
        return activation_gradient(Activation::relu);
      case OpKind::relu6:
        return activate(Activation::relu6, size, given(0), result(0));
      case OpKind::relu6_gradient:
        return activation_gradient(Activation::relu6);
      case OpKind::add:
        return add(Activation::none, size, given(0), given(1), result(0));
      case OpKind::softmax:
        return softmax(given(0), count(in(0)), static_cast<int>(in(0)[1]),
                       result(0));
      case OpKind::batch_norm2d:
        return batch_norm(false);
      case OpKind::batch_norm2d_inference:
        return batch_norm(true);
      case OpKind::batch_norm2d_gradient:
        return batch_norm_gradient();
      case OpKind::cross_entropy:
      case OpKind::cross_entropy_gradient:
      case OpKind::dropout:
      case OpKind::dropout_gradient:
      case OpKind::flatten:
        // oneDNN has none of these.
        outputs_ = portable_backend().run(operation_, inputs_);
        return;
    }
  }

  const Operation& operation_;
  const std::vector<TensorView>& inputs_;
  Geometry at_;
  std::vector<Tensor> outputs_;
  dnnl::stream stream_{cpu_engine()};
};

}  // namespace

std::vector<Tensor> run_operation(const Operation& operation,
                                  const std::vector<TensorView>& inputs) {
  try {
    prepare_threads();
    return Run(operation, inputs).outputs();
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_out_of_memory) throw std::bad_alloc();
    throw Error("[" + std::string(operation_name(operation.kind)) +
                "] oneDNN failed, " + error.what() + " (" +
                dnnl_status2str(error.status) +
                "); take the portable device for this operation.");
  }
}

}  // namespace birbs::cpu
