// The stand-in's MPSGraph; see Metal.h. A trailing comment says which macOS
// brought a declaration, where that is later than 11.0.
#pragma once

#import <Foundation/Foundation.h>
#import <MetalPerformanceShaders/MetalPerformanceShaders.h>

#ifdef __cplusplus
namespace standin {
struct Descriptor;
struct Executable;
struct Graph;
struct Node;
struct Value;
}  // namespace standin
#endif

NS_ASSUME_NONNULL_BEGIN

// clang-format off

@class MPSGraph, MPSGraphTensor, MPSGraphOperation, MPSGraphTensorData, MPSGraphShapedType, MPSGraphExecutable;

typedef NS_ENUM(NSUInteger, MPSGraphTensorNamedDataLayout) {
  MPSGraphTensorNamedDataLayoutNCHW = 0,
  MPSGraphTensorNamedDataLayoutNHWC = 1,
  MPSGraphTensorNamedDataLayoutOIHW = 2,
  MPSGraphTensorNamedDataLayoutHWIO = 3,
  MPSGraphTensorNamedDataLayoutCHW = 4,
  MPSGraphTensorNamedDataLayoutHWC = 5,
  MPSGraphTensorNamedDataLayoutHW = 6,
};

typedef NS_ENUM(NSUInteger, MPSGraphPaddingStyle) {
  MPSGraphPaddingStyleExplicit = 0,
  MPSGraphPaddingStyleTF_VALID = 1,
  MPSGraphPaddingStyleTF_SAME = 2,
  MPSGraphPaddingStyleExplicitOffset = 3,
  MPSGraphPaddingStyleONNX_SAME_LOWER = 4,  // macOS 13.0
};

typedef NS_ENUM(NSInteger, MPSGraphPaddingMode) {
  MPSGraphPaddingModeConstant = 0,
  MPSGraphPaddingModeReflect = 1,
  MPSGraphPaddingModeSymmetric = 2,
  MPSGraphPaddingModeClampToEdge = 3,
  MPSGraphPaddingModeZero = 4,
  MPSGraphPaddingModePeriodic = 5,
  MPSGraphPaddingModeAntiPeriodic = 6,
};

typedef NS_ENUM(uint64_t, MPSGraphOptions) {
  MPSGraphOptionsNone = 0,
  MPSGraphOptionsSynchronizeResults = 1,
  MPSGraphOptionsVerbose = 2,
  MPSGraphOptionsDefault = MPSGraphOptionsSynchronizeResults,
};

typedef NS_ENUM(uint64_t, MPSGraphLossReductionType) {
  MPSGraphLossReductionTypeNone = 0,
  MPSGraphLossReductionTypeAxis = MPSGraphLossReductionTypeNone,
  MPSGraphLossReductionTypeSum = 1,
  MPSGraphLossReductionTypeMean = 2,  // macOS 12.0
};

typedef NS_ENUM(uint64_t, MPSGraphOptimization) {  // macOS 12.3
  MPSGraphOptimizationLevel0 = 0,
  MPSGraphOptimizationLevel1 = 1,
};

typedef NS_ENUM(NSUInteger, MPSGraphPoolingReturnIndicesMode) {  // macOS 12.2
  MPSGraphPoolingReturnIndicesNone = 0,
  MPSGraphPoolingReturnIndicesGlobalFlatten1D = 1,
  MPSGraphPoolingReturnIndicesGlobalFlatten2D = 2,
  MPSGraphPoolingReturnIndicesGlobalFlatten3D = 3,
  MPSGraphPoolingReturnIndicesGlobalFlatten4D = 4,
  MPSGraphPoolingReturnIndicesLocalFlatten1D = 5,
  MPSGraphPoolingReturnIndicesLocalFlatten2D = 6,
  MPSGraphPoolingReturnIndicesLocalFlatten3D = 7,
  MPSGraphPoolingReturnIndicesLocalFlatten4D = 8,
};

typedef NS_ENUM(uint64_t, MPSGraphRandomDistribution) {
  MPSGraphRandomDistributionUniform = 0,
  MPSGraphRandomDistributionNormal = 1,
  MPSGraphRandomDistributionTruncatedNormal = 2,
};

typedef NS_ENUM(uint32_t, MPSGraphDeviceType) {
  MPSGraphDeviceTypeMetal = 0,
};

@interface MPSGraphObject : NSObject
@end

@interface MPSGraphType : MPSGraphObject <NSCopying>
@end

@interface MPSGraphShapedType : MPSGraphType {  // macOS 12.0
 @package
  MPSShape *_standinShape;
  MPSDataType _standinDataType;
}
@property(readwrite, copy, nullable) MPSShape *shape;
@property(readwrite) MPSDataType dataType;
- (instancetype)initWithShape:(MPSShape * _Nullable)shape dataType:(MPSDataType)dataType;
- (BOOL)isEqualTo:(MPSGraphShapedType * _Nullable)object;
@end

@interface MPSGraphDevice : MPSGraphObject {
 @package
  id<MTLDevice> _standinDevice;
}
@property(readonly) MPSGraphDeviceType type;
@property(readonly, nullable) id<MTLDevice> metalDevice;
+ (instancetype)deviceWithMTLDevice:(id<MTLDevice>)metalDevice;
@end

@interface MPSGraphTensor : MPSGraphObject <NSCopying> {
 @package
  standin::Value *_standinValue;
  MPSGraphOperation *_standinOperation;
}
@property(readonly, copy, nullable) MPSShape *shape;
@property(readonly) MPSDataType dataType;
@property(readonly) MPSGraphOperation *operation;
@end

@interface MPSGraphOperation : MPSGraphObject <NSCopying> {
 @package
  standin::Node *_standinNode;
  MPSGraph *_standinGraph;
  NSMutableArray *_standinOutputs;
}
@property(readonly) NSArray<MPSGraphTensor *> *inputTensors;
@property(readonly) NSArray<MPSGraphTensor *> *outputTensors;
@property(readonly) MPSGraph *graph;
@property(readonly) NSString *name;
@end

