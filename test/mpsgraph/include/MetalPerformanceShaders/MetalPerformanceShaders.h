// The stand-in's Metal Performance Shaders; see Metal.h.
#pragma once

#import <Metal/Metal.h>

NS_ASSUME_NONNULL_BEGIN

// clang-format off

typedef NSArray<NSNumber *> MPSShape;

typedef NS_ENUM(uint32_t, MPSDataType) {
  MPSDataTypeInvalid = 0,
  MPSDataTypeFloatBit = 0x10000000,
  MPSDataTypeFloat32 = 0x10000020,
  MPSDataTypeFloat16 = 0x10000010,
  MPSDataTypeSignedBit = 0x20000000,
  MPSDataTypeInt8 = 0x20000008,
  MPSDataTypeInt16 = 0x20000010,
  MPSDataTypeInt32 = 0x20000020,
  MPSDataTypeInt64 = 0x20000040,
  MPSDataTypeUInt8 = 0x08,
  MPSDataTypeUInt16 = 0x10,
  MPSDataTypeUInt32 = 0x20,
  MPSDataTypeUInt64 = 0x40,
  MPSDataTypeAlternateEncodingBit = 0x80000000,
  MPSDataTypeBool = 0x80000008,
  MPSDataTypeBFloat16 = 0x90000010,
};

#ifdef __cplusplus
extern "C" {
#endif
BOOL MPSSupportsMTLDevice(id<MTLDevice> _Nullable device);
#ifdef __cplusplus
}
#endif

@interface MPSCommandBuffer : NSObject <MTLCommandBuffer> {
 @package
  id<MTLCommandBuffer> _standinRoot;
}
@property(readonly, nonatomic) id<MTLCommandBuffer> commandBuffer;
@property(readonly, nonatomic) id<MTLCommandBuffer> rootCommandBuffer;
+ (instancetype)commandBufferFromCommandQueue:(id<MTLCommandQueue>)commandQueue;
+ (instancetype)commandBufferWithCommandBuffer:(id<MTLCommandBuffer>)commandBuffer;
- (instancetype)initWithCommandBuffer:(id<MTLCommandBuffer>)commandBuffer;
- (void)commitAndContinue;
@end

@interface MPSNDArrayDescriptor : NSObject {
 @package
  MPSDataType _standinDataType;
  MPSShape *_standinShape;
  BOOL _standinPreferPackedRows;
}
@property(readwrite, nonatomic) MPSDataType dataType;
@property(readonly, nonatomic) NSUInteger numberOfDimensions;
@property(readwrite, nonatomic) BOOL preferPackedRows;  // macOS 15.0
+ (instancetype)descriptorWithDataType:(MPSDataType)dataType shape:(NSArray<NSNumber *> *)shape;
- (NSUInteger)lengthOfDimension:(NSUInteger)dimensionIndex;
@end

@interface MPSNDArray : NSObject {
 @package
  id<MTLDevice> _standinDevice;
  id<MTLBuffer> _standinBuffer;
  MPSShape *_standinShape;
  MPSDataType _standinDataType;
}
@property(readonly, nonatomic) MPSDataType dataType;
@property(readonly, nonatomic) NSUInteger numberOfDimensions;
@property(readonly, nonatomic) id<MTLDevice> device;
- (instancetype)initWithDevice:(id<MTLDevice>)device descriptor:(MPSNDArrayDescriptor *)descriptor;
- (NSUInteger)lengthOfDimension:(NSUInteger)dimensionIndex;
- (void)readBytes:(void *)buffer strideBytes:(NSInteger * _Nullable)strideBytesPerDimension;
- (void)writeBytes:(void *)buffer strideBytes:(NSInteger * _Nullable)strideBytesPerDimension;
@end

// clang-format on

NS_ASSUME_NONNULL_END
