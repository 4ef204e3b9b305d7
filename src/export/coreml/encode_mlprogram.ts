/** A network as a Core ML program: a package that macOS 12, iOS 15 and everything newer loads. */
import { createHash } from 'node:crypto';
import type { LayerShape } from '../../model/network.ts';
import { type ExportedModel, storedTensor } from '../exported_model.ts';
import type { NamedTensor, PlainLayer, PlainWindow } from '../plain_graph.ts';
import { encodeMessage, type Message } from '../protobuf.ts';
import { CoreMLModel, MilType, type Operation } from './coreml_messages.ts';
import { describeCoreML, IMAGE, LABEL, PROBABILITIES } from './describe_coreml.ts';
import {
  bool,
  int,
  ints,
  type MilValue,
  type MilValueType,
  numbers,
  tensorType,
  text,
  texts,
  WEIGHTS_FILE,
  WeightFile,
} from './mil_values.ts';

type MilOperation = Message<typeof Operation>;

/** Reading float16 weights as float32 came with macOS 13. */
const VERSIONS = {
  fp32: { specificationVersion: 6, opset: 'CoreML5' },
  fp16: { specificationVersion: 7, opset: 'CoreML6' },
} as const;

export const MODEL_PATH = 'Data/com.apple.CoreML/model.mlmodel';
export const WEIGHTS_PATH = 'Data/com.apple.CoreML/weights/weight.bin';

/** The files of the package by their path in it, each in pieces. */
export function encodeMlProgram(model: ExportedModel): Map<string, Uint8Array[]> {
  const { network, graph, calibration, width } = model;
  const { height, width: columns } = network.input;
  const { specificationVersion, opset } = VERSIONS[width];
  const builder = new ProgramBuilder(width);
  const { mean, std } = network.normalization;
  const image = tensorType(MilType.float32, [1, 3, height, columns]);
  let value = builder.add('real_div', 'image_unit', image, { x: IMAGE, y: numbers([255]) });
  value = builder.add('sub', 'image_centered', image, { x: value, y: numbers(mean, [1, 3, 1, 1]) });
  value = builder.add('real_div', 'image_normalized', image, { x: value, y: numbers(std, [1, 3, 1, 1]) });
  const values = [value];
  for (const [i, layer] of graph.layers.entries()) {
    const inputs = layer.inputs.map((from) => values[from]!);
    const { type, inputs: more } = operatorOf(layer, inputs, (tensor) => builder.weights(tensor));
    values.push(builder.add(type, `layer${i + 1}`, typeOf(layer.output), more));
  }
  const classes = tensorType(MilType.float32, [1, network.classNames.length]);
  const scaled = { x: values.at(-1)!, y: numbers([calibration.temperature]) };
  value = builder.add('real_div', 'scaled_logits', classes, scaled);
  value = builder.add('softmax', 'softmax', classes, { x: value, axis: int(-1) });
  builder.classify(value, network.classNames);
  const main = {
    inputs: [{ name: IMAGE, type: image }],
    opset,
    blockSpecializations: [
      { key: opset, value: { outputs: [LABEL, PROBABILITIES], operations: builder.operations } },
    ],
  };
  const program = { version: 1, functions: [{ key: 'main', value: main }] };
  const description = describeCoreML(model);
  return new Map([
    ['Manifest.json', [Buffer.from(manifest(network.classNames))]],
    [MODEL_PATH, encodeMessage(CoreMLModel, { specificationVersion, description, mlProgram: program })],
    [WEIGHTS_PATH, builder.file.pieces],
  ]);
}

