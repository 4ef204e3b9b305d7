#include "internal.h"

using namespace standin;

namespace {

NSArray* tensors_of(const std::vector<Value*>& values) {
  NSMutableArray* tensors = [NSMutableArray array];
  for (Value* value : values) {
    [tensors addObject:[MPSGraphTensor standinTensorOf:value]];
  }
  return tensors;
}

// Tensor data for each target.
NSArray* new_results(const std::vector<Value*>& targets) {
  NSMutableArray* results = [[NSMutableArray alloc] init];
  for (Value* target : targets) {
    id<MTLBuffer> buffer = [[StandinDevice shared]
        newBufferWithLength:static_cast<NSUInteger>(
                                byte_count(target->dims, target->type))
                    options:MTLResourceStorageModeShared];
    require(buffer != nil,
            "no room for a result " + describe(target->dims, target->type),
            "Failed to acquire the source buffer: results need device memory");
    MPSGraphTensorData* data = [[MPSGraphTensorData alloc]
        initWithMTLBuffer:buffer
                    shape:to_shape(target->dims)
                 dataType:static_cast<MPSDataType>(target->type)];
    [results addObject:data];
    [data release];
    [buffer release];
  }
  return results;
}

}  // namespace

@implementation MPSGraphCompilationDescriptor

@synthesize optimizationLevel = _standinLevel;
@synthesize waitForCompilationCompletion = _standinWait;

- (instancetype)init {
  self = [super init];
  _standinLevel = MPSGraphOptimizationLevel1;
  return self;
}

- (void)dealloc {
  if (_standinHandler) Block_release(_standinHandler);
  [super dealloc];
}

- (id)copyWithZone:(NSZone*)zone {
  MPSGraphCompilationDescriptor* copy =
      [[[self class] allocWithZone:zone] init];
  copy->_standinLevel = _standinLevel;
  copy->_standinWait = _standinWait;
  [copy setCompilationCompletionHandler:_standinHandler];
  return copy;
}

- (void)disableTypeInference {
}

- (MPSGraphCompilationCompletionHandler)compilationCompletionHandler {
  return _standinHandler;
}

- (void)setCompilationCompletionHandler:
    (MPSGraphCompilationCompletionHandler)handler {
  auto copy = copy_block(handler);
  if (_standinHandler) Block_release(_standinHandler);
  _standinHandler = copy;
}

@end

@implementation MPSGraphExecutableExecutionDescriptor

@synthesize waitUntilCompleted = _standinWait;

- (void)dealloc {
  if (_standinScheduled) Block_release(_standinScheduled);
  if (_standinCompleted) Block_release(_standinCompleted);
  [super dealloc];
}

- (MPSGraphExecutableScheduledHandler)scheduledHandler {
  return _standinScheduled;
}

- (void)setScheduledHandler:(MPSGraphExecutableScheduledHandler)handler {
  auto copy = copy_block(handler);
  if (_standinScheduled) Block_release(_standinScheduled);
  _standinScheduled = copy;
}

- (MPSGraphExecutableCompletionHandler)completionHandler {
  return _standinCompleted;
}

- (void)setCompletionHandler:(MPSGraphExecutableCompletionHandler)handler {
  auto copy = copy_block(handler);
  if (_standinCompleted) Block_release(_standinCompleted);
  _standinCompleted = copy;
}

@end

@implementation MPSGraphExecutable (Standin)

+ (MPSGraphExecutable*)standinCompile:(MPSGraph*)graph
                         placeholders:(NSArray*)placeholders
                              targets:(NSArray*)targets
                           operations:(NSArray*)operations
                                level:(MPSGraphOptimization)level {
  require_pool("compile");
  if (!number_setting("compile")) return nil;
  std::vector<Value*> given, wanted;
  std::vector<Node*> work;
  for (MPSGraphTensor* tensor in placeholders) {
    require([tensor standinValue]->node->op == Op::placeholder,
            "compile: a feed that is no placeholder", "feeds are placeholders");
    given.push_back([tensor standinValue]);
  }
  for (MPSGraphTensor* tensor in targets) {
    wanted.push_back([tensor standinValue]);
  }
  for (MPSGraphOperation* operation in operations) {
    work.push_back(operation->_standinNode);
  }
  require(!wanted.empty() || !work.empty(), "compile: no target",
          "at least one target tensor or operation");
  Entry entry(graph->_standinGraph);
  add(Counter::compiles);
  if (level != MPSGraphOptimizationLevel0) add(Counter::compiles_level1);
  MPSGraphExecutable* executable =
      [[[MPSGraphExecutable alloc] init] autorelease];
  executable->_standinExecutable = new Executable(
      graph->_standinGraph, given, wanted, work, value_of(Counter::compiles));
  executable->_standinFeeds =
      [tensors_of(executable->_standinExecutable->feeds) copy];
  executable->_standinTargets =
      [tensors_of(executable->_standinExecutable->targets) copy];
  return executable;
}

