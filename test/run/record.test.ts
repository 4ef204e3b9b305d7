/** When a run is saved, and what it tells at its end. */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadWeights } from '../../src/export/weights.ts';
import { calibrate } from '../../src/metrics/calibration.ts';
import { LossHistory } from '../../src/metrics/image_losses.ts';
import type { Metrics } from '../../src/metrics/metrics.ts';
import { networkShapes, parameterCount } from '../../src/model/network_shapes.ts';
import { birbsBn } from '../../src/model/presets.ts';
import { newestCheckpoint } from '../../src/run/checkpoint.ts';
import { type RunReport, startRecord } from '../../src/run/record.ts';
import { noTime, Stopwatch } from '../../src/training/stopwatch.ts';
import type { EpochEvent, EvaluatedEvent, StepEvent } from '../../src/training/training_events.ts';
import { type Snapshot, startPosition } from '../../src/training/training_state.ts';
import { temporaryFolder } from '../images.ts';

let folder: string;
beforeEach(() => {
  folder = temporaryFolder('record');
});
afterEach(() => rmSync(folder, { recursive: true }));

const network = birbsBn({ imageSize: 8, classNames: ['bird', 'not-bird'] });
const count = parameterCount(networkShapes(network));

/** Weights that are the number of the step. */
const at = (step: number, epoch = 0): Snapshot => ({
  position: { ...startPosition(1), step, batch: step, epoch },
  values: new Float32Array(count).fill(step),
  optimizer: { step, values: new Float32Array(2) },
});
const open = (start = at(0), report?: RunReport) => {
  const facts = { folder, network, description: {}, dataHash: 'abc', device: 'cpu', majorityAccuracy: 0.5 };
  const advice = { precision: 'fp32', streams: false, headOnly: false } as const;
  return startRecord({ ...facts, ...advice, clock: new Stopwatch(), report }, start);
};
const scores = { precision: 1, recall: 1, f1: 1, auroc: 1, averagePrecision: 1 };
const step = (number: number): StepEvent => ({
  ...{ type: 'step', epoch: 1, step: number, progress: 0.1, loss: 1, accuracy: 0.5, learningRate: 1 },
  ...{ gradientNorm: 1, imagesPerSecond: 1, deviceSeconds: 1, time: noTime() },
});
const epoch = (number: number, balancedAccuracy: number, isBest: boolean): EpochEvent => ({
  ...{ type: 'epoch', epoch: number, epochs: 9, step: number * 10, progress: 1, trainLoss: 1, isBest },
  ...{ trainAccuracy: 0.5, learningRate: 1, images: 1, seconds: 1, imagesPerSecond: 1, secondsLeft: 1 },
  validation: {
    balancedAccuracy,
    confusion: [
      [1, 0],
      [0, 1],
    ],
    perClass: [scores, scores],
  } as unknown as Metrics,
});
const log = () =>
  readFileSync(join(folder, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
const saved = async () => (await newestCheckpoint(folder, () => {}))!.position.step;
const value = async (name: string) => (await loadWeights(join(folder, name))).values[0];

test('what a run begins with is its first checkpoint', async () => {
  await open();
  expect(await saved()).toBe(0);
  expect(readdirSync(folder).sort()).toEqual(['last.safetensors', 'metrics.jsonl', 'state.safetensors']);
});

test('best is of the epoch that was called best, last of the last snapshot', async () => {
  const record = await open();
  await record.add(epoch(1, 0.8, true));
  await record.add({ type: 'snapshot', snapshot: at(10, 1) });
  await record.add(step(20));
  await record.add(epoch(2, 0.7, false));
  await record.add({ type: 'snapshot', snapshot: at(20, 2) });
  const results = await record.end('done', 'time');
  expect([await value('best.safetensors'), await value('last.safetensors'), await saved()]).toEqual([
    10, 20, 20,
  ]);
  expect(results).toMatchObject({ status: 'done', stopped: 'time', epochs: 2, steps: 20, incidents: 0 });
  expect(results.final).toMatchObject({ epoch: 2, balancedAccuracy: 0.7 });
  expect(log().map(({ type }) => type)).toEqual(['epoch', 'step', 'epoch']);
});

/** Two classes, three images; the second answer is wrong in odd epochs. */
const evaluated = (number: number, isBest: boolean): EvaluatedEvent => ({
  ...{ type: 'evaluated', epoch: number, step: number * 10, isBest },
  positions: Uint32Array.of(0, 2, 3),
  logits: Float32Array.of(number, 0, number % 2 ? 0.5 : -0.5, 0, 0, number),
  labels: Int32Array.of(0, 1, 1),
  history: new LossHistory({
    ...{ labels: new Int32Array(4), classes: 2, validation: Uint32Array.of(0, 2, 3), balanced: true },
  }),
});
const calibrationOf = async (name: string) =>
  JSON.parse((await loadWeights(join(folder, name))).metadata.calibration!);

test('what a validation found goes into the weights, the results and the log: of the best epoch and of the last', async () => {
  const record = await open();
  for (const [number, isBest] of [
    [1, true],
    [2, true],
    [3, false],
    [4, false],
  ] as const) {
    await record.add(epoch(number, 0.8, isBest));
    await record.add(evaluated(number, isBest));
    const position = {
      ...at(number * 10, number).position,
      best: { epoch: 2, ...epoch(2, 0.8, true).validation },
    };
    await record.add({ type: 'snapshot', snapshot: { ...at(number * 10, number), position } });
  }
  const results = await record.end('done');
  const { logits, labels } = evaluated(2, true);
  const best = JSON.parse(JSON.stringify(await calibrate(logits, labels, 2)));
  expect(results.calibration).toEqual(best);
  expect(await calibrationOf('best.safetensors')).toEqual(best);
  const last = evaluated(4, false);
  expect(await calibrationOf('last.safetensors')).toEqual(
    JSON.parse(JSON.stringify(await calibrate(last.logits, last.labels, 2))),
  );
  expect(results.intervals.best!.balancedAccuracy).toEqual([expect.any(Number), 1]);
  expect(
    log()
      .filter(({ type }) => type === 'findings')
      .map((line) => line.epoch),
  ).toEqual([2, 4]);
  // Gone on with, it is as it was.
  const start = at(35, 3);
  const again = await open({ ...start, position: { ...start.position, best: results.best } });
  expect((await again.end('interrupted')).calibration).toEqual(best);
});

test('with many classes only the last epoch keeps its confusion matrix', async () => {
  const record = await open();
  for (const number of [1, 2]) {
    const event = epoch(number, 0.8, true);
    const confusion = Array.from({ length: 51 }, (_, k) =>
      Array.from({ length: 51 }, (_, j) => Number(j === k)),
    );
    const perClass = confusion.map(() => scores);
    await record.add({ ...event, validation: { ...event.validation, confusion, perClass } });
    await record.add({ type: 'snapshot', snapshot: at(number * 10, number) });
  }
  expect((await record.end('done')).final!.confusion).toHaveLength(51);
  expect(log().map(({ validation }) => validation.confusion.length)).toEqual([0, 51]);
  expect(log().map(({ validation }) => validation.balancedAccuracy)).toEqual([0.8, 0.8]);
});

test('metrics.csv, and an event file of its own for each start and each way back', async () => {
  const record = await open();
  await record.add(step(1));
  await record.add(epoch(1, 0.8, true));
  await record.add({ type: 'snapshot', snapshot: at(10, 1) });
  await record.end('interrupted');
  expect(readFileSync(join(folder, 'metrics.csv'), 'utf8').split('\r\n')).toHaveLength(3);
  const events = () => readdirSync(folder).filter((name) => name.startsWith('events.out.tfevents.'));
  expect(events()).toHaveLength(1);
  // Head and start, the step, the epoch.
  const text = readFileSync(join(folder, events()[0]!), 'latin1');
  expect(text).toContain('step/gradientNorm');
  expect(text).toContain('validation/averagePrecision');
});

test('the report: at the start, between epochs when it is due, at the end with its reason', async () => {
  const told: [status: string, epochs: number, reason?: string][] = [];
  let due = false;
  const report: RunReport = {
    isDue: () => due,
    write: async (_, { status, epochs }, reason) => {
      told.push([status, epochs, reason]);
      if (epochs === 2) throw new Error('no room');
    },
  };
  const record = await open(at(0), report);
  const epochs = async (number: number) => {
    await record.add(epoch(number, 0.8, true));
    await record.add(evaluated(number, true));
    await record.add({ type: 'snapshot', snapshot: at(number * 10, number) });
  };
  await epochs(1);
  due = true;
  // Within an epoch the images are in use.
  await record.add({ type: 'snapshot', snapshot: at(12, 1) });
  await epochs(2);
  await record.end('failed', undefined, 'The device is gone');
  expect(told).toEqual([
    ['running', 0, undefined],
    ['running', 2, undefined],
    ['failed', 2, 'The device is gone'],
  ]);
});

test('gone on with, the log ends where the checkpoint does', async () => {
  const first = await open();
  for (const number of [1, 20, 40]) await first.add(step(number));
  await first.add({ type: 'snapshot', snapshot: at(40) });
  await first.end('interrupted');
  await open(at(20));
  expect(log().map((line) => line.step)).toEqual([1, 20]);
});

test('an epoch that is gone on with is a line', async () => {
  const first = await open();
  for (const event of [epoch(1, 0.7, true), epoch(2, 0.8, true)]) await first.add(event);
  await first.add({ type: 'snapshot', snapshot: at(20, 1) });
  await first.end('done', 'time');
  const again = await open(at(20, 1));
  await again.add({ ...epoch(2, 0.9, true), step: 25 });
  await again.add({ type: 'snapshot', snapshot: at(25, 2) });
  await again.end('done');
  expect(log().map((line) => [line.epoch, line.step])).toEqual([
    [1, 10],
    [2, 25],
  ]);
});

test('a rollback takes the steps since out of the log, and leaves a file', async () => {
  const record = await open();
  for (const number of [1, 20, 40]) await record.add(step(number));
  const facts = { loss: Number.NaN, gradientNorm: 1, recentLosses: [1], images: ['a.jpg'], batches: [41] };
  await record.add({
    ...{ type: 'rollback', kind: 'loss-not-finite', message: 'the loss is NaN', epoch: 1, step: 41 },
    ...{ ...facts, backToStep: 30, learningRate: 1, newLearningRate: 0.5, rollbacks: 1, allowed: 10 },
  });
  await record.add({ type: 'notice', kind: 'slow', message: 'slow', epoch: 1, step: 30 });
  await record.add({ type: 'snapshot', snapshot: at(50) });
  expect((await record.end('done')).incidents).toBe(2);
  expect(log().map((line) => [line.type, line.step])).toEqual([
    ['step', 1],
    ['step', 20],
    ['rollback', 41],
    ['notice', 30],
  ]);
  const names = readdirSync(join(folder, 'incidents'));
  expect(names).toEqual(['0001-loss-not-finite.json', '0002-slow.json']);
  expect(JSON.parse(readFileSync(join(folder, 'incidents', names[0]!), 'utf8'))).toMatchObject({
    ...{ message: 'the loss is NaN', images: ['a.jpg'], batches: [41], backToStep: 30 },
  });
});

test('a folder that can not be written to is told with the next snapshot', async () => {
  const record = await open();
  rmSync(folder, { recursive: true });
  await record.add({ type: 'snapshot', snapshot: at(10) });
  await expect(record.add({ type: 'snapshot', snapshot: at(20) })).rejects.toThrow(/Could not save .*ENOENT/);
  await import('node:fs').then(({ mkdirSync }) => mkdirSync(folder));
});
