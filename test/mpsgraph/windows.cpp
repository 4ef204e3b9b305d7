#include <cmath>
#include <limits>

#include "kernels.h"
#include "loops.h"
#include "portable/convolution.h"
#include "portable/gemm.h"
#include "strict.h"

namespace standin {

birbs::portable::Threads& threads();

namespace {

const float* floats(const Word* words) {
  return reinterpret_cast<const float*>(words);
}
float* floats(Word* words) { return reinterpret_cast<float*>(words); }

// to[n][column][row] = from[n][row][column], in blocks that stay in the cache.
void transpose(int64_t count, int64_t rows, int64_t columns, const float* from,
               float* to) {
  constexpr int64_t block = 16;
  parallel(count * ((rows + block - 1) / block), block * columns,
           [=](int64_t first, int64_t last) {
             int64_t blocks = (rows + block - 1) / block;
             for (int64_t task = first; task < last; ++task) {
               const float* source = from + task / blocks * rows * columns;
               float* target = to + task / blocks * rows * columns;
               int64_t row = task % blocks * block;
               int64_t end = std::min(row + block, rows);
               for (int64_t c = 0; c < columns; ++c) {
                 for (int64_t r = row; r < end; ++r) {
                   target[c * rows + r] = source[r * columns + c];
                 }
               }
             }
           });
}

// Scratch that stays for the next convolution.
float* scratch(int which, int64_t size) {
  static std::vector<float> buffers[3];
  auto& buffer = buffers[which];
  if (static_cast<int64_t>(buffer.size()) < size) buffer.resize(size);
  return buffer.data();
}

int64_t channel_axis(const Window2d& window) {
  return window.data == Layout::nchw ? 1 : 3;
}

birbs::Shape image_shape(const Dims& dims, const Window2d& window) {
  int64_t h = window.data == Layout::nchw ? 2 : 1;
  return {static_cast<int>(dims[channel_axis(window)]),
          static_cast<int>(dims[h]), static_cast<int>(dims[h + 1])};
}

birbs::portable::Convolution convolution_of(const Node& node, const Dims& in,
                                            const Dims& out) {
  const Window2d& from = node.window;
  birbs::Window to;
  to.kernel_height = static_cast<int>(from.kernel_height);
  to.kernel_width = static_cast<int>(from.kernel_width);
  to.stride_height = static_cast<int>(from.stride_height);
  to.stride_width = static_cast<int>(from.stride_width);
  to.dilation_height = static_cast<int>(from.dilation_height);
  to.dilation_width = static_cast<int>(from.dilation_width);
  to.pad_top = static_cast<int>(from.top);
  to.pad_bottom = static_cast<int>(from.bottom);
  to.pad_left = static_cast<int>(from.left);
  to.pad_right = static_cast<int>(from.right);
  return {static_cast<int>(in[0]), image_shape(in, from),
          image_shape(out, from), to, static_cast<int>(from.groups)};
}

// The data in N, C, H, W.
const float* planes(const Window2d& window, int which, const Dims& dims,
                    const Word* data) {
  if (window.data == Layout::nchw) return floats(data);
  float* result = scratch(which, count(dims));
  transpose(dims[0], dims[1] * dims[2], dims[3], floats(data), result);
  return result;
}

// The weights in O, I, H, W: the transpose of (HWI) x O when each is turned
// again from (HW) x I to I x (HW).
const float* filters(const Window2d& window, int which, const Dims& dims,
                     const Word* weights) {
  if (window.weights == Layout::oihw) return floats(weights);
  int64_t hw = dims[0] * dims[1], in = dims[2], out = dims[3];
  float* result = scratch(which, count(dims));
  const float* from = floats(weights);
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t i = 0; i < in; ++i) {
      for (int64_t k = 0; k < hw; ++k) {
        result[(o * in + i) * hw + k] = from[(k * in + i) * out + o];
      }
    }
  }
  return result;
}

// Where to compute data or weights before they are brought into their layout.
float* target(bool direct, int which, const Dims& dims, Word* y) {
  return direct ? floats(y) : scratch(which, count(dims));
}

void store_planes(const Dims& dims, const float* from, Word* y) {
  transpose(dims[0], dims[3], dims[1] * dims[2], from, floats(y));
}

void store_filters(const Dims& dims, const float* from, Word* y) {
  int64_t hw = dims[0] * dims[1], in = dims[2], out = dims[3];
  for (int64_t k = 0; k < hw; ++k) {
    for (int64_t i = 0; i < in; ++i) {
      for (int64_t o = 0; o < out; ++o) {
        floats(y)[(k * in + i) * out + o] = from[(o * in + i) * hw + k];
      }
    }
  }
}

