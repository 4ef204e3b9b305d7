import { expect, test } from 'vitest';
import { endProcesses } from './run_exits.ts';

test('processes that end at random moments, in every way, end with their own code', {
  timeout: 300_000,
}, async () => {
  expect(await endProcesses(9, 3)).toMatchObject({ exits: 9, problems: [] });
});
