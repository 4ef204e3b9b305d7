#pragma once

#include <cstdint>

#include "layout.h"

namespace birbs::cpu {

enum class Activation { none, relu, relu6 };

// Whether the gradient stops: as in PyTorch NaN lets it pass relu, not relu6.
template <Activation activation>
constexpr bool stops(float y) {
  if (activation == Activation::relu6) return !(y > 0 && y < 6);
  return activation == Activation::relu && y <= 0;
}

// y = activation(x); may work in place. NaN stays NaN.
void activate(Activation activation, int64_t size, const float* x, float* y);

// dy becomes 0 wherever y, which came out of the activation, is at a bound.
void activation_gradient(Activation activation, int64_t size, const float* y,
                         float* dy);

// y = activation(a + b)
void add(Activation activation, int64_t size, const float* a, const float* b,
         float* y);

// whole += part
void add_to(int64_t size, const float* part, float* whole);

// Where in Philox the mask of a dropout lies.
struct Dropout {
  float rate;
  uint64_t seed;
  uint32_t stream;
  uint64_t step;
  int64_t first = 0;  // elements of the batch before these
};

// One byte an element of the layout: 1 where it is kept.
void draw_kept(const Dropout& dropout, const Layout& layout, int count,
               uint8_t* kept);

// Dropout: zeroes the dropped values and scales the rest by 1 / (1 - rate), for
// values and for gradients; may work in place.
void apply_kept(int64_t size, float rate, const uint8_t* kept, const float* x,
                float* y);

}  // namespace birbs::cpu
