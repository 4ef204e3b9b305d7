import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { chanceMargin, computeMetrics, type Metrics, softmax } from '../../src/run/metrics.ts';

const cases = JSON.parse(readFileSync(new URL('../fixtures/metrics.json', import.meta.url), 'utf8')) as {
  classes: number;
  labels: number[];
  logits: number[];
  metrics: Metrics;
}[];

describe('metrics are those of scikit-learn and PyTorch', () => {
  test.each(cases)('$classes classes', ({ classes, labels, logits, metrics }) => {
    const ours = computeMetrics(Float32Array.from(logits), Int32Array.from(labels), classes);
    expect(ours.confusion).toEqual(metrics.confusion);
    expect(Object.keys(ours).sort()).toEqual(Object.keys(metrics).sort());
    for (const [name, value] of Object.entries(metrics)) {
      if (typeof value === 'number') expect(ours[name as 'loss'], name).toBeCloseTo(value, 10);
    }
  });
});

test('one fixture has ties, without which the AUROC would not be proven', () => {
  const { logits } = cases[0]!;
  const scores = logits.filter((_, i) => i % 2 === 0);
  expect(new Set(scores).size).toBeLessThan(scores.length);
});

describe('classes without images', () => {
  const logits = Float32Array.of(2, 0, 2, 0, 0, 2);

  test('two classes, one there: no NaN', () => {
    const metrics = computeMetrics(logits, Int32Array.of(0, 0, 0), 2);
    expect(metrics.balancedAccuracy).toBeCloseTo(2 / 3);
    expect(metrics.auroc).toBe(0.5);
    expect(metrics.confusion).toEqual([
      [2, 1],
      [0, 0],
    ]);
  });

  test('a class never guessed has precision 0', () => {
    const metrics = computeMetrics(
      logits.map((v, i) => (i % 2 ? 5 : v)),
      Int32Array.of(0, 1, 1),
      2,
    );
    expect(metrics).toMatchObject({ precision: 0, recall: 0, f1: 0, balancedAccuracy: 0.5 });
  });

  test('no images at all is a mistake of the caller', () => {
    expect(() => computeMetrics(new Float32Array(0), new Int32Array(0), 2)).toThrow(RangeError);
  });
});

test('logits that are no numbers give a loss that is none, in finite time', () => {
  const metrics = computeMetrics(Float32Array.of(Number.NaN, 1, 0, Number.NaN), Int32Array.of(0, 1), 2);
  expect(metrics.loss).toBeNaN();
});

test('softmax and loss stand logits beyond the range of exp', () => {
  const logits = Float32Array.of(1e4, -1e4, -3e4, -1e4);
  expect(Array.from(softmax(logits, 2))).toEqual([1, 0, 0, 1]);
  expect(computeMetrics(logits, Int32Array.of(1, 1), 2).loss).toBeCloseTo(1e4);
});

test('chance: two standard errors of a coin, by the rarer class above all', () => {
  // 16 and 1,600 images: half of sqrt(0.25/16 + 0.25/1600), twice.
  expect(
    chanceMargin([
      [8, 8],
      [800, 800],
    ]),
  ).toBeCloseTo(Math.sqrt(0.25 / 16 + 0.25 / 1600), 12);
});
