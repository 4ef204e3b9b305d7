import { expect, test } from 'vitest';
import { afterRollback, afterStep, newGuard, trouble } from '../../src/training/guard.ts';

const calm = (steps = 40, loss = 0.7) => {
  const guard = newGuard();
  for (let i = 0; i < steps; i++)
    afterStep(guard, { loss: loss + 0.01 * (i % 10), gradientNorm: 1 + (i % 3) });
  return guard;
};

test.each([
  ['NaN', Number.NaN, 1, 'loss-not-finite'],
  ['infinity', Number.POSITIVE_INFINITY, 1, 'loss-not-finite'],
  ['a gradient of NaN', 0.7, Number.NaN, 'gradient-not-finite'],
  ['four times the worst', 3, 1, 'loss-jump'],
  ['a bad batch', 2.9, 1, undefined],
  ['a huge gradient of the worst loss', 0.9, 61, 'gradient-jump'],
  ['a huge gradient of a usual loss', 0.7, 61, undefined],
  ['a gradient that float16 could not hold', 0.7, Number.POSITIVE_INFINITY, undefined],
])('%s', (_, loss, gradientNorm, kind) => {
  expect(trouble(calm(), { loss, gradientNorm, images: 32 }, 2)?.kind).toBe(kind);
});

test('a network that is sure of itself may be wrong: the range begins at guessing', () => {
  const guard = calm(100, 0.001);
  expect(trouble(guard, { loss: 2.5, gradientNorm: 5, images: 32 }, 2)).toBeUndefined();
  expect(trouble(guard, { loss: 2.7, gradientNorm: 5, images: 32 }, 2)?.kind).toBe('loss-jump');
  expect(trouble(guard, { loss: 2.7, gradientNorm: 5, images: 8 }, 2)).toBeUndefined();
  expect(trouble(guard, { loss: 8.6, gradientNorm: 5, images: 32 }, 10)).toBeUndefined();
});

test('before there is a range, only what is beyond all bounds', () => {
  expect(trouble(newGuard(), { loss: 34, gradientNorm: 1e9, images: 32 }, 2)).toBeUndefined();
  expect(trouble(newGuard(), { loss: 35, gradientNorm: 1, images: 32 }, 2)?.kind).toBe('loss-jump');
});

test('going back leaves batches out and halves the rate, which comes back in peace', () => {
  const good = calm(30);
  const bad = { ...calm(35), skipped: [3], rollbacks: 1, factor: 0.5 };
  const after = afterRollback(good, bad, [34, 33]);
  expect(after).toMatchObject({ factor: 0.25, skipped: [3, 33, 34], rollbacks: 2, calm: 0 });
  expect(after.losses).toEqual(good.losses);
  for (let i = 0; i < 99; i++) afterStep(after, { loss: 0.7, gradientNorm: 1 });
  expect(after.factor).toBe(0.25);
  afterStep(after, { loss: 0.7, gradientNorm: 1 });
  expect(after.factor).toBe(0.5);
  for (let i = 0; i < 1000; i++) afterStep(after, { loss: 0.7, gradientNorm: 1 });
  expect(after).toMatchObject({ factor: 1, skipped: [3, 33, 34] });
  expect(after.losses).toHaveLength(100);
});
