// One case for each thing that Apple's frameworks abort on, or leave undefined.
// Each ends in an abort that says what `expect` says.

#include <cmath>
#include <cstring>
#include <thread>

#include "harness.h"

namespace selftest {
namespace {

constexpr auto F32 = MPSDataTypeFloat32;

MPSGraphTensor* zeros(Net& net, const std::vector<int>& dims,
                      MPSDataType type = F32) {
  return [net.graph constantWithScalar:0 shape:shape(dims) dataType:type];
}

MPSGraphTensor* convolve(Net& net, const std::vector<int>& data,
                         const std::vector<int>& weights, NSUInteger groups = 1,
                         MPSDataType weight_type = F32) {
  auto* d = [MPSGraphConvolution2DOpDescriptor
      descriptorWithStrideInX:1
                    strideInY:1
              dilationRateInX:1
              dilationRateInY:1
                       groups:groups
                 paddingStyle:MPSGraphPaddingStyleExplicit
                   dataLayout:MPSGraphTensorNamedDataLayoutNHWC
                weightsLayout:MPSGraphTensorNamedDataLayoutHWIO];
  auto* w = zeros(net, weights, weight_type);
  auto* x = [net.graph placeholderWithShape:shape(data) dataType:F32 name:nil];
  return [net.graph convolution2DWithSourceTensor:x
                                    weightsTensor:w
                                       descriptor:d
                                             name:nil];
}

MPSGraphPooling2DOpDescriptor* pool() {
  return [MPSGraphPooling2DOpDescriptor
      descriptorWithKernelWidth:2
                   kernelHeight:2
                      strideInX:2
                      strideInY:2
                   paddingStyle:MPSGraphPaddingStyleExplicit
                     dataLayout:MPSGraphTensorNamedDataLayoutNHWC];
}

MPSGraphExecutable* compile(MPSGraph* graph, NSDictionary* feeds,
                            NSArray* targets, NSArray* operations = nil) {
  return [graph compileWithDevice:nil
                            feeds:feeds
                    targetTensors:targets
                 targetOperations:operations
            compilationDescriptor:nil];
}

MPSGraphShapedType* type_of(const std::vector<int>& dims,
                            MPSDataType type = F32) {
  return [[[MPSGraphShapedType alloc] initWithShape:shape(dims)
                                           dataType:type] autorelease];
}

void encode(Step& step, NSArray* inputs, NSArray* results) {
  [step.executable
      encodeToCommandBuffer:[MPSCommandBuffer
                                commandBufferFromCommandQueue:queue()]
                inputsArray:inputs
               resultsArray:results
        executionDescriptor:nil];
}

void constant(double value) { Net().scalar(value); }

void channels() {
  Net net;
  convolve(net, {1, 4, 4, 3}, {2, 2, 4, 5});
}

void groups() {
  Net net;
  convolve(net, {1, 4, 4, 4}, {2, 2, 2, 5}, 2);
}

void kernel() {
  Net net;
  convolve(net, {1, 4, 4, 3}, {5, 2, 3, 5});
}

void batch() {
  Net net;
  convolve(net, {65536, 1, 1, 1}, {1, 1, 1, 1});
}

void convolution_types() {
  Net net;
  convolve(net, {1, 4, 4, 3}, {2, 2, 3, 5}, 1, MPSDataTypeFloat16);
}

void gradient_size() {
  Net net;
  auto* x = zeros(net, {1, 4, 4, 3});
  [net.graph maxPooling2DGradientWithGradientTensor:zeros(net, {1, 3, 2, 3})
                                       sourceTensor:x
                                         descriptor:pool()
                                               name:nil];
}

void weight_gradient_size() {
  Net net;
  auto* d = [MPSGraphConvolution2DOpDescriptor
      descriptorWithStrideInX:1
                    strideInY:1
              dilationRateInX:1
              dilationRateInY:1
                       groups:1
                 paddingStyle:MPSGraphPaddingStyleExplicit
                   dataLayout:MPSGraphTensorNamedDataLayoutNHWC
                weightsLayout:MPSGraphTensorNamedDataLayoutHWIO];
  // The shape of the source, as the header's text has it, instead of the
  // weights'.
  [net.graph
      convolution2DWeightsGradientWithIncomingGradientTensor:zeros(net,
                                                                   {1, 3, 3, 5})
                                                sourceTensor:zeros(net,
                                                                   {1, 4, 4, 3})
                                                 outputShape:@[ @1, @4, @4, @3 ]
                                forwardConvolutionDescriptor:d
                                                        name:nil];
}

void indices() {
  Net net;
  [net.graph maxPooling2DGradientWithGradientTensor:zeros(net, {1, 2, 2, 3})
                                      indicesTensor:zeros(net, {1, 2, 2, 3},
                                                          MPSDataTypeInt32)
                                        outputShape:@[ @1, @4, @4, @3 ]
                                         descriptor:pool()
                                               name:nil];
}

void ceil_and_padding() {
  Net net;
  auto* d = pool();
  d.ceilMode = d.includeZeroPadToAverage = YES;
  [net.graph avgPooling2DWithSourceTensor:zeros(net, {1, 3, 3, 1})
                               descriptor:d
                                     name:nil];
}

void add(const std::vector<int>& a, const std::vector<int>& b,
         MPSDataType type = F32) {
  Net net;
  [net.graph additionWithPrimaryTensor:zeros(net, a)
                       secondaryTensor:zeros(net, b, type)
                                  name:nil];
}

void matmul() {
  Net net;
  [net.graph matrixMultiplicationWithPrimaryTensor:zeros(net, {2, 3})
                                   secondaryTensor:zeros(net, {4, 2})
                                              name:nil];
}

void reshape() {
  Net net;
  [net.graph reshapeTensor:zeros(net, {2, 3}) withShape:@[ @4, @-1 ] name:nil];
}

void axis() {
  Net net;
  [net.graph reductionSumWithTensor:zeros(net, {2, 3}) axis:2 name:nil];
}

void labels() {
  Net net;
  [net.graph
      softMaxCrossEntropyWithSourceTensor:zeros(net, {3, 4})
                             labelsTensor:zeros(net, {3}, MPSDataTypeInt32)
                                     axis:1
                            reductionType:MPSGraphLossReductionTypeMean
                                     name:nil];
}

void loss_rank() {
  Net net;
  auto* x = zeros(net, {3, 4});
  auto* loss = [net.graph
      softMaxCrossEntropyWithSourceTensor:x
                             labelsTensor:x
                                     axis:1
                            reductionType:MPSGraphLossReductionTypeNone
                                     name:nil];
  [net.graph squareWithTensor:loss name:nil];
}

void loss_target() {
  Net net;
  auto* x = zeros(net, {3, 4});
  auto* loss = [net.graph
      softMaxCrossEntropyWithSourceTensor:x
                             labelsTensor:x
                                     axis:1
                            reductionType:MPSGraphLossReductionTypeMean
                                     name:nil];
  compile(net.graph, @{}, @[ loss ]);
}

void random_rank() {
  Net net;
  auto* state = [net.graph randomPhiloxStateTensorWithSeed:1 name:nil];
  NSArray* both = [net.graph randomUniformTensorWithShape:@[ @4 ]
                                              stateTensor:state
                                                     name:nil];
  [net.graph squareWithTensor:[both objectAtIndex:0] name:nil];
}

void dropout() {
  Net net;
  [net.graph dropoutTensor:zeros(net, {4}) rate:0.5 name:nil];
}

void norm_shape() {
  Net net;
  auto* c = zeros(net, {3});
  [net.graph normalizationWithTensor:zeros(net, {2, 4, 4, 3})
                          meanTensor:c
                      varianceTensor:c
                         gammaTensor:nil
                          betaTensor:nil
                             epsilon:1e-5f
                                name:nil];
}

void dynamic() {
  Net net;
  [net.graph placeholderWithShape:@[ @-1, @3 ] dataType:F32 name:nil];
}

void unranked() {
  Net net;
  [net.graph placeholderWithShape:nil dataType:F32 name:nil];
}

void dynamic_compile() {
  Step step;
  compile(step.graph, @{step.x : type_of({-1})}, @[ step.y ]);
}

void compile_type() {
  Step step;
  compile(step.graph, @{step.x : type_of({4}, MPSDataTypeFloat16)},
          @[ step.y ]);
}

void dims_product() {
  Net net;
  [net.graph placeholderWithShape:@[ @65536, @32768 ]
                         dataType:MPSDataTypeUInt8
                             name:nil];
}

void total_bytes() {
  Net net;
  [net.graph placeholderWithShape:@[ @32768, @32768 ] dataType:F32 name:nil];
}

void data_bytes() {
  Net net;
  [net.graph variableWithData:[NSMutableData dataWithLength:12]
                        shape:@[ @4 ]
                     dataType:F32
                         name:nil];
}

void small_buffer() {
  id<MTLBuffer> buffer =
      [device() newBufferWithLength:8 options:MTLResourceStorageModeShared];
  [[MPSGraphTensorData alloc] initWithMTLBuffer:buffer
                                          shape:@[ @4 ]
                                       dataType:F32];
}

void no_buffer() {
  id<MTLBuffer> buffer =
      [device() newBufferWithLength:0 options:MTLResourceStorageModeShared];
  [[MPSGraphTensorData alloc] initWithMTLBuffer:buffer
                                          shape:@[ @4 ]
                                       dataType:F32];
}

void missing_feed() {
  Step step;
  compile(step.graph, @{}, @[ step.y ]);
}

void feed_count() {
  Step step;
  encode(step, @[], @[ step.data(step.result) ]);
}

void feed_order() {
  Net net;
  auto* a = [net.graph placeholderWithShape:@[ @2 ] dataType:F32 name:nil];
  auto* b = [net.graph placeholderWithShape:@[ @3 ] dataType:F32 name:nil];
  auto* y = [net.graph concatTensor:a withTensor:b dimension:0 name:nil];
  auto* executable =
      compile(net.graph, @{a : type_of({2}), b : type_of({3})}, @[ y ]);
  NSMutableArray* inputs = [NSMutableArray array];
  for (int size : {2, 3}) {  // the order of creation
    id<MTLBuffer> buffer =
        [device() newBufferWithLength:12 options:MTLResourceStorageModeShared];
    [inputs addObject:[[[MPSGraphTensorData alloc]
                          initWithMTLBuffer:buffer
                                      shape:shape({size})
                                   dataType:F32] autorelease]];
  }
  [executable runWithMTLCommandQueue:queue()
                         inputsArray:inputs
                        resultsArray:nil
                 executionDescriptor:nil];
}

void result_rank() {
  Step step;
  auto* data = [[[MPSGraphTensorData alloc] initWithMTLBuffer:step.result
                                                        shape:@[ @1, @4 ]
                                                     dataType:F32] autorelease];
  encode(step, @[ step.data(step.input) ], @[ data ]);
}

void aliased() {
  Step step;
  encode(step, @[ step.data(step.input) ], @[ step.data(step.input) ]);
}

void two_results() {
  Net net;
  auto* a = zeros(net, {4});
  auto* b = [net.graph squareWithTensor:a name:nil];
  auto* c = [net.graph negativeWithTensor:a name:nil];
  id<MTLBuffer> buffer =
      [device() newBufferWithLength:16 options:MTLResourceStorageModeShared];
  auto* data = [[[MPSGraphTensorData alloc] initWithMTLBuffer:buffer
                                                        shape:@[ @4 ]
                                                     dataType:F32] autorelease];
  [compile(net.graph, @{}, @[ b, c ]) runWithMTLCommandQueue:queue()
                                                 inputsArray:@[]
                                                resultsArray:@[ data, data ]
                                         executionDescriptor:nil];
}

void early_read() {
  Step step;
  standin_set("delay", "200");
  auto* buffer = step.encode(queue());
  [buffer commit];
  float values[4];
  [[step.data(step.result) mpsndarray] readBytes:values strideBytes:nil];
}

void write_in_flight() {
  Step step;
  standin_set("delay", "100");
  auto* buffer = step.encode(queue());
  [buffer commit];
  step.fill(3);
  [buffer waitUntilCompleted];
}

void result_written() {
  Step step;
  standin_set("delay", "100");
  auto* buffer = step.encode(queue());
  [buffer commit];
  *static_cast<float*>([step.result contents]) = 3;
  [buffer waitUntilCompleted];
}

void result_reused() {
  Step step;
  standin_set("delay", "100");
  auto* first = step.encode(queue());
  auto* second = step.encode(queue());
  [first commit];
  [second commit];
}

void result_as_input() {
  Step step;
  standin_set("delay", "100");
  auto* first = step.encode(queue());
  [first commit];
  id<MTLBuffer> other =
      [device() newBufferWithLength:16 options:MTLResourceStorageModeShared];
  auto* second = [MPSCommandBuffer commandBufferFromCommandQueue:queue()];
  [step.executable encodeToCommandBuffer:second
                             inputsArray:@[ step.data(step.result) ]
                            resultsArray:@[ step.data(other) ]
                     executionDescriptor:nil];
  [second commit];
}

void own_results_reused() {
  Step step;
  standin_set("delay", "100");
  for (int i = 0; i < 2; ++i) {
    [step.executable runAsyncWithMTLCommandQueue:queue()
                                     inputsArray:@[ step.data(step.input) ]
                                    resultsArray:nil
                             executionDescriptor:nil];
  }
}

// main() makes no pool for this one.
void no_pool() {
  MPSCommandBuffer* buffer;
  NSArray* none;
  Step* step;
  @autoreleasepool {
    step = new Step;
    buffer = [[MPSCommandBuffer commandBufferFromCommandQueue:queue()] retain];
    none = [[NSArray alloc] init];
  }
  [step->executable encodeToCommandBuffer:buffer
                              inputsArray:none
                             resultsArray:nil
                      executionDescriptor:nil];
}

void no_pool_thread() {
  std::thread([] { [queue() commandBuffer]; }).join();
}

void read_and_assign() {
  Net net;
  auto* w = net.variable({1, 2}, {2});
  auto* old = [net.graph readVariable:w name:nil];
  auto* assign = [net.graph assignVariable:w
                         withValueOfTensor:[net.graph negativeWithTensor:old
                                                                    name:nil]
                                      name:nil];
  compile(net.graph, @{}, @[ [net.graph squareWithTensor:old name:nil] ],
          @[ assign ]);
}

void two_assigns() {
  Net net;
  auto* w = net.variable({1, 2}, {2});
  auto* value = zeros(net, {2});
  compile(net.graph, @{}, @[], @[
    [net.graph assignVariable:w withValueOfTensor:value name:nil],
    [net.graph assignVariable:w withValueOfTensor:value name:nil]
  ]);
}

void variable_target() {
  Net net;
  compile(net.graph, @{}, @[ net.variable({1, 2}, {2}) ]);
}

void assign_shape() {
  Net net;
  [net.graph assignVariable:net.variable({1, 2}, {2})
          withValueOfTensor:zeros(net, {1, 2})
                       name:nil];
}

void encode_after_commit() {
  Step step;
  auto* buffer = step.encode(queue());
  [buffer commit];
  [step.executable encodeToCommandBuffer:buffer
                             inputsArray:@[ step.data(step.input) ]
                            resultsArray:nil
                     executionDescriptor:nil];
}

void commit_twice() {
  Step step;
  auto* buffer = step.encode(queue());
  [buffer commit];
  [buffer commit];
}

void handler_after_commit() {
  Step step;
  auto* buffer = step.encode(queue());
  [buffer commit];
  [buffer addCompletedHandler:^(id<MTLCommandBuffer>){
  }];
}

void wait_uncommitted() {
  Step step;
  [step.encode(queue()) waitUntilCompleted];
}

void wait_after_continue() {
  Step step;
  auto* buffer = step.encode(queue());
  [buffer commitAndContinue];
  [buffer waitUntilCompleted];
}

void wait_in_handler() {
  Step step;
  auto* buffer = step.encode(queue());
  [buffer addCompletedHandler:^(id<MTLCommandBuffer> done) {
    [done waitUntilCompleted];
  }];
  [buffer commit];
  [buffer waitUntilCompleted];
}

void wait_in_encode() {
  Step step;
  auto* descriptor =
      [[[MPSGraphExecutableExecutionDescriptor alloc] init] autorelease];
  descriptor.waitUntilCompleted = YES;
  [step.executable
      encodeToCommandBuffer:[MPSCommandBuffer
                                commandBufferFromCommandQueue:queue()]
                inputsArray:@[ step.data(step.input) ]
               resultsArray:nil
        executionDescriptor:descriptor];
}

void queue_exhausted() {
  id<MTLCommandQueue> small =
      [device() newCommandQueueWithMaxCommandBufferCount:2];
  for (int i = 0; i < 3; ++i) [small commandBuffer];
}

void graph_freed() {
  Step step;
  [step.graph release];
  encode(step, @[ step.data(step.input) ], @[ step.data(step.result) ]);
}

void graph_freed_in_flight() {
  Step step;
  standin_set("delay", "100");
  [step.encode(queue()) commit];
  [step.graph release];
}

void executable_freed_in_flight() {
  Step step;
  standin_set("delay", "100");
  [step.encode(queue()) commit];
  [step.executable release];
}

void other_graph() {
  Net a, b;
  [a.graph additionWithPrimaryTensor:zeros(a, {2})
                     secondaryTensor:zeros(b, {2})
                                name:nil];
}

void two_threads() {
  // A graph so large that compiling it takes a while.
  Net net;
  auto* x = [net.graph placeholderWithShape:@[ @4 ] dataType:F32 name:nil];
  auto* y = x;
  for (int i = 0; i < 3000; ++i) {
    y = [net.graph additionWithPrimaryTensor:y secondaryTensor:x name:nil];
  }
  auto work = [&] {
    @autoreleasepool {
      for (int i = 0; i < 100; ++i) {
        @autoreleasepool {
          compile(net.graph, @{x : type_of({4})}, @[ y ]);
        }
      }
    }
  };
  std::thread other(work);
  work();
  other.join();
}

}  // namespace

const std::vector<Case>& strict_cases() {
  static const std::vector<Case> cases = {
      {"channel mismatch", "Source and weight input channels mismatch",
       channels},
      {"group mismatch", "Source and weight input channels mismatch", groups},
      {"kernel over padded input",
       "destination kernel width and filter kernel width mismatch", kernel},
      {"batch of 65536", "wrong gradients from 65536 on", batch},
      {"mixed types in a convolution", "requires the same element type",
       convolution_types},
      {"gradient size", "maxPooling2DGradient: incoming gradient [1, 3, 2, 3]",
       gradient_size},
      {"weight gradient size", "Source and weight input channels mismatch",
       weight_gradient_size},
      {"indices of no pooling", "same returnIndicesMode", indices},
      {"ceil mode with padding", "avoid the combination", ceil_and_padding},
      {"broadcast", "are not broadcast compatible", [] { add({2, 3}, {2}); }},
      {"mixed types", "f32[2] with f16[2]",
       [] { add({2}, {2}, MPSDataTypeFloat16); }},
      {"matrix sizes", "[2, 3] by [4, 2]", matmul},
      {"reshape count", "element count mismatch", reshape},
      {"axis out of range", "axis out of range", axis},
      {"class indices as labels", "labels have the shape and type", labels},
      {"rank of a loss per row", "reshape it to its known shape first",
       loss_rank},
      {"loss as target", "reshape it to its known shape first", loss_target},
      {"rank of random numbers", "reshape it to its known shape first",
       random_rank},
      {"dropoutTensor", "undocumented behaviour, do not use", dropout},
      {"shape of statistics", "1x1x1xC or 1xCx1x1", norm_shape},
      {"NaN constant", "no NaN or infinite constants",
       [] { constant(std::nan("")); }},
      {"infinite constant", "no NaN or infinite constants",
       [] { constant(-INFINITY); }},
      {"dynamic placeholder", "isStaticMPSType", dynamic},
      {"unranked placeholder", "isStaticMPSType", unranked},
      {"dynamic compile", "isStaticMPSType", dynamic_compile},
      {"compile for another type", "a feed f16[4] for a placeholder f32[4]",
       compile_type},
      {"too many elements", "product of dimension sizes > 2**31", dims_product},
      {"too many bytes", "total bytes of NDArray > 2**32", total_bytes},
      {"byte count of NSData", "NSData of 12 bytes for f32[4]", data_bytes},
      {"small buffer", "buffer is not large enough. Must be 16 bytes",
       small_buffer},
      {"buffer of zero bytes", "MPSGraphTensorData of no buffer", no_buffer},
      {"missing feed", "not among the feeds", missing_feed},
      {"feed count", "inputsArray: 0 for 1 tensors", feed_count},
      {"feed order", "in the order of feedTensors", feed_order},
      {"result rank", "resultsArray 0: expected f32[4] but received f32[1, 4]",
       result_rank},
      {"input as result", "one buffer as input and result of one encode",
       aliased},
      {"one buffer for two results", "one buffer for two results", two_results},
      {"read before completion", "of a result before completion", early_read},
      {"input written in flight", "an input buffer was written in flight",
       write_in_flight},
      {"result written in flight", "a result buffer was written in flight",
       result_written},
      {"result reused in flight", "a result buffer is still in flight",
       result_reused},
      {"result in flight as input",
       "an input buffer is the result of a command buffer in flight",
       result_as_input},
      {"executable's own results reused", "a result buffer is still in flight",
       own_results_reused},
      {"no pool", "encode without an autorelease pool", no_pool},
      {"no pool in a thread", "commandBuffer without an autorelease pool",
       no_pool_thread},
      {"variable read and assigned",
       "readVariable and assignVariable of one variable", read_and_assign},
      {"two assigns", "two assigns to one variable", two_assigns},
      {"variable as target", "a variable's own tensor as target",
       variable_target},
      {"shape of an assign", "assignVariable: [1, 2] to a variable [2]",
       assign_shape},
      {"encode after commit",
       "encodeToCommandBuffer: on a committed command buffer",
       encode_after_commit},
      {"commit twice", "commit on a committed command buffer", commit_twice},
      {"handler after commit",
       "addCompletedHandler: on a committed command buffer",
       handler_after_commit},
      {"wait before commit",
       "waitUntilCompleted on an uncommitted command buffer", wait_uncommitted},
      {"wait after commitAndContinue",
       "waitUntilCompleted on an uncommitted command buffer",
       wait_after_continue},
      {"wait in a handler", "waitUntilCompleted from a handler",
       wait_in_handler},
      {"wait in an encode", "it cannot finish", wait_in_encode},
      {"queue exhausted", "it would block for ever", queue_exhausted},
      {"graph freed", "use of a graph that was freed", graph_freed},
      {"graph freed in flight", "a graph was freed with work in flight",
       graph_freed_in_flight},
      {"executable freed in flight",
       "an executable was freed with work in flight",
       executable_freed_in_flight},
      {"tensor of another graph", "a tensor of another graph", other_graph},
      {"two threads", "two threads inside one MPSGraph", two_threads},
  };
  return cases;
}

}  // namespace selftest