@interface MPSGraphVariableOp : MPSGraphOperation
@property(readonly) MPSShape *shape;
@property(readonly) MPSDataType dataType;
@end

typedef NSDictionary<MPSGraphTensor *, MPSGraphTensorData *> MPSGraphTensorDataDictionary;
typedef NSDictionary<MPSGraphTensor *, MPSGraphShapedType *> MPSGraphTensorShapedTypeDictionary;
typedef void (^MPSGraphCompletionHandler)(MPSGraphTensorDataDictionary *resultsDictionary, NSError * _Nullable error);
typedef void (^MPSGraphScheduledHandler)(MPSGraphTensorDataDictionary *resultsDictionary, NSError * _Nullable error);
typedef void (^MPSGraphExecutableCompletionHandler)(NSArray<MPSGraphTensorData *> *results, NSError * _Nullable error);
typedef void (^MPSGraphExecutableScheduledHandler)(NSArray<MPSGraphTensorData *> *results, NSError * _Nullable error);
typedef void (^MPSGraphCompilationCompletionHandler)(MPSGraphExecutable *executable, NSError * _Nullable error);

@interface MPSGraphTensorData : MPSGraphObject {
 @package
  id<MTLBuffer> _standinBuffer;
  MPSShape *_standinShape;
  MPSDataType _standinDataType;
  MPSGraphDevice *_standinDevice;
}
@property(readonly, copy, nonatomic) MPSShape *shape;
@property(readonly, nonatomic) MPSDataType dataType;
@property(readonly, nonatomic) MPSGraphDevice *device;
- (instancetype)initWithDevice:(MPSGraphDevice *)device data:(NSData *)data shape:(MPSShape *)shape dataType:(MPSDataType)dataType;
- (instancetype)initWithMTLBuffer:(id<MTLBuffer>)buffer shape:(MPSShape *)shape dataType:(MPSDataType)dataType;
- (instancetype)initWithMPSNDArray:(MPSNDArray *)ndarray;
- (MPSNDArray *)mpsndarray;
@end

@interface MPSGraphCompilationDescriptor : MPSGraphObject <NSCopying> {  // macOS 12.0
 @package
  MPSGraphOptimization _standinLevel;
  BOOL _standinWait;
  MPSGraphCompilationCompletionHandler _standinHandler;
}
@property(readwrite, nonatomic) MPSGraphOptimization optimizationLevel;  // macOS 12.3
@property(readwrite, nonatomic) BOOL waitForCompilationCompletion;  // macOS 13.0
@property(readwrite, copy, nonatomic) MPSGraphCompilationCompletionHandler compilationCompletionHandler;  // macOS 13.0
- (void)disableTypeInference;
@end

@interface MPSGraphExecutionDescriptor : MPSGraphObject {
 @package
  MPSGraphScheduledHandler _standinScheduled;
  MPSGraphCompletionHandler _standinCompleted;
  BOOL _standinWait;
  MPSGraphCompilationDescriptor *_standinCompilation;
}
@property(readwrite, copy, nonatomic) MPSGraphScheduledHandler scheduledHandler;
@property(readwrite, copy, nonatomic) MPSGraphCompletionHandler completionHandler;
@property(readwrite, nonatomic) BOOL waitUntilCompleted;
@property(readwrite, copy, nullable) MPSGraphCompilationDescriptor *compilationDescriptor;  // macOS 12.3
@end

@interface MPSGraphExecutableExecutionDescriptor : MPSGraphObject {  // macOS 12.0
 @package
  MPSGraphExecutableScheduledHandler _standinScheduled;
  MPSGraphExecutableCompletionHandler _standinCompleted;
  BOOL _standinWait;
}
@property(readwrite, copy, nonatomic) MPSGraphExecutableScheduledHandler scheduledHandler;
@property(readwrite, copy, nonatomic) MPSGraphExecutableCompletionHandler completionHandler;
@property(readwrite, nonatomic) BOOL waitUntilCompleted;
@end

@interface MPSGraphExecutable : MPSGraphObject {  // macOS 12.0
 @package
  standin::Executable *_standinExecutable;
  NSArray *_standinFeeds;
  NSArray *_standinTargets;
  NSArray *_standinResults;
  MPSGraphOptions _standinOptions;
}
@property(readwrite, nonatomic) MPSGraphOptions options;
@property(readonly, nullable) NSArray<MPSGraphTensor *> *feedTensors;
@property(readonly, nullable) NSArray<MPSGraphTensor *> *targetTensors;
- (void)specializeWithDevice:(MPSGraphDevice * _Nullable)device inputTypes:(NSArray<MPSGraphType *> *)inputTypes compilationDescriptor:(MPSGraphCompilationDescriptor * _Nullable)compilationDescriptor;
- (NSArray<MPSGraphTensorData *> *)runWithMTLCommandQueue:(id<MTLCommandQueue>)commandQueue inputsArray:(NSArray<MPSGraphTensorData *> *)inputsArray resultsArray:(NSArray<MPSGraphTensorData *> * _Nullable)resultsArray executionDescriptor:(MPSGraphExecutableExecutionDescriptor * _Nullable)executionDescriptor;
- (NSArray<MPSGraphTensorData *> *)runAsyncWithMTLCommandQueue:(id<MTLCommandQueue>)commandQueue inputsArray:(NSArray<MPSGraphTensorData *> *)inputsArray resultsArray:(NSArray<MPSGraphTensorData *> * _Nullable)resultsArray executionDescriptor:(MPSGraphExecutableExecutionDescriptor * _Nullable)executionDescriptor;
- (NSArray<MPSGraphTensorData *> *)encodeToCommandBuffer:(MPSCommandBuffer *)commandBuffer inputsArray:(NSArray<MPSGraphTensorData *> *)inputsArray resultsArray:(NSArray<MPSGraphTensorData *> * _Nullable)resultsArray executionDescriptor:(MPSGraphExecutableExecutionDescriptor * _Nullable)executionDescriptor;
@end

