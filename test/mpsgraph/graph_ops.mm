// Each operation's selector: hands its operands to the builder.

#include "internal.h"

using namespace standin;

namespace {

Value* of(MPSGraphTensor* tensor) {
  require(tensor != nil, "an operand that is nil", "check every tensor");
  return [tensor standinValue];
}

Value* maybe(MPSGraphTensor* tensor) {
  return tensor ? [tensor standinValue] : nullptr;
}

Values all_of(NSArray* tensors) {
  Values values;
  for (MPSGraphTensor* tensor in tensors) values.push_back(of(tensor));
  return values;
}

Dims numbers(NSArray* array) { return to_dims(array, "axes"); }

Layout to_layout(MPSGraphTensorNamedDataLayout layout) {
  switch (layout) {
    case MPSGraphTensorNamedDataLayoutNCHW:
      return Layout::nchw;
    case MPSGraphTensorNamedDataLayoutNHWC:
      return Layout::nhwc;
    case MPSGraphTensorNamedDataLayoutOIHW:
      return Layout::oihw;
    case MPSGraphTensorNamedDataLayoutHWIO:
      return Layout::hwio;
    default:
      fail("a layout of other than four dimensions", "rank 4");
  }
}

int64_t whole(NSUInteger number) { return static_cast<int64_t>(number); }

// What both descriptors have.
template <typename Descriptor>
Window2d to_window(Descriptor* from) {
  require(from != nil, "a convolution or pooling without descriptor",
          "the factory may return nil: check");
  Window2d window;
  window.stride_width = whole(from->_strideInX);
  window.stride_height = whole(from->_strideInY);
  window.dilation_width = whole(from->_dilationRateInX);
  window.dilation_height = whole(from->_dilationRateInY);
  window.left = whole(from->_paddingLeft);
  window.right = whole(from->_paddingRight);
  window.top = whole(from->_paddingTop);
  window.bottom = whole(from->_paddingBottom);
  window.style = whole(from->_paddingStyle);
  window.data = to_layout(from->_dataLayout);
  return window;
}

Window2d convolution_window(MPSGraphConvolution2DOpDescriptor* descriptor) {
  Window2d window = to_window(descriptor);
  window.groups = whole(descriptor->_groups);
  window.weights = to_layout(descriptor->_weightsLayout);
  return window;
}

Window2d depthwise_window(
    MPSGraphDepthwiseConvolution2DOpDescriptor* descriptor) {
  Window2d window = to_window(descriptor);
  window.weights = to_layout(descriptor->_weightsLayout);
  require(window.data == Layout::nhwc && window.weights == Layout::hwio,
          "a depthwise convolution in other layouts than NHWC and HWIO",
          "stand-in: not written");
  return window;
}

// Of weights: height, width, channels, multiplier; where convolutions in groups
// have them as height, width, 1, filters.
Dims grouped(const Dims& weights) {
  require(
      weights.size() == 4 && weights[3] == 1,
      "depthwise weights " + describe(weights),
      "height, width, channels, and a multiplier of 1: more is not written");
  return {weights[0], weights[1], 1, weights[2]};
}

Window2d pooling_window(MPSGraphPooling2DOpDescriptor* descriptor) {
  Window2d window = to_window(descriptor);
  window.kernel_width = whole(descriptor->_kernelWidth);
  window.kernel_height = whole(descriptor->_kernelHeight);
  window.ceil = descriptor->_ceilMode;
  window.include_padding = descriptor->_includeZeroPadToAverage;
  window.indices_mode = whole(descriptor->_returnIndicesMode);
  return window;
}

// There are no kernels for integers: Apple's raises at the missing name.
void needs_floats(const Value* value, SEL selector) {
  if (is_float(value->type)) return;
  [NSException raise:NSInvalidArgumentException
              format:@"%@: no kernel for %s, attempt to insert nil",
                     NSStringFromSelector(selector), type_name(value->type)];
}

}  // namespace

@implementation MPSGraphConvolution2DOpDescriptor

@synthesize strideInX = _strideInX;
@synthesize strideInY = _strideInY;
@synthesize dilationRateInX = _dilationRateInX;
@synthesize dilationRateInY = _dilationRateInY;
@synthesize paddingLeft = _paddingLeft;
@synthesize paddingRight = _paddingRight;
@synthesize paddingTop = _paddingTop;
@synthesize paddingBottom = _paddingBottom;
@synthesize paddingStyle = _paddingStyle;
@synthesize dataLayout = _dataLayout;
@synthesize weightsLayout = _weightsLayout;
@synthesize groups = _groups;

+ (instancetype)descriptorWithStrideInX:(NSUInteger)sx
                              strideInY:(NSUInteger)sy
                        dilationRateInX:(NSUInteger)dx
                        dilationRateInY:(NSUInteger)dy
                                 groups:(NSUInteger)groups
                           paddingStyle:(MPSGraphPaddingStyle)style
                             dataLayout:(MPSGraphTensorNamedDataLayout)data
                          weightsLayout:(MPSGraphTensorNamedDataLayout)weights {
  return [self descriptorWithStrideInX:sx
                             strideInY:sy
                       dilationRateInX:dx
                       dilationRateInY:dy
                                groups:groups
                           paddingLeft:0
                          paddingRight:0
                            paddingTop:0
                         paddingBottom:0
                          paddingStyle:style
                            dataLayout:data
                         weightsLayout:weights];
}

+ (instancetype)descriptorWithStrideInX:(NSUInteger)sx
                              strideInY:(NSUInteger)sy
                        dilationRateInX:(NSUInteger)dx
                        dilationRateInY:(NSUInteger)dy
                                 groups:(NSUInteger)groups
                            paddingLeft:(NSUInteger)left
                           paddingRight:(NSUInteger)right
                             paddingTop:(NSUInteger)top
                          paddingBottom:(NSUInteger)bottom
                           paddingStyle:(MPSGraphPaddingStyle)style
                             dataLayout:(MPSGraphTensorNamedDataLayout)data
                          weightsLayout:(MPSGraphTensorNamedDataLayout)weights {
  MPSGraphConvolution2DOpDescriptor* descriptor =
      [[[self alloc] init] autorelease];
  descriptor->_strideInX = sx;
  descriptor->_strideInY = sy;
  descriptor->_dilationRateInX = dx;
  descriptor->_dilationRateInY = dy;
  descriptor->_groups = groups;
  [descriptor setExplicitPaddingWithPaddingLeft:left
                                   paddingRight:right
                                     paddingTop:top
                                  paddingBottom:bottom];
  descriptor->_paddingStyle = style;
  descriptor->_dataLayout = data;
  descriptor->_weightsLayout = weights;
  return descriptor;
}

- (instancetype)init {
  self = [super init];
  _strideInX = _strideInY = _dilationRateInX = _dilationRateInY = _groups = 1;
  return self;
}

- (id)copyWithZone:(NSZone*)zone {
  MPSGraphConvolution2DOpDescriptor* copy =
      [[[self class] descriptorWithStrideInX:_strideInX
                                   strideInY:_strideInY
                             dilationRateInX:_dilationRateInX
                             dilationRateInY:_dilationRateInY
                                      groups:_groups
                                 paddingLeft:_paddingLeft
                                paddingRight:_paddingRight
                                  paddingTop:_paddingTop
                               paddingBottom:_paddingBottom
                                paddingStyle:_paddingStyle
                                  dataLayout:_dataLayout
                               weightsLayout:_weightsLayout] retain];
  return copy;
}

- (void)setExplicitPaddingWithPaddingLeft:(NSUInteger)left
                             paddingRight:(NSUInteger)right
                               paddingTop:(NSUInteger)top
                            paddingBottom:(NSUInteger)bottom {
  _paddingLeft = left;
  _paddingRight = right;
  _paddingTop = top;
  _paddingBottom = bottom;
  _paddingStyle = MPSGraphPaddingStyleExplicit;
}

@end

@implementation MPSGraphDepthwiseConvolution2DOpDescriptor

+ (instancetype)descriptorWithStrideInX:(NSUInteger)sx
                              strideInY:(NSUInteger)sy
                        dilationRateInX:(NSUInteger)dx
                        dilationRateInY:(NSUInteger)dy
                            paddingLeft:(NSUInteger)left
                           paddingRight:(NSUInteger)right
                             paddingTop:(NSUInteger)top
                          paddingBottom:(NSUInteger)bottom
                           paddingStyle:(MPSGraphPaddingStyle)style
                             dataLayout:(MPSGraphTensorNamedDataLayout)data
                          weightsLayout:(MPSGraphTensorNamedDataLayout)weights {
  MPSGraphDepthwiseConvolution2DOpDescriptor* descriptor =
      [[[self alloc] init] autorelease];
  descriptor->_strideInX = sx;
  descriptor->_strideInY = sy;
  descriptor->_dilationRateInX = dx;
  descriptor->_dilationRateInY = dy;
  descriptor->_paddingLeft = left;
  descriptor->_paddingRight = right;
  descriptor->_paddingTop = top;
  descriptor->_paddingBottom = bottom;
  descriptor->_paddingStyle = style;
  descriptor->_dataLayout = data;
  descriptor->_weightsLayout = weights;
  return descriptor;
}

