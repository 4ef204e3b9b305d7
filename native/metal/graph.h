#pragma once

// Objective-C++ only: what the other .mm files build graphs with.
#import <MetalPerformanceShadersGraph/MetalPerformanceShadersGraph.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "network.h"

namespace birbs::metal {

using Dims = std::vector<int64_t>;

// Owns one reference. No ARC: GNUstep, on which tests run this, has none.
template <typename T>
class Owned {
 public:
  Owned() = default;
  explicit Owned(T retained) : object_(retained) {}  // takes the reference
  Owned(Owned&& other) noexcept : object_(std::exchange(other.object_, nil)) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Owned() { [object_ release]; }
  static Owned retain(T object) { return Owned([object retain]); }
  T get() const { return object_; }
  explicit operator bool() const { return object_ != nil; }

 private:
  T object_ = nil;
};

// A tensor of the graph with the shape we know: MPSGraphTensor's own may be
// missing at build time.
struct Value {
  MPSGraphTensor* tensor = nil;
  Dims shape;
  MPSDataType type = MPSDataTypeFloat32;
  int64_t size() const;
};

MPSShape* mps_shape(const Dims& dims);
NSArray<NSNumber*>* mps_axes(std::initializer_list<int> axes);
size_t bytes_of(const Dims& dims, MPSDataType type);

// Builds one MPSGraph. Shapes are checked by plan_network and operation_shapes
// before; an operation that does not fit all the same is recorded in
// `mismatch()` and never reaches MPSGraph, which would end the process.
class Graph {
 public:
  Graph();
  MPSGraph* get() const { return graph_.get(); }
  // Empty, or what did not fit.
  const std::string& mismatch() const { return mismatch_; }
  // Of the operations added from now on: Apple's assertions and Instruments
  // show it.
  void set_name(const std::string& name);

  Value placeholder(const Dims& shape, MPSDataType type);
  Value variable(const float* values, const Dims& shape);
  Value constant(double value, MPSDataType type = MPSDataTypeFloat32);
  Value constants(const std::vector<float>& values, const Dims& shape);
  Value read(const Value& variable);
  MPSGraphOperation* assign(const Value& variable, const Value& value);

  // Elementwise, NumPy broadcasting.
  Value add(const Value& a, const Value& b);
  Value sub(const Value& a, const Value& b);
  Value mul(const Value& a, const Value& b);
  Value div(const Value& a, const Value& b);
  Value minimum(const Value& a, const Value& b);
  Value maximum(const Value& a, const Value& b);
  // NaN if one of them is; the two above may drop it.
  Value nan_minimum(const Value& a, const Value& b);
  Value nan_maximum(const Value& a, const Value& b);
  Value equal(const Value& a, const Value& b);
  Value greater(const Value& a, const Value& b);
  Value greater_equal(const Value& a, const Value& b);
  Value select(const Value& predicate, const Value& yes, const Value& no);
  Value exp(const Value& x);
  Value log(const Value& x);
  Value sqrt(const Value& x);
  Value square(const Value& x);
  Value floor(const Value& x);
  Value is_finite(const Value& x);
  Value is_nan(const Value& x);
  // As PyTorch's with NaN, which MPSGraph's own ReLU makes 0.
  Value relu(const Value& x);
  Value relu_gradient(const Value& dy, const Value& x);
  Value relu6(const Value& x);
  Value relu6_gradient(const Value& dy, const Value& x);
  Value scale(const Value& x, double factor);    // x * factor
  Value offset(const Value& x, double summand);  // x + summand

  Value cast(const Value& x, MPSDataType type);
  Value reshape(const Value& x, const Dims& shape);
  Value transpose(const Value& x, int a, int b);
  Value reverse(const Value& x, int axis);
  Value slice(const Value& x, int axis, int64_t start, int64_t length);
  Value concat(const std::vector<Value>& parts, int axis);
  Value one_hot(const Value& labels, int64_t classes);
  // Reduced axes stay with size 1.
  Value sum(const Value& x, std::initializer_list<int> axes);
  Value max(const Value& x, int axis);
  Value arg_max(const Value& x, int axis);
  Value matmul(const Value& a, const Value& b);

  // Whether convolutions with a group a channel are MPSGraph's depthwise
  // operations. Which is faster, and right, differs by Mac and macOS.
  void set_depthwise(bool depthwise) { depthwise_ = depthwise; }

  // NHWC and HWIO.
  Value conv2d(const Value& x, const Value& w, const Window& window,
               int groups);
  Value conv2d_input_gradient(const Value& dy, const Value& w,
                              const Dims& x_shape, const Window& window,
                              int groups);
  Value conv2d_weight_gradient(const Value& dy, const Value& x,
                               const Dims& w_shape, const Window& window,
                               int groups);
  Value max_pool2d(const Value& x, const Window& window);
  Value max_pool2d_gradient(const Value& dy, const Value& x,
                            const Window& window);
  Value avg_pool2d(const Value& x, const Window& window, bool count_pad);
  Value avg_pool2d_gradient(const Value& dy, const Value& x,
                            const Window& window, bool count_pad);

 private:
  using Binary = MPSGraphTensor* (^)(MPSGraphTensor*, MPSGraphTensor*);
  Value binary(const char* name, const Value& a, const Value& b,
               MPSDataType type, Binary build);
  Value refuse(const char* name, const Value& like);
  Value result(MPSGraphTensor* tensor, Dims shape, MPSDataType type);
  // HWIO weights of a convolution that takes the depthwise operations.
  bool is_depthwise(const Dims& weights, int groups) const;
  Value pad(const Value& x, const Window& window);

  Owned<MPSGraph*> graph_;
  Owned<NSString*> name_;
  std::string mismatch_;
  bool depthwise_ = false;
};

}  // namespace birbs::metal
