#include "gemm.h"

#include <algorithm>
#include <vector>

#include "blas_gemm.h"
#include "vectors.h"

namespace birbs::portable {
namespace {

// A tile of c, 6 rows of 2 registers, stays in registers: with a row of b and
// an element of a it takes the 16 that SSE and AVX2 have.
constexpr int64_t tile_rows = 6;
// A packed block of b (256 KB) stays in the second-level cache.
constexpr int64_t block_depth = 256, block_columns = 256;

struct Product {
  int64_t rows, columns, depth;
  Matrix a, b;
  float* c;
  int64_t c_stride;
  bool add;
};

// Up to `width` lines of a matrix, side by side for each k, padded with 0.
template <int64_t width>
BIRBS_INLINE void pack(const float* values, int64_t stride,
                       int64_t depth_stride, int64_t count, int64_t depth,
                       float* packed) {
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

// tile = a panel of a (depth x 6) transposed, times a panel of b (depth x 2
// registers).
template <int lanes>
BIRBS_INLINE void multiply_tile(
    const float* a, const float* b, int64_t depth,
    typename Vector<lanes>::Float (&sums)[tile_rows][2]) {
  using Float = typename Vector<lanes>::Float;
  for (int64_t k = 0; k < depth; ++k) {
    Float row[2];
    load(row[0], b + k * 2 * lanes);
    load(row[1], b + k * 2 * lanes + lanes);
    for (int64_t i = 0; i < tile_rows; ++i) {
      const float element = a[k * tile_rows + i];
      sums[i][0] += element * row[0];
      sums[i][1] += element * row[1];
    }
  }
}

// Adds the sums to c or writes them there, as much of the tile as c has.
template <int lanes>
BIRBS_INLINE void store_tile(
    const typename Vector<lanes>::Float (&sums)[tile_rows][2], int64_t rows,
    int64_t columns, float* c, int64_t c_stride, bool add) {
  using Float = typename Vector<lanes>::Float;
  if (rows == tile_rows && columns == 2 * lanes) {
    for (int64_t i = 0; i < tile_rows; ++i) {
      for (int j = 0; j < 2; ++j) {
        float* target = c + i * c_stride + j * lanes;
        Float before{};
        if (add) load(before, target);
        store(before + sums[i][j], target);
      }
    }
    return;
  }
  float tile[tile_rows][2 * lanes];
  store(sums, tile);
  for (int64_t i = 0; i < rows; ++i) {
    float* row = c + i * c_stride;
    for (int64_t j = 0; j < columns; ++j) {
      row[j] = (add ? row[j] : 0) + tile[i][j];
    }
  }
}

// One block of b against all rows of a.
template <int lanes>
BIRBS_INLINE void multiply_block(int64_t rows, int64_t columns, int64_t depth,
                                 Matrix a, const float* packed_b, float* c,
                                 int64_t c_stride, bool add) {
  float packed_a[tile_rows * block_depth];
  for (int64_t i = 0; i < rows; i += tile_rows) {
    const int64_t height = std::min<int64_t>(tile_rows, rows - i);
    pack<tile_rows>(a.values + i * a.row_stride, a.row_stride, a.column_stride,
                    height, depth, packed_a);
    for (int64_t j = 0; j < columns; j += 2 * lanes) {
      typename Vector<lanes>::Float sums[tile_rows][2] = {};
      multiply_tile<lanes>(packed_a, packed_b + j * depth, depth, sums);
      store_tile<lanes>(sums, height, std::min<int64_t>(2 * lanes, columns - j),
                        c + i * c_stride + j, c_stride, add);
    }
  }
}

template <int lanes>
BIRBS_INLINE void multiply(const Product& product, float* packed) {
  const auto& [rows, columns, depth, a, b, c, c_stride, add] = product;
  constexpr int64_t width = 2 * lanes;
  for (int64_t j = 0; j < columns; j += block_columns) {
    const int64_t block = std::min(block_columns, columns - j);
    for (int64_t k = 0; k < depth; k += block_depth) {
      const int64_t length = std::min(block_depth, depth - k);
      for (int64_t panel = 0; panel < block; panel += width) {
        pack<width>(b.values + k * b.row_stride + (j + panel) * b.column_stride,
                    b.column_stride, b.row_stride,
                    std::min(width, block - panel), length,
                    packed + panel * length);
      }
      const Matrix part{a.values + k * a.column_stride, a.row_stride,
                        a.column_stride};
      multiply_block<lanes>(rows, block, length, part, packed, c + j, c_stride,
                            add || k > 0);
    }
  }
}

}  // namespace

void gemm(int64_t rows, int64_t columns, int64_t depth, Matrix a, Matrix b,
          float* c, int64_t c_stride, bool add) {
  if (blas_gemm(rows, columns, depth, a, b, c, c_stride, add)) return;
  static thread_local std::vector<float> packed(block_depth * block_columns);
  const Product product{rows, columns, depth, a, b, c, c_stride, add};
  // As wide as a register: that changes no sum.
  switch (instruction_set()) {
    case InstructionSet::avx512:
      return vectorized<multiply<16>>(product, packed.data());
    case InstructionSet::avx2:
      return vectorized<multiply<8>>(product, packed.data());
    case InstructionSet::baseline:
      return vectorized<multiply<4>>(product, packed.data());
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
