#include "layers.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "text.h"

namespace birbs {
namespace {

constexpr Field::Size kernel{&Window::kernel_height, &Window::kernel_width};
constexpr Field::Size stride{&Window::stride_height, &Window::stride_width};
constexpr Field::Size dilation{&Window::dilation_height,
                               &Window::dilation_width};

std::vector<Field> pooling_fields() {
  return {{"kernelSize", true, kernel, 1, max_side},
          {"stride", false, stride, 1, max_side},
          {"padding", false, Field::Padding{}, 0, max_side}};
}

std::vector<Field> average_fields() {
  std::vector<Field> fields = pooling_fields();
  fields.push_back({"countIncludePad", false, &Layer::count_include_pad});
  return fields;
}

std::vector<OpType> make_types() {
  const Field bias{"bias", false, &Layer::bias};
  using enum OpKind;
  return {
      {conv2d,
       "conv2d",
       2,
       3,
       true,
       true,
       {{"outChannels", true, &Layer::out_features, 1, max_features},
        {"kernelSize", true, kernel, 1, max_side},
        {"stride", false, stride, 1, max_side},
        {"padding", false, Field::Padding{}, 0, max_side},
        {"dilation", false, dilation, 1, max_side},
        {"groups", false, &Layer::groups, 1, max_features},
        bias}},
      {batch_norm2d,
       "batchNorm2d",
       3,
       3,
       true,
       true,
       {{"epsilon", false, &Layer::epsilon, 1e-12, 1},
        {"momentum", false, &Layer::momentum, 0, 1},
        {"frozenStatistics", false, &Layer::frozen_statistics}}},
      {relu, "relu", 1, 1, true},
      {relu6, "relu6", 1, 1, true},
      {add, "add", 2, 2, true},
      {max_pool2d, "maxPool2d", 1, 1, true, false, pooling_fields()},
      {avg_pool2d, "avgPool2d", 1, 1, true, false, average_fields()},
      {global_avg_pool2d, "globalAvgPool2d", 1, 1, true},
      {flatten, "flatten", 0, 0, true},
      {dense,
       "dense",
       2,
       3,
       true,
       true,
       {{"outFeatures", true, &Layer::out_features, 1, max_features}, bias}},
      {dropout,
       "dropout",
       1,
       1,
       true,
       false,
       {{"rate", true, &Layer::rate, 0, 0.999}}},
      {conv2d_input_gradient, "conv2dInputGradient", 2, 2},
      {conv2d_weight_gradient, "conv2dWeightGradient", 2, 2},
      {batch_norm2d_inference, "batchNorm2dInference", 5, 5},
      {batch_norm2d_gradient, "batchNorm2dGradient", 3, 3},
      {relu_gradient, "reluGradient", 2, 2},
      {relu6_gradient, "relu6Gradient", 2, 2},
      {max_pool2d_gradient, "maxPool2dGradient", 2, 2},
      {avg_pool2d_gradient, "avgPool2dGradient", 2, 2},
      {global_avg_pool2d_gradient, "globalAvgPool2dGradient", 2, 2},
      {dense_input_gradient, "denseInputGradient", 2, 2},
      {dense_weight_gradient, "denseWeightGradient", 2, 2},
      {dropout_gradient, "dropoutGradient", 1, 1},
      {softmax, "softmax", 1, 1},
      {cross_entropy, "crossEntropy", 2, 2},
      {cross_entropy_gradient, "crossEntropyGradient", 2, 2},
  };
}

[[noreturn]] void refuse(const std::string& text) { throw Error(text); }

void check_image(const Shape& in) {
  if (!in.flat) return;
  refuse("expected an image, found " + std::to_string(in.channels) +
         " features; move it before flatten.");
}

void check_sides(std::initializer_list<int> sides, int low, const char* what) {
  const auto [least, most] = std::minmax(sides);
  if (least >= low && most <= 65535) return;
  refuse(std::string("expected ") + what + " of " + std::to_string(low) +
         " to 65535, found " + std::to_string(least < low ? least : most) +
         ".");
}

void check_window(const Window& window, bool pooling) {
  check_sides(
      {window.kernel_height, window.kernel_width, window.stride_height,
       window.stride_width, window.dilation_height, window.dilation_width},
      1, "kernel, stride and dilation");
  check_sides(
      {window.pad_top, window.pad_bottom, window.pad_left, window.pad_right}, 0,
      "padding");
  if (!pooling) return;
  if (window.dilation_height != 1 || window.dilation_width != 1) {
    refuse("expected dilation 1, as poolings have none.");
  }
  // A window wholly in the padding would have no largest element.
  const int vertical = std::max(window.pad_top, window.pad_bottom);
  const int horizontal = std::max(window.pad_left, window.pad_right);
  if (vertical >= window.kernel_height || horizontal >= window.kernel_width) {
    refuse("expected padding smaller than the kernel " +
           std::to_string(window.kernel_height) + " x " +
           std::to_string(window.kernel_width) + ", found " +
           std::to_string(std::max(vertical, horizontal)) + ".");
  }
}

Shape slide(const Window& window, const Shape& in, int channels) {
  Shape out{
      channels,
      output_size(in.height, window.kernel_height, window.stride_height,
                  window.dilation_height, window.pad_top, window.pad_bottom),
      output_size(in.width, window.kernel_width, window.stride_width,
                  window.dilation_width, window.pad_left, window.pad_right)};
  if (out.height < 1 || out.width < 1) {
    refuse("expected a kernel no larger than its padded input, found kernel " +
           std::to_string(window.kernel_height) + " x " +
           std::to_string(window.kernel_width) + " (dilation " +
           std::to_string(window.dilation_height) + " x " +
           std::to_string(window.dilation_width) + ") on " + to_text(in) +
           "; use a larger image size or fewer layers.");
  }
  return out;
}

Shape convolve(const Layer& layer, const Shape& in) {
  check_image(in);
  check_window(layer.window, false);
  check_groups(layer.groups, in.channels, layer.out_features);
  return slide(layer.window, in, layer.out_features);
}

Shape pool(const Layer& layer, const Shape& in) {
  check_image(in);
  check_window(layer.window, true);
  return slide(layer.window, in, in.channels);
}

Shape normalize(const Layer& layer, const Shape& in) {
  check_image(in);
  if (!(layer.epsilon > 0) || !std::isfinite(layer.epsilon)) {
    refuse("expected an epsilon above 0, found " + number_text(layer.epsilon) +
           ".");
  }
  return in;
}

Shape connect(const Layer& layer, const Shape& in) {
  if (in.flat) return {layer.out_features, 1, 1, true};
  refuse("expected flat features, found an image of " + to_text(in) +
         "; put flatten before it.");
}

Shape sum(const std::vector<Shape>& in) {
  if (in[0] == in[1]) return in[0];
  auto described = [](const Shape& shape) {
    return (shape.flat ? "features " : "an image ") + to_text(shape);
  };
  refuse("expected two inputs of one shape, found " + described(in[0]) +
         " and " + described(in[1]) + ".");
}

Shape drop(const Layer& layer, const Shape& in) {
  if (layer.rate >= 0 && layer.rate < 1) return in;
  refuse("expected a rate of 0 to less than 1, found " +
         number_text(layer.rate) + ".");
}

// What TensorFlow pads on one axis, in front and behind.
std::pair<int, int> same_padding(int size, int kernel, int stride,
                                 int dilation) {
  const int64_t out = (size + stride - 1) / stride;
  const int64_t reach = int64_t{dilation} * (kernel - 1) + 1;
  const auto total =
      static_cast<int>(std::max<int64_t>((out - 1) * stride + reach - size, 0));
  return {total / 2, total - total / 2};
}

}  // namespace

std::string to_text(const Shape& shape) {
  return "[" + std::to_string(shape.channels) + ", " +
         std::to_string(shape.height) + ", " + std::to_string(shape.width) +
         "]";
}

const std::vector<OpType>& op_types() {
  static const std::vector<OpType> types = make_types();
  return types;
}

const OpType& op_type(OpKind kind) {
  for (const OpType& type : op_types()) {
    if (type.kind == kind) return type;
  }
  throw Error("operation: this kind is unknown.");
}

const OpType* find_op(const std::string& name) {
  for (const OpType& type : op_types()) {
    if (name == type.name) return &type;
  }
  return nullptr;
}

std::vector<Field> fields_of(const OpType& type) {
  std::vector<Field> fields{{"name", type.parameters, &Layer::name},
                            {"from", type.kind == OpKind::add, Field::Names{}}};
  if (type.parameters) {
    fields.push_back({"frozen", false, &Layer::frozen});
    fields.push_back(
        {"learningRateFactor", false, &Layer::learning_rate_factor, 0, 1000});
  }
  fields.insert(fields.end(), type.fields.begin(), type.fields.end());
  return fields;
}

Layer with_padding(Layer layer, const Shape& in) {
  if (!layer.same_padding) return layer;
  Window& at = layer.window;
  std::tie(at.pad_top, at.pad_bottom) = same_padding(
      in.height, at.kernel_height, at.stride_height, at.dilation_height);
  std::tie(at.pad_left, at.pad_right) = same_padding(
      in.width, at.kernel_width, at.stride_width, at.dilation_width);
  return layer;
}

Shape output_shape(const Layer& layer, const std::vector<Shape>& in) {
  switch (layer.kind) {
    case OpKind::conv2d:
      return convolve(layer, in[0]);
    case OpKind::batch_norm2d:
      return normalize(layer, in[0]);
    case OpKind::add:
      return sum(in);
    case OpKind::max_pool2d:
    case OpKind::avg_pool2d:
      return pool(layer, in[0]);
    case OpKind::global_avg_pool2d:
      check_image(in[0]);
      return {in[0].channels, 1, 1};
    case OpKind::flatten:
      // More than an int holds is refused by plan_network, all values counted.
      return {static_cast<int>(std::min<int64_t>(in[0].size(), INT32_MAX)), 1,
              1, true};
    case OpKind::dense:
      return connect(layer, in[0]);
    case OpKind::dropout:
      return drop(layer, in[0]);
    default:  // relu, relu6
      return in[0];
  }
}

void check_groups(int groups, int64_t in, int64_t out) {
  if (groups >= 1 && in % groups == 0 && out % groups == 0) return;
  refuse("expected groups that divide its " + std::to_string(in) +
         " input and " + std::to_string(out) + " output channels, found " +
         std::to_string(groups) + ".");
}

int output_size(int size, int kernel, int stride, int dilation, int pad_before,
                int pad_after) {
  int64_t room = int64_t{size} + pad_before + pad_after;
  int64_t reach = int64_t{dilation} * (kernel - 1) + 1;
  return room < reach ? 0 : static_cast<int>((room - reach) / stride + 1);
}

std::vector<ParameterRule> parameters_of(const Layer& layer, const Shape& in) {
  if (layer.kind == OpKind::batch_norm2d) {
    const std::vector<int64_t> channels{in.channels};
    return {{"weight", channels, true, false, 1},
            {"bias", channels, true, false, 0},
            {"running_mean", channels, false, false, 0},
            {"running_var", channels, false, false, 1}};
  }
  std::vector<int64_t> weight;
  if (layer.kind == OpKind::conv2d) {
    weight = {layer.out_features, in.channels / layer.groups,
              layer.window.kernel_height, layer.window.kernel_width};
  } else if (layer.kind == OpKind::dense) {
    weight = {layer.out_features, in.channels};
  } else {
    return {};
  }
  // Kaiming uniform with a = sqrt(5), as PyTorch's Conv2d and Linear.
  double fan_in = 1;
  for (size_t i = 1; i < weight.size(); ++i) {
    fan_in *= static_cast<double>(weight[i]);
  }
  const auto bound = static_cast<float>(1 / std::sqrt(fan_in));
  std::vector<ParameterRule> rules{{"weight", weight, true, true, bound}};
  if (layer.bias) {
    rules.push_back({"bias", {layer.out_features}, true, true, bound});
  }
  return rules;
}

int64_t multiply_adds(const Layer& layer, const Shape& in, const Shape& out) {
  if (layer.kind != OpKind::conv2d && layer.kind != OpKind::dense) return 0;
  const int64_t inputs = layer.kind == OpKind::conv2d
                             ? int64_t{in.channels} / layer.groups *
                                   layer.window.kernel_height *
                                   layer.window.kernel_width
                             : in.channels;
  return out.size() * inputs;
}

}  // namespace birbs