- (id)copyWithZone:(NSZone*)zone {
  return [self retain];
}

@end

@implementation MPSGraphPooling2DOpDescriptor

@synthesize kernelWidth = _kernelWidth;
@synthesize kernelHeight = _kernelHeight;
@synthesize strideInX = _strideInX;
@synthesize strideInY = _strideInY;
@synthesize dilationRateInX = _dilationRateInX;
@synthesize dilationRateInY = _dilationRateInY;
@synthesize paddingLeft = _paddingLeft;
@synthesize paddingRight = _paddingRight;
@synthesize paddingTop = _paddingTop;
@synthesize paddingBottom = _paddingBottom;
@synthesize paddingStyle = _paddingStyle;
@synthesize dataLayout = _dataLayout;
@synthesize returnIndicesMode = _returnIndicesMode;
@synthesize returnIndicesDataType = _returnIndicesDataType;
@synthesize ceilMode = _ceilMode;
@synthesize includeZeroPadToAverage = _includeZeroPadToAverage;

+ (instancetype)descriptorWithKernelWidth:(NSUInteger)kw
                             kernelHeight:(NSUInteger)kh
                                strideInX:(NSUInteger)sx
                                strideInY:(NSUInteger)sy
                             paddingStyle:(MPSGraphPaddingStyle)style
                               dataLayout:(MPSGraphTensorNamedDataLayout)data {
  return [self descriptorWithKernelWidth:kw
                            kernelHeight:kh
                               strideInX:sx
                               strideInY:sy
                         dilationRateInX:1
                         dilationRateInY:1
                             paddingLeft:0
                            paddingRight:0
                              paddingTop:0
                           paddingBottom:0
                            paddingStyle:style
                              dataLayout:data];
}

+ (instancetype)descriptorWithKernelWidth:(NSUInteger)kw
                             kernelHeight:(NSUInteger)kh
                                strideInX:(NSUInteger)sx
                                strideInY:(NSUInteger)sy
                          dilationRateInX:(NSUInteger)dx
                          dilationRateInY:(NSUInteger)dy
                              paddingLeft:(NSUInteger)left
                             paddingRight:(NSUInteger)right
                               paddingTop:(NSUInteger)top
                            paddingBottom:(NSUInteger)bottom
                             paddingStyle:(MPSGraphPaddingStyle)style
                               dataLayout:(MPSGraphTensorNamedDataLayout)data {
  MPSGraphPooling2DOpDescriptor* descriptor = [[[self alloc] init] autorelease];
  descriptor->_kernelWidth = kw;
  descriptor->_kernelHeight = kh;
  descriptor->_strideInX = sx;
  descriptor->_strideInY = sy;
  descriptor->_dilationRateInX = dx;
  descriptor->_dilationRateInY = dy;
  [descriptor setExplicitPaddingWithPaddingLeft:left
                                   paddingRight:right
                                     paddingTop:top
                                  paddingBottom:bottom];
  descriptor->_paddingStyle = style;
  descriptor->_dataLayout = data;
  return descriptor;
}

- (instancetype)init {
  self = [super init];
  _strideInX = _strideInY = _dilationRateInX = _dilationRateInY = 1;
  _returnIndicesDataType = MPSDataTypeInt32;
  return self;
}

- (id)copyWithZone:(NSZone*)zone {
  MPSGraphPooling2DOpDescriptor* copy =
      [[[self class] descriptorWithKernelWidth:_kernelWidth
                                  kernelHeight:_kernelHeight
                                     strideInX:_strideInX
                                     strideInY:_strideInY
                               dilationRateInX:_dilationRateInX
                               dilationRateInY:_dilationRateInY
                                   paddingLeft:_paddingLeft
                                  paddingRight:_paddingRight
                                    paddingTop:_paddingTop
                                 paddingBottom:_paddingBottom
                                  paddingStyle:_paddingStyle
                                    dataLayout:_dataLayout] retain];
  copy->_returnIndicesMode = _returnIndicesMode;
  copy->_returnIndicesDataType = _returnIndicesDataType;
  copy->_ceilMode = _ceilMode;
  copy->_includeZeroPadToAverage = _includeZeroPadToAverage;
  return copy;
}

- (void)setExplicitPaddingWithPaddingLeft:(NSUInteger)left
                             paddingRight:(NSUInteger)right
                               paddingTop:(NSUInteger)top
                            paddingBottom:(NSUInteger)bottom {
  _paddingLeft = left;
  _paddingRight = right;
  _paddingTop = top;
  _paddingBottom = bottom;
  _paddingStyle = MPSGraphPaddingStyleExplicit;
}

@end

@implementation MPSGraphRandomOpDescriptor

@synthesize distribution = _distribution;
@synthesize dataType = _dataType;
@synthesize min = _min;
@synthesize max = _max;
@synthesize mean = _mean;
@synthesize standardDeviation = _standardDeviation;
@synthesize minInteger = _minInteger;
@synthesize maxInteger = _maxInteger;

+ (instancetype)descriptorWithDistribution:
                    (MPSGraphRandomDistribution)distribution
                                  dataType:(MPSDataType)dataType {
  MPSGraphRandomOpDescriptor* descriptor = [[[self alloc] init] autorelease];
  descriptor->_distribution = distribution;
  descriptor->_dataType = dataType;
  descriptor->_max = 1;
  descriptor->_standardDeviation = 1;
  return descriptor;
}

- (id)copyWithZone:(NSZone*)zone {
  MPSGraphRandomOpDescriptor* copy =
      [[[self class] descriptorWithDistribution:_distribution
                                       dataType:_dataType] retain];
  copy->_min = _min;
  copy->_max = _max;
  copy->_mean = _mean;
  copy->_standardDeviation = _standardDeviation;
  copy->_minInteger = _minInteger;
  copy->_maxInteger = _maxInteger;
  return copy;
}

@end

@implementation MPSGraph (MemoryOps)

- (MPSGraphTensor*)placeholderWithShape:(MPSShape*)shape
                               dataType:(MPSDataType)dataType
                                   name:(NSString*)name {
  return [self standinTensor:add_placeholder(_standinGraph,
                                             to_dims(shape, "placeholder"),
                                             to_type(dataType, "placeholder"))];
}

- (MPSGraphTensor*)placeholderWithShape:(MPSShape*)shape name:(NSString*)name {
  return [self placeholderWithShape:shape
                           dataType:MPSDataTypeFloat32
                               name:name];
}

- (MPSGraphTensor*)constantWithData:(NSData*)data
                              shape:(MPSShape*)shape
                           dataType:(MPSDataType)dataType {
  return [self standinTensor:add_constant(_standinGraph, [data bytes],
                                          whole([data length]),
                                          to_dims(shape, "constant"),
                                          to_type(dataType, "constant"))];
}

- (MPSGraphTensor*)constantWithScalar:(double)scalar
                             dataType:(MPSDataType)dataType {
  return [self standinTensor:add_splat(_standinGraph, scalar, {1},
                                       to_type(dataType, "constant"))];
}

- (MPSGraphTensor*)constantWithScalar:(double)scalar
                                shape:(MPSShape*)shape
                             dataType:(MPSDataType)dataType {
  return [self
      standinTensor:add_splat(_standinGraph, scalar, to_dims(shape, "constant"),
                              to_type(dataType, "constant"))];
}

- (MPSGraphTensor*)variableWithData:(NSData*)data
                              shape:(MPSShape*)shape
                           dataType:(MPSDataType)dataType
                               name:(NSString*)name {
  return [self standinTensor:add_variable(_standinGraph, [data bytes],
                                          whole([data length]),
                                          to_dims(shape, "variable"),
                                          to_type(dataType, "variable"))];
}

- (MPSGraphTensor*)readVariable:(MPSGraphTensor*)variable name:(NSString*)name {
  return [self standinTensor:add_read(_standinGraph, of(variable))];
}

- (MPSGraphOperation*)assignVariable:(MPSGraphTensor*)variable
                   withValueOfTensor:(MPSGraphTensor*)tensor
                                name:(NSString*)name {
  return [self
      standinOperation:add_assign(_standinGraph, of(variable), of(tensor))];
}

@end

@implementation MPSGraph (ConvolutionOps)

