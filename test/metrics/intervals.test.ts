import { describe, expect, test } from 'vitest';
import { confidenceIntervals, type Interval, wilson } from '../../src/metrics/intervals.ts';
import { computeMetrics, type Metrics } from '../../src/metrics/metrics.ts';
import { cases } from './cases.ts';

const two = cases.filter(({ intervals }) => intervals);

describe('two classes: the intervals of statsmodels and scipy', () => {
  test.each(two)('$labels.length images', ({ metrics, intervals }) => {
    const ours = confidenceIntervals(metrics);
    expect(Object.keys(ours).sort()).toEqual(Object.keys(intervals!).sort());
    for (const [name, [low, high]] of Object.entries(intervals!)) {
      expect(ours[name as 'f1'][0], `${name}, low`).toBeCloseTo(low, 9);
      expect(ours[name as 'f1'][1], `${name}, high`).toBeCloseTo(high, 9);
    }
  });
});

test('more classes: the mean of independent proportions, narrower than one of them by the root of their number', () => {
  // Four classes of 100 images, 80 found of each, the others spread evenly.
  const row = (k: number) => [0, 1, 2, 3].map((j) => (j === k ? 79 : 7));
  const scores = { precision: 0.79, recall: 0.79, f1: 0.79, auroc: 0.9, averagePrecision: 0.8 };
  const metrics: Metrics = {
    ...{ ...scores, loss: 1, accuracy: 0.79, balancedAccuracy: 0.79 },
    confusion: [0, 1, 2, 3].map(row),
    perClass: [scores, scores, scores, scores],
  };
  const { balancedAccuracy, recall, precision, f1 } = confidenceIntervals(metrics);
  const [low, high] = wilson(0.79, 100);
  expect(balancedAccuracy).toEqual([0.79 - (0.79 - low) / 2, 0.79 + (high - 0.79) / 2].map(close));
  expect([recall, precision]).toEqual([balancedAccuracy, balancedAccuracy].map((pair) => pair.map(close)));
  // J = 79 / 121, so F1 = 0.79.
  const [lowest] = wilson(79 / 121, 121).map((j) => (2 * j) / (1 + j));
  expect(f1[0]).toBeCloseTo(0.79 - ((0.79 - lowest!) / 2) * Math.SQRT2, 12);
});

const close = (value: number) => expect.closeTo(value, 12);

test('what no image can tell may be anything', async () => {
  const logits = Float32Array.of(2, 0, 2, 0, 0, 2);
  const { auroc, recall, balancedAccuracy } = confidenceIntervals(
    await computeMetrics(logits, Int32Array.of(1, 1, 1), 2),
  );
  expect([auroc, recall]).toEqual([
    [0, 1],
    [0, 1],
  ]);
  expect(balancedAccuracy).toEqual(wilson(1 / 3, 3).map(close));
});

test('no interval leaves 0 to 1 or leaves out what was seen, whatever was seen', () => {
  for (const [found, missed, wrong, rest] of [
    [0, 5, 0, 5],
    [5, 0, 5, 0],
    [1, 0, 0, 1],
    [0, 1, 1, 0],
    [3, 2, 1000, 0],
  ] as const) {
    for (const auroc of [0, 0.3, 1]) {
      const seen = { precision: found / (found + wrong || 1), recall: found / (found + missed) };
      const f1 = (2 * found) / (2 * found + missed + wrong);
      const scores = { ...seen, f1, auroc, averagePrecision: auroc };
      const confusion = [
        [found, missed],
        [wrong, rest],
      ];
      const accuracy = (found + rest) / (found + missed + wrong + rest);
      const metrics: Metrics = {
        ...{ ...scores, loss: 0, accuracy, confusion, perClass: [scores, scores] },
        balancedAccuracy: (seen.recall + rest / (wrong + rest)) / 2,
      };
      for (const [name, [low, high]] of Object.entries<Interval>(confidenceIntervals(metrics))) {
        const value = metrics[name as 'f1'];
        const inOrder = [0, low, value, high, 1].every((x, i, all) => i === 0 || all[i - 1]! <= x + 1e-12);
        expect(inOrder, `${name}: ${low}, ${value}, ${high}`).toBe(true);
      }
    }
  }
});
