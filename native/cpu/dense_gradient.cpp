#include "dense_gradient.h"

#include <algorithm>

#include "vectors.h"

namespace birbs::cpu {
namespace {

struct Tile {
  int64_t count, width;           // images, floats from row to row
  const float *inputs, *targets;  // [row][image], [image][width]
  float* gradient;                // [row][width]
};

// row_count x (registers * lanes) outputs in registers, summed over the images.
template <int lanes, int row_count, int registers>
BIRBS_INLINE void multiply(const Tile& tile) {
  using Float = typename Vector<lanes>::Float;
  Float sums[row_count][registers] = {};
  for (int64_t n = 0; n < tile.count; ++n) {
    Float target[registers];
    for (int j = 0; j < registers; ++j) {
      load(target[j], tile.targets + n * tile.width + j * lanes);
    }
    for (int i = 0; i < row_count; ++i) {
      const float input = tile.inputs[i * tile.count + n];
      for (int j = 0; j < registers; ++j) sums[i][j] += input * target[j];
    }
  }
  for (int i = 0; i < row_count; ++i) {
    for (int j = 0; j < registers; ++j) {
      store(sums[i][j], tile.gradient + i * tile.width + j * lanes);
    }
  }
}

Tile shifted(Tile tile, int64_t row, int64_t column) {
  tile.inputs += row * tile.count;
  tile.targets += column;
  tile.gradient += row * tile.width + column;
  return tile;
}

// Columns that fill no register.
BIRBS_INLINE void multiply_rest(const Tile& tile, int64_t row_count,
                                int64_t column) {
  for (int64_t i = 0; i < row_count; ++i) {
    for (int64_t j = column; j < tile.width; ++j) {
      float sum = 0;
      for (int64_t n = 0; n < tile.count; ++n) {
        sum +=
            tile.inputs[i * tile.count + n] * tile.targets[n * tile.width + j];
      }
      tile.gradient[i * tile.width + j] = sum;
    }
  }
}

template <int lanes>
BIRBS_INLINE void multiply_panel(const Tile& tile, int64_t row_count) {
  int64_t column = 0;
  for (; column + 2 * lanes <= tile.width; column += 2 * lanes) {
    int64_t row = 0;
    // 6 x 2 sums, a target and an input: the 16 registers of SSE and AVX2.
    for (; row + 6 <= row_count; row += 6) {
      multiply<lanes, 6, 2>(shifted(tile, row, column));
    }
    for (; row < row_count; ++row) {
      multiply<lanes, 1, 2>(shifted(tile, row, column));
    }
  }
  for (; column + lanes <= tile.width; column += lanes) {
    for (int64_t row = 0; row < row_count; ++row) {
      multiply<lanes, 1, 1>(shifted(tile, row, column));
    }
  }
  if (column < tile.width) multiply_rest(tile, row_count, column);
}

}  // namespace

int64_t DenseGradient::targets_size(const Panels& panels, int64_t count) {
  return panels.count() * panels.width * count;
}

void DenseGradient::arrange(const Panels& panels, int64_t count,
                            const float* dy, float* targets) {
  for (int64_t panel = 0; panel < panels.count(); ++panel) {
    const int64_t first = panel * panels.width;
    const int64_t used = std::min(panels.width, panels.outputs - first);
    for (int64_t n = 0; n < count; ++n) {
      float* target = targets + (panel * count + n) * panels.width;
      std::copy_n(dy + n * panels.outputs + first, used, target);
      std::fill(target + used, target + panels.width, 0.0f);
    }
  }
}

void DenseGradient::arrange_inputs(const Panels& panels, int64_t count,
                                   const float* x, int64_t first, int64_t last,
                                   float* inputs) {
  for (int64_t n = 0; n < count; ++n) {
    const float* row = x + n * panels.inputs;
    for (int64_t i = first; i < last; ++i) {
      inputs[(i - first) * count + n] = row[i];
    }
  }
}

void DenseGradient::compute(const Panels& panels, int64_t count,
                            const float* inputs, const float* panel_targets,
                            int64_t row_count, float* gradient) {
  const Tile tile{count, panels.width, inputs, panel_targets, gradient};
  // As wide as a register: that changes no sum.
  switch (instruction_set()) {
    case InstructionSet::avx512:
      return vectorized<multiply_panel<16>>(tile, row_count);
    case InstructionSet::avx2:
      return vectorized<multiply_panel<8>>(tile, row_count);
    case InstructionSet::baseline:
      return vectorized<multiply_panel<4>>(tile, row_count);
  }
}

void dense_bias_gradient(int64_t outputs, int64_t count, const float* dy,
                         float* db) {
  std::fill_n(db, outputs, 0.0f);
  for (int64_t n = 0; n < count; ++n) {
    for (int64_t o = 0; o < outputs; ++o) db[o] += dy[n * outputs + o];
  }
}

}  // namespace birbs::cpu