- (MPSGraphTensor*)
    convolution2DWithSourceTensor:(MPSGraphTensor*)source
                    weightsTensor:(MPSGraphTensor*)weights
                       descriptor:(MPSGraphConvolution2DOpDescriptor*)descriptor
                             name:(NSString*)name {
  require(descriptor == nil || descriptor->_groups == 1 ||
              number_setting("groups") == 1,
          "a convolution in groups", "an assertion of Apple's, as set");
  return [self
      standinTensor:add_convolution(_standinGraph, of(source), of(weights),
                                    convolution_window(descriptor))];
}

- (MPSGraphTensor*)
    depthwiseConvolution2DWithSourceTensor:(MPSGraphTensor*)source
                             weightsTensor:(MPSGraphTensor*)weights
                                descriptor:
                                    (MPSGraphDepthwiseConvolution2DOpDescriptor*)
                                        descriptor
                                      name:(NSString*)name {
  Window2d window = depthwise_window(descriptor);
  const Dims dims = grouped(of(weights)->dims);
  window.groups = dims[3];
  Value* filters = add_reshape(_standinGraph, of(weights), dims);
  return [self standinTensor:add_convolution(_standinGraph, of(source), filters,
                                             window)];
}

- (MPSGraphTensor*)
    depthwiseConvolution2DDataGradientWithIncomingGradientTensor:
        (MPSGraphTensor*)incomingGradient
                                                   weightsTensor:
                                                       (MPSGraphTensor*)weights
                                                     outputShape:
                                                         (MPSShape*)outputShape
                                                      descriptor:
                                                          (MPSGraphDepthwiseConvolution2DOpDescriptor*)
                                                              descriptor
                                                            name:(NSString*)
                                                                     name {
  Window2d window = depthwise_window(descriptor);
  const Dims dims = grouped(of(weights)->dims);
  window.groups = dims[3];
  Value* filters = add_reshape(_standinGraph, of(weights), dims);
  return [self standinTensor:add_convolution_data_gradient(
                                 _standinGraph, of(incomingGradient), filters,
                                 to_dims(outputShape, "outputShape"), window)];
}

- (MPSGraphTensor*)
    depthwiseConvolution2DWeightsGradientWithIncomingGradientTensor:
        (MPSGraphTensor*)incomingGradient
                                                       sourceTensor:
                                                           (MPSGraphTensor*)
                                                               source
                                                        outputShape:
                                                            (MPSShape*)
                                                                outputShape
                                                         descriptor:
                                                             (MPSGraphDepthwiseConvolution2DOpDescriptor*)
                                                                 descriptor
                                                               name:(NSString*)
                                                                        name {
  Window2d window = depthwise_window(descriptor);
  require(window.top + window.bottom + window.left + window.right == 0,
          "a depthwise weights gradient with padding",
          "it ignores the descriptor's padding: pad the source first");
  const Dims shape = to_dims(outputShape, "outputShape");
  const Dims dims = grouped(shape);
  window.groups = dims[3];
  Value* gradient = add_convolution_weights_gradient(
      _standinGraph, of(incomingGradient), of(source), dims, window);
  return [self standinTensor:add_reshape(_standinGraph, gradient, shape)];
}

- (MPSGraphTensor*)
    convolution2DDataGradientWithIncomingGradientTensor:
        (MPSGraphTensor*)incomingGradient
                                          weightsTensor:(MPSGraphTensor*)weights
                                            outputShape:(MPSShape*)outputShape
                           forwardConvolutionDescriptor:
                               (MPSGraphConvolution2DOpDescriptor*)
                                   forwardConvolutionDescriptor
                                                   name:(NSString*)name {
  return [self
      standinTensor:add_convolution_data_gradient(
                        _standinGraph, of(incomingGradient), of(weights),
                        to_dims(outputShape, "outputShape"),
                        convolution_window(forwardConvolutionDescriptor))];
}

- (MPSGraphTensor*)
    convolution2DWeightsGradientWithIncomingGradientTensor:
        (MPSGraphTensor*)incomingGradient
                                              sourceTensor:
                                                  (MPSGraphTensor*)source
                                               outputShape:
                                                   (MPSShape*)outputShape
                              forwardConvolutionDescriptor:
                                  (MPSGraphConvolution2DOpDescriptor*)
                                      forwardConvolutionDescriptor
                                                      name:(NSString*)name {
  return [self
      standinTensor:add_convolution_weights_gradient(
                        _standinGraph, of(incomingGradient), of(source),
                        to_dims(outputShape, "outputShape"),
                        convolution_window(forwardConvolutionDescriptor))];
}

@end

@implementation MPSGraph (PoolingOps)

- (MPSGraphTensor*)
    maxPooling2DWithSourceTensor:(MPSGraphTensor*)source
                      descriptor:(MPSGraphPooling2DOpDescriptor*)descriptor
                            name:(NSString*)name {
  return [self standinTensor:add_max_pool(_standinGraph, of(source),
                                          pooling_window(descriptor))];
}

- (NSArray<MPSGraphTensor*>*)
    maxPooling2DReturnIndicesWithSourceTensor:(MPSGraphTensor*)source
                                   descriptor:(MPSGraphPooling2DOpDescriptor*)
                                                  descriptor
                                         name:(NSString*)name {
  require_macos(1202, self, _cmd);
  return [self standinTensors:add_max_pool_indices(_standinGraph, of(source),
                                                   pooling_window(descriptor))];
}

- (MPSGraphTensor*)
    maxPooling2DGradientWithGradientTensor:(MPSGraphTensor*)gradient
                              sourceTensor:(MPSGraphTensor*)source
                                descriptor:
                                    (MPSGraphPooling2DOpDescriptor*)descriptor
                                      name:(NSString*)name {
  return [self
      standinTensor:add_pool_gradient(_standinGraph, Op::max_pool_gradient,
                                      of(gradient), of(source),
                                      pooling_window(descriptor))];
}

- (MPSGraphTensor*)
    maxPooling2DGradientWithGradientTensor:(MPSGraphTensor*)gradient
                             indicesTensor:(MPSGraphTensor*)indices
                               outputShape:(MPSShape*)outputShape
                                descriptor:
                                    (MPSGraphPooling2DOpDescriptor*)descriptor
                                      name:(NSString*)name {
  require_macos(1300, self, _cmd);
  return [self standinTensor:add_max_pool_indices_gradient(
                                 _standinGraph, of(gradient), of(indices),
                                 to_dims(outputShape, "outputShape"),
                                 pooling_window(descriptor))];
}

- (MPSGraphTensor*)
    avgPooling2DWithSourceTensor:(MPSGraphTensor*)source
                      descriptor:(MPSGraphPooling2DOpDescriptor*)descriptor
                            name:(NSString*)name {
  return [self standinTensor:add_avg_pool(_standinGraph, of(source),
                                          pooling_window(descriptor))];
}

- (MPSGraphTensor*)
    avgPooling2DGradientWithGradientTensor:(MPSGraphTensor*)gradient
                              sourceTensor:(MPSGraphTensor*)source
                                descriptor:
                                    (MPSGraphPooling2DOpDescriptor*)descriptor
                                      name:(NSString*)name {
  return [self
      standinTensor:add_pool_gradient(_standinGraph, Op::avg_pool_gradient,
                                      of(gradient), of(source),
                                      pooling_window(descriptor))];
}

@end

@implementation MPSGraph (MatrixMultiplicationOps)

- (MPSGraphTensor*)
    matrixMultiplicationWithPrimaryTensor:(MPSGraphTensor*)primaryTensor
                          secondaryTensor:(MPSGraphTensor*)secondaryTensor
                                     name:(NSString*)name {
  return [self standinTensor:add_matmul(_standinGraph, of(primaryTensor),
                                        of(secondaryTensor))];
}

@end

@implementation MPSGraph (ArithmeticOps)

- (MPSGraphTensor*)identityWithTensor:(MPSGraphTensor*)tensor
                                 name:(NSString*)name {
  return [self standinTensor:add_identity(_standinGraph, of(tensor))];
}

- (MPSGraphTensor*)exponentWithTensor:(MPSGraphTensor*)tensor
                                 name:(NSString*)name {
  needs_floats(of(tensor), _cmd);
  return [self
      standinTensor:add_unary(_standinGraph, Function::exponent, of(tensor))];
}

- (MPSGraphTensor*)exponentBase2WithTensor:(MPSGraphTensor*)tensor
                                      name:(NSString*)name {
  needs_floats(of(tensor), _cmd);
  return [self
      standinTensor:add_unary(_standinGraph, Function::exponent2, of(tensor))];
}

- (MPSGraphTensor*)logarithmWithTensor:(MPSGraphTensor*)tensor
                                  name:(NSString*)name {
  needs_floats(of(tensor), _cmd);
  return [self
      standinTensor:add_unary(_standinGraph, Function::logarithm, of(tensor))];
}

