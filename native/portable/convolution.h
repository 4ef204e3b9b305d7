#pragma once

#include "network.h"
#include "threads.h"

namespace birbs::portable {

// Images are count x C x H x W, weights [out, in / groups, kh, kw].
struct Convolution {
  int count;
  Shape in, out;
  Window window;
  int groups;
};

// All of these take a loop of their own where each group has one input
// channel (depthwise). `bias` may be null.
void convolve(Threads& threads, const Convolution& convolution, const float* x,
              const float* weight, const float* bias, float* y);

void convolve_input_gradient(Threads& threads, const Convolution& convolution,
                             const float* dy, const float* weight, float* dx);

// `dbias` may be null.
void convolve_weight_gradient(Threads& threads, const Convolution& convolution,
                              const float* dy, const float* x, float* dweight,
                              float* dbias);

}  // namespace birbs::portable
