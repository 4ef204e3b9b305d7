#include "objects.h"

#include <condition_variable>
#include <memory>
#include <mutex>

namespace birbs::metal {

id<MTLDevice> shared_device() {
  static id<MTLDevice> device = [] {
    id<MTLDevice> found = MTLCreateSystemDefaultDevice();
    if (found != nil) return found;
    @autoreleasepool {
      // A process without a window may see no default device but a list.
      NSArray<id<MTLDevice>>* all = MTLCopyAllDevices();
      if ([all count] > 0) found = [[all objectAtIndex:0] retain];
      [all release];
    }
    return found;
  }();
  return device;
}

std::string guarded(void (^body)(void)) {
  @try {
    body();
  } @catch (NSException* exception) {
    const char* reason = [[exception reason] UTF8String];
    return std::string("MPSGraph raised ") + [[exception name] UTF8String] +
           ": " + (reason ? reason : "");
  }
  return "";
}

std::string command_error(id<MTLCommandBuffer> buffer) {
  if ([buffer status] != MTLCommandBufferStatusError) return "";
  NSError* error = [buffer error];
  std::string name;
  switch ([error code]) {
    case MTLCommandBufferErrorTimeout:
      name = "the GPU timed out; choose a smaller batch";
      break;
    case MTLCommandBufferErrorPageFault:
      name = "the GPU met a page fault; run again, or with --device cpu";
      break;
    case MTLCommandBufferErrorOutOfMemory:
      name = "the GPU ran out of memory; use smaller tensors";
      break;
    case MTLCommandBufferErrorDeviceRemoved:
      name = "the GPU was removed; run again, or with --device cpu";
      break;
    case MTLCommandBufferErrorAccessRevoked:
    case MTLCommandBufferErrorNotPermitted:
      name = "macOS took the GPU away from this process; run again, or with "
             "--device cpu";
      break;
    default:
      name = "the GPU failed; run again, or with --device cpu";
  }
  const char* text = [[error localizedDescription] UTF8String];
  return "Metal: " + name + " (MTLCommandBufferError " +
         std::to_string([error code]) + (text ? std::string(": ") + text : "") +
         ")";
}

bool Storage::allocate(const Value& like) {
  return allocate(like.shape, like.type);
}

bool Storage::allocate(const Dims& shape, MPSDataType type) {
  size_ = bytes_of(shape, type);
  buffer_ = Owned<id<MTLBuffer>>([shared_device()
      newBufferWithLength:size_
                  options:MTLResourceStorageModeShared]);
  if (!buffer_) return false;
  data_ = Owned<MPSGraphTensorData*>([[MPSGraphTensorData alloc]
      initWithMTLBuffer:buffer_.get()
                  shape:mps_shape(shape)
               dataType:type]);
  return static_cast<bool>(data_);
}

std::string Executable::compile(const Graph& graph,
                                const std::vector<Value>& feeds,
                                const std::vector<Value>& targets,
                                NSArray<MPSGraphOperation*>* operations,
                                MPSGraphOptimization level) {
  if (!graph.mismatch().empty()) return graph.mismatch();
  NSMutableDictionary* types = [NSMutableDictionary dictionary];
  for (const Value& feed : feeds) {
    MPSGraphShapedType* type =
        [[MPSGraphShapedType alloc] initWithShape:mps_shape(feed.shape)
                                         dataType:feed.type];
    [types setObject:type forKey:feed.tensor];
    [type release];
  }
  NSMutableArray<MPSGraphTensor*>* wanted = [NSMutableArray array];
  for (const Value& target : targets) [wanted addObject:target.tensor];
  MPSGraphCompilationDescriptor* descriptor =
      [[[MPSGraphCompilationDescriptor alloc] init] autorelease];
  // Level 1 may move work to the Neural Engine, where training has crashed.
  descriptor.optimizationLevel = level;
  descriptor.waitForCompilationCompletion = YES;
  MPSGraphDevice* device = [MPSGraphDevice deviceWithMTLDevice:shared_device()];

  __block MPSGraphExecutable* compiled = nil;
  const std::string raised = guarded(^{
    compiled = [[graph.get() compileWithDevice:device
                                         feeds:types
                                 targetTensors:wanted
                              targetOperations:operations
                         compilationDescriptor:descriptor] retain];
  });
  if (!raised.empty()) return raised;
  if (compiled == nil) {
    return "MPSGraph could not compile the graph; please report this, and run "
           "with --device cpu meanwhile";
  }
  executable_ = Owned<MPSGraphExecutable*>(compiled);

  // Neither order is promised to be the one asked for.
  const auto order = [](NSArray<MPSGraphTensor*>* actual,
                        const std::vector<Value>& asked,
                        std::vector<size_t>* result) {
    result->clear();
    for (MPSGraphTensor* tensor in actual) {
      size_t i = 0;
      while (i < asked.size() && asked[i].tensor != tensor) ++i;
      if (i == asked.size()) return false;
      result->push_back(i);
    }
    return true;
  };
  if (!order([compiled feedTensors], feeds, &feed_order_) ||
      !order([compiled targetTensors], targets, &result_order_) ||
      result_order_.size() != targets.size()) {
    return "MPSGraph compiled the network with other feeds than asked for";
  }
  return "";
}

namespace {

Owned<NSArray<MPSGraphTensorData*>*> arranged(
    const std::vector<const Storage*>& storages,
    const std::vector<size_t>& order) {
  NSMutableArray<MPSGraphTensorData*>* array = [[NSMutableArray alloc] init];
  for (size_t i : order) [array addObject:storages[i]->data()];
  return Owned<NSArray<MPSGraphTensorData*>*>(array);
}

}  // namespace

Owned<NSArray<MPSGraphTensorData*>*> Executable::arrange_feeds(
    const std::vector<const Storage*>& feeds) const {
  return arranged(feeds, feed_order_);
}

Owned<NSArray<MPSGraphTensorData*>*> Executable::arrange_results(
    const std::vector<const Storage*>& results) const {
  return arranged(results, result_order_);
}

std::string Executable::encode(MPSCommandBuffer* commands,
                               NSArray<MPSGraphTensorData*>* feeds,
                               NSArray<MPSGraphTensorData*>* results) const {
  MPSGraphExecutable* executable = executable_.get();
  return guarded(^{
    [executable encodeToCommandBuffer:commands
                          inputsArray:feeds
                         resultsArray:results
                  executionDescriptor:nil];
  });
}

namespace {

struct Call {
  std::function<void(Ended)> ended;
  Owned<id<MTLCommandBuffer>> first;
};

bool is_out_of_memory(id<MTLCommandBuffer> buffer) {
  return [buffer status] == MTLCommandBufferStatusError &&
         [[buffer error] code] == MTLCommandBufferErrorOutOfMemory;
}

void finish(Call* call, id<MTLCommandBuffer> last) {
  const std::unique_ptr<Call> owned(call);
  Ended ended;
  // The encode may have gone on in a second command buffer.
  ended.error = command_error(owned->first.get());
  if (ended.error.empty()) ended.error = command_error(last);
  ended.out_of_memory =
      is_out_of_memory(owned->first.get()) || is_out_of_memory(last);
  ended.seconds = [last GPUEndTime] - [owned->first.get() GPUStartTime];
  owned->ended(ended);
}

}  // namespace

std::string submit(id<MTLCommandQueue> queue, const Executable& executable,
                   NSArray<MPSGraphTensorData*>* feeds,
                   NSArray<MPSGraphTensorData*>* results,
                   std::function<void(Ended)> ended) {
  MPSCommandBuffer* commands =
      [MPSCommandBuffer commandBufferFromCommandQueue:queue];
  if (commands == nil) return "Metal: the queue gave no command buffer";
  Call* call = new Call{std::move(ended), Owned<id<MTLCommandBuffer>>::retain(
                                              [commands rootCommandBuffer])};
  const std::string failed = executable.encode(commands, feeds, results);
  if (!failed.empty()) {
    delete call;
    return failed;
  }
  [[commands rootCommandBuffer]
      addCompletedHandler:^(id<MTLCommandBuffer> last) {
        @autoreleasepool {
          finish(call, last);
        }
      }];
  [commands commit];
  return "";
}

std::string run(id<MTLCommandQueue> queue, const Executable& executable,
                NSArray<MPSGraphTensorData*>* feeds,
                NSArray<MPSGraphTensorData*>* results, bool* out_of_memory) {
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
    Ended ended;
  };
  const auto state = std::make_shared<State>();
  const std::string failed =
      submit(queue, executable, feeds, results, [state](Ended ended) {
        const std::lock_guard lock(state->mutex);
        state->ended = std::move(ended);
        state->done = true;
        state->changed.notify_all();
      });
  if (!failed.empty()) return failed;
  std::unique_lock lock(state->mutex);
  state->changed.wait(lock, [&] { return state->done; });
  if (out_of_memory != nullptr) *out_of_memory = state->ended.out_of_memory;
  return state->ended.error;
}

}  // namespace birbs::metal
