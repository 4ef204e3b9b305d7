#include "formulas.h"

#include <numeric>

namespace birbs::metal {

Normalized normalize(Graph& g, const Value& x, const Value& rows,
                     const Value& n, double epsilon) {
  Normalized result;
  result.mean = g.div(g.sum(g.mul(x, rows), {0, 1, 2}), n);
  const Value centred = g.mul(g.sub(x, result.mean), rows);
  result.variance = g.div(g.sum(g.square(centred), {0, 1, 2}), n);
  const Value deviation = g.sqrt(g.offset(result.variance, epsilon));
  result.inverse = g.div(g.constant(1), deviation);
  result.normalized = g.mul(centred, result.inverse);
  return result;
}

NormalizeGradient normalize_gradient(Graph& g, const Value& dy,
                                     const Value& inverse,
                                     const Value& normalized,
                                     const Value& weight, const Value& rows,
                                     const Value& n) {
  NormalizeGradient result;
  result.dbias = g.sum(dy, {0, 1, 2});
  result.dweight = g.sum(g.mul(dy, normalized), {0, 1, 2});
  const Value spread = g.mul(normalized, g.div(result.dweight, n));
  const Value through = g.sub(g.sub(dy, g.div(result.dbias, n)), spread);
  result.dx = g.mul(g.mul(through, g.mul(inverse, weight)), rows);
  return result;
}

Normalized normalize_with(Graph& g, const Value& x, const Value& mean,
                          const Value& variance, double epsilon) {
  Normalized result{mean, variance, {}, {}};
  const Value deviation = g.sqrt(g.offset(variance, epsilon));
  result.inverse = g.div(g.constant(1), deviation);
  result.normalized = g.mul(g.sub(x, mean), result.inverse);
  return result;
}

NormalizeGradient normalize_with_gradient(Graph& g, const Value& dy,
                                          const Value& inverse,
                                          const Value& normalized,
                                          const Value& weight) {
  return {g.mul(dy, g.mul(inverse, weight)),
          g.sum(g.mul(dy, normalized), {0, 1, 2}), g.sum(dy, {0, 1, 2})};
}

Value normalize_with(Graph& g, const Value& x, const Value& mean,
                     const Value& variance, const Value& weight,
                     const Value& bias, double epsilon) {
  const Value deviation = g.sqrt(g.offset(variance, epsilon));
  const Value normalized = g.div(g.sub(x, mean), deviation);
  return g.add(g.mul(normalized, weight), bias);
}

namespace {

// weight * x; 0 without a weight, whatever x is.
Value weighted(Graph& g, const Value& weight, const Value& x) {
  const Value zero = g.constant(0);
  return g.select(g.greater(weight, zero), g.mul(weight, x), zero);
}

// 1 for each window with a NaN in it.
Value nan_windows(Graph& g, const Value& x, const Window& window) {
  const Value marks = g.cast(g.is_nan(x), x.type);
  return g.greater(g.max_pool2d(marks, window), g.constant(0, x.type));
}

}  // namespace

CrossEntropy cross_entropy(Graph& g, const Value& logits, const Value& labels,
                           const Value& rows, std::vector<float> weights,
                           double smoothing) {
  const int64_t batch = logits.shape[0], classes = logits.shape[1];
  const Value column = g.reshape(rows, {batch, 1});
  if (weights.empty()) weights.assign(static_cast<size_t>(classes), 1.0f);
  const Value weight = g.constants(weights, {1, classes});
  const Value one_hot = g.one_hot(labels, classes);
  const Value soft = g.offset(g.scale(one_hot, 1 - smoothing),
                              smoothing / static_cast<double>(classes));
  const Value target = g.mul(g.mul(soft, weight), column);
  const Value total =
      g.reshape(g.sum(g.mul(g.mul(one_hot, weight), column), {0, 1}), {1});

  const Value shifted = g.sub(logits, g.max(logits, 1));
  const Value exponents = g.exp(shifted);
  const Value sums = g.sum(exponents, {1});
  const Value log_softmax = g.sub(shifted, g.log(sums));
  const Value summed =
      g.reshape(g.sum(weighted(g, target, log_softmax), {0, 1}), {1});

  const Value log_label = g.sum(weighted(g, one_hot, log_softmax), {1});
  const Value pulled = g.mul(g.div(exponents, sums), g.sum(target, {1}));
  return {g.div(g.scale(summed, -1), total),
          g.reshape(g.scale(log_label, -1), {batch}),
          g.div(g.sub(pulled, target), total)};
}

Value softmax(Graph& g, const Value& x) {
  const Value exponents = g.exp(g.sub(x, g.max(x, 1)));
  return g.div(exponents, g.sum(exponents, {1}));
}

Value nan_max_pool(Graph& g, const Value& x, const Window& window) {
  // The mean of a window with NaN is NaN.
  return g.select(nan_windows(g, x, window), g.avg_pool2d(x, window, true),
                  g.max_pool2d(x, window));
}

Value nan_max_pool_gradient(Graph& g, const Value& dy, const Value& x,
                            const Window& window) {
  const Value zero = g.constant(0, x.type);
  std::vector<float> places(static_cast<size_t>(x.shape[1] * x.shape[2]));
  std::iota(places.begin(), places.end(), 1.0f);
  const Value place = g.constants(places, {1, x.shape[1], x.shape[2], 1});
  const Value last = g.select(g.is_nan(x), place, zero);
  const Value nan = nan_windows(g, x, window);
  const Value numbers = g.select(g.is_nan(x), zero, x);
  return g.add(g.max_pool2d_gradient(g.select(nan, dy, zero), last, window),
               g.max_pool2d_gradient(g.select(nan, zero, dy), numbers, window));
}

Value global_avg_pool(Graph& g, const Value& x) {
  // A float16 sum overflows from 65,504 on.
  const Value sum = g.sum(g.cast(x, MPSDataTypeFloat32), {1, 2});
  return g.cast(
      g.scale(sum, 1.0 / static_cast<double>(x.shape[1] * x.shape[2])), x.type);
}

Value global_avg_pool_gradient(Graph& g, const Value& dy, const Dims& x_shape) {
  const int64_t area = x_shape[1] * x_shape[2];
  const std::vector<float> shares(static_cast<size_t>(area),
                                  1.0f / static_cast<float>(area));
  const Value spread = g.constants(shares, {1, x_shape[1], x_shape[2], 1});
  return g.mul(dy, g.cast(spread, dy.type));
}

}  // namespace birbs::metal
