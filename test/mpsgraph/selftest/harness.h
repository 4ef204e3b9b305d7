#pragma once

#import <MetalPerformanceShadersGraph/MetalPerformanceShadersGraph.h>

#include <string>
#include <vector>

#include "standin.h"

namespace selftest {

using Floats = std::vector<float>;

id<MTLDevice> device();
id<MTLCommandQueue> queue();
MPSShape* shape(const std::vector<int>& dims);

// Ends the process with 1 and a line that says what is wrong.
void check(bool condition, const std::string& what);
void close(const std::string& what, const Floats& got, const Floats& expected,
           double tolerance = 2e-5);

// A graph whose placeholders bring their values along.
class Net {
 public:
  Net();
  ~Net();
  Net(const Net&) = delete;

  MPSGraph* graph;
  MPSGraphTensor* feed(const Floats& values, const std::vector<int>& dims,
                       MPSDataType type = MPSDataTypeFloat32);
  MPSGraphTensor* variable(const Floats& values, const std::vector<int>& dims);
  MPSGraphTensor* scalar(double value, MPSDataType type = MPSDataTypeFloat32);
  // The target, cast to floats, and what the operations left behind.
  Floats run(MPSGraphTensor* target, NSArray* operations = nil);
  // A variable's value, read in a run of its own.
  Floats read(MPSGraphTensor* variable);

  NSMutableDictionary* feeds;
};

// One executable: y = x * w + 1 with w a variable that becomes w + x, all [4].
class Step {
 public:
  Step();
  ~Step();

  MPSGraph* graph;
  MPSGraphTensor *x, *y, *w;
  MPSGraphExecutable* executable;
  id<MTLBuffer> input, result;

  void fill(float value);
  MPSGraphTensorData* data(id<MTLBuffer> buffer);
  // Into a fresh command buffer, not committed.
  MPSCommandBuffer* encode(id<MTLCommandQueue> queue);
  float first();  // of the result
};

struct Case {
  const char* name;
  const char* expect;  // what the abort says, "" where nothing aborts
  void (*run)();
};

const std::vector<Case>& strict_cases();
const std::vector<Case>& refusal_cases();
const std::vector<Case>& number_cases();
const std::vector<Case>& behaviour_cases();

}  // namespace selftest