@interface MPSGraphConvolution2DOpDescriptor : MPSGraphObject <NSCopying> {
 @package
  NSUInteger _strideInX, _strideInY, _dilationRateInX, _dilationRateInY;
  NSUInteger _paddingLeft, _paddingRight, _paddingTop, _paddingBottom, _groups;
  MPSGraphPaddingStyle _paddingStyle;
  MPSGraphTensorNamedDataLayout _dataLayout, _weightsLayout;
}
@property(readwrite, nonatomic) NSUInteger strideInX;
@property(readwrite, nonatomic) NSUInteger strideInY;
@property(readwrite, nonatomic) NSUInteger dilationRateInX;
@property(readwrite, nonatomic) NSUInteger dilationRateInY;
@property(readwrite, nonatomic) NSUInteger paddingLeft;
@property(readwrite, nonatomic) NSUInteger paddingRight;
@property(readwrite, nonatomic) NSUInteger paddingTop;
@property(readwrite, nonatomic) NSUInteger paddingBottom;
@property(readwrite, nonatomic) MPSGraphPaddingStyle paddingStyle;
@property(readwrite, nonatomic) MPSGraphTensorNamedDataLayout dataLayout;
@property(readwrite, nonatomic) MPSGraphTensorNamedDataLayout weightsLayout;
@property(readwrite, nonatomic) NSUInteger groups;
+ (nullable instancetype)descriptorWithStrideInX:(NSUInteger)strideInX strideInY:(NSUInteger)strideInY dilationRateInX:(NSUInteger)dilationRateInX dilationRateInY:(NSUInteger)dilationRateInY groups:(NSUInteger)groups paddingLeft:(NSUInteger)paddingLeft paddingRight:(NSUInteger)paddingRight paddingTop:(NSUInteger)paddingTop paddingBottom:(NSUInteger)paddingBottom paddingStyle:(MPSGraphPaddingStyle)paddingStyle dataLayout:(MPSGraphTensorNamedDataLayout)dataLayout weightsLayout:(MPSGraphTensorNamedDataLayout)weightsLayout;
+ (nullable instancetype)descriptorWithStrideInX:(NSUInteger)strideInX strideInY:(NSUInteger)strideInY dilationRateInX:(NSUInteger)dilationRateInX dilationRateInY:(NSUInteger)dilationRateInY groups:(NSUInteger)groups paddingStyle:(MPSGraphPaddingStyle)paddingStyle dataLayout:(MPSGraphTensorNamedDataLayout)dataLayout weightsLayout:(MPSGraphTensorNamedDataLayout)weightsLayout;
- (void)setExplicitPaddingWithPaddingLeft:(NSUInteger)paddingLeft paddingRight:(NSUInteger)paddingRight paddingTop:(NSUInteger)paddingTop paddingBottom:(NSUInteger)paddingBottom;
@end

@interface MPSGraphDepthwiseConvolution2DOpDescriptor : MPSGraphObject <NSCopying> {
 @package
  NSUInteger _strideInX, _strideInY, _dilationRateInX, _dilationRateInY;
  NSUInteger _paddingLeft, _paddingRight, _paddingTop, _paddingBottom;
  MPSGraphPaddingStyle _paddingStyle;
  MPSGraphTensorNamedDataLayout _dataLayout, _weightsLayout;
}
+ (nullable instancetype)descriptorWithStrideInX:(NSUInteger)strideInX strideInY:(NSUInteger)strideInY dilationRateInX:(NSUInteger)dilationRateInX dilationRateInY:(NSUInteger)dilationRateInY paddingLeft:(NSUInteger)paddingLeft paddingRight:(NSUInteger)paddingRight paddingTop:(NSUInteger)paddingTop paddingBottom:(NSUInteger)paddingBottom paddingStyle:(MPSGraphPaddingStyle)paddingStyle dataLayout:(MPSGraphTensorNamedDataLayout)dataLayout weightsLayout:(MPSGraphTensorNamedDataLayout)weightsLayout;
@end

@interface MPSGraphPooling2DOpDescriptor : MPSGraphObject <NSCopying> {
 @package
  NSUInteger _kernelWidth, _kernelHeight, _strideInX, _strideInY, _dilationRateInX, _dilationRateInY;
  NSUInteger _paddingLeft, _paddingRight, _paddingTop, _paddingBottom;
  MPSGraphPaddingStyle _paddingStyle;
  MPSGraphTensorNamedDataLayout _dataLayout;
  MPSGraphPoolingReturnIndicesMode _returnIndicesMode;
  MPSDataType _returnIndicesDataType;
  BOOL _ceilMode, _includeZeroPadToAverage;
}
@property(readwrite, nonatomic) NSUInteger kernelWidth;
@property(readwrite, nonatomic) NSUInteger kernelHeight;
@property(readwrite, nonatomic) NSUInteger strideInX;
@property(readwrite, nonatomic) NSUInteger strideInY;
@property(readwrite, nonatomic) NSUInteger dilationRateInX;
@property(readwrite, nonatomic) NSUInteger dilationRateInY;
@property(readwrite, nonatomic) NSUInteger paddingLeft;
@property(readwrite, nonatomic) NSUInteger paddingRight;
@property(readwrite, nonatomic) NSUInteger paddingTop;
@property(readwrite, nonatomic) NSUInteger paddingBottom;
@property(readwrite, nonatomic) MPSGraphPaddingStyle paddingStyle;
@property(readwrite, nonatomic) MPSGraphTensorNamedDataLayout dataLayout;
@property(readwrite, nonatomic) MPSGraphPoolingReturnIndicesMode returnIndicesMode;  // macOS 12.2
@property(readwrite, nonatomic) MPSDataType returnIndicesDataType;  // macOS 12.2
@property(readwrite, nonatomic) BOOL ceilMode;  // macOS 12.0
@property(readwrite, nonatomic) BOOL includeZeroPadToAverage;  // macOS 12.0
+ (nullable instancetype)descriptorWithKernelWidth:(NSUInteger)kernelWidth kernelHeight:(NSUInteger)kernelHeight strideInX:(NSUInteger)strideInX strideInY:(NSUInteger)strideInY dilationRateInX:(NSUInteger)dilationRateInX dilationRateInY:(NSUInteger)dilationRateInY paddingLeft:(NSUInteger)paddingLeft paddingRight:(NSUInteger)paddingRight paddingTop:(NSUInteger)paddingTop paddingBottom:(NSUInteger)paddingBottom paddingStyle:(MPSGraphPaddingStyle)paddingStyle dataLayout:(MPSGraphTensorNamedDataLayout)dataLayout;
+ (nullable instancetype)descriptorWithKernelWidth:(NSUInteger)kernelWidth kernelHeight:(NSUInteger)kernelHeight strideInX:(NSUInteger)strideInX strideInY:(NSUInteger)strideInY paddingStyle:(MPSGraphPaddingStyle)paddingStyle dataLayout:(MPSGraphTensorNamedDataLayout)dataLayout;
- (void)setExplicitPaddingWithPaddingLeft:(NSUInteger)paddingLeft paddingRight:(NSUInteger)paddingRight paddingTop:(NSUInteger)paddingTop paddingBottom:(NSUInteger)paddingBottom;
@end

