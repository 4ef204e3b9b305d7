/** What a training leaves besides its weights: report, table, charts, calibration. */
import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadWeights } from '../../src/export/weights.ts';
import { predict } from '../../src/predict.ts';
import type { Prediction } from '../../src/predictor/prediction.ts';
import { train } from '../../src/train.ts';
import type { Results } from '../../src/training/results.ts';
import { pictureFolder, temporaryFolder } from '../images.ts';

const folder = temporaryFolder('leaves');
const photos = join(folder, 'photos');
const run = join(folder, 'night');
const options = {
  ...{
    data: [photos],
    cache: join(folder, 'cache'),
    lock: join(folder, 'lock.json'),
    device: 'cpu' as const,
  },
  ...{ imageSize: 16, batchSize: 8, epochs: 3, threads: 1 },
};
let results: Results;
beforeAll(async () => {
  await pictureFolder(photos, 30, 60);
  results = await train({ ...options, run });
});
afterAll(() => rmSync(folder, { recursive: true }));

const said = (name: string) =>
  readFileSync(join(name, 'report.html'), 'utf8')
    .replace(/<style>.*?<\/style>/s, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ');

test('a report of the run: its numbers, its pictures, its options', () => {
  const text = said(run);
  expect(text).toContain('Done');
  expect(text).toContain('3 of 3 epochs');
  expect(text).toContain(`Epoch ${results.best!.epoch}, the best by balanced accuracy`);
  expect(text).toContain('imageSize 16');
  expect(text).toContain(results.advice);
  const html = readFileSync(join(run, 'report.html'), 'utf8');
  expect(html.match(/<img src="data:image\/webp;base64,/g)!.length).toBeGreaterThanOrEqual(18);
  expect(html.match(/<svg /g)!.length).toBeGreaterThanOrEqual(6);
});

test('metrics.csv has a line an epoch; there is one event file', () => {
  expect(readFileSync(join(run, 'metrics.csv'), 'utf8').trimEnd().split('\r\n')).toHaveLength(4);
  expect(readdirSync(run).filter((name) => name.startsWith('events.out.tfevents.'))).toHaveLength(1);
});

test('the calibration of the results is that of the best weights, and predict uses it', async () => {
  const { metadata } = await loadWeights(join(run, 'best.safetensors'));
  expect(JSON.parse(metadata.calibration!)).toEqual(JSON.parse(JSON.stringify(results.calibration)));
  expect(results.calibration!.images).toBe(18);
  const answers = async (more: object) => {
    const found: Prediction[] = [];
    for await (const one of predict([photos], { model: run, ...more })) found.push(one);
    return found.map((one) => ('error' in one ? 0 : one.probabilities.bird!));
  };
  const [raw, calibrated] = [await answers({ calibration: false }), await answers({})];
  const logit = (share: number) => Math.log(share / (1 - share));
  const sure = raw.findIndex((share) => Math.abs(logit(share)) > 0.1);
  expect(logit(raw[sure]!) / logit(calibrated[sure]!)).toBeCloseTo(results.calibration!.temperature, 3);
});

test('a run that fails before its images are read leaves a report that says why', async () => {
  const gone = join(folder, 'gone');
  await expect(train({ ...options, data: [join(folder, 'nowhere')], run: gone })).rejects.toThrow(/nowhere/);
  expect(said(gone)).toMatch(/Failed It failed before an epoch was done\. No such folder: .*nowhere/);
});

test('what fails when it is gone on with leaves the report that there is', async () => {
  const copy = join(folder, 'copy');
  cpSync(run, copy, { recursive: true });
  rmSync(photos, { recursive: true });
  await expect(train({ resume: copy })).rejects.toThrow(/photos/);
  expect(said(copy)).toBe(said(run));
});
