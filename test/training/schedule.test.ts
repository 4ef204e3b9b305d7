import { expect, test } from 'vitest';
import { learningRateAt, type Schedule } from '../../src/training/schedule.ts';

const schedule: Schedule = { kind: 'cosine', learningRate: 0.8, batches: 14, warmup: 4 };

test('rises straight, falls as half a cosine, ends near 0', () => {
  const rates = Array.from({ length: 14 }, (_, step) => learningRateAt(schedule, step));
  expect(rates.slice(0, 5)).toEqual([0.2, 0.4, 0.6000000000000001, 0.8, 0.8]);
  expect(rates[9]).toBeCloseTo(0.4, 12);
  expect(rates[13]).toBeCloseTo(0.4 * (1 + Math.cos(0.9 * Math.PI)), 12);
  expect(rates.slice(4).every((rate, i) => i === 0 || rate < rates[i + 3]!)).toBe(true);
});

test('constant stays after the rise', () => {
  const constant = { ...schedule, kind: 'constant' } as const;
  expect([0, 4, 13, 100].map((step) => learningRateAt(constant, step))).toEqual([0.2, 0.8, 0.8, 0.8]);
});

test('with time to go by, it follows the clock after the rise', () => {
  expect(learningRateAt(schedule, 2, 0.5)).toBeCloseTo(0.6, 12);
  expect(learningRateAt(schedule, 1000, 0.5)).toBeCloseTo(0.4, 12);
  expect(learningRateAt(schedule, 5, 1)).toBeCloseTo(0, 12);
});

test('a tenth at half and at three quarters', () => {
  const step = { ...schedule, kind: 'step', warmup: 0, batches: 8 } as const;
  const rates = Array.from({ length: 8 }, (_, batch) => learningRateAt(step, batch));
  for (const [i, rate] of [0.8, 0.8, 0.8, 0.8, 0.08, 0.08, 0.008, 0.008].entries())
    expect(rates[i]).toBeCloseTo(rate, 12);
});

test("one cycle is PyTorch's OneCycleLR(max_lr=0.8, total_steps=10)", () => {
  const oneCycle = { ...schedule, kind: 'one-cycle', batches: 10 } as const;
  const rates = Array.from({ length: 10 }, (_, batch) => learningRateAt(oneCycle, batch));
  // Written by torch 2.15; momentum is not cycled here.
  const torch = [
    ...[0.032, 0.416, 0.8, 0.7603877056, 0.6493965232, 0.4890096175, 0.3109935825, 0.1506066768],
    ...[0.0396154944, 3.2e-6],
  ];
  for (const [i, rate] of torch.entries()) expect(rates[i]).toBeCloseTo(rate, 9);
});

test('never below 0 beyond its end', () => {
  expect(learningRateAt(schedule, 1000)).toBeCloseTo(0, 12);
});
