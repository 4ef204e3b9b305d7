#pragma once

#include "threads.h"

namespace birbs::portable {

// x is count x in, y is count x out, weight is [out, in].
struct Dense {
  int64_t count, in, out;
};

// `bias` may be null.
void dense(Threads& threads, const Dense& size, const float* x,
           const float* weight, const float* bias, float* y);

void dense_input_gradient(Threads& threads, const Dense& size, const float* dy,
                          const float* weight, float* dx);

// `dbias` may be null.
void dense_weight_gradient(Threads& threads, const Dense& size, const float* dy,
                           const float* x, float* dweight, float* dbias);

}  // namespace birbs::portable
