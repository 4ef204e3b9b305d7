/** Runs side by side: what differs, how they answer the same images, and whether that may be luck. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chanceOfDifference, differingOptions } from '../../src/compare/comparison.ts';
import type { FinishedRun } from '../../src/compare/finished_run.ts';
import { type AskedImage, rightCounts } from '../../src/compare/same_images.ts';
import { compareCommand } from '../../src/compare.ts';
import { predict } from '../../src/predict.ts';
import { train } from '../../src/train.ts';
import { captured } from '../captured.ts';
import { pictureFolder, temporaryFolder } from '../images.ts';

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
  const [photos, short, long] = ['photos', 'short', 'long'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const compare = (...words: string[]) => captured(compareCommand, words);

  beforeAll(async () => {
    await pictureFolder(photos, 24, 24);
    const options = { network: 'birbs-bn', lock: join(folder, 'lock.json') } as const;
    const given = { ...options, data: [photos], cache: join(folder, 'cache') };
    await train({ ...given, imageSize: 16, epochs: 1, run: short });
    await train({ ...given, imageSize: 24, epochs: 3, run: long });
  });

  test('prints a table, and writes a page that loads nothing', async () => {
    const { code, stdout } = await compare(short, long, '--html', join(folder, 'c.html'));
    expect(code).toBe(0);
    const [head, first, second] = stdout.split('\n');
    expect(head).toMatch(/^run +network +epochs +balanced accuracy/);
    expect([first, second]).toEqual([
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
    const { images } = JSON.parse((await compare(short, long, '--json')).stdout);
    const asked: AskedImage[] = images.slice(0, 4);
    for (const [i, model] of [short, long].entries()) {
      const found: unknown[] = [];
      for await (const answer of predict(
        asked.map(({ name }) => name),
        { model },
      ))
        found.push('error' in answer ? answer : [answer.guess, answer.certainty.toFixed(5)]);
      expect(found).toEqual(
        asked.map(({ answers }) => [answers[i]!.guess, answers[i]!.certainty.toFixed(5)]),
      );
    }
  });

  test('runs whose images are gone are compared by what they have kept; wrong usage is a sentence', async () => {
    rmSync(photos, { recursive: true });
    expect((await compare(short, long)).stdout).toMatch(
      /^They were not asked about the same images: .*photos/m,
    );
    const alone = await compare(short);
    expect([alone.code, alone.message]).toEqual([
      2,
      expect.stringMatching(/^Expected at least two run folders/),
    ]);
    writeFileSync(join(long, 'results.json'), '{');
    const damaged = await compare(short, long, '--html', join(folder, 'd.html'));
    expect([damaged.code, damaged.message]).toEqual([
      1,
      expect.stringMatching(/results\.json, but it is damaged$/),
    ]);
    expect(existsSync(join(folder, 'd.html'))).toBe(false);
  });
});
