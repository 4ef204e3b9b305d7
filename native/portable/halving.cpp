#include "halving.h"

#include <algorithm>

#include "vectors.h"

namespace birbs::portable {
namespace {

using Float = Vector<8>::Float;
using Int = Vector<8>::Int;

// Columns 0, 2, 4, ... and 1, 3, 5, ... of 16.
BIRBS_INLINE void load_pairs(const float* from, Float& even, Float& odd) {
  Float low, high;
  load(low, from);
  load(high, from + 8);
  even = __builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14);
  odd = __builtin_shufflevector(low, high, 1, 3, 5, 7, 9, 11, 13, 15);
}

BIRBS_INLINE void store_pairs(const Float& even, const Float& odd, float* to) {
  store(__builtin_shufflevector(even, odd, 0, 8, 1, 9, 2, 10, 3, 11), to);
  store(__builtin_shufflevector(even, odd, 4, 12, 5, 13, 6, 14, 7, 15), to + 8);
}

// The largest of 8 windows, and which of the four it is.
BIRBS_INLINE void find_largest(const float* top, const float* bottom,
                               Float& best, Int& index) {
  Float values[4];
  load_pairs(top, values[0], values[1]);
  load_pairs(bottom, values[2], values[3]);
  best = values[0];
  index = Int{};
  for (int k = 1; k < 4; ++k) take_larger(values[k], Int{} + k, best, index);
}

// The same of one window.
BIRBS_INLINE void find_largest(const float* top, const float* bottom,
                               float& best, int& index) {
  const float values[4] = {top[0], top[1], bottom[0], bottom[1]};
  best = values[0];
  index = 0;
  for (int k = 1; k < 4; ++k) {
    const bool larger = (values[k] > best) | (values[k] != values[k]);
    index = larger ? k : index;
    best = larger ? values[k] : best;
  }
}

BIRBS_INLINE void halve_rows(int64_t columns, const float* top,
                             const float* bottom, float* y) {
  int64_t i = 0;
  for (; i + 8 <= columns; i += 8) {
    Float best;
    Int index;
    find_largest(top + 2 * i, bottom + 2 * i, best, index);
    store(best, y + i);
  }
  for (; i < columns; ++i) {
    int index;
    find_largest(top + 2 * i, bottom + 2 * i, y[i], index);
  }
}

struct GradientRows {
  const float *dy, *top, *bottom;
  float *dtop, *dbottom;
};

BIRBS_INLINE void spread_rows(int64_t columns, const GradientRows& rows) {
  int64_t i = 0;
  for (; i + 8 <= columns; i += 8) {
    Float best, dy;
    Int index;
    find_largest(rows.top + 2 * i, rows.bottom + 2 * i, best, index);
    load(dy, rows.dy + i);
    const Float none{};
    store_pairs(index == 0 ? dy : none, index == 1 ? dy : none,
                rows.dtop + 2 * i);
    store_pairs(index == 2 ? dy : none, index == 3 ? dy : none,
                rows.dbottom + 2 * i);
  }
  for (; i < columns; ++i) {
    float best;
    int index;
    find_largest(rows.top + 2 * i, rows.bottom + 2 * i, best, index);
    for (int k = 0; k < 2; ++k) {
      rows.dtop[2 * i + k] = index == k ? rows.dy[i] : 0;
      rows.dbottom[2 * i + k] = index == k + 2 ? rows.dy[i] : 0;
    }
  }
}

}  // namespace

bool halves(const Window& window) {
  return window.kernel_height == 2 && window.kernel_width == 2 &&
         window.stride_height == 2 && window.stride_width == 2 &&
         window.pad_top + window.pad_bottom + window.pad_left +
                 window.pad_right ==
             0;
}

void halve(Threads& threads, int64_t planes, int64_t height, int64_t width,
           const float* x, float* y) {
  const int64_t rows = height / 2, columns = width / 2;
  threads.run(planes, [=](int64_t plane) {
    for (int64_t h = 0; h < rows; ++h) {
      const float* top = x + (plane * height + 2 * h) * width;
      vectorized<halve_rows>(columns, top, top + width,
                             y + (plane * rows + h) * columns);
    }
  });
}

void halve_gradient(Threads& threads, int64_t planes, int64_t height,
                    int64_t width, const float* dy, const float* x, float* dx) {
  const int64_t rows = height / 2, columns = width / 2;
  threads.run(planes, [=](int64_t plane) {
    if (height % 2 + width % 2 > 0) {
      std::fill_n(dx + plane * height * width, height * width, 0.0f);
    }
    for (int64_t h = 0; h < rows; ++h) {
      const int64_t at = (plane * height + 2 * h) * width;
      vectorized<spread_rows>(
          columns, GradientRows{dy + (plane * rows + h) * columns, x + at,
                                x + at + width, dx + at, dx + at + width});
    }
  });
}

}  // namespace birbs::portable
