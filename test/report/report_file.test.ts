/** From what a run keeps to its report.html. */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import type { Dataset } from '../../src/data/dataset.ts';
import { calibrate } from '../../src/metrics/calibration.ts';
import { LossHistory } from '../../src/metrics/image_losses.ts';
import { confidenceIntervals } from '../../src/metrics/intervals.ts';
import { computeMetrics } from '../../src/metrics/metrics.ts';
import { openReport, reportFailure } from '../../src/report/report_file.ts';
import type { RunDescription } from '../../src/run/run_description.ts';
import { examine } from '../../src/training/findings.ts';
import type { NoticeEvent } from '../../src/training/notices.ts';
import { noTime } from '../../src/training/stopwatch.ts';
import type { LogLine } from '../../src/training/train_events.ts';
import type { EpochEvent, RollbackEvent, StepEvent } from '../../src/training/training_events.ts';
import { temporaryFolder } from '../images.ts';
import { data } from '../ui/events.ts';

const folder = join(temporaryFolder('page'), 'night');
mkdirSync(folder);
afterAll(() => rmSync(join(folder, '..'), { recursive: true }));

const description: RunDescription = {
  tool: { 'birbs-metal': '1.2.3', node: 'v20' },
  commandLine: ['/elsewhere/src/train.ts', '--data', 'my photos'],
  startedAt: new Date(Date.now() - 5000).toISOString(),
  device: { name: 'cpu', description: 'oneDNN', reason: 'there is no GPU' },
  options: { network: 'birbs-bn', imageSize: 16, epochs: 20, data: ['my photos'] },
};
const classNames = ['bird', 'not-bird'];
const dataset = {
  classNames,
  names: ['a.jpg', 'wrong <b>.jpg', 'c.jpg', 'unsure.jpg'],
  labels: Int32Array.of(0, 0, 1, 1),
};

/** Every picture in the grey of its position. */
const images = () => ({
  ...{ height: 16, width: 16 },
  assemble: vi.fn(async (positions: Uint32Array, output: Uint8Array) => {
    for (const [i, position] of positions.entries()) output.fill(position * 60, i * 768, (i + 1) * 768);
  }),
});

const logits = Float32Array.of(3, 0, 0, 4, 0, 3, 0, 0.2);
const evaluated = {
  ...{ positions: Uint32Array.of(0, 1, 2, 3), logits, labels: dataset.labels },
  history: new LossHistory({
    ...{ labels: dataset.labels, classes: 2, validation: Uint32Array.of(0, 1, 2, 3), balanced: true },
  }),
};

async function lines(): Promise<LogLine[]> {
  const validation = await computeMetrics(logits, dataset.labels, 2);
  const step: StepEvent = {
    ...{ type: 'step', epoch: 1, step: 1, progress: 0.5, loss: 0.7, accuracy: 0.5, learningRate: 0.001 },
    ...{ gradientNorm: 1, imagesPerSecond: 99, deviceSeconds: 0, time: noTime() },
  };
  const epoch: EpochEvent = {
    ...{ type: 'epoch', epoch: 1, epochs: 20, step: 2, progress: 1, trainLoss: 0.6, trainAccuracy: 0.6 },
    ...{ validation, isBest: true, learningRate: 0.001, images: 64, seconds: 1 },
    ...{ imagesPerSecond: 64, secondsLeft: 9 },
  };
  const rollback: RollbackEvent = {
    ...{ type: 'rollback', kind: 'loss-jump', message: 'the loss jumped to 80', epoch: 2, step: 3 },
    ...{ batches: [2, 3], images: ['a.jpg'], loss: 80, gradientNorm: 9, recentLosses: [1], backToStep: 2 },
    ...{ learningRate: 0.001, newLearningRate: 0.0005, rollbacks: 1, allowed: 5 },
  };
  const notice: NoticeEvent = { type: 'notice', kind: 'slow', message: 'it is slow', epoch: 2, step: 4 };
  const findings = await examine({ type: 'evaluated', epoch: 1, step: 2, isBest: true, ...evaluated }, 2);
  return [step, epoch, findings, rollback, notice];
}

