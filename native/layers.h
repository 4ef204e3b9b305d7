#pragma once

#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace birbs {

// A mistake of the caller or of the data: one sentence, shown to the user.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The layers of a network, then what exists as a single operation only.
enum class OpKind {
  conv2d,             // x, weight [, bias] -> y
  batch_norm2d,       // x, weight, bias -> y, mean, biased variance
  relu,               // x -> y
  relu6,              // x -> min(max(x, 0), 6)
  add,                // x, x -> y
  max_pool2d,         // x -> y
  avg_pool2d,         // x -> y
  global_avg_pool2d,  // x -> y [N, C, 1, 1]
  flatten,            // networks only
  dense,              // x [N, in], weight [, bias] -> y [N, out]
  dropout,            // x -> y, scaled by 1 / (1 - rate)

  conv2d_input_gradient,       // dy, weight -> dx (input_height, input_width)
  conv2d_weight_gradient,      // dy, x -> dweight, dbias
  batch_norm2d_inference,      // x, weight, bias, mean, variance -> y
  batch_norm2d_gradient,       // dy, x, weight -> dx, dweight, dbias
  relu_gradient,               // dy, x -> dx; 0 at x = 0
  relu6_gradient,              // dy, x -> dx; 0 at x = 0 and at x = 6
  max_pool2d_gradient,         // dy, x -> dx; ties: the first in H, W order
  avg_pool2d_gradient,         // dy, x -> dx
  global_avg_pool2d_gradient,  // dy, x -> dx
  dense_input_gradient,        // dy, weight -> dx
  dense_weight_gradient,       // dy, x -> dweight, dbias
  dropout_gradient,            // dy -> dx
  softmax,                     // x [N, K] -> y
  cross_entropy,               // logits, labels [N] as floats -> loss [1]
  cross_entropy_gradient,      // logits, labels -> dlogits
};

// Kernel, stride, dilation and padding of a convolution or a pooling.
struct Window {
  int kernel_height = 1, kernel_width = 1;
  int stride_height = 1, stride_width = 1;
  int dilation_height = 1, dilation_width = 1;
  int pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;
};

struct Layer {
  OpKind kind{};
  std::string name;               // begins the names of its parameters
  std::vector<std::string> from;  // layers it reads; empty: the one before
  int out_features = 0;           // conv2d: output channels; dense: outputs
  Window window;                  // conv2d, max_pool2d, avg_pool2d
  bool same_padding = false;      // the padding follows from the input's size
  int groups = 1;                 // conv2d
  bool bias = true;               // conv2d, dense
  bool count_include_pad = true;  // avg_pool2d
  float epsilon = 1e-5f;          // batch_norm2d
  float momentum = 0.1f;          // batch_norm2d: weight of the newest batch
  float rate = 0.5f;              // dropout: probability of zero
  // Its parameters are not trained; batch_norm2d uses its running statistics.
  bool frozen = false;
  // batch_norm2d: training uses the running statistics and leaves them alone.
  bool frozen_statistics = false;
  float learning_rate_factor = 1;

  bool running_statistics() const { return frozen || frozen_statistics; }
};

// What leaves a layer, per image, without the batch. Flat: {features, 1, 1}.
struct Shape {
  int channels = 0, height = 0, width = 0;
  bool flat = false;
  int64_t size() const { return int64_t{channels} * height * width; }
  bool operator==(const Shape&) const = default;
};

std::string to_text(const Shape& shape);  // "[3, 8, 10]"

// A field of a description: where its value goes, and what it may be.
struct Field {
  struct Size {  // one number, or [height, width]
    int Window::* height;
    int Window::* width;
  };
  struct Padding {};  // one number, [vertical, horizontal], four sides, "same"
  struct Names {};    // Layer::from

  const char* name;
  bool required;
  std::variant<std::string Layer::*, int Layer::*, float Layer::*,
               bool Layer::*, Size, Padding, Names>
      target;
  double low = 0, high = 0;
};

// One row of the table: a layer or a single operation.
struct OpType {
  OpKind kind;
  const char* name;                  // "maxPool2d", as JavaScript has it
  size_t least_inputs, most_inputs;  // of the single operation
  bool layer = false;                // whether networks may have it
  bool parameters = false;
  std::vector<Field> fields = {};  // besides those that every layer has
};

const OpType& op_type(OpKind kind);
// Null for a name that there is not.
const OpType* find_op(const std::string& name);
const std::vector<OpType>& op_types();
// Of a layer: those every layer has and its own.
std::vector<Field> fields_of(const OpType& type);

inline constexpr int max_side = 4096;       // of images, kernels, strides
inline constexpr int max_features = 65536;  // of a layer

// The rules below serve layers and operations alike. They throw Error without
// saying where; the caller does.

// The layer with the padding that `same` means for this input: TensorFlow's
// rule, with the odd pixel after.
Layer with_padding(Layer layer, const Shape& in);

// What leaves the layer; checks its fields and inputs.
Shape output_shape(const Layer& layer, const std::vector<Shape>& in);

// Refuses groups that do not divide the channels.
void check_groups(int groups, int64_t in, int64_t out);

// Size of one spatial side after a window, 0 or less if the window is larger.
int output_size(int size, int kernel, int stride, int dilation, int pad_before,
                int pad_after);

// A parameter as PyTorch names and lays it out: conv [out, in / groups, kh,
// kw], dense [out, in] (in counted C, H, W), bias and batch norm [out].
struct ParameterRule {
  const char* suffix;  // "weight", "running_mean"
  std::vector<int64_t> shape;
  bool learns = true;  // false: running statistics
  // What it starts with: uniform in (-bound, bound), or this number.
  bool random = true;
  float start = 0;
};
std::vector<ParameterRule> parameters_of(const Layer& layer, const Shape& in);

// Multiplications with a weight, per image.
int64_t multiply_adds(const Layer& layer, const Shape& in, const Shape& out);

}  // namespace birbs
