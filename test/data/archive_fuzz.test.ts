/** A share of the mutated archives. */
import { expect, test } from 'vitest';
import { fuzz } from './archive_fuzz.ts';

test('300 mutated archives: no crash, no hang, no file outside the cache', async () => {
  const { read, refused, faults } = await fuzz(300, 7);
  expect(faults).toEqual([]);
  // They are neither all broken nor all whole.
  expect(read).toBeGreaterThan(30);
  expect(refused.size).toBeGreaterThan(8);
});
