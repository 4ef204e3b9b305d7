#include <cmath>
#include <cstring>

#include "kernels.h"
#include "loops.h"
#include "philox.h"
#include "strict.h"

namespace standin {
namespace {

const float* floats(const Word* words) {
  return reinterpret_cast<const float*>(words);
}
float* floats(Word* words) { return reinterpret_cast<float*>(words); }

// The lines of a tensor along one axis.
struct Lines {
  int64_t number, size, stride;
  Lines(const Dims& dims, int64_t axis)
      : number(count(dims) / dims[axis]),
        size(dims[axis]),
        stride(count(Dims(dims.begin() + axis + 1, dims.end()))) {}
  int64_t start(int64_t line) const {
    return line / stride * size * stride + line % stride;
  }
};

// e[j] = exp(x[j] - most) over a line; answers their sum and the maximum.
struct Softmax {
  double sum = 0;
  float most;
};

Softmax softmax_of(const float* x, int64_t size, int64_t stride) {
  Softmax result;
  result.most = x[0];
  for (int64_t j = 1; j < size; ++j) {
    result.most = std::fmax(result.most, x[j * stride]);
  }
  for (int64_t j = 0; j < size; ++j) {
    result.sum += std::exp(double{x[j * stride]} - result.most);
  }
  return result;
}

float probability(const Softmax& softmax, float x) {
  return static_cast<float>(std::exp(double{x} - softmax.most) / softmax.sum);
}

void run_softmax(const Node& node, Operands operands) {
  bool gradient = node.op == Op::softmax_gradient;
  Lines lines(node.outputs[0]->dims, node.numbers[0]);
  const float* source = floats(operands.in[gradient ? 1 : 0]);
  for (int64_t i = 0; i < lines.number; ++i) {
    int64_t at = lines.start(i);
    const float* x = source + at;
    float* y = floats(operands.out[0]) + at;
    Softmax softmax = softmax_of(x, lines.size, lines.stride);
    double dot = 0;
    for (int64_t j = 0; gradient && j < lines.size * lines.stride;
         j += lines.stride) {
      dot +=
          double{floats(operands.in[0])[at + j]} * probability(softmax, x[j]);
    }
    for (int64_t j = 0; j < lines.size * lines.stride; j += lines.stride) {
      float p = probability(softmax, x[j]);
      y[j] = gradient
                 ? p * static_cast<float>(floats(operands.in[0])[at + j] - dot)
                 : p;
    }
  }
}

void run_cross_entropy(const Node& node, Operands operands) {
  Lines lines(node.inputs[0]->dims, node.numbers[0]);
  int64_t reduction = node.numbers[1];
  double total = 0;
  for (int64_t i = 0; i < lines.number; ++i) {
    const float* x = floats(operands.in[0]) + lines.start(i);
    const float* labels = floats(operands.in[1]) + lines.start(i);
    Softmax softmax = softmax_of(x, lines.size, lines.stride);
    double base = softmax.most + std::log(softmax.sum), loss = 0;
    for (int64_t j = 0; j < lines.size * lines.stride; j += lines.stride) {
      loss += labels[j] * (base - x[j]);
    }
    if (!reduction) floats(operands.out[0])[i] = static_cast<float>(loss);
    total += loss;
  }
  if (reduction == 2) total /= static_cast<double>(lines.number);
  if (reduction) *floats(operands.out[0]) = static_cast<float>(total);
}

// softmax - labels, as documented: no factor for labels that don't add up to 1.
void run_cross_entropy_gradient(const Node& node, Operands operands) {
  Lines lines(node.outputs[0]->dims, node.numbers[0]);
  int64_t reduction = node.numbers[1];
  for (int64_t i = 0; i < lines.number; ++i) {
    int64_t at = lines.start(i);
    const float* x = floats(operands.in[1]) + at;
    const float* labels = floats(operands.in[2]) + at;
    float factor = floats(operands.in[0])[reduction ? 0 : i];
    if (reduction == 2) factor /= static_cast<float>(lines.number);
    Softmax softmax = softmax_of(x, lines.size, lines.stride);
    for (int64_t j = 0; j < lines.size * lines.stride; j += lines.stride) {
      floats(operands.out[0])[at + j] =
          factor * (probability(softmax, x[j]) - labels[j]);
    }
  }
}

void run_sgd(const Node& node, Operands operands) {
  const float rate = *floats(operands.in[0]);
  const float *w = floats(operands.in[1]), *g = floats(operands.in[2]);
  float* y = floats(operands.out[0]);
  parallel(count(node.outputs[0]->dims), 1, [=](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) y[i] = w[i] - rate * g[i];
  });
}

void run_adam(const Node& node, Operands operands) {
  const auto& in = operands.in;
  const float rate = *floats(in[0]), beta1 = *floats(in[1]);
  const float beta2 = *floats(in[2]), epsilon = *floats(in[3]);
  for (int64_t i = 0; i < count(node.outputs[0]->dims); ++i) {
    float g = floats(in[7])[i];
    float m = beta1 * floats(in[5])[i] + (1 - beta1) * g;
    float v = beta2 * floats(in[6])[i] + (1 - beta2) * g * g;
    float most = in[8] ? std::fmax(floats(in[8])[i], v) : v;
    floats(operands.out[0])[i] =
        floats(in[4])[i] - rate * m / (std::sqrt(most) + epsilon);
    floats(operands.out[1])[i] = m;
    floats(operands.out[2])[i] = v;
    if (in[8]) floats(operands.out[3])[i] = most;
  }
}

// State: 1, four counter words, two key words. Block i of the numbers is that
// of the counter + i; the new state lies behind the last block.
void run_random(const Node& node, Operands operands) {
  const Word* state = operands.in[0];
  const Value& out = *node.outputs[0];
  int64_t size = count(out.dims);
  uint64_t low = state[1] | uint64_t{state[2]} << 32;
  uint64_t high = state[3] | uint64_t{state[4]} << 32;
  uint64_t key = state[5] | uint64_t{state[6]} << 32;
  int64_t blocks = (size + 3) / 4;
  bool normal = node.numbers[0] != 0;
  for (int64_t block = 0; block < blocks; ++block, high += ++low == 0) {
    auto words = birbs::philox(key, static_cast<uint32_t>(low >> 32), high,
                               static_cast<uint32_t>(low));
    for (int64_t j = 0; j < 4 && block * 4 + j < size; ++j) {
      Word& word = operands.out[0][block * 4 + j];
      if (!is_float(out.type)) {
        auto range = static_cast<uint64_t>(node.more_real - node.real) + 1;
        word = static_cast<Word>(static_cast<int64_t>(node.real) +
                                 static_cast<int64_t>(words[j] % range));
        continue;
      }
      double number = birbs::to_uniform(words[j]);
      if (normal) {
        double other = birbs::to_uniform(words[j ^ 1]);
        double radius = std::sqrt(-2 * std::log(1 - (j % 2 ? other : number)));
        double angle = 2 * M_PI * (j % 2 ? number : other);
        number = radius * (j % 2 ? std::sin(angle) : std::cos(angle));
        number = node.real + node.more_real * number;
      } else {
        number = node.real + (node.more_real - node.real) * number;
      }
      float value = static_cast<float>(number);
      std::memcpy(&word, &value, sizeof(word));
    }
  }
  const Word next[7] = {state[0],
                        static_cast<Word>(low),
                        static_cast<Word>(low >> 32),
                        static_cast<Word>(high),
                        static_cast<Word>(high >> 32),
                        state[5],
                        state[6]};
  std::memcpy(operands.out[1], next, sizeof(next));
}

}  // namespace

