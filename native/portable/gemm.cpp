#include "gemm.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "simd.h"

namespace birbs::portable {
namespace {

// A tile of c stays in registers: 6 x 8 fills the 16 of SSE and suits AVX.
constexpr int tile_rows = 6, tile_columns = 8;
// A packed block of b (256 KB) stays in the second-level cache.
constexpr int64_t block_depth = 256, block_columns = 256;

using Lane = float __attribute__((vector_size(tile_columns * sizeof(float))));

// tile = a panel of a (depth x 6) transposed, times a panel of b (depth x 8).
BIRBS_INLINE void multiply_tile(const float* a, const float* b, int64_t depth,
                                float* tile) {
  Lane sums[tile_rows] = {};
  for (int64_t k = 0; k < depth; ++k) {
    Lane row;
    std::memcpy(&row, b + k * tile_columns, sizeof(row));
    for (int i = 0; i < tile_rows; ++i) sums[i] += a[k * tile_rows + i] * row;
  }
  std::memcpy(tile, sums, sizeof(sums));
}

void store_tile(const float* tile, int64_t rows, int64_t columns, float* c,
                int64_t c_stride, bool add) {
  for (int64_t i = 0; i < rows; ++i) {
    float* row = c + i * c_stride;
    const float* sums = tile + i * tile_columns;
    for (int64_t j = 0; j < columns; ++j) {
      row[j] = add ? row[j] + sums[j] : sums[j];
    }
  }
}

// Up to `width` lines of a matrix, side by side for each k, padded with 0.
template <int width>
void pack(const float* values, int64_t stride, int64_t depth_stride,
          int64_t count, int64_t depth, float* packed) {
  if (count < width) std::fill_n(packed, width * depth, 0.0f);
  if (count == width && stride == 1) {
    for (int64_t k = 0; k < depth; ++k) {
      std::memcpy(packed + k * width, values + k * depth_stride,
                  width * sizeof(float));
    }
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t k = 0; k < depth; ++k) {
      packed[k * width + i] = values[i * stride + k * depth_stride];
    }
  }
}

// One block of b against all rows of a.
void multiply_block(int64_t rows, int64_t columns, int64_t depth, Matrix a,
                    const float* packed_b, float* c, int64_t c_stride,
                    bool add) {
  float packed_a[tile_rows * block_depth];
  float tile[tile_rows * tile_columns];
  for (int64_t i = 0; i < rows; i += tile_rows) {
    int64_t height = std::min<int64_t>(tile_rows, rows - i);
    pack<tile_rows>(a.values + i * a.row_stride, a.row_stride, a.column_stride,
                    height, depth, packed_a);
    for (int64_t j = 0; j < columns; j += tile_columns) {
      int64_t width = std::min<int64_t>(tile_columns, columns - j);
      vectorized<multiply_tile>(packed_a, packed_b + j * depth, depth, tile);
      store_tile(tile, height, width, c + i * c_stride + j, c_stride, add);
    }
  }
}

}  // namespace

void gemm(int64_t rows, int64_t columns, int64_t depth, Matrix a, Matrix b,
          float* c, int64_t c_stride, bool add) {
  static thread_local std::vector<float> packed(block_depth * block_columns);
  for (int64_t j = 0; j < columns; j += block_columns) {
    int64_t width = std::min(block_columns, columns - j);
    for (int64_t k = 0; k < depth; k += block_depth) {
      int64_t length = std::min(block_depth, depth - k);
      for (int64_t panel = 0; panel < width; panel += tile_columns) {
        pack<tile_columns>(
            b.values + k * b.row_stride + (j + panel) * b.column_stride,
            b.column_stride, b.row_stride,
            std::min<int64_t>(tile_columns, width - panel), length,
            packed.data() + panel * length);
      }
      Matrix part{a.values + k * a.column_stride, a.row_stride,
                  a.column_stride};
      multiply_block(rows, width, length, part, packed.data(), c + j, c_stride,
                     add || k > 0);
    }
  }
}

void gemm(Threads& threads, int64_t rows, int64_t columns, int64_t depth,
          Matrix a, Matrix b, float* c, int64_t c_stride) {
  constexpr int64_t share = 64;
  threads.run((columns + share - 1) / share, [&](int64_t index) {
    int64_t first = index * share;
    Matrix part{b.values + first * b.column_stride, b.row_stride,
                b.column_stride};
    gemm(rows, std::min(share, columns - first), depth, a, part, c + first,
         c_stride, false);
  });
}

}  // namespace birbs::portable