- (NSArray*)standinEncode:(id<MTLCommandBuffer>)root
                  wrapper:(MPSCommandBuffer*)wrapper
                   inputs:(NSArray*)inputs
                  results:(NSArray*)results
                scheduled:(Handler)scheduled
                completed:(Handler)completed {
  require_pool("encode");
  require([(NSObject*)root isKindOfClass:[StandinCommandBuffer class]],
          "encode into no command buffer", "an MPSCommandBuffer");
  Entry entry(_standinExecutable->graph);
  if (!results) {
    if (!_standinResults) {
      _standinResults = new_results(_standinExecutable->targets);
    }
    results = _standinResults;
  }
  auto encode = [(StandinCommandBuffer*)root encode:_standinExecutable
                                             inputs:inputs
                                            results:results
                                          scheduled:scheduled
                                          completed:completed];
  std::vector<size_t> ends{_standinExecutable->step_count()};
  if (wrapper) ends = _standinExecutable->segment_ends();
  size_t first = 0;
  for (size_t end : ends) {
    [(StandinCommandBuffer*)root addSteps:encode
                                     from:first
                                       to:end
                                     ends:end == ends.back()];
    if (end == ends.back()) break;
    first = end;
    id<MTLCommandBuffer> committed = [[root retain] autorelease];
    if (text_setting("continue") == "hidden") {
      [wrapper standinContinue];
    } else {
      [wrapper commitAndContinue];
    }
    root = [wrapper rootCommandBuffer];
    if ([(StandinCommandBuffer*)committed raises]) {
      abandon(encode);
      return nil;
    }
  }
  return results;
}

@end

@implementation MPSGraphExecutable

@synthesize options = _standinOptions;

- (void)dealloc {
  if (_standinExecutable) {
    require(_standinExecutable->in_flight == 0,
            "an executable was freed with work in flight",
            "retain graph and executable until completion");
    delete _standinExecutable;
  }
  [_standinFeeds release];
  [_standinTargets release];
  [_standinResults release];
  [super dealloc];
}

- (NSArray<MPSGraphTensor*>*)feedTensors {
  return _standinFeeds;
}

- (NSArray<MPSGraphTensor*>*)targetTensors {
  return _standinTargets;
}

// What an executable was compiled for, it is specialised for.
- (void)specializeWithDevice:(MPSGraphDevice*)device
                  inputTypes:(NSArray<MPSGraphType*>*)types
       compilationDescriptor:(MPSGraphCompilationDescriptor*)descriptor {
  require([types count] == [_standinFeeds count],
          "specialize with " + std::to_string([types count]) + " types",
          "one for each of feedTensors, in their order");
  for (NSUInteger i = 0; i < [types count]; ++i) {
    MPSGraphShapedType* type = (MPSGraphShapedType*)[types objectAtIndex:i];
    Value* feed = _standinExecutable->feeds[i];
    require(to_dims(type->_standinShape, "specialize") == feed->dims &&
                to_type(type->_standinDataType, "specialize") == feed->type,
            "specialize for another shape or type than " +
                describe(feed->dims, feed->type),
            "static shapes: compile another executable");
  }
}

- (NSArray<MPSGraphTensorData*>*)
    encodeToCommandBuffer:(MPSCommandBuffer*)commandBuffer
              inputsArray:(NSArray<MPSGraphTensorData*>*)inputs
             resultsArray:(NSArray<MPSGraphTensorData*>*)results
      executionDescriptor:(MPSGraphExecutableExecutionDescriptor*)descriptor {
  require([commandBuffer isKindOfClass:[MPSCommandBuffer class]],
          "encode into no MPSCommandBuffer", "wrap the command buffer first");
  require(
      ![descriptor waitUntilCompleted],
      "encode with waitUntilCompleted into a buffer that the caller commits",
      "it cannot finish");
  NSArray* data = [self standinEncode:[commandBuffer rootCommandBuffer]
                              wrapper:commandBuffer
                               inputs:inputs
                              results:results
                            scheduled:[descriptor scheduledHandler]
                            completed:[descriptor completionHandler]];
  if (!data) {
    [NSException raise:NSInternalInconsistencyException
                format:@"the encode failed in its middle"];
  }
  return data;
}

- (NSArray*)run:(id<MTLCommandQueue>)queue
         inputs:(NSArray*)inputs
        results:(NSArray*)results
     descriptor:(MPSGraphExecutableExecutionDescriptor*)descriptor
           wait:(BOOL)wait {
  require_pool("run");
  id<MTLCommandBuffer> root = [queue commandBuffer];
  NSArray* data = [self standinEncode:root
                              wrapper:nil
                               inputs:inputs
                              results:results
                            scheduled:[descriptor scheduledHandler]
                            completed:[descriptor completionHandler]];
  [root commit];
  if (wait) [root waitUntilCompleted];
  return data;
}

- (NSArray<MPSGraphTensorData*>*)
    runWithMTLCommandQueue:(id<MTLCommandQueue>)queue
               inputsArray:(NSArray<MPSGraphTensorData*>*)inputs
              resultsArray:(NSArray<MPSGraphTensorData*>*)results
       executionDescriptor:(MPSGraphExecutableExecutionDescriptor*)descriptor {
  return [self run:queue
            inputs:inputs
           results:results
        descriptor:descriptor
              wait:YES];
}

- (NSArray<MPSGraphTensorData*>*)
    runAsyncWithMTLCommandQueue:(id<MTLCommandQueue>)queue
                    inputsArray:(NSArray<MPSGraphTensorData*>*)inputs
                   resultsArray:(NSArray<MPSGraphTensorData*>*)results
            executionDescriptor:
                (MPSGraphExecutableExecutionDescriptor*)descriptor {
  return [self run:queue
            inputs:inputs
           results:results
        descriptor:descriptor
              wait:[descriptor waitUntilCompleted]];
}

@end
