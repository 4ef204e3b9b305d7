/** Damaged parquet files; more of them by `npx tsx test/data/fuzz_parquet.ts`. */
import { expect, test } from 'vitest';
import { fuzz } from './fuzz_parquet.ts';

test('200 damaged files end in images or in a sentence', async () => {
  const { read, refused, hung, wrong, sentences } = await fuzz(200, 7);
  expect({ hung, wrong }).toEqual({ hung: [], wrong: [] });
  expect(read + refused).toBe(200);
  // They are damaged enough to matter, and not so much that nothing is ever read.
  expect(Math.min(read, refused)).toBeGreaterThan(20);
  expect(sentences.size).toBeGreaterThan(10);
});
