import { expect, test } from 'vitest';
import { kill, STAGES } from './kills.ts';

test('a kill at each stage between hub and cache: the same images, the same pixels, nothing left', async () => {
  const { kills, problems } = await kill(STAGES.length, 7);
  expect(problems).toEqual([]);
  // Half of them come a little later, and may fall into the next stage.
  expect(Object.keys(kills).length).toBeGreaterThan(3);
}, 240_000);
