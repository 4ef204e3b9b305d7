// Every operation against PyTorch (expected.h) or against numbers that are
// plain to see.

#include <cmath>
#include <cstring>

#include "expected.h"
#include "harness.h"

namespace selftest {
namespace {

constexpr auto NCHW = MPSGraphTensorNamedDataLayoutNCHW;
constexpr auto NHWC = MPSGraphTensorNamedDataLayoutNHWC;
constexpr auto OIHW = MPSGraphTensorNamedDataLayoutOIHW;
constexpr auto HWIO = MPSGraphTensorNamedDataLayoutHWIO;

// N, C, H, W in the order of a layout.
std::vector<int> data_dims(bool nhwc, int n, int c, int h, int w) {
  if (nhwc) return {n, h, w, c};
  return {n, c, h, w};
}

void convolution(bool nhwc, bool hwio) {
  using namespace expected;
  Net net;
  MPSGraph* g = net.graph;
  MPSGraphConvolution2DOpDescriptor* d = [MPSGraphConvolution2DOpDescriptor
      descriptorWithStrideInX:1
                    strideInY:2
              dilationRateInX:2
              dilationRateInY:1
                       groups:2
                  paddingLeft:0
                 paddingRight:2
                   paddingTop:1
                paddingBottom:0
                 paddingStyle:MPSGraphPaddingStyleExplicit
                   dataLayout:nhwc ? NHWC : NCHW
                weightsLayout:hwio ? HWIO : OIHW];
  auto in = data_dims(nhwc, 2, 4, 6, 5), out = data_dims(nhwc, 2, 6, 3, 5);
  std::vector<int> filter = {6, 2, 3, 2};
  if (hwio) filter = {3, 2, 2, 6};
  auto* x = net.feed(nhwc ? conv_x_nhwc : conv_x_nchw, in);
  auto* w = net.feed(hwio ? conv_w_hwio : conv_w_oihw, filter);
  auto* dy = net.feed(nhwc ? conv_dy_nhwc : conv_dy_nchw, out);
  auto* y = [g convolution2DWithSourceTensor:x
                               weightsTensor:w
                                  descriptor:d
                                        name:nil];
  auto* dx = [g convolution2DDataGradientWithIncomingGradientTensor:dy
                                                      weightsTensor:w
                                                        outputShape:shape(in)
                                       forwardConvolutionDescriptor:d
                                                               name:nil];
  auto* dw =
      [g convolution2DWeightsGradientWithIncomingGradientTensor:dy
                                                   sourceTensor:x
                                                    outputShape:shape(filter)
                                   forwardConvolutionDescriptor:d
                                                           name:nil];
  close("y", net.run(y), nhwc ? conv_y_nhwc : conv_y_nchw);
  close("dx", net.run(dx), nhwc ? conv_dx_nhwc : conv_dx_nchw);
  close("dw", net.run(dw), hwio ? conv_dw_hwio : conv_dw_oihw);
  check(y.shape == nil, "the shape of a convolution is not to be relied on");
}

// SAME as TensorFlow has it: for 5 with a kernel of 4, stride 2, out is 3, the
// total padding is 3, of which 2 lie at the end.
void convolution_same() {
  Net net;
  auto sums = [&](MPSGraphPaddingStyle style) {
    auto* d = [MPSGraphConvolution2DOpDescriptor descriptorWithStrideInX:2
                                                               strideInY:1
                                                         dilationRateInX:1
                                                         dilationRateInY:1
                                                                  groups:1
                                                            paddingStyle:style
                                                              dataLayout:NHWC
                                                           weightsLayout:HWIO];
    return net.run([net.graph
        convolution2DWithSourceTensor:net.feed({1, 2, 3, 4, 5}, {1, 1, 5, 1})
                        weightsTensor:net.feed({1, 1, 1, 1}, {1, 4, 1, 1})
                           descriptor:d
                                 name:nil]);
  };
  close("SAME", sums(MPSGraphPaddingStyleTF_SAME), {6, 14, 9});
  close("SAME_LOWER", sums(MPSGraphPaddingStyleONNX_SAME_LOWER), {3, 10, 12});
  close("VALID", sums(MPSGraphPaddingStyleTF_VALID), {10});
}

MPSGraphPooling2DOpDescriptor* pooling(bool nhwc) {
  return [MPSGraphPooling2DOpDescriptor
      descriptorWithKernelWidth:2
                   kernelHeight:3
                      strideInX:1
                      strideInY:2
                dilationRateInX:1
                dilationRateInY:1
                    paddingLeft:0
                   paddingRight:0
                     paddingTop:1
                  paddingBottom:1
                   paddingStyle:MPSGraphPaddingStyleExplicit
                     dataLayout:nhwc ? NHWC : NCHW];
}

void max_pooling(bool nhwc) {
  using namespace expected;
  Net net;
  MPSGraph* g = net.graph;
  auto in = data_dims(nhwc, 2, 3, 5, 4), out = data_dims(nhwc, 2, 3, 3, 3);
  auto* d = pooling(nhwc);
  auto* x = net.feed(nhwc ? max_x_nhwc : max_x_nchw, in);
  auto* dy = net.feed(nhwc ? max_dy_nhwc : max_dy_nchw, out);
  const Floats& y = nhwc ? max_y_nhwc : max_y_nchw;
  const Floats& dx = nhwc ? max_dx_nhwc : max_dx_nchw;
  close("y", net.run([g maxPooling2DWithSourceTensor:x descriptor:d name:nil]),
        y);
  close("dx",
        net.run([g maxPooling2DGradientWithGradientTensor:dy
                                             sourceTensor:x
                                               descriptor:d
                                                     name:nil]),
        dx);
  for (auto mode : {MPSGraphPoolingReturnIndicesGlobalFlatten2D,
                    MPSGraphPoolingReturnIndicesGlobalFlatten4D}) {
    d.returnIndicesMode = mode;
    NSArray* both = [g maxPooling2DReturnIndicesWithSourceTensor:x
                                                      descriptor:d
                                                            name:nil];
    close("values", net.run([both objectAtIndex:0]), y);
    auto* gradient =
        [g maxPooling2DGradientWithGradientTensor:dy
                                    indicesTensor:[both objectAtIndex:1]
                                      outputShape:shape(in)
                                       descriptor:d
                                             name:nil];
    close("dx by indices", net.run(gradient), dx);
  }
}

void avg_pooling(bool nhwc) {
  using namespace expected;
  auto in = data_dims(nhwc, 2, 3, 5, 4), out = data_dims(nhwc, 2, 3, 3, 3);
  for (bool include : {true, false}) {
    Net net;
    auto* d = pooling(nhwc);
    d.includeZeroPadToAverage = include;
    auto* x = net.feed(nhwc ? max_x_nhwc : max_x_nchw, in);
    auto* dy = net.feed(nhwc ? max_dy_nhwc : max_dy_nchw, out);
    auto* y = [net.graph avgPooling2DWithSourceTensor:x descriptor:d name:nil];
    auto* dx = [net.graph avgPooling2DGradientWithGradientTensor:dy
                                                    sourceTensor:x
                                                      descriptor:d
                                                            name:nil];
    const Floats& whole = nhwc ? avg_y_nhwc : avg_y_nchw;
    const Floats& real = nhwc ? avg_real_y_nhwc : avg_real_y_nchw;
    close("y", net.run(y), include ? whole : real);
    const Floats& whole_dx = nhwc ? avg_dx_nhwc : avg_dx_nchw;
    const Floats& real_dx = nhwc ? avg_real_dx_nhwc : avg_real_dx_nchw;
    close("dx", net.run(dx), include ? whole_dx : real_dx);
  }
}

// Equal values: the first in H, W order takes the gradient. NaN loses.
void pooling_ties() {
  for (bool nhwc : {false, true}) {
    Net net;
    auto* d = [MPSGraphPooling2DOpDescriptor
        descriptorWithKernelWidth:2
                     kernelHeight:2
                        strideInX:2
                        strideInY:2
                     paddingStyle:MPSGraphPaddingStyleExplicit
                       dataLayout:nhwc ? NHWC : NCHW];
    auto* x = net.feed({0, 0, 3, 1, 0, 0, 2, 3}, data_dims(nhwc, 1, 1, 2, 4));
    auto* dy = net.feed({5, 7}, data_dims(nhwc, 1, 1, 1, 2));
    auto* dx = [net.graph maxPooling2DGradientWithGradientTensor:dy
                                                    sourceTensor:x
                                                      descriptor:d
                                                            name:nil];
    close("ties", net.run(dx), {5, 0, 7, 0, 0, 0, 0, 0});
    auto* odd =
        net.feed({0, NAN, 3, 1, 9, 0, 2, 3}, data_dims(nhwc, 1, 1, 2, 4));
    Floats y = net.run([net.graph maxPooling2DWithSourceTensor:odd
                                                    descriptor:d
                                                          name:nil]);
    check(y[0] == 9 && y[1] == 3, "NaN loses");
  }
}

void pooling_ceil() {
  Net net;
  auto* d = [MPSGraphPooling2DOpDescriptor
      descriptorWithKernelWidth:2
                   kernelHeight:1
                      strideInX:2
                      strideInY:1
                   paddingStyle:MPSGraphPaddingStyleExplicit
                     dataLayout:NCHW];
  auto* x = net.feed({1, 2, 3, 4, 5}, {1, 1, 1, 5});
  auto pool = [&] {
    return net.run([net.graph avgPooling2DWithSourceTensor:x
                                                descriptor:d
                                                      name:nil]);
  };
  close("floor", pool(), {1.5, 3.5});
  d.ceilMode = YES;
  close("ceil", pool(), {1.5, 3.5, 5});
}

void normalization(bool nhwc) {
  using namespace expected;
  Net net;
  MPSGraph* g = net.graph;
  auto in = data_dims(nhwc, 2, 3, 5, 4), one = data_dims(nhwc, 1, 3, 1, 1);
  NSArray* axes = nhwc ? @[ @0, @1, @2 ] : @[ @0, @2, @3 ];
  auto* x = net.feed(nhwc ? max_x_nhwc : max_x_nchw, in);
  auto* dy = net.feed(nhwc ? norm_dy_nhwc : norm_dy_nchw, in);
  auto* gamma = net.feed(norm_gamma, one);
  auto* beta = net.feed(norm_beta, one);
  auto* mean = [g meanOfTensor:x axes:axes name:nil];
  auto* variance = [g varianceOfTensor:x meanTensor:mean axes:axes name:nil];
  auto* alone = [g varianceOfTensor:x axes:axes name:nil];
  auto* y = [g normalizationWithTensor:x
                            meanTensor:mean
                        varianceTensor:variance
                           gammaTensor:gamma
                            betaTensor:beta
                               epsilon:1e-3f
                                  name:nil];
  auto* dgamma =
      [g normalizationGammaGradientWithIncomingGradientTensor:dy
                                                 sourceTensor:x
                                                   meanTensor:mean
                                               varianceTensor:variance
                                                reductionAxes:axes
                                                      epsilon:1e-3f
                                                         name:nil];
  auto* dbeta = [g normalizationBetaGradientWithIncomingGradientTensor:dy
                                                          sourceTensor:x
                                                         reductionAxes:axes
                                                                  name:nil];
  auto* dx = [g normalizationGradientWithIncomingGradientTensor:dy
                                                   sourceTensor:x
                                                     meanTensor:mean
                                                 varianceTensor:variance
                                                    gammaTensor:gamma
                                            gammaGradientTensor:dgamma
                                             betaGradientTensor:dbeta
                                                  reductionAxes:axes
                                                        epsilon:1e-3f
                                                           name:nil];
  close("mean", net.run(mean), norm_mean);
  close("variance", net.run(variance), norm_variance);
  close("variance alone", net.run(alone), norm_variance);
  close("y", net.run(y), nhwc ? norm_y_nhwc : norm_y_nchw);
  close("dgamma", net.run(dgamma), norm_dgamma);
  close("dbeta", net.run(dbeta), norm_dbeta);
  close("dx", net.run(dx), nhwc ? norm_dx_nhwc : norm_dx_nchw);
}

void matmul() {
  using namespace expected;
  Net net;
  MPSGraph* g = net.graph;
  auto* a = net.feed(matmul_a, {2, 3, 4});
  auto* b = net.feed(matmul_b, {4, 5});
  close("product",
        net.run([g matrixMultiplicationWithPrimaryTensor:a
                                         secondaryTensor:b
                                                    name:nil]),
        matmul_y);
  auto* turned = [g transposeTensor:b dimension:0 withDimension:1 name:nil];
  turned = [g transposeTensor:turned permutation:@[ @1, @0 ] name:nil];
  close("turned twice",
        net.run([g matrixMultiplicationWithPrimaryTensor:a
                                         secondaryTensor:turned
                                                    name:nil]),
        matmul_y);
}

void loss() {
  using namespace expected;
  Net net;
  MPSGraph* g = net.graph;
  auto* x = net.feed(logits, {3, 4});
  auto* classes = net.feed({2, 0, 3}, {3}, MPSDataTypeInt32);
  auto* labels = [g oneHotWithIndicesTensor:classes depth:4 name:nil];
  auto entropy = [&](MPSGraphLossReductionType reduction) {
    return net.run([g softMaxCrossEntropyWithSourceTensor:x
                                             labelsTensor:labels
                                                     axis:1
                                            reductionType:reduction
                                                     name:nil]);
  };
  close("mean", entropy(MPSGraphLossReductionTypeMean), loss_mean);
  float sum = loss_rows[0] + loss_rows[1] + loss_rows[2];
  close("sum", entropy(MPSGraphLossReductionTypeSum), {sum});
  auto* rows =
      [g softMaxCrossEntropyWithSourceTensor:x
                                labelsTensor:labels
                                        axis:-1
                               reductionType:MPSGraphLossReductionTypeNone
                                        name:nil];
  rows = [g reshapeTensor:rows withShape:@[ @3 ] name:nil];
  close("rows", net.run(rows), loss_rows);
  auto* gradient = [g
      softMaxCrossEntropyGradientWithIncomingGradientTensor:net.scalar(1)
                                               sourceTensor:x
                                               labelsTensor:labels
                                                       axis:1
                                              reductionType:
                                                  MPSGraphLossReductionTypeMean
                                                       name:nil];
  close("gradient", net.run(gradient), loss_gradient);
  // Uniform logits over 10 classes: ln 10.
  auto* even = [g constantWithScalar:3
                               shape:@[ @5, @10 ]
                            dataType:MPSDataTypeFloat32];
  auto* tens = [g
      oneHotWithIndicesTensor:net.feed({0, 9, 3, 3, 1}, {5}, MPSDataTypeInt32)
                        depth:10
                         name:nil];
  auto* ten =
      [g softMaxCrossEntropyWithSourceTensor:even
                                labelsTensor:tens
                                        axis:1
                               reductionType:MPSGraphLossReductionTypeMean
                                        name:nil];
  close("ln 10", net.run(ten), {2.302585f});
}

void activations() {
  using namespace expected;
  Net net;
  MPSGraph* g = net.graph;
  auto* x = net.feed(logits, {3, 4});
  auto* dy = net.feed(softmax_dy, {3, 4});
  close("softmax", net.run([g softMaxWithTensor:x axis:1 name:nil]), softmax);
  close("softmax gradient",
        net.run([g softMaxGradientWithIncomingGradient:dy
                                          sourceTensor:x
                                                  axis:1
                                                  name:nil]),
        softmax_dx);
  auto* turned = [g transposeTensor:x dimension:0 withDimension:1 name:nil];
  auto* other = [g softMaxWithTensor:turned axis:0 name:nil];
  close("softmax along the other axis",
        net.run([g transposeTensor:other dimension:0 withDimension:1 name:nil]),
        softmax);
  close("sigmoid", net.run([g sigmoidWithTensor:x name:nil]), sigmoid);
  close("sigmoid gradient",
        net.run([g sigmoidGradientWithIncomingGradient:dy
                                          sourceTensor:x
                                                  name:nil]),
        sigmoid_dx);
  auto* signs = net.feed({-1, 0, 2, -3}, {4});
  auto* ones = net.feed({5, 6, 7, 8}, {4});
  close("relu", net.run([g reLUWithTensor:signs name:nil]), {0, 0, 2, 0});
  close("relu gradient",
        net.run([g reLUGradientWithIncomingGradient:ones
                                       sourceTensor:signs
                                               name:nil]),
        {0, 0, 7, 0});
}

void arithmetic() {
  Net net;
  MPSGraph* g = net.graph;
  auto* a = net.feed({1, 2, 3, 4, 5, 6}, {2, 3});
  auto* row = net.feed({10, 20, 30}, {3});
  auto* column = net.feed({2, 4}, {2, 1});
#define BINARY(op, left, right, ...)            \
  close(#op,                                    \
        net.run([g op##WithPrimaryTensor:left   \
                         secondaryTensor:right  \
                                    name:nil]), \
        __VA_ARGS__)
  BINARY(addition, a, row, {11, 22, 33, 14, 25, 36});
  BINARY(subtraction, row, a, {9, 18, 27, 6, 15, 24});
  BINARY(multiplication, a, column, {2, 4, 6, 16, 20, 24});
  BINARY(division, a, column, {0.5, 1, 1.5, 1, 1.25, 1.5});
  BINARY(multiplication, column, row, {20, 40, 60, 40, 80, 120});
  BINARY(minimum, a, net.scalar(3), {1, 2, 3, 3, 3, 3});
  BINARY(maximum, net.scalar(3), a, {3, 3, 3, 4, 5, 6});
  BINARY(power, a, net.scalar(2), {1, 4, 9, 16, 25, 36});
  BINARY(modulo, a, net.scalar(4), {1, 2, 3, 0, 1, 2});
  BINARY(divisionNoNaN, a, net.scalar(0), {0, 0, 0, 0, 0, 0});
  BINARY(greaterThan, a, net.scalar(3), {0, 0, 0, 1, 1, 1});
  BINARY(greaterThanOrEqualTo, a, net.scalar(3), {0, 0, 1, 1, 1, 1});
  BINARY(lessThan, a, net.scalar(3), {1, 1, 0, 0, 0, 0});
  BINARY(lessThanOrEqualTo, a, net.scalar(3), {1, 1, 1, 0, 0, 0});
  BINARY(equal, a, net.scalar(3), {0, 0, 1, 0, 0, 0});
  BINARY(notEqual, a, net.scalar(3), {1, 1, 0, 1, 1, 1});
  auto* yes = net.feed({1, 1, 0, 0}, {4}, MPSDataTypeBool);
  auto* no = net.feed({1, 0, 1, 0}, {4}, MPSDataTypeBool);
  BINARY(logicalAND, yes, no, {1, 0, 0, 0});
  BINARY(logicalOR, yes, no, {1, 1, 1, 0});
  BINARY(logicalXOR, yes, no, {0, 1, 1, 0});
#undef BINARY
  auto* choice = [g greaterThanWithPrimaryTensor:row
                                 secondaryTensor:net.scalar(15)
                                            name:nil];
  close("select",
        net.run([g selectWithPredicateTensor:choice
                         truePredicateTensor:a
                        falsePredicateTensor:net.scalar(-1)
                                        name:nil]),
        {-1, 2, 3, -1, 5, 6});
  close("clamp",
        net.run([g clampWithTensor:a
                    minValueTensor:net.scalar(2)
                    maxValueTensor:net.feed({3, 5}, {2, 1})
                              name:nil]),
        {2, 2, 3, 4, 5, 5});
}

void unary() {
  Net net;
  MPSGraph* g = net.graph;
  auto* x = net.feed({-1.5, 0.25, 4, 2.5}, {4});
  auto* p = net.feed({0.25, 1, 4, 100}, {4});
#define UNARY(op, in, ...) \
  close(#op, net.run([g op##WithTensor:in name:nil]), __VA_ARGS__)
  UNARY(identity, x, {-1.5, 0.25, 4, 2.5});
  UNARY(exponent, x, {0.22313016f, 1.2840254f, 54.59815f, 12.182494f});
  UNARY(logarithm, p, {-1.3862944f, 0, 1.3862944f, 4.6051702f});
  UNARY(logarithmBase2, p, {-2, 0, 2, 6.643856f});
  UNARY(logarithmBase10, p, {-0.60206f, 0, 0.60206f, 2});
  UNARY(exponentBase2, x, {0.35355339f, 1.1892071f, 16, 5.656854f});
  UNARY(square, x, {2.25, 0.0625, 16, 6.25});
  UNARY(squareRoot, p, {0.5, 1, 2, 10});
  UNARY(reciprocal, p, {4, 1, 0.25, 0.01f});
  UNARY(reciprocalSquareRoot, p, {2, 1, 0.5, 0.1f});
  UNARY(absolute, x, {1.5, 0.25, 4, 2.5});
  UNARY(negative, x, {1.5, -0.25, -4, -2.5});
  UNARY(sign, x, {-1, 1, 1, 1});
  UNARY(floor, x, {-2, 0, 4, 2});
  UNARY(ceil, x, {-1, 1, 4, 3});
  UNARY(round, x, {-2, 0, 4, 3});
  UNARY(rint, x, {-2, 0, 4, 2});
  UNARY(tanh, x, {-0.9051483f, 0.2449187f, 0.9993293f, 0.9866143f});
  UNARY(sin, x, {-0.997495f, 0.247404f, -0.7568025f, 0.5984721f});
  UNARY(cos, x, {0.0707372f, 0.9689124f, -0.6536436f, -0.8011436f});
  UNARY(erf, x, {-0.9661051f, 0.2763264f, 1, 0.9995930f});
  auto* odd = [g divisionWithPrimaryTensor:net.feed({0, 1, 1, -1}, {4})
                           secondaryTensor:net.feed({0, 0, 2, 0}, {4})
                                      name:nil];
  UNARY(isNaN, odd, {1, 0, 0, 0});
  UNARY(isFinite, odd, {0, 0, 1, 0});
  UNARY(isInfinite, odd, {0, 1, 0, 1});
  UNARY(not, net.feed({1, 0}, {2}, MPSDataTypeBool), {0, 1});
#undef UNARY
}

void shapes() {
  Net net;
  MPSGraph* g = net.graph;
  auto* x = net.feed({1, 2, 3, 4, 5, 6}, {2, 3});
  close("transpose",
        net.run([g transposeTensor:x permutation:@[ @1, @0 ] name:nil]),
        {1, 4, 2, 5, 3, 6});
  auto* cube =
      [g reshapeTensor:net.feed({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, {12})
             withShape:@[ @2, @3, @-1 ]
                  name:nil];
  close("permutation",
        net.run([g transposeTensor:cube permutation:@[ @2, @0, @1 ] name:nil]),
        {0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11});
  close("slice",
        net.run([g sliceTensor:x dimension:1 start:1 length:2 name:nil]),
        {2, 3, 5, 6});
  close("strided slice",
        net.run([g sliceTensor:x
                        starts:@[ @1, @0 ]
                          ends:@[ @2, @3 ]
                       strides:@[ @1, @2 ]
                          name:nil]),
        {4, 6});
  auto* y = net.feed({7, 8}, {2, 1});
  close("concat", net.run([g concatTensor:x withTensor:y dimension:1 name:nil]),
        {1, 2, 3, 7, 4, 5, 6, 8});
  close("concat of three",
        net.run([g concatTensors:@[ y, y, y ] dimension:0 name:nil]),
        {7, 8, 7, 8, 7, 8});
  close("broadcast",
        net.run([g broadcastTensor:y toShape:@[ @2, @2, @3 ] name:nil]),
        {7, 7, 7, 8, 8, 8, 7, 7, 7, 8, 8, 8});
  close("reverse", net.run([g reverseTensor:x axes:@[ @1 ] name:nil]),
        {3, 2, 1, 6, 5, 4});
  auto* wide = [g expandDimsOfTensor:x axis:1 name:nil];
  check([wide.shape isEqual:@[ @2, @1, @3 ]], "expandDims");
  wide = [g expandDimsOfTensor:wide axes:@[ @0, @-1 ] name:nil];
  check([wide.shape isEqual:@[ @1, @2, @1, @3, @1 ]], "expandDims of axes");
  check([[g squeezeTensor:wide axis:2
                     name:nil].shape isEqual:@[ @1, @2, @3, @1 ]],
        "squeeze of an axis");
  check([[g squeezeTensor:wide name:nil].shape isEqual:@[ @2, @3 ]], "squeeze");
  close("one hot on axis 0",
        net.run([g
            oneHotWithIndicesTensor:net.feed({1, 0, 5}, {3}, MPSDataTypeInt32)
                              depth:2
                               axis:0
                           dataType:MPSDataTypeFloat32
                            onValue:3
                           offValue:-1
                               name:nil]),
        {-1, 3, -1, 3, -1, -1});
  close("cast to bytes and back",
        net.run([g castTensor:net.feed({300, 7}, {2}, MPSDataTypeInt32)
                       toType:MPSDataTypeUInt8
                         name:nil]),
        {44, 7});
  close("floats to integers",
        net.run([g castTensor:net.feed({-1.7f, 2.9f}, {2})
                       toType:MPSDataTypeInt32
                         name:nil]),
        {-1, 2});
}

void padding() {
  Net net;
  MPSGraph* g = net.graph;
  auto* x = net.feed({1, 2, 3}, {3});
  auto pad = [&](MPSGraphPaddingMode mode) {
    return net.run([g padTensor:x
                withPaddingMode:mode
                    leftPadding:@[ @2 ]
                   rightPadding:@[ @1 ]
                  constantValue:9
                           name:nil]);
  };
  close("constant", pad(MPSGraphPaddingModeConstant), {9, 9, 1, 2, 3, 9});
  close("zero", pad(MPSGraphPaddingModeZero), {0, 0, 1, 2, 3, 0});
  close("reflect", pad(MPSGraphPaddingModeReflect), {3, 2, 1, 2, 3, 2});
  close("symmetric", pad(MPSGraphPaddingModeSymmetric), {2, 1, 1, 2, 3, 3});
  close("edge", pad(MPSGraphPaddingModeClampToEdge), {1, 1, 1, 2, 3, 3});
  auto* dy = net.feed({1, 2, 3, 4, 5, 6}, {6});
  auto gradient = [&](MPSGraphPaddingMode mode) {
    return net.run([g padGradientWithIncomingGradientTensor:dy
                                               sourceTensor:x
                                                paddingMode:mode
                                                leftPadding:@[ @2 ]
                                               rightPadding:@[ @1 ]
                                                       name:nil]);
  };
  close("constant gradient", gradient(MPSGraphPaddingModeConstant), {3, 4, 5});
  close("edge gradient", gradient(MPSGraphPaddingModeClampToEdge), {6, 4, 11});
}

void reductions() {
  Net net;
  MPSGraph* g = net.graph;
  auto* x = net.feed({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, {2, 3, 2});
  close("sum 0, 1",
        net.run([g reductionSumWithTensor:x axes:@[ @0, @1 ] name:nil]),
        {36, 42});
  close("sum 0, 2",
        net.run([g reductionSumWithTensor:x axes:@[ @0, @2 ] name:nil]),
        {18, 26, 34});
  close("sum 1", net.run([g reductionSumWithTensor:x axis:1 name:nil]),
        {9, 12, 27, 30});
  close("sum -1", net.run([g reductionSumWithTensor:x axis:-1 name:nil]),
        {3, 7, 11, 15, 19, 23});
  close("sum of all", net.run([g reductionSumWithTensor:x axes:nil name:nil]),
        {78});
  check([[g reductionSumWithTensor:x axes:@[ @0, @2 ]
                              name:nil].shape isEqual:@[ @1, @3, @1 ]],
        "reduced axes stay");
  close("maximum", net.run([g reductionMaximumWithTensor:x axis:0 name:nil]),
        {7, 8, 9, 10, 11, 12});
  close("minimum",
        net.run([g reductionMinimumWithTensor:x axes:@[ @1, @2 ] name:nil]),
        {1, 7});
  close("product", net.run([g reductionProductWithTensor:x axis:2 name:nil]),
        {2, 12, 30, 56, 90, 132});
  auto* y = net.feed({3, 9, 9, 8, 1, 7}, {2, 3});
  close("arg maximum",
        net.run([g reductionArgMaximumWithTensor:y axis:1 name:nil]), {1, 0});
  close("arg minimum",
        net.run([g reductionArgMinimumWithTensor:y axis:0 name:nil]),
        {0, 1, 1});
  auto* bits = net.feed({1, 1, 0, 1}, {2, 2}, MPSDataTypeBool);
  close("and", net.run([g reductionAndWithTensor:bits axis:1 name:nil]),
        {1, 0});
  close("or", net.run([g reductionOrWithTensor:bits axis:0 name:nil]), {1, 1});
  // Long enough for several threads, and for their parts to matter.
  Floats many(40000 * 3);
  for (size_t i = 0; i < many.size(); ++i) many[i] = static_cast<float>(i % 7);
  double sums[3] = {};
  for (size_t i = 0; i < many.size(); ++i) sums[i % 3] += many[i];
  auto* tall = net.feed(many, {40000, 3});
  close("sum of columns",
        net.run([g reductionSumWithTensor:tall axes:@[ @0 ] name:nil]),
        {static_cast<float>(sums[0]), static_cast<float>(sums[1]),
         static_cast<float>(sums[2])});
}

void halves() {
  using namespace expected;
  Net net;
  MPSGraph* g = net.graph;
  auto* x = [g castTensor:net.feed(half_in, {8})
                   toType:MPSDataTypeFloat16
                     name:nil];
  auto* c = net.scalar(0.7, MPSDataTypeFloat16);
  close("cast", net.run(x), half_cast, 0);
  close("sum",
        net.run([g additionWithPrimaryTensor:x secondaryTensor:c name:nil]),
        half_sum, 0);
  close("product",
        net.run([g multiplicationWithPrimaryTensor:x
                                   secondaryTensor:c
                                              name:nil]),
        half_product, 0);
  auto* few = [g concatTensors:@[
    [g sliceTensor:x dimension:0 start:0 length:1 name:nil], [g sliceTensor:x
                                                                  dimension:0
                                                                      start:5
                                                                     length:2
                                                                       name:nil]
  ]
                     dimension:0
                          name:nil];
  close("exponent", net.run([g exponentWithTensor:few name:nil]), half_exp, 0);
  // 2048 ones and a half: a half cannot count further, the accumulator can.
  auto* ones = [g constantWithScalar:1
                               shape:@[ @1, @2050 ]
                            dataType:MPSDataTypeFloat16];
  auto* turned = [g reshapeTensor:ones withShape:@[ @2050, @1 ] name:nil];
  close("accumulation",
        net.run([g matrixMultiplicationWithPrimaryTensor:ones
                                         secondaryTensor:turned
                                                    name:nil]),
        {2050}, 0);
  auto* big = net.scalar(60000, MPSDataTypeFloat16);
  auto* over = [g additionWithPrimaryTensor:big secondaryTensor:big name:nil];
  close("overflow", net.run([g isInfiniteWithTensor:over name:nil]), {1});
}

void half_buffers() {
  Net net;
  auto* x = [net.graph placeholderWithShape:@[ @4 ]
                                   dataType:MPSDataTypeFloat16
                                       name:nil];
  // 1.5, -2, the smallest half, infinity
  const uint16_t bits[4] = {0x3e00, 0xc000, 0x0001, 0x7c00};
  auto* data = [[[MPSGraphTensorData alloc]
      initWithDevice:[MPSGraphDevice deviceWithMTLDevice:device()]
                data:[NSData dataWithBytes:bits length:8]
               shape:@[ @4 ]
            dataType:MPSDataTypeFloat16] autorelease];
  auto* y = [net.graph identityWithTensor:x name:nil];
  NSDictionary* results = [net.graph runWithMTLCommandQueue:queue()
                                                      feeds:@{x : data}
                                              targetTensors:@[ y ]
                                           targetOperations:nil];
  uint16_t back[4];
  [[[results objectForKey:y] mpsndarray] readBytes:back strideBytes:nil];
  check(std::memcmp(back, bits, 8) == 0, "halves in buffers");
  [net.feeds setObject:data forKey:x];
  Floats values =
      net.run([net.graph clampWithTensor:x
                          minValueTensor:net.scalar(-1, MPSDataTypeFloat16)
                          maxValueTensor:net.scalar(9, MPSDataTypeFloat16)
                                    name:nil]);
  close("from halves", values, {1.5, -1, 0x1p-24f, 9}, 0);
}

void optimizers() {
  using namespace expected;
  Net net;
  MPSGraph* g = net.graph;
  auto* w = net.variable({0.5, -1.5, 2}, {3});
  auto* m = net.variable({0, 0, 0}, {3});
  auto* v = net.variable({0, 0, 0}, {3});
  const Floats gradients[2] = {{0.1f, -0.2f, 0.3f}, {-0.5f, 0.1f, 0.2f}};
  for (int step = 0; step < 2; ++step) {
    double first = std::pow(0.9, step + 1), second = std::pow(0.99, step + 1);
    NSArray* updates =
        [g adamWithLearningRateTensor:net.scalar(0.05)
                          beta1Tensor:net.scalar(0.9)
                          beta2Tensor:net.scalar(0.99)
                        epsilonTensor:net.scalar(1e-3)
                     beta1PowerTensor:net.scalar(first)
                     beta2PowerTensor:net.scalar(second)
                         valuesTensor:w
                       momentumTensor:m
                       velocityTensor:v
                maximumVelocityTensor:nil
                       gradientTensor:net.feed(gradients[step], {3})
                                 name:nil];
    NSMutableArray* assigns = [NSMutableArray array];
    NSArray* variables = @[ w, m, v ];
    for (NSUInteger i = 0; i < 3; ++i) {
      [assigns addObject:[g assignVariable:[variables objectAtIndex:i]
                             withValueOfTensor:[updates objectAtIndex:i]
                                          name:nil]];
    }
    close("returned", net.run([updates objectAtIndex:0], assigns),
          step ? adam_w2 : adam_w1);
    close("assigned", net.read(w), step ? adam_w2 : adam_w1);
  }
  auto* rate = net.scalar(0.5);
  auto* gradient = net.feed({2, 4, 6}, {3});
  auto* values = net.feed({1, 1, 1}, {3});
  close("sgd",
        net.run([g stochasticGradientDescentWithLearningRateTensor:rate
                                                      valuesTensor:values
                                                    gradientTensor:gradient
                                                              name:nil]),
        {0, -1, -2});
  auto* apply = [g
      applyStochasticGradientDescentWithLearningRateTensor:rate
                                                  variable:(MPSGraphVariableOp*)
                                                               m.operation
                                            gradientTensor:gradient
                                                      name:nil];
  Floats before = net.read(m);
  net.run(values, @[ apply ]);
  close("apply", net.read(m), {before[0] - 1, before[1] - 2, before[2] - 3});
}

// Philox 4x32-10 with key 0 and counter 0, from the paper's known answers:
// 6627e8d5 e169c58d bc57ac4c 9b00dbd8.
void random() {
  Net net;
  MPSGraph* g = net.graph;
  auto* state = net.feed({1, 0, 0, 0, 0, 0, 0}, {7}, MPSDataTypeInt32);
  NSArray* both = [g randomUniformTensorWithShape:@[ @6 ]
                                      stateTensor:state
                                             name:nil];
  auto* values = [g reshapeTensor:[both objectAtIndex:0]
                        withShape:@[ @6 ]
                             name:nil];
  Floats first = net.run(values);
  close("known answer", Floats(first.begin(), first.begin() + 4),
        {0x6627e8p-24f, 0xe169c5p-24f, 0xbc57acp-24f, 0x9b00dbp-24f}, 0);
  close("the same state, the same numbers", net.run(values), first, 0);
  close("new state", net.run([both objectAtIndex:1]), {1, 2, 0, 0, 0, 0, 0}, 0);
  // The second block's counter carries into the second word.
  auto* late = [g randomPhiloxStateTensorWithCounterLow:0xffffffff
                                            counterHigh:0
                                                    key:0
                                                   name:nil];
  both = [g randomUniformTensorWithShape:@[ @6 ] stateTensor:late name:nil];
  close("carry", net.run([both objectAtIndex:1]), {1, 1, 1, 0, 0, 0, 0}, 0);
  auto* d = [MPSGraphRandomOpDescriptor
      descriptorWithDistribution:MPSGraphRandomDistributionNormal
                        dataType:MPSDataTypeFloat32];
  d.mean = 3;
  d.standardDeviation = 2;
  NSArray* normal =
      [g randomTensorWithShape:@[ @100, @100 ]
                    descriptor:d
                   stateTensor:[g randomPhiloxStateTensorWithSeed:5 name:nil]
                          name:nil];
  auto* table = [g reshapeTensor:[normal objectAtIndex:0]
                       withShape:@[ @10000 ]
                            name:nil];
  close("mean", net.run([g meanOfTensor:table axes:@[ @0 ] name:nil]), {3},
        0.03);
  close("variance", net.run([g varianceOfTensor:table axes:@[ @0 ] name:nil]),
        {4}, 0.03);
}

}  // namespace

const std::vector<Case>& number_cases() {
  static const std::vector<Case> cases = {
      {"convolution nchw oihw", "", [] { convolution(false, false); }},
      {"convolution nhwc hwio", "", [] { convolution(true, true); }},
      {"convolution nhwc oihw", "", [] { convolution(true, false); }},
      {"convolution padding styles", "", convolution_same},
      {"max pooling nchw", "", [] { max_pooling(false); }},
      {"max pooling nhwc", "", [] { max_pooling(true); }},
      {"average pooling nchw", "", [] { avg_pooling(false); }},
      {"average pooling nhwc", "", [] { avg_pooling(true); }},
      {"pooling of equal values", "", pooling_ties},
      {"pooling ceil mode", "", pooling_ceil},
      {"normalization nchw", "", [] { normalization(false); }},
      {"normalization nhwc", "", [] { normalization(true); }},
      {"matrix multiplication", "", matmul},
      {"loss", "", loss},
      {"activations", "", activations},
      {"arithmetic", "", arithmetic},
      {"unary functions", "", unary},
      {"shape operations", "", shapes},
      {"padding", "", padding},
      {"reductions", "", reductions},
      {"halves", "", halves},
      {"halves in buffers", "", half_buffers},
      {"optimizers", "", optimizers},
      {"random numbers", "", random},
  };
  return cases;
}

}  // namespace selftest
