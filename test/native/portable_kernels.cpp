// The vector kernels of native/portable against plain loops in double, without
// Node.js: `node test/kernels.mjs` builds it for arm64 as well. Prints what is
// wrong and ends with 1, or the speed of the product of matrices.

#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>
#include <vector>

#include "portable/gemm.h"
#include "portable/pooling.h"
#include "simd.h"

namespace birbs::portable {
namespace {

int wrong = 0;

void expect(bool right, const char* what, int64_t size) {
  if (right) return;
  ++wrong;
  std::printf("wrong: %s, size %lld\n", what, static_cast<long long>(size));
}

std::vector<float> values(int64_t count, uint32_t seed) {
  std::vector<float> result(count);
  for (float& value : result) {
    seed = seed * 1664525 + 1013904223;
    value = static_cast<float>(seed >> 8) / (1 << 24) - 0.5f;
  }
  return result;
}

// c += a * b for each order of rows and columns in memory.
void check_product(int64_t rows, int64_t columns, int64_t depth) {
  const std::vector<float> a = values(rows * depth, 1),
                           b = values(depth * columns, 2);
  for (int order = 0; order < 4; ++order) {
    const Matrix left =
        order & 1 ? Matrix{a.data(), 1, rows} : Matrix{a.data(), depth, 1};
    const Matrix right =
        order & 2 ? Matrix{b.data(), 1, depth} : Matrix{b.data(), columns, 1};
    std::vector<float> c = values(rows * columns, 3);
    const std::vector<float> before = c;
    gemm(rows, columns, depth, left, right, c.data(), columns, true);
    double worst = 0;
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) {
        double sum = before[i * columns + j];
        for (int64_t k = 0; k < depth; ++k) {
          sum +=
              double{
                  left.values[i * left.row_stride + k * left.column_stride]} *
              right.values[k * right.row_stride + j * right.column_stride];
        }
        worst = std::max(worst, std::abs(sum - c[i * columns + j]));
      }
    }
    expect(worst < 1e-6 * static_cast<double>(depth + 16), "gemm",
           rows * columns * depth);
  }
}

// The index of the largest of a 2 x 2 window: of equals the first, of NaNs the
// last.
int64_t largest(const float* plane, int64_t width, int64_t first) {
  int64_t best = first;
  for (const int64_t at : {first + 1, first + width, first + width + 1}) {
    if (plane[at] > plane[best] || std::isnan(plane[at])) best = at;
  }
  return best;
}

bool same(float a, float b) {
  return a == b || (std::isnan(a) && std::isnan(b));
}

void check_pooling(Threads& threads, int height, int width) {
  Window window;
  window.kernel_height = window.kernel_width = 2;
  window.stride_height = window.stride_width = 2;
  const Pooling pooling{2, Shape{3, height, width},
                        Shape{3, height / 2, width / 2}, window};
  std::vector<float> x = values(2 * pooling.in.size(), 4);
  for (size_t i = 0; i < x.size(); ++i) {
    if (i % 5 == 0) x[i] = 0.25f;
    if (i % 11 == 0) x[i] = std::numeric_limits<float>::quiet_NaN();
  }
  const std::vector<float> dy = values(2 * pooling.out.size(), 5);
  std::vector<float> y(dy.size()), dx(x.size(), 7.0f), expected(x.size());
  max_pool(threads, pooling, x.data(), y.data());
  max_pool_gradient(threads, pooling, dy.data(), x.data(), dx.data());
  bool right = true;
  for (int64_t i = 0; i < static_cast<int64_t>(y.size()); ++i) {
    const int64_t area = int64_t{height / 2} * (width / 2);
    const int64_t plane = i / area * height * width;
    const int64_t inside = i % area;
    const int64_t at = plane + largest(x.data() + plane, width,
                                       inside / (width / 2) * 2 * width +
                                           inside % (width / 2) * 2);
    right = right && same(y[i], x[at]);
    expected[at] = dy[i];
  }
  expect(right && dx == expected, "2 x 2 max pooling", height * width);
}

double gigaflops(int64_t rows, int64_t columns, int64_t depth) {
  using Clock = std::chrono::steady_clock;
  const std::vector<float> a = values(rows * depth, 1),
                           b = values(depth * columns, 2);
  std::vector<float> c(rows * columns);
  double best = 1e9;
  for (int round = 0; round < 5; ++round) {
    const auto start = Clock::now();
    gemm(rows, columns, depth, {a.data(), depth, 1}, {b.data(), columns, 1},
         c.data(), columns, false);
    best = std::min(
        best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return 2e-9 * static_cast<double>(rows * columns * depth) / best;
}

int run() {
  Threads threads(2);
  for (const int64_t columns : {1, 7, 16, 33, 300}) {
    for (const int64_t rows : {1, 6, 13}) {
      check_product(rows, columns, 5);
      check_product(rows, columns, 270);
    }
  }
  for (const int width : {2, 5, 16, 17, 38}) {
    check_pooling(threads, 6, width);
    check_pooling(threads, 5, width);
  }
  if (wrong > 0) return 1;
  std::printf("%s: as plain loops; %.1f GF/s at 64 x 1024 x 288\n",
              instruction_set_name().c_str(), gigaflops(64, 1024, 288));
  return 0;
}

}  // namespace
}  // namespace birbs::portable

int main() { return birbs::portable::run(); }