void run_convolution(const Node& node, Operands operands, float scale) {
  const Window2d& window = node.window;
  const Dims& first = node.inputs[0]->dims;
  const Dims& second = node.inputs[1]->dims;
  const Dims& dims = node.outputs[0]->dims;
  Word* y = operands.out[0];
  bool nchw = window.data == Layout::nchw;
  const float* data = planes(window, 0, first, operands.in[0]);
  if (node.op == Op::convolution_weights_gradient) {
    auto convolution = convolution_of(node, second, first);
    bool oihw = window.weights == Layout::oihw;
    float* result = target(oihw, 2, dims, y);
    convolve_weight_gradient(threads(), convolution, data,
                             planes(window, 1, second, operands.in[1]), result,
                             nullptr);
    if (!oihw) store_filters(dims, result, y);
  } else {
    const float* weights = filters(window, 1, second, operands.in[1]);
    float* result = target(nchw, 2, dims, y);
    if (node.op == Op::convolution) {
      auto convolution = convolution_of(node, first, dims);
      convolve(threads(), convolution, data, weights, nullptr, result);
    } else {
      auto convolution = convolution_of(node, dims, first);
      convolve_input_gradient(threads(), convolution, data, weights, result);
    }
    if (!nchw) store_planes(dims, result, y);
  }
  if (scale == 1) return;
  for (int64_t i = 0; i < count(dims); ++i) floats(y)[i] *= scale;
}

// The sizes of a pooling's data in any layout.
struct Images {
  int64_t count, channels, height, width;
  int64_t row, column, channel;  // strides
  int64_t image() const { return channels * height * width; }
};

Images images_of(const Dims& dims, Layout layout) {
  if (layout == Layout::nchw) {
    return {dims[0], dims[1], dims[2], dims[3], dims[3], 1, dims[2] * dims[3]};
  }
  return {dims[0], dims[3], dims[1], dims[2], dims[2] * dims[3], dims[3], 1};
}

// task(output offset, rows and columns of the window inside the input) for each
// window of an image.
struct Span {
  int64_t first, last, step;
};

Span span(int64_t index, int64_t stride, int64_t pad, int64_t kernel,
          int64_t dilation, int64_t size) {
  int64_t first = index * stride - pad;
  int64_t last = std::min(first + (kernel - 1) * dilation + 1, size);
  if (first < 0) first += (-first + dilation - 1) / dilation * dilation;
  return {first, last, dilation};
}

template <typename Task>
void each_window(const Window2d& window, const Images& in, const Images& out,
                 Task task) {
  for (int64_t h = 0; h < out.height; ++h) {
    Span rows = span(h, window.stride_height, window.top, window.kernel_height,
                     window.dilation_height, in.height);
    for (int64_t w = 0; w < out.width; ++w) {
      task(h * out.row + w * out.column, rows,
           span(w, window.stride_width, window.left, window.kernel_width,
                window.dilation_width, in.width));
    }
  }
}

// Padding never wins; ties: the first in H, W order. Nothing documents what NaN
// does, so it loses here: who needs it has to ask for it.
int64_t largest(const float* x, const Images& in, Span rows, Span columns) {
  int64_t best = rows.first * in.row + columns.first * in.column;
  for (int64_t h = rows.first; h < rows.last; h += rows.step) {
    for (int64_t w = columns.first; w < columns.last; w += columns.step) {
      int64_t at = h * in.row + w * in.column;
      if (x[at] > x[best] || std::isnan(x[best])) best = at;
    }
  }
  return best;
}

// Calls task(image, channel) for all of them.
template <typename Task>
void each_plane(const Images& in, Task task) {
  parallel(in.count, in.image(), [&](int64_t first, int64_t last) {
    for (int64_t n = first; n < last; ++n) {
      for (int64_t c = 0; c < in.channels; ++c) task(n, c);
    }
  });
}

// A maximum's place as the indices mode counts it: within its plane (H, W), or
// within the whole tensor in the order of memory.
int64_t flat_index(const Window2d& window, const Images& in, int64_t n,
                   int64_t c, int64_t at) {
  if (window.indices_mode == 4) return n * in.image() + c * in.channel + at;
  return at / in.column;
}

void run_max_pool(const Node& node, Operands operands) {
  Images in = images_of(node.inputs[0]->dims, node.window.data);
  Images out = images_of(node.outputs[0]->dims, node.window.data);
  bool indices = node.outputs.size() > 1 && node.window.indices_mode != 0;
  each_plane(in, [&](int64_t n, int64_t c) {
    const float* x = floats(operands.in[0]) + n * in.image() + c * in.channel;
    int64_t base = n * out.image() + c * out.channel;
    each_window(node.window, in, out, [&](int64_t to, Span rows, Span columns) {
      int64_t best = largest(x, in, rows, columns);
      floats(operands.out[0])[base + to] = x[best];
      if (!indices) return;
      operands.out[1][base + to] =
          static_cast<Word>(flat_index(node.window, in, n, c, best));
    });
  });
}