void run_learning(const Node& node, Operands operands) {
  switch (node.op) {
    case Op::softmax:
    case Op::softmax_gradient:
      return run_softmax(node, operands);
    case Op::cross_entropy:
      return run_cross_entropy(node, operands);
    case Op::cross_entropy_gradient:
      return run_cross_entropy_gradient(node, operands);
    case Op::sgd:
      return run_sgd(node, operands);
    case Op::adam:
      return run_adam(node, operands);
    case Op::random:
      return run_random(node, operands);
    default:
      fail(node.name, "stand-in: not written");
  }
}

void run_node(const Node& node, Operands operands, float scale) {
  switch (node.op) {
    case Op::unary:
    case Op::binary:
    case Op::compare:
    case Op::select:
    case Op::clamp:
    case Op::cast:
    case Op::relu_gradient:
    case Op::sigmoid_gradient:
      run_elementwise(node, operands);
      break;
    case Op::transpose:
    case Op::slice:
    case Op::concat:
    case Op::broadcast:
    case Op::pad:
    case Op::pad_gradient:
    case Op::reverse:
    case Op::one_hot:
      run_shape(node, operands);
      break;
    case Op::reduce:
    case Op::arg:
    case Op::mean:
    case Op::variance:
    case Op::normalization:
    case Op::gamma_gradient:
    case Op::normalization_gradient:
      run_reduction(node, operands);
      break;
    case Op::convolution:
    case Op::convolution_data_gradient:
    case Op::convolution_weights_gradient:
    case Op::max_pool:
    case Op::max_pool_gradient:
    case Op::max_pool_indices_gradient:
    case Op::avg_pool:
    case Op::avg_pool_gradient:
    case Op::matmul:
      run_window(node, operands, scale);
      break;
    default:
      run_learning(node, operands);
  }
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    settle(node.outputs[i]->type, operands.out[i],
           count(node.outputs[i]->dims));
  }
}

}  // namespace standin
