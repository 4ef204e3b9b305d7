/** Every single operation and gradient, on a device and on the portable kernels. */

import { type Difference, worstDifference } from '../metrics/difference.ts';
import { type Addon, type DeviceName, loadAddon, type OperationAttributes, type Tensor } from './addon.ts';

/** One operation, its gradients, and shapes that are asymmetric wherever an axis could be taken for another. */
interface OperationCase {
  operation: string;
  /** Told besides the name: "stride 2". */
  note?: string;
  shapes: number[][];
  /** Of each class, where the second input are labels. */
  classes?: number;
  attributes?: OperationAttributes;
  /** Inputs of each gradient, from the gradient of the result. */
  gradients?: Record<string, (dy: Tensor, inputs: Tensor[]) => Tensor[]>;
}

const window = (more: OperationAttributes): OperationAttributes => ({
  kernel: [3, 2],
  stride: [1, 1],
  dilation: [1, 1],
  padding: [0, 0, 0, 0],
  groups: 1,
  ...more,
});

const convolution = (note: string, x: number[], w: number[], more: OperationAttributes): OperationCase => ({
  operation: 'conv2d',
  note,
  shapes: [x, w, [w[0]!]],
  attributes: window({ kernel: [w[2]!, w[3]!], inputSize: [x[2]!, x[3]!], ...more }),
  gradients: {
    conv2dInputGradient: (dy, [, weight]) => [dy, weight!],
    conv2dWeightGradient: (dy, [input]) => [dy, input!],
  },
});

const pooling = (kind: 'max' | 'avg', note: string, more: OperationAttributes): OperationCase => ({
  operation: `${kind}Pool2d`,
  note,
  shapes: [[2, 3, 9, 7]],
  attributes: window(more),
  gradients: { [`${kind}Pool2dGradient`]: (dy, [x]) => [dy, x!] },
});

const uneven: OperationAttributes = { stride: [2, 1], padding: [1, 0, 0, 1] };

const CASES: OperationCase[] = [
  convolution('stride 2 x 1, uneven padding', [3, 4, 9, 7], [6, 4, 3, 2], {
    stride: [2, 1],
    padding: [1, 0, 2, 1],
  }),
  convolution('dilation 2 x 1, padding', [2, 5, 10, 7], [3, 5, 2, 3], {
    dilation: [2, 1],
    padding: [1, 1, 1, 1],
  }),
  convolution('2 groups, stride 1 x 2', [2, 4, 6, 9], [6, 2, 3, 3], {
    groups: 2,
    stride: [1, 2],
    padding: [1, 1, 0, 1],
  }),
  pooling('max', 'stride 2 x 1, uneven padding', uneven),
  pooling('max', 'halving', { kernel: [2, 2], stride: [2, 2] }),
  pooling('avg', 'padding counts', { ...uneven, countIncludePad: true }),
  pooling('avg', 'padding does not count', { ...uneven, countIncludePad: false }),
  {
    operation: 'globalAvgPool2d',
    shapes: [[2, 3, 5, 4]],
    gradients: { globalAvgPool2dGradient: (dy, [x]) => [dy, x!] },
  },
  {
    operation: 'dense',
    shapes: [[3, 10], [7, 10], [7]],
    gradients: {
      denseInputGradient: (dy, [, weight]) => [dy, weight!],
      denseWeightGradient: (dy, [x]) => [dy, x!],
    },
  },
  { operation: 'relu', shapes: [[2, 3, 5, 4]], gradients: { reluGradient: (dy, [x]) => [dy, x!] } },
  { operation: 'softmax', shapes: [[4, 6]] },
  {
    operation: 'crossEntropy',
    note: 'class weights, smoothing',
    shapes: [[5, 3], [5]],
    classes: 3,
    attributes: { classWeights: [1, 0.5, 2], labelSmoothing: 0.1 },
    gradients: { crossEntropyGradient: (_, inputs) => inputs },
  },
  {
    operation: 'batchNorm2d',
    shapes: [[3, 4, 5, 2], [4], [4]],
    attributes: { epsilon: 1e-5 },
    gradients: { batchNorm2dGradient: (dy, [x, weight]) => [dy, x!, weight!] },
  },
  {
    operation: 'batchNorm2dInference',
    shapes: [[3, 4, 5, 2], [4], [4], [4], [4]],
    attributes: { epsilon: 1e-5 },
  },
  {
    operation: 'dropout',
    shapes: [[3, 4, 5]],
    attributes: { rate: 0.4, seed: 5, step: 2, stream: 1 },
    gradients: { dropoutGradient: (dy) => [dy] },
  },
];

/** One operation compared: its name with a note, and how far it is off. */
export interface OperationFinding {
  operation: string;
  note: string;
  /** Rejects when the device refuses. */
  compare(): Promise<Difference>;
}

/** Every operation and gradient once or more, to be compared one by one. */
export async function* operationFindings(device: DeviceName): AsyncGenerator<OperationFinding> {
  const addon = loadAddon();
  for (const [number, each] of CASES.entries()) {
    const { operation, note = '', attributes = {}, gradients = {} } = each;
    const inputs = await drawInputs(addon, each, number);
    const [y] = await addon.runOperation('portable', operation, inputs, attributes);
    const dy = await drawTensor(addon, number, 100, y!.shape);
    const finding = (name: string, given: Tensor[]): OperationFinding => ({
      operation: name,
      note,
      compare: () => compareOperation(addon, device, name, given, attributes),
    });
    yield finding(operation, inputs);
    for (const [name, of] of Object.entries(gradients)) yield finding(name, of(dy, inputs));
  }
}

async function compareOperation(
  addon: Addon,
  device: DeviceName,
  operation: string,
  inputs: Tensor[],
  attributes: OperationAttributes,
): Promise<Difference> {
  const [found, expected] = [
    await addon.runOperation(device, operation, inputs, attributes),
    await addon.runOperation('portable', operation, inputs, attributes),
  ];
  return worstDifference(expected.map(({ data }, i) => [`output ${i + 1}`, found[i]?.data ?? [], data]));
}

async function drawInputs(addon: Addon, { shapes, classes, operation }: OperationCase, number: number) {
  const inputs: Tensor[] = [];
  for (const [i, shape] of shapes.entries()) {
    const drawn = await drawTensor(addon, number, i, shape);
    // Labels are whole numbers, variances above 0.
    if (classes && i === 1) drawn.data = drawn.data.map((_, n) => n % classes);
    if (operation === 'batchNorm2dInference' && i === 4) drawn.data = drawn.data.map((x) => x + 1.5);
    inputs.push(drawn);
  }
  return inputs;
}

/** Numbers from -1 to 1, the same in every run. */
async function drawTensor(addon: Addon, seed: number, stream: number, shape: number[]): Promise<Tensor> {
  const size = shape.reduce((a, b) => a * b, 1);
  const words = await addon.philox(seed, stream, 0, size);
  return { shape, data: Float32Array.from(words, (word) => word / 2 ** 31 - 1) };
}
