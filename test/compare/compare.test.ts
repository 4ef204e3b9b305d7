/** Runs side by side: what differs, how they answer the same images, and whether that may be luck. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chanceOfDifference, differingOptions } from '../../src/compare/comparison.ts';
import type { FinishedRun } from '../../src/compare/finished_run.ts';
import { rightCounts } from '../../src/compare/same_images.ts';
import { pictureFolder, run, temporaryFolder } from '../images.ts';

const folder = temporaryFolder('compare');
afterAll(() => rmSync(folder, { recursive: true }));

// scipy.stats.binomtest(min(a, b), a + b).pvalue
test.each([
  [0, 0, 1],
  [7, 1, 0.0703125],
  [1, 7, 0.0703125],
  [10, 0, 0.001953125],
  [30, 12, 0.0079154],
  [5, 5, 1],
])('of %i and %i images on which one of two models is right', (a, b, chance) => {
  expect(chanceOfDifference(a, b)).toBeCloseTo(chance, 6);
});

test('options that differ, without those that are no reason for another result', () => {
  const options = { data: ['a'], epochs: 3, run: 'x', ui: 'tui', learningRate: 0.001 };
  const made = (more: object) =>
    ({ description: { options: { ...options, ...more } } }) as unknown as FinishedRun;
  expect(differingOptions([made({}), made({ run: 'y', ui: 'plain', epochs: 5, imageSize: 32 })])).toEqual([
    { option: '--epochs', values: ['3', '5'] },
    { option: '--image-size', values: ['–', '32'] },
  ]);
});

test('who is right where', () => {
  const image = (truth: string, ...guesses: string[]) => ({
    ...{ name: 'x', truth },
    answers: guesses.map((guess) => ({ guess, certainty: 1 })),
  });
  const images = [image('a', 'a', 'b'), image('a', 'a', 'a'), image('b', 'a', 'b'), image('b', 'b', 'a')];
  expect(rightCounts(images, 2)).toEqual({
    right: [3, 2],
    onlyFirst: [
      [0, 2],
      [1, 0],
    ],
  });
});

describe('the command', () => {
  beforeAll(async () => {
    await pictureFolder(join(folder, 'photos'), 24, 24);
    const options = ['--data', 'photos', '--network', 'birbs-bn', '--ui', 'plain', '--cache', 'cache'];
    const train = (name: string, ...more: string[]) =>
      run('train.ts', [...options, ...more, '--run', name], { cwd: folder });
    await Promise.all([
      train('short', '--image-size', '16', '--epochs', '1'),
      train('long', '--image-size', '24', '--epochs', '3'),
    ]);
  });

  test('prints a table, and writes a page that loads nothing', async () => {
    const { code, stdout, stderr } = await run('compare.ts', ['short', 'long', '--html', 'c.html'], {
      cwd: folder,
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [head, short, long] = stdout.split('\n');
    expect(head).toMatch(/^run +network +epochs +balanced accuracy/);
    expect([short, long]).toEqual([
      expect.stringMatching(/^short +birbs-bn +1 /),
      expect.stringMatching(/^long +birbs-bn +3 /),
    ]);
    expect(stdout).toMatch(
      /^Asked about the same \d+ validation images of short: short is right on \d+, long is/m,
    );
    expect(stdout).toMatch(/^--image-size +16 +24$/m);
    const page = readFileSync(join(folder, 'c.html'), 'utf8');
    expect(page).toContain('default-src &#39;none&#39;');
    expect(page).toMatch(/Where do they disagree\?/);
    expect(page.match(/<svg /g)).toHaveLength(3);
  });

  test('answers are those of predict, though the networks see different pixels', async () => {
    const { stdout } = await run('compare.ts', ['short', 'long', '--json'], { cwd: folder });
    const { images } = JSON.parse(stdout);
    const names = images.slice(0, 4).map(({ name }: { name: string }) => name);
    for (const [i, name] of ['short', 'long'].entries()) {
      const predicted = await run('predict.ts', ['--model', name, '--json', ...names], { cwd: folder });
      const lines = predicted.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(lines.map(({ guess, certainty }) => [guess, certainty.toFixed(5)])).toEqual(
        images
          .slice(0, 4)
          .map((image: { answers: { guess: string; certainty: number }[] }) => [
            image.answers[i]!.guess,
            image.answers[i]!.certainty.toFixed(5),
          ]),
      );
    }
  });

  test('runs whose images are gone are compared by what they have kept; wrong usage is a sentence', async () => {
    rmSync(join(folder, 'photos'), { recursive: true });
    const gone = await run('compare.ts', ['short', 'long'], { cwd: folder });
    expect(gone.stdout).toMatch(/^They were not asked about the same images: .*photos/m);
    const alone = await run('compare.ts', ['short'], { cwd: folder });
    expect([alone.code, alone.stderr]).toEqual([
      2,
      expect.stringMatching(/^Error: Expected at least two run folders/),
    ]);
    writeFileSync(join(folder, 'long/results.json'), '{');
    const damaged = await run('compare.ts', ['short', 'long', '--html', 'd.html'], { cwd: folder });
    expect([damaged.code, damaged.stderr]).toEqual([
      1,
      expect.stringMatching(/results\.json, but it is damaged\n$/),
    ]);
    expect(existsSync(join(folder, 'd.html'))).toBe(false);
  });
});
