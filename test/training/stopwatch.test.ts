import { expect, test, vi } from 'vitest';
import { Stopwatch, timeBetween } from '../../src/training/stopwatch.ts';

test('each moment counts once, and all of them are the wall time', async () => {
  let now = 0;
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now);
  const watch = new Stopwatch();
  now = 1000;
  const later = Promise.resolve().then(() => {
    now = 3000;
  });
  await watch.during('device', later);
  const before = watch.split;
  now = 3500;
  watch.begin('saving');
  now = 7500;
  expect(watch.begin('host')).toBe('saving');
  const split = watch.split;
  expect(split).toMatchObject({ host: 1.5, device: 2, saving: 4, data: 0 });
  expect(Object.values(split).reduce((a, b) => a + b)).toBe(7.5);
  expect(watch.total).toBe(7.5);
  expect(timeBetween(before, split)).toMatchObject({ host: 0.5, device: 0, saving: 4 });
  expect(new Stopwatch(split).total).toBe(7.5);
  clock.mockRestore();
});

test('a failure is counted and comes through', async () => {
  const watch = new Stopwatch();
  await expect(watch.during('data', Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(watch.begin('device')).toBe('host');
});
