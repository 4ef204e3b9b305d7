#include <time.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <memory>
#include <thread>

#include "internal.h"

NSErrorDomain const MTLCommandBufferErrorDomain =
    @"MTLCommandBufferErrorDomain";

namespace standin {

CFTimeInterval now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * time.tv_nsec;
}

NSError* to_error(Fault fault) {
  NSInteger code = MTLCommandBufferErrorInternal;
  NSString* text = @"Internal Error";
  if (fault == Fault::timeout) {
    code = MTLCommandBufferErrorTimeout;
    text = @"Caused GPU Timeout Error";
  } else if (fault == Fault::page_fault) {
    code = MTLCommandBufferErrorPageFault;
    text = @"Caused GPU Address Fault Error";
  } else if (fault == Fault::out_of_memory) {
    code = MTLCommandBufferErrorOutOfMemory;
    text = @"Insufficient Memory";
  } else if (fault == Fault::device_removed) {
    code = MTLCommandBufferErrorDeviceRemoved;
    text = @"The GPU was removed";
  }
  NSDictionary* info =
      [NSDictionary dictionaryWithObject:text forKey:NSLocalizedDescriptionKey];
  return [NSError errorWithDomain:MTLCommandBufferErrorDomain
                             code:code
                         userInfo:info];
}

struct Span {
  StandinBuffer* buffer;  // retained
  size_t bytes;
  bool real;
  uint64_t checksum;
};

// One run of an executable, in one command buffer or several.
struct Encode {
  Executable* executable;
  std::vector<Span> inputs, results;
  NSArray* data = nil;  // the results as tensor data, retained
  Handler scheduled = nil, completed = nil;
  // Guarded by hazards(): the buffers are taken until all of it has ended.
  bool claimed = false, closed = false, freed = false;
  int in_flight = 0;  // command buffers

  explicit Encode(Executable* given) : executable(given) {
    ++executable->in_flight;
    ++executable->graph->in_flight;
  }
  Encode(const Encode&) = delete;
  ~Encode() {
    {
      std::lock_guard lock(hazards());
      let_go();
    }
    for (Span& span : inputs) [span.buffer release];
    for (Span& span : results) [span.buffer release];
    [data release];
    if (scheduled) Block_release(scheduled);
    if (completed) Block_release(completed);
  }

  void let_go() {
    if (freed) return;
    freed = true;
    if (claimed) {
      for (Span& span : inputs) --span.buffer->readers;
      for (Span& span : results) --span.buffer->writers;
    }
    --executable->in_flight;
    --executable->graph->in_flight;
  }
};

namespace {

// Its part in one command buffer: a range of steps.
struct Work {
  std::shared_ptr<Encode> encode;
  size_t first, last;
  bool ends;  // with it the encode
};

uint64_t checksum(const Span& span) {
  uint64_t sum = 0xcbf29ce484222325;
  size_t i = 0;
  for (; i + 8 <= span.bytes; i += 8) {
    uint64_t word;
    std::memcpy(&word, span.buffer->bytes + i, 8);
    sum = (sum ^ word) * 0x100000001b3;
    sum ^= sum >> 29;
  }
  for (; i < span.bytes; ++i) {
    sum = (sum ^ static_cast<uint8_t>(span.buffer->bytes[i])) * 0x100000001b3;
  }
  return sum;
}

// What results hold until they are computed: NaN, or a pattern.
int poison_of(const Span& span) { return span.real ? 0xff : 0xa5; }

void poison(const Span& span) {
  std::memset(span.buffer->bytes, poison_of(span), span.bytes);
}

bool is_poisoned(const Span& span) {
  auto* bytes = reinterpret_cast<const uint8_t*>(span.buffer->bytes);
  int value = poison_of(span);
  for (size_t i = 0; i < span.bytes; ++i) {
    if (bytes[i] != value) return false;
  }
  return true;
}

}  // namespace

// Shared by a command buffer and the thread that works on it, so that waiters
// are told last of all.
struct Command {
  std::vector<Work> works;
  std::vector<MTLCommandBufferHandler> scheduled, completed;
  MTLCommandBufferStatus status = MTLCommandBufferStatusNotEnqueued;
  bool finished = false;  // nothing of it goes on any more
  Fault fault = Fault::none;
  NSError* error = nil;
  CFTimeInterval start = 0, end = 0;
  std::atomic<int> owners{1};

  void release() {
    if (--owners == 0) delete this;
  }
};

