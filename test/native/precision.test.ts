import { describe, expect, test } from 'vitest';
import type { SessionOptions } from '../../src/model/addon.ts';
import { birbsBn } from '../../src/model/presets.ts';
import { assertClose, assertSame, passTolerance } from '../close.ts';
import { addon, devices } from './devices.ts';
import { meanOf } from './numbers.ts';

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
        const { loss, imageLosses } = await session.trainStep(images, labels, 1e-3);
        losses[precision].push(loss);
        // In float32 whatever the network computes in.
        assertClose([meanOf(imageLosses)], [loss], passTolerance);
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

  test.each(devices.filter((device) => device === 'metal'))(
    '%s: a skipped step has never been, for the optimizer, as with torch.amp.GradScaler',
    async (device) => {
      const open = () => addon.createSession({ ...options(device, 'fp16') });
      const rate = 1e-3;
      // So large a scale overflows for some steps, all of them in flight before anyone knows.
      const [first, empty] = [await open(), await open()];
      const none = await empty.getOptimizerState();
      expect(none).toMatchObject({ step: 0, skipped: 0, lossScale: 2 ** 16, cleanSteps: 0 });
      await first.setOptimizerState({ ...none, lossScale: 2 ** 24 });
      const results = await Promise.all(
        Array.from({ length: 12 }, () => first.trainStep(images, labels, rate)),
      );
      const skips = results.filter(({ gradientNorm }) => !Number.isFinite(gradientNorm)).length;
      expect(skips).toBeGreaterThan(3);
      expect(skips).toBeLessThan(10);
      const state = await first.getOptimizerState();
      expect(state).toMatchObject({
        ...{ step: 12, skipped: skips, lossScale: 2 ** (24 - skips), cleanSteps: 12 - skips },
      });

      // The same without the overflows; the step still counts for dropout.
      const before = await empty.getParameters();
      await empty.setOptimizerState({ ...none, step: skips, skipped: skips, lossScale: state.lossScale! });
      await empty.trainStep(images, labels, rate);
      const once = await empty.getParameters();
      for (let i = skips + 1; i < 12; i++) await empty.trainStep(images, labels, rate);
      assertSame(await first.getParameters(), await empty.getParameters());
      const { values: moments, ...counts } = await empty.getOptimizerState();
      assertSame(state.values, moments);
      expect(state).toMatchObject(counts);

      // Corrected as a first step is: Adam moves a weight by the learning rate.
      const weights = first.parameters.find(({ name }) => name === 'conv1.weight')!;
      const moved = Array.from({ length: weights.size }, (_, i) =>
        Math.abs(once[weights.offset + i]! - before[weights.offset + i]!),
      );
      expect(Math.max(...moved) / rate).toBeCloseTo(1, 2);
      await Promise.all([first.dispose(), empty.dispose()]);
    },
  );

  test.each(devices.filter((device) => device === 'metal'))(
    '%s: the loss scale doubles after 2,000 steps, and goes with the state',
    async (device) => {
      const session = await addon.createSession(options(device, 'fp16'));
      const { values } = await session.getOptimizerState();
      const set = { step: 5, skipped: 2, lossScale: 512, cleanSteps: 1998, values };
      await session.setOptimizerState(set);
      const { values: found, ...counts } = await session.getOptimizerState();
      expect(counts).toEqual({ step: 5, skipped: 2, lossScale: 512, cleanSteps: 1998 });
      assertSame(found, values);
      await session.trainStep(images, labels, 1e-4);
      expect(await session.getOptimizerState()).toMatchObject({ lossScale: 512, cleanSteps: 1999 });
      await session.trainStep(images, labels, 1e-4);
      expect(await session.getOptimizerState()).toMatchObject({ lossScale: 1024, cleanSteps: 0 });
      await session.dispose();
    },
  );

  test.each(devices)('%s: keeps what it is told of float16, and refuses what can not be', async (device) => {
    const session = await addon.createSession(options(device, 'fp32'));
    const { values } = await session.getOptimizerState();
    const told = { step: 9, skipped: 4, lossScale: 512, cleanSteps: 7 };
    const set = { ...told, values };
    await session.setOptimizerState(set);
    expect(await session.getOptimizerState()).toMatchObject(told);
    await session.setParameters(await session.getParameters());
    expect(await session.getOptimizerState()).toMatchObject(told);
    await expect(session.setOptimizerState({ ...set, skipped: 10 })).rejects.toThrow(
      'expected at most 9 skipped steps, found 10',
    );
    for (const lossScale of [-1, Number.NaN])
      await expect(session.setOptimizerState({ ...set, lossScale })).rejects.toThrow(/loss ?[sS]cale/);
    expect(await session.getOptimizerState()).toMatchObject(told);
    await session.dispose();
  });

  test('another word is refused', async () => {
    await expect(addon.createSession(options('cpu', 'fp8' as never))).rejects.toThrow(
      'Expected fp32 or fp16 for precision but received "fp8"',
    );
  });
});
