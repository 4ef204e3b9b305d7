#pragma once

#include "convolution.h"

namespace birbs::portable {

// A convolution whose groups have one input channel each: planes that meet
// their kernels directly, without a matrix of columns.
bool is_depthwise(const Convolution& convolution);

void depthwise(Threads& threads, const Convolution& convolution, const float* x,
               const float* weight, const float* bias, float* y);

void depthwise_input_gradient(Threads& threads, const Convolution& convolution,
                              const float* dy, const float* weight, float* dx);

void depthwise_weight_gradient(Threads& threads, const Convolution& convolution,
                               const float* dy, const float* x, float* dweight);

}  // namespace birbs::portable
