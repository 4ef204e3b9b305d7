#pragma once

#include <cstdint>

#include "layout.h"

namespace birbs::cpu {

// Max pooling of 2 x 2 windows, stride 2, no padding, with ReLU before it (or
// after it: that is the same) if asked. `taken` remembers, one byte an output,
// which of the four was largest (0 to 3 in H, W order, of equals the first, of
// NaNs the last) or 4 where ReLU cut it off. An odd last row or column takes no
// part.
void max_pool_2x2(const Layout& in, int count, bool relu, const float* x,
                  float* y, uint8_t* taken);

// Writes all of dx, zeros included.
void max_pool_2x2_gradient(const Layout& in, int count, const float* dy,
                           const uint8_t* taken, float* dx);

}  // namespace birbs::cpu
