#include "activation.h"

#include <algorithm>

#include "philox.h"

namespace birbs::portable {
namespace {

constexpr int64_t share = 1 << 14;

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
    // In the whole batch; four words a block.
    const int64_t begin = dropout.first + first, end = dropout.first + last;
    for (int64_t block = begin / 4; block * 4 < end; ++block) {
      auto words = philox(dropout.seed, dropout.stream, dropout.step,
                          static_cast<uint32_t>(block));
      const int64_t from = std::max(block * 4, begin);
      for (int64_t at = from; at < std::min(block * 4 + 4, end); ++at) {
        const int64_t i = at - dropout.first;
        // A product, as in PyTorch: NaN stays NaN where it is not kept.
        y[i] = x[i] * (dropout_keeps(words[at % 4], dropout.rate) ? scale : 0);
      }
    }
  });
}

}  // namespace birbs::portable
