/** Many classes: head, metrics, calibration and groups, against scikit-learn (`test/fixtures/species.py`). */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { calibrate, probabilitiesOf } from '../../src/metrics/calibration.ts';
import { type Hierarchy, levelScores } from '../../src/metrics/hierarchy.ts';
import { computeMetrics, confusedPairs } from '../../src/metrics/metrics.ts';
import { fitHead } from '../../src/training/head.ts';

const [CLASSES, TRAIN, VALIDATION, WIDTH] = [200, 6000, 3000, 48] as const;

interface Scores {
  accuracy: number;
  topFive: number;
  balancedAccuracy: number;
  f1: number;
  precision: number;
}
const fixture = JSON.parse(readFileSync(new URL('../fixtures/species.json', import.meta.url), 'utf8')) as {
  heads: (Scores & { c: number; loss: number; calibrationError: number })[];
  metrics: Scores & { auroc: number; averagePrecision: number };
  mistakes: number;
  pairs: number;
  mostConfused: number;
  groupAccuracy: number;
};

const WORD = 2 ** 32;

/** As `noise` of the script. */
function noise(i: number, j: number): number {
  // In two halves, as the product is beyond 2^53.
  let x =
    (((i * 40503) % WORD) * 65536 + ((i * (2654435761 - 40503 * 65536)) % WORD) + j * 40503 + 12345) % WORD;
  let total = 0;
  for (let n = 0; n < 4; n++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    total += (x >>> 8) / 2 ** 24;
  }
  return total / 4 - 0.5;
}

function features() {
  const labels = Int32Array.from({ length: TRAIN + VALIDATION }, (_, i) => i % CLASSES);
  const values = Float32Array.from({ length: labels.length * WIDTH }, (_, at) => {
    const [i, j] = [Math.floor(at / WIDTH), at % WIDTH];
    const own = noise(labels[i]! + 1_000_000, j);
    const family = noise(Math.floor(labels[i]! / 10) + 2_000_000, j);
    return 1.1 * noise(i, j) + 0.5 * own + 0.5 * family;
  });
  return { features: values, labels };
}

test('a head of 200 classes is as good as that of scikit-learn, chosen by the same loss, and knows how sure to be', async () => {
  const { features: values, labels } = features();
  const data = { features: values, width: WIDTH, labels, train: TRAIN, classes: CLASSES };
  const head = await fitHead(data, { balanced: true, threads: 2 });
  const own = labels.subarray(TRAIN);
  const { accuracy, topFive } = await computeMetrics(head.logits, own, CLASSES);
  const best = fixture.heads.reduce((a, b) => (b.loss < a.loss ? b : a));
  expect(accuracy).toBeGreaterThan(best.accuracy - 0.005);
  expect(topFive).toBeGreaterThan(best.topFive - 0.005);
  const { expectedCalibrationError } = await calibrate(head.logits, own, CLASSES);
  expect(expectedCalibrationError.after).toBeLessThan(0.05);
});

describe('measured', () => {
  const labels = Int32Array.from({ length: 600 }, (_, i) => (i * 7) % CLASSES);
  const logits = Float32Array.from({ length: 600 * CLASSES }, (_, at) => {
    const [i, k] = [Math.floor(at / CLASSES), at % CLASSES];
    const truth = labels[i]!;
    const near = 1.8 * Number(truth === k) + 0.9 * Number(Math.floor(truth / 10) === Math.floor(k / 10));
    return 6 * noise(i + 3_000_000, k) + 5 * noise(truth + 4_000_000, k) + near;
  });

  test('metrics are those of scikit-learn, without a matrix', async () => {
    const metrics = await computeMetrics(logits, labels, CLASSES);
    for (const [name, value] of Object.entries(fixture.metrics))
      expect(metrics[name as 'f1'], name).toBeCloseTo(value, 6);
    expect(metrics.confusion).toEqual([]);
    const pairs = confusedPairs(metrics);
    expect(pairs).toHaveLength(fixture.pairs);
    expect(pairs[0]!.images).toBe(fixture.mostConfused);
    expect(pairs.reduce((sum, { images }) => sum + images, 0)).toBe(fixture.mistakes);
    expect(metrics.perClass.reduce((sum, { images = 0, found = 0 }) => sum + images - found, 0)).toBe(
      fixture.mistakes,
    );
  });

  test('the likeliest group is the right one as often as there', async () => {
    const groupOf = Array.from({ length: CLASSES }, (_, k) => Math.floor(k / 10));
    const hierarchy: Hierarchy = [{ name: 'family', groups: groupOf.slice(0, 20).map(String), groupOf }];
    const probabilities = await probabilitiesOf(logits, CLASSES, 1);
    const [level] = await levelScores(hierarchy, probabilities, labels, CLASSES);
    expect(level!.accuracy).toBeCloseTo(fixture.groupAccuracy, 10);
    expect(level!.interval[0]).toBeLessThan(level!.accuracy);
  });
});
