#include "operations.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "text.h"

namespace birbs {
namespace {

constexpr int64_t max_elements = std::numeric_limits<int32_t>::max();

using Dimensions = std::vector<int64_t>;

std::string to_text(const Dimensions& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    text += (i ? ", " : "") + std::to_string(shape[i]);
  }
  return text + "]";
}

// Checks the inputs of one operation and works out what leaves it.
class Checker {
 public:
  Checker(const Operation& operation, const std::vector<TensorView>& inputs)
      : operation_(operation),
        inputs_(inputs),
        entry_(op_type(operation.kind)) {}

  std::vector<Dimensions> shapes() const {
    try {
      check_inputs();
      auto outputs = infer();
      for (const Dimensions& output : outputs) check_size(output, "an output");
      return outputs;
    } catch (const Error& error) {
      throw Error("[" + std::string(entry_.name) + "] " + error.what());
    }
  }

 private:
  [[noreturn]] void refuse(const std::string& text) const { throw Error(text); }

  const Dimensions& shape(size_t index) const { return inputs_[index].shape; }

  void check_size(const Dimensions& shape, const std::string& what) const {
    int64_t size = 1;
    for (int64_t side : shape) {
      if (side < 1 || side > max_elements / size) {
        refuse("expected " + what + " of 1 to 2^31 - 1 elements, found shape " +
               to_text(shape) + ".");
      }
      size *= side;
    }
  }

  void check_inputs() const {
    if (inputs_.size() < entry_.least_inputs ||
        inputs_.size() > entry_.most_inputs) {
      std::string expected = std::to_string(entry_.least_inputs);
      if (entry_.most_inputs > entry_.least_inputs) {
        expected += " or " + std::to_string(entry_.most_inputs);
      }
      refuse("expected " + expected + " inputs, found " +
             std::to_string(inputs_.size()) + ".");
    }
    for (size_t i = 0; i < inputs_.size(); ++i) {
      std::string what = "input " + std::to_string(i + 1);
      check_size(shape(i), what);
      if (!inputs_[i].values) refuse("expected " + what + ", found no values.");
    }
  }

  void check_rank(size_t index, size_t rank) const {
    if (shape(index).size() == rank) return;
    refuse("expected input " + std::to_string(index + 1) + " with " +
           std::to_string(rank) + " dimensions, found shape " +
           to_text(shape(index)) + ".");
  }

  void check_shape(size_t index, const Dimensions& expected) const {
    if (shape(index) == expected) return;
    refuse("expected input " + std::to_string(index + 1) + " of shape " +
           to_text(expected) + ", found " + to_text(shape(index)) + ".");
  }

  // What leaves the layer of this name, of images [N, C, H, W].
  Dimensions layer_output(const Layer& layer, const Dimensions& in) const {
    if (std::max(in[2], in[3]) > std::numeric_limits<int>::max() - 131070) {
      refuse("expected a smaller image, found shape " + to_text(in) + ".");
    }
    const Shape image{static_cast<int>(in[1]), static_cast<int>(in[2]),
                      static_cast<int>(in[3])};
    const Shape out = output_shape(layer, {image});
    return {in[0], out.channels, out.height, out.width};
  }

  Dimensions convolve(const Dimensions& x, const Dimensions& weight) const {
    check_groups(operation_.groups, x[1], weight[0]);
    const Window& window = operation_.window;
    Dimensions expected{weight[0], x[1] / operation_.groups,
                        window.kernel_height, window.kernel_width};
    if (weight != expected) {
      refuse("expected a weight of shape " + to_text(expected) + ", found " +
             to_text(weight) + ".");
    }
    Layer layer = operation_;
    layer.kind = OpKind::conv2d;
    layer.out_features = static_cast<int>(weight[0]);
    return layer_output(layer, x);
  }

  std::vector<Dimensions> conv2d() const {
    check_rank(0, 4);
    check_rank(1, 4);
    Dimensions y = convolve(shape(0), shape(1));
    if (inputs_.size() == 3) check_shape(2, {y[1]});
    return {y};
  }

