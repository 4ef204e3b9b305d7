#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "internal.h"

#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#endif

namespace standin {

void require_pool(const char* call) {
  require([NSAutoreleasePool currentPool] != nil,
          std::string(call) + " without an autorelease pool",
          "wrap each entry in @autoreleasepool: what it returns would leak");
}

void require_macos(int64_t version, id receiver, SEL selector) {
  if (macos_version() >= version) return;
  [NSException raise:NSInvalidArgumentException
              format:@"-[%@ %@]: unrecognized selector sent to instance (macOS "
                     @"%lld.%lld or later has it)",
                     NSStringFromClass([receiver class]),
                     NSStringFromSelector(selector),
                     static_cast<long long>(version / 100),
                     static_cast<long long>(version % 100)];
}

Dims to_dims(NSArray* shape, const char* where) {
  require(shape != nil, std::string(where) + ": no shape",
          "isStaticMPSType: every dimension known and positive");
  Dims dims;
  for (NSNumber* dim in shape) dims.push_back([dim longLongValue]);
  return dims;
}

MPSShape* to_shape(const Dims& dims) {
  NSMutableArray* shape = [NSMutableArray arrayWithCapacity:dims.size()];
  for (int64_t dim : dims) [shape addObject:[NSNumber numberWithLongLong:dim]];
  return shape;
}

Type to_type(MPSDataType type, const char* where) {
  return to_type(static_cast<uint32_t>(type), where);
}

std::mutex& hazards() {
  static std::mutex* mutex = new std::mutex;
  return *mutex;
}

}  // namespace standin

using namespace standin;

BOOL standin_macos_at_least(const char* versions) {
  const char* name = std::strstr(versions, "macOS");
  if (!name) return YES;
  char* end;
  int64_t version = std::strtoll(name + 5, &end, 10) * 100;
  if (*end == '.') version += std::strtoll(end + 1, nullptr, 10);
  return macos_version() >= version;
}

@implementation NSProcessInfo (Standin)

- (NSOperatingSystemVersion)operatingSystemVersion {
  int64_t version = macos_version();
  return {static_cast<NSInteger>(version / 100),
          static_cast<NSInteger>(version % 100), 0};
}

- (BOOL)isOperatingSystemAtLeastVersion:(NSOperatingSystemVersion)version {
  return macos_version() >= version.majorVersion * 100 + version.minorVersion;
}

@end

@implementation MTLArchitecture

- (NSString*)name {
  return _standinName;
}

@end

@implementation StandinDevice

+ (StandinDevice*)shared {
  static StandinDevice* device;
  static std::once_flag once;
  std::call_once(once, [] { device = [[StandinDevice alloc] init]; });
  return device;
}

- (BOOL)is:(const char*)kind {
  return text_setting("device") == kind;
}

- (NSString*)name {
  if ([self is:"paravirtual"]) return @"Apple Paravirtual device";
  if ([self is:"discrete"]) return @"AMD Radeon Pro 5500M";
  return @"Apple M2";
}

- (uint64_t)registryID {
  return 4294968000;
}

- (MTLArchitecture*)architecture {
  require_macos(1400, self, _cmd);
  MTLArchitecture* architecture = [[[MTLArchitecture alloc] init] autorelease];
  architecture->_standinName = @"applegpu_g14g";
  return architecture;
}

- (BOOL)hasUnifiedMemory {
  return ![self is:"discrete"];
}

- (uint64_t)recommendedMaxWorkingSetSize {
  return static_cast<uint64_t>(number_setting("working_set"));
}

- (NSUInteger)maxBufferLength {
  return static_cast<NSUInteger>(number_setting("max_buffer"));
}

- (NSUInteger)currentAllocatedSize {
  return value_of(Counter::live_bytes);
}

- (BOOL)isLowPower {
  return NO;
}

- (BOOL)isHeadless {
  return [self is:"paravirtual"];
}

- (BOOL)isRemovable {
  return NO;
}

- (MTLDeviceLocation)location {
  return [self is:"discrete"] ? MTLDeviceLocationSlot
                              : MTLDeviceLocationBuiltIn;
}

- (BOOL)supportsFamily:(MTLGPUFamily)family {
  BOOL common = family >= MTLGPUFamilyCommon1 && family <= MTLGPUFamilyCommon3;
  BOOL metal3 = family == MTLGPUFamilyMetal3 && macos_version() >= 1300;
  if ([self is:"discrete"]) {
    return common || metal3 || family == MTLGPUFamilyMac2;
  }
  BOOL virtualised = [self is:"paravirtual"];
  MTLGPUFamily last = virtualised ? MTLGPUFamilyApple5 : MTLGPUFamilyApple8;
  if (family >= MTLGPUFamilyApple1 && family <= last) return YES;
  return common || (!virtualised && (metal3 || family == MTLGPUFamilyMac2));
}

