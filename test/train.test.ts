/** Training end to end: the function, the run folder, and the command as a user starts it. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadWeights } from '../src/export/weights.ts';
import type { TrainOptions } from '../src/options.ts';
import { loadCheckpoint } from '../src/run/checkpoint.ts';
import { train } from '../src/train.ts';
import type { DataEvent } from '../src/training/plan.ts';
import type { Results } from '../src/training/results.ts';
import type { TrainEvent } from '../src/training/train_events.ts';
import { pictureFolder, pictureParquet, run, temporaryFolder } from './images.ts';

const folder = temporaryFolder('train');
const photos = join(folder, 'photos');
const cache = join(folder, 'cache');
const lock = join(folder, 'birbs.lock.json');
beforeAll(() => pictureFolder(photos, 30, 90));
afterAll(() => rmSync(folder, { recursive: true }));

/** Small and quick: 16 pixels, batches of 8. */
const small = (run: string): Partial<TrainOptions> => ({
  ...{
    data: [photos],
    cache,
    imageSize: 16,
    batchSize: 8,
    epochs: 3,
    threads: 2,
    device: 'cpu',
    run: join(folder, run),
    lock,
  },
});
const smallWords = (run: string, ...more: string[]) =>
  `--data ${photos} --cache ${cache} --image-size 16 --batch-size 8 --device cpu --lock ${lock} --run ${join(folder, run)}`
    .split(' ')
    .concat(more);

const hash = (path: string) =>
  createHash('sha256')
    .update(readFileSync(join(folder, path)))
    .digest('hex');
const json = (path: string) => JSON.parse(readFileSync(join(folder, path), 'utf8'));

