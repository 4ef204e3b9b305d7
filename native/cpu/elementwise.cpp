#include "elementwise.h"

#include <algorithm>

#include "parallel.h"
#include "philox.h"
#include "simd.h"

namespace birbs::cpu {
namespace {

// In this order NaN stays NaN.
template <Activation activation>
BIRBS_INLINE float bounded(float value) {
  if (activation == Activation::none) return value;
  value = value < 0 ? 0 : value;
  return activation == Activation::relu6 && value > 6 ? 6 : value;
}

template <Activation activation>
BIRBS_INLINE void activate_part(int64_t size, const float* x, float* y) {
  for (int64_t i = 0; i < size; ++i) y[i] = bounded<activation>(x[i]);
}

template <Activation activation>
BIRBS_INLINE void gradient_part(int64_t size, const float* y, float* dy) {
  for (int64_t i = 0; i < size; ++i)
    dy[i] = stops<activation>(y[i]) ? 0 : dy[i];
}

template <Activation activation>
BIRBS_INLINE void add_part(int64_t size, const float* a, const float* b,
                           float* y) {
  for (int64_t i = 0; i < size; ++i) y[i] = bounded<activation>(a[i] + b[i]);
}

// Calls the kernel for an activation, on all threads.
template <auto none, auto relu, auto relu6, typename... Pointers>
void run(Activation activation, int64_t size, Pointers... at) {
  parallel(size, size, [=](int64_t first, int64_t last) {
    switch (activation) {
      case Activation::none:
        return vectorized<none>(last - first, (at + first)...);
      case Activation::relu:
        return vectorized<relu>(last - first, (at + first)...);
      case Activation::relu6:
        return vectorized<relu6>(last - first, (at + first)...);
    }
  });
}

// A product, as in PyTorch: NaN stays NaN where it is not kept.
BIRBS_INLINE void apply_part(int64_t size, float scale, const uint8_t* kept,
                             const float* x, float* y) {
  for (int64_t i = 0; i < size; ++i) y[i] = x[i] * (kept[i] ? scale : 0);
}

}  // namespace

void activate(Activation activation, int64_t size, const float* x, float* y) {
  using enum Activation;
  run<activate_part<none>, activate_part<relu>, activate_part<relu6>>(
      activation, size, x, y);
}

void activation_gradient(Activation activation, int64_t size, const float* y,
                         float* dy) {
  using enum Activation;
  if (activation == none) return;
  run<gradient_part<relu>, gradient_part<relu>, gradient_part<relu6>>(
      activation, size, y, dy);
}

void add(Activation activation, int64_t size, const float* a, const float* b,
         float* y) {
  using enum Activation;
  run<add_part<none>, add_part<relu>, add_part<relu6>>(activation, size, a, b,
                                                       y);
}

void add_to(int64_t size, const float* part, float* whole) {
  add(Activation::none, size, part, whole, whole);
}

void draw_kept(const Dropout& dropout, const Layout& layout, int count,
               uint8_t* kept) {
  const int64_t image = layout.shape.size(), total = count * image;
  // In the whole batch; four words a block.
  const int64_t begin = dropout.first, end = begin + total;
  const int64_t blocks = (end + 3) / 4 - begin / 4;
  // A Philox block is worth some 20 floats of ordinary work.
  parallel(blocks, total * 5, [&](int64_t first, int64_t last) {
    for (int64_t k = first; k < last; ++k) {
      const int64_t block = begin / 4 + k;
      const auto words = philox(dropout.seed, dropout.stream, dropout.step,
                                static_cast<uint32_t>(block));
      const int64_t from = std::max(block * 4, begin);
      for (int64_t at = from; at < std::min(block * 4 + 4, end); ++at) {
        const bool keep = dropout_keeps(words[at % 4], dropout.rate);
        const int64_t i = at - begin, inside = i % image;
        kept[i / image * layout.size() +
             layout.offset(inside / layout.plane(), inside % layout.plane())] =
            keep;
      }
    }
  });
}

void apply_kept(int64_t size, float rate, const uint8_t* kept, const float* x,
                float* y) {
  const float scale = 1 / (1 - rate);
  parallel(size, size, [=](int64_t first, int64_t last) {
    vectorized<apply_part>(last - first, scale, kept + first, x + first,
                           y + first);
  });
}

}  // namespace birbs::cpu
