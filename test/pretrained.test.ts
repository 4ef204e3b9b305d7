/** Training on a pretrained network, end to end; its weights are random ones in the layout of timm's files. */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bytesOf, encodeSafetensors, readSafetensors } from '../src/export/safetensors.ts';
import { loadWeights, splitValues } from '../src/export/weights.ts';
import { loadAddon, type Tensor } from '../src/model/addon.ts';
import { networkShapes } from '../src/model/network_shapes.ts';
import { mobilenetv4Small } from '../src/model/pretrained_networks.ts';
import type { TrainOptions } from '../src/options.ts';
import { predict } from '../src/predict.ts';
import { train } from '../src/train.ts';
import type { TrainEvent } from '../src/training/train_events.ts';
import { pictureFolder, temporaryFolder } from './images.ts';

const folder = temporaryFolder('pretrained');
const photos = join(folder, 'photos');
const weights = join(folder, 'weights.safetensors');

beforeAll(async () => {
  await pictureFolder(photos, 30, 60);
  await writeRandom(weights, 5);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** MobileNetV4-small for some classes as an untrained session has it. */
async function writeRandom(
  path: string,
  classes: number,
  change?: (tensors: Record<string, Tensor>) => void,
) {
  const classNames = Array.from({ length: classes }, (_, i) => `class ${i}`);
  const network = mobilenetv4Small({ imageSize: 32, classNames });
  const session = await loadAddon().createSession({
    ...{ device: 'cpu', network, seed: 3, batchSize: 1, threads: 1, optimizer: { kind: 'sgd' } },
  });
  const tensors = splitValues(networkShapes(network).parameters, await session.getParameters());
  await session.dispose();
  change?.(tensors);
  writeFileSync(path, encodeSafetensors({ metadata: { format: 'pt' }, tensors }));
}

/** Byte for byte; `toEqual` of millions of numbers takes minutes. */
function isSame(a: Float32Array, b: Float32Array): boolean {
  return Buffer.compare(bytesOf(a), bytesOf(b)) === 0;
}

const options = (run: string, more: Partial<TrainOptions> = {}): Partial<TrainOptions> => ({
  ...{
    data: [photos],
    network: 'mobilenetv4-small',
    pretrained: weights,
    imageSize: 32,
    device: 'cpu',
    threads: 2,
  },
  ...{ cache: join(folder, 'cache'), lock: join(folder, 'birbs.lock.json'), run: join(folder, run), ...more },
});

async function follow(given: Partial<TrainOptions>) {
  const events: TrainEvent[] = [];
  const results = await train(given, { onEvent: (event) => events.push(event) });
  const of = <T extends TrainEvent['type']>(type: T) =>
    events.filter((event): event is Extract<TrainEvent, { type: T }> => event.type === type);
  return { results, of };
}

describe('the head alone', () => {
  test('is one epoch; its file predicts by itself and keeps the pretrained layers', async () => {
    const { results, of } = await follow(options('first'));
    expect(results).toMatchObject({ status: 'done', epochs: 1, steps: 1, stopped: null });
    expect(results.best!.balancedAccuracy).toBeGreaterThan(0.9);
    expect(of('start')[0]).toMatchObject({ network: 'mobilenetv4-small', pretrained: weights, epochs: 1 });
    expect(of('data')[0]).toMatchObject({ balance: 'weights', draws: 1 });

    const best = join(folder, 'first', 'best.safetensors');
    const { network } = await loadWeights(best);
    expect(network.classNames).toEqual(['bird', 'not-bird']);
    const [before, after] = [await readSafetensors(weights), await readSafetensors(best)];
    for (const [name, { data }] of Object.entries(before.tensors))
      if (!name.startsWith('classifier.')) expect(isSame(after.tensors[name]!.data, data), name).toBe(true);
    const [bird] = readdirSync(join(photos, 'bird'));
    for await (const answer of predict([join(photos, 'bird', bird!)], { model: best }))
      expect(answer).toMatchObject({ label: 'bird' });
  });

  test('the metrics are those of what predict answers', async () => {
    const others = await pictureFolder(join(folder, 'others'), 7, 9);
    const { results } = await follow(options('metrics', { val: [others] }));
    const files = ['bird', 'not-bird'].flatMap((name) =>
      readdirSync(join(others, name)).map((file) => ({ name, file: join(others, name, file) })),
    );
    const answers = predict(
      files.map(({ file }) => file),
      { model: join(folder, 'metrics'), calibration: false },
    );
    let right = 0;
    for await (const answer of answers)
      if ('label' in answer && files.find(({ file }) => file === answer.file)!.name === answer.label)
        right += 1;
    expect(right / files.length).toBeCloseTo(results.best!.accuracy, 6);
  });

  test('features are computed once, whatever the run and the split', async () => {
    const shelf = readdirSync(join(folder, 'cache')).find((name) => name.startsWith('features-'))!;
    const list = () => readdirSync(join(folder, 'cache', shelf)).sort();
    const times = list().map((name) => statSync(join(folder, 'cache', shelf, name)).size);
    const { of } = await follow(options('second', { seed: 9 }));
    expect(of('reading').some(({ stage, done }) => stage === 'features' && done === 0)).toBe(false);
    expect(list().map((name) => statSync(join(folder, 'cache', shelf, name)).size)).toEqual(times);
  });

  test('the report says what it started from; a finished run has nothing left to train', async () => {
    const report = readFileSync(join(folder, 'first', 'report.html'), 'utf8');
    expect(report).toContain('starts from');
    expect(JSON.parse(readFileSync(join(folder, 'first', 'run.json'), 'utf8')).pretrained).toMatchObject({
      source: weights,
    });
    const { of, results } = await follow({ resume: join(folder, 'first') });
    expect(of('start')[0]!.remarks.join()).toContain('nothing left to train');
    expect(results.epochs).toBe(1);
  });
});

test('fine-tuning goes on from the head, moves the layers below it, and keeps the better of both', async () => {
  const { results, of } = await follow(options('tuned', { fineTune: 2, batchSize: 16, learningRate: 1e-4 }));
  expect(results.epochs).toBe(3);
  expect(of('epoch').map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
  const best = Math.max(...of('epoch').map(({ validation }) => validation.balancedAccuracy));
  expect(results.best!.balancedAccuracy).toBe(best);
  const before = (await readSafetensors(weights)).tensors;
  const after = (await readSafetensors(join(folder, 'tuned', 'last.safetensors'))).tensors;
  const sameTensor = (name: string) => isSame(after[name]!.data, before[name]!.data);
  expect(sameTensor('blocks.3.5.pw_proj.conv.weight')).toBe(false);
  // Running statistics stay those of the pretrained weights.
  expect(sameTensor('blocks.3.5.pw_proj.bn.running_mean')).toBe(true);
  // The rate falls to 0 over the epochs of fine-tuning alone.
  const rates = of('step').map(({ learningRate }) => learningRate);
  expect(Math.max(...rates)).toBeCloseTo(1e-4, 6);
  expect(rates.at(-1)).toBeLessThan(3e-5);
});

test('interrupted while features are computed: nothing is lost, and a resume ends it', async () => {
  const controller = new AbortController();
  const run = join(folder, 'interrupted');
  const given = options('interrupted', { cache: join(folder, 'other-cache') });
  const stopped = await train(given, {
    signal: controller.signal,
    onEvent: ({ type }) => type === 'start' && controller.abort(),
  });
  expect(stopped).toMatchObject({ status: 'interrupted', epochs: 0 });
  const { results } = await follow({ resume: run });
  expect(results).toMatchObject({ status: 'done', epochs: 1 });
});

describe('weights that are not right', () => {
  const refused = async (
    name: string,
    change: (tensors: Record<string, Tensor>) => void,
    message: RegExp,
  ) => {
    const path = join(folder, `${name}.safetensors`);
    await writeRandom(path, 5, change);
    await expect(train(options(`refused-${name}`, { pretrained: path }))).rejects.toThrow(message);
  };

  test('a tensor is missing, too many, of another shape, or NaN', async () => {
    await refused(
      'missing',
      (all) => delete all['blocks.2.0.dw_mid.bn.bias'],
      /expected a tensor blocks\.2\.0\.dw_mid\.bn\.bias/,
    );
    await refused(
      'extra',
      (all) => Object.assign(all, { 'layer9.weight': all['classifier.bias'] }),
      /layer9\.weight/,
    );
    await refused(
      'shape',
      (all) => Object.assign(all, { 'bn1.weight': { shape: [2], data: new Float32Array(2) } }),
      /bn1\.weight to be \[32\], but found \[2\]/,
    );
    await refused('nan', (all) => all['bn1.weight']!.data.fill(Number.NaN), /bn1\.weight has NaN/);
  });

  test('another architecture, no network of that kind, options that contradict', async () => {
    const other = train(options('other', { network: 'resnet18' }));
    await expect(other).rejects.toThrow(/weights of resnet18, but there is no tensor fc\.weight/);
    await expect(train(options('birbs', { network: 'birbs' }))).rejects.toThrow(/--network birbs/);
    await expect(train(options('both', { epochs: 3, fineTune: 2 }))).rejects.toThrow(
      /--epochs or --fine-tune/,
    );
  });
});

test('auto: without weights a sentence says so, and it trains from scratch', async () => {
  mkdirSync(join(folder, 'hub'), { recursive: true });
  const given = options('auto', { network: 'auto', imageSize: 96, epochs: 1, batchSize: 16 });
  const { of } = await follow({ ...given, pretrained: undefined });
  const [start] = of('start');
  expect(start).toMatchObject({ network: 'birbs-bn', pretrained: null });
  expect(start!.remarks[0]).toMatch(
    /^Training from scratch, as the pretrained weights of lite0 .* 127\.0\.0\.1.*check the network/,
  );
});
