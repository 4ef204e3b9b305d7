#include "network.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "philox.h"
#include "text.h"

namespace birbs {
namespace {

constexpr int64_t max_elements = int64_t{1} << 31;
constexpr size_t max_layers = 4096;  // keeps Philox streams apart
constexpr int max_side = 65535;

std::string to_text(const Shape& shape) {
  return "[" + std::to_string(shape.channels) + ", " +
         std::to_string(shape.height) + ", " + std::to_string(shape.width) +
         "]";
}

// The product, or max_elements if that is smaller: never overflows.
int64_t product(std::initializer_list<int64_t> factors) {
  int64_t result = 1;
  for (int64_t factor : factors) {
    if (factor > max_elements / result) return max_elements;
    result *= factor;
  }
  return result;
}

// Walks the layers once, and knows where it is when something is wrong.
class Planner {
 public:
  Planner(const Network& network, int batch_size)
      : network_(network), batch_size_(batch_size) {}

  Plan plan() {
    check_input();
    plan_.shapes.push_back(network_.input);
    for (index_ = 0; index_ < network_.layers.size(); ++index_) {
      plan_.shapes.push_back(leave(network_.layers[index_], shape()));
      check_size();
    }
    check_logits();
    return std::move(plan_);
  }

 private:
  const Shape& shape() const { return plan_.shapes.back(); }

  [[noreturn]] void refuse(const std::string& text) const {
    throw Error("layer " + std::to_string(index_ + 1) + " (" +
                layer_type(network_.layers[index_].kind) + "): " + text);
  }

  void check_input() const {
    const Shape& input = network_.input;
    if (input.channels != 3) {
      throw Error("network: expected 3 input channels (RGB), found " +
                  std::to_string(input.channels) + ".");
    }
    if (std::min(input.height, input.width) < 1 ||
        std::max(input.height, input.width) > max_side) {
      throw Error("network: expected an input height and width of 1 to " +
                  std::to_string(max_side) + ", found " +
                  std::to_string(input.height) + " x " +
                  std::to_string(input.width) + ".");
    }
    for (int c = 0; c < 3; ++c) {
      if (!std::isfinite(network_.mean[c]) || !std::isfinite(network_.std[c]) ||
          network_.std[c] <= 0) {
        throw Error(
            "network: expected a finite mean and a standard deviation above 0 "
            "for each channel of the normalization.");
      }
    }
    if (network_.classes < 2) {
      throw Error("network: expected at least 2 classes, found " +
                  std::to_string(network_.classes) + ".");
    }
    if (network_.layers.empty() || network_.layers.size() > max_layers) {
      throw Error("network: expected 1 to " + std::to_string(max_layers) +
                  " layers, found " + std::to_string(network_.layers.size()) +
                  ".");
    }
    if (product({batch_size_, input.size()}) >= max_elements) {
      throw Error("network: a batch of " + std::to_string(batch_size_) +
                  " images of " + to_text(input) +
                  " has 2^31 elements or more; take a smaller batch.");
    }
  }

  void check_size() const {
    int64_t size =
        product({shape().channels, shape().height, shape().width, batch_size_});
    if (size >= max_elements) {
      refuse("its output " + to_text(shape()) + " for a batch of " +
             std::to_string(batch_size_) +
             " has 2^31 elements or more; take a smaller batch or image.");
    }
  }

  void check_logits() const {
    const Shape& last = shape();
    if (!flat_) {
      throw Error("network: expected " + std::to_string(network_.classes) +
                  " logits at the end, found an image of " + to_text(last) +
                  "; end with flatten and dense.");
    }
    if (last.channels != network_.classes) {
      throw Error("network: expected as many logits as classes, " +
                  std::to_string(network_.classes) + ", found " +
                  std::to_string(last.channels) +
                  "; change the last dense layer.");
    }
  }

  void need_image() const {
    if (flat_) {
      refuse("expected an image, found " + std::to_string(shape().channels) +
             " features; move it before flatten.");
    }
  }

