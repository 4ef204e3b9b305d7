#pragma once

#include <cstdint>

namespace birbs {

// Rows of logits; `stride` floats from row to row, a multiple of
// row_alignment. What is behind the classes of a row is not used, but written.
struct LogitRows {
  float* values;
  int64_t stride;
  int classes;
};

constexpr int64_t row_alignment = 16;

// Row `row`, to which `bias` is added, becomes weight * probability; returns
// weight * the cross-entropy of `label`, whose own value becomes weight *
// (probability - 1). In float, to a few units in the last place.
double softmax_gradient(const LogitRows& rows, int64_t row, const float* bias,
                        int label, double weight);

}  // namespace birbs
