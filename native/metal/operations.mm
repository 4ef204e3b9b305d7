#include <cstring>

#include "engine.h"
#include "formulas.h"
#include "objects.h"
#include "philox.h"

namespace birbs::metal {

namespace {

using Kind = OpKind;

// How a tensor of the public API is laid out on the device.
enum class Layout { plain, image, weight };

Layout input_layout(Kind kind, size_t index, size_t rank) {
  if (rank != 4 || kind == Kind::dropout || kind == Kind::dropout_gradient) {
    return Layout::plain;
  }
  const bool weight = index == 1 && (kind == Kind::conv2d ||
                                     kind == Kind::conv2d_input_gradient);
  return weight ? Layout::weight : Layout::image;
}

Layout output_layout(Kind kind, size_t index, size_t rank) {
  if (kind == Kind::conv2d_weight_gradient && index == 0) return Layout::weight;
  return input_layout(kind, SIZE_MAX, rank);
}

// image: N, C, H, W outside and N, H, W, C inside; weight: O, I, H, W outside
// and H, W, I, O inside.
Dims inside_shape(const Dims& s, Layout layout) {
  if (layout == Layout::image) return {s[0], s[2], s[3], s[1]};
  if (layout == Layout::weight) return {s[2], s[3], s[1], s[0]};
  return s;
}

// Copies between the two orders; `shape` is the outside one.
void permute(const Dims& s, Layout layout, const float* outside, float* inside,
             float* back) {
  const int64_t image = s[2] * s[3];
  for (int64_t a = 0, i = 0; a < s[0]; ++a) {
    for (int64_t b = 0; b < s[1]; ++b) {
      for (int64_t p = 0; p < image; ++p, ++i) {
        const int64_t j = layout == Layout::image ? (a * image + p) * s[1] + b
                                                  : (p * s[1] + b) * s[0] + a;
        if (back != nullptr) {
          back[i] = inside[j];
        } else {
          inside[j] = outside[i];
        }
      }
    }
  }
}

// Feeds of one operation: the caller's tensors, then what the kind adds.
class SingleOperation {
 public:
  SingleOperation(const Operation& operation,
                  const std::vector<TensorView>& inputs)
      : operation_(operation), inputs_(inputs) {}

  std::vector<Value> build();
  std::string feed(std::vector<Storage>* storages) const;
  const Graph& graph() const { return g_; }
  const std::vector<Value>& feeds() const { return feeds_; }

 private:
  Value labels() { return g_.cast(feeds_[1], MPSDataTypeInt32); }
  Value ones(const Dims& shape) {
    return g_.constants(
        std::vector<float>(static_cast<size_t>(Value{nil, shape}.size()), 1.0f),
        shape);
  }
  Value with_bias(const Value& y) {
    return feeds_.size() == 3 ? g_.add(y, feeds_[2]) : y;
  }
  Value flat(const Value& x) { return g_.reshape(x, {x.size()}); }
  std::vector<Value> build_norm();

