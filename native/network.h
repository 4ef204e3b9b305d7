#pragma once

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace birbs {

// A mistake of the caller or of the data: one sentence, shown to the user.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class LayerKind {
  conv2d,
  batch_norm2d,
  relu,
  max_pool2d,
  avg_pool2d,
  global_avg_pool2d,
  flatten,
  dense,
  dropout,
};

// Kernel, stride, dilation and padding of a convolution or a pooling.
struct Window {
  int kernel_height = 1, kernel_width = 1;
  int stride_height = 1, stride_width = 1;
  int dilation_height = 1, dilation_width = 1;
  int pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;
};

struct Layer {
  LayerKind kind{};
  std::string name;               // conv2d, batch_norm2d, dense: "conv1", ...
  int out_features = 0;           // conv2d: output channels; dense: outputs
  Window window;                  // conv2d, max_pool2d, avg_pool2d
  int groups = 1;                 // conv2d
  bool bias = true;               // conv2d, dense
  bool count_include_pad = true;  // avg_pool2d
  float epsilon = 1e-5f;          // batch_norm2d
  float momentum = 0.1f;          // batch_norm2d: weight of the newest batch
  float rate = 0.5f;              // dropout: probability of zero
};

// Per image, without the batch. After flatten or dense: {features, 1, 1}.
struct Shape {
  int channels = 0, height = 0, width = 0;
  int64_t size() const { return int64_t{channels} * height * width; }
  bool operator==(const Shape&) const = default;
};

// The network as JavaScript describes it. Images are uint8 NHWC RGB; the first
// thing on the device is (pixel / 255 - mean[c]) / std[c].
struct Network {
  Shape input;  // channels is 3
  std::array<float, 3> mean{};
  std::array<float, 3> std{1, 1, 1};
  std::vector<Layer> layers;
  int classes = 0;
};

// One parameter tensor as PyTorch names and lays it out: conv [out, in/groups,
// kh, kw], dense [out, in] (in counted C, H, W), bias and batch norm [out].
struct Parameter {
  std::string name;  // "conv1.weight", "bn1.running_mean"
  std::vector<int64_t> shape;
  int64_t offset = 0;  // in floats, in the flat array of all parameters
  int64_t size = 0;
  bool trainable = true;  // false: running statistics
  int layer = 0;
};

struct Plan {
  std::vector<Shape> shapes;  // shapes[i] enters layer i, shapes[i+1] leaves it
  std::vector<Parameter> parameters;
  int64_t parameter_count = 0;  // floats in all, running statistics included
};

// The layer's type as JavaScript and every message name it: "maxPool2d".
const char* layer_type(LayerKind kind);

// Shape inference. Throws Error with the layer's number, counted from 1, for
// whatever cannot run; `batch_size` bounds the size of the activations.
Plan plan_network(const Network& network, int batch_size);

// Size of one spatial side after a window, 0 or less if the window is larger.
int output_size(int size, int kernel, int stride, int dilation, int pad_before,
                int pad_after);

// All parameters in Plan order. Conv and dense: Kaiming uniform with a =
// sqrt(5), that is U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for weight and bias, as
// PyTorch's Conv2d and Linear do. Batch norm: weight 1, bias 0, running mean 0,
// running variance 1. Word i of stream init_stream + parameter index, step 0.
std::vector<float> init_parameters(const Network& network, const Plan& plan,
                                   uint64_t seed);

}  // namespace birbs