- (id<MTLCommandQueue>)newCommandQueue {
  return [self newCommandQueueWithMaxCommandBufferCount:64];
}

- (id<MTLCommandQueue>)newCommandQueueWithMaxCommandBufferCount:
    (NSUInteger)count {
  require(count > 0, "a command queue for 0 command buffers", "at least 1");
  if (!number_setting("queue")) return nil;
  return [[StandinCommandQueue alloc] initWithMost:count];
}

- (BOOL)hasRoomFor:(NSUInteger)length {
  if (length == 0 || length > [self maxBufferLength]) return NO;
  auto limit = static_cast<uint64_t>(number_setting("buffer_limit"));
  return limit == 0 || value_of(Counter::live_bytes) + length <= limit;
}

- (id<MTLBuffer>)newBufferWithLength:(NSUInteger)length
                             options:(MTLResourceOptions)options {
  if (![self hasRoomFor:length]) return nil;
  size_t page = static_cast<size_t>(getpagesize());
  size_t whole = (length + page - 1) / page * page;
  void* memory = std::aligned_alloc(page, whole);
  if (!memory) return nil;
  std::memset(memory, 0, whole);
#if __has_feature(address_sanitizer)
  // Whole pages, as Apple's; what lies behind the length is nobody's.
  __asan_poison_memory_region(static_cast<char*>(memory) + length,
                              whole - length);
#endif
  return [[StandinBuffer alloc] initWithMemory:memory
                                        length:length
                                       options:options];
}

- (id<MTLBuffer>)newBufferWithBytes:(const void*)pointer
                             length:(NSUInteger)length
                            options:(MTLResourceOptions)options {
  StandinBuffer* buffer = (StandinBuffer*)[self newBufferWithLength:length
                                                            options:options];
  if (!buffer) return nil;
  std::memcpy(buffer->bytes, pointer, length);
  add(Counter::copied_bytes, static_cast<int64_t>(length));
  return buffer;
}

- (id<MTLBuffer>)newBufferWithBytesNoCopy:(void*)pointer
                                   length:(NSUInteger)length
                                  options:(MTLResourceOptions)options
                              deallocator:(void (^)(void*, NSUInteger))block {
  auto page = static_cast<uintptr_t>(getpagesize());
  bool aligned =
      reinterpret_cast<uintptr_t>(pointer) % page == 0 && length % page == 0;
  if (!pointer || !aligned || ![self hasRoomFor:length]) return nil;
  StandinBuffer* buffer = [[StandinBuffer alloc] initWithMemory:pointer
                                                         length:length
                                                        options:options];
  buffer->deallocator = block ? Block_copy(block)
                              : Block_copy(^(void*, NSUInteger){
                                });
  return buffer;
}

@end

@implementation StandinBuffer

- (instancetype)initWithMemory:(void*)memory
                        length:(NSUInteger)length
                       options:(MTLResourceOptions)given {
  self = [super init];
  bytes = static_cast<char*>(memory);
  size = length;
  options = given;
  add(Counter::buffers);
  add(Counter::buffer_bytes, static_cast<int64_t>(length));
  add(Counter::live_buffers);
  hold_bytes(static_cast<int64_t>(length));
  return self;
}

- (void)dealloc {
  require(readers == 0 && writers == 0, "a buffer in flight was freed",
          "released more often than retained");
  add(Counter::live_buffers, -1);
  hold_bytes(-static_cast<int64_t>(size));
  if (deallocator) {
    deallocator(bytes, size);
    Block_release(deallocator);
  } else {
    std::free(bytes);
  }
  [label release];
  [super dealloc];
}

- (NSUInteger)length {
  return size;
}

- (void*)contents {
  return [self storageMode] == MTLStorageModePrivate ? nullptr : bytes;
}

- (MTLStorageMode)storageMode {
  return static_cast<MTLStorageMode>(options >> 4 & 15);
}

- (id<MTLDevice>)device {
  return [StandinDevice shared];
}

- (NSString*)label {
  return label;
}

- (void)setLabel:(NSString*)text {
  [label autorelease];
  label = [text copy];
}

@end

id<MTLDevice> MTLCreateSystemDefaultDevice() {
  std::string kind = text_setting("device");
  if (kind == "none" || kind == "hidden") return nil;
  return [[StandinDevice shared] retain];
}

NSArray<id<MTLDevice>>* MTLCopyAllDevices() {
  if (text_setting("device") == "none") return [[NSArray alloc] init];
  return [[NSArray alloc] initWithObjects:[StandinDevice shared], nil];
}

BOOL MPSSupportsMTLDevice(id<MTLDevice> device) {
  return device != nil && text_setting("device") != "unsupported";
}
