#pragma once

// Objective-C++ only: device, queue, buffers and executables.
#include <functional>
#include <string>
#include <vector>

#include "graph.h"

namespace birbs::metal {

// The device all sessions share; nil where there is none. Looked for once.
id<MTLDevice> shared_device();

// Retained; nil where there is none to be had.
id<MTLCommandQueue> new_queue();

inline constexpr char no_queue[] =
    "Metal: the device gave no command queue; close other programs that use "
    "the GPU, or run with --device cpu";

// Runs `body`; an NSException becomes the returned sentence. MPSGraph raises
// while a graph is built as well as when it is compiled or encoded.
std::string guarded(void (^body)(void));

// The same of a function that returns empty or a sentence.
template <typename Body>
std::string attempt(const Body& body) {
  std::string failed;
  std::string* result = &failed;
  const Body* work = &body;
  const std::string raised = guarded(^{
    *result = (*work)();
  });
  return raised.empty() ? failed : raised;
}

// What an ended command buffer says: empty, or its error in one sentence.
std::string command_error(id<MTLCommandBuffer> buffer);

// A shared buffer wrapped as tensor data, of exactly one tensor's size.
class Storage {
 public:
  // False when the device has no memory for it.
  bool allocate(const Value& like);
  bool allocate(const Dims& shape, MPSDataType type);
  void* bytes() const { return [buffer_.get() contents]; }
  size_t size() const { return size_; }
  MPSGraphTensorData* data() const { return data_.get(); }

 private:
  Owned<id<MTLBuffer>> buffer_;
  Owned<MPSGraphTensorData*> data_;
  size_t size_ = 0;
};

// An executable of a graph and the order in which it wants its feeds. The graph
// must outlive it.
class Executable {
 public:
  // Returns empty, or why not.
  std::string compile(const Graph& graph, const std::vector<Value>& feeds,
                      const std::vector<Value>& targets,
                      NSArray<MPSGraphOperation*>* operations,
                      MPSGraphOptimization level = MPSGraphOptimizationLevel0);
  explicit operator bool() const { return static_cast<bool>(executable_); }

  // `feeds` and `targets` in the order given to compile; made once and kept.
  Owned<NSArray<MPSGraphTensorData*>*> arrange_feeds(
      const std::vector<const Storage*>& feeds) const;
  Owned<NSArray<MPSGraphTensorData*>*> arrange_results(
      const std::vector<const Storage*>& results) const;

  std::string encode(MPSCommandBuffer* commands,
                     NSArray<MPSGraphTensorData*>* feeds,
                     NSArray<MPSGraphTensorData*>* results,
                     MPSGraphExecutableExecutionDescriptor* descriptor) const;

 private:
  Owned<MPSGraphExecutable*> executable_;
  std::vector<size_t> feed_order_, result_order_;
};

// How one encoded run went.
struct Ended {
  std::string error;  // the first of all its command buffers
  bool out_of_memory = false;
  double seconds = 0;  // on the device, all command buffers together
  // MPSGraph continues a long encode in further command buffers. Whether
  // there were some that we could not watch:
  int command_buffers = 0;
  bool unwatched = false;
};

// Encodes and commits; `ended` is called once, from a thread of Metal's, when
// all command buffers have ended, unless a sentence is returned. Even then
// some of it may have run, and has ended.
std::string submit(id<MTLCommandQueue> queue, const Executable& executable,
                   NSArray<MPSGraphTensorData*>* feeds,
                   NSArray<MPSGraphTensorData*>* results,
                   std::function<void(Ended)> ended);

// The same, waiting for the end. `out_of_memory`: whether that was the error.
std::string run(id<MTLCommandQueue> queue, const Executable& executable,
                NSArray<MPSGraphTensorData*>* feeds,
                NSArray<MPSGraphTensorData*>* results,
                bool* out_of_memory = nullptr);

}  // namespace birbs::metal
