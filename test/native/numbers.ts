/** Numbers for tests, the same in every run. */
import type { Tensor } from '../../src/model/addon.ts';

/** @returns a function that draws from [0, 1) (mulberry32) */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A tensor of numbers from -1 to 1. */
export function draw(seed: number, ...shape: number[]): Tensor {
  const random = generator(seed);
  const data = new Float32Array(shape.reduce((a, b) => a * b)).map(() => 2 * random() - 1);
  return { shape, data };
}

/** A tensor whose numbers are 0.1 apart, and from 0: no kink of relu or max-pool lies within 0.04. */
export function drawApart(seed: number, ...shape: number[]): Tensor {
  const random = generator(seed);
  const size = shape.reduce((a, b) => a * b);
  const order = Array.from({ length: size }, (_, i) => ({ i, key: random() })).sort((a, b) => a.key - b.key);
  const data = Float32Array.from(order, ({ i }) => (i - Math.floor(size / 2)) * 0.1 + 0.05);
  return { shape, data };
}

/** uint8 noise, `count` images. */
export function drawImages(seed: number, count: number, height: number, width: number): Uint8Array {
  const random = generator(seed);
  return new Uint8Array(count * height * width * 3).map(() => Math.floor(random() * 256));
}

export function drawLabels(seed: number, count: number, classes: number): Int32Array {
  const random = generator(seed);
  return new Int32Array(count).map(() => Math.floor(random() * classes));
}

/** -log of the probability of each label, in nats; logits [labels.length, classes]. */
export function lossesOf(logits: Float32Array, labels: Int32Array): number[] {
  const classes = logits.length / labels.length;
  return Array.from(labels, (label, n) => {
    const row = [...logits.subarray(n * classes, (n + 1) * classes)];
    const largest = Math.max(...row);
    return Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - largest), 0)) + largest - row[label]!;
  });
}

export function meanOf(values: ArrayLike<number>): number {
  return Array.from(values).reduce((a, b) => a + b, 0) / values.length;
}