/** Which file is what; the names have to be UUIDs, and are the same for the same classes. */
function manifest(classNames: string[]): string {
  const id = (name: string) => {
    const hex = createHash('sha256')
      .update(JSON.stringify([name, classNames]))
      .digest('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`.toUpperCase();
  };
  const item = (name: string, description: string) => ({
    [id(name)]: { author: 'com.apple.CoreML', description, name, path: `com.apple.CoreML/${name}` },
  });
  const manifest = {
    fileFormatVersion: '1.0.0',
    itemInfoEntries: {
      ...item('model.mlmodel', 'CoreML Model Specification'),
      ...item('weights', 'CoreML Model Weights'),
    },
    rootModelIdentifier: id('model.mlmodel'),
  };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** Inputs of an operation: names of values, or values, which become constants. */
type Inputs = Record<string, string | MilValue>;

class ProgramBuilder {
  readonly operations: MilOperation[] = [];
  readonly file = new WeightFile();
  readonly #width: ExportedModel['width'];
  #constants = 0;

  constructor(width: ExportedModel['width']) {
    this.#width = width;
  }

  /** @returns the name of its output */
  add(type: string, name: string, output: MilValueType, inputs: Inputs): string {
    const bound = Object.entries(inputs).map(([key, value]) => {
      const from = typeof value === 'string' ? value : this.#constant(`${name}_${key}`, value);
      return { key, value: { arguments: [{ name: from }] } };
    });
    const attributes = [{ key: 'name', value: text(name) }];
    this.operations.push({ type, inputs: bound, outputs: [{ name, type: output }], attributes });
    return name;
  }

  #constant(name: string, value: MilValue): string {
    const attributes = [
      { key: 'name', value: text(name) },
      { key: 'val', value },
    ];
    this.operations.push({ type: 'const', outputs: [{ name, type: value.type! }], attributes });
    return name;
  }

  /** @returns the name of a constant */
  weights(tensor: NamedTensor): string {
    const { bytes, isHalf } = storedTensor(tensor, this.#width);
    this.#constants += 1;
    const name = `weights${this.#constants}`;
    const offset = this.file.add(bytes, isHalf);
    const type = tensorType(isHalf ? MilType.float16 : MilType.float32, tensor.shape);
    const value = { type, blobFileValue: { fileName: WEIGHTS_FILE, offset } };
    if (!isHalf) return this.#constant(name, value);
    const attributes = [
      { key: 'name', value: text(name) },
      { key: 'output_dtype', value: text('fp32') },
      { key: 'source_val', value },
    ];
    const outputs = [{ name, type: tensorType(MilType.float32, tensor.shape) }];
    this.operations.push({ type: 'constexpr_cast', outputs, attributes });
    return name;
  }

  classify(probabilities: string, classNames: string[]): void {
    const item = (type: number) => tensorType(type, []);
    const dictionary = { keyType: item(MilType.string), valueType: item(MilType.float64) };
    this.operations.push({
      type: 'classify',
      inputs: [
        { key: 'probabilities', value: { arguments: [{ name: probabilities }] } },
        { key: 'classes', value: { arguments: [{ value: texts(classNames) }] } },
      ],
      outputs: [
        { name: LABEL, type: item(MilType.string) },
        { name: PROBABILITIES, type: { dictionaryType: dictionary } },
      ],
      attributes: [{ key: 'name', value: text('classify') }],
    });
  }
}

function typeOf({ channels, height, width, flat }: LayerShape) {
  return tensorType(MilType.float32, flat ? [1, channels] : [1, channels, height, width]);
}

function operatorOf(
  { operation, output }: PlainLayer,
  [x, y]: string[],
  weights: (tensor: NamedTensor) => string,
): { type: string; inputs: Inputs } {
  const input = { x: x! };
  const withBias = (bias: NamedTensor | undefined): Inputs => (bias ? { bias: weights(bias) } : {});
  switch (operation.kind) {
    case 'conv': {
      const { window, groups, weight, bias } = operation;
      const tensors = { weight: weights(weight), ...withBias(bias) };
      const { stride, dilation } = window;
      return {
        type: 'conv',
        inputs: {
          ...input,
          ...tensors,
          strides: ints(stride),
          ...padding(window),
          dilations: ints(dilation),
          groups: int(groups),
        },
      };
    }
    case 'batchNorm': {
      const { weight, bias, running_mean, running_var } = operation.parameters;
      const statistics = { mean: weights(running_mean), variance: weights(running_var) };
      const affine = { gamma: weights(weight), beta: weights(bias) };
      return {
        type: 'batch_norm',
        inputs: { ...input, ...statistics, ...affine, epsilon: numbers([operation.epsilon]) },
      };
    }
    case 'maxPool':
      return { type: 'max_pool', inputs: { ...input, ...pooling(operation.window) } };
    case 'avgPool': {
      const exclude = { exclude_padding_from_average: bool(!operation.countIncludePad) };
      return { type: 'avg_pool', inputs: { ...input, ...pooling(operation.window), ...exclude } };
    }
    case 'globalAvgPool':
      return { type: 'reduce_mean', inputs: { ...input, axes: ints([2, 3]), keep_dims: bool(true) } };
    case 'flatten':
      return { type: 'reshape', inputs: { ...input, shape: ints([1, output.channels]) } };
    case 'dense': {
      const { weight, bias } = operation;
      return { type: 'linear', inputs: { ...input, weight: weights(weight), ...withBias(bias) } };
    }
    case 'add':
      return { type: 'add', inputs: { ...input, y: y! } };
    default: // relu, relu6
      return { type: operation.kind, inputs: input };
  }
}

function pooling(window: PlainWindow): Inputs {
  const sizes = { kernel_sizes: ints(window.kernel), strides: ints(window.stride) };
  return { ...sizes, ...padding(window), ceil_mode: bool(false) };
}

/** Top, bottom, left, right, as ours. */
function padding({ padding: sides }: PlainWindow): Inputs {
  return { pad_type: text('custom'), pad: ints(sides) };
}
