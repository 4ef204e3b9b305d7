#pragma once

#include <cstdint>

namespace birbs::cpu {

// Dense weights in memory: panels of `width` outputs, in each a row for every
// input. The last panel's surplus outputs and the surplus inputs stay 0.
struct Panels {
  int64_t outputs = 0, inputs = 0;
  int64_t width = 0, rows = 0;  // rows: inputs, filled up

  int64_t count() const { return (outputs + width - 1) / width; }
  int64_t size() const { return count() * rows * width; }
  int64_t offset(int64_t output, int64_t input) const {
    return (output / width * rows + input) * width + output % width;
  }
};

// The weight gradient of a dense layer some rows at a time, so that it never
// has to go to memory: the caller uses it up while it is in cache.
class DenseGradient {
 public:
  static constexpr int64_t rows = 24;
  // How many floats the arrays below hold.
  static int64_t targets_size(const Panels& panels, int64_t count);
  static int64_t inputs_size(int64_t count) { return rows * count; }

  // dy [count, outputs] as gradient() wants it: [panel][image][width].
  static void arrange(const Panels& panels, int64_t count, const float* dy,
                      float* targets);
  // Rows `first` to `last` of x [count, inputs]: [row][image].
  static void arrange_inputs(const Panels& panels, int64_t count,
                             const float* x, int64_t first, int64_t last,
                             float* inputs);
  // gradient [last - first, width] of one panel.
  static void compute(const Panels& panels, int64_t count, const float* inputs,
                      const float* panel_targets, int64_t row_count,
                      float* gradient);
};

// db[o] = sum over images of dy [count, outputs].
void dense_bias_gradient(int64_t outputs, int64_t count, const float* dy,
                         float* db);

}  // namespace birbs::cpu
