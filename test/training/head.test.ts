/** The head of a pretrained network, on features that are made up. */
import { expect, test } from 'vitest';
import { fitHead, type HeadData } from '../../src/training/head.ts';

/** Noise and, in the first features, the class; from a small generator, so that every run has the same. */
function made(
  train: number,
  validation: number,
  { width, signal, shared = 0 }: { width: number; signal: number; shared?: number },
) {
  let state = 1;
  const next = () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
  const gauss = () => Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next());
  const rows = train + validation;
  // One bird to three others.
  const labels = Int32Array.from({ length: rows }, (_, i) => (i % 4 === 0 ? 0 : 1));
  const features = new Float32Array(rows * width);
  for (let i = 0; i < rows; i++) {
    // Noise that all features of an image have: what has learnt it from the others can take it away.
    const own = 3 + shared * gauss();
    for (let j = 0; j < width; j++)
      features[i * width + j] = own + gauss() + (j < 8 && labels[i] === 0 ? signal : 0);
  }
  return { features, labels, width, train, classes: 2 } satisfies HeadData;
}

/** @param logits of the validation images */
function recalls({ labels: all, train }: HeadData, logits: Float32Array): number[] {
  const labels = all.subarray(train);
  return [0, 1].map((label) => {
    const rows = [...labels.keys()].filter((row) => labels[row] === label);
    const right = rows.filter(
      (row) => Math.sign(logits[row * 2]! - logits[row * 2 + 1]!) === (label === 0 ? 1 : -1),
    );
    return right.length / rows.length;
  });
}

test('finds both classes, the rare one as well, and its logits are those of its weights', async () => {
  const data = made(120, 200, { width: 64, signal: 1.5 });
  const { weights, bias, logits, tried, l2 } = await fitHead(data, { balanced: true, threads: 2 });
  for (const recall of recalls(data, logits)) expect(recall).toBeGreaterThan(0.85);
  expect(tried.map((one) => one.l2)).toContain(l2);
  const [row, place] = [150, 150 - 120];
  const own = [0, 1].map((k) =>
    weights
      .subarray(k * 64, (k + 1) * 64)
      .reduce((sum, w, j) => sum + w * data.features[row * 64 + j]!, bias[k]!),
  );
  expect(logits[place * 2]).toBeCloseTo(own[0]!, 4);
  expect(logits[place * 2 + 1]).toBeCloseTo(own[1]!, 4);
});

test('of few images the strongest penalty is kept; where many show that less is better, a weaker one', async () => {
  const few = await fitHead(made(40, 20, { width: 256, signal: 1 }), { balanced: true, threads: 2 });
  const many = made(1000, 1000, { width: 16, signal: 1, shared: 5 });
  const { l2, tried, logits } = await fitHead(many, { balanced: true, threads: 2 });
  expect(few.l2).toBe(3);
  expect(l2).toBeLessThan(0.3);
  expect(tried[0]!.loss).toBeGreaterThan(0.4);
  for (const recall of recalls(many, logits)) expect(recall).toBeGreaterThan(0.8);
});

test('without balance the large class weighs more', async () => {
  const data = made(80, 400, { width: 64, signal: 0.7 });
  const plain = await fitHead(data, { balanced: false, threads: 1 });
  const balanced = await fitHead(data, { balanced: true, threads: 1 });
  expect(recalls(data, plain.logits)[0]!).toBeLessThan(recalls(data, balanced.logits)[0]!);
});
