#include "graph.h"

#include <algorithm>

namespace birbs::metal {

namespace {

// NumPy's rule; false if the shapes do not fit.
bool broadcast(const Dims& a, const Dims& b, Dims* out) {
  out->assign(std::max(a.size(), b.size()), 1);
  for (size_t i = 0; i < out->size(); ++i) {
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1) return false;
    (*out)[out->size() - 1 - i] = std::max(x, y);
  }
  return true;
}

MPSGraphConvolution2DOpDescriptor* convolution(const Window& window,
                                               int groups) {
  return [MPSGraphConvolution2DOpDescriptor
      descriptorWithStrideInX:window.stride_width
                    strideInY:window.stride_height
              dilationRateInX:window.dilation_width
              dilationRateInY:window.dilation_height
                       groups:groups
                  paddingLeft:window.pad_left
                 paddingRight:window.pad_right
                   paddingTop:window.pad_top
                paddingBottom:window.pad_bottom
                 paddingStyle:MPSGraphPaddingStyleExplicit
                   dataLayout:MPSGraphTensorNamedDataLayoutNHWC
                weightsLayout:MPSGraphTensorNamedDataLayoutHWIO];
}

MPSGraphDepthwiseConvolution2DOpDescriptor* depthwise(const Window& window) {
  return [MPSGraphDepthwiseConvolution2DOpDescriptor
      descriptorWithStrideInX:window.stride_width
                    strideInY:window.stride_height
              dilationRateInX:window.dilation_width
              dilationRateInY:window.dilation_height
                  paddingLeft:window.pad_left
                 paddingRight:window.pad_right
                   paddingTop:window.pad_top
                paddingBottom:window.pad_bottom
                 paddingStyle:MPSGraphPaddingStyleExplicit
                   dataLayout:MPSGraphTensorNamedDataLayoutNHWC
                weightsLayout:MPSGraphTensorNamedDataLayoutHWIO];
}

// The same weights as the depthwise operations have them: the channels are the
// inputs, and O is how many filters each has. With one each the bytes are the
// same.
Dims depthwise_shape(const Dims& weights) {
  return {weights[0], weights[1], weights[3], 1};
}

MPSGraphPooling2DOpDescriptor* pooling(const Window& window, bool count_pad) {
  MPSGraphPooling2DOpDescriptor* descriptor = [MPSGraphPooling2DOpDescriptor
      descriptorWithKernelWidth:window.kernel_width
                   kernelHeight:window.kernel_height
                      strideInX:window.stride_width
                      strideInY:window.stride_height
                dilationRateInX:window.dilation_width
                dilationRateInY:window.dilation_height
                    paddingLeft:window.pad_left
                   paddingRight:window.pad_right
                     paddingTop:window.pad_top
                  paddingBottom:window.pad_bottom
                   paddingStyle:MPSGraphPaddingStyleExplicit
                     dataLayout:MPSGraphTensorNamedDataLayoutNHWC];
  descriptor.includeZeroPadToAverage = count_pad;
  return descriptor;
}

// Where a window leaves an NHWC image; empty if it does not fit.
Dims windowed(const Dims& x, const Window& window, int64_t channels) {
  const int height = output_size(static_cast<int>(x[1]), window.kernel_height,
                                 window.stride_height, window.dilation_height,
                                 window.pad_top, window.pad_bottom);
  const int width = output_size(static_cast<int>(x[2]), window.kernel_width,
                                window.stride_width, window.dilation_width,
                                window.pad_left, window.pad_right);
  if (height < 1 || width < 1) return {};
  return {x[0], height, width, channels};
}

}  // namespace

int64_t Value::size() const {
  int64_t size = 1;
  for (int64_t side : shape) size *= side;
  return size;
}

MPSShape* mps_shape(const Dims& dims) {
  NSMutableArray<NSNumber*>* shape =
      [NSMutableArray arrayWithCapacity:dims.size()];
  for (int64_t side : dims)
    [shape addObject:[NSNumber numberWithLongLong:side]];
  return shape;
}