@interface MPSGraphRandomOpDescriptor : MPSGraphObject <NSCopying> {  // macOS 12.1
 @package
  MPSGraphRandomDistribution _distribution;
  MPSDataType _dataType;
  float _min, _max, _mean, _standardDeviation;
  NSInteger _minInteger, _maxInteger;
}
@property(readwrite, nonatomic) MPSGraphRandomDistribution distribution;
@property(readwrite, nonatomic) MPSDataType dataType;
@property(readwrite, nonatomic) float min;
@property(readwrite, nonatomic) float max;
@property(readwrite, nonatomic) float mean;
@property(readwrite, nonatomic) float standardDeviation;
@property(readwrite, nonatomic) NSInteger minInteger;
@property(readwrite, nonatomic) NSInteger maxInteger;
+ (nullable instancetype)descriptorWithDistribution:(MPSGraphRandomDistribution)distribution dataType:(MPSDataType)dataType;
@end

@interface MPSGraph : MPSGraphObject {
 @package
  standin::Graph *_standinGraph;
  NSMutableArray *_standinOperations;
  NSMutableArray *_standinPlaceholders;
  NSMutableArray *_standinRuns;
  MPSGraphOptions _standinOptions;
}
@property(readwrite, nonatomic) MPSGraphOptions options;
@property(readonly, nonatomic) NSArray<MPSGraphTensor *> *placeholderTensors;
+ (instancetype)new;
- (instancetype)init;
- (MPSGraphExecutable *)compileWithDevice:(MPSGraphDevice * _Nullable)device feeds:(MPSGraphTensorShapedTypeDictionary *)feeds targetTensors:(NSArray<MPSGraphTensor *> *)targetTensors targetOperations:(NSArray<MPSGraphOperation *> * _Nullable)targetOperations compilationDescriptor:(MPSGraphCompilationDescriptor * _Nullable)compilationDescriptor;  // macOS 12.0
- (MPSGraphTensorDataDictionary *)runWithFeeds:(MPSGraphTensorDataDictionary *)feeds targetTensors:(NSArray<MPSGraphTensor *> *)targetTensors targetOperations:(NSArray<MPSGraphOperation *> * _Nullable)targetOperations;
- (MPSGraphTensorDataDictionary *)runWithMTLCommandQueue:(id<MTLCommandQueue>)commandQueue feeds:(MPSGraphTensorDataDictionary *)feeds targetTensors:(NSArray<MPSGraphTensor *> *)targetTensors targetOperations:(NSArray<MPSGraphOperation *> * _Nullable)targetOperations;
- (void)runWithMTLCommandQueue:(id<MTLCommandQueue>)commandQueue feeds:(MPSGraphTensorDataDictionary *)feeds targetOperations:(NSArray<MPSGraphOperation *> * _Nullable)targetOperations resultsDictionary:(MPSGraphTensorDataDictionary *)resultsDictionary;
- (MPSGraphTensorDataDictionary *)runAsyncWithMTLCommandQueue:(id<MTLCommandQueue>)commandQueue feeds:(MPSGraphTensorDataDictionary *)feeds targetTensors:(NSArray<MPSGraphTensor *> *)targetTensors targetOperations:(NSArray<MPSGraphOperation *> * _Nullable)targetOperations executionDescriptor:(MPSGraphExecutionDescriptor * _Nullable)executionDescriptor;
- (MPSGraphTensorDataDictionary *)encodeToCommandBuffer:(MPSCommandBuffer *)commandBuffer feeds:(MPSGraphTensorDataDictionary *)feeds targetTensors:(NSArray<MPSGraphTensor *> *)targetTensors targetOperations:(NSArray<MPSGraphOperation *> * _Nullable)targetOperations executionDescriptor:(MPSGraphExecutionDescriptor * _Nullable)executionDescriptor;
- (void)encodeToCommandBuffer:(MPSCommandBuffer *)commandBuffer feeds:(MPSGraphTensorDataDictionary *)feeds targetOperations:(NSArray<MPSGraphOperation *> * _Nullable)targetOperations resultsDictionary:(MPSGraphTensorDataDictionary *)resultsDictionary executionDescriptor:(MPSGraphExecutionDescriptor * _Nullable)executionDescriptor;
@end

@interface MPSGraph (MemoryOps)
- (MPSGraphTensor *)placeholderWithShape:(MPSShape * _Nullable)shape dataType:(MPSDataType)dataType name:(NSString * _Nullable)name;
- (MPSGraphTensor *)placeholderWithShape:(MPSShape * _Nullable)shape name:(NSString * _Nullable)name;
- (MPSGraphTensor *)constantWithData:(NSData *)data shape:(MPSShape *)shape dataType:(MPSDataType)dataType;
- (MPSGraphTensor *)constantWithScalar:(double)scalar dataType:(MPSDataType)dataType;
- (MPSGraphTensor *)constantWithScalar:(double)scalar shape:(MPSShape *)shape dataType:(MPSDataType)dataType;
- (MPSGraphTensor *)variableWithData:(NSData *)data shape:(MPSShape *)shape dataType:(MPSDataType)dataType name:(NSString * _Nullable)name;
- (MPSGraphTensor *)readVariable:(MPSGraphTensor *)variable name:(NSString * _Nullable)name;
- (MPSGraphOperation *)assignVariable:(MPSGraphTensor *)variable withValueOfTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
@end

