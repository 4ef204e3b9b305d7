import { expect, test } from 'vitest';
import { learningRateAt, type Schedule } from '../../src/run/schedule.ts';

const schedule: Schedule = { kind: 'cosine', learningRate: 0.8, steps: 14, warmup: 4 };

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

test('never below 0 beyond its end', () => {
  expect(learningRateAt(schedule, 1000)).toBeCloseTo(0, 12);
});