- (MPSGraphTensor*)logarithmBase2WithTensor:(MPSGraphTensor*)tensor
                                       name:(NSString*)name {
  needs_floats(of(tensor), _cmd);
  return [self
      standinTensor:add_unary(_standinGraph, Function::logarithm2, of(tensor))];
}

- (MPSGraphTensor*)logarithmBase10WithTensor:(MPSGraphTensor*)tensor
                                        name:(NSString*)name {
  needs_floats(of(tensor), _cmd);
  return [self standinTensor:add_unary(_standinGraph, Function::logarithm10,
                                       of(tensor))];
}

- (MPSGraphTensor*)squareWithTensor:(MPSGraphTensor*)tensor
                               name:(NSString*)name {
  return [self
      standinTensor:add_unary(_standinGraph, Function::square, of(tensor))];
}

- (MPSGraphTensor*)squareRootWithTensor:(MPSGraphTensor*)tensor
                                   name:(NSString*)name {
  needs_floats(of(tensor), _cmd);
  return [self standinTensor:add_unary(_standinGraph, Function::square_root,
                                       of(tensor))];
}

- (MPSGraphTensor*)reciprocalWithTensor:(MPSGraphTensor*)tensor
                                   name:(NSString*)name {
  needs_floats(of(tensor), _cmd);
  return [self
      standinTensor:add_unary(_standinGraph, Function::reciprocal, of(tensor))];
}

- (MPSGraphTensor*)absoluteWithTensor:(MPSGraphTensor*)tensor
                                 name:(NSString*)name {
  return [self
      standinTensor:add_unary(_standinGraph, Function::absolute, of(tensor))];
}

- (MPSGraphTensor*)negativeWithTensor:(MPSGraphTensor*)tensor
                                 name:(NSString*)name {
  return [self
      standinTensor:add_unary(_standinGraph, Function::negative, of(tensor))];
}

- (MPSGraphTensor*)signWithTensor:(MPSGraphTensor*)tensor name:(NSString*)name {
  return
      [self standinTensor:add_unary(_standinGraph, Function::sign, of(tensor))];
}

- (MPSGraphTensor*)ceilWithTensor:(MPSGraphTensor*)tensor name:(NSString*)name {
  return
      [self standinTensor:add_unary(_standinGraph, Function::ceil, of(tensor))];
}

- (MPSGraphTensor*)floorWithTensor:(MPSGraphTensor*)tensor
                              name:(NSString*)name {
  return [self
      standinTensor:add_unary(_standinGraph, Function::floor, of(tensor))];
}

- (MPSGraphTensor*)roundWithTensor:(MPSGraphTensor*)tensor
                              name:(NSString*)name {
  return [self
      standinTensor:add_unary(_standinGraph, Function::round, of(tensor))];
}

- (MPSGraphTensor*)rintWithTensor:(MPSGraphTensor*)tensor name:(NSString*)name {
  return
      [self standinTensor:add_unary(_standinGraph, Function::rint, of(tensor))];
}

- (MPSGraphTensor*)sinWithTensor:(MPSGraphTensor*)tensor name:(NSString*)name {
  needs_floats(of(tensor), _cmd);
  return
      [self standinTensor:add_unary(_standinGraph, Function::sin, of(tensor))];
}

- (MPSGraphTensor*)cosWithTensor:(MPSGraphTensor*)tensor name:(NSString*)name {
  needs_floats(of(tensor), _cmd);
  return
      [self standinTensor:add_unary(_standinGraph, Function::cos, of(tensor))];
}

- (MPSGraphTensor*)tanhWithTensor:(MPSGraphTensor*)tensor name:(NSString*)name {
  needs_floats(of(tensor), _cmd);
  return
      [self standinTensor:add_unary(_standinGraph, Function::tanh, of(tensor))];
}

- (MPSGraphTensor*)erfWithTensor:(MPSGraphTensor*)tensor name:(NSString*)name {
  needs_floats(of(tensor), _cmd);
  return
      [self standinTensor:add_unary(_standinGraph, Function::erf, of(tensor))];
}

- (MPSGraphTensor*)isNaNWithTensor:(MPSGraphTensor*)tensor
                              name:(NSString*)name {
  return [self
      standinTensor:add_unary(_standinGraph, Function::is_nan, of(tensor))];
}

- (MPSGraphTensor*)isFiniteWithTensor:(MPSGraphTensor*)tensor
                                 name:(NSString*)name {
  return [self
      standinTensor:add_unary(_standinGraph, Function::is_finite, of(tensor))];
}

- (MPSGraphTensor*)isInfiniteWithTensor:(MPSGraphTensor*)tensor
                                   name:(NSString*)name {
  return [self standinTensor:add_unary(_standinGraph, Function::is_infinite,
                                       of(tensor))];
}

- (MPSGraphTensor*)notWithTensor:(MPSGraphTensor*)tensor name:(NSString*)name {
  return [self standinTensor:add_unary(_standinGraph, Function::logical_not,
                                       of(tensor))];
}

- (MPSGraphTensor*)reciprocalSquareRootWithTensor:(MPSGraphTensor*)tensor
                                             name:(NSString*)name {
  require_macos(1500, self, _cmd);
  needs_floats(of(tensor), _cmd);
  return [self
      standinTensor:add_unary(_standinGraph, Function::reciprocal_square_root,
                              of(tensor))];
}

- (MPSGraphTensor*)additionWithPrimaryTensor:(MPSGraphTensor*)primaryTensor
                             secondaryTensor:(MPSGraphTensor*)secondaryTensor
                                        name:(NSString*)name {
  return
      [self standinTensor:add_binary(_standinGraph, Function::add,
                                     of(primaryTensor), of(secondaryTensor))];
}

- (MPSGraphTensor*)subtractionWithPrimaryTensor:(MPSGraphTensor*)primaryTensor
                                secondaryTensor:(MPSGraphTensor*)secondaryTensor
                                           name:(NSString*)name {
  return
      [self standinTensor:add_binary(_standinGraph, Function::subtract,
                                     of(primaryTensor), of(secondaryTensor))];
}

- (MPSGraphTensor*)
    multiplicationWithPrimaryTensor:(MPSGraphTensor*)primaryTensor
                    secondaryTensor:(MPSGraphTensor*)secondaryTensor
                               name:(NSString*)name {
  return
      [self standinTensor:add_binary(_standinGraph, Function::multiply,
                                     of(primaryTensor), of(secondaryTensor))];
}

- (MPSGraphTensor*)divisionWithPrimaryTensor:(MPSGraphTensor*)primaryTensor
                             secondaryTensor:(MPSGraphTensor*)secondaryTensor
                                        name:(NSString*)name {
  return
      [self standinTensor:add_binary(_standinGraph, Function::divide,
                                     of(primaryTensor), of(secondaryTensor))];
}

- (MPSGraphTensor*)divisionNoNaNWithPrimaryTensor:(MPSGraphTensor*)primaryTensor
                                  secondaryTensor:
                                      (MPSGraphTensor*)secondaryTensor
                                             name:(NSString*)name {
  return
      [self standinTensor:add_binary(_standinGraph, Function::divide_no_nan,
                                     of(primaryTensor), of(secondaryTensor))];
}

- (MPSGraphTensor*)moduloWithPrimaryTensor:(MPSGraphTensor*)primaryTensor
                           secondaryTensor:(MPSGraphTensor*)secondaryTensor
                                      name:(NSString*)name {
  return
      [self standinTensor:add_binary(_standinGraph, Function::modulo,
                                     of(primaryTensor), of(secondaryTensor))];
}

- (MPSGraphTensor*)floorModuloWithPrimaryTensor:(MPSGraphTensor*)primaryTensor
                                secondaryTensor:(MPSGraphTensor*)secondaryTensor
                                           name:(NSString*)name {
  return
      [self standinTensor:add_binary(_standinGraph, Function::floor_modulo,
                                     of(primaryTensor), of(secondaryTensor))];
}

- (MPSGraphTensor*)powerWithPrimaryTensor:(MPSGraphTensor*)primaryTensor
                          secondaryTensor:(MPSGraphTensor*)secondaryTensor
                                     name:(NSString*)name {
  return
      [self standinTensor:add_binary(_standinGraph, Function::power,
                                     of(primaryTensor), of(secondaryTensor))];
}

- (MPSGraphTensor*)minimumWithPrimaryTensor:(MPSGraphTensor*)primaryTensor
                            secondaryTensor:(MPSGraphTensor*)secondaryTensor
                                       name:(NSString*)name {
  return
      [self standinTensor:add_binary(_standinGraph, Function::minimum,
                                     of(primaryTensor), of(secondaryTensor))];
}