  void check_window(const Window& window, bool pooling) const {
    auto [low, high] = std::minmax(
        {window.kernel_height, window.kernel_width, window.stride_height,
         window.stride_width, window.dilation_height, window.dilation_width});
    if (low < 1 || high > max_side) {
      refuse("expected kernel, stride and dilation of 1 to " +
             std::to_string(max_side) + ", found " +
             std::to_string(low < 1 ? low : high) + ".");
    }
    auto [least, most] = std::minmax(
        {window.pad_top, window.pad_bottom, window.pad_left, window.pad_right});
    if (least < 0 || most > max_side) {
      refuse("expected padding of 0 to " + std::to_string(max_side) +
             ", found " + std::to_string(least < 0 ? least : most) + ".");
    }
    if (!pooling) return;
    if (window.dilation_height != 1 || window.dilation_width != 1) {
      refuse("expected dilation 1, as poolings have none.");
    }
    // A window wholly in the padding would have no largest element.
    if (std::max(window.pad_top, window.pad_bottom) >= window.kernel_height ||
        std::max(window.pad_left, window.pad_right) >= window.kernel_width) {
      refuse("expected padding smaller than the kernel " +
             std::to_string(window.kernel_height) + " x " +
             std::to_string(window.kernel_width) + ", found " +
             std::to_string(most) + ".");
    }
  }

  Shape slide(const Window& window, int channels) const {
    Shape in = shape();
    Shape out{
        channels,
        output_size(in.height, window.kernel_height, window.stride_height,
                    window.dilation_height, window.pad_top, window.pad_bottom),
        output_size(in.width, window.kernel_width, window.stride_width,
                    window.dilation_width, window.pad_left, window.pad_right)};
    if (out.height < 1 || out.width < 1) {
      refuse(
          "expected a kernel no larger than its padded input, found kernel " +
          std::to_string(window.kernel_height) + " x " +
          std::to_string(window.kernel_width) + " (dilation " +
          std::to_string(window.dilation_height) + " x " +
          std::to_string(window.dilation_width) + ") on " + to_text(in) +
          "; take a larger image or fewer poolings.");
    }
    return out;
  }

  void add_parameter(const Layer& layer, const char* suffix,
                     std::vector<int64_t> shape, bool trainable = true) {
    int64_t size = 1;
    for (int64_t side : shape) size = product({size, side});
    if (size >= max_elements - plan_.parameter_count) {
      refuse(
          "its parameters bring the network to 2^31 or more; take fewer "
          "features or a smaller image.");
    }
    plan_.parameters.push_back({layer.name + "." + suffix, std::move(shape),
                                plan_.parameter_count, size, trainable,
                                static_cast<int>(index_)});
    plan_.parameter_count += size;
  }

  void take_name(const Layer& layer) {
    if (layer.name.empty()) {
      refuse(
          "expected a name for its parameters, found none; say for example "
          "name: \"" +
          std::string(layer_type(layer.kind)) + "1\".");
    }
    if (!names_.insert(layer.name).second) {
      refuse("the name \"" + layer.name +
             "\" is taken by an earlier layer; give each its own.");
    }
  }

  Shape convolve(const Layer& layer) {
    need_image();
    take_name(layer);
    check_window(layer.window, false);
    int in = shape().channels, out = layer.out_features;
    if (out < 1) {
      refuse("expected at least 1 output channel, found " +
             std::to_string(out) + ".");
    }
    if (layer.groups < 1 || in % layer.groups || out % layer.groups) {
      refuse("expected groups that divide its " + std::to_string(in) +
             " input and " + std::to_string(out) + " output channels, found " +
             std::to_string(layer.groups) + ".");
    }
    add_parameter(layer, "weight",
                  {out, in / layer.groups, layer.window.kernel_height,
                   layer.window.kernel_width});
    if (layer.bias) add_parameter(layer, "bias", {out});
    return slide(layer.window, out);
  }

  Shape normalize(const Layer& layer) {
    need_image();
    take_name(layer);
    if (!(layer.epsilon > 0) || !std::isfinite(layer.epsilon)) {
      refuse("expected an epsilon above 0, found " +
             number_text(layer.epsilon) + ".");
    }
    if (!(layer.momentum >= 0 && layer.momentum <= 1)) {
      refuse("expected a momentum of 0 to 1, found " +
             number_text(layer.momentum) + ".");
    }
    for (const char* suffix : {"weight", "bias"}) {
      add_parameter(layer, suffix, {shape().channels});
    }
    for (const char* suffix : {"running_mean", "running_var"}) {
      add_parameter(layer, suffix, {shape().channels}, false);
    }
    return shape();
  }

