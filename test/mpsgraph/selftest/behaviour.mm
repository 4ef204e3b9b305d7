// What is not a number and not an abort: order, handlers, variables, faults,
// limits, counters.

#include <atomic>
#include <cmath>
#include <cstring>
#include <thread>

#include "harness.h"

namespace selftest {
namespace {

void poison_until_done() {
  Step step;
  step.fill(3);
  standin_set("delay", "50");
  auto* buffer = step.encode(queue());
  check(step.first() == 0, "an encode alone changes nothing");
  check(buffer.status == MTLCommandBufferStatusNotEnqueued, "not enqueued");
  [buffer commit];
  check(std::isnan(step.first()), "a result in flight is poisoned");
  check(buffer.GPUEndTime == 0, "no time before completion");
  [buffer waitUntilCompleted];
  check(step.first() == 4, "3 * 1 + 1");
  check(buffer.status == MTLCommandBufferStatusCompleted, "completed");
  check(buffer.error == nil, "no error");
  double seconds = buffer.GPUEndTime - buffer.GPUStartTime;
  check(seconds >= 0.05 && seconds < 5, "GPU time with the delay");
}

void order_of_handlers() {
  constexpr int count = 20;
  __block int next = 0;
  __block bool ordered = true, elsewhere = true;
  auto here = std::this_thread::get_id();
  Net net;
  auto* y = [net.graph squareWithTensor:net.scalar(3) name:nil];
  auto* executable = [net.graph compileWithDevice:nil
                                            feeds:@{}
                                    targetTensors:@[ y ]
                                 targetOperations:nil
                            compilationDescriptor:nil];
  id<MTLCommandBuffer> last = nil;
  for (int i = 0; i < count; ++i) {
    id<MTLBuffer> result =
        [device() newBufferWithLength:4 options:MTLResourceStorageModeShared];
    auto* data = [[[MPSGraphTensorData alloc]
        initWithMTLBuffer:result
                    shape:@[ @1 ]
                 dataType:MPSDataTypeFloat32] autorelease];
    auto* buffer = [MPSCommandBuffer commandBufferFromCommandQueue:queue()];
    [executable encodeToCommandBuffer:buffer
                          inputsArray:@[]
                         resultsArray:@[ data ]
                  executionDescriptor:nil];
    [result release];  // tensor data and handler keep it
    __block bool scheduled = false;
    [buffer addScheduledHandler:^(id<MTLCommandBuffer>) {
      scheduled = true;
    }];
    [buffer addCompletedHandler:^(id<MTLCommandBuffer> done) {
      ordered = ordered && next == i && scheduled &&
                done.status == MTLCommandBufferStatusCompleted &&
                *static_cast<float*>([result contents]) == 9;
      elsewhere = elsewhere && std::this_thread::get_id() != here;
      ++next;
      [NSString stringWithFormat:@"%d", i];  // there is a pool
    }];
    [buffer commit];
    last = buffer.rootCommandBuffer;
  }
  [last waitUntilCompleted];
  check(next == count && ordered, "handlers in the order of the commits");
  check(elsewhere, "handlers on another thread");
}

void executable_handlers() {
  Step step;
  step.fill(1);
  __block NSUInteger results = 0, scheduled = 0;
  auto* descriptor =
      [[[MPSGraphExecutableExecutionDescriptor alloc] init] autorelease];
  descriptor.scheduledHandler = ^(NSArray<MPSGraphTensorData*>*, NSError*) {
    ++scheduled;
  };
  descriptor.completionHandler =
      ^(NSArray<MPSGraphTensorData*>* data, NSError* error) {
        results = error ? 0 : [data count];
      };
  [step.executable runWithMTLCommandQueue:queue()
                              inputsArray:@[ step.data(step.input) ]
                             resultsArray:nil
                      executionDescriptor:descriptor];
  check(scheduled == 1 && results == 1, "handlers of an executable");
}

// The sanctioned pattern: direct operands are the old values, whatever is
// assigned in the run.
void assigns_see_old_values() {
  Net net;
  auto* a = net.variable({1, 2}, {2});
  auto* b = net.variable({10, 20}, {2});
  NSArray* swap = @[
    [net.graph assignVariable:a withValueOfTensor:b name:nil],
    [net.graph assignVariable:b withValueOfTensor:a name:nil]
  ];
  auto* sum = [net.graph additionWithPrimaryTensor:a
                                   secondaryTensor:b
                                              name:nil];
  close("sum of the old", net.run(sum, swap), {11, 22});
  close("a", net.read(a), {10, 20});
  close("b", net.read(b), {1, 2});
  net.run(sum);
  close("an assign that is no target is not executed", net.read(a), {10, 20});
}

void variables_are_shared() {
  Step step;
  step.fill(2);
  for (int i = 0; i < 3; ++i) {
    auto* buffer = step.encode(queue());
    [buffer commit];
    [buffer waitUntilCompleted];
    check(step.first() == 2 * (1 + 2 * i) + 1, "w grows by 2 each step");
  }
  auto* w = [step.graph readVariable:step.w name:nil];
  NSDictionary* results = [step.graph runWithMTLCommandQueue:queue()
                                                       feeds:@{}
                                               targetTensors:@[ w ]
                                            targetOperations:nil];
  float values[4];
  [[[results objectForKey:w] mpsndarray] readBytes:values strideBytes:nil];
  check(values[0] == 7 && values[3] == 7, "a graph run sees w");
}

void load_and_count_variables() {
  Net net;
  auto* w = net.variable({1, 2}, {2});
  auto* x = net.feed({5, 6}, {2});
  auto before = standin_counters();
  auto* type = [[[MPSGraphShapedType alloc] initWithShape:@[ @2 ]
                                                 dataType:MPSDataTypeFloat32]
      autorelease];
  auto* assign = [net.graph assignVariable:w withValueOfTensor:x name:nil];
  auto* load = [net.graph compileWithDevice:nil
                                      feeds:@{x : type}
                              targetTensors:@[]
                           targetOperations:@[ assign ]
                      compilationDescriptor:nil];
  [load runWithMTLCommandQueue:queue()
                   inputsArray:@[ [net.feeds objectForKey:x] ]
                  resultsArray:@[]
           executionDescriptor:nil];
  auto middle = standin_counters();
  check(middle.variable_bytes_in - before.variable_bytes_in == 8, "loaded");
  close("loaded", net.read(w), {5, 6});
  auto after = standin_counters();
  check(after.variable_bytes_out - middle.variable_bytes_out == 8, "read");
  check(after.variable_bytes_in == middle.variable_bytes_in, "only read");
}

// One place in a list of feeds for another.
void feeds_are_shuffled() {
  Net net;
  std::vector<MPSGraphTensor*> made;
  NSMutableDictionary* types = [NSMutableDictionary dictionary];
  auto* sum = net.scalar(0);
  for (int i = 0; i < 6; ++i) {
    auto* x = [net.graph placeholderWithShape:@[ @1 ]
                                     dataType:MPSDataTypeFloat32
                                         name:nil];
    auto* type = [[[MPSGraphShapedType alloc] initWithShape:@[ @1 ]
                                                   dataType:MPSDataTypeFloat32]
        autorelease];
    [types setObject:type forKey:x];
    made.push_back(x);
    if (i == 3) continue;  // nobody needs it
    sum = [net.graph additionWithPrimaryTensor:sum secondaryTensor:x name:nil];
  }
  auto* executable = [net.graph compileWithDevice:nil
                                            feeds:types
                                    targetTensors:@[ sum ]
                                 targetOperations:nil
                            compilationDescriptor:nil];
  NSArray* feeds = executable.feedTensors;
  check([feeds count] == 5, "unused placeholders are dropped");
  check(![feeds containsObject:made[3]], "unused placeholders are dropped");
  bool same = true;
  for (NSUInteger i = 0; i < 5; ++i) {
    same = same && [feeds objectAtIndex:i] == made[i < 3 ? i : i + 1];
  }
  check(!same, "feedTensors are not in the order of creation");
  check([executable.targetTensors isEqual:@[ sum ]], "targets as asked for");
}

void faults_become_errors() {
  struct {
    const char* name;
    NSInteger code;
  } faults[] = {{"internal", 1},
                {"timeout", 2},
                {"page-fault", 3},
                {"out-of-memory", 8},
                {"device-removed", 11}};
  for (auto fault : faults) {
    standin_reset();
    Step step;
    step.fill(1);
    standin_inject(fault.name, 2);
    NSError* errors[3];
    for (int i = 0; i < 3; ++i) {
      auto* buffer = step.encode(queue());
      [buffer commit];
      [buffer waitUntilCompleted];
      errors[i] = [[buffer.error retain] autorelease];
      check(!errors[i] == (buffer.status == MTLCommandBufferStatusCompleted),
            "status");
      check(!errors[i] || std::isnan(step.first()), "results stay poisoned");
    }
    check(!errors[0], "the first is well");
    check([errors[1].domain isEqual:MTLCommandBufferErrorDomain] &&
              errors[1].code == fault.code,
          std::string(fault.name) + " is the error of the second");
    check(!errors[2] == (fault.code != 11), "only a lost device stays lost");
    check(std::isnan(step.first()), "the failed step's variables are spoilt");
    check(standin_counters().failed == (fault.code == 11 ? 2u : 1u), "counted");
  }
  standin_reset();
  Step step;
  auto* buffer = step.encode(queue());
  [buffer commit];
  [buffer waitUntilCompleted];
  check(!buffer.error, "a reset brings the device back");
}

void silent_faults() {
  Step step;
  step.fill(1);
  standin_inject("nan", 1);
  auto* buffer = step.encode(queue());
  [buffer commit];
  [buffer waitUntilCompleted];
  check(!buffer.error && std::isnan(step.first()), "NaN without an error");
  standin_reset();
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
  auto* x = net.feed({100}, {1, 1, 1, 1});
  auto* y = [net.graph convolution2DWithSourceTensor:x
                                       weightsTensor:x
                                          descriptor:d
                                                name:nil];
  standin_inject("wrong", 2);
  close("right", net.run(y), {10000});
  close("wrong", net.run(y), {10100});
  close("still wrong", net.run(y), {10100});
  check(!standin_inject("nonsense", 1) && !standin_set("nonsense", "1") &&
            !standin_set("delay", "x"),
        "unknown faults and settings are refused");
}

void devices() {
  auto name = [](const char* kind) {
    standin_set("device", kind);
    id<MTLDevice> device = [MTLCreateSystemDefaultDevice() autorelease];
    return std::string(device ? [device.name UTF8String] : "nil");
  };
  check(name("none") == "nil", "none");
  check([[MTLCopyAllDevices() autorelease] count] == 0, "no devices");
  check(name("hidden") == "nil", "hidden");
  check([[MTLCopyAllDevices() autorelease] count] == 1, "one hidden device");
  check(name("paravirtual").find("Paravirtual") != std::string::npos, "name");
  check([device() supportsFamily:MTLGPUFamilyApple5] &&
            ![device() supportsFamily:MTLGPUFamilyApple7] &&
            ![device() supportsFamily:MTLGPUFamilyMetal3],
        "families of a virtual device");
  name("discrete");
  check(!device().hasUnifiedMemory, "discrete");
  name("unsupported");
  check(!MPSSupportsMTLDevice(device()), "unsupported");
  name("apple");
  check(MPSSupportsMTLDevice(device()) && device().hasUnifiedMemory &&
            [device() supportsFamily:MTLGPUFamilyApple7] &&
            device().recommendedMaxWorkingSetSize == 12884901888 &&
            device().registryID != 0,
        "apple");
  standin_set("queue", "0");
  check([device() newCommandQueue] == nil, "no queue");
  standin_set("queue", "1");
}

void limits() {
  constexpr auto shared = MTLResourceStorageModeShared;
  standin_set("max_buffer", "1000");
  check([device() newBufferWithLength:1001 options:shared] == nil, "too long");
  check([device() newBufferWithLength:0 options:shared] == nil, "zero bytes");
  id<MTLBuffer> buffer = [device() newBufferWithLength:1000 options:shared];
  check(buffer.length == 1000, "just fits");
  check(device().currentAllocatedSize >= 1000, "allocated");
  auto limit = std::to_string(device().currentAllocatedSize + 500);
  standin_set("buffer_limit", limit.c_str());
  check([device() newBufferWithLength:501 options:shared] == nil, "full");
  [buffer release];
  [[device() newBufferWithLength:501 options:shared] release];
  standin_reset();
  standin_set("compile", "0");
  Net net;
  check([net.graph compileWithDevice:nil
                               feeds:@{}
                       targetTensors:@[ net.scalar(1) ]
                    targetOperations:nil
               compilationDescriptor:nil] == nil,
        "nothing compiles");
  standin_reset();
  standin_set("heap_limit", "10");
  Step step;
  auto* work = step.encode(queue());
  [work commit];
  [work waitUntilCompleted];
  check(work.error.code == MTLCommandBufferErrorOutOfMemory, "heap limit");
}

void no_copy_buffers() {
  void* memory = std::aligned_alloc(65536, 65536);
  std::memset(memory, 1, 65536);
  __block int freed = 0;
  auto deallocator = ^(void* pointer, NSUInteger length) {
    freed += length == 65536;
    std::free(pointer);
  };
  constexpr auto shared = MTLResourceStorageModeShared;
  check([device() newBufferWithBytesNoCopy:memory
                                    length:65535
                                   options:shared
                               deallocator:nil] == nil,
        "a length that is no multiple of the page");
  check([device() newBufferWithBytesNoCopy:static_cast<char*>(memory) + 64
                                    length:4096
                                   options:shared
                               deallocator:nil] == nil,
        "a pointer that is not page aligned");
  id<MTLBuffer> buffer = [device() newBufferWithBytesNoCopy:memory
                                                     length:65536
                                                    options:shared
                                                deallocator:deallocator];
  check([buffer contents] == memory && freed == 0, "the same memory");
  [buffer release];
  check(freed == 1, "the deallocator was called");
}

bool is_macos_14() {
  if (@available(macOS 14.0, *)) return true;
  return false;
}

void macos_versions() {
  check(is_macos_14(), "macOS 15 by default");
  standin_set("macos", "13.6");
  check(!is_macos_14(), "macOS 13.6");
  check([NSProcessInfo processInfo].operatingSystemVersion.minorVersion == 6,
        "NSProcessInfo");
  bool raised = false;
  Net net;
  @try {
    [net.graph reciprocalSquareRootWithTensor:net.scalar(4) name:nil];
  } @catch (NSException* exception) {
    raised =
        [[exception reason] rangeOfString:@"unrecognized selector"].location !=
        NSNotFound;
  }
  check(raised, "a selector of macOS 15 on 13.6");
}

void exceptions() {
  int raised = 0;
  Net net;
  @try {
    [net.graph squareRootWithTensor:net.scalar(4, MPSDataTypeInt32) name:nil];
  } @catch (NSException*) {
    ++raised;
  } @
  try {
    [MPSGraphDevice deviceWithMTLDevice:(id<MTLDevice> _Nonnull)nil];
  } @catch (NSException*) {
    ++raised;
  }
  id nothing = nil;
  @try {
    [NSMutableArray arrayWithObject:nothing];
  } @catch (NSException*) {
    ++raised;
  }
  check(raised == 3, "exceptions that can be caught");
}

void counters() {
  Step step;
  step.fill(1);
  standin_reset();
  auto live = standin_counters();
  auto* first = step.encode(queue());
  id<MTLBuffer> other =
      [device() newBufferWithLength:16 options:MTLResourceStorageModeShared];
  auto* second = [MPSCommandBuffer commandBufferFromCommandQueue:queue()];
  [step.executable encodeToCommandBuffer:second
                             inputsArray:@[ step.data(step.input) ]
                            resultsArray:@[ step.data(other) ]
                     executionDescriptor:nil];
  standin_set("delay", "50");
  [first commit];
  [second commit];
  check(standin_counters().in_flight == 2, "two in flight");
  [second waitUntilCompleted];
  auto now = standin_counters();
  check(now.compiles == 0 && now.encodes == 2 && now.commits == 2 &&
            now.command_buffers == 2 && now.completed == 2 && now.failed == 0 &&
            now.host_waits == 1 && now.buffers == 1 && now.buffer_bytes == 16 &&
            now.live_bytes == live.live_bytes + 16 && now.input_bytes == 32 &&
            now.result_bytes == 32 && now.copied_bytes == 0 &&
            now.read_bytes == 0 && now.variable_bytes_in == 0 &&
            now.variable_bytes_out == 0 && now.in_flight == 0 &&
            now.max_in_flight == 2,
        "counters of two steps");
  [other release];
}

void memory_is_flat() {
  auto before = standin_counters();
  {
    Step step;
    Net net;
    net.run([net.graph squareWithTensor:net.variable({1, 2}, {2}) name:nil]);
    auto start = standin_counters();
    for (int i = 0; i < 1000; ++i) {
      @autoreleasepool {
        auto* buffer = step.encode(queue());
        [buffer commit];
        [buffer waitUntilCompleted];
      }
    }
    auto end = standin_counters();
    check(end.live_bytes == start.live_bytes && end.buffers == start.buffers,
          "flat over 1000 steps");
  }
  check(standin_counters().live_bytes >= before.live_bytes, "sane");
}

// Run in a pool of its own, so that all is freed when it returns.
void all_is_freed() {
  auto before = standin_counters();
  @autoreleasepool {
    memory_is_flat();
    assigns_see_old_values();
    executable_handlers();
  }
  auto after = standin_counters();
  check(after.live_bytes == before.live_bytes &&
            after.live_buffers == before.live_buffers,
        "live bytes " + std::to_string(before.live_bytes) + " before, " +
            std::to_string(after.live_bytes) + " after");
}

void queue_blocks() {
  id<MTLCommandQueue> small =
      [device() newCommandQueueWithMaxCommandBufferCount:2];
  standin_set("delay", "30");
  @autoreleasepool {
    for (int i = 0; i < 4; ++i) [[small commandBuffer] commit];
  }
  check(standin_counters().queue_waits >= 2, "the third and fourth waited");
  [small release];
  for (int i = 0; i < 500 && standin_counters().completed < 4; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  check(standin_counters().completed == 4, "a freed queue finishes its work");
}

// Apple's encode may commit what it has and go on with a new root.
void split() {
  standin_set("split", "1");
  Step step;
  step.fill(1);
  auto* buffer = [MPSCommandBuffer commandBufferFromCommandQueue:queue()];
  id<MTLCommandBuffer> root = buffer.rootCommandBuffer;
  [step.executable encodeToCommandBuffer:buffer
                             inputsArray:@[ step.data(step.input) ]
                            resultsArray:@[ step.data(step.result) ]
                     executionDescriptor:nil];
  check(buffer.rootCommandBuffer != root, "a new root");
  check(root.status >= MTLCommandBufferStatusCommitted, "the old one went");
  [buffer commit];
  [buffer waitUntilCompleted];
  check(step.first() == 2, "the result of the old root");
}

// Many operations whose results share memory: y = ((x + 1) * 2 - x) ... in a
// chain, against the same in plain C++.
void memory_is_shared() {
  Net net;
  MPSGraph* g = net.graph;
  Floats values(64);
  for (int i = 0; i < 64; ++i) values[i] = static_cast<float>(i) / 64;
  auto* x = net.feed(values, {8, 8});
  auto *y = x, *old = x;
  Floats expected = values, before = values;
  for (int step = 0; step < 30; ++step) {
    auto* turned = [g transposeTensor:y dimension:0 withDimension:1 name:nil];
    auto* row = [g meanOfTensor:y axes:@[ @0 ] name:nil];
    auto* next = [g subtractionWithPrimaryTensor:turned
                                 secondaryTensor:row
                                            name:nil];
    next = [g additionWithPrimaryTensor:next secondaryTensor:old name:nil];
    next = [g tanhWithTensor:next name:nil];
    Floats result(64);
    for (int i = 0; i < 8; ++i) {
      for (int j = 0; j < 8; ++j) {
        double mean = 0;
        for (int k = 0; k < 8; ++k) mean += expected[k * 8 + j] / 8;
        result[i * 8 + j] = static_cast<float>(
            std::tanh(expected[j * 8 + i] - mean + before[i * 8 + j]));
      }
    }
    old = y;
    y = next;
    before = expected;
    expected = result;
  }
  close("chain", net.run(y), expected, 1e-4);
}

}  // namespace

const std::vector<Case>& behaviour_cases() {
  static const std::vector<Case> cases = {
      {"poison until done", "", poison_until_done},
      {"order of handlers", "", order_of_handlers},
      {"handlers of executables", "", executable_handlers},
      {"assigns see old values", "", assigns_see_old_values},
      {"variables are shared", "", variables_are_shared},
      {"variables loaded and read", "", load_and_count_variables},
      {"feeds are shuffled", "", feeds_are_shuffled},
      {"faults become errors", "", faults_become_errors},
      {"silent faults", "", silent_faults},
      {"devices", "", devices},
      {"limits", "", limits},
      {"buffers without copy", "", no_copy_buffers},
      {"macOS versions", "", macos_versions},
      {"exceptions", "", exceptions},
      {"counters", "", counters},
      {"all is freed", "", all_is_freed},
      {"queue blocks", "", queue_blocks},
      {"split encodes", "", split},
      {"memory is shared", "", memory_is_shared},
  };
  return cases;
}

}  // namespace selftest
