import { describe, expect, test } from 'vitest';
import type { SessionOptions } from '../../src/model/addon.ts';
import { birbsBn } from '../../src/model/network.ts';
import { addon, devices } from './devices.ts';

const options = (device: SessionOptions['device'], precision: 'fp32' | 'fp16'): SessionOptions => ({
  ...{ device, precision, seed: 5, batchSize: 8, threads: 1, optimizer: { kind: 'adamw' } },
  network: birbsBn({ imageSize: 16, classNames: ['bird', 'not-bird'] }),
});

const images = Uint8Array.from({ length: 8 * 16 * 16 * 3 }, (_, i) => (i * i * 31 + (i >> 5)) & 255);
const labels = Int32Array.from({ length: 8 }, (_, i) => i % 2);

describe('precision', () => {
  test.each(devices)('%s computes in float16 close to float32, or says that it can not', async (device) => {
    if (device !== 'metal') {
      await expect(addon.createSession(options(device, 'fp16'))).rejects.toThrow(
        `the device ${device} computes in float32 only; use precision fp32, or the device metal`,
      );
      return;
    }
    const losses: Record<string, number[]> = {};
    for (const precision of ['fp32', 'fp16'] as const) {
      const session = await addon.createSession(options(device, precision));
      losses[precision] = [];
      for (let i = 0; i < 20; i++) {
        losses[precision].push((await session.trainStep(images, labels, 1e-3)).loss);
      }
      await session.dispose();
    }
    const [full, half] = [losses.fp32!, losses.fp16!];
    expect(half).not.toEqual(full);
    expect(half.at(-1)!).toBeLessThan(half[0]! / 2);
    for (const [i, loss] of half.entries()) expect(Math.abs(loss - full[i]!)).toBeLessThan(0.05);
  });

  test.each(devices.filter((device) => device === 'metal'))(
    '%s: an overflow skips the step and shrinks the loss scale',
    async (device) => {
      const session = await addon.createSession({
        ...options(device, 'fp16'),
        // So large a weight on a class overflows float16 until the scale has shrunk.
        classWeights: [1e-3, 1],
        labelSmoothing: 0,
      });
      const before = await session.getParameters();
      const huge = before.map((value, i) =>
        session.parameters.some(
          ({ name, offset, size }) => name === 'fc2.weight' && i >= offset && i < offset + size,
        )
          ? value * 2e4
          : value,
      );
      await session.setParameters(huge);
      const first = await session.trainStep(images, labels, 1e-3);
      expect(Number.isFinite(first.gradientNorm)).toBe(false);
      // Skipped: no weight moved, running statistics included.
      expect(await session.getParameters()).toEqual(huge);
      let steps = 1;
      while (!Number.isFinite((await session.trainStep(images, labels, 1e-6)).gradientNorm) && steps < 40)
        steps++;
      expect(steps).toBeLessThan(40);
      expect(await session.getParameters()).not.toEqual(huge);
      await session.dispose();
    },
  );

  test('another word is refused', async () => {
    await expect(addon.createSession(options('cpu', 'fp8' as never))).rejects.toThrow(
      'Expected fp32 or fp16 for precision but received "fp8"',
    );
  });
});
