#include "pooling.h"

#include <algorithm>
#include <cmath>

#include "halving.h"

namespace birbs::portable {
namespace {

// The part of a window that lies inside the image.
struct Range {
  int first, last;
};

Range inside(int index, int stride, int pad, int kernel, int size) {
  int first = index * stride - pad;
  return {std::max(first, 0), std::min(first + kernel, size)};
}

// Calls task(input plane, output plane) for each channel of each image.
template <typename Task>
void each_plane(Threads& threads, const Pooling& pooling, Task task) {
  const int64_t in = int64_t{pooling.in.height} * pooling.in.width;
  const int64_t out = int64_t{pooling.out.height} * pooling.out.width;
  threads.run(int64_t{pooling.count} * pooling.in.channels,
              [&](int64_t plane) { task(plane * in, plane * out); });
}

// Calls task(output index, rows, columns) for each window of a plane.
template <typename Task>
void each_window(const Pooling& pooling, Task task) {
  const Window& window = pooling.window;
  for (int h = 0; h < pooling.out.height; ++h) {
    Range rows = inside(h, window.stride_height, window.pad_top,
                        window.kernel_height, pooling.in.height);
    for (int w = 0; w < pooling.out.width; ++w) {
      Range columns = inside(w, window.stride_width, window.pad_left,
                             window.kernel_width, pooling.in.width);
      task(int64_t{h} * pooling.out.width + w, rows, columns);
    }
  }
}

int64_t largest(const float* plane, int width, Range rows, Range columns) {
  int64_t best = int64_t{rows.first} * width + columns.first;
  for (int h = rows.first; h < rows.last; ++h) {
    for (int w = columns.first; w < columns.last; ++w) {
      int64_t index = int64_t{h} * width + w;
      if (plane[index] > plane[best] || std::isnan(plane[index])) best = index;
    }
  }
  return best;
}

// What the sum of a window is divided by.
int divisor(const Pooling& pooling, Range rows, Range columns) {
  if (pooling.count_include_pad) {
    return pooling.window.kernel_height * pooling.window.kernel_width;
  }
  return (rows.last - rows.first) * (columns.last - columns.first);
}

}  // namespace

void max_pool(Threads& threads, const Pooling& pooling, const float* x,
              float* y) {
  if (halves(pooling.window)) {
    return halve(threads, pooling.count * int64_t{pooling.in.channels},
                 pooling.in.height, pooling.in.width, x, y);
  }
  each_plane(threads, pooling, [&](int64_t in, int64_t out) {
    each_window(pooling, [&](int64_t index, Range rows, Range columns) {
      y[out + index] = x[in + largest(x + in, pooling.in.width, rows, columns)];
    });
  });
}

void max_pool_gradient(Threads& threads, const Pooling& pooling,
                       const float* dy, const float* x, float* dx) {
  if (halves(pooling.window)) {
    return halve_gradient(threads, pooling.count * int64_t{pooling.in.channels},
                          pooling.in.height, pooling.in.width, dy, x, dx);
  }
  const int64_t plane = int64_t{pooling.in.height} * pooling.in.width;
  each_plane(threads, pooling, [&](int64_t in, int64_t out) {
    std::fill_n(dx + in, plane, 0.0f);
    each_window(pooling, [&](int64_t index, Range rows, Range columns) {
      dx[in + largest(x + in, pooling.in.width, rows, columns)] +=
          dy[out + index];
    });
  });
}

void avg_pool(Threads& threads, const Pooling& pooling, const float* x,
              float* y) {
  each_plane(threads, pooling, [&](int64_t in, int64_t out) {
    each_window(pooling, [&](int64_t index, Range rows, Range columns) {
      double sum = 0;
      for (int h = rows.first; h < rows.last; ++h) {
        const float* row = x + in + int64_t{h} * pooling.in.width;
        for (int w = columns.first; w < columns.last; ++w) sum += row[w];
      }
      y[out + index] =
          static_cast<float>(sum / divisor(pooling, rows, columns));
    });
  });
}

void avg_pool_gradient(Threads& threads, const Pooling& pooling,
                       const float* dy, float* dx) {
  const int64_t plane = int64_t{pooling.in.height} * pooling.in.width;
  each_plane(threads, pooling, [&](int64_t in, int64_t out) {
    std::fill_n(dx + in, plane, 0.0f);
    each_window(pooling, [&](int64_t index, Range rows, Range columns) {
      float share =
          dy[out + index] / static_cast<float>(divisor(pooling, rows, columns));
      for (int h = rows.first; h < rows.last; ++h) {
        float* row = dx + in + int64_t{h} * pooling.in.width;
        for (int w = columns.first; w < columns.last; ++w) row[w] += share;
      }
    });
  });
}

void global_avg_pool(Threads& threads, int count, const Shape& in,
                     const float* x, float* y) {
  const int64_t plane = int64_t{in.height} * in.width;
  threads.run(int64_t{count} * in.channels, [&](int64_t index) {
    double sum = 0;
    for (int64_t i = 0; i < plane; ++i) sum += x[index * plane + i];
    y[index] = static_cast<float>(sum / static_cast<double>(plane));
  });
}

void global_avg_pool_gradient(Threads& threads, int count, const Shape& in,
                              const float* dy, float* dx) {
  const int64_t plane = int64_t{in.height} * in.width;
  threads.run(int64_t{count} * in.channels, [&](int64_t index) {
    std::fill_n(dx + index * plane, plane,
                dy[index] / static_cast<float>(plane));
  });
}

}  // namespace birbs::portable
