#include "internal.h"

using namespace standin;

@implementation MPSGraphObject
@end

@implementation MPSGraphType

- (id)copyWithZone:(NSZone*)zone {
  return [self retain];
}

@end

@implementation MPSGraphShapedType

@synthesize dataType = _standinDataType;

- (instancetype)initWithShape:(MPSShape*)shape dataType:(MPSDataType)dataType {
  self = [super init];
  _standinShape = [shape copy];
  _standinDataType = dataType;
  return self;
}

- (id)copyWithZone:(NSZone*)zone {
  return [[[self class] allocWithZone:zone] initWithShape:_standinShape
                                                 dataType:_standinDataType];
}

- (void)dealloc {
  [_standinShape release];
  [super dealloc];
}

- (MPSShape*)shape {
  return _standinShape;
}

- (void)setShape:(MPSShape*)shape {
  [_standinShape autorelease];
  _standinShape = [shape copy];
}

- (BOOL)isEqualTo:(MPSGraphShapedType*)other {
  return other && _standinDataType == other->_standinDataType &&
         (_standinShape == other->_standinShape ||
          [_standinShape isEqual:other->_standinShape]);
}

@end

@implementation MPSGraphDevice

+ (instancetype)deviceWithMTLDevice:(id<MTLDevice>)device {
  if (!device) {
    [NSException
         raise:NSInvalidArgumentException
        format:@"MPSGraphDevice of no MTLDevice: attempt to insert nil"];
  }
  MPSGraphDevice* result = [[[self alloc] init] autorelease];
  result->_standinDevice = [device retain];
  return result;
}

- (void)dealloc {
  [_standinDevice release];
  [super dealloc];
}

- (MPSGraphDeviceType)type {
  return MPSGraphDeviceTypeMetal;
}

- (id<MTLDevice>)metalDevice {
  return _standinDevice;
}

@end

@implementation MPSGraphTensor (Standin)

+ (MPSGraphTensor*)standinTensorOf:(Value*)value {
  return (MPSGraphTensor*)value->object;
}

- (Value*)standinValue {
  require(_standinValue->node->graph->alive,
          "a tensor of a graph that was freed",
          "keep the MPSGraph as long as its tensors and executables");
  return _standinValue;
}

@end

@implementation MPSGraphTensor

- (id)copyWithZone:(NSZone*)zone {
  return [self retain];
}

- (void)dealloc {
  _standinValue->node->graph->release();
  [super dealloc];
}

// Apple's is nil after a convolution and -1 for random numbers, so nobody may
// rely on it.
- (MPSShape*)shape {
  Value* value = [self standinValue];
  if (value->node->op == Op::convolution) return nil;
  if (value->rank == Rank::known) return to_shape(value->dims);
  return value->node->op == Op::random ? to_shape(Dims(value->dims.size(), -1))
                                       : nil;
}

- (MPSDataType)dataType {
  return static_cast<MPSDataType>([self standinValue]->type);
}

- (MPSGraphOperation*)operation {
  [self standinValue];
  return _standinOperation;
}

@end

@implementation MPSGraphOperation

- (id)copyWithZone:(NSZone*)zone {
  return [self retain];
}

- (void)dealloc {
  [_standinOutputs release];
  _standinNode->graph->release();
  [super dealloc];
}

- (NSArray<MPSGraphTensor*>*)inputTensors {
  NSMutableArray* tensors = [NSMutableArray array];
  for (Value* input : _standinNode->inputs) {
    if (input) [tensors addObject:[MPSGraphTensor standinTensorOf:input]];
  }
  return tensors;
}

- (NSArray<MPSGraphTensor*>*)outputTensors {
  return _standinOutputs;
}

- (MPSGraph*)graph {
  require(_standinNode->graph->alive, "the graph of an operation was freed",
          "keep the MPSGraph as long as its tensors and executables");
  return _standinGraph;
}

- (NSString*)name {
  return [NSString stringWithUTF8String:_standinNode->name.c_str()];
}

@end

@implementation MPSGraphVariableOp

- (MPSShape*)shape {
  return to_shape(_standinNode->variable->dims);
}

- (MPSDataType)dataType {
  return static_cast<MPSDataType>(_standinNode->variable->type);
}

@end

@implementation MPSGraphExecutionDescriptor

@synthesize waitUntilCompleted = _standinWait;

- (void)dealloc {
  if (_standinScheduled) Block_release(_standinScheduled);
  if (_standinCompleted) Block_release(_standinCompleted);
  [_standinCompilation release];
  [super dealloc];
}

