/** A run folder with damaged or missing files: what --resume puts right, and what it tells. */
import { copyFileSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadWeights } from '../../src/export/weights.ts';
import type { Metrics } from '../../src/metrics/metrics.ts';
import { networkShapes, parameterCount } from '../../src/model/network_shapes.ts';
import { birbsBn } from '../../src/model/presets.ts';
import { startRecord } from '../../src/run/record.ts';
import { openRun } from '../../src/run/resume.ts';
import { saveDescription } from '../../src/run/run_folder.ts';
import { loadRunWeights } from '../../src/run/run_weights.ts';
import { Stopwatch } from '../../src/training/stopwatch.ts';
import type { EpochEvent } from '../../src/training/training_events.ts';
import { type EpochMetrics, type Snapshot, startPosition } from '../../src/training/training_state.ts';
import { temporaryFolder } from '../images.ts';

let folder: string;
beforeEach(() => {
  folder = temporaryFolder('mend');
});
afterEach(() => rmSync(folder, { recursive: true }));

const network = birbsBn({ imageSize: 8, classNames: ['bird', 'not-bird'] });
const count = parameterCount(networkShapes(network));
const description = { options: { epochs: 9, batchSize: 7 }, tool: { 'birbs-metal': '0' } };

/** Weights that are the number of the epoch. */
const after = (epoch: number, best: EpochMetrics | null): Snapshot => ({
  position: { ...startPosition(1), epoch, step: 10 * epoch, batch: 10 * epoch, best },
  values: new Float32Array(count).fill(epoch),
  optimizer: { step: epoch, values: new Float32Array(2) },
});
const scores = { precision: 1, recall: 1, f1: 1, auroc: 1, averagePrecision: 1 };
const metrics = (balancedAccuracy: number) =>
  ({
    balancedAccuracy,
    confusion: [
      [1, 0],
      [0, 1],
    ],
    perClass: [scores, scores],
  }) as unknown as Metrics;

/** A run of three epochs, of these accuracies. */
async function trained(accuracies: number[]): Promise<void> {
  await saveDescription(folder, description);
  const facts = { folder, network, description, dataHash: 'abc', device: 'cpu', majorityAccuracy: 0.5 };
  const advice = { precision: 'fp32', streams: false, headOnly: false } as const;
  const record = await startRecord({ ...facts, ...advice, clock: new Stopwatch() }, after(0, null));
  let best: EpochMetrics | null = null;
  for (const [i, accuracy] of accuracies.entries()) {
    const isBest = accuracy > (best?.balancedAccuracy ?? 0);
    if (isBest) best = { epoch: i + 1, ...metrics(accuracy) };
    const event: EpochEvent = {
      ...{ type: 'epoch', epoch: i + 1, epochs: 9, step: 10 * (i + 1), progress: 1, trainLoss: 1, isBest },
      ...{ trainAccuracy: 0.5, learningRate: 1, images: 1, seconds: 1, imagesPerSecond: 1, secondsLeft: 1 },
      validation: metrics(accuracy),
    };
    await record.add(event);
    await record.add({ type: 'snapshot', snapshot: after(i + 1, best) });
  }
  await record.end('interrupted');
}

const path = (name: string) => join(folder, name);
const damage = {
  missing: (name: string) => rmSync(path(name)),
  truncated: (name: string) => {
    const bytes = readFileSync(path(name));
    writeFileSync(path(name), bytes.subarray(0, bytes.length - 100));
  },
  flipped: (name: string) => {
    const bytes = readFileSync(path(name));
    bytes[bytes.length - 100]! ^= 1;
    writeFileSync(path(name), bytes);
  },
};
const kinds = ['missing', 'truncated', 'flipped'] as const;

/** Resumes as `train` does, until the first checkpoint is written. */
async function resume() {
  const resumed = await openRun({ resume: folder }, async () => {});
  const { checkpoint, remarks } = resumed;
  const facts = { folder, network, description, dataHash: 'abc', device: 'cpu', majorityAccuracy: 0.5 };
  const advice = { precision: 'fp32', streams: false, headOnly: false } as const;
  const clock = new Stopwatch();
  const record = await startRecord({ ...facts, ...advice, clock, before: checkpoint!.run }, checkpoint!);
  return { ...resumed, record, remarks, best: checkpoint!.position.best };
}

describe.each(kinds)('best.safetensors %s', (kind) => {
  const said = kind === 'missing' ? 'is missing' : 'is damaged';

  test('is written again, byte for byte, from the checkpoint that has its weights', async () => {
    await trained([0.6, 0.7, 0.8]);
    const whole = readFileSync(path('best.safetensors'));
    damage[kind]('best.safetensors');
    const { remarks } = await resume();
    expect(remarks).toEqual([`best.safetensors ${said}: restored from the checkpoint`]);
    expect(readFileSync(path('best.safetensors')).equals(whole)).toBe(true);
  });

  test('or from the one before', async () => {
    await trained([0.6, 0.8, 0.7]);
    const whole = readFileSync(path('best.safetensors'));
    damage[kind]('best.safetensors');
    const { remarks, best } = await resume();
    expect(remarks).toEqual([`best.safetensors ${said}: restored from the checkpoint before the last`]);
    expect(best!.epoch).toBe(2);
    expect(readFileSync(path('best.safetensors')).equals(whole)).toBe(true);
  });

  test('is told where no checkpoint has them, and the search restarts', async () => {
    await trained([0.9, 0.8, 0.7]);
    damage[kind]('best.safetensors');
    const { remarks, best } = await resume();
    expect(remarks).toEqual([
      `best.safetensors ${said}, and no checkpoint has the weights of epoch 1: the search for the best epoch restarts with epoch 3`,
    ]);
    expect(best).toMatchObject({ epoch: 3, balancedAccuracy: 0.7 });
    const { values, metadata } = await loadWeights(path('best.safetensors'));
    expect([values[0], JSON.parse(metadata.metrics!).epoch]).toEqual([3, 3]);
  });
});

