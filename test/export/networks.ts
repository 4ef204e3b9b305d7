/** Networks with every layer and attribute that an export has to write. */

import type { ExportedModel, WeightWidth } from '../../src/export/exported_model.ts';
import { plainGraph } from '../../src/export/plain_graph.ts';
import { loadAddon } from '../../src/model/addon.ts';
import type { Layer, Network } from '../../src/model/network.ts';
import { lite0 } from '../../src/model/pretrained_networks.ts';

const head = (features: number): Layer[] => [
  { type: 'flatten' },
  { type: 'dense', name: 'fc', outFeatures: features },
];

function network(layers: Layer[], [height, width]: [number, number], classes = 3): Network {
  return {
    input: { height, width, channels: 3, fit: 'cover' },
    normalization: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
    layers,
    classNames: Array.from({ length: classes }, (_, i) => `class "${i}"`),
  };
}

const conv = (name: string, outChannels: number, more: object = {}): Layer => ({
  ...{ type: 'conv2d', name, outChannels, kernelSize: 3 },
  ...more,
});

export const networks: Record<string, Network> = {
  windows: network(
    [
      conv('a', 8, { padding: [1, 2, 0, 3], stride: [2, 1] }),
      { type: 'relu' },
      { type: 'maxPool2d', kernelSize: [3, 2], stride: [1, 2], padding: [1, 0, 1, 0] },
      conv('b', 12, { kernelSize: [1, 3], groups: 4, dilation: [1, 2], padding: 'same', bias: false }),
      { type: 'batchNorm2d', name: 'bn', epsilon: 0.01 },
      { type: 'relu6' },
      { type: 'avgPool2d', kernelSize: 3, stride: 2, padding: 1 },
      { type: 'avgPool2d', kernelSize: [2, 3], stride: 1, padding: [0, 1, 1, 1], countIncludePad: false },
      { type: 'dropout', rate: 0.3 },
      ...head(3),
    ],
    [13, 17],
  ),
  same: network(
    [
      conv('stem', 8, { kernelSize: 3, stride: 2, padding: 'same' }),
      conv('depthwise', 8, { kernelSize: 5, stride: 2, groups: 8, padding: 'same', dilation: 1 }),
      { type: 'maxPool2d', kernelSize: 2, stride: 2, padding: 'same' },
      conv('wide', 7, { kernelSize: 1, bias: false }),
      { type: 'avgPool2d', kernelSize: 2, stride: 1, padding: 'same' },
      { type: 'globalAvgPool2d' },
      ...head(3),
    ],
    [15, 22],
  ),
  residual: network(
    [
      conv('logits', 6, { padding: 1 }),
      { type: 'relu', name: 'image' },
      conv('left', 6, { padding: 1 }),
      { type: 'batchNorm2d', name: 'mean' },
      { type: 'add', name: 'sum', from: ['mean', 'image'] },
      { type: 'relu', name: 'conv2d3' },
      conv('right', 6, { kernelSize: 1, from: 'image' } as object),
      { type: 'dropout', name: 'dropped', rate: 0.5 },
      { type: 'add', name: 'twice', from: ['dropped', 'conv2d3'] },
      { type: 'globalAvgPool2d' },
      { type: 'flatten', name: 'features' },
      { type: 'dense', name: 'one', outFeatures: 6, bias: false },
      { type: 'add', name: 'skip', from: ['one', 'features'] },
      { type: 'dense', name: 'two', outFeatures: 2 },
      { type: 'dropout', rate: 0.1 },
    ],
    [9, 9],
    2,
  ),
  lite0: lite0({ imageSize: 40, classNames: ['bird', 'not-bird'] }),
};

/** Parameters as from the seed, running statistics as if it had been trained, and a calibration. */
export async function exported(network: Network, width: WeightWidth = 'fp32') {
  const session = await openPortable(network);
  const values = await session.getParameters();
  for (const { name, offset, size } of session.parameters) {
    const isStatistic = name.endsWith('.running_mean') || name.endsWith('.running_var');
    for (let i = 0; i < size && isStatistic; i++)
      values[offset + i] = name.endsWith('var') ? 0.3 + ((i * 7) % 5) / 4 : ((i * 3) % 7) / 10 - 0.3;
  }
  await session.setParameters(values);
  const model: ExportedModel = {
    ...{ network, graph: plainGraph(network, values), width },
    calibration: { temperature: 1.7, unsureBelow: 0.7 },
    metadata: { labels: JSON.stringify(network.classNames) },
  };
  return { model, values, session };
}

export function openPortable(network: Network) {
  const options = { device: 'portable', network, seed: 3, batchSize: 3, threads: 1 } as const;
  return loadAddon().createSession({ ...options, optimizer: { kind: 'sgd' } });
}

/** uint8 [count, height, width, 3], each image another. */
export function images({ input: { height, width } }: Network, count: number): Uint8Array {
  let state = 12345;
  return Uint8Array.from({ length: count * height * width * 3 }, (_, i) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.min(255, (state >>> 25) + (Math.floor(i / 20) % 128));
  });
}