@interface MPSGraph (ConvolutionOps)
- (MPSGraphTensor *)convolution2DWithSourceTensor:(MPSGraphTensor *)source weightsTensor:(MPSGraphTensor *)weights descriptor:(MPSGraphConvolution2DOpDescriptor *)descriptor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)convolution2DDataGradientWithIncomingGradientTensor:(MPSGraphTensor *)incomingGradient weightsTensor:(MPSGraphTensor *)weights outputShape:(MPSShape *)outputShape forwardConvolutionDescriptor:(MPSGraphConvolution2DOpDescriptor *)forwardConvolutionDescriptor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)convolution2DWeightsGradientWithIncomingGradientTensor:(MPSGraphTensor *)incomingGradient sourceTensor:(MPSGraphTensor *)source outputShape:(MPSShape *)outputShape forwardConvolutionDescriptor:(MPSGraphConvolution2DOpDescriptor *)forwardConvolutionDescriptor name:(NSString * _Nullable)name;
@end

@interface MPSGraph (PoolingOps)
- (MPSGraphTensor *)maxPooling2DWithSourceTensor:(MPSGraphTensor *)source descriptor:(MPSGraphPooling2DOpDescriptor *)descriptor name:(NSString * _Nullable)name;
- (NSArray<MPSGraphTensor *> *)maxPooling2DReturnIndicesWithSourceTensor:(MPSGraphTensor *)source descriptor:(MPSGraphPooling2DOpDescriptor *)descriptor name:(NSString * _Nullable)name;  // macOS 12.2
- (MPSGraphTensor *)maxPooling2DGradientWithGradientTensor:(MPSGraphTensor *)gradient sourceTensor:(MPSGraphTensor *)source descriptor:(MPSGraphPooling2DOpDescriptor *)descriptor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)maxPooling2DGradientWithGradientTensor:(MPSGraphTensor *)gradient indicesTensor:(MPSGraphTensor *)indices outputShape:(MPSShape *)outputShape descriptor:(MPSGraphPooling2DOpDescriptor *)descriptor name:(NSString * _Nullable)name;  // macOS 13.0
- (MPSGraphTensor *)avgPooling2DWithSourceTensor:(MPSGraphTensor *)source descriptor:(MPSGraphPooling2DOpDescriptor *)descriptor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)avgPooling2DGradientWithGradientTensor:(MPSGraphTensor *)gradient sourceTensor:(MPSGraphTensor *)source descriptor:(MPSGraphPooling2DOpDescriptor *)descriptor name:(NSString * _Nullable)name;
@end

@interface MPSGraph (MPSGraphDepthwiseConvolutionOps)
- (MPSGraphTensor *)depthwiseConvolution2DWithSourceTensor:(MPSGraphTensor *)source weightsTensor:(MPSGraphTensor *)weights descriptor:(MPSGraphDepthwiseConvolution2DOpDescriptor *)descriptor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)depthwiseConvolution2DDataGradientWithIncomingGradientTensor:(MPSGraphTensor *)incomingGradient weightsTensor:(MPSGraphTensor *)weights outputShape:(MPSShape *)outputShape descriptor:(MPSGraphDepthwiseConvolution2DOpDescriptor *)descriptor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)depthwiseConvolution2DWeightsGradientWithIncomingGradientTensor:(MPSGraphTensor *)incomingGradient sourceTensor:(MPSGraphTensor *)source outputShape:(MPSShape *)outputShape descriptor:(MPSGraphDepthwiseConvolution2DOpDescriptor *)descriptor name:(NSString * _Nullable)name;
@end

@interface MPSGraph (MatrixMultiplicationOps)
- (MPSGraphTensor *)matrixMultiplicationWithPrimaryTensor:(MPSGraphTensor *)primaryTensor secondaryTensor:(MPSGraphTensor *)secondaryTensor name:(NSString * _Nullable)name;
@end