void run_max_pool_gradient(const Node& node, Operands operands) {
  Images in = images_of(node.outputs[0]->dims, node.window.data);
  Images out = images_of(node.inputs[0]->dims, node.window.data);
  bool indices = node.op == Op::max_pool_indices_gradient;
  float* result = floats(operands.out[0]);
  std::fill_n(result, count(node.outputs[0]->dims), 0.0f);
  each_plane(in, [&](int64_t n, int64_t c) {
    int64_t start = n * in.image() + c * in.channel;
    int64_t base = n * out.image() + c * out.channel;
    const float* dy = floats(operands.in[0]) + base;
    each_window(node.window, in, out, [&](int64_t to, Span rows, Span columns) {
      int64_t at;
      if (!indices) {
        at = start + largest(floats(operands.in[1]) + start, in, rows, columns);
      } else {
        at = operands.in[1][base + to];
        if (node.window.indices_mode != 4) at = start + at * in.column;
      }
      result[at] += dy[to];
    });
  });
}

float divisor(const Window2d& window, Span rows, Span columns) {
  if (window.include_padding) {
    return static_cast<float>(window.kernel_height * window.kernel_width);
  }
  auto length = [](Span s) { return (s.last - s.first + s.step - 1) / s.step; };
  return static_cast<float>(length(rows) * length(columns));
}

void run_avg_pool(const Node& node, Operands operands) {
  bool forward = node.op == Op::avg_pool;
  const Value& source = *node.inputs[forward ? 0 : 1];
  const Value& pooled = forward ? *node.outputs[0] : *node.inputs[0];
  Images in = images_of(source.dims, node.window.data);
  Images out = images_of(pooled.dims, node.window.data);
  float* result = floats(operands.out[0]);
  if (!forward) std::fill_n(result, count(source.dims), 0.0f);
  each_plane(in, [&](int64_t n, int64_t c) {
    int64_t start = n * in.image() + c * in.channel;
    int64_t base = n * out.image() + c * out.channel;
    const float* from = floats(operands.in[0]) + (forward ? start : base);
    each_window(node.window, in, out, [&](int64_t to, Span rows, Span columns) {
      float parts = divisor(node.window, rows, columns);
      float share = forward ? 0 : from[to] / parts;
      double sum = 0;
      for (int64_t h = rows.first; h < rows.last; h += rows.step) {
        for (int64_t w = columns.first; w < columns.last; w += columns.step) {
          int64_t at = h * in.row + w * in.column;
          if (forward) {
            sum += from[at];
          } else {
            result[start + at] += share;
          }
        }
      }
      if (forward) result[base + to] = static_cast<float>(sum / parts);
    });
  });
}

void run_matmul(const Node& node, Operands operands) {
  const Dims &a = node.inputs[0]->dims, &b = node.inputs[1]->dims;
  const Dims& y = node.outputs[0]->dims;
  int64_t rows = a[a.size() - 2], depth = a.back(), columns = b.back();
  Dims batch(y.begin(), y.end() - 2);
  Dims a_strides = broadcast_strides(Dims(a.begin(), a.end() - 2), batch);
  Dims b_strides = broadcast_strides(Dims(b.begin(), b.end() - 2), batch);
  for (int64_t n = 0; n < count(batch); ++n) {
    int64_t rest = n, a_at = 0, b_at = 0;
    for (size_t i = batch.size(); i-- > 0;) {
      a_at += rest % batch[i] * a_strides[i];
      b_at += rest % batch[i] * b_strides[i];
      rest /= batch[i];
    }
    birbs::portable::gemm(
        threads(), rows, columns, depth,
        {floats(operands.in[0]) + a_at * rows * depth, depth, 1},
        {floats(operands.in[1]) + b_at * depth * columns, columns, 1},
        floats(operands.out[0]) + n * rows * columns, columns);
  }
}

}  // namespace

void run_window(const Node& node, Operands operands, float scale) {
  switch (node.op) {
    case Op::convolution:
    case Op::convolution_data_gradient:
    case Op::convolution_weights_gradient:
      return run_convolution(node, operands, scale);
    case Op::max_pool:
      return run_max_pool(node, operands);
    case Op::max_pool_gradient:
    case Op::max_pool_indices_gradient:
      return run_max_pool_gradient(node, operands);
    case Op::avg_pool:
    case Op::avg_pool_gradient:
      return run_avg_pool(node, operands);
    case Op::matmul:
      return run_matmul(node, operands);
    default:
      fail(node.name, "stand-in: not written");
  }
}

}  // namespace standin
