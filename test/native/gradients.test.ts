/** Every gradient against central differences: of single operations, and of every layer inside a network. */
import { describe, expect, test } from 'vitest';
import type {
  DeviceName,
  NativeSession,
  OperationAttributes,
  ParameterInfo,
  Tensor,
} from '../../src/model/addon.ts';
import type { Layer } from '../../src/model/network.ts';
import { assertClose, differenceTolerance } from '../close.ts';
import { addon, devices } from './devices.ts';
import { network } from './networks.ts';
import { draw, drawApart, drawImages } from './numbers.ts';

const sum = (a: Float32Array, b: Float32Array) => a.reduce((total, value, i) => total + value * b[i]!, 0);

/** d(sum of dy * y) / d(input), element by element. */
async function difference(
  forward: (inputs: Tensor[]) => Promise<Tensor>,
  inputs: Tensor[],
  which: number,
  dy: Float32Array,
  step: number,
): Promise<Float64Array> {
  const { shape, data } = inputs[which]!;
  const at = async (i: number, offset: number) => {
    const moved = Float32Array.from(data);
    moved[i]! += offset;
    const y = await forward(inputs.map((input, k) => (k === which ? { shape, data: moved } : input)));
    return { y: sum(y.data, dy), x: moved[i]! };
  };
  const gradient = new Float64Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const [high, low] = [await at(i, step), await at(i, -step)];
    gradient[i] = (high.y - low.y) / (high.x - low.x);
  }
  return gradient;
}

interface Pair {
  name: string;
  forward: string;
  inputs: Tensor[];
  attributes?: OperationAttributes;
  /** Gradient operations: given dy and the inputs by position; which input each of their outputs belongs to. */
  backward: { operation: string; takes: number[]; gives: number[] }[];
  /** Linear operations bear a large step, and lose less to rounding. */
  step: number;
}

const convolution = {
  kernel: [3, 2],
  stride: [2, 1],
  dilation: [1, 2],
  padding: [1, 0, 2, 1],
  groups: 2,
  inputSize: [6, 5],
} satisfies OperationAttributes;
const pooling = { kernel: [3, 2], stride: [2, 1], padding: [1, 2, 0, 1] } satisfies OperationAttributes;

const pairs: Pair[] = [
  {
    name: 'conv2d',
    forward: 'conv2d',
    inputs: [draw(1, 2, 4, 6, 5), draw(2, 6, 2, 3, 2), draw(3, 6)],
    attributes: convolution,
    backward: [
      { operation: 'conv2dInputGradient', takes: [1], gives: [0] },
      { operation: 'conv2dWeightGradient', takes: [0], gives: [1, 2] },
    ],
    step: 0.5,
  },
  {
    name: 'maxPool2d',
    forward: 'maxPool2d',
    inputs: [drawApart(4, 2, 3, 6, 5)],
    attributes: pooling,
    backward: [{ operation: 'maxPool2dGradient', takes: [0], gives: [0] }],
    step: 0.03,
  },
  ...[true, false].map((countIncludePad) => ({
    name: `avgPool2d, countIncludePad ${countIncludePad}`,
    forward: 'avgPool2d',
    inputs: [draw(5, 2, 3, 6, 5)],
    attributes: { ...pooling, countIncludePad },
    backward: [{ operation: 'avgPool2dGradient', takes: [0], gives: [0] }],
    step: 0.5,
  })),
  {
    name: 'globalAvgPool2d',
    forward: 'globalAvgPool2d',
    inputs: [draw(6, 3, 4, 2, 5)],
    backward: [{ operation: 'globalAvgPool2dGradient', takes: [0], gives: [0] }],
    step: 0.5,
  },
  {
    name: 'dense',
    forward: 'dense',
    inputs: [draw(7, 3, 5), draw(8, 4, 5), draw(9, 4)],
    backward: [
      { operation: 'denseInputGradient', takes: [1], gives: [0] },
      { operation: 'denseWeightGradient', takes: [0], gives: [1, 2] },
    ],
    step: 0.5,
  },
  {
    name: 'relu',
    forward: 'relu',
    inputs: [drawApart(10, 2, 3, 2, 4)],
    backward: [{ operation: 'reluGradient', takes: [0], gives: [0] }],
    step: 0.03,
  },
  {
    name: 'relu6',
    forward: 'relu6',
    // From -1 to 7.9 and so over both kinks.
    inputs: [{ shape: [2, 3, 3, 5], data: drawApart(18, 90).data.map((x) => x + 3.5) }],
    backward: [{ operation: 'relu6Gradient', takes: [0], gives: [0] }],
    step: 0.03,
  },
  {
    name: 'batchNorm2d',
    forward: 'batchNorm2d',
    inputs: [draw(11, 3, 2, 3, 4), draw(12, 2), draw(13, 2)],
    attributes: { epsilon: 1e-3 },
    backward: [{ operation: 'batchNorm2dGradient', takes: [0, 1], gives: [0, 1, 2] }],
    step: 0.01,
  },
  {
    name: 'dropout',
    forward: 'dropout',
    inputs: [draw(14, 2, 3, 2, 4)],
    attributes: { rate: 0.4, seed: 5, step: 6, stream: 7 },
    backward: [{ operation: 'dropoutGradient', takes: [], gives: [0] }],
    step: 0.5,
  },
];

