#include "activation.h"

#include <algorithm>

#include "philox.h"

namespace birbs::portable {
namespace {

constexpr int64_t share = 1 << 14;  // a multiple of Philox's four words

// Calls task(first, last) over equal shares of 0 .. size.
template <typename Task>
void each_share(Threads& threads, int64_t size, Task task) {
  threads.run((size + share - 1) / share, [&](int64_t index) {
    task(index * share, std::min(size, (index + 1) * share));
  });
}

}  // namespace

void relu(Threads& threads, int64_t size, const float* x, float* y) {
  each_share(threads, size, [=](int64_t first, int64_t last) {
    // In this order NaN stays NaN.
    for (int64_t i = first; i < last; ++i) y[i] = x[i] < 0 ? 0 : x[i];
  });
}

void relu_gradient(Threads& threads, int64_t size, const float* dy,
                   const float* x, float* dx) {
  each_share(threads, size, [=](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) dx[i] = x[i] <= 0 ? 0 : dy[i];
  });
}

void relu6(Threads& threads, int64_t size, const float* x, float* y) {
  each_share(threads, size, [=](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const float low = x[i] < 0 ? 0 : x[i];
      y[i] = low > 6 ? 6 : low;
    }
  });
}

void relu6_gradient(Threads& threads, int64_t size, const float* dy,
                    const float* x, float* dx) {
  each_share(threads, size, [=](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      dx[i] = x[i] > 0 && x[i] < 6 ? dy[i] : 0;
    }
  });
}

void add(Threads& threads, int64_t size, const float* a, const float* b,
         float* y) {
  each_share(threads, size, [=](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) y[i] = a[i] + b[i];
  });
}

void dropout(Threads& threads, const Dropout& dropout, int64_t size,
             const float* x, float* y) {
  const float scale = 1 / (1 - dropout.rate);
  each_share(threads, size, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i += 4) {
      auto words = philox(dropout.seed, dropout.stream, dropout.step,
                          static_cast<uint32_t>(i / 4));
      for (int64_t j = i; j < std::min(i + 4, last); ++j) {
        // A product, as in PyTorch: NaN stays NaN where it is not kept.
        y[j] = x[j] * (dropout_keeps(words[j - i], dropout.rate) ? scale : 0);
      }
    }
  });
}

}  // namespace birbs::portable
