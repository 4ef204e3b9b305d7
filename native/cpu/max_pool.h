#pragma once

#include <cstdint>

#include "layout.h"

namespace birbs::cpu {

// Max pooling of any window over `count` images; `in` and `out` have the same
// block. As in PyTorch, NaN is larger than all numbers, the last of several
// counts, and of equal numbers the first in H, W order. oneDNN's pooling drops
// NaN.
struct MaxPool {
  Layout in, out;
  Window window;
  int count;

  // Numbers of the output, blocks that are filled up included.
  int64_t outputs() const { return count * out.size(); }
};

// `taken` remembers for each output the pixel of its plane that it came from.
void max_pool(const MaxPool& pool, const float* x, float* y, int32_t* taken);

// Writes all of dx, zeros included.
void max_pool_gradient(const MaxPool& pool, const float* dy,
                       const int32_t* taken, float* dx);

}  // namespace birbs::cpu
