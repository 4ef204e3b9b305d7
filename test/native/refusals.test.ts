/** What cannot run is refused in one sentence before anything has changed. */
import { afterEach, describe, expect, test } from 'vitest';
import type {
  DeviceName,
  NativeSession,
  OperationAttributes,
  SessionOptions,
  Tensor,
} from '../../src/model/addon.ts';
import type { Layer, Network } from '../../src/model/network.ts';
import { assertSame } from '../close.ts';
import { addon, devices } from './devices.ts';
import { birbsLike, network } from './networks.ts';
import { draw, drawImages } from './numbers.ts';

const sessions: NativeSession[] = [];
afterEach(async () => {
  await Promise.all(sessions.splice(0).map((session) => session.dispose()));
});

async function open(device: DeviceName, overrides: Partial<SessionOptions> = {}) {
  const session = await addon.createSession({
    device,
    network: birbsLike(8, 10, 2, [4]),
    seed: 1,
    batchSize: 4,
    threads: 1,
    optimizer: { kind: 'adamw' },
    ...overrides,
  });
  sessions.push(session);
  return session;
}

const flatten: Layer = { type: 'flatten' };
const dense: Layer = { type: 'dense', name: 'fc', outFeatures: 2 };
const conv = { type: 'conv2d', name: 'conv', outChannels: 4, kernelSize: 3 } as const;

const wrongNetworks: { layers: Layer[]; text: string }[] = [
  {
    layers: [{ type: 'relu' }, { ...conv, kernelSize: 9 }, flatten, dense],
    text: 'layer 2 (conv2d): expected a kernel no larger than its padded input, found kernel 9 x 9',
  },
  {
    layers: [{ ...conv, kernelSize: 2, dilation: [8, 1] }, flatten, dense],
    text: 'layer 1 (conv2d): expected a kernel no larger than its padded input',
  },
  {
    layers: [{ type: 'maxPool2d', kernelSize: 4 }, { type: 'maxPool2d', kernelSize: 4 }, flatten, dense],
    text: 'layer 2 (maxPool2d): expected a kernel no larger than its padded input, found kernel 4 x 4 (dilation 1 x 1) on [3, 2, 2]',
  },
  {
    layers: [conv, { ...conv, name: 'conv2', groups: 3 }, flatten, dense],
    text: 'layer 2 (conv2d): expected groups that divide its 4 input and 4 output channels, found 3',
  },
  {
    layers: [conv, conv, flatten, dense],
    text: 'layer 2 (conv2d): the name "conv" is taken',
  },
  {
    layers: [{ ...conv, name: '' }, flatten, dense],
    text: 'expected layers[0].name to be a text of 1 to 200 printable characters, but found ""',
  },
  {
    layers: [conv, dense],
    text: 'layer 2 (dense): expected flat features, found an image of [4, 6, 8]; put flatten before it',
  },
  { layers: [flatten, conv, dense], text: 'layer 2 (conv2d): expected an image, found 240 features' },
  {
    layers: [flatten, { type: 'batchNorm2d', name: 'bn' }, dense],
    text: 'layer 2 (batchNorm2d): expected an image',
  },
  {
    layers: [flatten, { ...dense, outFeatures: 3 } as Layer],
    text: 'expected as many logits as classes, 2, found 3',
  },
  {
    layers: [conv, { type: 'relu', from: 'conv2' }, flatten, dense],
    text: 'layer 2 (relu): expected the name of an earlier layer to read from, found "conv2", which no layer has',
  },
  {
    layers: [{ type: 'relu', from: 'fc' }, flatten, dense],
    text: 'layer 1 (relu): expected the name of an earlier layer to read from, found "fc", which is layer 3',
  },
  {
    layers: [conv, { type: 'relu', name: 'conv' }, flatten, dense],
    text: 'layer 2 (relu): the name "conv" is taken by an earlier layer; give each its own',
  },
  {
    layers: [conv, { type: 'relu' }, { type: 'relu', from: 'conv' }, flatten, dense],
    text: 'layer 2 (relu): expected a later layer to read it, found none',
  },
  {
    layers: [conv, { ...conv, name: 'conv2' }, { type: 'add', from: ['conv', 'conv2'] }, flatten, dense],
    text: 'layer 3 (add): expected two inputs of one shape, found an image [4, 6, 8] and an image [4, 4, 6]',
  },
  {
    layers: [conv, { type: 'add', from: 'conv' } as never, flatten, dense],
    text: 'layer 2 (add): expected 2 layers to read from, found 1',
  },
  { layers: [conv], text: 'expected 2 logits at the end, found an image of [4, 6, 8]' },
  {
    layers: [{ type: 'avgPool2d', kernelSize: 2, padding: 2 }, flatten, dense],
    text: 'layer 1 (avgPool2d): expected padding smaller than the kernel 2 x 2, found 2',
  },
  {
    layers: [flatten, { type: 'dropout', rate: 1 }, dense],
    text: 'expected layers[1].rate to be a number from 0 to 0.999, but found 1',
  },
  {
    layers: [{ type: 'batchNorm2d', name: 'bn', epsilon: 0 }, flatten, dense],
    text: 'expected layers[0].epsilon to be a number from 1e-12 to 1, but found 0',
  },
  {
    layers: [
      flatten,
      { type: 'dense', name: 'wide', outFeatures: 65_536 },
      { type: 'dense', name: 'wider', outFeatures: 65_536 },
      dense,
    ],
    text: 'Expected a network of at most 268435456 weights, but it has 4310958082',
  },
  {
    layers: [{ ...conv, outChannels: 65_536, kernelSize: 1 }, { type: 'globalAvgPool2d' }, flatten, dense],
    text: 'layer 1 (conv2d): its output [65536, 8, 10] for a batch of 65535 has 2^31 elements or more',
  },
];

