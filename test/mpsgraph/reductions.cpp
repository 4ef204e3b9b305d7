#include <cmath>
#include <limits>

#include "kernels.h"
#include "loops.h"
#include "strict.h"

namespace standin {
namespace {

const float* floats(const Word* words) {
  return reinterpret_cast<const float*>(words);
}
float* floats(Word* words) { return reinterpret_cast<float*>(words); }

template <typename In, typename Sum, typename Join>
void reduce_to(const Node& node, const In* x, In* y, Sum start, Join join) {
  Dims small = node.inputs[0]->dims;
  for (int64_t axis : node.numbers) small[axis] = 1;
  reduce(
      Grouped(node.inputs[0]->dims, small), start,
      [=](int64_t i, int64_t) { return static_cast<Sum>(x[i]); }, join,
      [=](int64_t k, Sum sum) { y[k] = static_cast<In>(sum); });
}

void reduce_floats(const Node& node, const float* x, float* y) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  switch (node.function) {
    case Function::add:
      return reduce_to(node, x, y, 0.0,
                       [](double a, double b) { return a + b; });
    case Function::product:
      return reduce_to(node, x, y, 1.0,
                       [](double a, double b) { return a * b; });
    case Function::maximum:
      return reduce_to(node, x, y, -infinity,
                       [](float a, float b) { return std::fmax(a, b); });
    case Function::minimum:
      return reduce_to(node, x, y, infinity,
                       [](float a, float b) { return std::fmin(a, b); });
    default:
      fail(node.name, "stand-in: not written");
  }
}

void reduce_integers(const Node& node, const int32_t* x, int32_t* y) {
  using I = int64_t;
  switch (node.function) {
    case Function::add:
      return reduce_to(node, x, y, I{0}, [](I a, I b) { return a + b; });
    case Function::product:
      return reduce_to(node, x, y, I{1},
                       [](I a, I b) { return I{static_cast<int32_t>(a * b)}; });
    case Function::maximum:
      return reduce_to(node, x, y, I{INT32_MIN},
                       [](I a, I b) { return std::max(a, b); });
    case Function::minimum:
      return reduce_to(node, x, y, I{INT32_MAX},
                       [](I a, I b) { return std::min(a, b); });
    case Function::logical_and:
      return reduce_to(node, x, y, I{1}, [](I a, I b) { return a & b; });
    case Function::logical_or:
      return reduce_to(node, x, y, I{0}, [](I a, I b) { return a | b; });
    default:
      fail(node.name, "stand-in: not written");
  }
}

template <typename In>
void run_arg(const Node& node, const In* x, int32_t* y) {
  const Dims& dims = node.inputs[0]->dims;
  int64_t axis = node.numbers[0], size = dims[axis];
  int64_t inner = count(Dims(dims.begin() + axis + 1, dims.end()));
  bool largest = node.function == Function::maximum;
  for (int64_t i = 0; i < count(dims) / size; ++i) {
    const In* line = x + i / inner * size * inner + i % inner;
    int64_t best = 0;
    for (int64_t j = 1; j < size; ++j) {
      In value = line[j * inner], record = line[best * inner];
      if (largest ? value > record : value < record) best = j;
    }
    y[i] = static_cast<int32_t>(best);
  }
}

// Sum over the elements of each result, divided by their number.
template <typename Take>
void average(const Node& node, const Value& x, float* y, Take value) {
  Dims small = node.outputs[0]->dims;
  double share = static_cast<double>(count(small)) / count(x.dims);
  reduce(
      Grouped(x.dims, small), 0.0, value,
      [](double a, double b) { return a + b; },
      [=](int64_t k, double sum) { y[k] = static_cast<float>(sum * share); });
}

void run_variance(const Node& node, const float* x, const float* mean,
                  float* y) {
  average(node, *node.inputs[0], y, [=](int64_t i, int64_t k) {
    double distance = double{x[i]} - mean[k];
    return distance * distance;
  });
}

// 1 / sqrt(variance + epsilon), in the shape of the statistics.
std::vector<float> inverse_deviations(const Node& node, const Value& shape,
                                      const Word* variance) {
  std::vector<float> result(count(shape.dims));
  for (size_t i = 0; i < result.size(); ++i) {
    result[i] = static_cast<float>(
        1 / std::sqrt(double{floats(variance)[i]} + node.real));
  }
  return result;
}

void run_normalization(const Node& node, Operands operands) {
  const float *x = floats(operands.in[0]), *mean = floats(operands.in[1]);
  const float *gamma = floats(operands.in[3]), *beta = floats(operands.in[4]);
  float* y = floats(operands.out[0]);
  std::vector<float> scales =
      inverse_deviations(node, *node.inputs[2], operands.in[2]);
  std::vector<float> shifts(scales.size(), 0.0f);
  for (size_t k = 0; k < scales.size(); ++k) {
    if (gamma) scales[k] *= gamma[k];
    if (beta) shifts[k] = beta[k];
  }
  const float *scale = scales.data(), *shift = shifts.data();
  each_grouped(Grouped(node.inputs[0]->dims, node.inputs[1]->dims),
               [=](int64_t i, int64_t k) {
                 y[i] = (x[i] - mean[k]) * scale[k] + shift[k];
               });
}

void run_gamma_gradient(const Node& node, Operands operands) {
  const float *dy = floats(operands.in[0]), *x = floats(operands.in[1]);
  const float* mean = floats(operands.in[2]);
  float* y = floats(operands.out[0]);
  std::vector<float> scales =
      inverse_deviations(node, *node.inputs[3], operands.in[3]);
  const float* scale = scales.data();
  reduce(
      Grouped(node.inputs[1]->dims, node.inputs[2]->dims), 0.0,
      [=](int64_t i, int64_t k) {
        return double{dy[i]} * (double{x[i]} - mean[k]);
      },
      [](double a, double b) { return a + b; },
      [=](int64_t k, double sum) {
        y[k] = static_cast<float>(sum * scale[k]);
      });
}

void run_normalization_gradient(const Node& node, Operands operands) {
  const float *dy = floats(operands.in[0]), *x = floats(operands.in[1]);
  const float *mean = floats(operands.in[2]), *gamma = floats(operands.in[4]);
  const float *dgamma = floats(operands.in[5]), *dbeta = floats(operands.in[6]);
  float* dx = floats(operands.out[0]);
  std::vector<float> inverse =
      inverse_deviations(node, *node.inputs[3], operands.in[3]);
  size_t size = inverse.size();
  float share = static_cast<float>(size) / count(node.inputs[1]->dims);
  std::vector<float> scales(size), slopes(size), levels(size);
  for (size_t k = 0; k < size; ++k) {
    scales[k] = inverse[k] * (gamma ? gamma[k] : 1);
    slopes[k] = inverse[k] * dgamma[k] * share;
    levels[k] = dbeta[k] * share;
  }
  const float *scale = scales.data(), *slope = slopes.data();
  const float* level = levels.data();
  each_grouped(Grouped(node.inputs[1]->dims, node.inputs[2]->dims),
               [=](int64_t i, int64_t k) {
                 dx[i] = scale[k] *
                         (dy[i] - level[k] - (x[i] - mean[k]) * slope[k]);
               });
}

}  // namespace

void run_reduction(const Node& node, Operands operands) {
  const Word* x = operands.in[0];
  Word* y = operands.out[0];
  bool real = is_float(node.inputs[0]->type);
  auto* integers = reinterpret_cast<const int32_t*>(x);
  auto* result = reinterpret_cast<int32_t*>(y);
  switch (node.op) {
    case Op::reduce:
      if (real) return reduce_floats(node, floats(x), floats(y));
      return reduce_integers(node, integers, result);
    case Op::arg:
      if (real) return run_arg(node, floats(x), result);
      return run_arg(node, integers, result);
    case Op::mean: {
      const float* values = floats(x);
      return average(node, *node.inputs[0], floats(y),
                     [=](int64_t i, int64_t) { return double{values[i]}; });
    }
    case Op::variance:
      return run_variance(node, floats(x), floats(operands.in[1]), floats(y));
    case Op::normalization:
      return run_normalization(node, operands);
    case Op::gamma_gradient:
      return run_gamma_gradient(node, operands);
    case Op::normalization_gradient:
      return run_normalization_gradient(node, operands);
    default:
      fail(node.name, "stand-in: not written");
  }
}

}  // namespace standin
