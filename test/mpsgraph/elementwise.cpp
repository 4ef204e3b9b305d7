#include <bit>
#include <cmath>

#include "kernels.h"
#include "loops.h"
#include "strict.h"

namespace standin {
namespace {

const float* floats(const Word* words) {
  return reinterpret_cast<const float*>(words);
}
float* floats(Word* words) { return reinterpret_cast<float*>(words); }
const int32_t* integers(const Word* words) {
  return reinterpret_cast<const int32_t*>(words);
}
int32_t* integers(Word* words) { return reinterpret_cast<int32_t*>(words); }

float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

template <typename In, typename Out, typename F>
void each(int64_t size, const In* x, Out* y, F f, int64_t cost = 1) {
  parallel(size, cost, [=](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) y[i] = f(x[i]);
  });
}

void float_unary(Function function, int64_t n, const float* x, float* y) {
  using F = Function;
  switch (function) {
    case F::exponent:
      return each(n, x, y, [](float v) { return std::exp(v); }, 8);
    case F::exponent2:
      return each(n, x, y, [](float v) { return std::exp2(v); }, 8);
    case F::logarithm:
      return each(n, x, y, [](float v) { return std::log(v); }, 8);
    case F::logarithm2:
      return each(n, x, y, [](float v) { return std::log2(v); }, 8);
    case F::logarithm10:
      return each(n, x, y, [](float v) { return std::log10(v); }, 8);
    case F::square:
      return each(n, x, y, [](float v) { return v * v; });
    case F::square_root:
      return each(n, x, y, [](float v) { return std::sqrt(v); });
    case F::reciprocal:
      return each(n, x, y, [](float v) { return 1 / v; });
    case F::reciprocal_square_root:
      return each(n, x, y, [](float v) { return 1 / std::sqrt(v); });
    case F::absolute:
      return each(n, x, y, [](float v) { return std::fabs(v); });
    case F::negative:
      return each(n, x, y, [](float v) { return -v; });
    case F::sign:
      return each(n, x, y, [](float v) {
        return static_cast<float>((v > 0) - (v < 0));
      });
    case F::ceil:
      return each(n, x, y, [](float v) { return std::ceil(v); });
    case F::floor:
      return each(n, x, y, [](float v) { return std::floor(v); });
    case F::round:
      return each(n, x, y, [](float v) { return std::round(v); });
    case F::rint:
      return each(n, x, y, [](float v) { return std::nearbyint(v); });
    case F::sin:
      return each(n, x, y, [](float v) { return std::sin(v); }, 8);
    case F::cos:
      return each(n, x, y, [](float v) { return std::cos(v); }, 8);
    case F::tanh:
      return each(n, x, y, [](float v) { return std::tanh(v); }, 8);
    case F::erf:
      return each(n, x, y, [](float v) { return std::erf(v); }, 8);
    case F::relu:
      // NaN becomes 0, as seen on a Mac (pytorch#183571).
      return each(n, x, y, [](float v) { return v > 0 ? v : 0; });
    case F::sigmoid:
      return each(n, x, y, sigmoid, 8);
    default:
      fail("unary function on floats", "stand-in: not written");
  }
}

void integer_unary(Function function, int64_t n, const int32_t* x, int32_t* y) {
  using F = Function;
  switch (function) {
    case F::square:
      return each(n, x, y, [](int32_t v) { return v * v; });
    case F::absolute:
      return each(n, x, y, [](int32_t v) { return v < 0 ? -v : v; });
    case F::negative:
      return each(n, x, y, [](int32_t v) { return -v; });
    case F::sign:
      return each(n, x, y, [](int32_t v) { return (v > 0) - (v < 0); });
    case F::relu:
      return each(n, x, y, [](int32_t v) { return v < 0 ? 0 : v; });
    case F::logical_not:
      return each(n, x, y, [](int32_t v) { return !v; });
    case F::ceil:
    case F::floor:
    case F::round:
    case F::rint:
      return each(n, x, y, [](int32_t v) { return v; });
    default:
      fail("unary function on integers", "stand-in: not written");
  }
}

void run_unary(const Node& node, const Word* x, Word* y) {
  const Value& in = *node.inputs[0];
  int64_t n = count(in.dims);
  switch (node.function) {
    case Function::is_nan:
      return each(n, floats(x), y, [](float v) { return Word{std::isnan(v)}; });
    case Function::is_finite:
      return each(n, floats(x), y,
                  [](float v) { return Word{std::isfinite(v)}; });
    case Function::is_infinite:
      return each(n, floats(x), y, [](float v) { return Word{std::isinf(v)}; });
    default:
      break;
  }
  if (is_float(in.type)) {
    float_unary(node.function, n, floats(x), floats(y));
  } else {
    integer_unary(node.function, n, integers(x), integers(y));
  }
}

// a(i) op b(i) of two inputs of a node.
template <typename In, typename Out, typename F>
void pairs(const Node& node, const In* a, const In* b, Out* y, F f) {
  each_pair(node.outputs[0]->dims, node.inputs[0]->dims, a,
            node.inputs[1]->dims, b, y, f);
}

void float_binary(const Node& node, const float* a, const float* b, float* y) {
  using F = Function;
  switch (node.function) {
    case F::add:
      return pairs(node, a, b, y, [](float p, float q) { return p + q; });
    case F::subtract:
      return pairs(node, a, b, y, [](float p, float q) { return p - q; });
    case F::multiply:
      return pairs(node, a, b, y, [](float p, float q) { return p * q; });
    case F::divide:
      return pairs(node, a, b, y, [](float p, float q) { return p / q; });
    case F::divide_no_nan:
      return pairs(node, a, b, y,
                   [](float p, float q) { return q == 0 ? 0 : p / q; });
    case F::modulo:
      return pairs(node, a, b, y,
                   [](float p, float q) { return std::fmod(p, q); });
    case F::floor_modulo:
      return pairs(node, a, b, y,
                   [](float p, float q) { return p - std::floor(p / q) * q; });
    case F::power:
      return pairs(node, a, b, y,
                   [](float p, float q) { return std::pow(p, q); });
    case F::minimum:
      return pairs(node, a, b, y,
                   [](float p, float q) { return std::fmin(p, q); });
    case F::maximum:
      return pairs(node, a, b, y,
                   [](float p, float q) { return std::fmax(p, q); });
    case F::minimum_nan:
      return pairs(node, a, b, y, [](float p, float q) {
        return p < q || std::isnan(p) ? p : q;
      });
    case F::maximum_nan:
      return pairs(node, a, b, y, [](float p, float q) {
        return p > q || std::isnan(p) ? p : q;
      });
    default:
      fail("binary function on floats", "stand-in: not written");
  }
}

int32_t wrap(int64_t value) { return static_cast<int32_t>(value); }

void integer_binary(const Node& node, const int32_t* a, const int32_t* b,
                    int32_t* y) {
  using F = Function;
  using I = int32_t;
  switch (node.function) {
    case F::add:
      return pairs(node, a, b, y,
                   [](I p, I q) { return wrap(int64_t{p} + q); });
    case F::subtract:
      return pairs(node, a, b, y,
                   [](I p, I q) { return wrap(int64_t{p} - q); });
    case F::multiply:
      return pairs(node, a, b, y,
                   [](I p, I q) { return wrap(int64_t{p} * q); });
    case F::divide:
    case F::divide_no_nan:
      return pairs(node, a, b, y,
                   [](I p, I q) { return q == 0 ? 0 : wrap(int64_t{p} / q); });
    case F::modulo:
      return pairs(node, a, b, y,
                   [](I p, I q) { return q == 0 ? 0 : wrap(int64_t{p} % q); });
    case F::floor_modulo:
      return pairs(node, a, b, y, [](I p, I q) {
        return q == 0 ? 0 : wrap((int64_t{p} % q + q) % q);
      });
    case F::minimum:
    case F::minimum_nan:
      return pairs(node, a, b, y, [](I p, I q) { return std::min(p, q); });
    case F::maximum:
    case F::maximum_nan:
      return pairs(node, a, b, y, [](I p, I q) { return std::max(p, q); });
    case F::logical_and:
      return pairs(node, a, b, y, [](I p, I q) { return p & q; });
    case F::logical_or:
      return pairs(node, a, b, y, [](I p, I q) { return p | q; });
    case F::logical_xor:
      return pairs(node, a, b, y, [](I p, I q) { return p ^ q; });
    default:
      fail("binary function on integers", "stand-in: not written");
  }
}

template <typename In>
void run_compare(const Node& node, const In* a, const In* b, Word* y) {
  using F = Function;
  switch (node.function) {
    case F::equal:
      return pairs(node, a, b, y, [](In p, In q) { return Word{p == q}; });
    case F::not_equal:
      return pairs(node, a, b, y, [](In p, In q) { return Word{p != q}; });
    case F::less:
      return pairs(node, a, b, y, [](In p, In q) { return Word{p < q}; });
    case F::less_equal:
      return pairs(node, a, b, y, [](In p, In q) { return Word{p <= q}; });
    case F::greater:
      return pairs(node, a, b, y, [](In p, In q) { return Word{p > q}; });
    case F::greater_equal:
      return pairs(node, a, b, y, [](In p, In q) { return Word{p >= q}; });
    default:
      fail("comparison", "stand-in: not written");
  }
}

// y = p ? a : b in two passes: y may be none of them, so that is safe.
void run_select(const Node& node, Operands operands) {
  const Dims& dims = node.outputs[0]->dims;
  Word* y = operands.out[0];
  strided_copy(dims, operands.in[2],
               broadcast_strides(node.inputs[2]->dims, dims), y,
               strides_of(dims));
  Dims chosen = broadcast_strides(node.inputs[0]->dims, dims);
  Dims values = broadcast_strides(node.inputs[1]->dims, dims);
  const int64_t inner = dims.empty() ? 1 : dims.back();
  const size_t outer = dims.empty() ? 0 : dims.size() - 1;
  const int64_t chosen_step = dims.empty() ? 0 : chosen.back();
  const int64_t value_step = dims.empty() ? 0 : values.back();
  parallel(count(dims) / inner, inner, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) {
      int64_t rest = row, p = 0, v = 0;
      for (size_t i = outer; i-- > 0;) {
        p += rest % dims[i] * chosen[i];
        v += rest % dims[i] * values[i];
        rest /= dims[i];
      }
      for (int64_t j = 0; j < inner; ++j) {
        if (operands.in[0][p + j * chosen_step]) {
          y[row * inner + j] = operands.in[1][v + j * value_step];
        }
      }
    }
  });
}

