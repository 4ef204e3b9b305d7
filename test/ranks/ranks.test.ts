/** What ranks tell each other besides gradients. */
import { hostname } from 'node:os';
import { expect, test } from 'vitest';
import { launchers, onRanks, whyNot } from './mpi.ts';

process.stdout.write(whyNot());

test.runIf(launchers.length > 0)('two ranks tell each other all that they need', async () => {
  const { stdout, stderr, code } = await onRanks(launchers[0]!, 2, ['test/ranks/ranks_child.ts']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const [first, second] = JSON.parse(stdout);
  const name = (rank: number) => `rank ${rank} on ${hostname()}`;
  expect(first.place).toEqual([0, 2, { rank: 0, size: 2 }]);
  expect(second.place).toEqual([1, 2, { rank: 1, size: 2 }]);
  const { place: _, together, turns, failed, ...same } = first;
  expect(second).toMatchObject(same);
  expect(same).toMatchObject({
    gathered: [{ text: '' }, { text: 'ä' }],
    broadcast: { from: 'first' },
    floats: [0.5, 0],
    rows: [1, -1],
    ...{ same: 'none', weights: 'none', going: 'none', isStopped: true },
    stopped: 'AbortError: This operation was aborted',
  });
  expect([together, second.together, turns, second.turns]).toEqual([0, 1, 'rank 0', 'rank 1']);
  // The rank itself says what it found, the others who did.
  expect(second.failed).toBe('2: no images');
  expect(failed).toBe(`2: Rank 1 on ${hostname()}: no images`);
  expect(first.other).toBe(
    `2: Expected all ranks to have the same options, but found {"epochs":4} on ${name(1)} and {"epochs":3} on ${name(0)}; make them equal and start again`,
  );
  expect(first.otherWeights).toMatch(
    `1: Expected all ranks to hold the same weights, but after step 200 those of ${name(1)} differ from those of ${name(0)}`,
  );
});
