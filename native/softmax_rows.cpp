#include "softmax_rows.h"

#include <cmath>
#include <cstring>

#include "simd.h"

namespace birbs {
namespace {

constexpr int lanes = row_alignment;
typedef float Floats __attribute__((vector_size(lanes * sizeof(float))));
typedef int32_t Ints __attribute__((vector_size(lanes * sizeof(int32_t))));

BIRBS_INLINE void load(Floats& into, const float* from) {
  std::memcpy(&into, from, sizeof(into));
}

// e^x of x <= 0: 2^n times a polynomial on [-ln 2 / 2, ln 2 / 2] (Cephes).
BIRBS_INLINE void exponential(Floats& x) {
  const Floats least = Floats{} - 87.0f;
  x = x > least ? x : least;
  const Ints n = __builtin_convertvector(x * 1.44269504f - 0.5f, Ints);
  const Floats whole = __builtin_convertvector(n, Floats);
  const Floats r = x - whole * 0.693359375f + whole * 2.12194440e-4f;
  Floats sum = r * 1.9875691500e-4f + 1.3981999507e-3f;
  sum = sum * r + 8.3334519073e-3f;
  sum = sum * r + 4.1665795894e-2f;
  sum = sum * r + 1.6666665459e-1f;
  sum = sum * r + 5.0000001201e-1f;
  sum = sum * (r * r) + r + 1.0f;
  const Ints power = (n + 127) << 23;
  Floats scale;
  std::memcpy(&scale, &power, sizeof(scale));
  x = sum * scale;
}

// Adds the bias and finds the largest logit.
BIRBS_INLINE void add_bias(float* row, const float* bias, int classes,
                           float* largest) {
  float most = -INFINITY;
  for (int k = 0; k < classes; ++k) {
    row[k] += bias[k];
    most = row[k] > most ? row[k] : most;
  }
  *largest = most;
}

BIRBS_INLINE void exponentials(float* row, int64_t stride, float largest,
                               float* total) {
  Floats sums = {};
  for (int64_t k = 0; k < stride; k += lanes) {
    Floats value;
    load(value, row + k);
    value -= largest;
    exponential(value);
    sums += value;
    std::memcpy(row + k, &value, sizeof(value));
  }
  float sum = 0;
  for (int i = 0; i < lanes; ++i) sum += sums[i];
  *total = sum;
}

BIRBS_INLINE void scale_row(float* row, int64_t stride, float factor) {
  for (int64_t k = 0; k < stride; ++k) row[k] *= factor;
}

}  // namespace

double softmax_gradient(const LogitRows& rows, int64_t row, const float* bias,
                        int label, double weight) {
  float* values = rows.values + row * rows.stride;
  float largest = 0, total = 0;
  vectorized<add_bias>(values, bias, rows.classes, &largest);
  const double own = values[label];
  for (int64_t k = rows.classes; k < rows.stride; ++k) values[k] = -INFINITY;
  vectorized<exponentials>(values, rows.stride, largest, &total);
  vectorized<scale_row>(values, rows.stride,
                        static_cast<float>(weight / total));
  values[label] -= static_cast<float>(weight);
  return weight * (largest + std::log(double{total}) - own);
}

}  // namespace birbs
