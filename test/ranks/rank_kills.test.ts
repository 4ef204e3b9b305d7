/** A few of the harms of `test/rank_kills.ts`. */
import { expect, test } from 'vitest';
import { killRanks } from '../rank_kills.ts';
import { launchers, whyNot } from './mpi.ts';

process.stdout.write(whyNot());

test.runIf(launchers.length > 0 && process.platform === 'linux')(
  'ranks that are killed or stopped end, and go on to the same weights',
  async () => {
    const result = await killRanks(launchers[0]!, {
      runs: 1,
      processes: 2,
      seed: 3,
      kinds: ['kill'],
    });
    expect(result.problems).toEqual([]);
  },
  180_000,
);
