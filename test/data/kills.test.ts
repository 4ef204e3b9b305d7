import { expect, test } from 'vitest';
import { kill } from './kills.ts';

test('a dozen kills between hub and cache: the same images, the same pixels, nothing left', async () => {
  const { kills, problems } = await kill(12, 7);
  expect(problems).toEqual([]);
  expect(Object.keys(kills).length).toBeGreaterThan(1);
}, 240_000);