  std::vector<Dimensions> conv2d_input_gradient() const {
    check_rank(0, 4);
    check_rank(1, 4);
    const Dimensions& weight = shape(1);
    if (operation_.input_height < 1 || operation_.input_width < 1) {
      refuse("expected an input height and width of at least 1, found " +
             std::to_string(operation_.input_height) + " x " +
             std::to_string(operation_.input_width) + ".");
    }
    if (operation_.groups < 1 || weight[1] > max_elements / operation_.groups) {
      refuse("expected groups of at least 1, found " +
             std::to_string(operation_.groups) + ".");
    }
    Dimensions x{shape(0)[0], weight[1] * operation_.groups,
                 operation_.input_height, operation_.input_width};
    check_size(x, "an output");
    check_shape(0, convolve(x, weight));
    return {x};
  }

  std::vector<Dimensions> conv2d_weight_gradient() const {
    check_rank(0, 4);
    check_rank(1, 4);
    const Dimensions& x = shape(1);
    const int groups = operation_.groups;
    Dimensions weight{shape(0)[1], groups < 1 ? 0 : x[1] / groups,
                      operation_.window.kernel_height,
                      operation_.window.kernel_width};
    check_shape(0, convolve(x, weight));
    return {weight, {weight[0]}};
  }

  std::vector<Dimensions> pool(bool gradient) const {
    const size_t x = gradient ? 1 : 0;
    check_rank(x, 4);
    Layer layer = operation_;
    layer.kind = OpKind::max_pool2d;
    Dimensions y = layer_output(layer, shape(x));
    if (!gradient) return {y};
    check_shape(0, y);
    return {shape(1)};
  }

  std::vector<Dimensions> global_pool(bool gradient) const {
    const size_t x = gradient ? 1 : 0;
    check_rank(x, 4);
    Dimensions y{shape(x)[0], shape(x)[1], 1, 1};
    if (!gradient) return {y};
    check_shape(0, y);
    return {shape(1)};
  }

  std::vector<Dimensions> dense() const {
    check_rank(0, 2);
    check_rank(1, 2);
    const int64_t count = shape(0)[0], out = shape(1)[0];
    check_shape(1, {out, shape(0)[1]});
    if (inputs_.size() == 3) check_shape(2, {out});
    return {{count, out}};
  }

  std::vector<Dimensions> dense_input_gradient() const {
    check_rank(0, 2);
    check_rank(1, 2);
    check_shape(0, {shape(0)[0], shape(1)[0]});
    return {{shape(0)[0], shape(1)[1]}};
  }

  std::vector<Dimensions> dense_weight_gradient() const {
    check_rank(0, 2);
    check_rank(1, 2);
    check_shape(0, {shape(1)[0], shape(0)[1]});
    return {{shape(0)[1], shape(1)[1]}, {shape(0)[1]}};
  }

  std::vector<Dimensions> cross_entropy(bool gradient) const {
    check_rank(0, 2);
    check_shape(1, {shape(0)[0]});
    const int64_t classes = shape(0)[1];
    const float smoothing = operation_.label_smoothing;
    if (!(smoothing >= 0 && smoothing <= 1)) {
      refuse("expected a label smoothing of 0 to 1, found " +
             number_text(smoothing) + ".");
    }
    const auto& weights = operation_.class_weights;
    if (!weights.empty() && static_cast<int64_t>(weights.size()) != classes) {
      refuse("expected " + std::to_string(classes) + " class weights, found " +
             std::to_string(weights.size()) + ".");
    }
    for (float weight : weights) {
      if (weight > 0 && std::isfinite(weight)) continue;
      refuse("expected finite class weights above 0, found " +
             number_text(weight) + ".");
    }
    if (gradient) return {shape(0)};
    return {{1}};
  }

  void check_norm(const Dimensions& x) const {
    Layer layer = operation_;
    layer.kind = OpKind::batch_norm2d;
    layer_output(layer, x);
  }

