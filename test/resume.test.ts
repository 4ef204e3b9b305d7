/** A run that was ended and gone on with; a run that goes wrong and is put right. */
import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { loadWeights } from '../src/export/weights.ts';
import type { TrainOptions } from '../src/options.ts';
import { loadCheckpoint } from '../src/run/checkpoint.ts';
import { train, trainEvents } from '../src/train.ts';
import type { TrainEvent } from '../src/training/train_events.ts';
import { assertSame } from './close.ts';
import { pictureFolder, temporaryFolder } from './images.ts';
import { type Poison, trainWith } from './poison.ts';

const folder = temporaryFolder('resume');
const photos = join(folder, 'photos');
beforeAll(() => pictureFolder(photos, 30, 90));
afterAll(() => rmSync(folder, { recursive: true }));

const options = (run: string, more: Partial<TrainOptions> = {}): Partial<TrainOptions> => ({
  ...{ data: [photos], cache: join(folder, 'cache'), imageSize: 16, batchSize: 8, epochs: 4, threads: 1 },
  ...{ device: 'cpu', run: join(folder, run), lock: join(folder, 'birbs.lock.json'), ...more },
});
const lossesOf = async (run: string) =>
  (await loadCheckpoint(join(folder, run, 'state.safetensors'))).losses!;
const bytes = (run: string, name: string) => readFileSync(join(folder, run, name));

/** Trains until a step, as if the process had died there: what a clean end would save is undone. */
async function trainUntil(run: string, step: number, more: Partial<TrainOptions> = {}) {
  const controller = new AbortController();
  const onEvent = (event: TrainEvent) => {
    if (event.type === 'step' && event.step === step) controller.abort();
  };
  await train(options(run, more), { onEvent, signal: controller.signal });
}

