#include "depthwise.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "simd.h"

namespace birbs::portable {
namespace {

// An output row and the input row that a weight meets there: output columns
// first .. last-1 meet input columns w * stride + shift.
struct Line {
  int64_t weight;  // of the kernel
  int64_t output, input;
  int64_t first, last, shift;
};

// The output columns w whose w * stride + shift lies inside 0 .. size-1.
std::pair<int64_t, int64_t> inside(int64_t size, int64_t stride, int64_t shift,
                                   int64_t width) {
  const int64_t first = shift < 0 ? (-shift + stride - 1) / stride : 0;
  const int64_t last = shift < size ? (size - 1 - shift) / stride + 1 : 0;
  return {std::min(first, width), std::clamp(last, first, width)};
}

// Calls task(line) for each kernel position and output row of one plane.
template <typename Task>
void each_line(const Convolution& convolution, Task task) {
  const Window& window = convolution.window;
  const Shape &in = convolution.in, &out = convolution.out;
  for (int kh = 0; kh < window.kernel_height; ++kh) {
    for (int kw = 0; kw < window.kernel_width; ++kw) {
      const int64_t shift =
          int64_t{kw} * window.dilation_width - window.pad_left;
      const auto [first, last] =
          inside(in.width, window.stride_width, shift, out.width);
      if (first >= last) continue;
      for (int64_t row = 0; row < out.height; ++row) {
        const int64_t input = row * window.stride_height +
                              int64_t{kh} * window.dilation_height -
                              window.pad_top;
        if (input < 0 || input >= in.height) continue;
        task(Line{int64_t{kh} * window.kernel_width + kw, row * out.width,
                  input * in.width, first, last, shift});
      }
    }
  }
}

BIRBS_INLINE void add_line(int64_t count, int64_t stride, float weight,
                           const float* x, float* y) {
  if (stride == 1) {
    for (int64_t i = 0; i < count; ++i) y[i] += weight * x[i];
  } else {
    for (int64_t i = 0; i < count; ++i) y[i] += weight * x[i * stride];
  }
}

BIRBS_INLINE void spread_line(int64_t count, int64_t stride, float weight,
                              const float* dy, float* dx) {
  if (stride == 1) {
    for (int64_t i = 0; i < count; ++i) dx[i] += weight * dy[i];
  } else {
    for (int64_t i = 0; i < count; ++i) dx[i * stride] += weight * dy[i];
  }
}

float multiply_line(int64_t count, int64_t stride, const float* dy,
                    const float* x) {
  float sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += dy[i] * x[i * stride];
  return sum;
}

// Planes and kernels: output plane c reads input plane c / multiplier.
struct Planes {
  int64_t in, out, kernel;
  int64_t multiplier;

  explicit Planes(const Convolution& convolution)
      : in(int64_t{convolution.in.height} * convolution.in.width),
        out(int64_t{convolution.out.height} * convolution.out.width),
        kernel(int64_t{convolution.window.kernel_height} *
               convolution.window.kernel_width),
        multiplier(convolution.out.channels / convolution.groups) {}
};

}  // namespace

bool is_depthwise(const Convolution& convolution) {
  return convolution.groups == convolution.in.channels &&
         convolution.groups > 1;
}

void depthwise(Threads& threads, const Convolution& convolution, const float* x,
               const float* weight, const float* bias, float* y) {
  const Planes planes(convolution);
  const int64_t channels = convolution.out.channels;
  const int64_t stride = convolution.window.stride_width;
  threads.run(convolution.count * channels, [&](int64_t index) {
    const int64_t n = index / channels, c = index % channels;
    const float* input =
        x + n * convolution.in.size() + c / planes.multiplier * planes.in;
    float* output = y + index * planes.out;
    std::fill_n(output, planes.out, bias ? bias[c] : 0.0f);
    each_line(convolution, [&](const Line& line) {
      vectorized<add_line>(
          line.last - line.first, stride,
          weight[c * planes.kernel + line.weight],
          input + line.input + line.first * stride + line.shift,
          output + line.output + line.first);
    });
  });
}

void depthwise_input_gradient(Threads& threads, const Convolution& convolution,
                              const float* dy, const float* weight, float* dx) {
  const Planes planes(convolution);
  const int64_t channels = convolution.in.channels;
  const int64_t stride = convolution.window.stride_width;
  threads.run(convolution.count * channels, [&](int64_t index) {
    const int64_t n = index / channels;
    float* input = dx + index * planes.in;
    std::fill_n(input, planes.in, 0.0f);
    for (int64_t m = 0; m < planes.multiplier; ++m) {
      const int64_t c = index % channels * planes.multiplier + m;
      const float* output = dy + n * convolution.out.size() + c * planes.out;
      each_line(convolution, [&](const Line& line) {
        vectorized<spread_line>(
            line.last - line.first, stride,
            weight[c * planes.kernel + line.weight],
            output + line.output + line.first,
            input + line.input + line.first * stride + line.shift);
      });
    }
  });
}

void depthwise_weight_gradient(Threads& threads, const Convolution& convolution,
                               const float* dy, const float* x,
                               float* dweight) {
  const Planes planes(convolution);
  const int64_t stride = convolution.window.stride_width;
  threads.run(convolution.out.channels, [&](int64_t c) {
    std::vector<double> sums(planes.kernel);
    for (int64_t n = 0; n < convolution.count; ++n) {
      const float* output = dy + n * convolution.out.size() + c * planes.out;
      const float* input =
          x + n * convolution.in.size() + c / planes.multiplier * planes.in;
      each_line(convolution, [&](const Line& line) {
        sums[line.weight] += multiply_line(
            line.last - line.first, stride, output + line.output + line.first,
            input + line.input + line.first * stride + line.shift);
      });
    }
    for (int64_t k = 0; k < planes.kernel; ++k) {
      dweight[c * planes.kernel + k] = static_cast<float>(sums[k]);
    }
  });
}

}  // namespace birbs::portable
