/** A network as an ONNX file: opset 17, from uint8 pixels to probabilities. */
import { version } from '../../base/version.ts';
import { type ExportedModel, storedTensor } from '../exported_model.ts';
import type { NamedTensor, PlainLayer, PlainWindow } from '../plain_graph.ts';
import { encodeMessage, type Message } from '../protobuf.ts';
import {
  type AttributeProto,
  AttributeType,
  DataType,
  ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from './onnx_messages.ts';

type Node = Message<typeof NodeProto>;
type Initializer = Message<typeof TensorProto>;

/** What onnxruntime 1.12 (2022) and everything newer reads. */
const OPSET = 17;
const IR_VERSION = 8;

/** Names that no layer and no tensor of the network may take. */
const OWN_NAMES = ['image', 'logits', 'probabilities', 'temperature', 'mean', 'std', 'byte_range'];

/**
 * The bytes of the file in pieces. Input `image`, uint8 [N, height, width, 3], RGB; outputs `logits` and
 * `probabilities`, float32 [N, classes], calibrated.
 */
export function encodeOnnx(model: ExportedModel): Uint8Array[] {
  const { network, metadata } = model;
  const { height, width } = network.input;
  const builder = new GraphBuilder(model);
  builder.preprocess();
  for (const [i, layer] of model.graph.layers.entries()) builder.layer(layer, i);
  builder.classify();
  const classes = network.classNames.length;
  return encodeMessage(ModelProto, {
    irVersion: IR_VERSION,
    producerName: 'birbs-metal',
    producerVersion: version(),
    docString: `Image classifier: ${network.classNames.join(', ')}`,
    graph: {
      node: builder.nodes,
      name: 'classifier',
      initializer: builder.initializers,
      input: [tensorInfo('image', DataType.uint8, [height, width, 3], describeInput(model))],
      output: [
        tensorInfo('logits', DataType.float, [classes], 'before temperature and softmax'),
        tensorInfo('probabilities', DataType.float, [classes], 'calibrated, in the order of the labels'),
      ],
    },
    opsetImport: [{ domain: '', version: OPSET }],
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
  });
}

function describeInput({ network: { input } }: ExportedModel): string {
  return `RGB, uint8, ${input.height} x ${input.width}, turned as EXIF says, resized with Lanczos3 (${input.fit})`;
}

function tensorInfo(
  name: string,
  elemType: number,
  sides: number[],
  docString: string,
): Message<typeof ValueInfoProto> {
  const dim = [{ dimParam: 'N' }, ...sides.map((dimValue) => ({ dimValue }))];
  return { name, type: { tensorType: { elemType, shape: { dim } } }, docString };
}

/** Adds node after node; each value has the name of its layer. */
class GraphBuilder {
  readonly nodes: Node[] = [];
  readonly initializers: Initializer[] = [];
  readonly #model: ExportedModel;
  /** Names of the values of the graph. */
  readonly #values: string[] = [];
  readonly #taken = new Set<string>();

  constructor(model: ExportedModel) {
    this.#model = model;
    for (const name of OWN_NAMES) this.#taken.add(name);
  }

  preprocess(): void {
    const { mean, std } = this.#model.network.normalization;
    const numbers = (name: string, values: number[], shape: number[]) =>
      this.#initializer({ name, shape, data: Float32Array.from(values) }, true);
    const scale = numbers('byte_range', [255], []);
    const step = (type: string, input: string[], name: string, attributes?: Attribute[]) =>
      this.#node(type, input, this.#free(name), attributes);
    let value = step('Cast', ['image'], 'image_float', [int('to', DataType.float)]);
    value = step('Transpose', [value], 'image_channels_first', [ints('perm', [0, 3, 1, 2])]);
    value = step('Div', [value, scale], 'image_unit');
    value = step('Sub', [value, numbers('mean', mean, [1, 3, 1, 1])], 'image_centered');
    this.#values.push(step('Div', [value, numbers('std', std, [1, 3, 1, 1])], 'image_normalized'));
  }

  layer(layer: PlainLayer, index: number): void {
    const isLast = index === this.#model.graph.layers.length - 1;
    const output = isLast ? 'logits' : this.#free(layer.name);
    const { type, tensors = [], attributes } = operatorOf(layer);
    const from = layer.inputs.map((value) => this.#values[value]!);
    const weights = tensors.flatMap((tensor) => (tensor ? [this.#initializer(tensor)] : []));
    this.#values.push(this.#node(type, [...from, ...weights], output, attributes));
  }

  classify(): void {
    const data = Float32Array.of(this.#model.calibration.temperature);
    const temperature = this.#initializer({ name: 'temperature', shape: [], data }, true);
    const scaled = this.#node('Div', ['logits', temperature], this.#free('scaled_logits'));
    this.#node('Softmax', [scaled], 'probabilities', [int('axis', -1)]);
  }

  /** @returns the name of its output */
  #node(opType: string, input: string[], output: string, attribute: Attribute[] = []): string {
    this.nodes.push({ input, output: [output], name: output, opType, attribute });
    return output;
  }

  /** @returns the name of the tensor */
  #initializer(tensor: NamedTensor, isOwn = false): string {
    const name = isOwn ? tensor.name : this.#free(tensor.name);
    const { bytes, isHalf } = storedTensor(tensor, this.#model.width);
    const dataType = isHalf ? DataType.float16 : DataType.float;
    const stored = isHalf ? this.#free(`${name}.fp16`) : name;
    this.initializers.push({ dims: tensor.shape, dataType, name: stored, rawData: bytes });
    if (!isHalf) return name;
    return this.#node('Cast', [stored], name, [int('to', DataType.float)]);
  }

  #free(wanted: string): string {
    let name = wanted;
    while (this.#taken.has(name)) name += '_';
    this.#taken.add(name);
    return name;
  }
}

type Attribute = Message<typeof AttributeProto>;

interface Operator {
  type: string;
  /** What it reads besides values, in its order. */
  tensors?: (NamedTensor | undefined)[];
  attributes?: Attribute[];
}

function operatorOf({ name, operation }: PlainLayer): Operator {
  switch (operation.kind) {
    case 'conv': {
      const { window, groups, weight, bias } = operation;
      const attributes = [...windowAttributes(window), ints('dilations', window.dilation)];
      return { type: 'Conv', tensors: [weight, bias], attributes: [...attributes, int('group', groups)] };
    }
    case 'batchNorm': {
      const { weight, bias, running_mean, running_var } = operation.parameters;
      return {
        type: 'BatchNormalization',
        tensors: [weight, bias, running_mean, running_var],
        attributes: [float('epsilon', operation.epsilon)],
      };
    }
    case 'maxPool':
      return { type: 'MaxPool', attributes: windowAttributes(operation.window) };
    case 'avgPool': {
      const count = int('count_include_pad', Number(operation.countIncludePad));
      return { type: 'AveragePool', attributes: [...windowAttributes(operation.window), count] };
    }
    case 'dense':
      return { type: 'Gemm', tensors: [operation.weight, operation.bias], attributes: [int('transB', 1)] };
    case 'relu6': {
      const bound = (suffix: string, value: number): NamedTensor => ({
        name: `${name}.${suffix}`,
        shape: [],
        data: Float32Array.of(value),
      });
      return { type: 'Clip', tensors: [bound('min', 0), bound('max', 6)] };
    }
    case 'relu':
      return { type: 'Relu' };
    case 'add':
      return { type: 'Add' };
    case 'globalAvgPool':
      return { type: 'GlobalAveragePool' };
    case 'flatten':
      return { type: 'Flatten', attributes: [int('axis', 1)] };
  }
}

function int(name: string, i: number): Attribute {
  return { name, i, type: AttributeType.int };
}

function float(name: string, f: number): Attribute {
  return { name, f, type: AttributeType.float };
}

function ints(name: string, values: number[]): Attribute {
  return { name, ints: values, type: AttributeType.ints };
}

/** ONNX has all beginnings first, then all ends. */
function windowAttributes({ kernel, stride, padding: [top, bottom, left, right] }: PlainWindow): Attribute[] {
  return [ints('kernel_shape', kernel), ints('strides', stride), ints('pads', [top, left, bottom, right])];
}
