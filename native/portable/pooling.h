#pragma once

#include "network.h"
#include "threads.h"

namespace birbs::portable {

// Images are count x C x H x W.
struct Pooling {
  int count;
  Shape in, out;
  Window window;
  bool count_include_pad = true;  // average
};

// Padding never wins; NaN does.
void max_pool(Threads& threads, const Pooling& pooling, const float* x,
              float* y);

// Ties: the first in H, W order takes the gradient.
void max_pool_gradient(Threads& threads, const Pooling& pooling,
                       const float* dy, const float* x, float* dx);

void avg_pool(Threads& threads, const Pooling& pooling, const float* x,
              float* y);

void avg_pool_gradient(Threads& threads, const Pooling& pooling,
                       const float* dy, float* dx);

// x is count x C x H x W, y is count x C.
void global_avg_pool(Threads& threads, int count, const Shape& in,
                     const float* x, float* y);

void global_avg_pool_gradient(Threads& threads, int count, const Shape& in,
                              const float* dy, float* dx);

}  // namespace birbs::portable
