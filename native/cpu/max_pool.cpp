#include "max_pool.h"

#include <algorithm>

#include "parallel.h"
#include "vectors.h"

namespace birbs::cpu {
namespace {

// The part of a window that lies inside the image.
struct Range {
  int first, last;
};

BIRBS_INLINE Range inside(int index, int stride, int pad, int kernel,
                          int size) {
  const int first = index * stride - pad;
  return {first > 0 ? first : 0, first + kernel < size ? first + kernel : size};
}

// One row of outputs: `columns` pixels of `block` channels.
struct Row {
  int64_t columns, block;
  int width;  // of the image
  Range rows;
  Window window;
  const float* plane;
  float* y;
  int32_t* taken;
};

// The largest of one window, `lanes` channels at once.
template <int lanes>
BIRBS_INLINE void pool_window(const Row& row, const Range& columns,
                              const float* channels, float* y, int32_t* taken) {
  using Float = typename Vector<lanes>::Float;
  using Int = typename Vector<lanes>::Int;
  const int first = row.rows.first * row.width + columns.first;
  Float best;
  load(best, channels + first * row.block);
  Int index = Int{} + first;
  for (int h = row.rows.first; h < row.rows.last; ++h) {
    for (int w = columns.first; w < columns.last; ++w) {
      const int pixel = h * row.width + w;
      Float value;
      load(value, channels + pixel * row.block);
      take_larger(value, Int{} + pixel, best, index);
    }
  }
  store(best, y);
  store(index, taken);
}

template <int lanes>
BIRBS_INLINE void pool_row(const Row& row) {
  for (int64_t i = 0; i < row.columns; ++i) {
    const Range columns =
        inside(static_cast<int>(i), row.window.stride_width,
               row.window.pad_left, row.window.kernel_width, row.width);
    for (int64_t c = 0; c < row.block; c += lanes) {
      const int64_t at = i * row.block + c;
      pool_window<lanes>(row, columns, row.plane + c, row.y + at,
                         row.taken + at);
    }
  }
}

BIRBS_INLINE void pool(const Row& row) {
  // gcc computes two comparisons of 16 lanes one by one.
  if (row.block % 8 == 0) return pool_row<8>(row);
  pool_row<1>(row);
}

}  // namespace

void max_pool(const MaxPool& shape, const float* x, float* y, int32_t* taken) {
  const Layout in = shape.in, out = shape.out;
  const Window window = shape.window;
  const int64_t plane = in.plane() * in.block;
  const int64_t line = int64_t{out.shape.width} * out.block;
  const int64_t total = shape.count * in.blocks() * out.shape.height;
  parallel(total, shape.count * in.size(), [=](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int h = static_cast<int>(i % out.shape.height);
      const Range rows = inside(h, window.stride_height, window.pad_top,
                                window.kernel_height, in.shape.height);
      vectorized<pool>(Row{out.shape.width, in.block, in.shape.width, rows,
                           window, x + i / out.shape.height * plane,
                           y + i * line, taken + i * line});
    }
  });
}

void max_pool_gradient(const MaxPool& pool, const float* dy,
                       const int32_t* taken, float* dx) {
  const Layout &in = pool.in, &out = pool.out;
  const int64_t plane = in.plane() * in.block;
  const int64_t outputs = out.plane() * out.block;
  const int64_t planes = pool.count * in.blocks();
  parallel(planes, pool.count * in.size(), [=](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      float* target = dx + i * plane;
      std::fill_n(target, plane, 0.0f);
      for (int64_t k = i * outputs; k < (i + 1) * outputs; ++k) {
        target[int64_t{taken[k]} * in.block + k % in.block] += dy[k];
      }
    }
  });
}

}  // namespace birbs::cpu
