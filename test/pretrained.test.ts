/** Training on a pretrained network, end to end; its weights are random ones in the layout of timm's files. */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
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
import { picture, pictureFolder, temporaryFolder } from './images.ts';

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

/** Pictures that are in no other folder. */
async function otherPictures(to: string, count: number, isBird: boolean) {
  mkdirSync(to, { recursive: true });
  for (let i = 0; i < count; i++) await sharp(await picture(isBird, 500 + i)).toFile(join(to, `${i}.png`));
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
  expect(of('start')[0]!.remarks.join()).toMatch(/Fine-tuning takes about \d+(\.\d)? MB of memory/);
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

test('--mirror: the head learns from mirrored images too, whose features are kept beside the others', async () => {
  const shelves = () => readdirSync(join(folder, 'cache')).filter((name) => name.startsWith('features-'));
  const before = shelves().length;
  const { results, of } = await follow(options('mirror', { mirror: true }));
  expect(shelves().length).toBe(before + 1);
  expect(results.best!.balancedAccuracy).toBeGreaterThan(0.9);
  expect(of('reading').map(({ source }) => source)).toContain('mobilenetv4-small, mirrored');
  const plain = await readSafetensors(join(folder, 'first', 'best.safetensors'));
  const mirrored = await readSafetensors(join(folder, 'mirror', 'best.safetensors'));
  const bias = (file: typeof plain) => file.tensors['classifier.weight']!.data;
  expect(isSame(bias(plain), bias(mirrored))).toBe(false);
  const again = await follow(options('mirror-again', { mirror: true }));
  expect(again.of('reading').some(({ stage, done }) => stage === 'features' && done === 0)).toBe(false);
  expect(shelves().length).toBe(before + 1);
});

describe('why', () => {
  test('the report shows what spoke for the worst mistakes, and the training images most like them', async () => {
    // Every answer is a mistake: the labels are the other way round.
    const wrong = join(folder, 'wrong');
    await otherPictures(join(wrong, 'bird'), 4, false);
    await otherPictures(join(wrong, 'not-bird'), 3, true);
    await follow(options('mistaken', { val: [wrong] }));
    const lines = readFileSync(join(folder, 'mistaken', 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n');
    const { mistakes } = lines.map((line) => JSON.parse(line)).find(({ type }) => type === 'findings');
    expect(mistakes.length).toBeGreaterThan(0);
    for (const { guess, other, heat, nearest } of mistakes) {
      expect(other).toBe(1 - guess);
      expect(heat).toMatchObject({ height: 1, width: 1 });
      expect(nearest.length).toBe(2);
      expect(nearest[0].similarity).toBeGreaterThanOrEqual(nearest[1].similarity);
    }
    const report = readFileSync(join(folder, 'mistaken', 'report.html'), 'utf8');
    expect(report).toContain('Why these answers?');
    expect(report).toMatch(/trained on as <b>.*similarity 0\.\d\d/);
    expect(report.length).toBeLessThan(5e6);
  });

  test('predict --why writes the image with it; one image, a .png, a network that can', async () => {
    const [bird] = readdirSync(join(photos, 'bird')).map((name) => join(photos, 'bird', name));
    const why = join(folder, 'why.png');
    const model = join(folder, 'first');
    for await (const answer of predict(bird!, { model, why }))
      expect(answer).toMatchObject({ label: 'bird' });
    const { format, width, height } = await sharp(why).metadata();
    expect({ format, width, height }).toEqual({ format: 'png', width: 32, height: 32 });
    const refused = async (files: string[], more: object, message: RegExp) =>
      expect(predict(files, { model, why, ...more }).next()).rejects.toThrow(message);
    await refused([bird!, bird!], {}, /one image with --why, but found 2/);
    await refused([photos], {}, /one image with --why/);
    await refused([bird!], { why: 'why.jpg' }, /a \.png file to write, but found why\.jpg/);
    await refused([bird!], { why: join(folder, 'none', 'why.png') }, /Could not save/);
  });
});

describe('resumed', () => {
  test('a head alone goes on with fine-tuning, as if that had been asked for at once', async () => {
    await follow(options('late', { batchSize: 16, learningRate: 1e-4 }));
    const { results, of } = await follow({ resume: join(folder, 'late'), fineTune: 2 });
    expect(of('start')[0]).toMatchObject({ epochs: 3, resumed: { step: 1, epoch: 1 } });
    expect(results).toMatchObject({ status: 'done', epochs: 3 });
    const [late, tuned] = await Promise.all(
      ['late', 'tuned'].map((run) => readSafetensors(join(folder, run, 'last.safetensors'))),
    );
    for (const [name, { data }] of Object.entries(tuned!.tensors))
      expect(isSame(late!.tensors[name]!.data, data), name).toBe(true);
  });

  test('a fine-tuned run gets more epochs, by either name', async () => {
    const more = await follow({ resume: join(folder, 'late'), fineTune: 3 });
    expect(more.results).toMatchObject({ status: 'done', epochs: 4 });
    const whole = await follow({ resume: join(folder, 'late'), epochs: 4 });
    expect(whole.of('start')[0]!.remarks.join()).toContain('nothing left to train');
  });
});

describe('--init', () => {
  const three = join(folder, 'three');

  test('starts from the layers of an earlier run, with a head for other classes', async () => {
    await otherPictures(join(three, 'owl'), 20, true);
    for (const [from, to] of [
      ['bird', 'robin'],
      ['not-bird', 'street'],
    ] as const)
      cpSync(join(photos, from), join(three, to), { recursive: true });
    const given = options('three-run', { data: [three], network: 'auto', init: join(folder, 'late') });
    const { results, of } = await follow({ ...given, pretrained: undefined, imageSize: undefined });
    expect(results).toMatchObject({ status: 'done', epochs: 1, classNames: ['owl', 'robin', 'street'] });
    expect(of('start')[0]).toMatchObject({ network: 'mobilenetv4-small', imageSize: 32 });
    const [before, after] = await Promise.all(
      ['late', 'three-run'].map((run) => readSafetensors(join(folder, run, 'best.safetensors'))),
    );
    for (const [name, { data }] of Object.entries(before!.tensors))
      if (!name.startsWith('classifier.')) expect(isSame(after!.tensors[name]!.data, data), name).toBe(true);
  });

  test('of a network from scratch keeps the head where the classes are the same', async () => {
    const scratch = { network: 'birbs', imageSize: 16, pretrained: undefined, batchSize: 16 } as const;
    const before = await follow(options('scratch', { ...scratch, epochs: 6 }));
    const init = join(folder, 'scratch', 'best.safetensors');
    // A rate at which nothing is learned: what it answers is what it began with.
    const still = { ...scratch, network: 'auto', epochs: 1, learningRate: 1e-9, init } as const;
    const { results } = await follow(options('scratch-again', still));
    expect(results.best!.loss).toBeCloseTo(before.results.best!.loss, 5);
    const other = await follow(options('scratch-three', { ...still, data: [three] }));
    expect(other.results.classNames).toEqual(['owl', 'robin', 'street']);
  });

  test('what it can not start from is refused in a sentence', async () => {
    const refused = (more: Partial<TrainOptions>, message: RegExp) =>
      expect(train({ ...options('refused-init'), pretrained: undefined, ...more })).rejects.toThrow(message);
    const init = join(folder, 'scratch');
    await refused({ init: join(folder, 'nowhere') }, /there is no .*nowhere.*check the path/);
    await refused({ init }, /the network mobilenetv4-small, but found birbs; leave --network out/);
    await refused(
      { init, network: 'auto' },
      /images of 32 pixels, but its fc1\.weight .*leave --image-size out/,
    );
    await refused({ init, pretrained: weights }, /--init or --pretrained, but found both/);
    await refused({ init, network: 'auto', imageSize: 16, fineTune: 2 }, /--network birbs; use --epochs/);
    writeFileSync(join(folder, 'cut.safetensors'), readFileSync(weights).subarray(0, 5000));
    await refused({ init: join(folder, 'cut.safetensors') }, /cut\.safetensors/);
    await refused({ init: weights }, /does not say which network/);
    const why = join(folder, 'scratch.png');
    const asked = predict(join(photos, 'bird', readdirSync(join(photos, 'bird'))[0]!), { model: init, why });
    await expect(asked.next()).rejects.toThrow(/ends in global average pooling for --why/);
  });
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

test('two photos of a class are enough to begin, and not taken for more', async () => {
  const few = join(folder, 'few');
  await otherPictures(join(few, 'bird'), 2, true);
  await otherPictures(join(few, 'cat'), 2, false);
  const { results, of } = await follow(options('few-run', { data: [few] }));
  expect(results).toMatchObject({ status: 'done', classNames: ['bird', 'cat'], epochs: 1 });
  expect(of('start')[0]!.remarks.join('\n')).toContain('fewer than 10 images: bird (2), cat (2); take');
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
    await expect(other).rejects.toThrow(
      /weights of resnet18, but found those of mobilenetv4-small; add --network/,
    );
    const nowhere = train(options('nowhere', { pretrained: join(folder, 'nowhere.safetensors') }));
    await expect(nowhere).rejects.toThrow(/nowhere\.safetensors is not there; check the path/);
    const aRun = train(options('a-run', { pretrained: join(folder, 'first') }));
    await expect(aRun).rejects.toThrow(/is a folder; a run of yours is named with --init/);
    const small = train(options('small', { imageSize: 16 }));
    await expect(small).rejects.toThrow(/--image-size of at least 32 for mobilenetv4-small, but found 16/);
    const cut = join(folder, 'short.safetensors');
    writeFileSync(cut, readFileSync(weights).subarray(0, 1_000_000));
    await expect(train(options('short', { pretrained: cut }))).rejects.toThrow(
      /the file is cut short, get it again/,
    );
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
  expect(start).toMatchObject({ network: 'birbs-res', pretrained: null });
  expect(start!.remarks[0]).toMatch(
    /^Training from scratch, because the pretrained weights of lite0 .* 127\.0\.0\.1.*check the network/,
  );
});