// Shared by a queue object and its thread, which may outlive each other.
struct Queue {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<StandinCommandBuffer*> committed;  // retained
  NSUInteger most = 64, outstanding = 0, in_flight = 0;
  bool stopping = false;
  std::thread thread;
  std::atomic<int> owners{2};

  void release() {
    if (--owners == 0) delete this;
  }
};

namespace {

// One command buffer at a time computes, whatever the queue.
std::mutex& gpu() {
  static std::mutex* mutex = new std::mutex;
  return *mutex;
}

void verify(Work& work, const char* when) {
  for (Span& span : work.encode->inputs) {
    require(checksum(span) == span.checksum,
            std::string("an input buffer was written ") + when,
            "do not touch buffers between commit and completion");
  }
}

Fault fault_of(const Command& command) {
  int64_t limit = number_setting("heap_limit");
  for (const Work& work : command.works) {
    if (limit > 0 && work.encode->executable->scratch_bytes() > limit &&
        command.fault == Fault::none) {
      return Fault::out_of_memory;
    }
  }
  return command.fault;
}

bool fails(Fault fault) {
  return fault == Fault::internal || fault == Fault::timeout ||
         fault == Fault::page_fault || fault == Fault::out_of_memory ||
         fault == Fault::device_removed;
}

void compute(Work& work, Fault fault) {
  Encode& encode = *work.encode;
  Executable& executable = *encode.executable;
  require(executable.graph->alive, "a graph was freed with work in flight",
          "retain graph and executable until completion");
  verify(work, "in flight");
  for (Span& span : encode.results) {
    require(is_poisoned(span), "a result buffer was written in flight",
            "do not touch buffers between commit and completion");
  }
  if (work.first == 0) {
    std::vector<const void*> inputs;
    for (Span& span : encode.inputs) inputs.push_back(span.buffer->bytes);
    executable.load(inputs);
  }
  if (fails(fault)) {
    // The others of the encode go on with whatever its tensors held before.
    if (fault != Fault::device_removed) {
      executable.spoil_variables(work.first, work.last);
    }
    return;
  }
  executable.compute(work.first, work.last, fault);
  if (fault == Fault::nan) executable.spoil_variables(work.first, work.last);
  if (!work.ends) return;
  std::vector<void*> results;
  for (Span& span : encode.results) results.push_back(span.buffer->bytes);
  executable.store(results);
  if (fault == Fault::nan) {
    for (Span& span : encode.results) {
      if (span.real) poison(span);
    }
  }
  verify(work, "while it was read");
}

void execute(Command& command) {
  Fault fault = fault_of(command);
  std::unique_lock lock(gpu());
  if (fault == Fault::hang) {
    lock.unlock();
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  }
  command.start = now();
  if (int64_t delay = number_setting("delay")) {
    std::this_thread::sleep_for(std::chrono::milliseconds(delay));
  }
  for (Work& work : command.works) compute(work, fault);
  command.end = now();
  if (fails(fault)) command.error = [to_error(fault) retain];
}

void let_go(Command& command) {
  std::lock_guard lock(hazards());
  for (Work& work : command.works) {
    Encode& encode = *work.encode;
    if (--encode.in_flight == 0 && encode.closed) encode.let_go();
  }
}

void set_status(Queue& queue, Command& command, MTLCommandBufferStatus status) {
  std::lock_guard lock(queue.mutex);
  command.status = status;
  queue.changed.notify_all();
}

void call(std::vector<MTLCommandBufferHandler>& handlers,
          StandinCommandBuffer* buffer) {
  for (MTLCommandBufferHandler handler : handlers) {
    handler(buffer);
    Block_release(handler);
  }
  handlers.clear();
}

void complete(Queue& queue, StandinCommandBuffer* buffer) {
  Command& command = *buffer->command;
  set_status(queue, command, MTLCommandBufferStatusScheduled);
  call(command.scheduled, buffer);
  for (Work& work : command.works) {
    Encode& encode = *work.encode;
    if (encode.scheduled && work.first == 0) encode.scheduled(encode.data, nil);
  }
  execute(command);
  let_go(command);
  add(Counter::in_flight, -1);
  add(Counter::completed);
  if (command.error) add(Counter::failed);
  {
    std::lock_guard lock(queue.mutex);
    command.status = command.error ? MTLCommandBufferStatusError
                                   : MTLCommandBufferStatusCompleted;
    --queue.in_flight;
    --queue.outstanding;
    queue.changed.notify_all();
  }
  for (Work& work : command.works) {
    Encode& encode = *work.encode;
    // Of errors in the command buffers before it says nothing.
    if (encode.completed && work.ends) {
      encode.completed(encode.data, command.error);
    }
  }
  call(command.completed, buffer);
  command.works.clear();
}

StandinCommandBuffer* next(Queue& queue) {
  std::unique_lock lock(queue.mutex);
  queue.changed.wait(
      lock, [&] { return !queue.committed.empty() || queue.stopping; });
  if (queue.committed.empty()) return nil;
  StandinCommandBuffer* buffer = queue.committed.front();
  queue.committed.pop_front();
  return buffer;
}

void serve(Queue* queue) {
  GSRegisterCurrentThread();
  while (StandinCommandBuffer* buffer = next(*queue)) {
    Command* command = buffer->command;
    @autoreleasepool {
      complete(*queue, buffer);
      [buffer release];
    }
    {
      std::lock_guard lock(queue->mutex);
      command->finished = true;
      queue->changed.notify_all();
    }
    command->release();
  }
  GSUnregisterCurrentThread();
  queue->release();
}

}  // namespace