NSArray<NSNumber*>* mps_axes(std::initializer_list<int> axes) {
  return mps_shape(Dims(axes.begin(), axes.end()));
}

size_t bytes_of(const Dims& dims, MPSDataType type) {
  size_t bytes = (type & 0xFFFF) / 8;
  for (int64_t side : dims) bytes *= static_cast<size_t>(side);
  return bytes;
}

Graph::Graph() : graph_([[MPSGraph alloc] init]) {}

void Graph::set_name(const std::string& name) {
  name_ = Owned<NSString*>([[NSString alloc] initWithUTF8String:name.c_str()]);
}

Value Graph::result(MPSGraphTensor* tensor, Dims shape, MPSDataType type) {
  if (tensor == nil && mismatch_.empty()) {
    mismatch_ = "MPSGraph refused an operation";
  }
  return {tensor, std::move(shape), type};
}

Value Graph::refuse(const char* name, const Value& like) {
  if (mismatch_.empty()) {
    mismatch_ = std::string("the operands of ") + name + " do not fit";
  }
  return like;
}

Value Graph::placeholder(const Dims& shape, MPSDataType type) {
  return result([graph_.get() placeholderWithShape:mps_shape(shape)
                                          dataType:type
                                              name:name_.get()],
                shape, type);
}

Value Graph::variable(const float* values, const Dims& shape) {
  NSData* data = [NSData dataWithBytes:values
                                length:bytes_of(shape, MPSDataTypeFloat32)];
  return result([graph_.get() variableWithData:data
                                         shape:mps_shape(shape)
                                      dataType:MPSDataTypeFloat32
                                          name:name_.get()],
                shape, MPSDataTypeFloat32);
}

Value Graph::constant(double value, MPSDataType type) {
  return result([graph_.get() constantWithScalar : value dataType : type], {},
                type);
}

Value Graph::constants(const std::vector<float>& values, const Dims& shape) {
  NSData* data = [NSData dataWithBytes:values.data()
                                length:values.size() * sizeof(float)];
  return result([graph_.get() constantWithData:data
                                         shape:mps_shape(shape)
                                      dataType:MPSDataTypeFloat32],
                shape, MPSDataTypeFloat32);
}

Value Graph::read(const Value& variable) {
  return result([graph_.get() readVariable:variable.tensor name:name_.get()],
                variable.shape, variable.type);
}

MPSGraphOperation* Graph::assign(const Value& variable, const Value& value) {
  if (variable.shape != value.shape || variable.type != value.type) {
    refuse("assign", value);
    return nil;
  }
  return [graph_.get() assignVariable:variable.tensor
                    withValueOfTensor:value.tensor
                                 name:name_.get()];
}

Value Graph::binary(const char* name, const Value& a, const Value& b,
                    MPSDataType type, Binary build) {
  Dims shape;
  if (a.type != b.type || !broadcast(a.shape, b.shape, &shape)) {
    return refuse(name, a);
  }
  return result(build(a.tensor, b.tensor), shape, type);
}

Value Graph::add(const Value& a, const Value& b) {
  return binary("add", a, b, a.type, ^(MPSGraphTensor* x, MPSGraphTensor* y) {
    return [graph_.get() additionWithPrimaryTensor:x
                                   secondaryTensor:y
                                              name:name_.get()];
  });
}

Value Graph::sub(const Value& a, const Value& b) {
  return binary("sub", a, b, a.type, ^(MPSGraphTensor* x, MPSGraphTensor* y) {
    return [graph_.get() subtractionWithPrimaryTensor:x
                                      secondaryTensor:y
                                                 name:name_.get()];
  });
}

Value Graph::mul(const Value& a, const Value& b) {
  return binary("mul", a, b, a.type, ^(MPSGraphTensor* x, MPSGraphTensor* y) {
    return [graph_.get() multiplicationWithPrimaryTensor:x
                                         secondaryTensor:y
                                                    name:name_.get()];
  });
}

Value Graph::div(const Value& a, const Value& b) {
  return binary("div", a, b, a.type, ^(MPSGraphTensor* x, MPSGraphTensor* y) {
    return [graph_.get() divisionWithPrimaryTensor:x
                                   secondaryTensor:y
                                              name:name_.get()];
  });
}

