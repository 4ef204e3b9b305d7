#pragma once

// What the Objective-C++ files of the stand-in share. No C++ exception may
// leave an Objective-C method here, and there is no ARC.

#import <MetalPerformanceShadersGraph/MetalPerformanceShadersGraph.h>

#include <memory>
#include <mutex>

#include "builder.h"
#include "counters.h"
#include "faults.h"
#include "plan.h"
#include "strict.h"

namespace standin {

struct Command;
struct Encode;
struct Queue;

using Handler = void (^)(NSArray*, NSError*);

// The current thread needs an autorelease pool, or what Apple's calls return
// would leak.
void require_pool(const char* call);

// Raises what an unknown selector raises where macOS is older than `version`
// (1203 is 12.3).
void require_macos(int64_t version, id receiver, SEL selector);

Dims to_dims(NSArray* shape, const char* where);
MPSShape* to_shape(const Dims& dims);
Type to_type(MPSDataType type, const char* where);

// Blocks are no objects here: no [block copy], none in a collection.
template <typename Block>
Block copy_block(Block block) {
  if (block) return static_cast<Block>(Block_copy(block));
  return block;
}

// An encode of which no more is to come.
void abandon(const std::shared_ptr<Encode>& encode);

CFTimeInterval now();
NSError* to_error(Fault fault);

// Guards `readers` and `writers` of all buffers.
std::mutex& hazards();

}  // namespace standin

@interface StandinDevice : NSObject <MTLDevice>
+ (StandinDevice*)shared;
@end

@interface StandinBuffer : NSObject <MTLBuffer> {
 @public
  char* bytes;
  NSUInteger size;
  MTLResourceOptions options;
  void (^deallocator)(void*, NSUInteger);
  NSString* label;
  int readers, writers;  // command buffers in flight that read or write it
}
// nil where the device has no room. `memory` is taken over.
- (instancetype)initWithMemory:(void*)memory
                        length:(NSUInteger)length
                       options:(MTLResourceOptions)options;
@end

@interface StandinCommandQueue : NSObject <MTLCommandQueue> {
 @public
  standin::Queue* queue;
  NSString* label;
}
- (instancetype)initWithMost:(NSUInteger)most;
@end

@interface StandinCommandBuffer : NSObject <MTLCommandBuffer> {
 @public
  standin::Command* command;
  StandinCommandQueue* owner;
  NSString* label;
}
- (instancetype)initWithQueue:(StandinCommandQueue*)queue;
// Checks the arrays against the executable. The handlers may be nil.
- (std::shared_ptr<standin::Encode>)encode:(standin::Executable*)executable
                                    inputs:(NSArray*)inputs
                                   results:(NSArray*)results
                                 scheduled:(standin::Handler)scheduled
                                 completed:(standin::Handler)completed;
// Puts a range of its steps into the command buffer.
- (void)addSteps:(std::shared_ptr<standin::Encode>)encode
            from:(size_t)first
              to:(size_t)last
            ends:(BOOL)ends;
// Whether a fault wants that the encode that committed it raises.
- (BOOL)raises;
@end

@interface MPSCommandBuffer (Standin)
- (void)standinContinue;
@end

@interface MPSGraphTensor (Standin)
+ (MPSGraphTensor*)standinTensorOf:(standin::Value*)value;
- (standin::Value*)standinValue;
@end

@interface MPSGraph (Standin)
- (MPSGraphTensor*)standinTensor:(standin::Value*)value;
- (NSArray*)standinTensors:(const standin::Values&)values;
- (MPSGraphOperation*)standinOperation:(standin::Node*)node;
@end

@interface MPSGraphExecutable (Standin)
// nil when the stand-in was told that nothing compiles.
+ (MPSGraphExecutable*)standinCompile:(MPSGraph*)graph
                         placeholders:(NSArray*)placeholders
                              targets:(NSArray*)targets
                           operations:(NSArray*)operations
                                level:(MPSGraphOptimization)level;
// Into a command buffer of Metal's, or with `wrapper` into its root and those
// that it continues with.
- (NSArray*)standinEncode:(id<MTLCommandBuffer>)root
                  wrapper:(MPSCommandBuffer*)wrapper
                   inputs:(NSArray*)inputs
                  results:(NSArray*)results
                scheduled:(standin::Handler)scheduled
                completed:(standin::Handler)completed;
@end
