#include "elementwise.h"

#include <algorithm>

#include "parallel.h"
#include "philox.h"
#include "simd.h"

namespace birbs::cpu {
namespace {

// In this order NaN stays NaN.
BIRBS_INLINE void relu_part(int64_t size, const float* x, float* y) {
  for (int64_t i = 0; i < size; ++i) y[i] = x[i] < 0 ? 0 : x[i];
}

BIRBS_INLINE void relu_gradient_part(int64_t size, const float* y, float* dy) {
  for (int64_t i = 0; i < size; ++i) dy[i] = y[i] <= 0 ? 0 : dy[i];
}

// A product, as in PyTorch: NaN stays NaN where it is not kept.
BIRBS_INLINE void apply_part(int64_t size, float scale, const uint8_t* kept,
                             const float* x, float* y) {
  for (int64_t i = 0; i < size; ++i) y[i] = x[i] * (kept[i] ? scale : 0);
}

}  // namespace

void relu(int64_t size, const float* x, float* y) {
  parallel(size, size, [=](int64_t first, int64_t last) {
    vectorized<relu_part>(last - first, x + first, y + first);
  });
}

void relu_gradient(int64_t size, const float* y, float* dy) {
  parallel(size, size, [=](int64_t first, int64_t last) {
    vectorized<relu_gradient_part>(last - first, y + first, dy + first);
  });
}

void draw_kept(const Dropout& dropout, const Layout& layout, int count,
               uint8_t* kept) {
  const int64_t image = layout.shape.size(), total = count * image;
  // A Philox block is worth some 20 floats of ordinary work.
  parallel((total + 3) / 4, total * 5, [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; ++block) {
      const auto words = philox(dropout.seed, dropout.stream, dropout.step,
                                static_cast<uint32_t>(block));
      for (int64_t i = block * 4; i < std::min(block * 4 + 4, total); ++i) {
        const bool keep = dropout_keeps(words[i % 4], dropout.rate);
        const int64_t inside = i % image;
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
