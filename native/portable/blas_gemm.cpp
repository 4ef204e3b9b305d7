#include "blas_gemm.h"

#ifdef BIRBS_BLAS

#include <algorithm>
#include <climits>

#ifdef __APPLE__
// The names that replace these since macOS 13.3 are not in 13.0.
#pragma clang diagnostic ignored "-Wdeprecated-declarations"
#include <Accelerate/Accelerate.h>
#else
#include <cblas.h>
#endif

namespace birbs::portable {
namespace {

// Below, a call costs more than it saves.
constexpr int64_t least_products = 16 * 16 * 16;

// A matrix as BLAS takes it; one of its strides must be 1.
struct Argument {
  CBLAS_TRANSPOSE transpose;
  int64_t stride;
};

// False for a matrix whose lines overlap or have gaps between their elements.
bool describe(const Matrix& matrix, int64_t rows, int64_t columns,
              Argument* argument) {
  if (matrix.column_stride == 1 || columns == 1) {
    const int64_t stride = rows == 1 ? columns : matrix.row_stride;
    *argument = {CblasNoTrans, stride};
    return stride >= columns && stride <= INT_MAX;
  }
  if (matrix.row_stride != 1 && rows != 1) return false;
  *argument = {CblasTrans, matrix.column_stride};
  return matrix.column_stride >= rows && matrix.column_stride <= INT_MAX;
}

}  // namespace

bool blas_gemm(int64_t rows, int64_t columns, int64_t depth, Matrix a, Matrix b,
               float* c, int64_t c_stride, bool add) {
  if (rows * columns * depth < least_products) return false;
  if (std::max({rows, columns, depth, c_stride}) > INT_MAX) return false;
  Argument left, right;
  if (!describe(a, rows, depth, &left) || !describe(b, depth, columns, &right))
    return false;
  const auto size = [](int64_t value) { return static_cast<int>(value); };
  cblas_sgemm(CblasRowMajor, left.transpose, right.transpose, size(rows),
              size(columns), size(depth), 1, a.values, size(left.stride),
              b.values, size(right.stride), add ? 1 : 0, c, size(c_stride));
  return true;
}

}  // namespace birbs::portable

#endif