- (MPSGraphScheduledHandler)scheduledHandler {
  return _standinScheduled;
}

- (void)setScheduledHandler:(MPSGraphScheduledHandler)handler {
  auto copy = copy_block(handler);
  if (_standinScheduled) Block_release(_standinScheduled);
  _standinScheduled = copy;
}

- (MPSGraphCompletionHandler)completionHandler {
  return _standinCompleted;
}

- (void)setCompletionHandler:(MPSGraphCompletionHandler)handler {
  auto copy = copy_block(handler);
  if (_standinCompleted) Block_release(_standinCompleted);
  _standinCompleted = copy;
}

- (MPSGraphCompilationDescriptor*)compilationDescriptor {
  return _standinCompilation;
}

- (void)setCompilationDescriptor:(MPSGraphCompilationDescriptor*)descriptor {
  [_standinCompilation autorelease];
  _standinCompilation = [descriptor copy];
}

@end

@implementation MPSGraph (Standin)

// The operation that made a node, with a tensor for each of its outputs.
- (MPSGraphOperation*)standinOperation:(Node*)node {
  if (node->object) return (MPSGraphOperation*)node->object;
  Class type = node->op == Op::variable ? [MPSGraphVariableOp class]
                                        : [MPSGraphOperation class];
  MPSGraphOperation* operation = [[type alloc] init];
  operation->_standinNode = node;
  operation->_standinGraph = self;
  operation->_standinOutputs = [[NSMutableArray alloc] init];
  node->graph->retain();
  node->object = operation;
  for (auto& output : node->outputs) {
    MPSGraphTensor* tensor = [[MPSGraphTensor alloc] init];
    tensor->_standinValue = output.get();
    tensor->_standinOperation = operation;
    node->graph->retain();
    output->object = tensor;
    [operation->_standinOutputs addObject:tensor];
    if (node->op == Op::placeholder) [_standinPlaceholders addObject:tensor];
    [tensor release];
  }
  [_standinOperations addObject:operation];
  [operation release];
  return operation;
}

- (MPSGraphTensor*)standinTensor:(Value*)value {
  static std::atomic<int64_t> added{0};
  const int64_t raising = number_setting("raise");
  if (raising > 0 && ++added == raising) {
    [NSException raise:NSInternalInconsistencyException
                format:@"MPSGraph could not add an operation"];
  }
  // A builder may have added helpers before; they get their objects as well.
  Graph* graph = _standinGraph;
  for (auto node = graph->nodes.rbegin();
       node != graph->nodes.rend() && !(*node)->object; ++node) {
    [self standinOperation:node->get()];
  }
  return (MPSGraphTensor*)value->object;
}

- (NSArray*)standinTensors:(const Values&)values {
  NSMutableArray* tensors = [NSMutableArray array];
  for (Value* value : values) [tensors addObject:[self standinTensor:value]];
  return tensors;
}

// The executable for these targets, compiled at the first run.
- (MPSGraphExecutable*)runFor:(NSArray*)targets
                   operations:(NSArray*)operations
                        feeds:(MPSGraphTensorDataDictionary*)feeds
                        level:(MPSGraphOptimization)level {
  std::vector<Value*> wanted;
  std::vector<Node*> work;
  for (MPSGraphTensor* target in targets) {
    wanted.push_back([target standinValue]);
  }
  for (MPSGraphOperation* operation in operations) {
    work.push_back(operation->_standinNode);
  }
  for (MPSGraphExecutable* executable in _standinRuns) {
    Executable& old = *executable->_standinExecutable;
    if (old.targets == wanted && old.operations == work) return executable;
  }
  MPSGraphExecutable* executable =
      [MPSGraphExecutable standinCompile:self
                            placeholders:[feeds allKeys]
                                 targets:targets
                              operations:operations
                                   level:level];
  require(executable != nil, "a graph run that does not compile",
          "LLVM ERROR where compileWithDevice: might return nil");
  [_standinRuns addObject:executable];
  return executable;
}

- (NSArray*)inputsOf:(MPSGraphExecutable*)executable
               feeds:(MPSGraphTensorDataDictionary*)feeds {
  NSMutableArray* inputs = [NSMutableArray array];
  for (MPSGraphTensor* tensor in [executable feedTensors]) {
    MPSGraphTensorData* data = [feeds objectForKey:tensor];
    require(data != nil, "a run without the feed of a placeholder",
            "feeds contain every placeholder the targets depend on");
    [inputs addObject:data];
  }
  return inputs;
}