template <typename T>
void run_clamp(const Node& node, const T* x, const T* low, const T* high,
               T* y) {
  const Dims& dims = node.outputs[0]->dims;
  each_pair(dims, dims, x, node.inputs[1]->dims, low, y,
            [](T p, T q) { return p < q ? q : p; });
  each_pair(dims, dims, y, node.inputs[2]->dims, high, y,
            [](T p, T q) { return p > q ? q : p; });
}

void run_cast(const Node& node, const Word* x, Word* y) {
  Type from = node.inputs[0]->type, to = node.outputs[0]->type;
  int64_t n = count(node.outputs[0]->dims);
  if (to == Type::boolean) {
    if (is_float(from)) {
      return each(n, floats(x), y, [](float v) { return Word{v != 0}; });
    }
    return each(n, x, y, [](Word v) { return Word{v != 0}; });
  }
  if (is_float(from) == is_float(to)) {
    return each(n, x, y, [](Word v) { return v; });
  }
  if (is_float(to)) {
    return each(n, integers(x), floats(y),
                [](int32_t v) { return static_cast<float>(v); });
  }
  each(n, floats(x), integers(y), [](float v) {
    return v >= 0x1p31f      ? INT32_MAX
           : !(v > -0x1p31f) ? INT32_MIN
                             : static_cast<int32_t>(v);
  });
}

}  // namespace