const base: Network = network(8, 10, 2, [flatten, dense]);
const wrongOptions: { options: Partial<SessionOptions>; text: string }[] = [
  { options: { classWeights: [1] }, text: 'expected a class weight for each of the 2 classes, found 1' },
  { options: { classWeights: [1, 0] }, text: 'expected a finite class weight above 0, found 0' },
  { options: { labelSmoothing: 1.5 }, text: 'expected a label smoothing of 0 to 1, found 1.5' },
  { options: { clipNorm: -1 }, text: 'expected a finite clip norm of 0 or more, found -1' },
  { options: { optimizer: { kind: 'sgd', nesterov: true } }, text: 'Nesterov expects a momentum above 0' },
  { options: { optimizer: { kind: 'sgd', momentum: 2 } }, text: 'expected a momentum of 0 to 1, found 2' },
  { options: { optimizer: { kind: 'adam', beta2: 1 } }, text: 'expected betas of 0 to less than 1' },
  { options: { optimizer: { kind: 'adamw', epsilon: 0 } }, text: 'expected a finite epsilon above 0' },
  { options: { optimizer: { kind: 'adamw', weightDecay: -1 } }, text: 'expected a finite weight decay of 0' },
  {
    options: { network: { ...base, classNames: ['only'] } },
    text: 'expected classNames to be 2 to 10000 values, but found ["only"]',
  },
  {
    options: { network: { ...base, normalization: { mean: [0, 0, 0], std: [1, 0, 1] } } },
    text: 'expected normalization.std[1] to be a number from 0.000001 to 1000000, but found 0',
  },
];

const four = (...padding: [number, number, number, number]) => padding;
const window = { kernel: [2, 2], stride: [1, 1], padding: four(0, 0, 0, 0) } satisfies OperationAttributes;
const wrongOperations: {
  operation: string;
  inputs: Tensor[];
  attributes: OperationAttributes;
  text: string;
}[] = [
  {
    operation: 'conv2d',
    inputs: [draw(1, 1, 3, 4, 4)],
    attributes: window,
    text: '[conv2d] expected 2 or 3 inputs, found 1',
  },
  {
    operation: 'conv2d',
    inputs: [draw(1, 1, 3, 4, 4), draw(1, 2, 4, 2, 2)],
    attributes: window,
    text: '[conv2d] expected a weight of shape [2, 3, 2, 2], found [2, 4, 2, 2]',
  },
  {
    operation: 'conv2d',
    inputs: [draw(1, 3, 4, 4), draw(1, 2, 3, 2, 2)],
    attributes: window,
    text: '[conv2d] expected input 1 with 4 dimensions, found shape [3, 4, 4]',
  },
  {
    operation: 'conv2d',
    inputs: [draw(1, 1, 3, 4, 4), draw(1, 2, 3, 2, 2), draw(1, 3)],
    attributes: window,
    text: '[conv2d] expected input 3 of shape [2], found [3]',
  },
  {
    operation: 'conv2dInputGradient',
    inputs: [draw(1, 1, 2, 3, 3), draw(1, 2, 3, 2, 2)],
    attributes: { ...window, inputSize: [5, 4] },
    text: '[conv2dInputGradient] expected input 1 of shape [1, 2, 4, 3], found [1, 2, 3, 3]',
  },
  {
    operation: 'maxPool2d',
    inputs: [draw(1, 1, 3, 4, 4)],
    attributes: { ...window, padding: four(2, 0, 0, 0) },
    text: '[maxPool2d] expected padding smaller than the kernel 2 x 2',
  },
  {
    operation: 'maxPool2dGradient',
    inputs: [draw(1, 1, 3, 4, 4), draw(1, 1, 3, 4, 4)],
    attributes: window,
    text: '[maxPool2dGradient] expected input 1 of shape [1, 3, 3, 3], found [1, 3, 4, 4]',
  },
  {
    operation: 'dense',
    inputs: [draw(1, 2, 3), draw(1, 4, 5)],
    attributes: {},
    text: '[dense] expected input 2 of shape [4, 3], found [4, 5]',
  },
  {
    operation: 'crossEntropy',
    inputs: [draw(1, 1, 3), { shape: [1], data: Float32Array.of(3) }],
    attributes: {},
    text: '[crossEntropy] expected labels of 0 to 2, found 3',
  },
  {
    operation: 'crossEntropy',
    inputs: [draw(1, 1, 3), { shape: [1], data: Float32Array.of(Number.NaN) }],
    attributes: {},
    text: '[crossEntropy] expected labels of 0 to 2, found nan',
  },
  {
    operation: 'crossEntropyGradient',
    inputs: [draw(1, 1, 3), { shape: [1], data: Float32Array.of(0.5) }],
    attributes: {},
    text: '[crossEntropy] expected labels of 0 to 2, found 0.5',
  },
  {
    operation: 'batchNorm2d',
    inputs: [draw(1, 2, 3, 4, 4), draw(1, 3), draw(1, 4)],
    attributes: {},
    text: '[batchNorm2d] expected input 3 of shape [3], found [4]',
  },
  {
    operation: 'dropout',
    inputs: [draw(1, 4)],
    attributes: { rate: 1, seed: 1 },
    text: '[dropout] expected a rate of 0',
  },
  { operation: 'conv3d', inputs: [draw(1, 4)], attributes: {}, text: 'found "conv3d"' },
];