Value Graph::minimum(const Value& a, const Value& b) {
  return binary("minimum", a, b, a.type,
                ^(MPSGraphTensor* x, MPSGraphTensor* y) {
                  return [graph_.get() minimumWithPrimaryTensor:x
                                                secondaryTensor:y
                                                           name:name_.get()];
                });
}

Value Graph::maximum(const Value& a, const Value& b) {
  return binary("maximum", a, b, a.type,
                ^(MPSGraphTensor* x, MPSGraphTensor* y) {
                  return [graph_.get() maximumWithPrimaryTensor:x
                                                secondaryTensor:y
                                                           name:name_.get()];
                });
}

Value Graph::nan_minimum(const Value& a, const Value& b) {
  return binary("nan_minimum", a, b, a.type,
                ^(MPSGraphTensor* x, MPSGraphTensor* y) {
                  return [graph_.get()
                      minimumWithNaNPropagationWithPrimaryTensor:x
                                                 secondaryTensor:y
                                                            name:name_.get()];
                });
}

Value Graph::nan_maximum(const Value& a, const Value& b) {
  return binary("nan_maximum", a, b, a.type,
                ^(MPSGraphTensor* x, MPSGraphTensor* y) {
                  return [graph_.get()
                      maximumWithNaNPropagationWithPrimaryTensor:x
                                                 secondaryTensor:y
                                                            name:name_.get()];
                });
}

Value Graph::equal(const Value& a, const Value& b) {
  return binary("equal", a, b, MPSDataTypeBool,
                ^(MPSGraphTensor* x, MPSGraphTensor* y) {
                  return [graph_.get() equalWithPrimaryTensor:x
                                              secondaryTensor:y
                                                         name:name_.get()];
                });
}

Value Graph::greater(const Value& a, const Value& b) {
  return binary("greater", a, b, MPSDataTypeBool,
                ^(MPSGraphTensor* x, MPSGraphTensor* y) {
                  return
                      [graph_.get() greaterThanWithPrimaryTensor:x
                                                 secondaryTensor:y
                                                            name:name_.get()];
                });
}

Value Graph::greater_equal(const Value& a, const Value& b) {
  return binary("greater_equal", a, b, MPSDataTypeBool,
                ^(MPSGraphTensor* x, MPSGraphTensor* y) {
                  return [graph_.get()
                      greaterThanOrEqualToWithPrimaryTensor:x
                                            secondaryTensor:y
                                                       name:name_.get()];
                });
}

Value Graph::select(const Value& predicate, const Value& yes, const Value& no) {
  Dims branches, shape;
  if (predicate.type != MPSDataTypeBool || yes.type != no.type ||
      !broadcast(yes.shape, no.shape, &branches) ||
      !broadcast(predicate.shape, branches, &shape)) {
    return refuse("select", yes);
  }
  return result([graph_.get() selectWithPredicateTensor:predicate.tensor
                                    truePredicateTensor:yes.tensor
                                   falsePredicateTensor:no.tensor
                                                   name:name_.get()],
                shape, yes.type);
}

Value Graph::exp(const Value& x) {
  return result([graph_.get() exponentWithTensor:x.tensor name:name_.get()],
                x.shape, x.type);
}

Value Graph::log(const Value& x) {
  return result([graph_.get() logarithmWithTensor:x.tensor name:name_.get()],
                x.shape, x.type);
}

Value Graph::sqrt(const Value& x) {
  return result([graph_.get() squareRootWithTensor:x.tensor name:name_.get()],
                x.shape, x.type);
}

Value Graph::square(const Value& x) {
  return result([graph_.get() squareWithTensor:x.tensor name:name_.get()],
                x.shape, x.type);
}

Value Graph::floor(const Value& x) {
  return result([graph_.get() floorWithTensor:x.tensor name:name_.get()],
                x.shape, x.type);
}