  const Operation& operation_;
  const std::vector<TensorView>& inputs_;
  Graph g_;
  std::vector<Value> feeds_;
};

std::vector<Value> SingleOperation::build_norm() {
  const bool gradient = operation_.kind == Kind::batch_norm2d_gradient;
  const Value& x = feeds_[gradient ? 1 : 0];
  const double elements =
      static_cast<double>(x.shape[0] * x.shape[1] * x.shape[2]);
  const Value n = g_.constants({static_cast<float>(elements)}, {1});
  const Value rows = ones({x.shape[0], 1, 1, 1});
  const Normalized batch = normalize(g_, x, rows, n, operation_.epsilon);
  if (gradient) {
    const NormalizeGradient result = normalize_gradient(
        g_, feeds_[0], batch.inverse, batch.normalized, feeds_[2], rows, n);
    return {result.dx, flat(result.dweight), flat(result.dbias)};
  }
  const Value y = g_.add(g_.mul(batch.normalized, feeds_[1]), feeds_[2]);
  return {y, flat(batch.mean), flat(batch.variance)};
}

std::vector<Value> SingleOperation::build() {
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const Dims& shape = inputs_[i].shape;
    const Layout layout = input_layout(operation_.kind, i, shape.size());
    feeds_.push_back(
        g_.placeholder(inside_shape(shape, layout), MPSDataTypeFloat32));
  }
  const Operation& o = operation_;
  const Window& window = o.window;
  const auto feed = [&](size_t i) -> const Value& { return feeds_[i]; };
  switch (o.kind) {
    case Kind::conv2d:
      return {with_bias(g_.conv2d(feed(0), feed(1), window, o.groups))};
    case Kind::conv2d_input_gradient: {
      const Dims x{feed(0).shape[0], o.input_height, o.input_width,
                   feed(1).shape[2] * o.groups};
      return {g_.conv2d_input_gradient(feed(0), feed(1), x, window, o.groups)};
    }
    case Kind::conv2d_weight_gradient: {
      const Dims weight{window.kernel_height, window.kernel_width,
                        feed(1).shape[3] / o.groups, feed(0).shape[3]};
      return {
          g_.conv2d_weight_gradient(feed(0), feed(1), weight, window, o.groups),
          flat(g_.sum(feed(0), {0, 1, 2}))};
    }
    case Kind::max_pool2d:
      return {nan_max_pool(g_, feed(0), window)};
    case Kind::max_pool2d_gradient:
      return {nan_max_pool_gradient(g_, feed(0), feed(1), window)};
    case Kind::avg_pool2d:
      return {g_.avg_pool2d(feed(0), window, o.count_include_pad)};
    case Kind::avg_pool2d_gradient:
      return {g_.avg_pool2d_gradient(feed(0), feed(1), window,
                                     o.count_include_pad)};
    case Kind::global_avg_pool2d:
      return {global_avg_pool(g_, feed(0))};
    case Kind::global_avg_pool2d_gradient:
      return {global_avg_pool_gradient(g_, feed(0), feed(1).shape)};
    case Kind::dense:
      return {with_bias(g_.matmul(feed(0), g_.transpose(feed(1), 0, 1)))};
    case Kind::dense_input_gradient:
      return {g_.matmul(feed(0), feed(1))};
    case Kind::dense_weight_gradient:
      return {g_.matmul(g_.transpose(feed(0), 0, 1), feed(1)),
              flat(g_.sum(feed(0), {0}))};
    case Kind::relu:
      return {g_.relu(feed(0))};
    case Kind::relu_gradient:
      return {g_.relu_gradient(feed(0), feed(1))};
    case Kind::relu6:
      return {g_.relu6(feed(0))};
    case Kind::relu6_gradient:
      return {g_.relu6_gradient(feed(0), feed(1))};
    case Kind::add:
      return {g_.add(feed(0), feed(1))};
    case Kind::flatten:
      break;
    case Kind::softmax:
      return {softmax(g_, feed(0))};
    case Kind::cross_entropy:
    case Kind::cross_entropy_gradient: {
      const CrossEntropy result =
          cross_entropy(g_, feed(0), labels(), ones({feed(0).shape[0]}),
                        o.class_weights, o.label_smoothing);
      return {o.kind == Kind::cross_entropy ? result.loss : result.gradient};
    }
    case Kind::batch_norm2d:
    case Kind::batch_norm2d_gradient:
      return build_norm();
    case Kind::batch_norm2d_inference:
      return {normalize_with(g_, feed(0), feed(3), feed(4), feed(1), feed(2),
                             o.epsilon)};
    case Kind::dropout:
    case Kind::dropout_gradient: {
      feeds_.push_back(g_.placeholder(feed(0).shape, MPSDataTypeUInt8));
      const Value mask = g_.cast(feeds_.back(), MPSDataTypeFloat32);
      return {g_.mul(feed(0), g_.scale(mask, 1 / (1 - o.rate)))};
    }
  }
  return {};
}

std::string SingleOperation::feed(std::vector<Storage>* storages) const {
  *storages = std::vector<Storage>(feeds_.size());
  for (size_t i = 0; i < feeds_.size(); ++i) {
    Storage& storage = (*storages)[i];
    if (!storage.allocate(feeds_[i])) {
      return "Metal: not enough memory for the operation; use smaller tensors";
    }
    if (i >= inputs_.size()) {  // the mask of dropout
      const auto words =
          philox_words(operation_.seed, dropout_stream + operation_.stream,
                       operation_.step, static_cast<size_t>(feeds_[i].size()));
      auto* mask = static_cast<uint8_t*>(storage.bytes());
      for (size_t w = 0; w < words.size(); ++w) {
        mask[w] = dropout_keeps(words[w], operation_.rate) ? 1 : 0;
      }
      continue;
    }
    const TensorView& input = inputs_[i];
    auto* target = static_cast<float*>(storage.bytes());
    const Layout layout = input_layout(operation_.kind, i, input.shape.size());
    if (layout == Layout::plain) {
      std::memcpy(target, input.values, storage.size());
    } else {
      permute(input.shape, layout, input.values, target, nullptr);
    }
  }
  return "";
}

void read_output(Kind kind, size_t index, const Storage& storage,
                 Tensor* output) {
  auto* source = static_cast<float*>(storage.bytes());
  output->values.resize(storage.size() / sizeof(float));
  const Layout layout = output_layout(kind, index, output->shape.size());
  if (layout == Layout::plain) {
    std::memcpy(output->values.data(), source, storage.size());
  } else {
    permute(output->shape, layout, nullptr, source, output->values.data());
  }
}

}  // namespace

std::string run_on_device(const Operation& operation,
                          const std::vector<TensorView>& inputs,
                          std::vector<Tensor>* outputs) noexcept {
  return attempt([&]() -> std::string {
    @autoreleasepool {
      const Owned<id<MTLCommandQueue>> queue(new_queue());
      if (!queue) return no_queue;
      SingleOperation single(operation, inputs);
      const std::vector<Value> targets = single.build();
      Executable executable;
      std::string failed =
          executable.compile(single.graph(), single.feeds(), targets, nil);
      if (!failed.empty()) return failed;
      std::vector<Storage> sources, results(targets.size());
      failed = single.feed(&sources);
      if (!failed.empty()) return failed;
      std::vector<const Storage*> source_list, result_list;
      for (const Storage& source : sources) source_list.push_back(&source);
      for (size_t i = 0; i < targets.size(); ++i) {
        if (!results[i].allocate(targets[i])) {
          return "Metal: not enough memory for the operation; use smaller "
                 "tensors";
        }
        result_list.push_back(&results[i]);
      }
      const auto feeds = executable.arrange_feeds(source_list);
      const auto arranged = executable.arrange_results(result_list);
      failed = run(queue.get(), executable, feeds.get(), arranged.get());
      if (!failed.empty()) return failed;
      for (size_t i = 0; i < targets.size(); ++i) {
        read_output(operation.kind, i, results[i], &(*outputs)[i]);
      }
    }
    return "";
  });
}

}  // namespace birbs::metal
