/** Predicting: files and folders, models of all kinds, what can go wrong. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeSafetensors } from '../src/export/safetensors.ts';
import { encodeWeights, splitValues } from '../src/export/weights.ts';
import { loadAddon } from '../src/model/addon.ts';
import type { Network } from '../src/model/network.ts';
import { networkShapes } from '../src/model/network_shapes.ts';
import { birbs, birbsBn } from '../src/model/presets.ts';
import { predict, predictCommand } from '../src/predict.ts';
import type { Prediction, Verdict } from '../src/predictor/prediction.ts';
import { captured } from './captured.ts';
import { picture, pictureFolder, run, temporaryFolder } from './images.ts';

const folder = temporaryFolder('predict');
const photos = join(folder, 'photos');
const model = join(folder, 'runs/demo/best.safetensors');
const network = birbsBn({ imageSize: 16, classNames: ['bird', 'not-bird'] });

beforeAll(async () => {
  await pictureFolder(photos, 20, 25);
  mkdirSync(join(folder, 'runs/demo'), { recursive: true });
  writeFileSync(model, encodeWeights(network, await freshWeights(network)));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function openSession(network: Network) {
  const options = { device: 'cpu', network, seed: 5, batchSize: 1, threads: 1 } as const;
  return loadAddon().createSession({ ...options, optimizer: { kind: 'sgd' } });
}

async function freshWeights(network: Network): Promise<Float32Array> {
  const session = await openSession(network);
  const values = await session.getParameters();
  await session.dispose();
  return values;
}

/** Runs a command with something on its standard input. */
function spawnRun([script, ...words]: string[], input: Buffer) {
  const path = fileURLToPath(new URL(`../src/${script}`, import.meta.url));
  const { status: code, stdout } = spawnSync(process.execPath, ['--import', 'tsx', path, ...words], {
    input,
  });
  return { code, stdout: stdout.toString() };
}

async function collect(files: string[], options: Parameters<typeof predict>[1]): Promise<Prediction[]> {
  const found: Prediction[] = [];
  for await (const prediction of predict(files, options)) found.push(prediction);
  return found;
}

const labels = (predictions: Prediction[]) => predictions.map((p) => ('error' in p ? p.error : p.label));

describe('predict()', () => {
  test('says for each image what the network says of its pixels', async () => {
    const [path] = [join(photos, 'bird/3.png')];
    const [prediction] = await collect([path], { model });
    const pixels = await sharp(path).resize(16, 16, { fit: 'cover' }).removeAlpha().raw().toBuffer();
    const session = await openSession(network);
    const [a, b] = await session.predict(new Uint8Array(pixels), 1);
    await session.dispose();
    const share = 1 / (1 + Math.exp(b! - a!));
    if (!prediction || 'error' in prediction) throw new Error('no prediction');
    expect(prediction.file).toBe(path);
    expect(prediction.probabilities.bird).toBeCloseTo(share, 5);
    expect(prediction.probabilities.bird! + prediction.probabilities['not-bird']!).toBeCloseTo(1, 12);
    expect(prediction.label).toBe(share > 0.5 ? 'bird' : 'not-bird');
  });

  test('walks folders, in order, and batches do not change the answers', async () => {
    const all = await collect([photos], { model });
    expect(all).toHaveLength(45);
    const files = all.map(({ file }) => file);
    expect(new Set(files).size).toBe(45);
    const alone = await Promise.all([0, 31, 32, 44].map((i) => collect([files[i]!], { model })));
    expect(alone.flat()).toEqual([0, 31, 32, 44].map((i) => all[i]));
  });

  test('what is no image is an answer, and the others are not lost', async () => {
    const text = join(folder, 'text.jpg');
    writeFileSync(text, 'plain words');
    mkdirSync(join(folder, 'empty'), { recursive: true });
    const half = join(folder, 'half.png');
    writeFileSync(half, (await picture(true, 1)).subarray(0, 90));
    const good = join(photos, 'bird/0.png');
    const found = await collect([text, join(folder, 'gone.jpg'), join(folder, 'empty'), half, good], {
      model,
    });
    expect(labels(found).slice(0, 3)).toEqual([
      expect.stringMatching(/text.*, not JPEG, PNG/),
      'no such file',
      'no image in this folder',
    ]);
    expect(found[3]).toHaveProperty('error');
    expect(found[4]).toHaveProperty('label');
  });

  test("a model of the seed's, without metadata", async () => {
    const seed = birbs({ imageSize: 16, classNames: ['bird', 'not-bird'] });
    const tensors = splitValues(networkShapes(seed).parameters, await freshWeights(seed));
    const path = join(folder, 'bird_classifier.safetensors');
    writeFileSync(path, encodeSafetensors({ metadata: {}, tensors }));
    const [prediction] = await collect([join(photos, 'bird/0.png')], { model: path });
    expect(Object.keys((prediction as { probabilities: object }).probabilities)).toEqual([
      'bird',
      'not-bird',
    ]);
  });

  test('a signal ends it between batches', async () => {
    const controller = new AbortController();
    let count = 0;
    for await (const _ of predict([photos], { model }, controller.signal))
      if (++count === 1) controller.abort();
    expect(count).toBe(32);
  });

  const refusals: [what: string, make: () => Parameters<typeof predict>[1], message: RegExp][] = [
    [
      'no such model',
      () => ({ model: join(folder, 'gone') }),
      /^No such model: .*gone; name a \.safetensors file/,
    ],
    ['a folder without weights', () => ({ model: photos }), /^Expected best\.safetensors in the run folder/],
    ['a picture as model', () => ({ model: join(photos, 'bird/0.png') }), /0\.png is not a safetensors file/],
    [
      'a device that is not there',
      () => ({ model, device: 'gpu' as never }),
      /--device: expected one of auto/,
    ],
  ];
  test.each(refusals)('%s is refused', async (_, make, message) => {
    await expect(collect([photos], make())).rejects.toThrow(message);
  });
});

