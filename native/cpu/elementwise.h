#pragma once

#include <cstdint>

#include "layout.h"

namespace birbs::cpu {

void relu(int64_t size, const float* x, float* y);

// dy becomes 0 wherever y, which came out of ReLU, is.
void relu_gradient(int64_t size, const float* y, float* dy);

// Where in Philox the mask of a dropout lies.
struct Dropout {
  float rate;
  uint64_t seed;
  uint32_t stream;
  uint64_t step;
};

// One byte an element of the layout: 1 where it is kept.
void draw_kept(const Dropout& dropout, const Layout& layout, int count,
               uint8_t* kept);

// Zeroes what is not kept and scales the rest by 1 / (1 - rate), for values and
// for gradients; may work in place.
void apply_kept(int64_t size, float rate, const uint8_t* kept, const float* x,
                float* y);

}  // namespace birbs::cpu
