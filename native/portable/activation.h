#pragma once

#include <cstdint>

#include "threads.h"

namespace birbs::portable {

void relu(Threads& threads, int64_t size, const float* x, float* y);

// 0 at x = 0.
void relu_gradient(Threads& threads, int64_t size, const float* dy,
                   const float* x, float* dx);

// min(max(x, 0), 6); its gradient is 0 at x = 0 and at x = 6.
void relu6(Threads& threads, int64_t size, const float* x, float* y);
void relu6_gradient(Threads& threads, int64_t size, const float* dy,
                    const float* x, float* dx);

// y may be a or b.
void add(Threads& threads, int64_t size, const float* a, const float* b,
         float* y);

// Where in Philox the mask of a dropout lies.
struct Dropout {
  float rate;
  uint64_t seed;
  uint32_t stream;
  uint64_t step;
  int64_t first = 0;  // elements of the batch before these
};

// Zeroes elements with probability `rate` and scales the others by
// 1 / (1 - rate). Its gradient is the same function of dy.
void dropout(Threads& threads, const Dropout& dropout, int64_t size,
             const float* x, float* y);

}  // namespace birbs::portable