describe('a calibrated model', () => {
  const path = join(folder, 'calibrated.safetensors');
  const image = join(photos, 'bird/3.png');
  /** The same weights with this calibration; and the difference of the two logits of the image. */
  const calibrated = async (calibration: object) => {
    const notes = { calibration: JSON.stringify(calibration) };
    writeFileSync(path, encodeWeights(network, await freshWeights(network), notes));
    const [prediction] = await collect([image], { model });
    const { bird } = (prediction as unknown as { probabilities: { bird: number } }).probabilities;
    return Math.log(bird / (1 - bird));
  };
  const birdShare = (logit: number) => 1 / (1 + Math.exp(-logit));

  test('divides by the temperature, parts at the threshold', async () => {
    const logit = await calibrated({ temperature: 2, unsureBelow: 0, threshold: 0.5 });
    const at = async (threshold: number) => {
      await calibrated({ temperature: 2, unsureBelow: 0, threshold });
      return (await collect([image], { model: path }))[0] as unknown as {
        label: string;
        probabilities: { bird: number };
      };
    };
    const share = birdShare(logit / 2);
    expect((await at(share - 0.01)).probabilities.bird).toBeCloseTo(share, 6);
    expect((await at(share - 0.01)).label).toBe('bird');
    expect((await at(share + 0.01)).label).toBe('not-bird');
    const [raw] = await collect([image], { model: path, calibration: false });
    expect(raw).toEqual((await collect([image], { model }))[0]);
  });

  test('answers "unsure" below its bound, only if asked to', async () => {
    await calibrated({ temperature: 1, unsureBelow: 1 });
    expect(labels(await collect([image], { model: path, unsure: true }))).toEqual(['unsure']);
    expect(labels(await collect([image], { model: path }))).not.toContain('unsure');
    await calibrated({ temperature: 1, unsureBelow: 0.5 });
    expect(labels(await collect([image], { model: path, unsure: true }))).not.toContain('unsure');
  });

  test('says where the line is when the answer is below the other one', async () => {
    const share = birdShare(await calibrated({ temperature: 1, unsureBelow: 0, threshold: 0.5 }));
    await calibrated({
      temperature: 1,
      unsureBelow: 0,
      threshold: share < 0.5 ? share - 0.001 : share + 0.001,
    });
    const { stdout } = await run('predict.ts', ['--model', path, image]);
    expect(stdout).toMatch(/3\.png: (not-)?bird, probably \(bird begins at \d\d\.\d%\)\n/);
  });

  test('says its doubt in words, and in JSON', async () => {
    await calibrated({ temperature: 1, unsureBelow: 1 });
    const told = await run('predict.ts', ['--model', path, image]);
    expect(told.stdout).toMatch(/3\.png: (not-)?bird, but not at all sure\n/);
    const asked = await run('predict.ts', ['--model', path, '--unsure', image]);
    expect(asked.stdout).toMatch(/3\.png: unsure, perhaps (not-)?bird\n/);
    const json = await run('predict.ts', ['--model', path, '--unsure', '--json', image]);
    expect(JSON.parse(json.stdout)).toEqual({
      file: image,
      label: 'unsure',
      ...{ guess: expect.stringMatching(/^(not-)?bird$/), certainty: expect.any(Number) },
      ...{ unsure: true, doubt: 'much' },
      probabilities: { bird: expect.any(Number), 'not-bird': expect.any(Number) },
    });
    const [sure] = await collect([image], { model: path });
    const { guess } = JSON.parse(json.stdout);
    expect(sure).toMatchObject({ label: guess, guess, unsure: true, doubt: 'much' });
  });

  test('its certainty is the probability of its guess where there is no threshold', async () => {
    await calibrated({ temperature: 1, unsureBelow: 0 });
    const [found] = await collect([image], { model: path });
    const { guess, certainty, probabilities, unsure, doubt } = found as Verdict;
    expect(certainty).toBe(probabilities[guess]);
    expect([unsure, doubt]).toEqual([false, certainty < 0.8 ? 'some' : 'none']);
  });

  test('--unsure without a calibration, and a calibration that can not be, are refused', async () => {
    await expect(collect([image], { model, unsure: true })).rejects.toThrow(
      /^Expected a calibrated model for --unsure, but .*best\.safetensors has no calibration/,
    );
    await calibrated({ temperature: -1, unsureBelow: 0.5 });
    await expect(collect([image], { model: path })).rejects.toThrow(/--no-calibration/);
    await expect(collect([image], { model: path, calibration: false })).resolves.toHaveLength(1);
  });
});