// Encodes a run and answers its results by tensor.
- (MPSGraphTensorDataDictionary*)encode:(id<MTLCommandBuffer>)root
                                  feeds:(MPSGraphTensorDataDictionary*)feeds
                                targets:(NSArray*)targets
                             operations:(NSArray*)operations
                                results:(MPSGraphTensorDataDictionary*)given
                             descriptor:
                                 (MPSGraphExecutionDescriptor*)descriptor {
  require_pool("run or encode of a graph");
  if (given) targets = [given allKeys];
  MPSGraphCompilationDescriptor* compilation =
      descriptor ? descriptor->_standinCompilation : nil;
  MPSGraphExecutable* executable =
      [self runFor:targets
          operations:operations
               feeds:feeds
               level:compilation ? compilation->_standinLevel
                                 : MPSGraphOptimizationLevel1];
  NSMutableArray* data = [NSMutableArray array];
  for (MPSGraphTensor* target in targets) {
    Value* value = [target standinValue];
    MPSGraphTensorData* result = given ? [given objectForKey:target] : nil;
    if (!result) {
      MPSNDArray* array = [[[MPSNDArray alloc]
          initWithDevice:[StandinDevice shared]
              descriptor:[MPSNDArrayDescriptor
                             descriptorWithDataType:static_cast<MPSDataType>(
                                                        value->type)
                                              shape:to_shape(value->dims)]]
          autorelease];
      result =
          [[[MPSGraphTensorData alloc] initWithMPSNDArray:array] autorelease];
    }
    [data addObject:result];
  }
  NSDictionary* results = [NSDictionary dictionaryWithObjects:data
                                                      forKeys:targets];
  MPSGraphScheduledHandler scheduled = [descriptor scheduledHandler];
  MPSGraphCompletionHandler completed = [descriptor completionHandler];
  // The blocks keep the results; their owners let go of the blocks.
  [executable standinEncode:root
      wrapper:nil
      inputs:[self inputsOf:executable feeds:feeds]
      results:data
      scheduled:scheduled ? ^(NSArray*, NSError* error) {
        scheduled(results, error);
      } : (Handler)nil
      completed:completed ? ^(NSArray*, NSError* error) {
        completed(results, error);
      } : (Handler)nil];
  return results;
}

- (MPSGraphTensorDataDictionary*)run:(id<MTLCommandQueue>)queue
                               feeds:(MPSGraphTensorDataDictionary*)feeds
                             targets:(NSArray*)targets
                          operations:(NSArray*)operations
                             results:(MPSGraphTensorDataDictionary*)given
                          descriptor:(MPSGraphExecutionDescriptor*)descriptor
                                wait:(BOOL)wait {
  require_pool("run of a graph");
  id<MTLCommandBuffer> root = [queue commandBuffer];
  MPSGraphTensorDataDictionary* results = [self encode:root
                                                 feeds:feeds
                                               targets:targets
                                            operations:operations
                                               results:given
                                            descriptor:descriptor];
  [root commit];
  if (wait) [root waitUntilCompleted];
  return results;
}

@end

@implementation MPSGraph

@synthesize options = _standinOptions;

+ (instancetype)new {
  return [[self alloc] init];
}

- (instancetype)init {
  self = [super init];
  _standinGraph = new Graph;
  _standinOperations = [[NSMutableArray alloc] init];
  _standinPlaceholders = [[NSMutableArray alloc] init];
  _standinRuns = [[NSMutableArray alloc] init];
  _standinOptions = MPSGraphOptionsDefault;
  return self;
}

- (void)dealloc {
  require(_standinGraph->in_flight == 0,
          "a graph was freed with work in flight",
          "retain graph and executable until completion");
  [_standinRuns release];
  _standinGraph->alive = false;
  [_standinPlaceholders release];
  [_standinOperations release];
  _standinGraph->release();
  [super dealloc];
}

- (NSArray<MPSGraphTensor*>*)placeholderTensors {
  return _standinPlaceholders;
}

