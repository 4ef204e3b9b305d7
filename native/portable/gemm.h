#pragma once

#include <cstdint>

#include "threads.h"

namespace birbs::portable {

// A matrix anywhere in memory: element (i, j) is
// values[i * row_stride + j * column_stride].
struct Matrix {
  const float* values;
  int64_t row_stride, column_stride;
};

// c = a * b, or c += a * b with `add`; a is rows x depth, b is depth x columns,
// c has rows of `c_stride` floats.
void gemm(int64_t rows, int64_t columns, int64_t depth, Matrix a, Matrix b,
          float* c, int64_t c_stride, bool add);

// The same with the columns of c shared out; the numbers don't depend on the
// number of threads.
void gemm(Threads& threads, int64_t rows, int64_t columns, int64_t depth,
          Matrix a, Matrix b, float* c, int64_t c_stride);

}  // namespace birbs::portable
