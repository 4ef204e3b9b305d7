#include "dense_forward.h"

#include <algorithm>
#include <vector>

#include "parallel.h"
#include "vectors.h"

namespace birbs::cpu {
namespace {

// Up to 6 rows of 2 registers are summed at a time: with two registers of
// weights and an input they take the 16 that AVX2 has. The weights of some
// inputs stay in the cache while all rows meet them.
constexpr int64_t tile_rows = 6, tile_columns = 32, block_inputs = 256;

struct Tile {
  const float* x;
  int64_t x_stride, depth;
  const float* weights;  // tile_columns outputs for each input
  int64_t stride;        // floats from input to input
  float* sums;           // [rows][tile_columns]
};

// However many rows there are, each is computed by the same instructions.
template <int lanes, int64_t rows>
BIRBS_INLINE void add_rows(const Tile& tile) {
  using Float = typename Vector<lanes>::Float;
  for (int64_t column = 0; column < tile_columns; column += 2 * lanes) {
    Float sums[rows][2] = {};
    for (int64_t k = 0; k < tile.depth; ++k) {
      Float weights[2];
      const float* from = tile.weights + k * tile.stride + column;
      load(weights[0], from);
      load(weights[1], from + lanes);
      for (int64_t i = 0; i < rows; ++i) {
        const float input = tile.x[i * tile.x_stride + k];
        for (int j = 0; j < 2; ++j) sums[i][j] += input * weights[j];
      }
    }
    for (int64_t i = 0; i < rows; ++i) {
      for (int j = 0; j < 2; ++j) {
        float* target = tile.sums + i * tile_columns + column + j * lanes;
        Float before;
        load(before, target);
        store(before + sums[i][j], target);
      }
    }
  }
}

template <int lanes>
BIRBS_INLINE void add_products(Tile tile, int64_t rows) {
  for (; rows >= tile_rows; rows -= tile_rows) {
    add_rows<lanes, tile_rows>(tile);
    tile.x += tile_rows * tile.x_stride;
    tile.sums += tile_rows * tile_columns;
  }
  switch (rows) {
    case 5:
      return add_rows<lanes, 5>(tile);
    case 4:
      return add_rows<lanes, 4>(tile);
    case 3:
      return add_rows<lanes, 3>(tile);
    case 2:
      return add_rows<lanes, 2>(tile);
    case 1:
      return add_rows<lanes, 1>(tile);
  }
}

// Up to tile_columns outputs from `first` on, which lie side by side.
struct Columns {
  int64_t first, count;
  const float* weights;
  int64_t stride;
};

// Fills up rows of fewer weights with 0.
Columns widened(const Columns& columns, int64_t inputs,
                std::vector<float>& storage) {
  storage.assign(inputs * tile_columns, 0.0f);
  for (int64_t k = 0; k < inputs; ++k) {
    std::copy_n(columns.weights + k * columns.stride, columns.count,
                storage.data() + k * tile_columns);
  }
  return {columns.first, columns.count, storage.data(), tile_columns};
}

// Adds the products of the inputs from `first` on to sums [count]
// [tile_columns].
void add_block(const Columns& columns, int64_t count, const float* x,
               int64_t inputs, int64_t first, float* sums) {
  const Tile tile{x + first,
                  inputs,
                  std::min(block_inputs, inputs - first),
                  columns.weights + first * columns.stride,
                  columns.stride,
                  sums};
  // As wide as a register: that changes no sum.
  switch (instruction_set()) {
    case InstructionSet::avx512:
      return vectorized<add_products<16>>(tile, count);
    case InstructionSet::avx2:
      return vectorized<add_products<8>>(tile, count);
    case InstructionSet::baseline:
      return vectorized<add_products<4>>(tile, count);
  }
}

void write_columns(const Columns& columns, int64_t count, int64_t outputs,
                   const float* sums, const float* bias, float* y) {
  for (int64_t n = 0; n < count; ++n) {
    float* target = y + n * outputs + columns.first;
    for (int64_t c = 0; c < columns.count; ++c) {
      const float shift = bias ? bias[columns.first + c] : 0.0f;
      target[c] = sums[n * tile_columns + c] + shift;
    }
  }
}

}  // namespace

void dense_forward(const Panels& panels, int64_t count, const float* x,
                   const float* weights, const float* bias, float* y) {
  // Columns of one panel.
  const int64_t width = std::min(tile_columns, panels.width);
  const int64_t groups = (panels.outputs + width - 1) / width;
  parallel(groups, count * panels.size(), [&](int64_t begin, int64_t end) {
    std::vector<Columns> all;
    std::vector<std::vector<float>> storage;  // of those that are filled up
    for (int64_t group = begin; group < end; ++group) {
      const int64_t first = group * width;
      Columns columns{first, std::min(width, panels.outputs - first),
                      weights + panels.offset(first, 0), panels.width};
      if (columns.count < tile_columns) {
        columns = widened(columns, panels.inputs, storage.emplace_back());
      }
      all.push_back(columns);
    }
    // Weights are read in the order in which they lie.
    const int64_t size = count * tile_columns;
    std::vector<float> sums(all.size() * size);
    for (int64_t k = 0; k < panels.inputs; k += block_inputs) {
      for (size_t i = 0; i < all.size(); ++i) {
        add_block(all[i], count, x, panels.inputs, k, sums.data() + i * size);
      }
    }
    for (size_t i = 0; i < all.size(); ++i) {
      write_columns(all[i], count, panels.outputs, sums.data() + i * size, bias,
                    y);
    }
  });
}

}  // namespace birbs::cpu