Value Graph::is_finite(const Value& x) {
  return result([graph_.get() isFiniteWithTensor:x.tensor name:name_.get()],
                x.shape, MPSDataTypeBool);
}

Value Graph::is_nan(const Value& x) {
  return result([graph_.get() isNaNWithTensor:x.tensor name:name_.get()],
                x.shape, MPSDataTypeBool);
}

Value Graph::relu(const Value& x) {
  return nan_maximum(x, constant(0, x.type));
}

Value Graph::relu_gradient(const Value& dy, const Value& x) {
  if (dy.shape != x.shape || dy.type != x.type) {
    return refuse("relu_gradient", x);
  }
  const Value zero = constant(0, dy.type);
  return select(greater_equal(constant(0, x.type), x), zero, dy);
}

Value Graph::relu6(const Value& x) {
  return nan_minimum(relu(x), constant(6, x.type));
}

// NaN is not between the kinks.
Value Graph::relu6_gradient(const Value& dy, const Value& x) {
  const Value above = greater(x, constant(0, x.type));
  const Value below = greater(constant(6, x.type), x);
  const Value zero = constant(0, dy.type);
  return select(above, select(below, dy, zero), zero);
}

Value Graph::scale(const Value& x, double factor) {
  return mul(x, constant(factor, x.type));
}

Value Graph::offset(const Value& x, double summand) {
  return add(x, constant(summand, x.type));
}

Value Graph::cast(const Value& x, MPSDataType type) {
  if (x.type == type) return x;
  return result([graph_.get() castTensor:x.tensor toType:type name:name_.get()],
                x.shape, type);
}

Value Graph::reshape(const Value& x, const Dims& shape) {
  if (Value{nil, shape, x.type}.size() != x.size()) {
    return refuse("reshape", x);
  }
  if (x.shape == shape) return x;
  return result([graph_.get() reshapeTensor:x.tensor
                                  withShape:mps_shape(shape)
                                       name:name_.get()],
                shape, x.type);
}

Value Graph::transpose(const Value& x, int a, int b) {
  Dims shape = x.shape;
  std::swap(shape[a], shape[b]);
  return result([graph_.get() transposeTensor:x.tensor
                                    dimension:static_cast<NSUInteger>(a)
                                withDimension:static_cast<NSUInteger>(b)
                                         name:name_.get()],
                shape, x.type);
}

Value Graph::reverse(const Value& x, int axis) {
  return result([graph_.get() reverseTensor:x.tensor
                                       axes:mps_axes({axis})
                                       name:name_.get()],
                x.shape, x.type);
}

Value Graph::slice(const Value& x, int axis, int64_t start, int64_t length) {
  if (start < 0 || length < 1 || start + length > x.shape[axis]) {
    return refuse("slice", x);
  }
  Dims shape = x.shape;
  shape[axis] = length;
  return result([graph_.get() sliceTensor:x.tensor
                                dimension:static_cast<NSUInteger>(axis)
                                    start:static_cast<NSInteger>(start)
                                   length:static_cast<NSInteger>(length)
                                     name:name_.get()],
                shape, x.type);
}

Value Graph::concat(const std::vector<Value>& parts, int axis) {
  NSMutableArray<MPSGraphTensor*>* tensors = [NSMutableArray array];
  Dims shape = parts.front().shape;
  shape[axis] = 0;
  for (const Value& part : parts) {
    Dims rest = part.shape;
    shape[axis] += rest[axis];
    rest[axis] = parts.front().shape[axis];
    if (part.tensor == nil || rest != parts.front().shape ||
        part.type != parts.front().type) {
      return refuse("concat", parts.front());
    }
    [tensors addObject:part.tensor];
  }
  return result([graph_.get() concatTensors:tensors
                                  dimension:static_cast<NSInteger>(axis)
                                       name:name_.get()],
                shape, parts.front().type);
}

Value Graph::one_hot(const Value& labels, int64_t classes) {
  Dims shape = labels.shape;
  shape.push_back(classes);
  return result(
      [graph_.get() oneHotWithIndicesTensor:labels.tensor
                                      depth:static_cast<NSUInteger>(classes)
                                   dataType:MPSDataTypeFloat32
                                       name:name_.get()],
      shape, MPSDataTypeFloat32);
}