void abandon(const std::shared_ptr<Encode>& encode) {
  std::lock_guard lock(hazards());
  encode->closed = true;
  if (encode->in_flight == 0) encode->let_go();
}

}  // namespace standin

using namespace standin;

@implementation StandinCommandQueue

- (instancetype)initWithMost:(NSUInteger)most {
  self = [super init];
  queue = new Queue;
  queue->most = most;
  queue->thread = std::thread(serve, queue);
  return self;
}

- (void)dealloc {
  bool own = queue->thread.get_id() == std::this_thread::get_id();
  {
    std::lock_guard lock(queue->mutex);
    queue->stopping = true;
    queue->changed.notify_all();
  }
  if (own) {
    queue->thread.detach();
  } else {
    queue->thread.join();
  }
  queue->release();
  [label release];
  [super dealloc];
}

- (id<MTLDevice>)device {
  return [StandinDevice shared];
}

- (id<MTLCommandBuffer>)commandBuffer {
  require_pool("commandBuffer");
  {
    std::unique_lock lock(queue->mutex);
    auto free = [&] { return queue->outstanding < queue->most; };
    if (!free()) {
      require(queue->in_flight > 0,
              "commandBuffer with " + std::to_string(queue->most) +
                  " command buffers uncommitted",
              "it would block for ever");
      add(Counter::queue_waits);
      queue->changed.wait(lock, free);
    }
    ++queue->outstanding;
  }
  add(Counter::command_buffers);
  return [[[StandinCommandBuffer alloc] initWithQueue:self] autorelease];
}

- (NSString*)label {
  return label;
}

- (void)setLabel:(NSString*)text {
  [label autorelease];
  label = [text copy];
}

@end

@implementation StandinCommandBuffer

- (instancetype)initWithQueue:(StandinCommandQueue*)given {
  self = [super init];
  owner = [given retain];
  command = new Command;
  return self;
}

- (void)dealloc {
  for (auto handler : command->scheduled) Block_release(handler);
  for (auto handler : command->completed) Block_release(handler);
  if (command->status < MTLCommandBufferStatusCommitted) {
    std::lock_guard lock(owner->queue->mutex);
    --owner->queue->outstanding;
    owner->queue->changed.notify_all();
  }
  [command->error release];
  command->release();
  [label release];
  [owner release];
  [super dealloc];
}

- (id<MTLDevice>)device {
  return [StandinDevice shared];
}

- (id<MTLCommandQueue>)commandQueue {
  return owner;
}

- (MTLCommandBufferStatus)status {
  std::lock_guard lock(owner->queue->mutex);
  return command->status;
}

- (void)requireOpen:(const char*)call {
  require([self status] < MTLCommandBufferStatusCommitted,
          std::string(call) + " on a committed command buffer",
          "one commit a buffer; encode and add handlers before it");
}

- (void)enqueue {
  [self requireOpen:"enqueue"];
  std::lock_guard lock(owner->queue->mutex);
  command->status = MTLCommandBufferStatusEnqueued;
}

