#include "harness.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace selftest {

id<MTLDevice> device() {
  static id<MTLDevice> device = MTLCreateSystemDefaultDevice();
  return device;
}

id<MTLCommandQueue> queue() {
  static id<MTLCommandQueue> queue = [device() newCommandQueue];
  return queue;
}

MPSShape* shape(const std::vector<int>& dims) {
  NSMutableArray* result = [NSMutableArray array];
  for (int dim : dims) [result addObject:[NSNumber numberWithInt:dim]];
  return result;
}

void check(bool condition, const std::string& what) {
  if (condition) return;
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

void close(const std::string& what, const Floats& got, const Floats& expected,
           double tolerance) {
  check(got.size() == expected.size(),
        what + ": " + std::to_string(got.size()) + " numbers, expected " +
            std::to_string(expected.size()));
  for (size_t i = 0; i < got.size(); ++i) {
    double distance = std::fabs(double{got[i]} - expected[i]);
    check(distance <= tolerance * (1 + std::fabs(expected[i])),
          what + "[" + std::to_string(i) + "] is " + std::to_string(got[i]) +
              ", expected " + std::to_string(expected[i]));
  }
}

Net::Net() {
  graph = [MPSGraph new];
  feeds = [[NSMutableDictionary alloc] init];
}

Net::~Net() {
  [feeds release];
  [graph release];
}

MPSGraphTensor* Net::feed(const Floats& values, const std::vector<int>& dims,
                          MPSDataType type) {
  MPSGraphTensor* tensor = [graph placeholderWithShape:shape(dims)
                                              dataType:type
                                                  name:nil];
  NSMutableData* bytes = [NSMutableData data];
  for (float value : values) {
    if (type == MPSDataTypeFloat32) {
      [bytes appendBytes:&value length:4];
    } else if (type == MPSDataTypeInt32) {
      int32_t integer = static_cast<int32_t>(value);
      [bytes appendBytes:&integer length:4];
    } else {
      uint8_t byte = static_cast<uint8_t>(value);
      [bytes appendBytes:&byte length:1];
    }
  }
  MPSGraphDevice* owner = [MPSGraphDevice deviceWithMTLDevice:device()];
  MPSGraphTensorData* data =
      [[[MPSGraphTensorData alloc] initWithDevice:owner
                                             data:bytes
                                            shape:shape(dims)
                                         dataType:type] autorelease];
  [feeds setObject:data forKey:tensor];
  return tensor;
}

MPSGraphTensor* Net::variable(const Floats& values,
                              const std::vector<int>& dims) {
  NSData* data = [NSData dataWithBytes:values.data() length:4 * values.size()];
  return [graph variableWithData:data
                           shape:shape(dims)
                        dataType:MPSDataTypeFloat32
                            name:nil];
}

MPSGraphTensor* Net::scalar(double value, MPSDataType type) {
  return [graph constantWithScalar:value dataType:type];
}

Floats Net::run(MPSGraphTensor* target, NSArray* operations) {
  MPSGraphTensor* flat = [graph castTensor:target
                                    toType:MPSDataTypeFloat32
                                      name:nil];
  flat = [graph reshapeTensor:flat withShape:@[ @-1 ] name:nil];
  MPSGraphTensorDataDictionary* results =
      [graph runWithMTLCommandQueue:queue()
                              feeds:feeds
                      targetTensors:@[ flat ]
                   targetOperations:operations];
  MPSNDArray* array = [[results objectForKey:flat] mpsndarray];
  Floats values([array lengthOfDimension:0]);
  [array readBytes:values.data() strideBytes:nil];
  return values;
}

Floats Net::read(MPSGraphTensor* variable) {
  return run([graph readVariable:variable name:nil]);
}

Step::Step() {
  graph = [MPSGraph new];
  x = [graph placeholderWithShape:@[ @4 ] dataType:MPSDataTypeFloat32 name:nil];
  float start[4] = {1, 1, 1, 1};
  w = [graph variableWithData:[NSData dataWithBytes:start length:16]
                        shape:@[ @4 ]
                     dataType:MPSDataTypeFloat32
                         name:nil];
  y = [graph multiplicationWithPrimaryTensor:x secondaryTensor:w name:nil];
  y = [graph
      additionWithPrimaryTensor:y
                secondaryTensor:[graph constantWithScalar:1
                                                 dataType:MPSDataTypeFloat32]
                           name:nil];
  MPSGraphTensor* next = [graph additionWithPrimaryTensor:x
                                          secondaryTensor:w
                                                     name:nil];
  MPSGraphOperation* assign = [graph assignVariable:w
                                  withValueOfTensor:next
                                               name:nil];
  MPSGraphCompilationDescriptor* descriptor =
      [[[MPSGraphCompilationDescriptor alloc] init] autorelease];
  descriptor.optimizationLevel = MPSGraphOptimizationLevel0;
  MPSGraphShapedType* type = [[[MPSGraphShapedType alloc]
      initWithShape:@[ @4 ]
           dataType:MPSDataTypeFloat32] autorelease];
  executable = [[graph compileWithDevice:nil
                                   feeds:@{x : type}
                           targetTensors:@[ y ]
                        targetOperations:@[ assign ]
                   compilationDescriptor:descriptor] retain];
  input = [device() newBufferWithLength:16
                                options:MTLResourceStorageModeShared];
  result = [device() newBufferWithLength:16
                                 options:MTLResourceStorageModeShared];
}

Step::~Step() {
  [executable release];
  [graph release];
  [input release];
  [result release];
}

void Step::fill(float value) {
  for (int i = 0; i < 4; ++i) {
    static_cast<float*>([input contents])[i] = value;
  }
}

MPSGraphTensorData* Step::data(id<MTLBuffer> buffer) {
  return [[[MPSGraphTensorData alloc] initWithMTLBuffer:buffer
                                                  shape:@[ @4 ]
                                               dataType:MPSDataTypeFloat32]
      autorelease];
}

MPSCommandBuffer* Step::encode(id<MTLCommandQueue> queue) {
  MPSCommandBuffer* buffer =
      [MPSCommandBuffer commandBufferFromCommandQueue:queue];
  [executable encodeToCommandBuffer:buffer
                        inputsArray:@[ data(input) ]
                       resultsArray:@[ data(result) ]
                executionDescriptor:nil];
  return buffer;
}

float Step::first() { return *static_cast<float*>([result contents]); }

}  // namespace selftest
