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

id<MTLCommandQueue> new_queue() {
  id<MTLCommandQueue> queue = [shared_device() newCommandQueue];
  [queue setLabel:@"birbs-metal"];
  return queue;
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

namespace {

std::string error_sentence(NSError* error) {
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

}  // namespace

std::string command_error(id<MTLCommandBuffer> buffer) {
  if ([buffer status] != MTLCommandBufferStatusError) return "";
  return error_sentence([buffer error]);
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

std::string Executable::encode(
    MPSCommandBuffer* commands, NSArray<MPSGraphTensorData*>* feeds,
    NSArray<MPSGraphTensorData*>* results,
    MPSGraphExecutableExecutionDescriptor* descriptor) const {
  MPSGraphExecutable* executable = executable_.get();
  return guarded(^{
    [executable encodeToCommandBuffer:commands
                          inputsArray:feeds
                         resultsArray:results
                  executionDescriptor:descriptor];
  });
}

namespace {

bool is_out_of_memory(NSError* error) {
  return [error code] == MTLCommandBufferErrorOutOfMemory &&
         [[error domain] isEqualToString:MTLCommandBufferErrorDomain];
}

}  // namespace

// What one run submitted. The last of its command buffers to end calls `ended`;
// nothing is assumed of the order in which they do.
class Submission {
 public:
  explicit Submission(std::function<void(Ended)> ended)
      : ended_(std::move(ended)) {}

  // Before the command buffer is committed.
  static void watch(const std::shared_ptr<Submission>& self,
                    id<MTLCommandBuffer> buffer) {
    {
      const std::lock_guard lock(self->mutex_);
      self->last_ = buffer;
      ++self->open_;
      ++self->result_.command_buffers;
    }
    const std::shared_ptr<Submission> kept = self;
    [buffer addCompletedHandler:^(id<MTLCommandBuffer> done) {
      @autoreleasepool {
        kept->note(done);
      }
    }];
  }

  bool watches(id<MTLCommandBuffer> buffer) const { return last_ == buffer; }
  void miss() { result_.unwatched = true; }

  // What MPSGraph itself says when the encode has ended, if it says so in time.
  void note_error(NSError* error) {
    const std::lock_guard lock(mutex_);
    keep(error_sentence(error), is_out_of_memory(error));
  }

  // No further command buffer follows; before the last one is committed.
  void complete() {
    const std::lock_guard lock(mutex_);
    complete_ = true;
  }

 private:
  void keep(const std::string& error, bool out_of_memory) {
    if (!result_.error.empty()) return;
    result_.error = error;
    result_.out_of_memory = out_of_memory;
  }

  void note(id<MTLCommandBuffer> done) {
    bool last = false;
    {
      const std::lock_guard lock(mutex_);
      if ([done status] == MTLCommandBufferStatusError) {
        keep(command_error(done), is_out_of_memory([done error]));
      }
      result_.seconds += [done GPUEndTime] - [done GPUStartTime];
      last = --open_ == 0 && complete_;
    }
    if (last) ended_(result_);
  }

  std::mutex mutex_;
  std::function<void(Ended)> ended_;
  id<MTLCommandBuffer> last_ = nil;  // not retained: compared only
  int open_ = 0;
  bool complete_ = false;
  Ended result_;
};

}  // namespace birbs::metal

using birbs::metal::Submission;

// MPSGraph asks the command buffer that it encodes into to continue, and no
// property leads to those in the middle: this one watches each.
@interface BirbsCommandBuffer : MPSCommandBuffer {
 @public
  const std::shared_ptr<Submission>* submission;  // during an encode
}
@end

@implementation BirbsCommandBuffer

- (void)commitAndContinue {
  [super commitAndContinue];
  if (submission != nullptr) {
    Submission::watch(*submission, [self rootCommandBuffer]);
  }
}

@end

namespace birbs::metal {

namespace {

// Until all that was committed to the queue before has ended.
void wait_for_all(id<MTLCommandQueue> queue) {
  id<MTLCommandBuffer> fence = [queue commandBuffer];
  [fence commit];
  [fence waitUntilCompleted];
}

}  // namespace

std::string submit(id<MTLCommandQueue> queue, const Executable& executable,
                   NSArray<MPSGraphTensorData*>* feeds,
                   NSArray<MPSGraphTensorData*>* results,
                   std::function<void(Ended)> ended) {
  id<MTLCommandBuffer> first = [queue commandBuffer];
  if (first == nil) return "Metal: the queue gave no command buffer";
  const Owned<BirbsCommandBuffer*> commands(
      [[BirbsCommandBuffer alloc] initWithCommandBuffer:first]);
  const auto submission = std::make_shared<Submission>(std::move(ended));
  Submission::watch(submission, first);
  MPSGraphExecutableExecutionDescriptor* descriptor =
      [[[MPSGraphExecutableExecutionDescriptor alloc] init] autorelease];
  descriptor.completionHandler =
      ^(NSArray<MPSGraphTensorData*>*, NSError* error) {
        if (error != nil) submission->note_error(error);
      };
  commands.get()->submission = &submission;
  const std::string failed =
      executable.encode(commands.get(), feeds, results, descriptor);
  commands.get()->submission = nullptr;
  id<MTLCommandBuffer> last = [commands.get() rootCommandBuffer];
  if (!failed.empty()) {
    if (last != first) wait_for_all(queue);
    return failed;
  }
  if (!submission->watches(last)) {
    submission->miss();
    Submission::watch(submission, last);
  }
  submission->complete();
  [commands.get() commit];
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