test.each(['truncated', 'flipped'] as const)(
  'best.safetensors %s: refused by predict, with the way out',
  async (kind) => {
    await trained([0.6]);
    damage[kind]('best.safetensors');
    await expect(loadRunWeights(path('best.safetensors'))).rejects.toThrow(
      /(is damaged|get it again); train --resume \S+ writes it again if a checkpoint has it$/,
    );
  },
);

test.each(kinds)('last.safetensors %s: restored from the checkpoint', async (kind) => {
  await trained([0.9, 0.8]);
  const whole = readFileSync(path('last.safetensors'));
  damage[kind]('last.safetensors');
  const { remarks } = await resume();
  expect(remarks).toEqual([
    `last.safetensors ${kind === 'missing' ? 'is missing' : 'is damaged'}: restored from the checkpoint`,
  ]);
  expect(readFileSync(path('last.safetensors')).equals(whole)).toBe(true);
});

test('best.safetensors of an earlier epoch is noticed', async () => {
  await trained([0.7]);
  copyFileSync(path('best.safetensors'), path('old'));
  rmSync(path('run.json'));
  for (const name of readdirSync(folder)) if (name !== 'old') rmSync(path(name));
  await trained([0.7, 0.8]);
  copyFileSync(path('old'), path('best.safetensors'));
  expect((await resume()).remarks).toEqual([
    'best.safetensors is of epoch 1 and not of epoch 2: restored from the checkpoint',
  ]);
});

test('nothing is said of a folder that is whole', async () => {
  await trained([0.6, 0.8, 0.7]);
  expect((await resume()).remarks).toEqual([]);
});

describe('run.json', () => {
  test.each([
    ['missing', () => rmSync(path('run.json')), 'there is no run.json'],
    ['cut short', () => writeFileSync(path('run.json'), '{"options":'), 'run.json is damaged or was changed'],
    [
      'with another number in it',
      () =>
        writeFileSync(
          path('run.json'),
          readFileSync(path('run.json'), 'utf8').replace('"batchSize": 7', '"batchSize": 5'),
        ),
      'run.json is damaged or was changed',
    ],
  ])('%s: taken from the checkpoint, and told', async (_, harm, said) => {
    await trained([0.6]);
    harm();
    const { remarks, options } = await resume();
    expect(remarks).toEqual([`In ${folder} ${said}: restored from the checkpoint`]);
    expect(options).toMatchObject({ epochs: 9, batchSize: 7 });
  });

  test('of a run without a checkpoint is refused', async () => {
    await saveDescription(folder, description);
    writeFileSync(path('run.json'), '{}');
    await expect(openRun({ resume: folder }, async () => {})).rejects.toThrow(/run.json is damaged/);
  });
});

test('images and network that are described at length do not swell the checkpoints', async () => {
  const long = { ...description, data: { skipped: Array(1e5).fill('x'.repeat(50)) }, network };
  const facts = { folder, network, description: long, dataHash: 'abc', device: 'cpu', majorityAccuracy: 0.5 };
  await startRecord(
    { ...facts, precision: 'fp32', streams: false, headOnly: false, clock: new Stopwatch() },
    after(0, null),
  );
  expect(statSync(path('state.safetensors')).size).toBeLessThan(3 * 4 * count);
  rmSync(path('run.json'), { force: true });
  expect((await openRun({ resume: folder }, async () => {})).options).toMatchObject({ batchSize: 7 });
});

describe('metrics.jsonl', () => {
  const lines = () => readFileSync(path('metrics.jsonl'), 'utf8').split('\n');

  test.each([
    ['missing', () => rmSync(path('metrics.jsonl')), 'is missing'],
    [
      'cut short',
      () => writeFileSync(path('metrics.jsonl'), lines().join('\n').slice(0, -20)),
      'is damaged (1 of 3 lines)',
    ],
    [
      'without a line',
      () => writeFileSync(path('metrics.jsonl'), lines().slice(1).join('\n')),
      'is damaged (1 of 3 lines)',
    ],
    [
      'with another number in it',
      () =>
        writeFileSync(path('metrics.jsonl'), lines().join('\n').replaceAll('"trainLoss":1', '"trainLoss":2')),
      'is damaged (3 of 3 lines)',
    ],
  ])('%s: taken from the checkpoint, and told', async (_, harm, said) => {
    await trained([0.6, 0.8, 0.7]);
    const whole = lines();
    harm();
    const { remarks, record } = await resume();
    expect(remarks).toEqual([`metrics.jsonl ${said}: restored from the checkpoint`]);
    expect(record.history.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    expect(lines()).toEqual(whole);
  });
});

test('a log that is too long for the checkpoints is read from disk, and what it lacks is told', async () => {
  const long = { options: {}, type: 'epoch', step: 10, note: 'x'.repeat(5e6) };
  await trained([0.6]);
  const lines = readFileSync(path('metrics.jsonl'), 'utf8');
  const { checkpoint, record } = await resume();
  await record.add({ ...long, epoch: 2, step: 20, validation: metrics(0.5) } as unknown as EpochEvent);
  await record.add({ type: 'snapshot', snapshot: after(2, checkpoint!.position.best) });
  await record.end('interrupted');
  writeFileSync(path('metrics.jsonl'), `${lines}{"type":"ep`);
  expect((await openRun({ resume: folder }, async () => {})).remarks).toEqual([
    "metrics.jsonl is damaged: 1 of 2 lines can't be read and are dropped",
    'metrics.jsonl lacks 1 of 2 epochs: curves and report lack them',
  ]);
});
