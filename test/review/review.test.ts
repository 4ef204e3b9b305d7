/** The images of a run in the order of doubt, put right on the page, and learned from by the next training. */
import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { noAnswers, rankDoubts } from '../../src/review/doubts.ts';
import { doubtedLabels } from '../../src/review/label_doubts.ts';
import { reviewCommand } from '../../src/review.ts';
import { train } from '../../src/train.ts';
import { captured } from '../captured.ts';
import { pictureFolder, temporaryFolder } from '../images.ts';
import { randomness } from '../report/stories.ts';

const folder = temporaryFolder('review');
afterAll(() => rmSync(folder, { recursive: true }));

test('worst mistakes, labels to check, unsure: each image once', () => {
  const answers = noAnswers(8);
  //                        val: 0-3        train: 4-7
  answers.guesses.set([1, 0, 1, 0, /**/ 0, 1, 0, 0]);
  answers.certainties.set([0.7, 0.6, 0.9, 0.99, /**/ 0.99, 0.8, 0.55, 0.52]);
  answers.unsure.set([0, 1, 0, 0, /**/ 0, 0, 1, 1]);
  const labels = Int32Array.of(0, 0, 0, 0, 0, 0, 0, 0);
  const all = { labels, val: Uint32Array.of(0, 1, 2, 3), train: Uint32Array.of(4, 5, 6, 7), suspects: [6] };
  const found = rankDoubts(answers, all, 100).map(({ position, kind }) => `${kind} ${position}`);
  expect(found).toEqual(['mistake 2', 'mistake 0', 'label 6', 'label 5', 'unsure 7', 'unsure 1']);
  expect(rankDoubts(answers, all, 3)).toHaveLength(3);
});

test('labels that other images contradict come first, whatever the group of near copies says', async () => {
  const [count, width] = [80, 4];
  const noise = randomness(3);
  const labels = Int32Array.from({ length: count }, (_, i) => i % 2);
  const features = Float32Array.from(
    { length: count * width },
    (_, i) => (labels[Math.floor(i / width)] === 0 ? -1 : 1) + noise() - 0.5,
  );
  const groups = Int32Array.from({ length: count }, (_, i) => Math.floor(i / 4));
  for (const wrong of [5, 22, 41]) labels[wrong] = 1 - labels[wrong]!;
  const table = { features, width, labels, classes: 2, groups };
  const asked = { threads: 1, signal: new AbortController().signal };
  expect((await doubtedLabels(table, asked)).sort((a, b) => a - b)).toEqual([5, 22, 41]);
  const few = { ...table, labels: labels.map((_, i) => Number(i < 5)) as Int32Array };
  expect(await doubtedLabels(few, asked)).toEqual([]);
});

const photos = join(folder, 'photos');
const corrections = join(folder, 'corrections');
const runs = (name: string, data: string[]) =>
  train({
    ...{ data, run: join(folder, name), cache: join(folder, 'cache'), lock: join(folder, 'lock.json') },
    ...{ network: 'birbs-bn', imageSize: 16, epochs: 1 },
  });

beforeAll(async () => {
  await pictureFolder(photos, 30, 30);
  await runs('run', [photos]);
});

test('review saves what is put right, and the next training says how much it learns from it', async () => {
  const found: Record<string, unknown> = {};
  const words = [join(folder, 'run'), '--port', '0', '--corrections', corrections];
  const { code, stdout } = await captured(reviewCommand, words, (text, interrupt) => {
    const address = /Open (http:\S+)\n(?:.|\n)*ends it/.exec(text)?.[1];
    if (!address || found.asked) return;
    const ask = async (path: string, method = 'GET') => fetch(address + path, { method });
    const asked = async () => {
      found.first = await (await ask('doubts?from=0')).json();
      found.image = (await ask('image?at=0')).headers.get('content-type');
      found.beyond = (await ask('image?at=100000')).status;
      const [one, two] = (found.first as { items: { at: number; label: string }[] }).items;
      const other = one!.label === 'bird' ? 'not-bird' : 'bird';
      found.right = await (await ask(`label?at=${two!.at}&label=${two!.label}`, 'POST')).json();
      found.saved = await (await ask(`label?at=${one!.at}&label=${other}`, 'POST')).json();
    };
    found.asked = asked()
      .catch((error) => (found.error = error))
      .finally(interrupt);
  });
  await found.asked;
  expect({ code, error: found.error }).toEqual({ code: 0, error: undefined });
  const { items, total } = found.first as { items: { kind: string; why: string }[]; total: number };
  expect(total).toBeGreaterThan(1);
  expect(items[0]!.why).toMatch(/^(looks like|unsure)/);
  expect([found.image, found.beyond]).toEqual(['image/webp', 404]);
  expect(found.right).toEqual({ confirmed: true, label: expect.any(String), count: 0 });
  expect(found.saved).toMatchObject({ isNew: true, count: 1 });
  expect(stdout).toContain(`Learn from them: npx tsx src/train.ts --data ${photos} --data ${corrections}\n`);
  expect(readdirSync(corrections)).toContain('corrections.jsonl');

  await runs('run2', [photos, corrections]);
  const { data } = JSON.parse(readFileSync(join(folder, 'run2/run.json'), 'utf8'));
  expect(data.notes).toEqual([
    expect.stringMatching(
      /^Learns from (1 correction|0 corrections; 1 more is held out for validation); 1 wrong label of other sources replaced$/,
    ),
  ]);
});

test('weights without their run are refused with a sentence', async () => {
  cpSync(join(folder, 'run/best.safetensors'), join(folder, 'alone.safetensors'));
  const { code, message } = await captured(reviewCommand, [join(folder, 'alone.safetensors')]);
  expect([code, message]).toEqual([
    1,
    `Expected the images that ${folder} was trained on, but there is no run.json`,
  ]);
});
