// Refusals while a graph is built, and of objects that are nil, freed or of
// another kind: one line each.

#include <cstdlib>

#include "harness.h"

namespace selftest {
namespace {

constexpr auto F32 = MPSDataTypeFloat32;
constexpr auto I32 = MPSDataTypeInt32;
constexpr auto BOOLS = MPSDataTypeBool;

MPSGraphTensor* zeros(Net& net, const std::vector<int>& dims,
                      MPSDataType type = F32) {
  return [net.graph constantWithScalar:0 shape:shape(dims) dataType:type];
}

MPSGraphConvolution2DOpDescriptor* convolution() {
  return [MPSGraphConvolution2DOpDescriptor
      descriptorWithStrideInX:1
                    strideInY:1
              dilationRateInX:1
              dilationRateInY:1
                       groups:1
                 paddingStyle:MPSGraphPaddingStyleExplicit
                   dataLayout:MPSGraphTensorNamedDataLayoutNHWC
                weightsLayout:MPSGraphTensorNamedDataLayoutHWIO];
}

MPSGraphPooling2DOpDescriptor* pooling() {
  return [MPSGraphPooling2DOpDescriptor
      descriptorWithKernelWidth:2
                   kernelHeight:2
                      strideInX:2
                      strideInY:2
                   paddingStyle:MPSGraphPaddingStyleExplicit
                     dataLayout:MPSGraphTensorNamedDataLayoutNHWC];
}

MPSGraphShapedType* type_of(const std::vector<int>& dims) {
  return [[[MPSGraphShapedType alloc] initWithShape:shape(dims)
                                           dataType:F32] autorelease];
}

void compile(MPSGraph* graph, NSDictionary* feeds, NSArray* targets,
             NSArray* operations) {
  [graph compileWithDevice:nil
                      feeds:feeds
              targetTensors:targets
           targetOperations:operations
      compilationDescriptor:nil];
}

}  // namespace

const std::vector<Case>& refusal_cases() {
  static const std::vector<Case> cases = {
      {"integers in a convolution", "floating point operands only",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         auto* x = zeros(net, {1, 2, 2, 1}, I32);
         [g convolution2DWithSourceTensor:x
                            weightsTensor:x
                               descriptor:convolution()
                                     name:nil];
       }},
      {"clamp to a larger shape", "[2, 3] does not broadcast to [3]",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         auto* x = zeros(net, {3});
         [g clampWithTensor:x
             minValueTensor:zeros(net, {2, 3})
             maxValueTensor:x
                       name:nil];
       }},
      {"axes named twice", "axes must be unique",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g reductionSumWithTensor:zeros(net, {2, 3})
                              axes:@[ @1, @-1 ]
                              name:nil];
       }},
      {"data of rank 3", "convolution2D: data [4, 4, 1]",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g convolution2DWithSourceTensor:zeros(net, {4, 4, 1})
                            weightsTensor:zeros(net, {1, 1, 1, 1})
                               descriptor:convolution()
                                     name:nil];
       }},
      {"weights of rank 3", "convolution2D: weights [1, 1, 1]",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g convolution2DWithSourceTensor:zeros(net, {1, 4, 4, 1})
                            weightsTensor:zeros(net, {1, 1, 1})
                               descriptor:convolution()
                                     name:nil];
       }},
      {"weights layout for data", "data are NCHW or NHWC",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         auto* x = zeros(net, {1, 1, 1, 1});
         auto* d = convolution();
         d.dataLayout = MPSGraphTensorNamedDataLayoutOIHW;
         [g convolution2DWithSourceTensor:x
                            weightsTensor:x
                               descriptor:d
                                     name:nil];
       }},
      {"data layout for weights", "weights are OIHW or HWIO",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         auto* x = zeros(net, {1, 1, 1, 1});
         auto* d = convolution();
         d.weightsLayout = MPSGraphTensorNamedDataLayoutNCHW;
         [g convolution2DWithSourceTensor:x
                            weightsTensor:x
                               descriptor:d
                                     name:nil];
       }},
      {"layout of three dimensions", "a layout of other than four dimensions",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         auto* x = zeros(net, {1, 1, 1, 1});
         auto* d = convolution();
         d.dataLayout = MPSGraphTensorNamedDataLayoutHWC;
         [g convolution2DWithSourceTensor:x
                            weightsTensor:x
                               descriptor:d
                                     name:nil];
       }},
      {"stride of 0", "a stride, dilation or kernel of 0",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         auto* x = zeros(net, {1, 1, 1, 1});
         auto* d = convolution();
         d.strideInX = 0;
         [g convolution2DWithSourceTensor:x
                            weightsTensor:x
                               descriptor:d
                                     name:nil];
       }},
      {"explicit offset", "ExplicitOffset are undocumented",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         auto* x = zeros(net, {1, 1, 1, 1});
         auto* d = convolution();
         d.paddingStyle = MPSGraphPaddingStyleExplicitOffset;
         [g convolution2DWithSourceTensor:x
                            weightsTensor:x
                               descriptor:d
                                     name:nil];
       }},
      {"output side over 65536", "unsupported before macOS 15.1",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g convolution2DWithSourceTensor:zeros(net, {1, 1, 65537, 1})
                            weightsTensor:zeros(net, {1, 1, 1, 1})
                               descriptor:convolution()
                                     name:nil];
       }},
      {"kernel side of 256", "a kernel side of 256 or more",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g convolution2DWithSourceTensor:zeros(net, {1, 1, 256, 1})
                            weightsTensor:zeros(net, {1, 256, 1, 1})
                               descriptor:convolution()
                                     name:nil];
       }},
      {"window in the padding", "a window would lie in the padding alone",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         auto* d = pooling();
         d.paddingTop = 2;
         [g maxPooling2DWithSourceTensor:zeros(net, {1, 4, 4, 1})
                              descriptor:d
                                    name:nil];
       }},
      {"no descriptor", "a convolution or pooling without descriptor",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g maxPooling2DWithSourceTensor:zeros(net, {1, 4, 4, 1})
                              descriptor:
                                  (MPSGraphPooling2DOpDescriptor* _Nonnull)nil
                                    name:nil];
       }},
      {"operand of nil", "an operand that is nil",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g squareWithTensor:(MPSGraphTensor* _Nonnull)nil name:nil];
       }},
      {"assign to no variable", "assignVariable of a tensor made by constant",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         auto* x = zeros(net, {2});
         [g assignVariable:x withValueOfTensor:x name:nil];
       }},
      {"read of no variable", "readVariable of a tensor made by constant",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g readVariable:zeros(net, {2}) name:nil];
       }},
      {"not of a number", "not of f32[2]",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g notWithTensor:zeros(net, {2}) name:nil];
       }},
      {"square of Bool", "arithmetic on Bool (cast it first)",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g squareWithTensor:zeros(net, {2}, BOOLS) name:nil];
       }},
      {"sum of Bool", "arithmetic on Bool (cast it first)",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         auto* x = zeros(net, {2}, BOOLS);
         [g additionWithPrimaryTensor:x secondaryTensor:x name:nil];
       }},
      {"and of numbers", "logical operation on f32[2]",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         auto* x = zeros(net, {2});
         [g logicalANDWithPrimaryTensor:x secondaryTensor:x name:nil];
       }},
      {"isNaN of integers", "floating point operands only",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g isNaNWithTensor:zeros(net, {2}, I32) name:nil];
       }},
      {"select by numbers", "the predicate is Bool",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         auto* x = zeros(net, {2});
         [g selectWithPredicateTensor:x
                  truePredicateTensor:x
                 falsePredicateTensor:x
                                 name:nil];
       }},
      {"relu gradient of another shape",
       "reLUGradient: incoming gradient [3] for a source [2]",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g reLUGradientWithIncomingGradient:zeros(net, {3})
                                sourceTensor:zeros(net, {2})
                                        name:nil];
       }},
      {"gradient of a reduced loss", "a scalar where the loss was reduced",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         auto* x = zeros(net, {3, 4});
         [g softMaxCrossEntropyGradientWithIncomingGradientTensor:zeros(net,
                                                                        {3})
                                                     sourceTensor:x
                                                     labelsTensor:x
                                                             axis:1
                                                    reductionType:
                                                        MPSGraphLossReductionTypeMean
                                                             name:nil];
       }},
      {"gradient of a loss per row",
       "incoming gradient [1] of a loss per row of [3, 4]",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         auto* x = zeros(net, {3, 4});
         [g softMaxCrossEntropyGradientWithIncomingGradientTensor:zeros(net,
                                                                        {1})
                                                     sourceTensor:x
                                                     labelsTensor:x
                                                             axis:1
                                                    reductionType:
                                                        MPSGraphLossReductionTypeNone
                                                             name:nil];
       }},
      {"one hot of floats", "indices are integers",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g oneHotWithIndicesTensor:zeros(net, {2}) depth:3 name:nil];
       }},
      {"one hot axis", "oneHot: axis 2",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g oneHotWithIndicesTensor:zeros(net, {2}, I32)
                              depth:3
                               axis:2
                               name:nil];
       }},
      {"two open dimensions", "one -1 at most",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g reshapeTensor:zeros(net, {6}) withShape:@[ @-1, @-1 ] name:nil];
       }},
      {"half a permutation", "a permutation of all dimensions",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g transposeTensor:zeros(net, {2, 3}) permutation:@[ @1 ] name:nil];
       }},
      {"transpose axis", "transpose of [2, 3] (axis out of range)",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g transposeTensor:zeros(net, {2, 3})
                  dimension:0
              withDimension:2
                       name:nil];
       }},
      {"slice axis", "slice of [2, 3] (axis out of range)",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g sliceTensor:zeros(net, {2, 3})
              dimension:2
                  start:0
                 length:1
                   name:nil];
       }},
      {"slice over the end", "inside the tensor, not empty",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g sliceTensor:zeros(net, {2, 3})
              dimension:1
                  start:2
                 length:2
                   name:nil];
       }},
      {"slice with too few starts",
       "one start, end and stride for each dimension",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g sliceTensor:zeros(net, {2, 3})
                 starts:@[ @0 ]
                   ends:@[ @1 ]
                strides:@[ @1 ]
                   name:nil];
       }},
      {"concat of nothing", "concat of nothing",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g concatTensors:@[] dimension:0 name:nil];
       }},
      {"concat of other sizes", "concat of [2, 3] and [3, 2]",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g concatTensor:zeros(net, {2, 3})
              withTensor:zeros(net, {3, 2})
               dimension:0
                    name:nil];
       }},
      {"expand axis", "expandDims: axis 3",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g expandDimsOfTensor:zeros(net, {2, 3}) axis:3 name:nil];
       }},
      {"squeeze of a size", "squeeze of dimension 0 of [2, 1]",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g squeezeTensor:zeros(net, {2, 1}) axis:0 name:nil];
       }},
      {"pad with too few numbers", "one padding for each dimension",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g padTensor:zeros(net, {2, 3})
             withPaddingMode:MPSGraphPaddingModeZero
                 leftPadding:@[ @1 ]
                rightPadding:@[ @1 ]
               constantValue:0
                        name:nil];
       }},
      {"reflect over the tensor", "reflect inside the tensor",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g padTensor:zeros(net, {3})
             withPaddingMode:MPSGraphPaddingModeReflect
                 leftPadding:@[ @3 ]
                rightPadding:@[ @0 ]
               constantValue:0
                        name:nil];
       }},
      {"periodic padding", "no periodic padding",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g padTensor:zeros(net, {3})
             withPaddingMode:MPSGraphPaddingModePeriodic
                 leftPadding:@[ @1 ]
                rightPadding:@[ @0 ]
               constantValue:0
                        name:nil];
       }},
      {"and over numbers", "reduction of f32[3]",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g reductionAndWithTensor:zeros(net, {3}) axis:0 name:nil];
       }},
      {"mean of another shape", "variance: mean [3] of [2, 3]",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g varianceOfTensor:zeros(net, {2, 3})
                  meanTensor:zeros(net, {3})
                        axes:@[ @0 ]
                        name:nil];
       }},
      {"other reduction axes",
       "normalizationGammaGradient: mean [1, 3], axes [1]",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         auto* x = zeros(net, {2, 3});
         auto* m = zeros(net, {1, 3});
         [g normalizationGammaGradientWithIncomingGradientTensor:x
                                                    sourceTensor:x
                                                      meanTensor:m
                                                  varianceTensor:m
                                                   reductionAxes:@[ @1 ]
                                                         epsilon:1e-5f
                                                            name:nil];
       }},
      {"no gamma gradient", "no gamma or beta gradient",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         auto* x = zeros(net, {2, 3});
         auto* m = zeros(net, {1, 3});
         [g normalizationGradientWithIncomingGradientTensor:x
                                               sourceTensor:x
                                                 meanTensor:m
                                             varianceTensor:m
                                                gammaTensor:m
                                        gammaGradientTensor:nil
                                         betaGradientTensor:nil
                                              reductionAxes:@[ @0 ]
                                                    epsilon:1e-5f
                                                       name:nil];
       }},
      {"beta gradient of another shape",
       "normalizationBetaGradient: incoming gradient",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g normalizationBetaGradientWithIncomingGradientTensor:zeros(net,
                                                                      {2, 3})
                                                   sourceTensor:zeros(net,
                                                                      {3, 2})
                                                  reductionAxes:@[ @0 ]
                                                           name:nil];
       }},
      {"learning rate per weight", "stochasticGradientDescent: [2] (a scalar)",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         auto* x = zeros(net, {2});
         [g stochasticGradientDescentWithLearningRateTensor:x
                                               valuesTensor:x
                                             gradientTensor:x
                                                       name:nil];
       }},
      {"gradient of other weights", "values, gradient and state have one shape",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g stochasticGradientDescentWithLearningRateTensor:net.scalar(1)
                                               valuesTensor:zeros(net, {2})
                                             gradientTensor:zeros(net, {3})
                                                       name:nil];
       }},
      {"update of no variable", "applyStochasticGradientDescent of no variable",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         auto* x = zeros(net, {2});
         [g applyStochasticGradientDescentWithLearningRateTensor:net.scalar(1)
                                                        variable:
                                                            (MPSGraphVariableOp*)
                                                                x.operation
                                                  gradientTensor:x
                                                            name:nil];
       }},
      {"random state", "the state is i32[7]",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g randomUniformTensorWithShape:@[ @2 ]
                             stateTensor:zeros(net, {6}, I32)
                                    name:nil];
       }},
      {"random Bool", "randomTensor of bool",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         auto* d = [MPSGraphRandomOpDescriptor
             descriptorWithDistribution:MPSGraphRandomDistributionUniform
                               dataType:BOOLS];
         [g randomTensorWithShape:@[ @2 ]
                       descriptor:d
                      stateTensor:zeros(net, {7}, I32)
                             name:nil];
       }},
      {"truncated normal", "the stand-in has Uniform and Normal",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         auto* d = [MPSGraphRandomOpDescriptor
             descriptorWithDistribution:
                 MPSGraphRandomDistributionTruncatedNormal
                               dataType:F32];
         [g randomTensorWithShape:@[ @2 ]
                       descriptor:d
                      stateTensor:zeros(net, {7}, I32)
                             name:nil];
       }},
      {"random numbers of rank 5", "generate flat, then reshape",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g randomUniformTensorWithShape:@[ @1, @1, @1, @1, @2 ]
                             stateTensor:zeros(net, {7}, I32)
                                    name:nil];
       }},
      {"unknown data type", "data type 16",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g constantWithScalar:0 dataType:MPSDataTypeUInt16];
       }},
      {"rank of 17", "at most 16 dimensions",
       [] {
         Net net;
         zeros(net, std::vector<int>(17, 1));
       }},
      {"one huge dimension", "NDArray dimension length > INT_MAX",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         [g placeholderWithShape:@[ @3000000000 ] dataType:F32 name:nil];
       }},
      {"command queue for none", "a command queue for 0 command buffers",
       [] { [device() newCommandQueueWithMaxCommandBufferCount:0]; }},
      {"command buffer of nil", "MPSCommandBuffer of nil",
       [] {
         [MPSCommandBuffer
             commandBufferWithCommandBuffer:(id<MTLCommandBuffer> _Nonnull)nil];
       }},
      {"tensor data of nil", "MPSGraphTensorData of nil",
       [] {
         [[MPSGraphTensorData alloc]
             initWithDevice:(MPSGraphDevice* _Nonnull)nil
                       data:[NSData data]
                      shape:@[ @1 ]
                   dataType:F32];
       }},
      {"tensor data of other bytes",
       "MPSGraphTensorData: NSData of 3 bytes for f32[1]",
       [] {
         [[MPSGraphTensorData alloc]
             initWithDevice:[MPSGraphDevice deviceWithMTLDevice:device()]
                       data:[NSMutableData dataWithLength:3]
                      shape:@[ @1 ]
                   dataType:F32];
       }},
      {"tensor data of no array", "MPSGraphTensorData of no MPSNDArray",
       [] {
         [[MPSGraphTensorData alloc]
             initWithMPSNDArray:(MPSNDArray* _Nonnull)nil];
       }},
      {"array of nil", "MPSNDArray of nil",
       [] {
         [[MPSNDArray alloc]
             initWithDevice:device()
                 descriptor:(MPSNDArrayDescriptor* _Nonnull)nil];
       }},
      {"feed of no placeholder", "a feed that is no placeholder",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         auto* x = zeros(net, {2});
         compile(g, @{x : type_of({2})}, @[ x ], @[]);
       }},
      {"compile of nothing", "compile: no target",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         compile(g, @{}, @[], @[]);
       }},
      {"target of another graph", "compile: a target of another graph",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         Net other;
         compile(g, @{}, @[ zeros(other, {2}) ], @[]);
       }},
      {"operation of another graph", "compile: an operation of another graph",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         Net other;
         compile(g, @{}, @[], @[ zeros(other, {2}).operation ]);
       }},
      {"run without a feed", "not among the feeds",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         auto* x = [g placeholderWithShape:@[ @2 ] dataType:F32 name:nil];
         net.run(x);
       }},
      {"run without a feed, compiled before",
       "a run without the feed of a placeholder",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         auto* x = net.feed({1}, {1});
         auto* y = [g squareWithTensor:x name:nil];
         for (NSDictionary* feeds in @[ net.feeds, @{} ]) {
           [g runWithMTLCommandQueue:queue()
                               feeds:feeds
                       targetTensors:@[ y ]
                    targetOperations:nil];
         }
       }},
      {"run that does not compile", "a graph run that does not compile",
       [] {
         Net net;
         standin_set("compile", "0");
         net.run(zeros(net, {2}));
       }},
      {"run without a queue", "a run that finds no command queue",
       [] {
         Net net;
         MPSGraph* g = net.graph;
         standin_set("queue", "0");
         [g runWithFeeds:@{}
                targetTensors:@[ zeros(net, {2}) ]
             targetOperations:nil];
       }},
      {"specialize with other types", "specialize for another shape or type",
       [] {
         Step step;
         [step.executable specializeWithDevice:nil
                                    inputTypes:@[ type_of({5}) ]
                         compilationDescriptor:nil];
       }},
      {"specialize with no types", "specialize with 0 types",
       [] {
         Step step;
         [step.executable specializeWithDevice:nil
                                    inputTypes:@[]
                         compilationDescriptor:nil];
       }},
      {"encode into a plain command buffer", "encode into no MPSCommandBuffer",
       [] {
         Step step;
         [step.executable
             encodeToCommandBuffer:(MPSCommandBuffer*)[queue() commandBuffer]
                       inputsArray:@[ step.data(step.input) ]
                      resultsArray:nil
               executionDescriptor:nil];
       }},
      {"inputs of another class", "inputsArray: not tensor data",
       [] {
         Step step;
         [step.executable
             encodeToCommandBuffer:[MPSCommandBuffer
                                       commandBufferFromCommandQueue:queue()]
                       inputsArray:@[ (MPSGraphTensorData*)@1 ]
                      resultsArray:nil
               executionDescriptor:nil];
       }},
      {"no queue to run on", "encode into no command buffer",
       [] {
         Step step;
         [step.executable
             runWithMTLCommandQueue:(id<MTLCommandQueue> _Nonnull)nil
                        inputsArray:@[ step.data(step.input) ]
                       resultsArray:nil
                executionDescriptor:nil];
       }},
      {"no room for results", "no room for a result f32[4]",
       [] {
         Step step;
         standin_set("buffer_limit", "1");
         [step.executable runWithMTLCommandQueue:queue()
                                     inputsArray:@[ step.data(step.input) ]
                                    resultsArray:nil
                             executionDescriptor:nil];
       }},
      {"tensor of a freed graph", "a tensor of a graph that was freed",
       [] {
         MPSGraph* gone = [MPSGraph new];
         auto* x = [[gone constantWithScalar:1 dataType:F32] retain];
         [gone release];
         [x dataType];
       }},
      {"graph of an operation that was freed",
       "the graph of an operation was freed",
       [] {
         MPSGraph* gone = [MPSGraph new];
         auto* op = [[gone constantWithScalar:1 dataType:F32].operation retain];
         [gone release];
         [op graph];
       }},
      {"write to an array in flight", "writeBytes of an input in flight",
       [] {
         Step step;
         standin_set("delay", "200");
         auto* array = [step.data(step.input) mpsndarray];
         [step.encode(queue()) commit];
         float values[4] = {};
         [array writeBytes:values strideBytes:nil];
       }},
      {"buffer released too often", "a buffer in flight was freed",
       [] {
         Step step;
         standin_set("delay", "200");
         [step.encode(queue()) commit];
         for (NSUInteger i = [step.input retainCount]; i > 0; --i)
           [step.input release];
       }},
      {"unknown fault in the environment", "BIRBS_STANDIN_INJECT=nonsense@1",
       [] {
         setenv("BIRBS_STANDIN_INJECT", "nonsense@1", 1);
         standin_reset();
       }},
  };
  return cases;
}

}  // namespace selftest
