/** The command on several ranks. */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSafetensors } from '../../src/export/safetensors.ts';
import { pictureFolder, temporaryFolder } from '../images.ts';
import { alone, launchers, onRanks, whyNot } from './mpi.ts';

process.stdout.write(whyNot());

let folder = '';
let photos = '';
beforeAll(async () => {
  folder = temporaryFolder('ranks');
  photos = await pictureFolder(join(folder, 'photos'), 30, 30);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** 45 images in batches of 8: the last has 5. */
const wordsFor = (run: string, ...more: string[]): [string, ...string[]] => [
  'src/train.ts',
  ...['--data', photos, '--cache', join(folder, 'cache'), '--lock', join(folder, 'birbs.lock.json')],
  ...['--image-size', '16', '--batch-size', '8', '--network', 'birbs', '--device', 'cpu', '--threads', '1'],
  ...['--val-fraction', '0.25', '--optimizer', 'sgd', '--run', join(folder, run), ...more],
];

const weightsOf = async (run: string) => {
  const { tensors } = await readSafetensors(join(folder, run, 'last.safetensors'));
  return Object.keys(tensors)
    .sort()
    .flatMap((name) => [...tensors[name]!.data]);
};
const json = (run: string, name: string) => JSON.parse(readFileSync(join(folder, run, name), 'utf8'));

describe.runIf(launchers.length > 0 && availableParallelism() > 1)('training on ranks', () => {
  const [launcher] = launchers;

  test('is that of one process, whoever starts it', async () => {
    const one = await alone(wordsFor('one', '--epochs', '2', '--ui', 'none'));
    expect(one).toMatchObject({ code: 0, stderr: '' });
    const two = await alone(wordsFor('two', '--epochs', '2', '--ui', 'plain', '--processes', '2'));
    expect(two).toMatchObject({ code: 0, stderr: '' });
    expect(two.stdout).toContain('Epoch 2/2');

    const [a, b] = [await weightsOf('one'), await weightsOf('two')];
    const length = (values: number[]) => Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0));
    expect(length(a.map((value, i) => value - b[i]!)) / length(a)).toBeLessThan(1e-5);
    const [results, others] = [json('one', 'results.json'), json('two', 'results.json')];
    expect(others).toMatchObject({ status: 'done', epochs: 2, steps: results.steps });
    expect(others.final.confusion).toEqual(results.final.confusion);
    expect(others.final.loss).toBeCloseTo(results.final.loss, 5);
    expect(json('two', 'run.json').ranks.size).toBe(2);
    // One rank keeps the folder, and no other leaves anything.
    const kinds = (run: string) =>
      readdirSync(join(folder, run)).map((name) => name.replace(/^events.*/, 'events'));
    expect(kinds('two').sort()).toEqual(kinds('one').sort());
  });

  test('goes on with another number of processes, and says so', async () => {
    const resume: [string, ...string[]] = ['src/train.ts', '--resume', join(folder, 'two'), '--epochs', '3'];
    const ended = await alone([...resume, '--ui', 'plain']);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(ended.stdout).toContain('It was trained by 2 processes and goes on with 1 process');
    expect(json('two', 'results.json')).toMatchObject({ status: 'done', epochs: 3 });
    expect(json('two', 'run.json').ranks).toBeUndefined();
  });

  test.runIf(launchers.length === 2 && process.platform === 'linux')(
    "refuses a library that is not the launcher's",
    async () => {
      const mpich = launchers.find(({ name }) => name === 'MPICH');
      const wrong = { BIRBS_MPI: 'libmpi.so.40' };
      const ended = await onRanks(mpich!, 2, wordsFor('wrong', '--ui', 'none'), { env: wrong });
      expect(ended.code).toBe(2);
      expect(ended.stderr.match(/^Error: .*$/gm)).toEqual([
        expect.stringMatching(
          /^Error: Expected the 2 processes that mpirun started \(MPICH\) to find each other, but Open MPI .* sees only 1;/,
        ),
      ]);
      expect(readdirSync(folder)).not.toContain('wrong');
    },
  );

  test('refuses more processes than images of a batch, by one sentence', async () => {
    const ended = await onRanks(launcher!, 3, wordsFor('few', '--batch-size', '2', '--ui', 'none'));
    expect(ended.code).toBe(2);
    expect(ended.stderr.match(/^Error: .*$/gm)).toEqual([
      'Error: Expected at most 2 processes, the images of a batch, but found 3; start fewer, or choose a larger --batch-size',
    ]);
    expect(readdirSync(join(folder, 'few'))).toEqual([]);
  });
});

describe('the command refuses', () => {
  test('more processes than cores, and hosts that are none', async () => {
    const many = await alone(wordsFor('many', '--processes', '1000'));
    expect(many).toMatchObject({ code: 2, stdout: '' });
    expect(many.stderr).toMatch(
      /^Error: Expected --processes of at most \d+, the cores of this machine, but found 1000;/,
    );
    const hosts = await alone(wordsFor('hosts', '--hosts', 'a,-oProxyCommand=x'));
    expect(hosts).toMatchObject({ code: 2, stdout: '' });
    expect(hosts.stderr).toMatch(/^Error: Expected --hosts as names joined by commas/);
  });

  test.runIf(process.platform === 'linux')('where there is no mpirun, and says what to install', async () => {
    const ended = await alone(wordsFor('none', '--processes', '1', '--hosts', 'localhost'), {
      PATH: '/nonexistent',
    });
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toMatch(
      /^Error: Expected mpirun to start several processes, but there is none; install Open MPI/,
    );
  });
});
