#include "dense.h"

#include "gemm.h"

namespace birbs::portable {

void dense(Threads& threads, const Dense& size, const float* x,
           const float* weight, const float* bias, float* y) {
  gemm(threads, size.count, size.out, size.in, {x, size.in, 1},
       {weight, 1, size.in}, y, size.out);
  if (!bias) return;
  for (int64_t n = 0; n < size.count; ++n) {
    for (int64_t i = 0; i < size.out; ++i) y[n * size.out + i] += bias[i];
  }
}

void dense_input_gradient(Threads& threads, const Dense& size, const float* dy,
                          const float* weight, float* dx) {
  gemm(threads, size.count, size.in, size.out, {dy, size.out, 1},
       {weight, size.in, 1}, dx, size.in);
}

void dense_weight_gradient(Threads& threads, const Dense& size, const float* dy,
                           const float* x, float* dweight, float* dbias) {
  gemm(threads, size.out, size.in, size.count, {dy, 1, size.out},
       {x, size.in, 1}, dweight, size.in);
  if (!dbias) return;
  for (int64_t i = 0; i < size.out; ++i) {
    double sum = 0;
    for (int64_t n = 0; n < size.count; ++n) sum += dy[n * size.out + i];
    dbias[i] = static_cast<float>(sum);
  }
}

}  // namespace birbs::portable
