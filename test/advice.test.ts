/** Each part of a run made slow on purpose: the advice names it, and what it advises takes the slowness away. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadAddon, type NativePixels, type NativeSession } from '../src/model/addon.ts';
import type { TrainOptions } from '../src/options.ts';
import { train } from '../src/train.ts';
import { limitOf } from '../src/training/advice.ts';
import type { Results } from '../src/training/results.ts';
import type { TrainEvent } from '../src/training/train_events.ts';
import { pictureFolder, temporaryFolder } from './images.ts';

const folder = temporaryFolder('advice');
const photos = join(folder, 'photos');
beforeAll(() => pictureFolder(photos, 40, 60));
afterAll(() => rmSync(folder, { recursive: true }));

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));
let runs = 0;

interface Slowness {
  /** Milliseconds of each call. */
  session?: Partial<Record<keyof NativeSession, number>>;
  pixels?: number;
  onEvent?: (event: TrainEvent) => void;
}

/** Replaces methods of an object by ones that take longer. */
function slowed<T extends object>(object: T, slow: Partial<Record<keyof T, number>>): T {
  return new Proxy(object, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      const milliseconds = slow[name as keyof T] ?? 0;
      if (milliseconds === 0) return value.bind(target);
      return async (...given: unknown[]) => {
        await pause(milliseconds);
        return value.apply(target, given);
      };
    },
  });
}

async function run(slow: Slowness, more: Partial<TrainOptions> = {}): Promise<Results> {
  const addon = loadAddon();
  const { createSession, openPixels } = addon;
  addon.createSession = async (given) => slowed(await createSession.call(addon, given), slow.session ?? {});
  addon.openPixels = async (...given) =>
    slowed<NativePixels>(await openPixels.apply(addon, given), slow.pixels ? { assemble: slow.pixels } : {});
  try {
    const options: Partial<TrainOptions> = {
      ...{ data: [photos], cache: join(folder, 'cache'), lock: join(folder, 'birbs.lock.json') },
      ...{ imageSize: 16, batchSize: 8, epochs: 3, threads: 1, device: 'cpu' },
      ...{ run: join(folder, `run-${runs++}`), ...more },
    };
    return await train(options, slow.onEvent ? { onEvent: slow.onEvent } : {});
  } finally {
    Object.assign(addon, { createSession, openPixels });
  }
}

/** Of the activity that limits the run, in the whole. */
const share = ({ time }: Results, activity: keyof Results['time']) =>
  time[activity] / Object.values(time).reduce((a, b) => a + b);

test('the parts sum to the whole', async () => {
  const results = await run({});
  const total = Object.values(results.time).reduce((a, b) => a + b);
  expect(Math.abs(total - results.seconds)).toBeLessThan(0.02 * results.seconds);
});

test('reading: images never seen; gone when they are in the cache', async () => {
  const cache = join(folder, 'new-cache');
  const first = await run({}, { cache, epochs: 1, imageSize: 24 });
  const second = await run({}, { cache, epochs: 1, imageSize: 24 });
  expect(first.time.reading).toBeGreaterThan(second.time.reading);
});

test('data: batches that come late', async () => {
  const results = await run({ pixels: 60 });
  expect(limitOf(results.time)).toBe('data');
  expect(results.advice).toMatch(/^Waiting for data limits you/);
});

test('device', async () => {
  const results = await run({ session: { trainStep: 150 } });
  expect(limitOf(results.time)).toBe('device');
});

test('saving: rarer checkpoints, less of it', async () => {
  const slow = { session: { getParameters: 300 } };
  const results = await run(slow, { checkpointMinutes: 0.01 });
  expect(limitOf(results.time)).toBe('saving');
  expect(results.advice).toMatch(/a larger --checkpoint-minutes/);
});

test('validation: fewer images, less of it', async () => {
  const slow = { session: { predict: 100 } };
  const many = await run(slow, { valFraction: 0.7 });
  expect(limitOf(many.time)).toBe('validation');
  expect(many.advice).toMatch(/a smaller --val-fraction/);
  const few = await run(slow, { valFraction: 0.1 });
  expect(few.time.validation).toBeLessThan(many.time.validation / 2);
});

test('host: larger batches, less of it', async () => {
  const onEvent = (event: TrainEvent) => {
    if (event.type === 'step') for (const end = performance.now() + 60; performance.now() < end; );
  };
  const small = await run({ onEvent });
  expect(limitOf(small.time)).toBe('host');
  expect(small.advice).toMatch(/a larger --batch-size/);
  const large = await run({ onEvent }, { batchSize: 32 });
  expect(large.time.host).toBeLessThan(small.time.host / 2);
  expect(share(large, 'host')).toBeLessThan(share(small, 'host'));
});