- (MPSGraphExecutable*)
        compileWithDevice:(MPSGraphDevice*)device
                    feeds:(MPSGraphTensorShapedTypeDictionary*)feeds
            targetTensors:(NSArray<MPSGraphTensor*>*)targets
         targetOperations:(NSArray<MPSGraphOperation*>*)operations
    compilationDescriptor:(MPSGraphCompilationDescriptor*)descriptor {
  for (MPSGraphTensor* tensor in [feeds allKeys]) {
    MPSGraphShapedType* type = [feeds objectForKey:tensor];
    Value* value = [tensor standinValue];
    Dims dims = to_dims(type->_standinShape, "compile");
    Type element = to_type(type->_standinDataType, "compile");
    check_dims(dims, element, "compile");
    require(dims == value->dims && element == value->type,
            "compile: a feed " + describe(dims, element) +
                " for a placeholder " + describe(value->dims, value->type),
            "isStaticMPSType: the placeholder's own shape and type");
  }
  MPSGraphExecutable* executable = [MPSGraphExecutable
      standinCompile:self
        placeholders:[feeds allKeys]
             targets:targets
          operations:operations
               level:descriptor ? descriptor->_standinLevel
                                : MPSGraphOptimizationLevel1];
  if (descriptor && descriptor->_standinHandler) {
    descriptor->_standinHandler(executable, nil);
  }
  return executable;
}

- (MPSGraphTensorDataDictionary*)
        runWithFeeds:(MPSGraphTensorDataDictionary*)feeds
       targetTensors:(NSArray<MPSGraphTensor*>*)targets
    targetOperations:(NSArray<MPSGraphOperation*>*)operations {
  id<MTLCommandQueue> queue =
      [[[StandinDevice shared] newCommandQueue] autorelease];
  require(queue != nil, "a run that finds no command queue",
          "bring your own queue, checked for nil");
  return [self run:queue
             feeds:feeds
           targets:targets
        operations:operations
           results:nil
        descriptor:nil
              wait:YES];
}

- (MPSGraphTensorDataDictionary*)
    runWithMTLCommandQueue:(id<MTLCommandQueue>)queue
                     feeds:(MPSGraphTensorDataDictionary*)feeds
             targetTensors:(NSArray<MPSGraphTensor*>*)targets
          targetOperations:(NSArray<MPSGraphOperation*>*)operations {
  return [self run:queue
             feeds:feeds
           targets:targets
        operations:operations
           results:nil
        descriptor:nil
              wait:YES];
}

- (void)runWithMTLCommandQueue:(id<MTLCommandQueue>)queue
                         feeds:(MPSGraphTensorDataDictionary*)feeds
              targetOperations:(NSArray<MPSGraphOperation*>*)operations
             resultsDictionary:(MPSGraphTensorDataDictionary*)results {
  [self run:queue
           feeds:feeds
         targets:nil
      operations:operations
         results:results
      descriptor:nil
            wait:YES];
}

- (MPSGraphTensorDataDictionary*)
    runAsyncWithMTLCommandQueue:(id<MTLCommandQueue>)queue
                          feeds:(MPSGraphTensorDataDictionary*)feeds
                  targetTensors:(NSArray<MPSGraphTensor*>*)targets
               targetOperations:(NSArray<MPSGraphOperation*>*)operations
            executionDescriptor:(MPSGraphExecutionDescriptor*)descriptor {
  return [self run:queue
             feeds:feeds
           targets:targets
        operations:operations
           results:nil
        descriptor:descriptor
              wait:[descriptor waitUntilCompleted]];
}

- (MPSGraphTensorDataDictionary*)
    encodeToCommandBuffer:(MPSCommandBuffer*)commandBuffer
                    feeds:(MPSGraphTensorDataDictionary*)feeds
            targetTensors:(NSArray<MPSGraphTensor*>*)targets
         targetOperations:(NSArray<MPSGraphOperation*>*)operations
      executionDescriptor:(MPSGraphExecutionDescriptor*)descriptor {
  MPSGraphTensorDataDictionary* results =
      [self encode:[commandBuffer rootCommandBuffer]
               feeds:feeds
             targets:targets
          operations:operations
             results:nil
          descriptor:descriptor];
  return results;
}

- (void)encodeToCommandBuffer:(MPSCommandBuffer*)commandBuffer
                        feeds:(MPSGraphTensorDataDictionary*)feeds
             targetOperations:(NSArray<MPSGraphOperation*>*)operations
            resultsDictionary:(MPSGraphTensorDataDictionary*)results
          executionDescriptor:(MPSGraphExecutionDescriptor*)descriptor {
  [self encode:[commandBuffer rootCommandBuffer]
           feeds:feeds
         targets:nil
      operations:operations
         results:results
      descriptor:descriptor];
}

@end