describe.each(devices)('%s: operations', (device) => {
  test.each(pairs)('$name', async ({ forward, inputs, attributes = {}, backward, step }) => {
    // Attributes an operation does not know are refused, so each gets its own.
    const given = (operation: string) => {
      const { inputSize, ...rest } = attributes;
      return operation === 'conv2dInputGradient' ? { ...rest, inputSize: inputSize! } : rest;
    };
    const run = async (moved: Tensor[]) =>
      (await addon.runOperation(device, forward, moved, given(forward)))[0]!;
    const y = await run(inputs);
    const dy = draw(99, ...y.shape);
    for (const { operation, takes, gives } of backward) {
      const taken = [dy, ...takes.map((i) => inputs[i]!)];
      const results = await addon.runOperation(device, operation, taken, given(operation));
      expect(results.length).toBe(gives.length);
      for (const [k, which] of gives.entries()) {
        const expected = await difference(run, inputs, which, dy.data, step);
        assertClose(results[k]!.data, expected, differenceTolerance, `${operation}, input ${which + 1}`);
      }
    }
  });

  test.each([
    {},
    { classWeights: [0.5, 2, 1, 4] },
    { labelSmoothing: 0.2 },
    { classWeights: [0.5, 2, 1, 4], labelSmoothing: 0.2 },
  ])('crossEntropy: %j', async (attributes) => {
    const logits = draw(15, 5, 4);
    const labels = { shape: [5], data: Float32Array.of(0, 3, 1, 1, 2) };
    const run = async ([moved]: Tensor[]) =>
      (await addon.runOperation(device, 'crossEntropy', [moved!, labels], attributes))[0]!;
    const [gradient] = await addon.runOperation(device, 'crossEntropyGradient', [logits, labels], attributes);
    const expected = await difference(run, [logits], 0, Float32Array.of(1), 0.02);
    assertClose(gradient!.data, expected, differenceTolerance, 'logits');
  });
});

