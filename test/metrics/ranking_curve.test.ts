/** Curves by which a threshold is chosen; test/fixtures/ranking_curves.py wrote what scikit-learn makes of them. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { softmax } from '../../src/metrics/metrics.ts';
import { rankingCurve, thinCurve } from '../../src/metrics/ranking_curve.ts';
import { cases } from './cases.ts';

interface Fixture {
  case: number;
  classIndex: number;
  roc: [fallOut: number, recall: number][];
  precisionRecall: [recall: number, precision: number][];
}
const file = new URL('../fixtures/ranking_curves.json', import.meta.url);
const fixtures = JSON.parse(readFileSync(file, 'utf8')) as Fixture[];

const curveOf = ({ case: place, classIndex }: Fixture) => {
  const { logits, labels, classes } = cases[place]!;
  return rankingCurve(softmax(logits, classes), labels, classes, classIndex);
};

function expectClose(ours: number[][], theirs: number[][]) {
  expect(ours).toHaveLength(theirs.length);
  const apart = ours.flatMap((point, i) => point.map((value, k) => Math.abs(value - theirs[i]![k]!)));
  expect(Math.max(...apart)).toBeLessThan(1e-9);
}

test.each(fixtures)('case $case, class $classIndex: the curves of scikit-learn', (fixture) => {
  const { found, falsely, positives, negatives } = curveOf(fixture);
  expectClose(
    found.map((n, i) => [falsely[i]! / negatives, n / positives]),
    fixture.roc,
  );
  const points = found.map((n, i) => [n / positives, n / (n + falsely[i]!)]);
  expectClose(points.slice(1), fixture.precisionRecall);
});

test('thinned: both ends and the shape stay', () => {
  const curve = curveOf(fixtures[1]!);
  const thin = thinCurve(curve, 20);
  expect(thin.found.length).toBeLessThanOrEqual(20);
  for (const counts of ['found', 'falsely'] as const) {
    expect([thin[counts][0], thin[counts].at(-1)]).toEqual([0, curve[counts].at(-1)]);
    expect(thin[counts].every((n) => curve[counts].includes(n))).toBe(true);
  }
  const steps = thin.found.map((n, i) => n / curve.positives + thin.falsely[i]! / curve.negatives);
  expect(Math.max(...steps.slice(1).map((at, i) => at - steps[i]!))).toBeLessThan(0.2);
  expect(thinCurve(thin, 20)).toBe(thin);
});

test('scores that are no numbers end it as well', () => {
  const { found, falsely } = rankingCurve(
    Float64Array.of(Number.NaN, 0, 0.3, 0.7),
    Int32Array.of(0, 1),
    2,
    0,
  );
  expect([found.at(-1), falsely.at(-1)]).toEqual([1, 1]);
});