describe('train()', () => {
  const events: TrainEvent[] = [];
  let results: Results;
  beforeAll(async () => {
    results = await train(small('first'), { onEvent: (event) => events.push(event) });
  });

  test('learns what can be learnt', () => {
    expect(results).toMatchObject({
      status: 'done',
      device: 'cpu',
      classNames: ['bird', 'not-bird'],
      epochs: 3,
    });
    expect(results.best!.balancedAccuracy).toBeGreaterThan(0.95);
    expect(results.betterThanMajority).toBe(true);
    expect(results.majorityAccuracy).toBeCloseTo(0.75, 10);
    expect(results.best!.confusion.flat().reduce((a, b) => a + b)).toBe(24);
  });

  test('tells what happens in order', () => {
    const kinds = events.map(({ type }) => type).filter((type) => type !== 'reading');
    const epoch = [...Array(12).fill('step'), 'epoch', 'checkpoint'];
    expect(kinds).toEqual(['device', 'data', 'start', ...epoch, ...epoch, ...epoch, 'end']);
    const data = events.find((event) => event.type === 'data');
    expect(data).toMatchObject({
      train: [24, 72],
      validation: [6, 18],
      balanced: [24, 24],
      draws: 2,
      balance: 'undersample',
    });
    const steps = events.filter((event) => event.type === 'step').map(({ step }) => step);
    expect(steps).toEqual(Array.from({ length: 36 }, (_, i) => i + 1));
  });

  test('leaves the run folder of the design', async () => {
    const files = readdirSync(join(folder, 'first')).sort();
    expect(files.filter((name) => !name.startsWith('events.out.tfevents.'))).toEqual([
      ...[
        'best.safetensors',
        'card.md',
        'last.safetensors',
        'metrics.csv',
        'metrics.jsonl',
        'report.html',
        'results.json',
        'run.json',
        'state.previous.safetensors',
        'state.safetensors',
      ],
    ]);
    expect(json('first/results.json')).toEqual(JSON.parse(JSON.stringify(results)));
    expect(json('first/run.json')).toMatchObject({
      classNames: ['bird', 'not-bird'],
      options: { imageSize: 16, epochs: 3, learningRate: 0.03, seed: 1, data: [photos] },
      device: { name: 'cpu' },
      data: { hash: expect.stringMatching(/^[0-9a-f]{64}$/), train: [24, 72] },
    });
    const log = readFileSync(join(folder, 'first/metrics.jsonl'), 'utf8').trimEnd().split('\n');
    const epochs = log.map((line) => JSON.parse(line)).filter(({ type }) => type === 'epoch');
    expect(epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    expect(epochs[2].validation).toEqual((({ epoch: _, ...metrics }) => metrics)(results.final!));
    const best = await loadWeights(join(folder, 'first/best.safetensors'));
    expect(best.network.classNames).toEqual(['bird', 'not-bird']);
    const state = await loadCheckpoint(join(folder, 'first/state.safetensors'));
    expect(state.position).toMatchObject({ epoch: 3, step: 36, batch: 36, seed: 1, best: results.best });
    expect(state.network).toEqual(best.network);
    expect(state.optimizer.step).toBe(36);
  });

  test('the same seed gives the same run, byte for byte; another seed another', async () => {
    await train(small('second'));
    await train({ ...small('third'), seed: 2 });
    for (const name of ['best.safetensors', 'last.safetensors']) {
      expect(hash(`second/${name}`), name).toBe(hash(`first/${name}`));
      expect(hash(`third/${name}`), name).not.toBe(hash(`first/${name}`));
    }
  });

  test('stops after the step at hand when told, and saves', async () => {
    const controller = new AbortController();
    let steps = 0;
    const onEvent = (event: TrainEvent) => {
      if (event.type === 'step' && ++steps === 14) controller.abort();
    };
    const stopped = await train(small('stopped'), { onEvent, signal: controller.signal });
    expect(stopped).toMatchObject({ status: 'interrupted', epochs: 1 });
    expect(stopped.steps).toBeLessThanOrEqual(16);
    const { position } = await loadCheckpoint(join(folder, 'stopped/state.safetensors'));
    expect(position).toMatchObject({ epoch: 1, step: stopped.steps });
    expect(hash('stopped/best.safetensors')).not.toBe(hash('stopped/last.safetensors'));
  });

  test.each(['oversample', 'weights', 'none'] as const)('balance %s', async (balance) => {
    let balanced: number[] = [];
    const onEvent = (event: TrainEvent) => {
      if (event.type === 'data') balanced = event.balanced;
    };
    const run = { ...small(`balance-${balance}`), balance, epochs: 2, network: 'birbs' as const };
    const { best } = await train(run, { onEvent });
    expect(balanced).toEqual(balance === 'oversample' ? [72, 72] : [24, 72]);
    expect(best!.loss).toBeLessThan(Math.log(2));
  });

  test('class weights reach the loss', () => {
    expect(hash('balance-weights/last.safetensors')).not.toBe(hash('balance-none/last.safetensors'));
  });

  test.each([
    ['sgd', { optimizer: 'sgd', learningRate: 0.05, schedule: 'constant' }],
    ['adam, clipped and smoothed', { optimizer: 'adam', clipNorm: 1, labelSmoothing: 0.1, augment: false }],
  ] as [string, Partial<TrainOptions>][])('%s', async (name, options) => {
    const { best } = await train({ ...small(name.split(',')[0]!), ...options });
    expect(best!.balancedAccuracy).toBeGreaterThan(0.9);
  });

  test('a model that can not learn is called so', async () => {
    // The step is too small to leave the start.
    const { betterThanMajority } = await train({ ...small('asleep'), epochs: 1, learningRate: 1e-9 });
    expect(betterThanMajority).toBe(false);
  });

  test('a loss that is no number any more stops the run with advice', async () => {
    const wild = {
      ...small('wild'),
      network: 'birbs' as const,
      optimizer: 'sgd' as const,
      learningRate: 100,
    };
    await expect(train({ ...wild, epochs: 50, rollbacks: 2 })).rejects.toThrow(
      /^At step \d+ the loss .*after 2 rollbacks .*.*try a tenth of it with --learning-rate$/,
    );
  });
});

describe('the command', () => {
  test('says what it does, from the device to the next command', async () => {
    const { code, stdout, stderr } = await run('train.ts', smallWords('plain', '--epochs', '3'));
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/^Training on cpu \(.+\): you asked for it\. Data: .+photos\.$/);
    expect(stdout).toContain(
      'Training on 24 bird, 72 not-bird; balanced to 24 bird, 24 not-bird (undersample, resampled 2 times per epoch)',
    );
    expect(stdout).toContain('always guessing not-bird is right for 75.0% of them (balanced accuracy 50.0%)');
    expect(stdout.match(/^Epoch \d\/3 {2}loss .* images\/s/gm)).toHaveLength(3);
    expect(stdout).toContain('Better than guessing: ');
    expect(stdout).toContain(`  npx tsx src/predict.ts --model ${join(folder, 'plain')} photo.jpg\n`);
    expect(stdout).not.toContain('\r');
  });

  test('--ui json: one object a line and nothing else', async () => {
    const { code, stdout, stderr } = await run(
      'train.ts',
      smallWords('json', '--epochs', '2', '--ui', 'json'),
    );
    expect([code, stderr]).toEqual([0, '']);
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as TrainEvent);
    expect(events[0]).toMatchObject({ type: 'device', name: 'cpu' });
    expect(events.filter(({ type }) => type === 'epoch')).toHaveLength(2);
    expect(events.at(-1)).toMatchObject({ type: 'end', results: json('json/results.json') });
  });

  test('--ui none: silence', async () => {
    const { code, stdout, stderr } = await run(
      'train.ts',
      smallWords('none', '--epochs', '1', '--ui', 'none'),
    );
    expect([code, stdout, stderr]).toEqual([0, '', '']);
  });

  test.each(['SIGINT', 'SIGHUP'] as const)('%s saves and ends with 130', async (signal) => {
    rmSync(join(folder, 'interrupted'), { recursive: true, force: true });
    const ended = await run('train.ts', smallWords('interrupted', '--epochs', '100000'), {
      onOutput: once(/Epoch\s+1\//, (kill) => kill(signal)),
    });
    expect(ended).toMatchObject({ code: 130, signal: null, stderr: '' });
    expect(ended.stdout).toContain('Interrupted after ');
    const { values } = await loadWeights(join(folder, 'interrupted/last.safetensors'));
    expect(values.every(Number.isFinite)).toBe(true);
    const { position } = await loadCheckpoint(join(folder, 'interrupted/state.safetensors'));
    expect(json('interrupted/results.json')).toMatchObject({ status: 'interrupted', steps: position.step });
  });

  test('a reader that goes away ends it quietly, saved', async () => {
    const { spawnSync } = await import('node:child_process');
    const words = smallWords('head', '--epochs', '100000').map((word) => `'${word}'`);
    const command = `"$0" --import tsx src/train.ts ${words.join(' ')} | head -1; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = spawnSync('bash', ['-c', command, process.execPath], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^Training on cpu .*\n130\n$/);
    expect(existsSync(join(folder, 'head/last.safetensors'))).toBe(true);
  });

  test('without sources it takes data/birds, and a run folder named by the time', async () => {
    const home = join(folder, 'home');
    mkdirSync(join(home, 'data'), { recursive: true });
    await pictureFolder(join(home, 'data/birds'), 12, 12);
    const words = '--image-size 8 --batch-size 8 --epochs 1 --cache cache'.split(' ');
    const { code, stdout } = await run('train.ts', words, { cwd: home });
    expect(code).toBe(0);
    expect(stdout.split('\n')[0]).toMatch(/Data: data\/birds \(no source was given\)\.$/);
    expect(readdirSync(join(home, 'runs'))).toEqual([
      expect.stringMatching(/^\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d$/),
    ]);
  });

  test('birbs-metal train and --help', async () => {
    const help = await run('cli.ts', ['train', '--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toContain('npx birbs-metal train [options]');
    expect((await run('cli.ts', ['--help'])).stdout).toContain('birbs-metal predict [options] FILE');
    expect(await run('cli.ts', ['tarin'])).toMatchObject({
      code: 2,
      stderr:
        'Error: Expected train, data, predict, export, serve, review, compare, doctor or setup, but found "tarin"; see birbs-metal --help\n',
    });
  });
});

/** Calls back once, as soon as the output matches. */
function once(pattern: RegExp, then: (kill: (signal: NodeJS.Signals) => void) => void) {
  let done = false;
  return (stdout: string, kill: (signal: NodeJS.Signals) => void) => {
    if (done || !pattern.test(stdout)) return;
    done = true;
    then(kill);
  };
}

describe('real data', () => {
  test('the demo: drawings, split by concept', async () => {
    let data: DataEvent | undefined;
    const onEvent = (event: TrainEvent) => {
      if (event.type === 'data') data = event;
    };
    const options = { ...small('demo'), data: ['demo'], epochs: 1, batchSize: 32 };
    const results = await train(options, { onEvent });
    expect(data!.train[0]! + data!.validation[0]!).toBe(80);
    expect(data!.train[1]! + data!.validation[1]!).toBeGreaterThan(7000);
    expect(results.majorityAccuracy).toBeGreaterThan(0.985);
    expect(data!.balanced[0]).toBe(data!.balanced[1]);
    expect(results.best!.auroc).toBeGreaterThan(0);
  });

  test('parquet: CIFAR-10 where it is beside the repository, else a small file of our own', async () => {
    const cifar = fileURLToPath(
      new URL('../../shared/data/cifar10/test-00000-of-00001.parquet', import.meta.url),
    );
    const there = existsSync(cifar);
    if (!there)
      console.log('No ../shared/data/cifar10: a parquet file of 600 pictures of our own stands for it.');
    const path = there ? cifar : await pictureParquet(join(folder, 'own.parquet'), 600);
    const options = {
      ...small('parquet'),
      data: [`${path}?label=bird`],
      batchSize: 32,
    };
    const results = await train({ ...options, epochs: 4 });
    expect(results.classNames).toEqual(['bird', 'not-bird']);
    expect(results.majorityAccuracy).toBeCloseTo(there ? 0.9 : 2 / 3, 2);
    expect(results.best!.balancedAccuracy).toBeGreaterThan(0.6);
    expect(results.betterThanMajority).toBe(true);
  });
});
