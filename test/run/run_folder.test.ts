/** What a run folder stands: two who want it, a wrong start, another working directory, a full disk. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { TrainOptions } from '../../src/options.ts';
import { train } from '../../src/train.ts';
import type { TrainEvent } from '../../src/training/train_events.ts';
import { pictureFolder, run, temporaryFolder } from '../images.ts';

const folder = temporaryFolder('run-folder');
const at = (...parts: string[]) => join(folder, ...parts);
beforeAll(() => pictureFolder(at('photos'), 12, 24));
afterAll(() => rmSync(folder, { recursive: true }));

const small: Partial<TrainOptions> = {
  ...{ data: [at('photos')], cache: at('cache'), lock: at('birbs.lock.json'), imageSize: 16, batchSize: 4 },
  ...{ epochs: 2, threads: 1, device: 'cpu', network: 'birbs' },
};
const options = (name: string, more: Partial<TrainOptions> = {}) => ({ ...small, run: at(name), ...more });
const json = (...parts: string[]) => JSON.parse(readFileSync(at(...parts), 'utf8'));

describe('one process at a time', () => {
  const taken = new RegExp(
    `^Expected .* to be free, but process ${process.pid} has been training in it since [-\\d]+ [:\\d]+; wait until it ends, or stop it with kill ${process.pid}$`,
  );

  test('a second training of the same folder gets a sentence, and the first goes on', async () => {
    const others: Promise<unknown>[] = [];
    const onEvent = ({ type }: TrainEvent) => {
      if (type !== 'start') return;
      others.push(train({ resume: at('both') }).catch((error) => error));
      others.push(train(options('both')).catch((error) => error));
    };
    const results = await train(options('both'), { onEvent });
    const refused = (await Promise.all(others)) as Error[];
    expect(refused.map(({ message }) => message)).toEqual(Array(2).fill(expect.stringMatching(taken)));
    expect(results).toMatchObject({ status: 'done', epochs: 2 });
    expect(readdirSync(at('both')).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test('of two that begin at once one trains', async () => {
    const both = await Promise.allSettled([train(options('race')), train(options('race'))]);
    const [done, refused] = both.sort((a, b) => (a.status < b.status ? -1 : 1));
    expect(done).toMatchObject({ status: 'fulfilled', value: { status: 'done' } });
    expect((refused as PromiseRejectedResult).reason.message).toMatch(taken);
  });

  test('--resume while another process trains leaves it alone; once that is killed, it resumes', async () => {
    const words = ['--data', at('photos'), '--cache', at('cache'), '--lock', at('birbs.lock.json')];
    const more = '--image-size 16 --batch-size 4 --epochs 100000 --device cpu --threads 1 --ui json'.split(
      ' ',
    );
    let second: Promise<Error> | undefined;
    const first = await run('train.ts', [...words, ...more, '--network', 'birbs', '--run', at('alive')], {
      onOutput(text, kill) {
        if (second || !text.includes('"checkpoint"')) return;
        second = train({ resume: at('alive') }).catch((error) => error);
        void second.then(() => kill('SIGKILL'));
      },
    });
    expect(first.signal).toBe('SIGKILL');
    expect((await second!).message).toMatch(/^Expected .* to be free, .*; wait until .* kill \d+$/);
    const { epochs } = await train({ resume: at('alive'), epochs: 1 });
    expect(epochs).toBeGreaterThanOrEqual(1);
    expect(readdirSync(at('alive')).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});

describe('a run that ended before its first step', () => {
  test('leaves its --run to the corrected command', async () => {
    await expect(train(options('again', { data: [at('nowhere')] }))).rejects.toThrow(/^No such folder/);
    expect(readdirSync(at('again')).sort()).toEqual(['report.html', 'run.json']);
    expect(await train(options('again'))).toMatchObject({ status: 'done' });
    expect(json('again', 'run.json').options.data).toEqual([at('photos')]);
    await expect(train(options('again'))).rejects.toThrow(/holds a run/);
  });

  test('but nothing that somebody else put there is touched', async () => {
    await expect(train(options('notes', { data: [at('nowhere')] }))).rejects.toThrow(/^No such folder/);
    cpSync(at('photos/bird/0.png'), at('notes/mine.png'));
    await expect(train(options('notes'))).rejects.toThrow(/holds a run/);
    expect(readdirSync(at('notes')).sort()).toEqual(['mine.png', 'report.html', 'run.json']);
  });
});

describe('what a run says before its first step', () => {
  const remarksOf = async (given: Partial<TrainOptions>) => {
    let remarks: string[] = [];
    const onEvent = (event: TrainEvent) => {
      if (event.type === 'start') remarks = event.remarks;
    };
    await train(given, { onEvent });
    return remarks;
  };

  test('fewer images than the usual batch: smaller batches, which a resume keeps', async () => {
    const { batchSize: _, ...usual } = options('few', { epochs: 1 });
    expect(await remarksOf(usual)).toEqual([
      'Batches of 8 images in place of 32, as an epoch has only 20 images',
    ]);
    expect(json('few', 'run.json').options.batchSize).toBe(8);
    expect(await remarksOf({ resume: at('few'), epochs: 2 })).toEqual([]);
    expect(json('few', 'results.json').steps).toBe(6);
  });

  test('the numbers that it was given, in words', async () => {
    const given = { warmup: 5, time: 5400, patience: 3, checkpointMinutes: 90, cacheLimit: 2, canary: 0 };
    expect(await remarksOf(options('words', given))).toEqual([
      'As given: ends after 1 h 30 min; the learning rate rises over 5 steps (1 epochs); ends after 3 epochs without ' +
        'improvement; a checkpoint every 1 h 30 min; at most 2 GB in the cache',
    ]);
  });
});

test('classes with names of JavaScript are counted as any other', async () => {
  cpSync(at('photos/bird'), at('names/constructor'), { recursive: true });
  cpSync(at('photos/not-bird'), at('names/__proto__'), { recursive: true });
  const results = await train(options('names-run', { data: [at('names')] }));
  const { data, classNames } = json('names-run', 'run.json');
  expect(classNames).toEqual(['__proto__', 'constructor']);
  expect(Object.entries(data.sources[0].counts).sort()).toEqual([
    ['__proto__', 24],
    ['constructor', 12],
  ]);
  expect([data.train, data.validation]).toEqual([
    [19, 10],
    [5, 2],
  ]);
  expect(results.best!.confusion.map((row) => row[0]! + row[1]!)).toEqual([5, 2]);
});

describe('resumed from another folder', () => {
  const home = process.cwd();
  afterEach(() => process.chdir(home));

  test.each([
    ['', 'photos'],
    ['', './photos'],
    ['below', '../photos'],
  ])('in %j: --data %s is where it was', async (below, source) => {
    mkdirSync(at(below), { recursive: true });
    process.chdir(at(below));
    const name = `moved${below}-${source.length}`;
    await train({ ...small, data: [source], lock: 'own.lock.json', run: at(name), epochs: 1 });
    process.chdir('/');
    const results = await train({ resume: at(name), epochs: 2 });
    expect(results).toMatchObject({ status: 'done', epochs: 2 });
    expect(existsSync('/own.lock.json')).toBe(false);
    const { data, options: kept } = json(name, 'run.json');
    expect(kept.data).toEqual([source]);
    expect(data.sources[0]).toMatchObject({ source, images: 36 });
  });
});