describe('classes with names of JavaScript', () => {
  const classNames = ['__proto__', 'constructor', 'toString'];

  test('each has its probability', async () => {
    const network = birbsBn({ imageSize: 16, classNames });
    const path = join(folder, 'names.safetensors');
    writeFileSync(path, encodeWeights(network, await freshWeights(network)));
    const [found] = await collect([join(photos, 'bird/3.png')], { model: path });
    const { probabilities } = JSON.parse(JSON.stringify(found));
    expect(Object.keys(probabilities)).toEqual(classNames);
    expect(Object.entries(probabilities).reduce((sum, [, share]) => sum + (share as number), 0)).toBeCloseTo(
      1,
      9,
    );
  });
});

describe('weights of another program', () => {
  const plain = join(folder, 'plain.safetensors');
  const image = join(photos, 'bird/3.png');
  beforeAll(async () => {
    const tensors = splitValues(networkShapes(network).parameters, await freshWeights(network));
    writeFileSync(plain, encodeSafetensors({ metadata: {}, tensors }));
  });

  test('are asked as ours are when their network is named', async () => {
    const [ours] = await collect([image], { model });
    const given = { model: plain, network: 'birbs-bn', classes: ['bird', 'not-bird'] } as const;
    expect(await collect([image], { ...given, classes: [...given.classes] })).toEqual([ours]);
  });

  test.each([
    [{ model: plain, classes: ['a', 'b'] }, /^Expected --network beside --classes/],
    [{ model: plain, imageSize: 16 }, /^Expected --network beside --image-size/],
    [{ model, network: 'birbs' as const }, /says itself which network it is of; leave it out$/],
  ])('%j is refused', async (given, message) => {
    await expect(collect([image], given)).rejects.toThrow(message);
  });
});