// Takes the buffers for the encodes that begin here and poisons what they will
// write.
- (void)claim {
  std::lock_guard lock(hazards());
  for (Work& work : command->works) {
    Encode& encode = *work.encode;
    ++encode.in_flight;
    encode.closed = encode.closed || work.ends;
    if (encode.claimed) continue;
    for (Span& span : encode.inputs) {
      require(span.buffer->writers == 0,
              "an input buffer is the result of a command buffer in flight",
              "wait for its completion, or use a variable");
      ++span.buffer->readers;
    }
    for (Span& span : encode.results) {
      require(span.buffer->writers == 0 && span.buffer->readers == 0,
              "a result buffer is still in flight",
              "give each step in flight its own buffers");
      ++span.buffer->writers;
      poison(span);
    }
    encode.claimed = true;
    for (Span& span : encode.inputs) span.checksum = checksum(span);
  }
}

- (void)commit {
  [self requireOpen:"commit"];
  [self claim];
  command->fault = next_fault();
  add(Counter::commits);
  add(Counter::in_flight);
  Queue& queue = *owner->queue;
  std::lock_guard lock(queue.mutex);
  command->status = MTLCommandBufferStatusCommitted;
  ++queue.in_flight;
  ++command->owners;
  queue.committed.push_back([self retain]);
  queue.changed.notify_all();
}

- (void)waitFor:(const char*)call until:(bool (*)(const Command&))done {
  require([self status] >= MTLCommandBufferStatusCommitted,
          std::string(call) + " on an uncommitted command buffer",
          "it never returns");
  Queue& queue = *owner->queue;
  require(queue.thread.get_id() != std::this_thread::get_id(),
          std::string(call) + " from a handler", "it never returns");
  std::unique_lock lock(queue.mutex);
  queue.changed.wait(lock, [&] { return done(*command); });
}

- (void)waitUntilScheduled {
  [self waitFor:"waitUntilScheduled"
          until:[](const Command& waited) {
            return waited.status >= MTLCommandBufferStatusScheduled;
          }];
}

- (void)waitUntilCompleted {
  add(Counter::host_waits);
  [self waitFor:"waitUntilCompleted"
          until:[](const Command& waited) { return waited.finished; }];
}

- (void)addScheduledHandler:(MTLCommandBufferHandler)block {
  [self requireOpen:"addScheduledHandler:"];
  command->scheduled.push_back(Block_copy(block));
}

- (void)addCompletedHandler:(MTLCommandBufferHandler)block {
  [self requireOpen:"addCompletedHandler:"];
  command->completed.push_back(Block_copy(block));
}

- (NSError*)error {
  return [self isDone] ? command->error : nil;
}

- (BOOL)isDone {
  return [self status] >= MTLCommandBufferStatusCompleted;
}

- (CFTimeInterval)GPUStartTime {
  return [self isDone] ? command->start : 0;
}

- (CFTimeInterval)GPUEndTime {
  return [self isDone] ? command->end : 0;
}

- (CFTimeInterval)kernelStartTime {
  return [self GPUStartTime];
}

- (CFTimeInterval)kernelEndTime {
  return [self GPUStartTime];
}

- (NSString*)label {
  return label;
}

- (void)setLabel:(NSString*)text {
  [label autorelease];
  label = [text copy];
}

// The buffers behind tensor data, checked against what the executable takes.
static std::vector<Span> spans(NSArray* data, const std::vector<Value*>& values,
                               const char* what) {
  require([data count] == values.size(),
          std::string(what) + ": " + std::to_string([data count]) + " for " +
              std::to_string(values.size()) + " tensors",
          "count and order of feedTensors or targetTensors");
  std::vector<Span> result;
  for (size_t i = 0; i < values.size(); ++i) {
    MPSGraphTensorData* given = [data objectAtIndex:i];
    require([given isKindOfClass:[MPSGraphTensorData class]],
            std::string(what) + ": not tensor data", "MPSGraphTensorData");
    Dims dims = to_dims(given->_standinShape, what);
    Type type = to_type(given->_standinDataType, what);
    require(dims == values[i]->dims && type == values[i]->type,
            std::string(what) + " " + std::to_string(i) + ": expected " +
                describe(values[i]->dims, values[i]->type) + " but received " +
                describe(dims, type),
            "in the order of feedTensors or targetTensors, of their natural "
            "rank and type");
    StandinBuffer* buffer = [(StandinBuffer*)given->_standinBuffer retain];
    auto bytes = static_cast<size_t>(byte_count(dims, type));
    result.push_back({buffer, bytes, is_float(type), 0});
  }
  return result;
}

