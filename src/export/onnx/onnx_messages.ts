/** Fields of the messages of onnx.proto (IR version 8) that our files have. */

const StringEntry = { key: [1, 'string'], value: [2, 'string'] } as const;

export const TensorProto = {
  dims: [1, ['int']],
  dataType: [2, 'int'],
  name: [8, 'string'],
  rawData: [9, 'bytes'],
} as const;

/** TensorProto.DataType */
export const DataType = { float: 1, uint8: 2, float16: 10 } as const;

export const AttributeProto = {
  name: [1, 'string'],
  f: [2, 'float'],
  i: [3, 'int'],
  ints: [8, ['int']],
  type: [20, 'int'],
} as const;

/** AttributeProto.AttributeType */
export const AttributeType = { float: 1, int: 2, ints: 7 } as const;

export const NodeProto = {
  input: [1, ['string']],
  output: [2, ['string']],
  name: [3, 'string'],
  opType: [4, 'string'],
  attribute: [5, [AttributeProto]],
} as const;

const Dimension = { dimValue: [1, 'int'], dimParam: [2, 'string'] } as const;
const TensorShape = { dim: [1, [Dimension]] } as const;
const TensorType = { elemType: [1, 'int'], shape: [2, TensorShape] } as const;

export const ValueInfoProto = {
  name: [1, 'string'],
  type: [2, { tensorType: [1, TensorType] }],
  docString: [3, 'string'],
} as const;

export const GraphProto = {
  node: [1, [NodeProto]],
  name: [2, 'string'],
  initializer: [5, [TensorProto]],
  docString: [10, 'string'],
  input: [11, [ValueInfoProto]],
  output: [12, [ValueInfoProto]],
} as const;

export const ModelProto = {
  irVersion: [1, 'int'],
  producerName: [2, 'string'],
  producerVersion: [3, 'string'],
  docString: [6, 'string'],
  graph: [7, GraphProto],
  opsetImport: [8, [{ domain: [1, 'string'], version: [2, 'int'] }]],
  metadataProps: [14, [StringEntry]],
} as const;
