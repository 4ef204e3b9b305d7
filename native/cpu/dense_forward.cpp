#include "dense_forward.h"

#include <algorithm>
#include <vector>

#include "parallel.h"
#include "vectors.h"

namespace birbs::cpu {
namespace {

// 6 rows of 2 registers are summed at a time; the weights of some inputs stay
// in the cache while all rows meet them.
constexpr int64_t tile_rows = 6, tile_columns = 32, block_inputs = 256;

struct Tile {
  const float* rows[tile_rows];
  int64_t depth;
  const float* weights;  // tile_columns outputs for each input
  int64_t stride;        // floats from input to input
  float* sums;           // [tile_rows][tile_columns]
};

template <int lanes>
BIRBS_INLINE void add_products(const Tile& tile) {
  using Float = typename Vector<lanes>::Float;
  for (int64_t column = 0; column < tile_columns; column += 2 * lanes) {
    Float sums[tile_rows][2] = {};
    for (int64_t k = 0; k < tile.depth; ++k) {
      Float weights[2];
      const float* from = tile.weights + k * tile.stride + column;
      load(weights[0], from);
      load(weights[1], from + lanes);
      for (int i = 0; i < tile_rows; ++i) {
        for (int j = 0; j < 2; ++j) sums[i][j] += tile.rows[i][k] * weights[j];
      }
    }
    for (int i = 0; i < tile_rows; ++i) {
      for (int j = 0; j < 2; ++j) {
        float* target = tile.sums + i * tile_columns + column + j * lanes;
        Float before;
        load(before, target);
        store(before + sums[i][j], target);
      }
    }
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

void add_block(const Panels& panels, const Columns& columns, int64_t count,
               const float* x, int64_t first_input, float* sums) {
  const int64_t depth = std::min(block_inputs, panels.inputs - first_input);
  for (int64_t n = 0; n < count; n += tile_rows) {
    Tile tile{{},
              depth,
              columns.weights + first_input * columns.stride,
              columns.stride,
              sums + n * tile_columns};
    // The last tile repeats the last row.
    for (int64_t i = 0; i < tile_rows; ++i) {
      tile.rows[i] =
          x + std::min(n + i, count - 1) * panels.inputs + first_input;
    }
    // As wide as a register: that changes no sum.
    switch (instruction_set()) {
      case InstructionSet::avx512:
        vectorized<add_products<16>>(tile);
        break;
      case InstructionSet::avx2:
        vectorized<add_products<8>>(tile);
        break;
      case InstructionSet::baseline:
        vectorized<add_products<4>>(tile);
    }
  }
}

void multiply_columns(const Panels& panels, const Columns& columns,
                      int64_t count, const float* x, const float* bias,
                      float* y) {
  const int64_t rows = (count + tile_rows - 1) / tile_rows * tile_rows;
  std::vector<float> sums(rows * tile_columns);
  for (int64_t k = 0; k < panels.inputs; k += block_inputs) {
    add_block(panels, columns, count, x, k, sums.data());
  }
  for (int64_t n = 0; n < count; ++n) {
    float* target = y + n * panels.outputs + columns.first;
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
    std::vector<float> storage;
    for (int64_t group = begin; group < end; ++group) {
      const int64_t first = group * width;
      Columns columns{first, std::min(width, panels.outputs - first),
                      weights + panels.offset(first, 0), panels.width};
      if (columns.count < tile_columns) {
        columns = widened(columns, panels.inputs, storage);
      }
      multiply_columns(panels, columns, count, x, bias, y);
    }
  });
}

}  // namespace birbs::cpu