  std::vector<Dimensions> batch_norm() const {
    check_rank(0, 4);
    check_norm(shape(0));
    const Dimensions channels{shape(0)[1]};
    for (size_t i = 1; i < inputs_.size(); ++i) check_shape(i, channels);
    if (operation_.kind == OpKind::batch_norm2d_inference) {
      return {shape(0)};
    }
    return {shape(0), channels, channels};
  }

  std::vector<Dimensions> batch_norm_gradient() const {
    check_rank(1, 4);
    check_norm(shape(1));
    check_shape(0, shape(1));
    const Dimensions channels{shape(1)[1]};
    check_shape(2, channels);
    return {shape(1), channels, channels};
  }

  std::vector<Dimensions> same() const {
    if (inputs_.size() == 2) check_shape(0, shape(1));
    return {shape(0)};
  }

  std::vector<Dimensions> dropout() const {
    Layer layer = operation_;
    layer.kind = OpKind::dropout;
    output_shape(layer, {Shape{}});
    return {shape(0)};
  }

  std::vector<Dimensions> infer() const {
    switch (operation_.kind) {
      case OpKind::conv2d:
        return conv2d();
      case OpKind::conv2d_input_gradient:
        return conv2d_input_gradient();
      case OpKind::conv2d_weight_gradient:
        return conv2d_weight_gradient();
      case OpKind::max_pool2d:
      case OpKind::avg_pool2d:
        return pool(false);
      case OpKind::max_pool2d_gradient:
      case OpKind::avg_pool2d_gradient:
        return pool(true);
      case OpKind::global_avg_pool2d:
        return global_pool(false);
      case OpKind::global_avg_pool2d_gradient:
        return global_pool(true);
      case OpKind::dense:
        return dense();
      case OpKind::dense_input_gradient:
        return dense_input_gradient();
      case OpKind::dense_weight_gradient:
        return dense_weight_gradient();
      case OpKind::relu:
      case OpKind::relu_gradient:
      case OpKind::relu6:
      case OpKind::relu6_gradient:
      case OpKind::add:
        return same();
      case OpKind::softmax:
        check_rank(0, 2);
        return {shape(0)};
      case OpKind::cross_entropy:
        return cross_entropy(false);
      case OpKind::cross_entropy_gradient:
        return cross_entropy(true);
      case OpKind::batch_norm2d:
      case OpKind::batch_norm2d_inference:
        return batch_norm();
      case OpKind::batch_norm2d_gradient:
        return batch_norm_gradient();
      case OpKind::dropout:
      case OpKind::dropout_gradient:
        return dropout();
      case OpKind::flatten:
        break;
    }
    refuse("this layer is no operation of its own.");
  }

  const Operation& operation_;
  const std::vector<TensorView>& inputs_;
  const OpType& entry_;
};

}  // namespace

int64_t TensorView::size() const {
  int64_t size = 1;
  for (int64_t side : shape) size *= side;
  return size;
}

std::vector<std::vector<int64_t>> operation_shapes(
    const Operation& operation, const std::vector<TensorView>& inputs) {
  return Checker(operation, inputs).shapes();
}

std::vector<int32_t> read_labels(const TensorView& labels, int64_t classes) {
  std::vector<int32_t> result(labels.size());
  for (size_t i = 0; i < result.size(); ++i) {
    float label = labels.values[i];
    if (!(label >= 0 && label < classes) || label != std::floor(label)) {
      throw Error("[crossEntropy] expected labels of 0 to " +
                  std::to_string(classes - 1) + ", found " +
                  number_text(label) + ".");
    }
    result[i] = static_cast<int32_t>(label);
  }
  return result;
}

const char* operation_name(OpKind kind) { return op_type(kind).name; }

OpKind operation_kind(const std::string& name) {
  const OpType* type = find_op(name);
  if (type && type->most_inputs > 0) return type->kind;
  throw Error("operation: expected a name such as conv2d, found \"" + name +
              "\".");
}

}  // namespace birbs
