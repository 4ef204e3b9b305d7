/** Logistic regression, against scikit-learn (`test/fixtures/classifier.py`). */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  type ClassifierOptions,
  type FitOptions,
  type LinearClassifier,
  loadAddon,
} from '../../src/model/addon.ts';
import { assertClose } from '../close.ts';

interface Case {
  count: number;
  width: number;
  classes: number;
  c: number;
  balanced: boolean;
  probabilities: number[][];
}

const cases = JSON.parse(
  readFileSync(new URL('../fixtures/classifier.json', import.meta.url), 'utf8'),
) as Case[];

async function fitOnce(
  features: Float32Array,
  labels: Int32Array,
  { l2, start, leastGain, ...images }: ClassifierOptions & FitOptions,
) {
  const classifier = await loadAddon().openClassifier(features, labels, images);
  try {
    return await classifier.fit({ l2, start, ...(leastGain === undefined ? {} : { leastGain }) });
  } finally {
    await classifier.dispose();
  }
}

/** As `features` of the script. */
function made({ count, width, classes }: Pick<Case, 'count' | 'width' | 'classes'>) {
  const labels = Int32Array.from({ length: count }, (_, i) => ((i * 5) % 7) % classes);
  const features = Float32Array.from({ length: count * width }, (_, at) => {
    const [i, j] = [Math.floor(at / width), at % width];
    const noise = ((i * 7919 + j * 104729 + i * j * 31) % 1009) / 1009;
    return noise + 0.6 * (((labels[i]! * 17 + j * 13) % 11) / 11);
  });
  return { features, labels };
}

function balancedWeights(labels: Int32Array, classes: number): number[] {
  const counts = Array.from(
    { length: classes },
    (_, label) => labels.filter((other) => other === label).length,
  );
  return counts.map((count) => labels.length / classes / count);
}

function probabilitiesOf(
  { weights, bias }: LinearClassifier,
  features: Float32Array,
  width: number,
  row: number,
) {
  const logits = [...bias].map((start, k) => {
    let sum = start;
    for (let j = 0; j < width; j++) sum += weights[k * width + j]! * features[row * width + j]!;
    return Math.exp(sum);
  });
  const total = logits.reduce((a, b) => a + b, 0);
  return logits.map((value) => value / total);
}

describe.each(cases)('$classes classes, C $c, balanced $balanced', (one) => {
  const { width, classes, c, balanced, probabilities, count } = one;
  const { features, labels } = made(one);
  const classWeights = balanced ? balancedWeights(labels, classes) : undefined;
  // Of two classes scikit-learn has one row of weights, ours are two halves of it: a half of the penalty.
  const l2 = (classes === 2 ? 2 : 1) / (c * count);
  const options = { width, classes, l2, classWeights };

  test('the probabilities of scikit-learn', async () => {
    const fit = await fitOnce(features, labels, { ...options, threads: 2 });
    expect(fit.converged).toBe(true);
    const ours = probabilities.flatMap((_, row) => probabilitiesOf(fit, features, width, row));
    assertClose(ours, probabilities.flat(), { absolute: 2e-4, relative: 0 });
  });

  test('the same numbers with any number of threads, and none to gain from where it ended', async () => {
    const [one, three] = await Promise.all(
      [1, 3].map((threads) => fitOnce(features, labels, { ...options, threads })),
    );
    expect(three!.weights).toEqual(one!.weights);
    const again = await fitOnce(features, labels, {
      ...options,
      threads: 1,
      start: { weights: one!.weights, bias: one!.bias },
    });
    expect(again.iterations).toBeLessThan(3);
    assertClose([again.loss], [one!.loss], { absolute: 1e-6, relative: 0 });
  });
});

test('a feature that never changes has no weight', async () => {
  const { features, labels } = made({ count: 20, width: 4, classes: 2 });
  for (let i = 0; i < 20; i++) features[i * 4 + 2] = 5;
  const { weights } = await fitOnce(features, labels, {
    width: 4,
    classes: 2,
    l2: 0.01,
    threads: 1,
  });
  expect([weights[2], weights[6]]).toEqual([0, 0]);
});

test.each([
  ['a label outside', (labels: Int32Array) => labels.fill(2, 3, 4), /labels from 0 to 1, but image 3 has 2/],
  ['one class', (labels: Int32Array) => labels.fill(1), /at least two classes/],
])('%s is refused', async (_, change, message) => {
  const { features, labels } = made({ count: 20, width: 4, classes: 2 });
  change(labels);
  const fit = fitOnce(features, labels, { width: 4, classes: 2, l2: 0.01, threads: 1 });
  await expect(fit).rejects.toThrow(message);
});

test('NaN is refused', async () => {
  const { features, labels } = made({ count: 20, width: 4, classes: 2 });
  features[9] = Number.NaN;
  const fit = fitOnce(features, labels, { width: 4, classes: 2, l2: 0.01, threads: 1 });
  await expect(fit).rejects.toThrow('Expected finite features');
});
