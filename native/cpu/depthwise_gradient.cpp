#include "depthwise_gradient.h"

#include <algorithm>

#include "parallel.h"
#include "vectors.h"

namespace birbs::cpu {
namespace {

constexpr int most_columns = 7;

struct Range {
  int64_t first, last;
};

// One image and one block of channels.
struct Plane {
  const Window* window;
  const Range* columns;  // of each kernel column: output columns that it meets
  Range inner;           // output columns that all kernel columns meet
  int64_t in_height, in_width, out_height, out_width;
  const float *x, *dy;
  float* sums;  // [kernel_height, kernel_width, lanes]
};

// The output columns whose input column, * stride + shift, is inside the image.
Range inside(int64_t size, int64_t stride, int64_t shift, int64_t width) {
  const int64_t first = shift < 0 ? (-shift + stride - 1) / stride : 0;
  const int64_t last = shift < size ? (size - 1 - shift) / stride + 1 : 0;
  return {std::min(first, width), std::clamp(last, first, width)};
}

template <int lanes, typename Float>
BIRBS_INLINE void add_column(const Plane& plane, int k, int64_t column,
                             const float* x, const float* dy, Float& sum) {
  const Window& window = *plane.window;
  const int64_t input = column * window.stride_width - window.pad_left +
                        k * window.dilation_width;
  Float slope, value;
  load(slope, dy + column * lanes);
  load(value, x + input * lanes);
  sum += slope * value;
}

// Adds what one row of the output meets in one row of the input.
template <int lanes, int width>
BIRBS_INLINE void add_row(const Plane& plane, const float* x, const float* dy,
                          float* row_sums) {
  using Float = typename Vector<lanes>::Float;
  const Window& window = *plane.window;
  const int64_t stride = window.stride_width;
  Float sums[width];
  for (int k = 0; k < width; ++k) load(sums[k], row_sums + k * lanes);
  for (int64_t column = plane.inner.first; column < plane.inner.last;
       ++column) {
    Float slope;
    load(slope, dy + column * lanes);
    const float* from = x + (column * stride - window.pad_left) * lanes;
    for (int k = 0; k < width; ++k) {
      Float value;
      load(value, from + k * window.dilation_width * lanes);
      sums[k] += slope * value;
    }
  }
  for (int k = 0; k < width; ++k) {
    const auto [first, last] = plane.columns[k];
    const int64_t left = std::min(plane.inner.first, last);
    for (int64_t column = first; column < left; ++column) {
      add_column<lanes>(plane, k, column, x, dy, sums[k]);
    }
    const int64_t right = std::max(plane.inner.last, first);
    for (int64_t column = right; column < last; ++column) {
      add_column<lanes>(plane, k, column, x, dy, sums[k]);
    }
  }
  for (int k = 0; k < width; ++k) store(sums[k], row_sums + k * lanes);
}

template <int lanes, int width>
BIRBS_INLINE void add_plane(Plane plane) {
  const Window& window = *plane.window;
  for (int64_t row = 0; row < plane.out_height; ++row) {
    for (int64_t k = 0; k < window.kernel_height; ++k) {
      const int64_t input = row * window.stride_height +
                            k * window.dilation_height - window.pad_top;
      if (input < 0 || input >= plane.in_height) continue;
      add_row<lanes, width>(plane, plane.x + input * plane.in_width * lanes,
                            plane.dy + row * plane.out_width * lanes,
                            plane.sums + k * width * lanes);
    }
  }
}

template <int lanes>
void add_any(int width, const Plane& plane) {
  switch (width) {
    case 3:
      return vectorized<add_plane<lanes, 3>>(plane);
    case 5:
      return vectorized<add_plane<lanes, 5>>(plane);
    default:
      return vectorized<add_plane<lanes, 7>>(plane);
  }
}

}  // namespace

bool serves_depthwise(const Layer& layer, const Layout& in, const Layout& out,
                      const memory::desc& weights) {
  const int width = layer.window.kernel_width;
  const int channels = in.shape.channels;
  if (layer.groups != channels || layer.out_features != channels ||
      layer.bias || in.block != out.block ||
      (width != 3 && width != 5 && width != 7) ||
      (in.block != 8 && in.block != 16)) {
    return false;
  }
  const auto tag = in.block == 8 ? memory::format_tag::Goihw8g
                                 : memory::format_tag::Goihw16g;
  return weights == describe_memory(convolution_weights(channels, channels,
                                                        layer.window, channels),
                                    tag);
}

void depthwise_weight_gradient(const Layer& layer, const Layout& in,
                               const Layout& out, int count, const float* x,
                               const float* dy, bool add, float* weights) {
  const Window& window = layer.window;
  const int width = window.kernel_width, lanes = in.block;
  Range columns[most_columns];
  Range inner{0, out.shape.width};
  for (int k = 0; k < width; ++k) {
    columns[k] = inside(in.shape.width, window.stride_width,
                        int64_t{k} * window.dilation_width - window.pad_left,
                        out.shape.width);
    inner = {std::max(inner.first, columns[k].first),
             std::min(inner.last, columns[k].last)};
  }
  if (inner.first >= inner.last) inner = {0, 0};
  const int64_t size = int64_t{window.kernel_height} * width * lanes;
  parallel(in.blocks(), count * in.size(), [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; ++block) {
      float* sums = weights + block * size;
      if (!add) std::fill_n(sums, size, 0.0f);
      for (int64_t image = 0; image < count; ++image) {
        const Plane plane{&window,
                          columns,
                          inner,
                          in.shape.height,
                          in.shape.width,
                          out.shape.height,
                          out.shape.width,
                          x + image * in.size() + block * in.plane() * lanes,
                          dy + image * out.size() + block * out.plane() * lanes,
                          sums};
        lanes == 8 ? add_any<8>(width, plane) : add_any<16>(width, plane);
      }
    }
  });
}

}  // namespace birbs::cpu