- (MPSGraphTensor*)maximumWithPrimaryTensor:(MPSGraphTensor*)primaryTensor
                            secondaryTensor:(MPSGraphTensor*)secondaryTensor
                                       name:(NSString*)name {
  return
      [self standinTensor:add_binary(_standinGraph, Function::maximum,
                                     of(primaryTensor), of(secondaryTensor))];
}

- (MPSGraphTensor*)
    minimumWithNaNPropagationWithPrimaryTensor:(MPSGraphTensor*)primaryTensor
                               secondaryTensor:(MPSGraphTensor*)secondaryTensor
                                          name:(NSString*)name {
  return
      [self standinTensor:add_binary(_standinGraph, Function::minimum_nan,
                                     of(primaryTensor), of(secondaryTensor))];
}

- (MPSGraphTensor*)
    maximumWithNaNPropagationWithPrimaryTensor:(MPSGraphTensor*)primaryTensor
                               secondaryTensor:(MPSGraphTensor*)secondaryTensor
                                          name:(NSString*)name {
  return
      [self standinTensor:add_binary(_standinGraph, Function::maximum_nan,
                                     of(primaryTensor), of(secondaryTensor))];
}

- (MPSGraphTensor*)equalWithPrimaryTensor:(MPSGraphTensor*)primaryTensor
                          secondaryTensor:(MPSGraphTensor*)secondaryTensor
                                     name:(NSString*)name {
  return
      [self standinTensor:add_compare(_standinGraph, Function::equal,
                                      of(primaryTensor), of(secondaryTensor))];
}

- (MPSGraphTensor*)notEqualWithPrimaryTensor:(MPSGraphTensor*)primaryTensor
                             secondaryTensor:(MPSGraphTensor*)secondaryTensor
                                        name:(NSString*)name {
  return
      [self standinTensor:add_compare(_standinGraph, Function::not_equal,
                                      of(primaryTensor), of(secondaryTensor))];
}

- (MPSGraphTensor*)lessThanWithPrimaryTensor:(MPSGraphTensor*)primaryTensor
                             secondaryTensor:(MPSGraphTensor*)secondaryTensor
                                        name:(NSString*)name {
  return
      [self standinTensor:add_compare(_standinGraph, Function::less,
                                      of(primaryTensor), of(secondaryTensor))];
}

- (MPSGraphTensor*)
    lessThanOrEqualToWithPrimaryTensor:(MPSGraphTensor*)primaryTensor
                       secondaryTensor:(MPSGraphTensor*)secondaryTensor
                                  name:(NSString*)name {
  return
      [self standinTensor:add_compare(_standinGraph, Function::less_equal,
                                      of(primaryTensor), of(secondaryTensor))];
}

- (MPSGraphTensor*)greaterThanWithPrimaryTensor:(MPSGraphTensor*)primaryTensor
                                secondaryTensor:(MPSGraphTensor*)secondaryTensor
                                           name:(NSString*)name {
  return
      [self standinTensor:add_compare(_standinGraph, Function::greater,
                                      of(primaryTensor), of(secondaryTensor))];
}

- (MPSGraphTensor*)
    greaterThanOrEqualToWithPrimaryTensor:(MPSGraphTensor*)primaryTensor
                          secondaryTensor:(MPSGraphTensor*)secondaryTensor
                                     name:(NSString*)name {
  return
      [self standinTensor:add_compare(_standinGraph, Function::greater_equal,
                                      of(primaryTensor), of(secondaryTensor))];
}

- (MPSGraphTensor*)logicalANDWithPrimaryTensor:(MPSGraphTensor*)primaryTensor
                               secondaryTensor:(MPSGraphTensor*)secondaryTensor
                                          name:(NSString*)name {
  return
      [self standinTensor:add_binary(_standinGraph, Function::logical_and,
                                     of(primaryTensor), of(secondaryTensor))];
}

- (MPSGraphTensor*)logicalORWithPrimaryTensor:(MPSGraphTensor*)primaryTensor
                              secondaryTensor:(MPSGraphTensor*)secondaryTensor
                                         name:(NSString*)name {
  return
      [self standinTensor:add_binary(_standinGraph, Function::logical_or,
                                     of(primaryTensor), of(secondaryTensor))];
}

- (MPSGraphTensor*)logicalXORWithPrimaryTensor:(MPSGraphTensor*)primaryTensor
                               secondaryTensor:(MPSGraphTensor*)secondaryTensor
                                          name:(NSString*)name {
  return
      [self standinTensor:add_binary(_standinGraph, Function::logical_xor,
                                     of(primaryTensor), of(secondaryTensor))];
}

- (MPSGraphTensor*)selectWithPredicateTensor:(MPSGraphTensor*)predicateTensor
                         truePredicateTensor:
                             (MPSGraphTensor*)truePredicateTensor
                        falsePredicateTensor:(MPSGraphTensor*)falseSelectTensor
                                        name:(NSString*)name {
  return [self
      standinTensor:add_select(_standinGraph, of(predicateTensor),
                               of(truePredicateTensor), of(falseSelectTensor))];
}

- (MPSGraphTensor*)clampWithTensor:(MPSGraphTensor*)tensor
                    minValueTensor:(MPSGraphTensor*)minValueTensor
                    maxValueTensor:(MPSGraphTensor*)maxValueTensor
                              name:(NSString*)name {
  return [self standinTensor:add_clamp(_standinGraph, of(tensor),
                                       of(minValueTensor), of(maxValueTensor))];
}

@end

@implementation MPSGraph (ActivationOps)

- (MPSGraphTensor*)reLUWithTensor:(MPSGraphTensor*)tensor name:(NSString*)name {
  return
      [self standinTensor:add_unary(_standinGraph, Function::relu, of(tensor))];
}

- (MPSGraphTensor*)reLUGradientWithIncomingGradient:(MPSGraphTensor*)gradient
                                       sourceTensor:(MPSGraphTensor*)source
                                               name:(NSString*)name {
  return [self
      standinTensor:add_activation_gradient(_standinGraph, Op::relu_gradient,
                                            of(gradient), of(source))];
}

- (MPSGraphTensor*)sigmoidWithTensor:(MPSGraphTensor*)tensor
                                name:(NSString*)name {
  needs_floats(of(tensor), _cmd);
  return [self
      standinTensor:add_unary(_standinGraph, Function::sigmoid, of(tensor))];
}

- (MPSGraphTensor*)sigmoidGradientWithIncomingGradient:(MPSGraphTensor*)gradient
                                          sourceTensor:(MPSGraphTensor*)source
                                                  name:(NSString*)name {
  return [self
      standinTensor:add_activation_gradient(_standinGraph, Op::sigmoid_gradient,
                                            of(gradient), of(source))];
}

- (MPSGraphTensor*)softMaxWithTensor:(MPSGraphTensor*)tensor
                                axis:(NSInteger)axis
                                name:(NSString*)name {
  return [self standinTensor:add_softmax(_standinGraph, of(tensor), axis)];
}

- (MPSGraphTensor*)softMaxGradientWithIncomingGradient:(MPSGraphTensor*)gradient
                                          sourceTensor:(MPSGraphTensor*)source
                                                  axis:(NSInteger)axis
                                                  name:(NSString*)name {
  return [self standinTensor:add_softmax_gradient(_standinGraph, of(gradient),
                                                  of(source), axis)];
}

@end

@implementation MPSGraph (LossOps)

- (MPSGraphTensor*)
    softMaxCrossEntropyWithSourceTensor:(MPSGraphTensor*)sourceTensor
                           labelsTensor:(MPSGraphTensor*)labelsTensor
                                   axis:(NSInteger)axis
                          reductionType:(MPSGraphLossReductionType)reductionType
                                   name:(NSString*)name {
  return [self standinTensor:add_cross_entropy(_standinGraph, of(sourceTensor),
                                               of(labelsTensor), axis,
                                               whole(reductionType))];
}

- (MPSGraphTensor*)
    softMaxCrossEntropyGradientWithIncomingGradientTensor:
        (MPSGraphTensor*)gradientTensor
                                             sourceTensor:
                                                 (MPSGraphTensor*)sourceTensor
                                             labelsTensor:
                                                 (MPSGraphTensor*)labelsTensor
                                                     axis:(NSInteger)axis
                                            reductionType:
                                                (MPSGraphLossReductionType)
                                                    reductionType
                                                     name:(NSString*)name {
  return [self
      standinTensor:add_cross_entropy_gradient(
                        _standinGraph, of(gradientTensor), of(sourceTensor),
                        of(labelsTensor), axis, whole(reductionType))];
}

@end

@implementation MPSGraph (OneHotOps)

