import { describe, expect, test } from 'vitest';
import { chanceMargin, computeMetrics, softmax } from '../../src/metrics/metrics.ts';
import { cases } from './cases.ts';

describe('metrics are those of scikit-learn and PyTorch', () => {
  test.each(cases)('$classes classes', async ({ classes, labels, logits, metrics }) => {
    const ours = await computeMetrics(logits, labels, classes);
    expect(ours.confusion).toEqual(metrics.confusion);
    expect(Object.keys(ours).sort()).toEqual([...Object.keys(metrics), 'confused', 'topFive'].sort());
    for (const [name, value] of Object.entries(metrics)) {
      if (typeof value === 'number') expect(ours[name as 'loss'], name).toBeCloseTo(value, 10);
    }
    for (const [k, scores] of metrics.perClass.entries()) {
      const counts = ['found', 'guesses', 'images'];
      expect(Object.keys(ours.perClass[k]!).sort()).toEqual([...Object.keys(scores), ...counts].sort());
      for (const [name, value] of Object.entries(scores))
        expect(ours.perClass[k]![name as 'f1'], `${name} of class ${k}`).toBeCloseTo(value, 10);
    }
  });
});

test('one fixture has ties, without which the AUROC would not be proven', () => {
  const { logits } = cases[0]!;
  const scores = [...logits].filter((_, i) => i % 2 === 0);
  expect(new Set(scores).size).toBeLessThan(scores.length);
});

describe('classes without images', () => {
  const logits = Float32Array.of(2, 0, 2, 0, 0, 2);

  test('two classes, one there: no NaN', async () => {
    const metrics = await computeMetrics(logits, Int32Array.of(0, 0, 0), 2);
    expect(metrics.balancedAccuracy).toBeCloseTo(2 / 3);
    expect(metrics.auroc).toBe(0.5);
    expect(metrics.confusion).toEqual([
      [2, 1],
      [0, 0],
    ]);
  });

  test('a class never guessed has precision 0', async () => {
    const metrics = await computeMetrics(
      logits.map((v, i) => (i % 2 ? 5 : v)),
      Int32Array.of(0, 1, 1),
      2,
    );
    expect(metrics).toMatchObject({ precision: 0, recall: 0, f1: 0, balancedAccuracy: 0.5 });
  });

  test('no images at all is a mistake of the caller', async () => {
    await expect(computeMetrics(new Float32Array(0), new Int32Array(0), 2)).rejects.toThrow(RangeError);
  });
});

test('logits that are no numbers give a loss that is none, in finite time', async () => {
  const metrics = await computeMetrics(Float32Array.of(Number.NaN, 1, 0, Number.NaN), Int32Array.of(0, 1), 2);
  expect(metrics.loss).toBeNaN();
});

test('softmax and loss stand logits beyond the range of exp', async () => {
  const logits = Float32Array.of(1e4, -1e4, -3e4, -1e4);
  expect(Array.from(softmax(logits, 2))).toEqual([1, 0, 0, 1]);
  expect((await computeMetrics(logits, Int32Array.of(1, 1), 2)).loss).toBeCloseTo(1e4);
});

test('chance: two standard errors of a coin, by the rarer class above all', () => {
  // 16 and 1,600 images: half of sqrt(0.25/16 + 0.25/1600), twice.
  expect(chanceMargin([16, 1600])).toBeCloseTo(Math.sqrt(0.25 / 16 + 0.25 / 1600), 12);
});

test('10,000 images of 100 classes: the event loop goes on meanwhile', async () => {
  const logits = Float32Array.from({ length: 1e6 }, (_, i) => Math.sin(i * i));
  const labels = Int32Array.from({ length: 10_000 }, (_, i) => i % 100);
  let turns = 0;
  let ended = false;
  const turn = () => {
    turns += 1;
    if (!ended) setImmediate(turn);
  };
  setImmediate(turn);
  await computeMetrics(logits, labels, 100);
  ended = true;
  expect(turns).toBeGreaterThan(3);
});
