#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "layers.h"

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

// A single operation of the public API: a layer, or a part of one.
struct Operation : Layer {
  int input_height = 0, input_width = 0;  // conv2d_input_gradient
  float label_smoothing = 0;              // cross_entropy
  std::vector<float> class_weights;       // cross_entropy
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

const char* operation_name(OpKind kind);         // as JavaScript has it
OpKind operation_kind(const std::string& name);  // throws Error

}  // namespace birbs