/** Each stands between a convolution, which needs its input gradient, and a dense layer. */
const middles: { name: string; layers: Layer[] }[] = [
  { name: 'nothing', layers: [] },
  { name: 'relu', layers: [{ type: 'relu' }] },
  { name: 'batchNorm2d', layers: [{ type: 'batchNorm2d', name: 'bn', epsilon: 1e-3 }] },
  {
    name: 'maxPool2d',
    layers: [{ type: 'maxPool2d', kernelSize: [2, 3], stride: [2, 1], padding: [1, 0, 1, 1] }],
  },
  ...[true, false].map((countIncludePad) => ({
    name: `avgPool2d, countIncludePad ${countIncludePad}`,
    layers: [
      { type: 'avgPool2d', kernelSize: [2, 3], stride: [2, 1], padding: [1, 0, 1, 1], countIncludePad },
    ] satisfies Layer[],
  })),
  { name: 'globalAvgPool2d', layers: [{ type: 'globalAvgPool2d' }] },
  { name: 'dropout', layers: [{ type: 'dropout', rate: 0.4 }] },
  {
    name: 'conv2d with groups, stride and dilation',
    layers: [
      {
        type: 'conv2d',
        name: 'conv1',
        outChannels: 6,
        kernelSize: [2, 3],
        stride: [1, 2],
        groups: 2,
        dilation: [2, 1],
        padding: [1, 0, 2, 1],
      },
    ],
  },
  {
    name: 'dense',
    layers: [{ type: 'flatten' }, { type: 'dense', name: 'fc1', outFeatures: 5 }],
  },
  {
    name: 'convolution, relu, max-pool as in birbs',
    layers: [
      { type: 'relu' },
      { type: 'maxPool2d', kernelSize: 2 },
      { type: 'conv2d', name: 'conv1', outChannels: 3, kernelSize: 3, padding: 1 },
      { type: 'relu' },
    ],
  },
];

/** What training does with the layers of a block. */
const trained = { learns: {}, frozen: { frozen: true }, statistics: { frozenStatistics: true } } as const;

/** Two convolutions beside a shortcut, as in ResNet; with a stride the shortcut has a convolution of its own. */
function residual(kernelSize: number, stride: number, how: keyof typeof trained): Layer[] {
  const { frozenStatistics, ...frozen } = { frozenStatistics: false, ...trained[how] };
  const norm = { type: 'batchNorm2d', epsilon: 1e-3, frozenStatistics, ...frozen } as const;
  const conv = { type: 'conv2d', outChannels: 4, bias: false } as const;
  const own = { kernelSize, padding: Math.floor(kernelSize / 2), ...frozen };
  return [
    { ...norm, name: 'first.bn' },
    { type: 'relu', name: 'input' },
    { ...conv, ...own, name: 'a', stride },
    { ...norm, name: 'a.bn' },
    { type: 'relu' },
    { ...conv, ...own, name: 'b' },
    { ...norm, name: 'b.bn' },
    ...(stride > 1
      ? [{ ...conv, name: 'down', kernelSize: 1, stride, from: 'input' } satisfies Layer]
      : [{ type: 'relu', name: 'down', from: 'input' } satisfies Layer]),
    { type: 'add', name: 'sum', from: ['b.bn', 'down'] },
    { type: 'relu' },
  ];
}

/** Expansion, depthwise convolution, projection, as in MobileNet; without a stride the input is added. */
function inverted(kernelSize: number, stride: number, how: keyof typeof trained): Layer[] {
  const { frozenStatistics, ...frozen } = { frozenStatistics: false, ...trained[how] };
  const norm = { type: 'batchNorm2d', epsilon: 1e-3, frozenStatistics, ...frozen } as const;
  const conv = { type: 'conv2d', bias: false, ...frozen } as const;
  return [
    { ...norm, name: 'first.bn' },
    { type: 'relu6', name: 'input' },
    { ...conv, name: 'pw', outChannels: 8, kernelSize: 1 },
    { ...norm, name: 'bn1' },
    { type: 'relu6' },
    { ...conv, name: 'dw', outChannels: 8, groups: 8, kernelSize, stride, padding: 'same' },
    { ...norm, name: 'bn2' },
    { type: 'relu6' },
    { ...conv, name: 'pwl', outChannels: 4, kernelSize: 1 },
    { ...norm, name: 'bn3' },
    ...(stride > 1 ? [] : [{ type: 'add', name: 'sum', from: ['bn3', 'input'] } satisfies Layer]),
  ];
}