Value Graph::sum(const Value& x, std::initializer_list<int> axes) {
  Dims shape = x.shape;
  for (int axis : axes) shape[axis] = 1;
  return result([graph_.get() reductionSumWithTensor:x.tensor
                                                axes:mps_axes(axes)
                                                name:name_.get()],
                shape, x.type);
}

Value Graph::max(const Value& x, int axis) {
  Dims shape = x.shape;
  shape[axis] = 1;
  return result([graph_.get() reductionMaximumWithTensor:x.tensor
                                                    axes:mps_axes({axis})
                                                    name:name_.get()],
                shape, x.type);
}

Value Graph::arg_max(const Value& x, int axis) {
  Dims shape = x.shape;
  shape[axis] = 1;
  return result([graph_.get() reductionArgMaximumWithTensor:x.tensor
                                                       axis:axis
                                                       name:name_.get()],
                shape, MPSDataTypeInt32);
}

Value Graph::matmul(const Value& a, const Value& b) {
  if (a.shape.size() != 2 || b.shape.size() != 2 || a.shape[1] != b.shape[0] ||
      a.type != b.type) {
    return refuse("matmul", a);
  }
  return result([graph_.get() matrixMultiplicationWithPrimaryTensor : a
                     .tensor secondaryTensor : b.tensor name : name_.get()],
                { a.shape[0], b.shape[1] }, a.type);
}

bool Graph::is_depthwise(const Dims& weights, int groups) const {
  return depthwise_ && groups > 1 && weights[2] == 1 && weights[3] == groups;
}

// The padding of a convolution, as pixels of 0.
Value Graph::pad(const Value& x, const Window& window) {
  const Dims before{0, window.pad_top, window.pad_left, 0};
  const Dims after{0, window.pad_bottom, window.pad_right, 0};
  Dims shape = x.shape;
  for (size_t i = 0; i < shape.size(); ++i) shape[i] += before[i] + after[i];
  if (shape == x.shape) return x;
  return result([graph_.get() padTensor:x.tensor
                        withPaddingMode:MPSGraphPaddingModeConstant
                            leftPadding:mps_shape(before)
                           rightPadding:mps_shape(after)
                          constantValue:0
                                   name:name_.get()],
                shape, x.type);
}

Value Graph::conv2d(const Value& x, const Value& w, const Window& window,
                    int groups) {
  if (x.shape.size() != 4 || w.shape.size() != 4 ||
      w.shape[2] * groups != x.shape[3] || w.shape[3] % groups != 0 ||
      x.type != w.type) {
    return refuse("conv2d", x);
  }
  const Dims shape = windowed(x.shape, window, w.shape[3]);
  if (shape.empty()) return refuse("conv2d", x);
  if (is_depthwise(w.shape, groups)) {
    const Value weights = reshape(w, depthwise_shape(w.shape));
    return result(
        [graph_.get() depthwiseConvolution2DWithSourceTensor:x.tensor
                                               weightsTensor:weights.tensor
                                                  descriptor:depthwise(window)
                                                        name:name_.get()],
        shape, x.type);
  }
  return result(
      [graph_.get() convolution2DWithSourceTensor:x.tensor
                                    weightsTensor:w.tensor
                                       descriptor:convolution(window, groups)
                                             name:name_.get()],
      shape, x.type);
}

Value Graph::conv2d_input_gradient(const Value& dy, const Value& w,
                                   const Dims& x_shape, const Window& window,
                                   int groups) {
  if (dy.type != w.type || windowed(x_shape, window, w.shape[3]) != dy.shape) {
    return refuse("conv2d_input_gradient", dy);
  }
  if (is_depthwise(w.shape, groups)) {
    const Value weights = reshape(w, depthwise_shape(w.shape));
    return result(
        [graph_.get()
            depthwiseConvolution2DDataGradientWithIncomingGradientTensor:
                dy.tensor
                                                           weightsTensor:
                                                               weights.tensor
                                                             outputShape:
                                                                 mps_shape(
                                                                     x_shape)
                                                              descriptor:
                                                                  depthwise(
                                                                      window)
                                                                    name:
                                                                        name_
                                                                            .get()],
        x_shape, dy.type);
  }
  return result(
      [graph_.get()
          convolution2DDataGradientWithIncomingGradientTensor:dy.tensor
                                                weightsTensor:w.tensor
                                                  outputShape:mps_shape(x_shape)
                                 forwardConvolutionDescriptor:convolution(
                                                                  window,
                                                                  groups)
                                                         name:name_.get()],
      x_shape, dy.type);
}

