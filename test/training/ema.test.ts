import { expect, test } from 'vitest';
import { Average } from '../../src/training/ema.ts';

test('the decay rises to the one asked for, so that a short run keeps little of its first weights', async () => {
  const average = new Average(0.999, { values: Float32Array.of(1) });
  let expected = 1;
  for (let batch = 0; batch < 3000; batch++) {
    await average.update(batch, Float32Array.of(0));
    if ((batch + 1) % 10 !== 0) continue;
    const n = (batch + 1) / 10;
    expected *= Math.min(0.999 ** 10, (1 + n) / (10 + n));
    expect(average.values[0]).toBeCloseTo(expected, 6);
    // A constant decay would keep 0.37 of them after 1000 steps.
    if (batch === 99) expect(average.values[0]).toBeLessThan(0.001);
  }
});

test('follows the weights every ten steps only', async () => {
  const average = new Average(0.5, { values: Float32Array.of(1) });
  for (let batch = 0; batch < 9; batch++) await average.update(batch, Float32Array.of(0));
  expect(average.values[0]).toBe(1);
});