- (MPSGraphTensor*)oneHotWithIndicesTensor:(MPSGraphTensor*)indicesTensor
                                     depth:(NSUInteger)depth
                                      axis:(NSUInteger)axis
                                  dataType:(MPSDataType)dataType
                                   onValue:(double)onValue
                                  offValue:(double)offValue
                                      name:(NSString*)name {
  return [self
      standinTensor:add_one_hot(_standinGraph, of(indicesTensor), whole(depth),
                                whole(axis), to_type(dataType, "oneHot"),
                                onValue, offValue)];
}

- (MPSGraphTensor*)oneHotWithIndicesTensor:(MPSGraphTensor*)indicesTensor
                                     depth:(NSUInteger)depth
                                  dataType:(MPSDataType)dataType
                                   onValue:(double)onValue
                                  offValue:(double)offValue
                                      name:(NSString*)name {
  return [self
      standinTensor:add_one_hot(_standinGraph, of(indicesTensor), whole(depth),
                                -1, to_type(dataType, "oneHot"), onValue,
                                offValue)];
}

- (MPSGraphTensor*)oneHotWithIndicesTensor:(MPSGraphTensor*)indicesTensor
                                     depth:(NSUInteger)depth
                                      axis:(NSUInteger)axis
                                  dataType:(MPSDataType)dataType
                                      name:(NSString*)name {
  return [self standinTensor:add_one_hot(_standinGraph, of(indicesTensor),
                                         whole(depth), whole(axis),
                                         to_type(dataType, "oneHot"), 1, 0)];
}

- (MPSGraphTensor*)oneHotWithIndicesTensor:(MPSGraphTensor*)indicesTensor
                                     depth:(NSUInteger)depth
                                      axis:(NSUInteger)axis
                                      name:(NSString*)name {
  return [self
      standinTensor:add_one_hot(_standinGraph, of(indicesTensor), whole(depth),
                                whole(axis), Type::float32, 1, 0)];
}

- (MPSGraphTensor*)oneHotWithIndicesTensor:(MPSGraphTensor*)indicesTensor
                                     depth:(NSUInteger)depth
                                  dataType:(MPSDataType)dataType
                                      name:(NSString*)name {
  return [self
      standinTensor:add_one_hot(_standinGraph, of(indicesTensor), whole(depth),
                                -1, to_type(dataType, "oneHot"), 1, 0)];
}

- (MPSGraphTensor*)oneHotWithIndicesTensor:(MPSGraphTensor*)indicesTensor
                                     depth:(NSUInteger)depth
                                      name:(NSString*)name {
  return
      [self standinTensor:add_one_hot(_standinGraph, of(indicesTensor),
                                      whole(depth), -1, Type::float32, 1, 0)];
}

@end

@implementation MPSGraph (TensorShapeOps)

- (MPSGraphTensor*)castTensor:(MPSGraphTensor*)tensor
                       toType:(MPSDataType)type
                         name:(NSString*)name {
  return [self
      standinTensor:add_cast(_standinGraph, of(tensor), to_type(type, "cast"))];
}

- (MPSGraphTensor*)reshapeTensor:(MPSGraphTensor*)tensor
                       withShape:(MPSShape*)shape
                            name:(NSString*)name {
  return [self standinTensor:add_reshape(_standinGraph, of(tensor),
                                         to_dims(shape, "reshape"))];
}

- (MPSGraphTensor*)transposeTensor:(MPSGraphTensor*)tensor
                         dimension:(NSUInteger)dimensionIndex
                     withDimension:(NSUInteger)dimensionIndex2
                              name:(NSString*)name {
  Dims permutation;
  int64_t rank = whole(of(tensor)->dims.size());
  for (int64_t i = 0; i < rank; ++i) permutation.push_back(i);
  require(whole(dimensionIndex) < rank && whole(dimensionIndex2) < rank,
          "transpose of " + describe(of(tensor)->dims), "axis out of range");
  std::swap(permutation[dimensionIndex], permutation[dimensionIndex2]);
  return [self
      standinTensor:add_transpose(_standinGraph, of(tensor), permutation)];
}

- (MPSGraphTensor*)transposeTensor:(MPSGraphTensor*)tensor
                       permutation:(NSArray<NSNumber*>*)permutation
                              name:(NSString*)name {
  require_macos(1300, self, _cmd);
  return [self standinTensor:add_transpose(_standinGraph, of(tensor),
                                           numbers(permutation))];
}

- (MPSGraphTensor*)sliceTensor:(MPSGraphTensor*)tensor
                     dimension:(NSUInteger)dimensionIndex
                         start:(NSInteger)start
                        length:(NSInteger)length
                          name:(NSString*)name {
  const Dims& dims = of(tensor)->dims;
  require(dimensionIndex < dims.size(), "slice of " + describe(dims),
          "axis out of range");
  Dims starts(dims.size(), 0), ends = dims, strides(dims.size(), 1);
  starts[dimensionIndex] = start < 0 ? start + dims[dimensionIndex] : start;
  ends[dimensionIndex] = starts[dimensionIndex] + length;
  return [self standinTensor:add_slice(_standinGraph, of(tensor), starts, ends,
                                       strides)];
}

- (MPSGraphTensor*)sliceTensor:(MPSGraphTensor*)tensor
                        starts:(NSArray<NSNumber*>*)starts
                          ends:(NSArray<NSNumber*>*)ends
                       strides:(NSArray<NSNumber*>*)strides
                          name:(NSString*)name {
  return
      [self standinTensor:add_slice(_standinGraph, of(tensor), numbers(starts),
                                    numbers(ends), numbers(strides))];
}

- (MPSGraphTensor*)concatTensor:(MPSGraphTensor*)tensor
                     withTensor:(MPSGraphTensor*)tensor2
                      dimension:(NSInteger)dimensionIndex
                           name:(NSString*)name {
  return
      [self standinTensor:add_concat(_standinGraph, {of(tensor), of(tensor2)},
                                     dimensionIndex)];
}

- (MPSGraphTensor*)concatTensors:(NSArray<MPSGraphTensor*>*)tensors
                       dimension:(NSInteger)dimensionIndex
                            name:(NSString*)name {
  return [self
      standinTensor:add_concat(_standinGraph, all_of(tensors), dimensionIndex)];
}

- (MPSGraphTensor*)broadcastTensor:(MPSGraphTensor*)tensor
                           toShape:(MPSShape*)shape
                              name:(NSString*)name {
  return [self standinTensor:add_broadcast(_standinGraph, of(tensor),
                                           to_dims(shape, "broadcast"))];
}

- (MPSGraphTensor*)expandDimsOfTensor:(MPSGraphTensor*)tensor
                                 axis:(NSInteger)axis
                                 name:(NSString*)name {
  require_macos(1203, self, _cmd);
  return
      [self standinTensor:add_expand_dims(_standinGraph, of(tensor), {axis})];
}

- (MPSGraphTensor*)expandDimsOfTensor:(MPSGraphTensor*)tensor
                                 axes:(NSArray<NSNumber*>*)axes
                                 name:(NSString*)name {
  require_macos(1203, self, _cmd);
  return [self
      standinTensor:add_expand_dims(_standinGraph, of(tensor), numbers(axes))];
}

- (MPSGraphTensor*)squeezeTensor:(MPSGraphTensor*)tensor name:(NSString*)name {
  require_macos(1203, self, _cmd);
  return [self standinTensor:add_squeeze(_standinGraph, of(tensor), nullptr)];
}

- (MPSGraphTensor*)squeezeTensor:(MPSGraphTensor*)tensor
                            axis:(NSInteger)axis
                            name:(NSString*)name {
  require_macos(1203, self, _cmd);
  Dims axes{axis};
  return [self standinTensor:add_squeeze(_standinGraph, of(tensor), &axes)];
}

- (MPSGraphTensor*)squeezeTensor:(MPSGraphTensor*)tensor
                            axes:(NSArray<NSNumber*>*)axes
                            name:(NSString*)name {
  require_macos(1203, self, _cmd);
  Dims chosen = numbers(axes);
  return [self standinTensor:add_squeeze(_standinGraph, of(tensor), &chosen)];
}

- (MPSGraphTensor*)padTensor:(MPSGraphTensor*)tensor
             withPaddingMode:(MPSGraphPaddingMode)paddingMode
                 leftPadding:(MPSShape*)leftPadding
                rightPadding:(MPSShape*)rightPadding
               constantValue:(double)constantValue
                        name:(NSString*)name {
  return [self standinTensor:add_pad(_standinGraph, of(tensor), paddingMode,
                                     numbers(leftPadding),
                                     numbers(rightPadding), constantValue)];
}

- (MPSGraphTensor*)
    padGradientWithIncomingGradientTensor:
        (MPSGraphTensor*)incomingGradientTensor
                             sourceTensor:(MPSGraphTensor*)sourceTensor
                              paddingMode:(MPSGraphPaddingMode)paddingMode
                              leftPadding:(MPSShape*)leftPadding
                             rightPadding:(MPSShape*)rightPadding
                                     name:(NSString*)name {
  return [self standinTensor:add_pad_gradient(
                                 _standinGraph, of(incomingGradientTensor),
                                 of(sourceTensor), paddingMode,
                                 numbers(leftPadding), numbers(rightPadding))];
}

