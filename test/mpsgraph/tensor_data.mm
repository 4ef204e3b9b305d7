#include <cstring>

#include "internal.h"

using namespace standin;

namespace {

id<MTLBuffer> new_buffer(const Dims& dims, Type type, const char* where) {
  check_dims(dims, type, where);
  return [[StandinDevice shared]
      newBufferWithLength:static_cast<NSUInteger>(byte_count(dims, type))
                  options:MTLResourceStorageModeShared];
}

// Copies between packed rows and rows at other strides, slowest dimension
// first; Apple's strides begin with the fastest.
void copy_strided(const Dims& dims, size_t element, char* packed, char* loose,
                  const NSInteger* strides, size_t axis, bool read) {
  if (axis == dims.size()) {
    std::memcpy(read ? loose : packed, read ? packed : loose, element);
    return;
  }
  size_t inner = element;
  for (size_t i = axis + 1; i < dims.size(); ++i) {
    inner *= static_cast<size_t>(dims[i]);
  }
  NSInteger step = strides[dims.size() - 1 - axis];
  for (int64_t i = 0; i < dims[axis]; ++i) {
    copy_strided(dims, element, packed + static_cast<size_t>(i) * inner,
                 loose + i * step, strides, axis + 1, read);
  }
}

void copy(MPSNDArray* array, void* bytes, const NSInteger* strides, bool read) {
  Dims dims = to_dims(array->_standinShape, "MPSNDArray");
  Type type = to_type(array->_standinDataType, "MPSNDArray");
  StandinBuffer* buffer = (StandinBuffer*)array->_standinBuffer;
  {
    std::lock_guard lock(hazards());
    require(buffer->writers == 0,
            "readBytes or writeBytes of a result before "
            "completion",
            "it does not wait for the GPU: call it after completion");
    require(read || buffer->readers == 0, "writeBytes of an input in flight",
            "do not touch buffers between commit and completion");
  }
  int64_t size = byte_count(dims, type);
  add(read ? Counter::read_bytes : Counter::copied_bytes, size);
  if (strides) {
    copy_strided(dims, static_cast<size_t>(element_size(type)), buffer->bytes,
                 static_cast<char*>(bytes), strides, 0, read);
  } else {
    std::memcpy(read ? bytes : buffer->bytes, read ? buffer->bytes : bytes,
                static_cast<size_t>(size));
  }
}

NSUInteger length_of(MPSShape* shape, NSUInteger dimension) {
  if (dimension >= [shape count]) return 1;
  return [[shape objectAtIndex:[shape count] - 1 - dimension]
      unsignedIntegerValue];
}

}  // namespace

@implementation MPSNDArrayDescriptor

@synthesize dataType = _standinDataType;

+ (instancetype)descriptorWithDataType:(MPSDataType)dataType
                                 shape:(NSArray<NSNumber*>*)shape {
  check_dims(to_dims(shape, "MPSNDArrayDescriptor"),
             to_type(dataType, "MPSNDArrayDescriptor"), "MPSNDArrayDescriptor");
  MPSNDArrayDescriptor* descriptor = [[[self alloc] init] autorelease];
  descriptor->_standinDataType = dataType;
  descriptor->_standinShape = [shape copy];
  return descriptor;
}

- (void)dealloc {
  [_standinShape release];
  [super dealloc];
}

- (NSUInteger)numberOfDimensions {
  return [_standinShape count];
}

- (NSUInteger)lengthOfDimension:(NSUInteger)dimension {
  return length_of(_standinShape, dimension);
}

- (BOOL)preferPackedRows {
  require_macos(1500, self, _cmd);
  return _standinPreferPackedRows;
}

- (void)setPreferPackedRows:(BOOL)prefer {
  require_macos(1500, self, _cmd);
  _standinPreferPackedRows = prefer;
}

@end

@implementation MPSNDArray

- (instancetype)initWithDevice:(id<MTLDevice>)device
                    descriptor:(MPSNDArrayDescriptor*)descriptor {
  require(device != nil && descriptor != nil, "MPSNDArray of nil",
          "a device and a descriptor");
  self = [super init];
  _standinDevice = [device retain];
  _standinShape = [descriptor->_standinShape copy];
  _standinDataType = descriptor->_standinDataType;
  _standinBuffer =
      new_buffer(to_dims(_standinShape, "MPSNDArray"),
                 to_type(_standinDataType, "MPSNDArray"), "MPSNDArray");
  if (!_standinBuffer) {
    [self release];
    return nil;
  }
  return self;
}

