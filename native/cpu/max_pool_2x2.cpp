#include "max_pool_2x2.h"

#include <algorithm>
#include <limits>

#include "parallel.h"
#include "vectors.h"

namespace birbs::cpu {
namespace {

// One row of outputs: `columns` pixels of `block` channels.
struct Row {
  int64_t columns, block;
  float floor;  // of ReLU; NaN, which nothing is below, without
  const float *top, *bottom;
  float* y;
  uint8_t* taken;
};

struct GradientRow {
  int64_t columns, block;
  const float* dy;
  const uint8_t* taken;
  float *top, *bottom;
};

template <int lanes>
BIRBS_INLINE void pool_row(const Row& row) {
  using Float = typename Vector<lanes>::Float;
  using Int = typename Vector<lanes>::Int;
  using Byte = typename Vector<lanes>::Byte;
  const int64_t block = row.block;
  for (int64_t i = 0, pixel = 0; i < row.columns * block; i += lanes) {
    // Output i is a channel of this pixel.
    if (i == (pixel + 1) * block) ++pixel;
    const int64_t left = pixel * block + i;
    const float* inputs[4] = {row.top + left, row.top + left + block,
                              row.bottom + left, row.bottom + left + block};
    Float best;
    load(best, inputs[0]);
    Int index = {};
    for (int k = 1; k < 4; ++k) {
      Float value;
      load(value, inputs[k]);
      take_larger(value, Int{} + k, best, index);
    }
    const Float floor = Float{} + row.floor;
    index = best <= floor ? Int{} + 4 : index;
    best = best <= floor ? floor : best;
    store(best, row.y + i);
    store(__builtin_convertvector(index, Byte), row.taken + i);
  }
}

template <int lanes>
BIRBS_INLINE void spread_row(const GradientRow& row) {
  using Float = typename Vector<lanes>::Float;
  using Int = typename Vector<lanes>::Int;
  using Byte = typename Vector<lanes>::Byte;
  const int64_t block = row.block;
  for (int64_t i = 0, pixel = 0; i < row.columns * block; i += lanes) {
    if (i == (pixel + 1) * block) ++pixel;
    const int64_t left = pixel * block + i;
    float* outputs[4] = {row.top + left, row.top + left + block,
                         row.bottom + left, row.bottom + left + block};
    Float value;
    Byte bytes;
    load(value, row.dy + i);
    load(bytes, row.taken + i);
    const Int index = __builtin_convertvector(bytes, Int);
    for (int k = 0; k < 4; ++k) {
      store(index == k ? value : Float{}, outputs[k]);
    }
  }
}

BIRBS_INLINE void pool(const Row& row) {
  // gcc computes two comparisons of 16 lanes one by one.
  if (row.block % 8 == 0) return pool_row<8>(row);
  pool_row<1>(row);
}

BIRBS_INLINE void spread(const GradientRow& row) {
  if (row.block % 16 == 0) return spread_row<16>(row);
  if (row.block % 8 == 0) return spread_row<8>(row);
  spread_row<1>(row);
}

}  // namespace

void max_pool_2x2(const Layout& in, int count, bool relu, const float* x,
                  float* y, uint8_t* taken) {
  const int64_t rows = in.shape.height / 2, columns = in.shape.width / 2;
  const int64_t line = int64_t{in.shape.width} * in.block;
  const int64_t total = count * in.blocks() * rows;
  const float floor = relu ? 0.0f : std::numeric_limits<float>::quiet_NaN();
  parallel(total, total * 2 * line, [=](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const float* top = x + (i / rows * in.shape.height + i % rows * 2) * line;
      const int64_t out = i * columns * in.block;
      vectorized<pool>(
          Row{columns, in.block, floor, top, top + line, y + out, taken + out});
    }
  });
}

void max_pool_2x2_gradient(const Layout& in, int count, const float* dy,
                           const uint8_t* taken, float* dx) {
  const int64_t rows = in.shape.height / 2, columns = in.shape.width / 2;
  const int64_t line = int64_t{in.shape.width} * in.block;
  const int64_t planes = count * in.blocks();
  parallel(planes * rows, planes * rows * 2 * line,
           [=](int64_t first, int64_t last) {
             for (int64_t i = first; i < last; ++i) {
               float* top =
                   dx + (i / rows * in.shape.height + i % rows * 2) * line;
               const int64_t out = i * columns * in.block;
               vectorized<spread>(GradientRow{columns, in.block, dy + out,
                                              taken + out, top, top + line});
               const int64_t used = 2 * columns * in.block;
               std::fill(top + used, top + line, 0.0f);
               std::fill(top + line + used, top + 2 * line, 0.0f);
             }
           });
  if (in.shape.height % 2 == 0) return;
  for (int64_t plane = 0; plane < planes; ++plane) {
    std::fill_n(dx + ((plane + 1) * in.shape.height - 1) * line, line, 0.0f);
  }
}

}  // namespace birbs::cpu
