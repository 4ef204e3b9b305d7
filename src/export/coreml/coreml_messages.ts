/**
 * Fields of Core ML's messages that our files have. Names and numbers are those of the format's definition in Apple's
 * coremltools (mlmodel/format/*.proto).
 */

const Empty = {} as const;

const ImageFeatureType = { width: [1, 'int'], height: [2, 'int'], colorSpace: [3, 'int'] } as const;

export const FeatureDescription = {
  name: [1, 'string'],
  shortDescription: [2, 'string'],
  type: [
    3,
    {
      stringType: [3, Empty],
      imageType: [4, ImageFeatureType],
      dictionaryType: [6, { stringKeyType: [2, Empty] }],
    },
  ],
} as const;

const Metadata = {
  shortDescription: [1, 'string'],
  versionString: [2, 'string'],
  license: [4, 'string'],
  userDefined: [100, [{ key: [1, 'string'], value: [2, 'string'] }]],
} as const;

const ModelDescription = {
  input: [1, [FeatureDescription]],
  output: [10, [FeatureDescription]],
  predictedFeatureName: [11, 'string'],
  predictedProbabilitiesName: [12, 'string'],
  metadata: [100, Metadata],
} as const;

/** Packed floats are their bytes, little endian. */
export const WeightParams = { floatValue: [1, 'bytes'], float16Value: [2, 'bytes'] } as const;

const ValidPadding = {
  paddingAmounts: [1, { borderAmounts: [10, [{ startEdgeSize: [1, 'int'], endEdgeSize: [2, 'int'] }]] }],
} as const;

export const NeuralNetworkLayer = {
  name: [1, 'string'],
  input: [2, ['string']],
  output: [3, ['string']],
  convolution: [
    100,
    {
      outputChannels: [1, 'int'],
      kernelChannels: [2, 'int'],
      nGroups: [10, 'int'],
      kernelSize: [20, ['int']],
      stride: [30, ['int']],
      dilationFactor: [40, ['int']],
      valid: [50, ValidPadding],
      hasBias: [70, 'bool'],
      weights: [90, WeightParams],
      bias: [91, WeightParams],
    },
  ],
  pooling: [
    120,
    {
      type: [1, 'int'],
      kernelSize: [10, ['int']],
      stride: [20, ['int']],
      valid: [30, ValidPadding],
      avgPoolExcludePadding: [50, 'bool'],
      globalPooling: [60, 'bool'],
    },
  ],
  activation: [130, { linear: [5, { alpha: [1, 'float'], beta: [2, 'float'] }], relu: [10, Empty] }],
  innerProduct: [
    140,
    {
      inputChannels: [1, 'int'],
      outputChannels: [2, 'int'],
      hasBias: [10, 'bool'],
      weights: [20, WeightParams],
      bias: [21, WeightParams],
    },
  ],
  batchnorm: [
    160,
    {
      channels: [1, 'int'],
      epsilon: [10, 'float'],
      gamma: [15, WeightParams],
      beta: [16, WeightParams],
      mean: [17, WeightParams],
      variance: [18, WeightParams],
    },
  ],
  softmax: [175, Empty],
  unary: [220, { type: [1, 'int'], alpha: [2, 'float'], shift: [4, 'float'], scale: [5, 'float'] }],
  add: [230, Empty],
  scale: [245, { shapeScale: [1, ['int']], scale: [2, WeightParams] }],
  flatten: [301, { mode: [1, 'int'] }],
} as const;

/** NeuralNetworkLayer.pooling.type, .unary.type, .flatten.mode; ImageFeatureType.colorSpace */
export const Pooling = { max: 0, average: 1 } as const;
export const Unary = { threshold: 7 } as const;
export const Flatten = { channelFirst: 0 } as const;
export const ColorSpace = { rgb: 20 } as const;

const NeuralNetworkClassifier = {
  layers: [1, [NeuralNetworkLayer]],
  preprocessing: [
    2,
    [
      {
        featureName: [1, 'string'],
        scaler: [
          10,
          {
            channelScale: [10, 'float'],
            blueBias: [20, 'float'],
            greenBias: [21, 'float'],
            redBias: [22, 'float'],
          },
        ],
      },
    ],
  ],
  stringClassLabels: [100, { vector: [1, ['string']] }],
  labelProbabilityLayerName: [200, 'string'],
} as const;

// The program of an ML program (MIL).

/** MILSpec.DataType */
export const MilType = { bool: 1, string: 2, float16: 10, float32: 11, float64: 12, int32: 23 } as const;

const Dimension = { constant: [1, { size: [1, 'int'] }] } as const;

const TensorType = { dataType: [1, 'int'], rank: [2, 'int'], dimensions: [3, [Dimension]] } as const;
/** Of a tensor alone: what lists and dictionaries of ours hold. */
const ItemType = { tensorType: [1, TensorType] } as const;

export const ValueType = {
  tensorType: [1, TensorType],
  listType: [2, { type: [1, ItemType], length: [2, Dimension] }],
  dictionaryType: [4, { keyType: [1, ItemType], valueType: [2, ItemType] }],
} as const;

const TensorValue = {
  floats: [1, { values: [1, ['float']] }],
  ints: [2, { values: [1, ['int']] }],
  bools: [3, { values: [1, ['bool']] }],
  strings: [4, { values: [1, ['string']] }],
} as const;

const ItemValue = { type: [2, ItemType], immediateValue: [3, { tensor: [1, TensorValue] }] } as const;

export const Value = {
  type: [2, ValueType],
  immediateValue: [3, { tensor: [1, TensorValue], list: [3, { values: [1, [ItemValue]] }] }],
  blobFileValue: [5, { fileName: [1, 'string'], offset: [2, 'int'] }],
} as const;

const NamedValueType = { name: [1, 'string'], type: [2, ValueType] } as const;
const Argument = { arguments: [1, [{ name: [1, 'string'], value: [2, Value] }]] } as const;

export const Operation = {
  type: [1, 'string'],
  inputs: [2, [{ key: [1, 'string'], value: [2, Argument] }]],
  outputs: [3, [NamedValueType]],
  attributes: [5, [{ key: [1, 'string'], value: [2, Value] }]],
} as const;

const Block = { outputs: [2, ['string']], operations: [3, [Operation]] } as const;

const MilFunction = {
  inputs: [1, [NamedValueType]],
  opset: [2, 'string'],
  blockSpecializations: [3, [{ key: [1, 'string'], value: [2, Block] }]],
} as const;

const Program = {
  version: [1, 'int'],
  functions: [2, [{ key: [1, 'string'], value: [2, MilFunction] }]],
} as const;

export const CoreMLModel = {
  specificationVersion: [1, 'int'],
  description: [2, ModelDescription],
  neuralNetworkClassifier: [403, NeuralNetworkClassifier],
  mlProgram: [502, Program],
} as const;