@interface MPSGraph (ArithmeticOps)
- (MPSGraphTensor *)identityWithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)exponentWithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)exponentBase2WithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)logarithmWithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)logarithmBase2WithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)logarithmBase10WithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)squareWithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)squareRootWithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)reciprocalWithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)absoluteWithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)negativeWithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)signWithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)ceilWithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)floorWithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)roundWithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)rintWithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)sinWithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)cosWithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)tanhWithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)erfWithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)isNaNWithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)isFiniteWithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)isInfiniteWithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)notWithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)reciprocalSquareRootWithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;  // macOS 15.0
- (MPSGraphTensor *)additionWithPrimaryTensor:(MPSGraphTensor *)primaryTensor secondaryTensor:(MPSGraphTensor *)secondaryTensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)subtractionWithPrimaryTensor:(MPSGraphTensor *)primaryTensor secondaryTensor:(MPSGraphTensor *)secondaryTensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)multiplicationWithPrimaryTensor:(MPSGraphTensor *)primaryTensor secondaryTensor:(MPSGraphTensor *)secondaryTensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)divisionWithPrimaryTensor:(MPSGraphTensor *)primaryTensor secondaryTensor:(MPSGraphTensor *)secondaryTensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)divisionNoNaNWithPrimaryTensor:(MPSGraphTensor *)primaryTensor secondaryTensor:(MPSGraphTensor *)secondaryTensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)moduloWithPrimaryTensor:(MPSGraphTensor *)primaryTensor secondaryTensor:(MPSGraphTensor *)secondaryTensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)floorModuloWithPrimaryTensor:(MPSGraphTensor *)primaryTensor secondaryTensor:(MPSGraphTensor *)secondaryTensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)powerWithPrimaryTensor:(MPSGraphTensor *)primaryTensor secondaryTensor:(MPSGraphTensor *)secondaryTensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)minimumWithPrimaryTensor:(MPSGraphTensor *)primaryTensor secondaryTensor:(MPSGraphTensor *)secondaryTensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)maximumWithPrimaryTensor:(MPSGraphTensor *)primaryTensor secondaryTensor:(MPSGraphTensor *)secondaryTensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)minimumWithNaNPropagationWithPrimaryTensor:(MPSGraphTensor *)primaryTensor secondaryTensor:(MPSGraphTensor *)secondaryTensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)maximumWithNaNPropagationWithPrimaryTensor:(MPSGraphTensor *)primaryTensor secondaryTensor:(MPSGraphTensor *)secondaryTensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)equalWithPrimaryTensor:(MPSGraphTensor *)primaryTensor secondaryTensor:(MPSGraphTensor *)secondaryTensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)notEqualWithPrimaryTensor:(MPSGraphTensor *)primaryTensor secondaryTensor:(MPSGraphTensor *)secondaryTensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)lessThanWithPrimaryTensor:(MPSGraphTensor *)primaryTensor secondaryTensor:(MPSGraphTensor *)secondaryTensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)lessThanOrEqualToWithPrimaryTensor:(MPSGraphTensor *)primaryTensor secondaryTensor:(MPSGraphTensor *)secondaryTensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)greaterThanWithPrimaryTensor:(MPSGraphTensor *)primaryTensor secondaryTensor:(MPSGraphTensor *)secondaryTensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)greaterThanOrEqualToWithPrimaryTensor:(MPSGraphTensor *)primaryTensor secondaryTensor:(MPSGraphTensor *)secondaryTensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)logicalANDWithPrimaryTensor:(MPSGraphTensor *)primaryTensor secondaryTensor:(MPSGraphTensor *)secondaryTensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)logicalORWithPrimaryTensor:(MPSGraphTensor *)primaryTensor secondaryTensor:(MPSGraphTensor *)secondaryTensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)logicalXORWithPrimaryTensor:(MPSGraphTensor *)primaryTensor secondaryTensor:(MPSGraphTensor *)secondaryTensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)selectWithPredicateTensor:(MPSGraphTensor *)predicateTensor truePredicateTensor:(MPSGraphTensor *)truePredicateTensor falsePredicateTensor:(MPSGraphTensor *)falseSelectTensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)clampWithTensor:(MPSGraphTensor *)tensor minValueTensor:(MPSGraphTensor *)minValueTensor maxValueTensor:(MPSGraphTensor *)maxValueTensor name:(NSString * _Nullable)name;
@end

@interface MPSGraph (ActivationOps)
- (MPSGraphTensor *)reLUWithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)reLUGradientWithIncomingGradient:(MPSGraphTensor *)gradient sourceTensor:(MPSGraphTensor *)source name:(NSString * _Nullable)name;
- (MPSGraphTensor *)sigmoidWithTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;
- (MPSGraphTensor *)sigmoidGradientWithIncomingGradient:(MPSGraphTensor *)gradient sourceTensor:(MPSGraphTensor *)source name:(NSString * _Nullable)name;
- (MPSGraphTensor *)softMaxWithTensor:(MPSGraphTensor *)tensor axis:(NSInteger)axis name:(NSString * _Nullable)name;
- (MPSGraphTensor *)softMaxGradientWithIncomingGradient:(MPSGraphTensor *)gradient sourceTensor:(MPSGraphTensor *)source axis:(NSInteger)axis name:(NSString * _Nullable)name;
@end

@interface MPSGraph (LossOps)
- (MPSGraphTensor *)softMaxCrossEntropyWithSourceTensor:(MPSGraphTensor *)sourceTensor labelsTensor:(MPSGraphTensor *)labelsTensor axis:(NSInteger)axis reductionType:(MPSGraphLossReductionType)reductionType name:(NSString * _Nullable)name;
- (MPSGraphTensor *)softMaxCrossEntropyGradientWithIncomingGradientTensor:(MPSGraphTensor *)gradientTensor sourceTensor:(MPSGraphTensor *)sourceTensor labelsTensor:(MPSGraphTensor *)labelsTensor axis:(NSInteger)axis reductionType:(MPSGraphLossReductionType)reductionType name:(NSString * _Nullable)name;
@end

@interface MPSGraph (OneHotOps)
- (MPSGraphTensor *)oneHotWithIndicesTensor:(MPSGraphTensor *)indicesTensor depth:(NSUInteger)depth axis:(NSUInteger)axis dataType:(MPSDataType)dataType onValue:(double)onValue offValue:(double)offValue name:(NSString * _Nullable)name;
- (MPSGraphTensor *)oneHotWithIndicesTensor:(MPSGraphTensor *)indicesTensor depth:(NSUInteger)depth dataType:(MPSDataType)dataType onValue:(double)onValue offValue:(double)offValue name:(NSString * _Nullable)name;
- (MPSGraphTensor *)oneHotWithIndicesTensor:(MPSGraphTensor *)indicesTensor depth:(NSUInteger)depth axis:(NSUInteger)axis dataType:(MPSDataType)dataType name:(NSString * _Nullable)name;
- (MPSGraphTensor *)oneHotWithIndicesTensor:(MPSGraphTensor *)indicesTensor depth:(NSUInteger)depth axis:(NSUInteger)axis name:(NSString * _Nullable)name;
- (MPSGraphTensor *)oneHotWithIndicesTensor:(MPSGraphTensor *)indicesTensor depth:(NSUInteger)depth dataType:(MPSDataType)dataType name:(NSString * _Nullable)name;
- (MPSGraphTensor *)oneHotWithIndicesTensor:(MPSGraphTensor *)indicesTensor depth:(NSUInteger)depth name:(NSString * _Nullable)name;
@end

