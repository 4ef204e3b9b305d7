#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "layers.h"

namespace birbs {

// The network as JavaScript describes it. Images are uint8 NHWC RGB; the first
// thing on the device is (pixel / 255 - mean[c]) / std[c].
struct Network {
  Shape input;  // channels is 3
  std::array<float, 3> mean{};
  std::array<float, 3> std{1, 1, 1};
  std::vector<Layer> layers;
  int classes = 0;
};

struct Parameter {
  std::string name;  // "conv1.weight", "bn1.running_mean"
  std::vector<int64_t> shape;
  int64_t offset = 0;  // in floats, in the flat array of all parameters
  int64_t size = 0;
  bool trainable = true;  // false: running statistics, and of frozen layers
  int layer = 0;
};

// The network as a graph of values: value 0 is the images, value i + 1 is what
// leaves layer i (counted from 0). A layer reads earlier values only.
struct Plan {
  std::vector<Layer> layers;              // with their padding settled
  std::vector<std::vector<int>> inputs;   // of each layer: the values it reads
  std::vector<Shape> shapes;              // of each value
  std::vector<std::vector<int>> readers;  // of each value: layers
  // Of each value: whether a layer before it learns, so that its gradient is
  // wanted.
  std::vector<bool> learns;
  std::vector<int64_t> multiply_adds;  // of each layer, for one image
  std::vector<Parameter> parameters;
  int64_t parameter_count = 0;  // floats in all, running statistics included

  int value_count() const { return static_cast<int>(shapes.size()); }
  int last_value() const { return value_count() - 1; }
};

// "layer 3 (conv2d): ", with which every message about a layer begins.
std::string layer_prefix(OpKind kind, size_t index);

// Shape inference. Throws Error with the layer's number, counted from 1, for
// whatever cannot run; `batch_size` bounds the size of the activations.
Plan plan_network(const Network& network, int batch_size);

// What the last dense layer reads, before dropout: the features of an image.
int feature_value(const Plan& plan);

// The value that leaves the layer of this name.
int value_of(const Plan& plan, const std::string& layer);

// All parameters in Plan order. Word i of stream init_stream + parameter
// index, step 0.
std::vector<float> init_parameters(const Plan& plan, uint64_t seed);

}  // namespace birbs