describe('going on', () => {
  const settings: [string, Partial<TrainOptions>][] = [
    ['default', {}],
    ['plateau, sgd, an average', { schedule: 'plateau', optimizer: 'sgd', ema: 0.9, metric: 'loss' }],
    ['one cycle, weights', { schedule: 'one-cycle', balance: 'weights', optimizer: 'adamw', clipNorm: 1 }],
  ];
  test.each(settings)('%s: at any step, to the same bytes', async (name, more) => {
    const run = name.replaceAll(/\W+/g, '-');
    await train(options(`${run}-whole`, more));
    for (const step of [1, 7, 12, 13, 30]) {
      await trainUntil(`${run}-${step}`, step, more);
      const events: TrainEvent[] = [];
      await train({ resume: join(folder, `${run}-${step}`) }, { onEvent: (event) => events.push(event) });
      for (const file of ['last.safetensors', 'best.safetensors'])
        expect(
          bytes(`${run}-${step}`, file).equals(bytes(`${run}-whole`, file)),
          `${file} from ${step}`,
        ).toBe(true);
      assertSame(await lossesOf(`${run}-${step}`), await lossesOf(`${run}-whole`), `losses from ${step}`);
      const start = events.find((event) => event.type === 'start');
      expect(start!.resumed!.step).toBeGreaterThanOrEqual(step);
      const past = events.find((event) => event.type === 'past')!;
      expect(past.steps.map((point) => point.step)).toEqual(
        [1, 20].filter((told) => told <= start!.resumed!.step),
      );
      expect(past.epochs).toHaveLength(start!.resumed!.epoch);
      // The log is that of a run in one piece.
      const lines = (log: string) =>
        bytes(log, 'metrics.jsonl')
          .toString()
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line))
          .map(({ type, step, loss, trainLoss, validation, suspects }) => ({
            ...{ type, step, loss, trainLoss, validation, suspects },
          }));
      expect(lines(`${run}-${step}`)).toEqual(lines(`${run}-whole`));
    }
  });

  test('from the checkpoint before, if the newest is damaged; says so', async () => {
    cpSync(join(folder, 'default-13'), join(folder, 'damaged'), { recursive: true });
    const state = bytes('damaged', 'state.safetensors');
    state[state.length - 9]! ^= 4;
    writeFileSync(join(folder, 'damaged/state.safetensors'), state);
    let remarks: string[] = [];
    const onEvent = (event: TrainEvent) => {
      if (event.type === 'start') remarks = event.remarks;
    };
    await train({ resume: join(folder, 'damaged') }, { onEvent });
    expect(remarks).toEqual([expect.stringMatching(/checksum is another.*resuming from .*previous/)]);
    expect(bytes('damaged', 'last.safetensors').equals(bytes('default-whole', 'last.safetensors'))).toBe(
      true,
    );
  });

  test('refuses other options and other images, and with --force says what it ignores', async () => {
    const own = join(folder, 'own');
    cpSync(photos, own, { recursive: true });
    await trainUntil('changed', 14, { data: [own] });
    const resume = join(folder, 'changed');
    await expect(train({ resume, batchSize: 16 })).rejects.toThrow(
      /keep its own options, but --batch-size is 16 where the run has 8; leave it out, or add --force$/,
    );
    await expect(train({ resume, run: join(folder, 'other') })).rejects.toThrow(
      /found --run .*leave it out$/,
    );
    rmSync(join(own, 'not-bird', readdirSync(join(own, 'not-bird'))[0]!));
    await expect(train({ resume })).rejects.toThrow(/run again with --update-lock to accept$/);
    await expect(train({ resume, updateLock: true })).rejects.toThrow(
      /the images differ from those it was trained on/,
    );
    let remarks: string[] = [];
    const onEvent = (event: TrainEvent) => {
      if (event.type === 'start') remarks = event.remarks;
    };
    const results = await train({ resume, force: true, epochs: 3, updateLock: true }, { onEvent });
    expect(remarks).toEqual([expect.stringMatching(/^--force: the images differ .*; epoch 2 is restarted$/)]);
    expect(results).toMatchObject({ status: 'done', epochs: 3 });
  });

  test('a disk that is full loses nothing that was saved', async () => {
    await trainUntil('full-disk', 13);
    const before = bytes('full-disk', 'state.safetensors');
    const resume = join(folder, 'full-disk');
    const command = `ulimit -f 400; exec "$0" --import tsx src/train.ts --resume '${resume}' --ui none`;
    const ended = spawnSync('bash', ['-c', command, process.execPath], { encoding: 'utf8' });
    expect(ended.stderr.trim()).toMatch(
      /^Error: Could not save .*: the disk is full \(.* MB were needed\); files saved before are intact; free some space and continue with --resume \S*full-disk$/,
    );
    expect(ended.status).toBe(1);
    expect(bytes('full-disk', 'state.safetensors').equals(before)).toBe(true);
    await train({ resume });
    expect(bytes('full-disk', 'last.safetensors').equals(bytes('default-whole', 'last.safetensors'))).toBe(
      true,
    );
  });

  test('a clock that jumps changes nothing', async () => {
    let days = 0;
    const now = Date.now;
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => now() + (days++ % 2 ? 1 : -1) * 864e5);
    await trainUntil('jumping', 20);
    await train({ resume: join(folder, 'jumping') });
    clock.mockRestore();
    expect(days).toBeGreaterThan(0);
    expect(bytes('jumping', 'last.safetensors').equals(bytes('default-whole', 'last.safetensors'))).toBe(
      true,
    );
  });

  test.each([
    ['no folder', 'nowhere', /in .*nowhere there is no run\.json$/],
    ['no run', 'photos', /in .*photos there is no run\.json$/],
  ])('%s is refused', async (_, name, message) => {
    await expect(train({ resume: join(folder, name) })).rejects.toThrow(message);
  });
});

describe('the guard', () => {
  const trainPoisoned = (run: string, poison: Poison) => trainWith(poison, options(run, { epochs: 12 }));

  const spoil =
    (change: (value: number, i: number) => number): Poison =>
    async (session, step) => {
      if (step !== 40 && step !== 77) return;
      const values = await session.getParameters();
      await session.setParameters(values.map(change));
    };

  test('a training that is left in peace is never touched', async () => {
    const { results, rollbacks } = await trainPoisoned('peace', async () => {});
    expect(rollbacks).toEqual([]);
    expect(results).toMatchObject({ status: 'done', epochs: 12 });
    expect(results.best!.balancedAccuracy).toBeGreaterThan(0.95);
  });

  test.each([
    ['NaN', () => Number.NaN, 'loss-not-finite'],
    ['wild weights', (value: number, i: number) => (i % 2 === 0 ? 100 : -100) * value, 'loss-jump'],
  ])('%s: back, around and on', async (name, change, kind) => {
    const run = `poison-${name}`;
    const { results, rollbacks } = await trainPoisoned(run, spoil(change));
    expect(rollbacks).toHaveLength(2);
    expect(rollbacks[0]).toMatchObject({
      kind,
      rollbacks: 1,
      allowed: 10,
      newLearningRate: expect.any(Number),
    });
    expect(rollbacks[0]!.newLearningRate).toBe(rollbacks[0]!.learningRate / 2);
    expect(rollbacks[0]!.images.length).toBeGreaterThanOrEqual(8);
    expect(results).toMatchObject({ status: 'done', epochs: 12 });
    expect(results.best!.balancedAccuracy).toBeGreaterThan(0.95);
    const { values } = await loadWeights(join(folder, run, 'last.safetensors'));
    expect(values.every(Number.isFinite)).toBe(true);
    // A busy machine may be noticed as well.
    const files = readdirSync(join(folder, run, 'incidents')).filter((file) => !file.includes('slow'));
    expect(files.map((file) => file.slice(5))).toEqual([`${kind}.json`, `${kind}.json`]);
  });

  test('gives up after its budget, with the last good state saved', async () => {
    const always: Poison = async (session, step) => {
      if (step > 30) await session.setParameters((await session.getParameters()).fill(Number.NaN));
    };
    await expect(trainPoisoned('hopeless', always)).rejects.toThrow(
      /^At step \d+ the loss is NaN after 10 rollbacks .*try a tenth/,
    );
    const results = JSON.parse(bytes('hopeless', 'results.json').toString());
    expect(results).toMatchObject({ status: 'failed' });
    expect(results.incidents).toBeGreaterThanOrEqual(10);
    const { values } = await loadWeights(join(folder, 'hopeless/last.safetensors'));
    expect(values.every(Number.isFinite)).toBe(true);
  });
});

