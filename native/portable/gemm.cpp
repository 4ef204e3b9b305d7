#include "gemm.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "simd.h"

namespace birbs::portable {
namespace {

// A tile of c stays in registers: 6 rows of two registers each.
constexpr int tile_rows = 6;
// A packed block of b (256 KB) stays in the second-level cache.
constexpr int64_t block_depth = 256, block_columns = 256;

template <int lanes>
struct Register;
template <>
struct Register<4> {
  typedef float Lane __attribute__((vector_size(16)));
};
template <>
struct Register<8> {
  typedef float Lane __attribute__((vector_size(32)));
};
template <>
struct Register<16> {
  typedef float Lane __attribute__((vector_size(64)));
};

// tile = a panel of a (depth x 6) transposed, times a panel of b (depth x 2
// registers). The width of a register changes no sum.
template <int lanes>
BIRBS_INLINE void multiply_tile(const float* a, const float* b, int64_t depth,
                                float* tile) {
  using Lane = typename Register<lanes>::Lane;
  Lane left[tile_rows] = {}, right[tile_rows] = {};
  for (int64_t k = 0; k < depth; ++k) {
    Lane low, high;
    std::memcpy(&low, b, sizeof(Lane));
    std::memcpy(&high, b + lanes, sizeof(Lane));
    for (int i = 0; i < tile_rows; ++i) {
      left[i] += a[i] * low;
      right[i] += a[i] * high;
    }
    a += tile_rows;
    b += 2 * lanes;
  }
  for (int i = 0; i < tile_rows; ++i) {
    std::memcpy(tile + i * 2 * lanes, &left[i], sizeof(Lane));
    std::memcpy(tile + i * 2 * lanes + lanes, &right[i], sizeof(Lane));
  }
}

template <int tile_columns>
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
template <int lanes>
void multiply_block(int64_t rows, int64_t columns, int64_t depth, Matrix a,
                    const float* packed_b, float* c, int64_t c_stride,
                    bool add) {
  constexpr int tile_columns = 2 * lanes;
  float packed_a[tile_rows * block_depth];
  float tile[tile_rows * tile_columns];
  for (int64_t i = 0; i < rows; i += tile_rows) {
    int64_t height = std::min<int64_t>(tile_rows, rows - i);
    pack<tile_rows>(a.values + i * a.row_stride, a.row_stride, a.column_stride,
                    height, depth, packed_a);
    for (int64_t j = 0; j < columns; j += tile_columns) {
      int64_t width = std::min<int64_t>(tile_columns, columns - j);
      vectorized<multiply_tile<lanes>>(packed_a, packed_b + j * depth, depth,
                                       tile);
      store_tile<tile_columns>(tile, height, width, c + i * c_stride + j,
                               c_stride, add);
    }
  }
}

template <int lanes>
void multiply(int64_t rows, int64_t columns, int64_t depth, Matrix a, Matrix b,
              float* c, int64_t c_stride, bool add) {
  constexpr int tile_columns = 2 * lanes;
  static_assert(block_columns % tile_columns == 0);
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
      multiply_block<lanes>(rows, width, length, part, packed.data(), c + j,
                            c_stride, add || k > 0);
    }
  }
}

}  // namespace

void gemm(int64_t rows, int64_t columns, int64_t depth, Matrix a, Matrix b,
          float* c, int64_t c_stride, bool add) {
  switch (instruction_set()) {
    case InstructionSet::avx512:
      return multiply<16>(rows, columns, depth, a, b, c, c_stride, add);
    case InstructionSet::avx2:
      return multiply<8>(rows, columns, depth, a, b, c, c_stride, add);
    case InstructionSet::baseline:
      return multiply<4>(rows, columns, depth, a, b, c, c_stride, add);
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