- (std::shared_ptr<Encode>)encode:(Executable*)executable
                           inputs:(NSArray*)inputs
                          results:(NSArray*)results
                        scheduled:(Handler)scheduled
                        completed:(Handler)completed {
  [self requireOpen:"encodeToCommandBuffer:"];
  auto encode = std::make_shared<Encode>(executable);
  encode->inputs = spans(inputs, executable->feeds, "inputsArray");
  encode->results = spans(results, executable->targets, "resultsArray");
  for (size_t i = 0; i < encode->results.size(); ++i) {
    for (Span& input : encode->inputs) {
      require(input.buffer != encode->results[i].buffer,
              "one buffer as input and result of one encode",
              "a read and write hazard: use two buffers, or a variable");
    }
    for (size_t j = 0; j < i; ++j) {
      require(encode->results[j].buffer != encode->results[i].buffer,
              "one buffer for two results of one encode", "a buffer for each");
    }
  }
  encode->data = [results retain];
  if (scheduled) encode->scheduled = Block_copy(scheduled);
  if (completed) encode->completed = Block_copy(completed);
  add(Counter::encodes);
  return encode;
}

- (void)addSteps:(std::shared_ptr<Encode>)encode
            from:(size_t)first
              to:(size_t)last
            ends:(BOOL)ends {
  [self requireOpen:"encodeToCommandBuffer:"];
  command->works.push_back({encode, first, last, ends == YES});
}

- (BOOL)raises {
  return command->fault == Fault::raise;
}

@end

@implementation MPSCommandBuffer

+ (instancetype)commandBufferFromCommandQueue:(id<MTLCommandQueue>)queue {
  require_pool("commandBufferFromCommandQueue:");
  return [self commandBufferWithCommandBuffer:[queue commandBuffer]];
}

+ (instancetype)commandBufferWithCommandBuffer:(id<MTLCommandBuffer>)buffer {
  require_pool("commandBufferWithCommandBuffer:");
  return [[[self alloc] initWithCommandBuffer:buffer] autorelease];
}

- (instancetype)initWithCommandBuffer:(id<MTLCommandBuffer>)buffer {
  self = [super init];
  require(buffer != nil, "MPSCommandBuffer of nil",
          "check what commandBuffer returned");
  _standinRoot = [buffer retain];
  return self;
}

- (void)dealloc {
  [_standinRoot release];
  [super dealloc];
}

- (id<MTLCommandBuffer>)commandBuffer {
  return _standinRoot;
}

- (id<MTLCommandBuffer>)rootCommandBuffer {
  return _standinRoot;
}

- (void)commitAndContinue {
  [self standinContinue];
}

// Behind the back of subclasses.
- (void)standinContinue {
  require_pool("commitAndContinue");
  [_standinRoot commit];
  id<MTLCommandBuffer> next =
      [[[_standinRoot commandQueue] commandBuffer] retain];
  [_standinRoot autorelease];
  _standinRoot = next;
}

- (id<MTLDevice>)device {
  return [_standinRoot device];
}

- (id<MTLCommandQueue>)commandQueue {
  return [_standinRoot commandQueue];
}

- (CFTimeInterval)kernelStartTime {
  return [_standinRoot kernelStartTime];
}

- (CFTimeInterval)kernelEndTime {
  return [_standinRoot kernelEndTime];
}

- (CFTimeInterval)GPUStartTime {
  return [_standinRoot GPUStartTime];
}

- (CFTimeInterval)GPUEndTime {
  return [_standinRoot GPUEndTime];
}

- (MTLCommandBufferStatus)status {
  return [_standinRoot status];
}

- (NSError*)error {
  return [_standinRoot error];
}

- (void)enqueue {
  [_standinRoot enqueue];
}

- (void)commit {
  [_standinRoot commit];
}

- (void)addScheduledHandler:(MTLCommandBufferHandler)block {
  [_standinRoot addScheduledHandler:block];
}

- (void)addCompletedHandler:(MTLCommandBufferHandler)block {
  [_standinRoot addCompletedHandler:block];
}

- (void)waitUntilScheduled {
  [_standinRoot waitUntilScheduled];
}

- (void)waitUntilCompleted {
  [_standinRoot waitUntilCompleted];
}

- (NSString*)label {
  return [_standinRoot label];
}

- (void)setLabel:(NSString*)label {
  [_standinRoot setLabel:label];
}

@end
