/** The parameters a session starts with: PyTorch's distribution, Philox's words. */
import { describe, expect, test } from 'vitest';
import { addon, devices } from './devices.ts';
import { network } from './networks.ts';

/** Fan-in of each layer: input channels of a group times the kernel, or features. */
const fanIn: Record<string, number> = { conv1: 3 * 3 * 2, conv2: 4 * 3 * 3, fc: 6 * 3 * 4 };

const net = network(5, 5, 7, [
  { type: 'conv2d', name: 'conv1', outChannels: 8, kernelSize: [3, 2] },
  { type: 'batchNorm2d', name: 'bn' },
  { type: 'conv2d', name: 'conv2', outChannels: 6, kernelSize: 3, groups: 2, padding: 1 },
  { type: 'flatten' },
  { type: 'dense', name: 'fc', outFeatures: 7 },
]);

describe.each(devices)('%s', (device) => {
  test('is Kaiming uniform as in Conv2d and Linear: word i of the stream of each parameter', async () => {
    const seed = 2 ** 40 + 3;
    const options = { device, network: net, seed, batchSize: 2, threads: 1 };
    const session = await addon.createSession({ ...options, optimizer: { kind: 'sgd' } });
    const values = await session.getParameters();
    for (const [index, { name, offset, size }] of session.parameters.entries()) {
      const found = [...values.subarray(offset, offset + size)];
      const [layer, kind] = name.split('.') as [string, string];
      if (layer === 'bn') {
        const value = kind === 'weight' || kind === 'running_var' ? 1 : 0;
        expect(found, name).toEqual(new Array(size).fill(value));
        continue;
      }
      const bound = Math.fround(1 / Math.sqrt(fanIn[layer]!));
      const words = await addon.philox(seed, index, 0, size);
      const expected = Array.from(words, (word) => Math.fround(((2 * (word >>> 8)) / 2 ** 24 - 1) * bound));
      expect(found, name).toEqual(expected);
    }
    await session.dispose();
  });
});