- (void)dealloc {
  [_standinDevice release];
  [_standinBuffer release];
  [_standinShape release];
  [super dealloc];
}

- (MPSDataType)dataType {
  return _standinDataType;
}

- (NSUInteger)numberOfDimensions {
  return [_standinShape count];
}

- (id<MTLDevice>)device {
  return [StandinDevice shared];
}

- (NSUInteger)lengthOfDimension:(NSUInteger)dimension {
  return length_of(_standinShape, dimension);
}

- (void)readBytes:(void*)buffer strideBytes:(NSInteger*)strides {
  copy(self, buffer, strides, true);
}

- (void)writeBytes:(void*)buffer strideBytes:(NSInteger*)strides {
  copy(self, buffer, strides, false);
}

@end

@implementation MPSGraphTensorData

@synthesize dataType = _standinDataType;

- (instancetype)initWithDevice:(MPSGraphDevice*)device
                          data:(NSData*)data
                         shape:(MPSShape*)shape
                      dataType:(MPSDataType)dataType {
  Dims dims = to_dims(shape, "MPSGraphTensorData");
  Type type = to_type(dataType, "MPSGraphTensorData");
  require(device != nil && data != nil, "MPSGraphTensorData of nil",
          "a device and data");
  require(static_cast<int64_t>([data length]) == byte_count(dims, type),
          "MPSGraphTensorData: NSData of " + std::to_string([data length]) +
              " bytes for " + describe(dims, type),
          "the byte count is product(shape) * element size");
  id<MTLBuffer> buffer = new_buffer(dims, type, "MPSGraphTensorData");
  if (!buffer) {
    [self release];
    return nil;
  }
  std::memcpy([buffer contents], [data bytes], [data length]);
  add(Counter::copied_bytes, static_cast<int64_t>([data length]));
  self = [self initWithMTLBuffer:buffer shape:shape dataType:dataType];
  [buffer release];
  return self;
}

- (instancetype)initWithMTLBuffer:(id<MTLBuffer>)buffer
                            shape:(MPSShape*)shape
                         dataType:(MPSDataType)dataType {
  Dims dims = to_dims(shape, "MPSGraphTensorData");
  Type type = to_type(dataType, "MPSGraphTensorData");
  check_dims(dims, type, "MPSGraphTensorData");
  require(buffer != nil, "MPSGraphTensorData of no buffer",
          "check what newBufferWithLength: returned");
  int64_t bytes = byte_count(dims, type);
  require(static_cast<int64_t>([buffer length]) >= bytes,
          "MPSGraphTensorData: a buffer of " + std::to_string([buffer length]) +
              " bytes for " + describe(dims, type),
          "buffer is not large enough. Must be " + std::to_string(bytes) +
              " bytes");
  self = [super init];
  _standinBuffer = [buffer retain];
  _standinShape = [shape copy];
  _standinDataType = dataType;
  return self;
}

- (instancetype)initWithMPSNDArray:(MPSNDArray*)array {
  require(array != nil, "MPSGraphTensorData of no MPSNDArray", "not nil");
  return [self initWithMTLBuffer:array->_standinBuffer
                           shape:array->_standinShape
                        dataType:array->_standinDataType];
}

- (void)dealloc {
  [_standinBuffer release];
  [_standinShape release];
  [_standinDevice release];
  [super dealloc];
}

- (MPSShape*)shape {
  return _standinShape;
}

- (MPSGraphDevice*)device {
  if (!_standinDevice) {
    _standinDevice =
        [[MPSGraphDevice deviceWithMTLDevice:[StandinDevice shared]] retain];
  }
  return _standinDevice;
}

- (MPSNDArray*)mpsndarray {
  MPSNDArray* array = [[[MPSNDArray alloc] init] autorelease];
  array->_standinDevice = [[StandinDevice shared] retain];
  array->_standinBuffer = [_standinBuffer retain];
  array->_standinShape = [_standinShape copy];
  array->_standinDataType = _standinDataType;
  return array;
}

@end