/** Batch norms that keep what they give away from the kinks at 0 and 6, on either side of them by channel. */
function apart({ name, offset, size }: ParameterInfo, values: Float32Array): void {
  if (!name.includes('bn')) return;
  if (name.endsWith('.weight')) values.fill(0.2, offset, offset + size);
  if (!name.endsWith('.bias')) return;
  // The last one of a residual block meets the shortcut.
  const centres = name === 'b.bn.bias' ? [4, -4] : name.startsWith('bn') ? [3, -1.5, 8] : [1.5, -1.5, 3];
  for (let i = 0; i < size; i++) values[offset + i] = centres[i % centres.length]!;
}

/** They meet 5 x 4 values of each channel: an odd and an even side. */
const blocks = Object.entries({ residual, inverted }).flatMap(([name, block]) =>
  (
    [
      [3, 1, 'learns'],
      [5, 2, 'learns'],
      [3, 2, 'frozen'],
      [5, 1, 'frozen'],
      [5, 1, 'statistics'],
    ] as const
  ).map(([kernel, stride, how]) => ({
    name: `${name} block, ${kernel} x ${kernel}, stride ${stride}, ${how}`,
    layers: block(kernel, stride, how),
    start: apart,
  })),
);

const count = 3;
const images = drawImages(16, count, 5, 6);
const labels = Int32Array.of(2, 0, 1);

async function open(device: DeviceName, layers: Layer[]): Promise<NativeSession> {
  const first: Layer = {
    type: 'conv2d',
    name: 'conv0',
    outChannels: 4,
    kernelSize: [2, 3],
    stride: [1, 2],
    padding: [1, 0, 2, 1],
  };
  return addon.createSession({
    device,
    network: network(5, 6, 3, [
      first,
      ...layers,
      { type: 'flatten' },
      { type: 'dense', name: 'fc', outFeatures: 3 },
    ]),
    seed: 17,
    batchSize: count,
    threads: 2,
    optimizer: { kind: 'adamw' },
    classWeights: [0.5, 2, 1],
    labelSmoothing: 0.1,
  });
}

/** The slope of the loss along one parameter. */
async function slope(session: NativeSession, values: Float32Array, i: number, step: number): Promise<number> {
  const at = async (offset: number) => {
    const moved = Float32Array.from(values);
    moved[i]! += offset;
    await session.setParameters(moved);
    return { y: (await session.gradients(images, labels)).loss, x: moved[i]! };
  };
  const [high, low] = [await at(step), await at(-step)];
  return (high.y - low.y) / (high.x - low.x);
}

describe.each(devices)('%s: layers in a network', (device) => {
  test.each<{ name: string; layers: Layer[]; start?: typeof apart }>([...middles, ...blocks])(
    '$name',
    async ({ layers, start }) => {
      const session = await open(device, layers);
      const values = await session.getParameters();
      for (const parameter of session.parameters) start?.(parameter, values);
      await session.setParameters(values);
      const { gradients } = await session.gradients(images, labels);
      for (const { name, offset, size, trainable } of session.parameters) {
        // Twelve of each parameter: all of the small ones. Blocks have many parameters.
        const most = Math.min(size, start ? 5 : 12);
        const chosen = Array.from({ length: most }, (_, k) => Math.floor((k * size) / most));
        for (const i of chosen) {
          const gradient = gradients[offset + i]!;
          if (!trainable) {
            expect(gradient).toBe(0);
            continue;
          }
          // A step may cross a kink of relu or max-pool; then a smaller one has to agree.
          let expected = Number.POSITIVE_INFINITY;
          for (const step of [0.003, 0.001, 0.0003]) {
            const found = await slope(session, values, offset + i, step);
            if (Math.abs(found - gradient) < Math.abs(expected - gradient)) expected = found;
            if (Math.abs(expected - gradient) < differenceTolerance.absolute / 5) break;
          }
          assertClose([gradient], [expected], differenceTolerance, `${name}, element ${i}`);
        }
      }
      await session.dispose();
    },
  );
});