void run_elementwise(const Node& node, Operands operands) {
  const auto& in = operands.in;
  Word* y = operands.out[0];
  bool real = is_float(node.inputs[0]->type);
  int64_t n = count(node.outputs[0]->dims);
  switch (node.op) {
    case Op::unary:
      return run_unary(node, in[0], y);
    case Op::binary:
      if (real)
        return float_binary(node, floats(in[0]), floats(in[1]), floats(y));
      return integer_binary(node, integers(in[0]), integers(in[1]),
                            integers(y));
    case Op::compare:
      if (real) return run_compare(node, floats(in[0]), floats(in[1]), y);
      return run_compare(node, integers(in[0]), integers(in[1]), y);
    case Op::select:
      return run_select(node, operands);
    case Op::clamp:
      if (real) {
        return run_clamp(node, floats(in[0]), floats(in[1]), floats(in[2]),
                         floats(y));
      }
      return run_clamp(node, integers(in[0]), integers(in[1]), integers(in[2]),
                       integers(y));
    case Op::cast:
      return run_cast(node, in[0], y);
    case Op::relu_gradient:
    case Op::sigmoid_gradient: {
      const float *dy = floats(in[0]), *x = floats(in[1]);
      float* dx = floats(y);
      bool relu = node.op == Op::relu_gradient;
      return parallel(n, relu ? 1 : 8, [=](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i) {
          if (relu) {
            dx[i] = x[i] > 0 ? dy[i] : 0;
          } else {
            float s = sigmoid(x[i]);
            dx[i] = dy[i] * s * (1 - s);
          }
        }
      });
    }
    default:
      fail(node.name, "stand-in: not written");
  }
}

}  // namespace standin
