#include "convolution.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "depthwise.h"
#include "gemm.h"

namespace birbs::portable {
namespace {

// A row of weights and the inputs it meets: channels, kernel rows and columns
// of one group.
struct Group {
  int64_t inputs, outputs;  // channels
  int64_t depth;            // inputs * kernel height * kernel width
};

Group group_of(const Convolution& convolution) {
  int64_t inputs = convolution.in.channels / convolution.groups;
  return {inputs, convolution.out.channels / convolution.groups,
          inputs * convolution.window.kernel_height *
              convolution.window.kernel_width};
}

// Output rows at a time, so that their columns stay in the cache.
int64_t rows_at_once(const Convolution& convolution) {
  constexpr int64_t most_columns = 1 << 18;
  int64_t row = group_of(convolution).depth * convolution.out.width;
  return std::clamp<int64_t>(most_columns / row, 1, convolution.out.height);
}

std::vector<float>& column_buffer(int64_t size) {
  static thread_local std::vector<float> buffer;
  if (static_cast<int64_t>(buffer.size()) < size) buffer.resize(size);
  return buffer;
}

// a / b rounded up, 0 for a below 0.
int64_t ceil_divide(int64_t a, int64_t b) {
  return a > 0 ? (a + b - 1) / b : 0;
}

// Calls line(column row, input row or null, first and last output column whose
// input lies inside the image, input column of output column 0) for each
// channel, kernel position and output row.
template <typename Plane, typename Line>
void each_line(const Convolution& convolution, Plane* group, int64_t first_row,
               int64_t rows, Line line) {
  const Window& window = convolution.window;
  const Shape& in = convolution.in;
  const int64_t width = convolution.out.width;
  int64_t index = 0;
  for (int64_t c = 0; c < group_of(convolution).inputs; ++c) {
    for (int kh = 0; kh < window.kernel_height; ++kh) {
      for (int kw = 0; kw < window.kernel_width; ++kw) {
        int64_t shift = int64_t{kw} * window.dilation_width - window.pad_left;
        int64_t first =
            std::min(ceil_divide(-shift, window.stride_width), width);
        int64_t last = std::clamp<int64_t>(
            ceil_divide(in.width - shift, window.stride_width), first, width);
        for (int64_t r = first_row; r < first_row + rows; ++r, ++index) {
          int64_t h = r * window.stride_height +
                      int64_t{kh} * window.dilation_height - window.pad_top;
          bool inside = h >= 0 && h < in.height;
          line(index * width,
               inside ? group + (c * in.height + h) * in.width : nullptr, first,
               last, shift);
        }
      }
    }
  }
}

// columns[(channel, kernel row, kernel column)][(output row, output column)] is
// the input that this weight meets there, 0 in the padding.
void to_columns(const Convolution& convolution, const float* group,
                int64_t first_row, int64_t rows, float* columns) {
  const int64_t stride = convolution.window.stride_width;
  const int64_t width = convolution.out.width;
  each_line(convolution, group, first_row, rows,
            [=](int64_t index, const float* input, int64_t first, int64_t last,
                int64_t shift) {
              float* line = columns + index;
              if (!input) {  // a line of padding
                std::fill(line, line + width, 0.0f);
                return;
              }
              std::fill(line, line + first, 0.0f);
              if (stride == 1) {
                std::copy(input + first + shift, input + last + shift,
                          line + first);
              } else {
                for (int64_t w = first; w < last; ++w) {
                  line[w] = input[w * stride + shift];
                }
              }
              std::fill(line + last, line + width, 0.0f);
            });
}

// The transpose: adds each column entry to the input it came from.
void add_columns(const Convolution& convolution, const float* columns,
                 int64_t first_row, int64_t rows, float* group) {
  const int64_t stride = convolution.window.stride_width;
  each_line(convolution, group, first_row, rows,
            [=](int64_t index, float* input, int64_t first, int64_t last,
                int64_t shift) {
              if (!input) return;
              const float* line = columns + index;
              for (int64_t w = first; w < last; ++w) {
                input[w * stride + shift] += line[w];
              }
            });
}

void add_bias(const Convolution& convolution, const float* bias, float* image) {
  const int64_t plane = int64_t{convolution.out.height} * convolution.out.width;
  for (int c = 0; c < convolution.out.channels; ++c) {
    for (int64_t i = 0; i < plane; ++i) image[c * plane + i] += bias[c];
  }
}

// Calls part(group index, first output row, output rows) over one image.
template <typename Part>
void each_part(const Convolution& convolution, Part part) {
  const int64_t step = rows_at_once(convolution);
  for (int g = 0; g < convolution.groups; ++g) {
    for (int64_t row = 0; row < convolution.out.height; row += step) {
      part(g, row, std::min<int64_t>(step, convolution.out.height - row));
    }
  }
}

void add_weight_gradient(const Convolution& convolution, const float* dy,
                         const float* x, float* dweight) {
  const Group group = group_of(convolution);
  const int64_t width = convolution.out.width;
  const int64_t plane = convolution.out.height * width;
  const int64_t in_plane =
      int64_t{convolution.in.height} * convolution.in.width;
  each_part(convolution, [&](int64_t g, int64_t row, int64_t rows) {
    const int64_t length = rows * width;
    auto& columns = column_buffer(group.depth * length);
    to_columns(convolution, x + g * group.inputs * in_plane, row, rows,
               columns.data());
    gemm(group.outputs, group.depth, length,
         {dy + g * group.outputs * plane + row * width, plane, 1},
         {columns.data(), 1, length}, dweight + g * group.outputs * group.depth,
         group.depth, true);
  });
}

// Eight sums side by side: one alone would wait for each addition.
double sum_of(const float* values, int64_t count) {
  double sums[8] = {};
  const int64_t whole = count / 8 * 8;
  for (int64_t i = 0; i < whole; i += 8) {
    for (int k = 0; k < 8; ++k) sums[k] += values[i + k];
  }
  double sum = std::accumulate(values + whole, values + count, 0.0);
  return std::accumulate(sums, sums + 8, sum);
}

void bias_gradient(Threads& threads, const Convolution& convolution,
                   const float* dy, float* dbias) {
  const int64_t plane = int64_t{convolution.out.height} * convolution.out.width;
  threads.run(convolution.out.channels, [&](int64_t c) {
    double sum = 0;
    for (int n = 0; n < convolution.count; ++n) {
      sum += sum_of(dy + n * convolution.out.size() + c * plane, plane);
    }
    dbias[c] = static_cast<float>(sum);
  });
}

}  // namespace

void convolve(Threads& threads, const Convolution& convolution, const float* x,
              const float* weight, const float* bias, float* y) {
  if (is_depthwise(convolution)) {
    return depthwise(threads, convolution, x, weight, bias, y);
  }
  const Group group = group_of(convolution);
  const int64_t width = convolution.out.width;
  const int64_t plane = convolution.out.height * width;
  const int64_t in_plane =
      int64_t{convolution.in.height} * convolution.in.width;
  threads.run(convolution.count, [&](int64_t n) {
    const float* image = x + n * convolution.in.size();
    float* output = y + n * convolution.out.size();
    each_part(convolution, [&](int64_t g, int64_t row, int64_t rows) {
      const int64_t length = rows * width;
      auto& columns = column_buffer(group.depth * length);
      to_columns(convolution, image + g * group.inputs * in_plane, row, rows,
                 columns.data());
      gemm(group.outputs, length, group.depth,
           {weight + g * group.outputs * group.depth, group.depth, 1},
           {columns.data(), length, 1},
           output + g * group.outputs * plane + row * width, plane, false);
    });
    if (bias) add_bias(convolution, bias, output);
  });
}

void convolve_input_gradient(Threads& threads, const Convolution& convolution,
                             const float* dy, const float* weight, float* dx) {
  if (is_depthwise(convolution)) {
    return depthwise_input_gradient(threads, convolution, dy, weight, dx);
  }
  const Group group = group_of(convolution);
  const int64_t width = convolution.out.width;
  const int64_t plane = convolution.out.height * width;
  const int64_t in_plane =
      int64_t{convolution.in.height} * convolution.in.width;
  threads.run(convolution.count, [&](int64_t n) {
    const float* output = dy + n * convolution.out.size();
    float* image = dx + n * convolution.in.size();
    std::fill_n(image, convolution.in.size(), 0.0f);
    each_part(convolution, [&](int64_t g, int64_t row, int64_t rows) {
      const int64_t length = rows * width;
      auto& columns = column_buffer(group.depth * length);
      gemm(group.depth, length, group.outputs,
           {weight + g * group.outputs * group.depth, 1, group.depth},
           {output + g * group.outputs * plane + row * width, plane, 1},
           columns.data(), length, false);
      add_columns(convolution, columns.data(), row, rows,
                  image + g * group.inputs * in_plane);
    });
  });
}

void convolve_weight_gradient(Threads& threads, const Convolution& convolution,
                              const float* dy, const float* x, float* dweight,
                              float* dbias) {
  if (dbias) bias_gradient(threads, convolution, dy, dbias);
  if (is_depthwise(convolution)) {
    return depthwise_weight_gradient(threads, convolution, dy, x, dweight);
  }
  // Partial sums over fixed sets of images, added in a fixed order: the same
  // numbers whatever the number of threads.
  constexpr int most_parts = 8;
  const int parts = std::min(convolution.count, most_parts);
  const int64_t size = convolution.out.channels * group_of(convolution).depth;
  std::vector<float> sums(parts * size);
  threads.run(parts, [&](int64_t part) {
    for (int64_t n = part; n < convolution.count; n += parts) {
      add_weight_gradient(convolution, dy + n * convolution.out.size(),
                          x + n * convolution.in.size(),
                          sums.data() + part * size);
    }
  });
  std::copy_n(sums.data(), size, dweight);
  for (int part = 1; part < parts; ++part) {
    const float* sum = sums.data() + part * size;
    for (int64_t i = 0; i < size; ++i) dweight[i] += sum[i];
  }
}

}  // namespace birbs::portable