Value Graph::conv2d_weight_gradient(const Value& dy, const Value& x,
                                    const Dims& w_shape, const Window& window,
                                    int groups) {
  if (dy.type != x.type || windowed(x.shape, window, w_shape[3]) != dy.shape) {
    return refuse("conv2d_weight_gradient", dy);
  }
  if (is_depthwise(w_shape, groups)) {
    // This one ignores the padding of its descriptor.
    const Value padded = pad(x, window);
    Window bare = window;
    bare.pad_top = bare.pad_bottom = bare.pad_left = bare.pad_right = 0;
    const Dims shape = depthwise_shape(w_shape);
    const Value gradient = result(
        [graph_.get()
            depthwiseConvolution2DWeightsGradientWithIncomingGradientTensor:
                dy.tensor
                                                               sourceTensor:
                                                                   padded.tensor
                                                                outputShape:
                                                                    mps_shape(
                                                                        shape)
                                                                 descriptor:
                                                                     depthwise(
                                                                         bare)
                                                                       name:
                                                                           name_
                                                                               .get()],
        shape, dy.type);
    return reshape(gradient, w_shape);
  }
  return result(
      [graph_.get()
          convolution2DWeightsGradientWithIncomingGradientTensor:dy.tensor
                                                    sourceTensor:x.tensor
                                                     outputShape:mps_shape(
                                                                     w_shape)
                                    forwardConvolutionDescriptor:convolution(
                                                                     window,
                                                                     groups)
                                                            name:name_.get()],
      w_shape, dy.type);
}

Value Graph::max_pool2d(const Value& x, const Window& window) {
  const Dims shape = windowed(x.shape, window, x.shape[3]);
  if (shape.empty()) return refuse("max_pool2d", x);
  return result([graph_.get() maxPooling2DWithSourceTensor:x.tensor
                                                descriptor:pooling(window, true)
                                                      name:name_.get()],
                shape, x.type);
}

Value Graph::max_pool2d_gradient(const Value& dy, const Value& x,
                                 const Window& window) {
  if (windowed(x.shape, window, x.shape[3]) != dy.shape || dy.type != x.type) {
    return refuse("max_pool2d_gradient", x);
  }
  return result(
      [graph_.get() maxPooling2DGradientWithGradientTensor:dy.tensor
                                              sourceTensor:x.tensor
                                                descriptor:pooling(window, true)
                                                      name:name_.get()],
      x.shape, x.type);
}

Value Graph::avg_pool2d(const Value& x, const Window& window, bool count_pad) {
  const Dims shape = windowed(x.shape, window, x.shape[3]);
  if (shape.empty()) return refuse("avg_pool2d", x);
  return result(
      [graph_.get() avgPooling2DWithSourceTensor:x.tensor
                                      descriptor:pooling(window, count_pad)
                                            name:name_.get()],
      shape, x.type);
}

Value Graph::avg_pool2d_gradient(const Value& dy, const Value& x,
                                 const Window& window, bool count_pad) {
  if (windowed(x.shape, window, x.shape[3]) != dy.shape || dy.type != x.type) {
    return refuse("avg_pool2d_gradient", x);
  }
  return result(
      [graph_.get()
          avgPooling2DGradientWithGradientTensor:dy.tensor
                                    sourceTensor:x.tensor
                                      descriptor:pooling(window, count_pad)
                                            name:name_.get()],
      x.shape, x.type);
}

}  // namespace birbs::metal