describe('the command', () => {
  test('"-" is the standard input; an address gets a sentence', async () => {
    const image = join(photos, 'bird/1.png');
    const words = ['predict.ts', '--model', model, '--json', '-', 'https://example.com/a.jpg', '-'];
    const { code, stdout } = spawnRun(words, readFileSync(image));
    const [found, address, again] = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const [expected] = await collect([image], { model });
    expect(found).toEqual({ ...expected, file: '-' });
    expect(address).toEqual({
      file: 'https://example.com/a.jpg',
      error:
        'is an address, but expected a file; fetch it first (curl -LO https://example.com/a.jpg), or pipe it in and name "-"',
    });
    expect(again).toEqual({ file: '-', error: 'was read already: it is there once' });
    expect(code).toBe(1);
  });

  test('--json: an object a line, errors among them, and exit code 1', async () => {
    const good = join(photos, 'bird/1.png');
    const { code, stdout, stderr } = await run('predict.ts', ['--model', model, '--json', good, 'gone.jpg']);
    expect([code, stderr]).toEqual([1, '']);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toEqual([
      {
        file: good,
        ...{ label: expect.any(String), guess: expect.any(String), certainty: expect.any(Number) },
        ...{ unsure: expect.any(Boolean), doubt: expect.stringMatching(/^(none|some|much)$/) },
        probabilities: { bird: expect.any(Number), 'not-bird': expect.any(Number) },
      },
      { file: 'gone.jpg', error: 'no such file' },
    ]);
  });

  test('for people: verdict, probability, bar; doubt is said; the newest run is the model', async () => {
    const unsure = join(folder, 'home/runs/new');
    mkdirSync(unsure, { recursive: true });
    cpSync(join(folder, 'runs/demo'), join(folder, 'home/runs/old'), { recursive: true });
    const zeros = new Float32Array((await freshWeights(network)).length);
    writeFileSync(join(unsure, 'best.safetensors'), encodeWeights(network, zeros));
    const { code, stdout } = await run('predict.ts', [join(photos, 'bird/1.png')], {
      cwd: join(folder, 'home'),
    });
    expect(code).toBe(0);
    expect(stdout.split('\n')).toEqual([
      expect.stringMatching(/1\.png: bird, but not at all sure$/),
      '  bird      50.0%  ██████████░░░░░░░░░░',
      '  not-bird  50.0%  ██████████░░░░░░░░░░',
      '',
    ]);
  });

  test('--sort-into copies or links by the answer, and --undo-sort takes it all back', async () => {
    const home = join(folder, 'sorting');
    const [own, sorted] = [join(home, 'photos'), join(home, 'sorted')];
    cpSync(photos, own, { recursive: true });
    const command = (...words: string[]) => captured(predictCommand, words);
    const sort = (...words: string[]) => command('--model', model, own, '--sort-into', sorted, ...words);
    const filesIn = () => readdirSync(sorted, { recursive: true, withFileTypes: true });
    const first = await sort();
    expect(first.stdout).toMatch(
      /\n45 files are in .*sorted; take them out again with: .* --undo-sort .*sorted\n$/,
    );
    // Names are the same in both folders of photos.
    expect(filesIn().filter((entry) => entry.isFile() && entry.name.endsWith('.png'))).toHaveLength(45);
    await sort('--json');
    expect(filesIn().filter((entry) => entry.isFile())).toHaveLength(46);
    expect(await command('--undo-sort', sorted)).toMatchObject({
      code: 0,
      stdout: `Removed 45 files from ${sorted}\n`,
    });
    expect(readdirSync(home)).toEqual(['photos']);
    await sort('--link', '--json');
    expect(filesIn().filter((entry) => entry.isSymbolicLink())).toHaveLength(45);
    await command('--undo-sort', sorted);
    expect(readdirSync(home)).toEqual(['photos']);
    expect(readdirSync(join(own, 'bird'))).toHaveLength(20);
    const none = await command('--undo-sort', own);
    expect([none.code, none.message]).toEqual([
      2,
      expect.stringMatching(/^Expected a folder that --sort-into/),
    ]);
    const alone = await command('--link', own);
    expect([alone.code, alone.message]).toEqual([
      2,
      expect.stringMatching(/^Expected --sort-into DIR beside --link/),
    ]);
  });

  test('wrong usage ends with 2 and one sentence', async () => {
    const cases: [words: string[], message: string][] = [
      [[], 'Error: Expected an image or a folder of images; for example: npx tsx src/predict.ts photo.jpg\n'],
      [['--modle', 'x', 'a.jpg'], 'Error: Unknown option --modle: did you mean --model?\n'],
      [
        ['a.jpg'],
        'Error: Expected a trained model in runs/, but there is none; train one first, or name one with --model\n',
      ],
    ];
    for (const [words, stderr] of cases) {
      expect(await run('predict.ts', words, { cwd: photos })).toMatchObject({ code: 2, stdout: '', stderr });
    }
  });
});
