/** A run that goes on from the files of a checkpoint, on another device and back. */
import { rmSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import type { DeviceName, NativeSession, SessionOptions } from '../../src/model/addon.ts';
import { newestCheckpoint, saveCheckpoint } from '../../src/run/checkpoint.ts';
import { startPosition } from '../../src/training/training_state.ts';
import { assertClose, assertSame, stepsTolerance } from '../close.ts';
import { temporaryFolder } from '../images.ts';
import { addon, devices } from './devices.ts';
import { smooth } from './networks.ts';
import { drawImages, drawLabels } from './numbers.ts';

const folder = temporaryFolder('resume');
afterAll(() => rmSync(folder, { recursive: true }));

const network = smooth(11, 14, 3);
const batchSize = 6;
const optimizers: SessionOptions['optimizer'][] = [
  { kind: 'sgd', momentum: 0.9, weightDecay: 0.001 },
  { kind: 'adam', epsilon: 1e-5 },
  { kind: 'adamw', epsilon: 1e-5, weightDecay: 0.01 },
];
/** A way of steps: on each device up to a step. */
type Way = [device: DeviceName, last: number][];

/** Takes the steps; between two sessions there are only the files of a checkpoint. */
async function run(name: string, way: Way, options: Pick<SessionOptions, 'optimizer' | 'precision'>) {
  const losses: number[] = [];
  let first = 0;
  let session: NativeSession | undefined;
  for (const [device, last] of way) {
    const next = await addon.createSession({
      ...{ device, network, seed: 4, batchSize, threads: 1, clipNorm: 1, ...options },
    });
    if (session) {
      const position = { ...startPosition(4), step: first };
      const [values, optimizer] = await Promise.all([session.getParameters(), session.getOptimizerState()]);
      await saveCheckpoint(folder, { network, dataHash: 'abc', position, values, optimizer });
      await session.dispose();
      const state = (await newestCheckpoint(folder, () => {}))!;
      expect(state.position, name).toEqual(position);
      await next.restore(state.values, state.optimizer);
    }
    session = next;
    for (let step = first; step < last; step++) {
      const count = step % 3 === 2 ? batchSize - 2 : batchSize;
      const images = drawImages(step % 4, count, network.input.height, network.input.width);
      const labels = drawLabels(50 + (step % 4), count, network.classNames.length);
      losses.push((await session.trainStep(images, labels, 0.0005)).loss);
    }
    first = last;
  }
  const [values, state] = [await session!.getParameters(), await session!.getOptimizerState()];
  await session!.dispose();
  return { losses, values, state };
}

describe.each(devices.filter((device) => device !== 'cpu'))('from cpu to %s and back', (device) => {
  test.each(optimizers)('as if it had stayed on cpu: $kind', async (optimizer) => {
    const through = await run('through', [['cpu', 30]], { optimizer });
    const way: Way = [
      ['cpu', 10],
      [device, 20],
      ['cpu', 30],
    ];
    const there = await run('there and back', way, { optimizer });
    assertClose(there.losses, through.losses, stepsTolerance, 'losses');
    assertClose(there.values, through.values, stepsTolerance, 'parameters');
    assertClose(there.state.values, through.state.values, stepsTolerance, 'moments');
    expect(there.state.step).toBe(30);
    // Without the files it would be another run.
    const anew = await run('anew', [[device, 20]], { optimizer });
    expect(() => assertClose(anew.values, through.values, stepsTolerance, 'parameters')).toThrow();
  });
});

const precise = devices.flatMap((device) =>
  (device === 'metal' ? (['fp32', 'fp16'] as const) : (['fp32'] as const)).map((precision) => ({
    device,
    precision,
  })),
);

test.each(precise)('$device, $precision: from files, byte for byte', async ({ device, precision }) => {
  for (const optimizer of optimizers) {
    const options = { optimizer, precision };
    const through = await run('through', [[device, 20]], options);
    const way: Way = [
      [device, 7],
      [device, 20],
    ];
    const resumed = await run('resumed', way, options);
    expect(resumed.losses).toEqual(through.losses);
    assertSame(resumed.values, through.values);
    const { values: moments, ...counts } = through.state;
    expect(resumed.state).toMatchObject(counts);
    assertSame(resumed.state.values, moments);
  }
});
