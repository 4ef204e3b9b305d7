#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "network.h"

namespace birbs {

// A float32 tensor, packed, last dimension fastest. Images are N, C, H, W here,
// weights as PyTorch has them.
struct Tensor {
  std::vector<int64_t> shape;
  std::vector<float> values;
};

struct TensorView {
  std::vector<int64_t> shape;
  const float* values = nullptr;
  int64_t size() const;
};

// The single operations of the public API: name, inputs -> outputs.
enum class OperationKind {
  conv2d,                      // x, weight [, bias] -> y
  conv2d_input_gradient,       // dy, weight -> dx (input_height, input_width)
  conv2d_weight_gradient,      // dy, x -> dweight, dbias
  max_pool2d,                  // x -> y
  max_pool2d_gradient,         // dy, x -> dx; ties: the first in H, W order
  avg_pool2d,                  // x -> y
  avg_pool2d_gradient,         // dy, x -> dx
  global_avg_pool2d,           // x -> y [N, C, 1, 1]
  global_avg_pool2d_gradient,  // dy, x -> dx
  dense,                       // x [N, in], weight [, bias] -> y [N, out]
  dense_input_gradient,        // dy, weight -> dx
  dense_weight_gradient,       // dy, x -> dweight, dbias
  relu,                        // x -> y
  relu_gradient,               // dy, x -> dx; 0 at x = 0
  softmax,                     // x [N, K] -> y
  cross_entropy,               // logits, labels [N] as floats -> loss [1]
  cross_entropy_gradient,      // logits, labels -> dlogits
  batch_norm2d,                // x, weight, bias -> y, mean, biased variance
  batch_norm2d_inference,      // x, weight, bias, mean, variance -> y
  batch_norm2d_gradient,       // dy, x, weight -> dx, dweight, dbias
  dropout,                     // x -> y, scaled by 1 / (1 - rate)
  dropout_gradient,            // dy -> dx
};

struct Operation {
  OperationKind kind{};
  Window window;
  int groups = 1;
  int input_height = 0, input_width = 0;  // conv2d_input_gradient
  bool count_include_pad = true;          // avg_pool2d
  float epsilon = 1e-5f;                  // batch_norm2d
  float label_smoothing = 0;              // cross_entropy
  std::vector<float> class_weights;       // cross_entropy
  float rate = 0;                         // dropout
  uint64_t seed = 0, step = 0;            // dropout
  uint32_t stream = 0;                    // dropout: dropout_stream + this
};

// Shapes of the outputs; throws Error, beginning with the name in brackets, for
// a wrong number of inputs, rank, dimension or attribute.
std::vector<std::vector<int64_t>> operation_shapes(
    const Operation& operation, const std::vector<TensorView>& inputs);

// The labels of cross_entropy as integers; throws Error for one that is not a
// whole number of 0 .. classes-1.
std::vector<int32_t> read_labels(const TensorView& labels, int64_t classes);

// As JavaScript names them: "maxPool2dGradient".
const char* operation_name(OperationKind kind);
OperationKind operation_kind(const std::string& name);  // throws Error

}  // namespace birbs