@interface MPSGraph (TensorShapeOps)
- (MPSGraphTensor *)castTensor:(MPSGraphTensor *)tensor toType:(MPSDataType)type name:(NSString * _Nullable)name;  // macOS 12.0
- (MPSGraphTensor *)reshapeTensor:(MPSGraphTensor *)tensor withShape:(MPSShape *)shape name:(NSString * _Nullable)name;
- (MPSGraphTensor *)transposeTensor:(MPSGraphTensor *)tensor dimension:(NSUInteger)dimensionIndex withDimension:(NSUInteger)dimensionIndex2 name:(NSString * _Nullable)name;
- (MPSGraphTensor *)transposeTensor:(MPSGraphTensor *)tensor permutation:(NSArray<NSNumber *> *)permutation name:(NSString * _Nullable)name;  // macOS 13.0
- (MPSGraphTensor *)sliceTensor:(MPSGraphTensor *)tensor dimension:(NSUInteger)dimensionIndex start:(NSInteger)start length:(NSInteger)length name:(NSString * _Nullable)name;
- (MPSGraphTensor *)sliceTensor:(MPSGraphTensor *)tensor starts:(NSArray<NSNumber *> *)starts ends:(NSArray<NSNumber *> *)ends strides:(NSArray<NSNumber *> *)strides name:(NSString * _Nullable)name;
- (MPSGraphTensor *)concatTensor:(MPSGraphTensor *)tensor withTensor:(MPSGraphTensor *)tensor2 dimension:(NSInteger)dimensionIndex name:(NSString * _Nullable)name;
- (MPSGraphTensor *)concatTensors:(NSArray<MPSGraphTensor *> *)tensors dimension:(NSInteger)dimensionIndex name:(NSString * _Nullable)name;
- (MPSGraphTensor *)broadcastTensor:(MPSGraphTensor *)tensor toShape:(MPSShape *)shape name:(NSString * _Nullable)name;  // macOS 12.0
- (MPSGraphTensor *)expandDimsOfTensor:(MPSGraphTensor *)tensor axis:(NSInteger)axis name:(NSString * _Nullable)name;  // macOS 12.3
- (MPSGraphTensor *)expandDimsOfTensor:(MPSGraphTensor *)tensor axes:(NSArray<NSNumber *> *)axes name:(NSString * _Nullable)name;  // macOS 12.3
- (MPSGraphTensor *)squeezeTensor:(MPSGraphTensor *)tensor name:(NSString * _Nullable)name;  // macOS 12.3
- (MPSGraphTensor *)squeezeTensor:(MPSGraphTensor *)tensor axis:(NSInteger)axis name:(NSString * _Nullable)name;  // macOS 12.3
- (MPSGraphTensor *)squeezeTensor:(MPSGraphTensor *)tensor axes:(NSArray<NSNumber *> *)axes name:(NSString * _Nullable)name;  // macOS 12.3
- (MPSGraphTensor *)padTensor:(MPSGraphTensor *)tensor withPaddingMode:(MPSGraphPaddingMode)paddingMode leftPadding:(MPSShape *)leftPadding rightPadding:(MPSShape *)rightPadding constantValue:(double)constantValue name:(NSString * _Nullable)name;
- (MPSGraphTensor *)padGradientWithIncomingGradientTensor:(MPSGraphTensor *)incomingGradientTensor sourceTensor:(MPSGraphTensor *)sourceTensor paddingMode:(MPSGraphPaddingMode)paddingMode leftPadding:(MPSShape *)leftPadding rightPadding:(MPSShape *)rightPadding name:(NSString * _Nullable)name;
- (MPSGraphTensor *)reverseTensor:(MPSGraphTensor *)tensor axes:(NSArray<NSNumber *> *)axes name:(NSString * _Nullable)name;  // macOS 12.0
@end

@interface MPSGraph (ReductionOps)
- (MPSGraphTensor *)reductionSumWithTensor:(MPSGraphTensor *)tensor axis:(NSInteger)axis name:(NSString * _Nullable)name;
- (MPSGraphTensor *)reductionSumWithTensor:(MPSGraphTensor *)tensor axes:(NSArray<NSNumber *> * _Nullable)axes name:(NSString * _Nullable)name;
- (MPSGraphTensor *)reductionMaximumWithTensor:(MPSGraphTensor *)tensor axis:(NSInteger)axis name:(NSString * _Nullable)name;
- (MPSGraphTensor *)reductionMaximumWithTensor:(MPSGraphTensor *)tensor axes:(NSArray<NSNumber *> * _Nullable)axes name:(NSString * _Nullable)name;
- (MPSGraphTensor *)reductionMinimumWithTensor:(MPSGraphTensor *)tensor axis:(NSInteger)axis name:(NSString * _Nullable)name;
- (MPSGraphTensor *)reductionMinimumWithTensor:(MPSGraphTensor *)tensor axes:(NSArray<NSNumber *> * _Nullable)axes name:(NSString * _Nullable)name;
- (MPSGraphTensor *)reductionProductWithTensor:(MPSGraphTensor *)tensor axis:(NSInteger)axis name:(NSString * _Nullable)name;
- (MPSGraphTensor *)reductionProductWithTensor:(MPSGraphTensor *)tensor axes:(NSArray<NSNumber *> * _Nullable)axes name:(NSString * _Nullable)name;
- (MPSGraphTensor *)reductionArgMaximumWithTensor:(MPSGraphTensor *)tensor axis:(NSInteger)axis name:(NSString * _Nullable)name;  // macOS 12.0
- (MPSGraphTensor *)reductionArgMinimumWithTensor:(MPSGraphTensor *)tensor axis:(NSInteger)axis name:(NSString * _Nullable)name;  // macOS 12.0
- (MPSGraphTensor *)reductionAndWithTensor:(MPSGraphTensor *)tensor axis:(NSInteger)axis name:(NSString * _Nullable)name;  // macOS 12.2
- (MPSGraphTensor *)reductionAndWithTensor:(MPSGraphTensor *)tensor axes:(NSArray<NSNumber *> * _Nullable)axes name:(NSString * _Nullable)name;  // macOS 12.2
- (MPSGraphTensor *)reductionOrWithTensor:(MPSGraphTensor *)tensor axis:(NSInteger)axis name:(NSString * _Nullable)name;  // macOS 12.2
- (MPSGraphTensor *)reductionOrWithTensor:(MPSGraphTensor *)tensor axes:(NSArray<NSNumber *> * _Nullable)axes name:(NSString * _Nullable)name;  // macOS 12.2
@end

