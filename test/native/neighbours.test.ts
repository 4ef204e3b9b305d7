/** What an image is answered does not depend on the others of its batch: not how many, not where it stands. */
import { describe, expect, test } from 'vitest';
import type { Layer, Network } from '../../src/model/network.ts';
import { assertSame } from '../close.ts';
import { addon, devices } from './devices.ts';
import { type NetworkCase, readJson } from './fixture.ts';
import { birbsLike, everyLayer, network } from './networks.ts';
import { drawImages } from './numbers.ts';

const conv = (name: string, outChannels: number, kernelSize: number, groups = 1): Layer[] => [
  { type: 'conv2d', name, outChannels, kernelSize, groups, padding: kernelSize >> 1 },
  { type: 'relu' },
];

/** Convolutions of one pixel, of groups and of single channels; a wide dense layer. */
const narrow: Network = network(12, 10, 3, [
  ...conv('conv1', 24, 3),
  ...conv('conv2', 32, 1),
  ...conv('conv3', 32, 3, 4),
  ...conv('conv4', 32, 3, 32),
  { type: 'maxPool2d', kernelSize: 3, stride: 2, padding: 1 },
  ...conv('conv5', 48, 1),
  { type: 'flatten' },
  { type: 'dense', name: 'fc1', outFeatures: 70 },
  { type: 'relu' },
  { type: 'dense', name: 'fc2', outFeatures: 3 },
]);

const chains = [
  { name: 'birbs at 16 x 24', network: birbsLike(16, 24, 2, [8, 16, 32]) },
  { name: 'birbs at 33 x 20 with odd channels', network: birbsLike(33, 20, 5, [5, 13, 7]) },
  { name: 'every layer at 24 x 30', network: everyLayer(24, 30, 3) },
  { name: 'narrow convolutions at 12 x 10', network: narrow },
];

const graphs = readJson<NetworkCase[]>('blocks.json');

describe.each(devices)('%s', (device) => {
  // metal runs chains only.
  test.each(device === 'metal' ? chains : [...chains, ...graphs])('$name', async ({ network }) => {
    // Neither is a multiple of any tile of a matrix product.
    const batchSize = 11;
    const { height, width } = network.input;
    const [size, classes] = [height * width * 3, network.classNames.length];
    const images = drawImages(3, batchSize, height, width);
    const optimizer = { kind: 'sgd' } as const;
    const session = await addon.createSession({ device, network, seed: 7, batchSize, threads: 2, optimizer });
    const whole = await session.predict(images, batchSize);
    expect(new Set(whole).size).toBe(whole.length);
    for (let first = 0; first < batchSize; first++) {
      const count = batchSize - first;
      const rest = await session.predict(images.slice(first * size), count);
      assertSame(rest, whole.subarray(first * classes), `the last ${count} images`);
    }
    await session.dispose();
  });
});