  Shape connect(const Layer& layer) {
    if (!flat_) {
      refuse("expected flat features, found an image of " + to_text(shape()) +
             "; put flatten before it.");
    }
    take_name(layer);
    if (layer.out_features < 1) {
      refuse("expected at least 1 output, found " +
             std::to_string(layer.out_features) + ".");
    }
    add_parameter(layer, "weight", {layer.out_features, shape().channels});
    if (layer.bias) add_parameter(layer, "bias", {layer.out_features});
    return {layer.out_features, 1, 1};
  }

  Shape leave(const Layer& layer, Shape in) {
    switch (layer.kind) {
      case LayerKind::conv2d:
        return convolve(layer);
      case LayerKind::batch_norm2d:
        return normalize(layer);
      case LayerKind::relu:
        return in;
      case LayerKind::max_pool2d:
      case LayerKind::avg_pool2d:
        need_image();
        check_window(layer.window, true);
        return slide(layer.window, in.channels);
      case LayerKind::global_avg_pool2d:
        need_image();
        return {in.channels, 1, 1};
      case LayerKind::flatten:
        flat_ = true;
        return {static_cast<int>(in.size()), 1, 1};
      case LayerKind::dense:
        return connect(layer);
      case LayerKind::dropout:
        if (!(layer.rate >= 0 && layer.rate < 1)) {
          refuse("expected a rate of 0 to less than 1, found " +
                 number_text(layer.rate) + ".");
        }
        return in;
    }
    refuse("this layer type is unknown.");
  }

  const Network& network_;
  int batch_size_;
  Plan plan_;
  size_t index_ = 0;
  bool flat_ = false;
  std::set<std::string> names_;
};

int64_t fan_in(const Plan& plan, int layer) {
  for (const Parameter& parameter : plan.parameters) {
    if (parameter.layer == layer) return parameter.size / parameter.shape[0];
  }
  return 1;
}

}  // namespace

const char* layer_type(LayerKind kind) {
  switch (kind) {
    case LayerKind::conv2d:
      return "conv2d";
    case LayerKind::batch_norm2d:
      return "batchNorm2d";
    case LayerKind::relu:
      return "relu";
    case LayerKind::max_pool2d:
      return "maxPool2d";
    case LayerKind::avg_pool2d:
      return "avgPool2d";
    case LayerKind::global_avg_pool2d:
      return "globalAvgPool2d";
    case LayerKind::flatten:
      return "flatten";
    case LayerKind::dense:
      return "dense";
    case LayerKind::dropout:
      return "dropout";
  }
  return "unknown";
}

int output_size(int size, int kernel, int stride, int dilation, int pad_before,
                int pad_after) {
  int64_t room = int64_t{size} + pad_before + pad_after;
  int64_t reach = int64_t{dilation} * (kernel - 1) + 1;
  return room < reach ? 0 : static_cast<int>((room - reach) / stride + 1);
}

Plan plan_network(const Network& network, int batch_size) {
  return Planner(network, batch_size).plan();
}

std::vector<float> init_parameters(const Network& network, const Plan& plan,
                                   uint64_t seed) {
  std::vector<float> values(plan.parameter_count);
  for (size_t index = 0; index < plan.parameters.size(); ++index) {
    const Parameter& parameter = plan.parameters[index];
    float* first = values.data() + parameter.offset;
    if (network.layers[parameter.layer].kind == LayerKind::batch_norm2d) {
      bool one = parameter.name.ends_with(".weight") ||
                 parameter.name.ends_with(".running_var");
      std::fill_n(first, parameter.size, one ? 1.0f : 0.0f);
      continue;
    }
    float bound = static_cast<float>(
        1 / std::sqrt(static_cast<double>(fan_in(plan, parameter.layer))));
    auto words = philox_words(seed, init_stream + static_cast<uint32_t>(index),
                              0, parameter.size);
    for (int64_t i = 0; i < parameter.size; ++i) {
      first[i] = (2 * to_uniform(words[i]) - 1) * bound;
    }
  }
  return values;
}

}  // namespace birbs