@interface MPSGraph (NormalizationOps)
- (MPSGraphTensor *)meanOfTensor:(MPSGraphTensor *)tensor axes:(NSArray<NSNumber *> *)axes name:(NSString * _Nullable)name;
- (MPSGraphTensor *)varianceOfTensor:(MPSGraphTensor *)tensor meanTensor:(MPSGraphTensor *)meanTensor axes:(NSArray<NSNumber *> *)axes name:(NSString * _Nullable)name;
- (MPSGraphTensor *)varianceOfTensor:(MPSGraphTensor *)tensor axes:(NSArray<NSNumber *> *)axes name:(NSString * _Nullable)name;
- (MPSGraphTensor *)normalizationWithTensor:(MPSGraphTensor *)tensor meanTensor:(MPSGraphTensor *)mean varianceTensor:(MPSGraphTensor *)variance gammaTensor:(MPSGraphTensor * _Nullable)gamma betaTensor:(MPSGraphTensor * _Nullable)beta epsilon:(float)epsilon name:(NSString * _Nullable)name;
- (MPSGraphTensor *)normalizationGammaGradientWithIncomingGradientTensor:(MPSGraphTensor *)incomingGradientTensor sourceTensor:(MPSGraphTensor *)sourceTensor meanTensor:(MPSGraphTensor *)mean varianceTensor:(MPSGraphTensor *)variance reductionAxes:(NSArray<NSNumber *> *)axes epsilon:(float)epsilon name:(NSString * _Nullable)name;
- (MPSGraphTensor *)normalizationBetaGradientWithIncomingGradientTensor:(MPSGraphTensor *)incomingGradientTensor sourceTensor:(MPSGraphTensor *)sourceTensor reductionAxes:(NSArray<NSNumber *> *)axes name:(NSString * _Nullable)name;
- (MPSGraphTensor *)normalizationGradientWithIncomingGradientTensor:(MPSGraphTensor *)incomingGradientTensor sourceTensor:(MPSGraphTensor *)sourceTensor meanTensor:(MPSGraphTensor *)mean varianceTensor:(MPSGraphTensor *)variance gammaTensor:(MPSGraphTensor * _Nullable)gamma gammaGradientTensor:(MPSGraphTensor * _Nullable)gammaGradient betaGradientTensor:(MPSGraphTensor * _Nullable)betaGradient reductionAxes:(NSArray<NSNumber *> *)axes epsilon:(float)epsilon name:(NSString * _Nullable)name;
@end

@interface MPSGraph (OptimizerOps)
- (MPSGraphTensor *)stochasticGradientDescentWithLearningRateTensor:(MPSGraphTensor *)learningRateTensor valuesTensor:(MPSGraphTensor *)valuesTensor gradientTensor:(MPSGraphTensor *)gradientTensor name:(NSString * _Nullable)name;
- (MPSGraphOperation *)applyStochasticGradientDescentWithLearningRateTensor:(MPSGraphTensor *)learningRateTensor variable:(MPSGraphVariableOp *)variable gradientTensor:(MPSGraphTensor *)gradientTensor name:(NSString * _Nullable)name;
- (NSArray<MPSGraphTensor *> *)adamWithLearningRateTensor:(MPSGraphTensor *)learningRateTensor beta1Tensor:(MPSGraphTensor *)beta1Tensor beta2Tensor:(MPSGraphTensor *)beta2Tensor epsilonTensor:(MPSGraphTensor *)epsilonTensor beta1PowerTensor:(MPSGraphTensor *)beta1PowerTensor beta2PowerTensor:(MPSGraphTensor *)beta2PowerTensor valuesTensor:(MPSGraphTensor *)valuesTensor momentumTensor:(MPSGraphTensor *)momentumTensor velocityTensor:(MPSGraphTensor *)velocityTensor maximumVelocityTensor:(MPSGraphTensor * _Nullable)maximumVelocityTensor gradientTensor:(MPSGraphTensor *)gradientTensor name:(NSString * _Nullable)name;  // macOS 12.3
- (NSArray<MPSGraphTensor *> *)adamWithCurrentLearningRateTensor:(MPSGraphTensor *)currentLearningRateTensor beta1Tensor:(MPSGraphTensor *)beta1Tensor beta2Tensor:(MPSGraphTensor *)beta2Tensor epsilonTensor:(MPSGraphTensor *)epsilonTensor valuesTensor:(MPSGraphTensor *)valuesTensor momentumTensor:(MPSGraphTensor *)momentumTensor velocityTensor:(MPSGraphTensor *)velocityTensor maximumVelocityTensor:(MPSGraphTensor * _Nullable)maximumVelocityTensor gradientTensor:(MPSGraphTensor *)gradientTensor name:(NSString * _Nullable)name;  // macOS 12.3
@end

@interface MPSGraph (RandomOps)
- (MPSGraphTensor *)randomPhiloxStateTensorWithSeed:(NSUInteger)seed name:(NSString * _Nullable)name;  // macOS 12.1
- (MPSGraphTensor *)randomPhiloxStateTensorWithCounterLow:(NSUInteger)counterLow counterHigh:(NSUInteger)counterHigh key:(NSUInteger)key name:(NSString * _Nullable)name;  // macOS 12.1
- (NSArray<MPSGraphTensor *> *)randomTensorWithShape:(MPSShape *)shape descriptor:(MPSGraphRandomOpDescriptor *)descriptor stateTensor:(MPSGraphTensor *)state name:(NSString * _Nullable)name;  // macOS 12.1
- (NSArray<MPSGraphTensor *> *)randomUniformTensorWithShape:(MPSShape *)shape stateTensor:(MPSGraphTensor *)state name:(NSString * _Nullable)name;  // macOS 12.1
- (MPSGraphTensor *)dropoutTensor:(MPSGraphTensor *)tensor rate:(double)rate name:(NSString * _Nullable)name;
- (MPSGraphTensor *)dropoutTensor:(MPSGraphTensor *)tensor rateTensor:(MPSGraphTensor *)rate name:(NSString * _Nullable)name;
@end

// clang-format on

NS_ASSUME_NONNULL_END