- (MPSGraphTensor*)reverseTensor:(MPSGraphTensor*)tensor
                            axes:(NSArray<NSNumber*>*)axes
                            name:(NSString*)name {
  return [self
      standinTensor:add_reverse(_standinGraph, of(tensor), numbers(axes))];
}

@end

@implementation MPSGraph (ReductionOps)

- (MPSGraphTensor*)reductionSumWithTensor:(MPSGraphTensor*)tensor
                                     axis:(NSInteger)axis
                                     name:(NSString*)name {
  Dims axes{axis};
  return [self standinTensor:add_reduce(_standinGraph, Function::add,
                                        of(tensor), &axes)];
}

- (MPSGraphTensor*)reductionSumWithTensor:(MPSGraphTensor*)tensor
                                     axes:(NSArray<NSNumber*>*)axes
                                     name:(NSString*)name {
  Dims chosen;
  if (axes) chosen = numbers(axes);
  return [self standinTensor:add_reduce(_standinGraph, Function::add,
                                        of(tensor), axes ? &chosen : nullptr)];
}

- (MPSGraphTensor*)reductionMaximumWithTensor:(MPSGraphTensor*)tensor
                                         axis:(NSInteger)axis
                                         name:(NSString*)name {
  Dims axes{axis};
  return [self standinTensor:add_reduce(_standinGraph, Function::maximum,
                                        of(tensor), &axes)];
}

- (MPSGraphTensor*)reductionMaximumWithTensor:(MPSGraphTensor*)tensor
                                         axes:(NSArray<NSNumber*>*)axes
                                         name:(NSString*)name {
  Dims chosen;
  if (axes) chosen = numbers(axes);
  return [self standinTensor:add_reduce(_standinGraph, Function::maximum,
                                        of(tensor), axes ? &chosen : nullptr)];
}

- (MPSGraphTensor*)reductionMinimumWithTensor:(MPSGraphTensor*)tensor
                                         axis:(NSInteger)axis
                                         name:(NSString*)name {
  Dims axes{axis};
  return [self standinTensor:add_reduce(_standinGraph, Function::minimum,
                                        of(tensor), &axes)];
}

- (MPSGraphTensor*)reductionMinimumWithTensor:(MPSGraphTensor*)tensor
                                         axes:(NSArray<NSNumber*>*)axes
                                         name:(NSString*)name {
  Dims chosen;
  if (axes) chosen = numbers(axes);
  return [self standinTensor:add_reduce(_standinGraph, Function::minimum,
                                        of(tensor), axes ? &chosen : nullptr)];
}

- (MPSGraphTensor*)reductionProductWithTensor:(MPSGraphTensor*)tensor
                                         axis:(NSInteger)axis
                                         name:(NSString*)name {
  Dims axes{axis};
  return [self standinTensor:add_reduce(_standinGraph, Function::product,
                                        of(tensor), &axes)];
}

- (MPSGraphTensor*)reductionProductWithTensor:(MPSGraphTensor*)tensor
                                         axes:(NSArray<NSNumber*>*)axes
                                         name:(NSString*)name {
  Dims chosen;
  if (axes) chosen = numbers(axes);
  return [self standinTensor:add_reduce(_standinGraph, Function::product,
                                        of(tensor), axes ? &chosen : nullptr)];
}

- (MPSGraphTensor*)reductionArgMaximumWithTensor:(MPSGraphTensor*)tensor
                                            axis:(NSInteger)axis
                                            name:(NSString*)name {
  return [self standinTensor:add_arg(_standinGraph, Function::maximum,
                                     of(tensor), axis)];
}

- (MPSGraphTensor*)reductionArgMinimumWithTensor:(MPSGraphTensor*)tensor
                                            axis:(NSInteger)axis
                                            name:(NSString*)name {
  return [self standinTensor:add_arg(_standinGraph, Function::minimum,
                                     of(tensor), axis)];
}

- (MPSGraphTensor*)reductionAndWithTensor:(MPSGraphTensor*)tensor
                                     axis:(NSInteger)axis
                                     name:(NSString*)name {
  require_macos(1202, self, _cmd);
  Dims axes{axis};
  return [self standinTensor:add_reduce(_standinGraph, Function::logical_and,
                                        of(tensor), &axes)];
}

- (MPSGraphTensor*)reductionAndWithTensor:(MPSGraphTensor*)tensor
                                     axes:(NSArray<NSNumber*>*)axes
                                     name:(NSString*)name {
  require_macos(1202, self, _cmd);
  Dims chosen;
  if (axes) chosen = numbers(axes);
  return [self standinTensor:add_reduce(_standinGraph, Function::logical_and,
                                        of(tensor), axes ? &chosen : nullptr)];
}

- (MPSGraphTensor*)reductionOrWithTensor:(MPSGraphTensor*)tensor
                                    axis:(NSInteger)axis
                                    name:(NSString*)name {
  require_macos(1202, self, _cmd);
  Dims axes{axis};
  return [self standinTensor:add_reduce(_standinGraph, Function::logical_or,
                                        of(tensor), &axes)];
}

- (MPSGraphTensor*)reductionOrWithTensor:(MPSGraphTensor*)tensor
                                    axes:(NSArray<NSNumber*>*)axes
                                    name:(NSString*)name {
  require_macos(1202, self, _cmd);
  Dims chosen;
  if (axes) chosen = numbers(axes);
  return [self standinTensor:add_reduce(_standinGraph, Function::logical_or,
                                        of(tensor), axes ? &chosen : nullptr)];
}

@end

@implementation MPSGraph (NormalizationOps)

- (MPSGraphTensor*)meanOfTensor:(MPSGraphTensor*)tensor
                           axes:(NSArray<NSNumber*>*)axes
                           name:(NSString*)name {
  return
      [self standinTensor:add_mean(_standinGraph, of(tensor), numbers(axes))];
}

- (MPSGraphTensor*)varianceOfTensor:(MPSGraphTensor*)tensor
                         meanTensor:(MPSGraphTensor*)meanTensor
                               axes:(NSArray<NSNumber*>*)axes
                               name:(NSString*)name {
  return [self standinTensor:add_variance(_standinGraph, of(tensor),
                                          of(meanTensor), numbers(axes))];
}

- (MPSGraphTensor*)varianceOfTensor:(MPSGraphTensor*)tensor
                               axes:(NSArray<NSNumber*>*)axes
                               name:(NSString*)name {
  return [self standinTensor:add_variance(_standinGraph, of(tensor), nullptr,
                                          numbers(axes))];
}

- (MPSGraphTensor*)normalizationWithTensor:(MPSGraphTensor*)tensor
                                meanTensor:(MPSGraphTensor*)mean
                            varianceTensor:(MPSGraphTensor*)variance
                               gammaTensor:(MPSGraphTensor*)gamma
                                betaTensor:(MPSGraphTensor*)beta
                                   epsilon:(float)epsilon
                                      name:(NSString*)name {
  return
      [self standinTensor:add_normalization(_standinGraph, of(tensor), of(mean),
                                            of(variance), maybe(gamma),
                                            maybe(beta), epsilon)];
}

- (MPSGraphTensor*)
    normalizationGammaGradientWithIncomingGradientTensor:
        (MPSGraphTensor*)incomingGradientTensor
                                            sourceTensor:
                                                (MPSGraphTensor*)sourceTensor
                                              meanTensor:(MPSGraphTensor*)mean
                                          varianceTensor:
                                              (MPSGraphTensor*)variance
                                           reductionAxes:
                                               (NSArray<NSNumber*>*)axes
                                                 epsilon:(float)epsilon
                                                    name:(NSString*)name {
  return [self standinTensor:add_gamma_gradient(
                                 _standinGraph, of(incomingGradientTensor),
                                 of(sourceTensor), of(mean), of(variance),
                                 numbers(axes), epsilon)];
}

- (MPSGraphTensor*)
    normalizationBetaGradientWithIncomingGradientTensor:
        (MPSGraphTensor*)incomingGradientTensor
                                           sourceTensor:
                                               (MPSGraphTensor*)sourceTensor
                                          reductionAxes:
                                              (NSArray<NSNumber*>*)axes
                                                   name:(NSString*)name {
  require(of(sourceTensor)->dims == of(incomingGradientTensor)->dims,
          "normalizationBetaGradient: incoming gradient of another shape than "
          "the source",
          "reduction axes as in forward");
  Dims chosen = numbers(axes);
  return [self standinTensor:add_reduce(_standinGraph, Function::add,
                                        of(incomingGradientTensor), &chosen)];
}

