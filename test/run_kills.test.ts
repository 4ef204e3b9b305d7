import { expect, test } from 'vitest';
import { killRuns } from './run_kills.ts';

test('a dozen runs killed at random moments end as if they had been left in peace', {
  timeout: 600_000,
}, async () => {
  const { kills, problems } = await killRuns(12, 7);
  expect(problems).toEqual([]);
  expect(kills).toBeGreaterThan(6);
});
