#include "description.h"

#include <map>

#include "arguments.h"

namespace {

using birbs::Layer;
using birbs::LayerKind;

constexpr int64_t kLargest = 1 << 20;

LayerKind layer_kind_of(const Napi::Value& value, const std::string& name) {
  static const std::map<std::string, LayerKind> kinds{
      {"conv2d", LayerKind::conv2d},
      {"batchNorm2d", LayerKind::batch_norm2d},
      {"relu", LayerKind::relu},
      {"maxPool2d", LayerKind::max_pool2d},
      {"avgPool2d", LayerKind::avg_pool2d},
      {"globalAvgPool2d", LayerKind::global_avg_pool2d},
      {"flatten", LayerKind::flatten},
      {"dense", LayerKind::dense},
      {"dropout", LayerKind::dropout},
  };
  const std::string type = string_of(value, name);
  const auto found = kinds.find(type);
  if (found == kinds.end()) {
    throw Napi::TypeError::New(
        value.Env(), "Expected a layer type for " + name +
                         " (conv2d, batchNorm2d, relu, maxPool2d, avgPool2d, "
                         "globalAvgPool2d, flatten, dense or dropout) but "
                         "received \"" +
                         type + "\"");
  }
  return found->second;
}

// A number for both axes, or [height, width].
void read_size(const Napi::Object& layer, const char* key,
               const std::string& prefix, int64_t low, int* height,
               int* width) {
  if (!has(layer, key)) return;
  const Napi::Value value = layer.Get(key);
  const std::string name = prefix + key;
  if (!value.IsArray()) {
    *height = *width = static_cast<int>(integer_of(value, name, low, kLargest));
    return;
  }
  const Napi::Array pair = array_of(value, name);
  *height = static_cast<int>(integer_of(pair[0u], name + "[0]", low, kLargest));
  *width = static_cast<int>(integer_of(pair[1u], name + "[1]", low, kLargest));
}

// One number, [vertical, horizontal], or [top, bottom, left, right].
void read_padding(const Napi::Object& layer, const std::string& prefix,
                  birbs::Window* window) {
  if (!has(layer, "padding")) return;
  const Napi::Value value = layer.Get("padding");
  const std::string name = prefix + "padding";
  int sides[4];
  if (value.IsArray() && value.As<Napi::Array>().Length() == 4) {
    const Napi::Array array = value.As<Napi::Array>();
    for (uint32_t i = 0; i < 4; ++i) {
      sides[i] = static_cast<int>(integer_of(
          array[i], name + "[" + std::to_string(i) + "]", 0, kLargest));
    }
  } else {
    read_size(layer, "padding", prefix, 0, &sides[0], &sides[2]);
    sides[1] = sides[0];
    sides[3] = sides[2];
  }
  window->pad_top = sides[0];
  window->pad_bottom = sides[1];
  window->pad_left = sides[2];
  window->pad_right = sides[3];
}

void read_window(const Napi::Object& object, const std::string& prefix,
                 bool pooling, birbs::Window* window) {
  if (!has(object, "kernelSize")) {
    integer_of(object.Get("kernelSize"), prefix + "kernelSize", 1, kLargest);
  }
  read_size(object, "kernelSize", prefix, 1, &window->kernel_height,
            &window->kernel_width);
  if (pooling) {  // as PyTorch: the stride defaults to the kernel
    window->stride_height = window->kernel_height;
    window->stride_width = window->kernel_width;
  }
  read_size(object, "stride", prefix, 1, &window->stride_height,
            &window->stride_width);
  read_size(object, "dilation", prefix, 1, &window->dilation_height,
            &window->dilation_width);
  read_padding(object, prefix, window);
}

void read_float(const Napi::Object& object, const char* key,
                const std::string& prefix, float* number) {
  if (has(object, key)) {
    *number = static_cast<float>(number_of(object.Get(key), prefix + key));
  }
}

void read_boolean(const Napi::Object& object, const char* key,
                  const std::string& prefix, bool* flag) {
  if (has(object, key)) *flag = boolean_of(object.Get(key), prefix + key);
}

Layer layer_of(const Napi::Value& value, uint32_t index) {
  const std::string prefix = "layers[" + std::to_string(index) + "].";
  const Napi::Object object =
      object_of(value, prefix.substr(0, prefix.size() - 1));
  Layer layer;
  layer.kind = layer_kind_of(object.Get("type"), prefix + "type");
  switch (layer.kind) {
    case LayerKind::conv2d:
      layer.name = string_of(object.Get("name"), prefix + "name");
      layer.out_features = static_cast<int>(integer_of(
          object.Get("outChannels"), prefix + "outChannels", 1, kLargest));
      read_window(object, prefix, false, &layer.window);
      if (has(object, "groups")) {
        layer.groups = static_cast<int>(
            integer_of(object.Get("groups"), prefix + "groups", 1, kLargest));
      }
      read_boolean(object, "bias", prefix, &layer.bias);
      break;
    case LayerKind::dense:
      layer.name = string_of(object.Get("name"), prefix + "name");
      layer.out_features = static_cast<int>(integer_of(
          object.Get("outFeatures"), prefix + "outFeatures", 1, kLargest));
      read_boolean(object, "bias", prefix, &layer.bias);
      break;
    case LayerKind::batch_norm2d:
      layer.name = string_of(object.Get("name"), prefix + "name");
      read_float(object, "epsilon", prefix, &layer.epsilon);
      read_float(object, "momentum", prefix, &layer.momentum);
      break;
    case LayerKind::max_pool2d:
    case LayerKind::avg_pool2d:
      read_window(object, prefix, true, &layer.window);
      read_boolean(object, "countIncludePad", prefix, &layer.count_include_pad);
      break;
    case LayerKind::dropout:
      layer.rate =
          static_cast<float>(number_of(object.Get("rate"), prefix + "rate"));
      break;
    case LayerKind::relu:
    case LayerKind::global_avg_pool2d:
    case LayerKind::flatten:
      break;
  }
  return layer;
}

std::array<float, 3> triple_of(const Napi::Value& value,
                               const std::string& name) {
  const std::vector<float> numbers = floats_of(value, name);
  if (numbers.size() != 3) {
    throw Napi::TypeError::New(value.Env(),
                               "Expected three numbers for " + name);
  }
  return {numbers[0], numbers[1], numbers[2]};
}

}  // namespace

birbs::Network network_of(const Napi::Value& value) {
  const Napi::Object object = object_of(value, "network");
  const Napi::Object input = object_of(object.Get("input"), "network.input");
  birbs::Network network;
  network.input.channels = static_cast<int>(
      integer_of(input.Get("channels"), "network.input.channels", 3, 3));
  network.input.height = static_cast<int>(
      integer_of(input.Get("height"), "network.input.height", 1, kLargest));
  network.input.width = static_cast<int>(
      integer_of(input.Get("width"), "network.input.width", 1, kLargest));
  const Napi::Object normalization =
      object_of(object.Get("normalization"), "network.normalization");
  network.mean =
      triple_of(normalization.Get("mean"), "network.normalization.mean");
  network.std =
      triple_of(normalization.Get("std"), "network.normalization.std");
  const Napi::Array layers = array_of(object.Get("layers"), "network.layers");
  for (uint32_t i = 0; i < layers.Length(); ++i) {
    network.layers.push_back(layer_of(layers[i], i + 1));
  }
  network.classes = static_cast<int>(
      array_of(object.Get("classNames"), "network.classNames").Length());
  return network;
}