- (MPSGraphTensor*)
    normalizationGradientWithIncomingGradientTensor:
        (MPSGraphTensor*)incomingGradientTensor
                                       sourceTensor:
                                           (MPSGraphTensor*)sourceTensor
                                         meanTensor:(MPSGraphTensor*)mean
                                     varianceTensor:(MPSGraphTensor*)variance
                                        gammaTensor:(MPSGraphTensor*)gamma
                                gammaGradientTensor:
                                    (MPSGraphTensor*)gammaGradient
                                 betaGradientTensor:
                                     (MPSGraphTensor*)betaGradient
                                      reductionAxes:(NSArray<NSNumber*>*)axes
                                            epsilon:(float)epsilon
                                               name:(NSString*)name {
  return [self standinTensor:add_normalization_gradient(
                                 _standinGraph, of(incomingGradientTensor),
                                 of(sourceTensor), of(mean), of(variance),
                                 maybe(gamma), maybe(gammaGradient),
                                 maybe(betaGradient), numbers(axes), epsilon)];
}

@end

@implementation MPSGraph (OptimizerOps)

- (MPSGraphTensor*)
    stochasticGradientDescentWithLearningRateTensor:
        (MPSGraphTensor*)learningRateTensor
                                       valuesTensor:
                                           (MPSGraphTensor*)valuesTensor
                                     gradientTensor:
                                         (MPSGraphTensor*)gradientTensor
                                               name:(NSString*)name {
  return [self standinTensor:add_sgd(_standinGraph, of(learningRateTensor),
                                     of(valuesTensor), of(gradientTensor))];
}

- (MPSGraphOperation*)
    applyStochasticGradientDescentWithLearningRateTensor:
        (MPSGraphTensor*)learningRateTensor
                                                variable:(MPSGraphVariableOp*)
                                                             variable
                                          gradientTensor:
                                              (MPSGraphTensor*)gradientTensor
                                                    name:(NSString*)name {
  require(variable != nil && variable->_standinNode->op == Op::variable,
          "applyStochasticGradientDescent of no variable",
          "an MPSGraphVariableOp");
  Value* value = variable->_standinNode->outputs[0].get();
  Value* updated =
      add_sgd(_standinGraph, of(learningRateTensor), value, of(gradientTensor));
  [self standinTensor:updated];
  return [self standinOperation:add_assign(_standinGraph, value, updated)];
}

- (NSArray<MPSGraphTensor*>*)
    adamWithLearningRateTensor:(MPSGraphTensor*)learningRateTensor
                   beta1Tensor:(MPSGraphTensor*)beta1Tensor
                   beta2Tensor:(MPSGraphTensor*)beta2Tensor
                 epsilonTensor:(MPSGraphTensor*)epsilonTensor
              beta1PowerTensor:(MPSGraphTensor*)beta1PowerTensor
              beta2PowerTensor:(MPSGraphTensor*)beta2PowerTensor
                  valuesTensor:(MPSGraphTensor*)valuesTensor
                momentumTensor:(MPSGraphTensor*)momentumTensor
                velocityTensor:(MPSGraphTensor*)velocityTensor
         maximumVelocityTensor:(MPSGraphTensor*)maximumVelocityTensor
                gradientTensor:(MPSGraphTensor*)gradientTensor
                          name:(NSString*)name {
  require_macos(1203, self, _cmd);
  Value* one = add_splat(_standinGraph, 1, {1}, of(learningRateTensor)->type);
  Value* first =
      add_binary(_standinGraph, Function::subtract, one, of(beta1PowerTensor));
  Value* second =
      add_binary(_standinGraph, Function::subtract, one, of(beta2PowerTensor));
  Value* rate =
      add_binary(_standinGraph, Function::multiply, of(learningRateTensor),
                 add_unary(_standinGraph, Function::square_root, second));
  rate = add_binary(_standinGraph, Function::divide, rate, first);
  return [self standinTensors:add_adam(_standinGraph,
                                       {rate, of(beta1Tensor), of(beta2Tensor),
                                        of(epsilonTensor), of(valuesTensor),
                                        of(momentumTensor), of(velocityTensor),
                                        of(gradientTensor),
                                        maybe(maximumVelocityTensor)})];
}

- (NSArray<MPSGraphTensor*>*)
    adamWithCurrentLearningRateTensor:(MPSGraphTensor*)currentLearningRateTensor
                          beta1Tensor:(MPSGraphTensor*)beta1Tensor
                          beta2Tensor:(MPSGraphTensor*)beta2Tensor
                        epsilonTensor:(MPSGraphTensor*)epsilonTensor
                         valuesTensor:(MPSGraphTensor*)valuesTensor
                       momentumTensor:(MPSGraphTensor*)momentumTensor
                       velocityTensor:(MPSGraphTensor*)velocityTensor
                maximumVelocityTensor:(MPSGraphTensor*)maximumVelocityTensor
                       gradientTensor:(MPSGraphTensor*)gradientTensor
                                 name:(NSString*)name {
  require_macos(1203, self, _cmd);
  return [self
      standinTensors:add_adam(
                         _standinGraph,
                         {of(currentLearningRateTensor), of(beta1Tensor),
                          of(beta2Tensor), of(epsilonTensor), of(valuesTensor),
                          of(momentumTensor), of(velocityTensor),
                          of(gradientTensor), maybe(maximumVelocityTensor)})];
}

@end

@implementation MPSGraph (RandomOps)

- (MPSGraphTensor*)randomPhiloxStateTensorWithSeed:(NSUInteger)seed
                                              name:(NSString*)name {
  require_macos(1201, self, _cmd);
  Word state[7] = {1,
                   0,
                   0,
                   0,
                   0,
                   static_cast<Word>(seed),
                   static_cast<Word>(static_cast<uint64_t>(seed) >> 32)};
  return [self standinTensor:add_random_state(_standinGraph, state)];
}

- (MPSGraphTensor*)randomPhiloxStateTensorWithCounterLow:(NSUInteger)counterLow
                                             counterHigh:(NSUInteger)counterHigh
                                                     key:(NSUInteger)key
                                                    name:(NSString*)name {
  require_macos(1201, self, _cmd);
  auto high = [](NSUInteger word) {
    return static_cast<Word>(static_cast<uint64_t>(word) >> 32);
  };
  Word state[7] = {1,
                   static_cast<Word>(counterLow),
                   high(counterLow),
                   static_cast<Word>(counterHigh),
                   high(counterHigh),
                   static_cast<Word>(key),
                   high(key)};
  return [self standinTensor:add_random_state(_standinGraph, state)];
}

- (NSArray<MPSGraphTensor*>*)
    randomTensorWithShape:(MPSShape*)shape
               descriptor:(MPSGraphRandomOpDescriptor*)descriptor
              stateTensor:(MPSGraphTensor*)state
                     name:(NSString*)name {
  require_macos(1201, self, _cmd);
  require(descriptor != nil && descriptor->_distribution !=
                                   MPSGraphRandomDistributionTruncatedNormal,
          "randomTensor of the truncated normal distribution",
          "the stand-in has Uniform and Normal");
  Random random;
  random.normal = descriptor->_distribution == MPSGraphRandomDistributionNormal;
  bool integers = descriptor->_dataType == MPSDataTypeInt32;
  random.minimum = integers ? static_cast<double>(descriptor->_minInteger)
                            : descriptor->_min;
  random.maximum = integers ? static_cast<double>(descriptor->_maxInteger)
                            : descriptor->_max;
  random.mean = descriptor->_mean;
  random.deviation = descriptor->_standardDeviation;
  return [self
      standinTensors:add_random(_standinGraph, to_dims(shape, "randomTensor"),
                                to_type(descriptor->_dataType, "randomTensor"),
                                of(state), random)];
}

- (NSArray<MPSGraphTensor*>*)randomUniformTensorWithShape:(MPSShape*)shape
                                              stateTensor:(MPSGraphTensor*)state
                                                     name:(NSString*)name {
  require_macos(1201, self, _cmd);
  return [self
      standinTensors:add_random(_standinGraph, to_dims(shape, "randomTensor"),
                                Type::float32, of(state), Random())];
}

- (MPSGraphTensor*)dropoutTensor:(MPSGraphTensor*)tensor
                            rate:(double)rate
                            name:(NSString*)name {
  fail("dropoutTensor", "undocumented behaviour, do not use: compare uniform "
                        "numbers with the rate");
}

- (MPSGraphTensor*)dropoutTensor:(MPSGraphTensor*)tensor
                      rateTensor:(MPSGraphTensor*)rate
                            name:(NSString*)name {
  fail("dropoutTensor", "undocumented behaviour, do not use: compare uniform "
                        "numbers with the rate");
}

@end
