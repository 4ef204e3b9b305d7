#include "run_operation.h"

#include "activation.h"
#include "batch_norm.h"
#include "convolution.h"
#include "dense.h"
#include "loss.h"
#include "philox.h"
#include "pooling.h"

namespace birbs::portable {
namespace {

// The operation, its checked inputs and its outputs, ready to be filled.
class Run {
 public:
  Run(const Operation& operation, const std::vector<TensorView>& inputs)
      : operation_(operation), inputs_(inputs) {
    for (auto& shape : operation_shapes(operation, inputs)) {
      size_t size = TensorView{shape}.size();
      outputs_.push_back({std::move(shape), std::vector<float>(size)});
    }
  }

  std::vector<Tensor> outputs() {
    fill();
    return std::move(outputs_);
  }

 private:
  const float* in(size_t index) const {
    return index < inputs_.size() ? inputs_[index].values : nullptr;
  }
  float* out(size_t index) { return outputs_[index].values.data(); }
  const std::vector<int64_t>& in_shape(size_t index) const {
    return inputs_[index].shape;
  }
  const std::vector<int64_t>& out_shape(size_t index) const {
    return outputs_[index].shape;
  }

  static Shape image(const std::vector<int64_t>& shape) {
    return {static_cast<int>(shape[1]), static_cast<int>(shape[2]),
            static_cast<int>(shape[3])};
  }
  static int count(const std::vector<int64_t>& shape) {
    return static_cast<int>(shape[0]);
  }

  Convolution convolution(const std::vector<int64_t>& x,
                          const std::vector<int64_t>& y) const {
    return {count(x), image(x), image(y), operation_.window, operation_.groups};
  }
  Pooling pooling(const std::vector<int64_t>& x,
                  const std::vector<int64_t>& y) const {
    return {count(x), image(x), image(y), operation_.window,
            operation_.count_include_pad};
  }
  BatchNorm norm(const std::vector<int64_t>& x) const {
    return {count(x), image(x), operation_.epsilon};
  }

  void run_cross_entropy(bool gradient) {
    const auto& shape = in_shape(0);
    auto labels = read_labels(inputs_[1], shape[1]);
    Loss loss =
        cross_entropy(in(0), labels.data(), count(shape),
                      static_cast<int>(shape[1]), operation_.class_weights,
                      operation_.label_smoothing, gradient ? out(0) : nullptr);
    if (!gradient) out(0)[0] = static_cast<float>(loss.value);
  }

  void run_batch_norm() {
    BatchNorm size = norm(in_shape(0));
    batch_statistics(threads_, size, in(0), out(1), out(2));
    batch_norm(threads_, size, in(0), out(1), out(2), in(1), in(2), out(0));
  }

  void run_batch_norm_gradient() {
    BatchNorm size = norm(in_shape(1));
    std::vector<float> mean(size.shape.channels), variance(mean.size());
    batch_statistics(threads_, size, in(1), mean.data(), variance.data());
    batch_norm_gradient(threads_, size, in(0), in(1), mean.data(),
                        variance.data(), in(2), out(0), out(1), out(2));
  }

  void run_dropout() {
    dropout(threads_,
            {operation_.rate, operation_.seed,
             dropout_stream + operation_.stream, operation_.step},
            inputs_[0].size(), in(0), out(0));
  }

  void fill() {
    switch (operation_.kind) {
      case OpKind::conv2d:
        return convolve(threads_, convolution(in_shape(0), out_shape(0)), in(0),
                        in(1), in(2), out(0));
      case OpKind::conv2d_input_gradient:
        return convolve_input_gradient(threads_,
                                       convolution(out_shape(0), in_shape(0)),
                                       in(0), in(1), out(0));
      case OpKind::conv2d_weight_gradient:
        return convolve_weight_gradient(threads_,
                                        convolution(in_shape(1), in_shape(0)),
                                        in(0), in(1), out(0), out(1));
      case OpKind::max_pool2d:
        return max_pool(threads_, pooling(in_shape(0), out_shape(0)), in(0),
                        out(0));
      case OpKind::max_pool2d_gradient:
        return max_pool_gradient(threads_, pooling(in_shape(1), in_shape(0)),
                                 in(0), in(1), out(0));
      case OpKind::avg_pool2d:
        return avg_pool(threads_, pooling(in_shape(0), out_shape(0)), in(0),
                        out(0));
      case OpKind::avg_pool2d_gradient:
        return avg_pool_gradient(threads_, pooling(in_shape(1), in_shape(0)),
                                 in(0), out(0));
      case OpKind::global_avg_pool2d:
        return global_avg_pool(threads_, count(in_shape(0)), image(in_shape(0)),
                               in(0), out(0));
      case OpKind::global_avg_pool2d_gradient:
        return global_avg_pool_gradient(threads_, count(in_shape(1)),
                                        image(in_shape(1)), in(0), out(0));
      case OpKind::dense:
        return dense(threads_, {in_shape(0)[0], in_shape(0)[1], in_shape(1)[0]},
                     in(0), in(1), in(2), out(0));
      case OpKind::dense_input_gradient:
        return dense_input_gradient(
            threads_, {in_shape(0)[0], in_shape(1)[1], in_shape(1)[0]}, in(0),
            in(1), out(0));
      case OpKind::dense_weight_gradient:
        return dense_weight_gradient(
            threads_, {in_shape(0)[0], in_shape(1)[1], in_shape(0)[1]}, in(0),
            in(1), out(0), out(1));
      case OpKind::relu:
        return relu(threads_, inputs_[0].size(), in(0), out(0));
      case OpKind::relu_gradient:
        return relu_gradient(threads_, inputs_[0].size(), in(0), in(1), out(0));
      case OpKind::relu6:
        return relu6(threads_, inputs_[0].size(), in(0), out(0));
      case OpKind::relu6_gradient:
        return relu6_gradient(threads_, inputs_[0].size(), in(0), in(1),
                              out(0));
      case OpKind::add:
        return add(threads_, inputs_[0].size(), in(0), in(1), out(0));
      case OpKind::softmax:
        return softmax(in(0), count(in_shape(0)),
                       static_cast<int>(in_shape(0)[1]), out(0));
      case OpKind::cross_entropy:
        return run_cross_entropy(false);
      case OpKind::cross_entropy_gradient:
        return run_cross_entropy(true);
      case OpKind::batch_norm2d:
        return run_batch_norm();
      case OpKind::batch_norm2d_inference:
        return batch_norm(threads_, norm(in_shape(0)), in(0), in(3), in(4),
                          in(1), in(2), out(0));
      case OpKind::batch_norm2d_gradient:
        return run_batch_norm_gradient();
      case OpKind::dropout:
      case OpKind::dropout_gradient:
        return run_dropout();
      case OpKind::flatten:
        return;
    }
  }

  const Operation& operation_;
  const std::vector<TensorView>& inputs_;
  std::vector<Tensor> outputs_;
  Threads threads_{1};
};

}  // namespace

std::vector<Tensor> run_operation(const Operation& operation,
                                  const std::vector<TensorView>& inputs) {
  return Run(operation, inputs).outputs();
}

}  // namespace birbs::portable
