#pragma once

#include "gemm.h"

namespace birbs::portable {

// As gemm, by the BLAS of this build: Accelerate on a Mac. False where there is
// none, or where the loops of gemm.cpp suit the matrices better.
#ifdef BIRBS_BLAS
bool blas_gemm(int64_t rows, int64_t columns, int64_t depth, Matrix a, Matrix b,
               float* c, int64_t c_stride, bool add);
#else
inline bool blas_gemm(int64_t, int64_t, int64_t, Matrix, Matrix, float*,
                      int64_t, bool) {
  return false;
}
#endif

}  // namespace birbs::portable