test('as an async iterator, left early: saved, and gone on with', async () => {
  const seen: string[] = [];
  for await (const event of trainEvents(options('iterated'))) {
    seen.push(event.type);
    if (event.type === 'step' && event.step === 5) break;
  }
  expect(seen.slice(0, 3)).toEqual(['device', 'reading', 'reading']);
  const results = JSON.parse(bytes('iterated', 'results.json').toString());
  expect(results).toMatchObject({ status: 'interrupted' });
  expect((await train({ resume: join(folder, 'iterated') })).status).toBe('done');
});

test('learning rates are tried first where that is asked for, and the run begins as if they had not been', async () => {
  const events: TrainEvent[] = [];
  const given = options('swept', { findLr: true, epochs: 2 });
  await train(given, { onEvent: (event) => events.push(event) });
  const sweep = events.find((event) => event.type === 'sweep')!;
  expect(sweep.suggestion).toBe(sweep.learningRate);
  const { learningRate } = JSON.parse(bytes('swept', 'run.json').toString()).options;
  expect(learningRate).toBe(sweep.learningRate);
  await train(options('unswept', { epochs: 2, learningRate }));
  expect(bytes('swept', 'last.safetensors').equals(bytes('unswept', 'last.safetensors'))).toBe(true);
});

test('what holds a run up is what its advice says', async () => {
  const writing = await train(options('slow-host', { epochs: 2 }), {
    onEvent: (event) => {
      // A program that works at each step.
      if (event.type === 'step') for (const end = performance.now() + 40; performance.now() < end; );
    },
  });
  expect(writing.advice).toMatch(/^Small steps limit you/);
  const total = Object.values(writing.time).reduce((a, b) => a + b);
  expect(Math.abs(total - writing.seconds)).toBeLessThan(0.02 * writing.seconds);
});

test('a run ends when its time is up, with a validation', async () => {
  const { epochs: _, ...timeless } = options('timed', { time: 2.5 });
  const results = await train(timeless);
  expect(results).toMatchObject({ status: 'done', stopped: 'time' });
  expect(results.final).not.toBeNull();
  expect(results.seconds).toBeGreaterThan(2.5);
  // It may be gone on with, given more time.
  const more = await train({ resume: join(folder, 'timed'), time: 4 });
  expect(more.steps).toBeGreaterThan(results.steps);
});

test('a run that is done says so when it is gone on with', async () => {
  await train(options('over', { epochs: 1 }));
  let remarks: string[] = [];
  const onEvent = (event: TrainEvent) => {
    if (event.type === 'start') remarks = event.remarks;
  };
  await train({ resume: join(folder, 'over') }, { onEvent });
  expect(remarks).toEqual([expect.stringMatching(/all its epochs \(1\).*a larger --epochs goes on$/)]);
  expect((await train({ resume: join(folder, 'over'), epochs: 2 }, { onEvent })).epochs).toBe(2);
  expect(remarks).toEqual([]);
});

test('a wrong option leaves no folder behind', async () => {
  const { run, ...unnamed } = options('wrong');
  await expect(train({ ...unnamed, run: run!, batchSize: 60_000 })).rejects.toMatchObject({ exitCode: 2 });
  expect(readdirSync(run!)).toEqual([]);
});

test('a run ends when there is nothing to hope for', async () => {
  const results = await train(options('patient', { epochs: 500, patience: 3, learningRate: 1e-9 }));
  expect(results).toMatchObject({ stopped: 'patience', status: 'done' });
  expect(results.epochs).toBeLessThan(20);
});