describe.each(devices)('%s', (device) => {
  test.each(wrongNetworks)('refuses $text', async ({ layers, text }) => {
    const batchSize = text.includes('65535') ? 65535 : 4;
    await expect(open(device, { network: network(8, 10, 2, layers), batchSize })).rejects.toThrow(text);
  });

  test.each(wrongOptions)('refuses $options', async ({ options, text }) => {
    await expect(open(device, options)).rejects.toThrow(text);
  });

  test.each(wrongOperations)('refuses $text', async ({ operation, inputs, attributes, text }) => {
    await expect(addon.runOperation(device, operation, inputs, attributes)).rejects.toThrow(text);
  });

  test('refuses wrong batches and states, and nothing has changed', async () => {
    const session = await open(device);
    const before = await session.getParameters();
    const images = drawImages(1, 5, 8, 10);
    const four = images.subarray(0, 4 * 8 * 10 * 3);
    const size = before.length;
    await expect(session.trainStep(images, new Int32Array(5), 0.1)).rejects.toThrow(/1 to 4.*5/s);
    for (const label of [2, -1, 2 ** 31 - 1]) {
      const labels = Int32Array.of(0, 1, label, 0);
      await expect(session.trainStep(four, labels, 0.1)).rejects.toThrow(`found ${label} for image 2`);
      await expect(session.gradients(four, labels)).rejects.toThrow(`found ${label} for image 2`);
    }
    for (const rate of [-1, Number.NaN, Infinity]) {
      await expect(session.trainStep(four, new Int32Array(4), rate)).rejects.toThrow(/learning ?rate/i);
    }
    await expect(session.predict(images, 5)).rejects.toThrow(/1 to 4.*5/s);
    await expect(session.features(images, 5)).rejects.toThrow(/1 to 4.*5/s);
    await expect(session.features(four, 4, 'fc9')).rejects.toThrow(
      'expected the name of a layer, found "fc9"',
    );
    expect(await session.features(four, 4, 'fc2')).toEqual(await session.predict(four, 4));
    await expect(session.setParameters(new Float32Array(size - 1))).rejects.toThrow(`${size}`);
    await expect(session.setOptimizerState({ step: 1, values: new Float32Array(size) })).rejects.toThrow(
      `expected ${2 * size} values, found ${size}`,
    );
    assertSame(await session.getParameters(), before);
    expect((await session.getOptimizerState()).step).toBe(0);
  });

  test('numbers that are none pass through and end nothing', async () => {
    const session = await open(device);
    const values = (await session.getParameters()).fill(Number.NaN);
    await session.setParameters(values);
    const images = drawImages(1, 4, 8, 10);
    const { loss } = await session.trainStep(images, Int32Array.of(0, 1, 0, 1), 0.1);
    expect(loss).toBeNaN();
    for (const logit of await session.predict(images, 4)) expect(logit).toBeNaN();
  });
});

test('metal says why it is not here, where it is not', async () => {
  const metal = (await addon.devices()).find((device) => device.name === 'metal')!;
  if (metal.available) return expect(devices).toContain('metal');
  expect(metal.description).toContain('Metal needs macOS 13 or newer on Apple silicon');
  await expect(open('metal')).rejects.toThrow('Metal needs macOS 13');
});
