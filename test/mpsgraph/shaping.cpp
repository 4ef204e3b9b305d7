#include <bit>

#include "kernels.h"
#include "loops.h"
#include "strict.h"

namespace standin {
namespace {

Dims rearranged(const Dims& values, const Dims& order) {
  Dims result;
  for (int64_t i : order) result.push_back(values[i]);
  return result;
}

void run_reverse(const Node& node, const Word* x, Word* y) {
  const Dims& dims = node.outputs[0]->dims;
  Dims strides = strides_of(dims);
  for (int64_t axis : node.numbers) {
    x += (dims[axis] - 1) * strides[axis];
    strides[axis] = -strides[axis];
  }
  strided_copy(dims, x, strides, y, strides_of(dims));
}

void run_slice(const Node& node, const Word* x, Word* y) {
  const Dims& dims = node.outputs[0]->dims;
  Dims strides = strides_of(node.inputs[0]->dims);
  for (size_t i = 0; i < dims.size(); ++i) {
    x += node.numbers[i] * strides[i];
    strides[i] *= node.more_numbers[i];
  }
  strided_copy(dims, x, strides, y, strides_of(dims));
}

void run_concat(const Node& node, Operands operands) {
  Dims strides = strides_of(node.outputs[0]->dims);
  Word* y = operands.out[0];
  int64_t axis = node.numbers[0];
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const Dims& dims = node.inputs[i]->dims;
    strided_copy(dims, operands.in[i], strides_of(dims), y, strides);
    y += dims[axis] * strides[axis];
  }
}

// Where position i of a padded side lies in the side without padding, -1 in a
// constant padding.
int64_t padded_from(int64_t i, int64_t size, int64_t mode) {
  if (i >= 0 && i < size) return i;
  switch (mode) {
    case 1:
      return i < 0 ? -i : 2 * size - 2 - i;  // reflect
    case 2:
      return i < 0 ? -1 - i : 2 * size - 1 - i;  // symmetric
    case 3:
      return i < 0 ? 0 : size - 1;  // clamp to edge
    default:
      return -1;
  }
}

// task(padded index, source index or -1) for each element of a padded tensor.
template <typename Task>
void each_padded(const Node& node, const Dims& source, const Dims& padded,
                 Task task) {
  Dims strides = strides_of(source);
  for (int64_t i = 0; i < count(padded); ++i) {
    int64_t rest = i, at = 0;
    for (size_t d = padded.size(); d-- > 0 && at >= 0;) {
      int64_t from = padded_from(rest % padded[d] - node.numbers[d], source[d],
                                 node.more_numbers[0]);
      rest /= padded[d];
      at = from < 0 ? -1 : at + from * strides[d];
    }
    task(i, at);
  }
}

void run_pad(const Node& node, const Word* x, Word* y) {
  const Value& out = *node.outputs[0];
  Word filling = is_float(out.type)
                     ? std::bit_cast<Word>(static_cast<float>(node.real))
                     : static_cast<Word>(static_cast<int32_t>(node.real));
  int64_t mode = node.more_numbers[0];
  if (mode == 0 || mode == 4) {
    std::fill_n(y, count(out.dims), filling);
    Dims strides = strides_of(out.dims);
    for (size_t i = 0; i < strides.size(); ++i) {
      y += node.numbers[i] * strides[i];
    }
    const Dims& dims = node.inputs[0]->dims;
    return strided_copy(dims, x, strides_of(dims), y, strides);
  }
  each_padded(node, node.inputs[0]->dims, out.dims,
              [=](int64_t i, int64_t from) { y[i] = x[from]; });
}

void run_pad_gradient(const Node& node, const Word* dy, Word* dx) {
  auto* sums = reinterpret_cast<float*>(dx);
  auto* gradient = reinterpret_cast<const float*>(dy);
  std::fill_n(sums, count(node.outputs[0]->dims), 0.0f);
  each_padded(node, node.outputs[0]->dims, node.inputs[0]->dims,
              [=](int64_t i, int64_t from) {
                if (from >= 0) sums[from] += gradient[i];
              });
}

void run_one_hot(const Node& node, const Word* indices, Word* y) {
  const Value& out = *node.outputs[0];
  auto word = [&](double number) {
    return is_float(out.type) ? std::bit_cast<Word>(static_cast<float>(number))
                              : static_cast<Word>(static_cast<int32_t>(number));
  };
  const Word on = word(node.real), off = word(node.more_real);
  int64_t axis = node.numbers[0], depth = out.dims[axis];
  int64_t inner = count(Dims(out.dims.begin() + axis + 1, out.dims.end()));
  int64_t size = count(node.inputs[0]->dims);
  std::fill_n(y, count(out.dims), off);
  for (int64_t i = 0; i < size; ++i) {
    int64_t index = static_cast<int32_t>(indices[i]);
    if (index < 0 || index >= depth) continue;
    y[(i / inner * depth + index) * inner + i % inner] = on;
  }
}

}  // namespace

void run_shape(const Node& node, Operands operands) {
  const Dims& dims = node.outputs[0]->dims;
  const Word* x = operands.in[0];
  Word* y = operands.out[0];
  switch (node.op) {
    case Op::transpose:
      return strided_copy(
          dims, x, rearranged(strides_of(node.inputs[0]->dims), node.numbers),
          y, strides_of(dims));
    case Op::broadcast:
      return strided_copy(dims, x,
                          broadcast_strides(node.inputs[0]->dims, dims), y,
                          strides_of(dims));
    case Op::slice:
      return run_slice(node, x, y);
    case Op::concat:
      return run_concat(node, operands);
    case Op::reverse:
      return run_reverse(node, x, y);
    case Op::pad:
      return run_pad(node, x, y);
    case Op::pad_gradient:
      return run_pad_gradient(node, x, y);
    case Op::one_hot:
      return run_one_hot(node, x, y);
    default:
      fail(node.name, "stand-in: not written");
  }
}

}  // namespace standin