async function results(status: 'running' | 'done') {
  const metrics = await computeMetrics(logits, dataset.labels, 2);
  const best = { epoch: 1, ...metrics };
  const intervals = { best: confidenceIntervals(metrics), final: null };
  const calibration = await calibrate(logits, dataset.labels, 2);
  return {
    ...{ status, stopped: null, device: 'cpu', classNames, epochs: 1, steps: 4, seconds: 4 },
    ...{ time: { ...noTime(), device: 3, data: 1 }, advice: 'Buy a Mac.', imagesPerSecond: 64 },
    ...{ majorityAccuracy: 0.5, majorityBalancedAccuracy: 0.5, betterThanMajority: true },
    ...{ best, calibration, levels: null, final: best, intervals, incidents: 2 },
  };
}

const page = () => readFileSync(join(folder, 'report.html'), 'utf8');
const said = () =>
  page()
    .replace(/<style>.*?<\/style>/s, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ');

test('a running training, then its end: the same pictures are not made twice', async () => {
  const source = images();
  const report = openReport({ folder, description, dataset, images: source, weights: 1234 });
  expect(report.isDue()).toBe(true);
  await report.write(await lines(), await results('running'));
  expect(report.isDue()).toBe(false);
  expect(said()).toContain('Still running');
  expect(source.assemble).toHaveBeenCalledTimes(1);
  expect([...source.assemble.mock.calls[0]![0]].sort()).toEqual([0, 1, 2, 3]);
  await report.write(await lines(), await results('done'), 'The time was up.');
  expect(source.assemble).toHaveBeenCalledTimes(1);
  const text = said();
  expect(text).toContain('The time was up.');
  expect(text).toContain('It finds 1 of 2 birds; all it calls bird is bird.');
  expect(text).toMatch(/said not-bird \(\d+%\), is bird wrong &lt;b&gt;\.jpg/);
  expect(text).toContain(
    'The loss jumped to 80. Rolled back to step 2, skipped 2 batches, lowered the learning rate to 0.0005; rollback 1 of at most 5.',
  );
  expect(text).toContain('It is slow. warning, epoch 2, step 4');
  expect(text).toContain('1 of 20 epochs, 4 steps in 4 s, 64 images a second, on cpu');
  expect(text).toContain(`npx tsx src/predict.ts --model ${folder} photo.jpg`);
  expect(text).toContain('waiting for data 1 s 25.0%');
  expect(text).toContain('npx tsx src/train.ts --data &#39;my photos&#39;');
  expect(page().match(/<img /g)).toHaveLength(1 + 4);
});

test('of data that is not kept: pictures at the end only', async () => {
  const source = images();
  const stream = { windowImages: 2 } as Dataset['stream'];
  const report = openReport({
    folder,
    description,
    dataset: { ...dataset, stream },
    images: source,
    weights: 1,
  });
  await report.write(await lines(), await results('running'));
  expect(source.assemble.mock.calls.flatMap(([positions]) => [...positions])).toEqual([]);
  expect(page()).not.toContain('<img ');
  await report.write(await lines(), await results('done'));
  expect(page()).toContain('<img ');
});

test('pictures that can not be had leave the rest', async () => {
  const source = { ...images(), assemble: () => Promise.reject(new Error('gone')) };
  await openReport({ folder, description, dataset, images: source, weights: 1 }).write(
    await lines(),
    await results('done'),
  );
  expect(page()).not.toContain('<img ');
  expect(said()).toContain('Worst mistakes');
});

test('what is odd about the images', async () => {
  const { type: _, ...known } = { ...data(), nearDuplicates: 3, oddities: { turned: 0, tiny: 2, blank: 0 } };
  const told = { ...description, data: known };
  await openReport({ folder, description: told, dataset, images: images(), weights: 1 }).write(
    await lines(),
    await results('done'),
  );
  expect(said()).toMatch(
    /3 images look like another one; .*\. Out of the ordinary: 2 smaller than --image-size/,
  );
});

test('over before the images were read', async () => {
  await reportFailure(folder, description, 'No such folder: my photos');
  const text = said();
  expect(text).toContain('It failed before an epoch was done. No such folder: my photos');
  expect(text).toMatch(/0 of 20 epochs, 0 steps in \d+ s, on cpu/);
  expect(text).toContain('birbs-metal 1.2.3');
  await reportFailure(folder, description, undefined);
  expect(said()).toContain('Interrupted It ended before an epoch was done. 0 of 20 epochs');
});
