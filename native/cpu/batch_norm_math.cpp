#include "batch_norm_math.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "channel_rows.h"
#include "vectors.h"

namespace birbs::cpu {
namespace {

constexpr int64_t piece = 64;  // rows of one float sum

// A number for each lane.
struct Lanes {
  float values[most_lanes];
};

Lanes lanes_of(const Rows& rows, const float* channels) {
  Lanes lanes{};
  for (int l = 0; l < rows.lanes; ++l) lanes.values[l] = channels[rows.of(l)];
  return lanes;
}

void fold(const Rows& rows, const double* parts, double* channels) {
  for (int l = 0; l < rows.lanes; ++l) channels[rows.of(l)] += parts[l];
}

// Distances from the center, or their squares.
template <int lanes, bool squares>
BIRBS_INLINE void add_rows(const Rows& rows, const float* x,
                           const float* center, double* sums) {
  for (int64_t first = 0; first < rows.count; first += piece) {
    const int64_t last = std::min(rows.count, first + piece);
    float even[lanes] = {}, odd[lanes] = {};
    for (int64_t row = first; row < last; row += 2) {
      const float* a = x + row * rows.stride;
      const bool pair = row + 1 < last;
      const float* b = pair ? a + rows.stride : center;
      for (int l = 0; l < lanes; ++l) {
        const float p = a[l] - center[l], q = b[l] - center[l];
        even[l] += squares ? p * p : p;
        odd[l] += squares ? q * q : q;
      }
    }
    for (int l = 0; l < lanes; ++l) sums[l] += double{even[l]} + odd[l];
  }
}

template <bool squares>
BIRBS_INLINE void add(const Rows& rows, const float* x, const float* center,
                      double* sums) {
  if (rows.lanes == 16) return add_rows<16, squares>(rows, x, center, sums);
  if (rows.lanes == 8) return add_rows<8, squares>(rows, x, center, sums);
  add_rows<1, squares>(rows, x, center, sums);
}

BIRBS_INLINE void add_distances(const Rows& rows, const float* x,
                                const float* center, double* sums) {
  add<false>(rows, x, center, sums);
}

BIRBS_INLINE void add_squares(const Rows& rows, const float* x,
                              const float* center, double* sums) {
  add<true>(rows, x, center, sums);
}

// As wide as the kernels below work: gcc computes comparisons of 16 lanes one
// by one.
constexpr int vector_lanes(int lanes) { return lanes % 8 == 0 ? 8 : 1; }

// What the activation held back becomes 0; see `stops`.
template <Activation activation, typename Float>
BIRBS_INLINE void hold_back(const Float& y, Float& dy) {
  if constexpr (activation == Activation::relu) dy = y <= 0 ? Float{} : dy;
  if constexpr (activation == Activation::relu6) {
    dy = (y > 0) & (y < 6) ? dy : Float{};
  }
}

// Gradients, and their products with the distances from the mean. What the
// activation held back becomes 0 in dy.
template <int lanes, Activation activation>
BIRBS_INLINE void add_gradient_rows(const Rows& rows, const float* x,
                                    const float* mean, const float* y,
                                    float* dy, double* sums, double* products) {
  constexpr int width = vector_lanes(lanes);
  using Float = typename Vector<width>::Float;
  for (int part = 0; part < lanes; part += width) {
    Float center;
    load(center, mean + part);
    for (int64_t first = 0; first < rows.count; first += piece) {
      const int64_t last = std::min(rows.count, first + piece);
      Float sum[2] = {}, product[2] = {};
      for (int64_t row = first; row < last; ++row) {
        const int64_t at = row * rows.stride + part;
        Float value, gradient, output{};
        load(value, x + at);
        load(gradient, dy + at);
        if constexpr (activation != Activation::none) {
          load(output, y + at);
          hold_back<activation>(output, gradient);
          store(gradient, dy + at);
        }
        // Two sums in turn: one alone would wait for each addition.
        sum[0] += gradient;
        product[0] += gradient * (value - center);
        std::swap(sum[0], sum[1]);
        std::swap(product[0], product[1]);
      }
      sum[0] += sum[1];
      product[0] += product[1];
      for (int l = 0; l < width; ++l) {
        sums[part + l] += sum[0][l];
        products[part + l] += product[0][l];
      }
    }
  }
}

template <Activation activation>
BIRBS_INLINE void add_gradients(const Rows& rows, const float* x,
                                const float* mean, const float* y, float* dy,
                                double* sums, double* products) {
  if (rows.lanes == 16) {
    return add_gradient_rows<16, activation>(rows, x, mean, y, dy, sums,
                                             products);
  }
  if (rows.lanes == 8) {
    return add_gradient_rows<8, activation>(rows, x, mean, y, dy, sums,
                                            products);
  }
  add_gradient_rows<1, activation>(rows, x, mean, y, dy, sums, products);
}

// y = (x - mean) * scale + bias
struct Forward {
  Lanes scale, mean, bias;
};

template <int lanes, Activation activation>
BIRBS_INLINE void normalize_rows(const Rows& rows, const Forward& norm,
                                 const float* x, float* y) {
  for (int64_t row = 0; row < rows.count; ++row) {
    const int64_t at = row * rows.stride;
    for (int l = 0; l < lanes; ++l) {
      const float value =
          (x[at + l] - norm.mean.values[l]) * norm.scale.values[l] +
          norm.bias.values[l];
      const bool low = activation != Activation::none && value < 0;
      const bool high = activation == Activation::relu6 && value > 6;
      y[at + l] = low ? 0 : high ? 6 : value;
    }
  }
}

template <Activation activation>
BIRBS_INLINE void normalize(const Rows& rows, const Forward& norm,
                            const float* x, float* y) {
  if (rows.lanes == 16) return normalize_rows<16, activation>(rows, norm, x, y);
  if (rows.lanes == 8) return normalize_rows<8, activation>(rows, norm, x, y);
  normalize_rows<1, activation>(rows, norm, x, y);
}

double inverse_deviation(float variance, float epsilon) {
  return 1 / std::sqrt(double{variance} + epsilon);
}

// dx = scale * (dy - average - (x - mean) * slope)
struct Backward {
  Lanes scale, average, mean, slope;
};

template <int lanes>
BIRBS_INLINE void move_rows(const Rows& rows, const Backward& back,
                            const float* x, const float* dy, float* dx) {
  constexpr int width = vector_lanes(lanes);
  using Float = typename Vector<width>::Float;
  for (int part = 0; part < lanes; part += width) {
    Float scale, average, mean, slope;
    load(scale, back.scale.values + part);
    load(average, back.average.values + part);
    load(mean, back.mean.values + part);
    load(slope, back.slope.values + part);
    for (int64_t row = 0; row < rows.count; ++row) {
      const int64_t at = row * rows.stride + part;
      Float value, gradient;
      load(value, x + at);
      load(gradient, dy + at);
      store(scale * (gradient - average - (value - mean) * slope), dx + at);
    }
  }
}

BIRBS_INLINE void move(const Rows& rows, const Backward& back, const float* x,
                       const float* dy, float* dx) {
  if (rows.lanes == 16) return move_rows<16>(rows, back, x, dy, dx);
  if (rows.lanes == 8) return move_rows<8>(rows, back, x, dy, dx);
  move_rows<1>(rows, back, x, dy, dx);
}

}  // namespace

void batch_statistics(const Layout& layout, int count, const float* x,
                      float* mean, float* variance) {
  const double total = static_cast<double>(count) * layout.plane();
  each_channel_group(layout, count, [&](const ChannelGroup& group) {
    float center[most_lanes] = {};
    double sums[most_lanes] = {}, squares[most_lanes] = {};
    each_rows(layout, count, group, [&](const Rows& rows) {
      const Lanes zero{};
      double parts[most_lanes] = {};
      vectorized<add_distances>(rows, x + rows.offset, zero.values, parts);
      fold(rows, parts, sums);
    });
    for (int c = 0; c < group.width; ++c) {
      center[c] = static_cast<float>(sums[c] / total);
    }
    each_rows(layout, count, group, [&](const Rows& rows) {
      const Lanes centers = lanes_of(rows, center);
      double parts[most_lanes] = {};
      vectorized<add_squares>(rows, x + rows.offset, centers.values, parts);
      fold(rows, parts, squares);
    });
    for (int c = 0; c < group.width; ++c) {
      const double off = sums[c] / total - center[c];
      mean[group.first + c] = center[c];
      variance[group.first + c] =
          static_cast<float>(squares[c] / total - off * off);
    }
  });
}

void batch_sums(const Layout& layout, int count, const float* x, double* sums) {
  const int channels = layout.shape.channels;
  std::vector<float> mean(channels), variance(channels);
  batch_statistics(layout, count, x, mean.data(), variance.data());
  const double total = static_cast<double>(count) * layout.plane();
  for (int c = 0; c < channels; ++c) {
    sums[c] = total * mean[c];
    sums[channels + c] =
        total * (double{variance[c]} + double{mean[c]} * mean[c]);
  }
}

void statistics_of(const double* sums, double total, int channels, float* mean,
                   float* variance) {
  for (int c = 0; c < channels; ++c) {
    const double center = sums[c] / total;
    mean[c] = static_cast<float>(center);
    // By rounding alone it may fall below 0.
    variance[c] = static_cast<float>(
        std::max(0.0, sums[channels + c] / total - center * center));
  }
}

void batch_norm(const Layout& layout, int count, const BatchNorm& norm) {
  each_image_group(layout, count, [&](int image, const ChannelGroup& group) {
    // Zero for padding, which stays 0 by that.
    float scale[most_lanes] = {}, mean[most_lanes] = {}, bias[most_lanes] = {};
    for (int c = 0; c < group.width; ++c) {
      const int channel = group.first + c;
      scale[c] = static_cast<float>(
          norm.weight[channel] *
          inverse_deviation(norm.variance[channel], norm.epsilon));
      mean[c] = norm.mean[channel];
      bias[c] = norm.bias[channel];
    }
    image_rows(layout, image, group, [&](const Rows& rows) {
      const Forward forward{lanes_of(rows, scale), lanes_of(rows, mean),
                            lanes_of(rows, bias)};
      const float* x = norm.x + rows.offset;
      float* y = norm.y + rows.offset;
      switch (norm.activation) {
        case Activation::none:
          return vectorized<normalize<Activation::none>>(rows, forward, x, y);
        case Activation::relu:
          return vectorized<normalize<Activation::relu>>(rows, forward, x, y);
        case Activation::relu6:
          return vectorized<normalize<Activation::relu6>>(rows, forward, x, y);
      }
    });
  });
}

void add_image_gradients(const Rows& rows, const BatchNormGradient& norm,
                         const Lanes& center, double* sums, double* products) {
  const float *x = norm.x + rows.offset, *y = norm.y + rows.offset;
  float* dy = norm.dy + rows.offset;
  const float* mean = center.values;
  switch (norm.activation) {
    case Activation::none:
      return vectorized<add_gradients<Activation::none>>(rows, x, mean, y, dy,
                                                         sums, products);
    case Activation::relu:
      return vectorized<add_gradients<Activation::relu>>(rows, x, mean, y, dy,
                                                         sums, products);
    case Activation::relu6:
      return vectorized<add_gradients<Activation::relu6>>(rows, x, mean, y, dy,
                                                          sums, products);
  }
}

void batch_norm_gradient(const Layout& layout, int count,
                         const BatchNormGradient& norm) {
  const double total = norm.whole_sums
                           ? norm.total
                           : static_cast<double>(count) * layout.plane();
  const int channels = layout.shape.channels;
  each_channel_group(layout, count, [&](const ChannelGroup& group) {
    float mean[most_lanes] = {};
    std::copy_n(norm.mean + group.first, group.width, mean);
    double sums[most_lanes] = {}, products[most_lanes] = {};
    if (norm.whole_sums) {
      std::copy_n(norm.whole_sums + group.first, group.width, sums);
      std::copy_n(norm.whole_sums + channels + group.first, group.width,
                  products);
    } else {
      each_rows(layout, count, group, [&](const Rows& rows) {
        const Lanes center = lanes_of(rows, mean);
        double parts[most_lanes] = {}, product_parts[most_lanes] = {};
        add_image_gradients(rows, norm, center, parts, product_parts);
        fold(rows, parts, sums);
        fold(rows, product_parts, products);
      });
    }
    // Zero for padding, whose gradient stays 0 by that.
    float scale[most_lanes] = {}, average[most_lanes] = {},
          slope[most_lanes] = {};
    for (int c = 0; c < group.width; ++c) {
      const int channel = group.first + c;
      const double inverse =
          inverse_deviation(norm.variance[channel], norm.epsilon);
      if (norm.own_sums) {
        norm.own_sums[channel] = sums[c];
        norm.own_sums[channels + channel] = products[c];
      }
      if (norm.dweight && !norm.whole_sums) {
        norm.dweight[channel] = static_cast<float>(products[c] * inverse);
        norm.dbias[channel] = static_cast<float>(sums[c]);
      }
      if (norm.fixed) sums[c] = products[c] = 0;
      scale[c] = static_cast<float>(norm.weight[channel] * inverse);
      average[c] = static_cast<float>(sums[c] / total);
      slope[c] = static_cast<float>(products[c] * inverse * inverse / total);
    }
    if (norm.dx == nullptr || norm.own_sums) return;
    each_rows(layout, count, group, [&](const Rows& rows) {
      const Backward back{lanes_of(rows, scale), lanes_of(rows, average),
                          lanes_of(rows, mean), lanes_of(rows, slope)};
      vectorized<move>(rows, back, norm.x + rows.offset, norm.dy + rows.offset,
                       norm.dx + rows.offset);
    });
  });
}

}  // namespace birbs::cpu
