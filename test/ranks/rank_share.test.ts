import { describe, expect, test } from 'vitest';
import { launchedAs } from '../../src/ranks/launched_as.ts';
import { handedOf, handedOrder, partOf } from '../../src/ranks/rank_share.ts';

const sizes = [1, 2, 3, 4, 7];
const lengths = [0, 1, 2, 3, 5, 31, 32, 33, 100];

describe('the part of each rank', () => {
  test.each(sizes)('%i ranks have all images once, in order, as many each', (size) => {
    for (const length of lengths) {
      const parts = Array.from({ length: size }, (_, rank) => partOf(length, { rank, size }));
      expect(parts.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i))).toEqual(
        Array.from({ length }, (_, i) => i),
      );
      const counts = parts.map(({ count }) => count);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    }
  });

  test('a rank without an image of a batch is handed the first', () => {
    const batch = Uint32Array.of(7, 8);
    const handed = Array.from({ length: 4 }, (_, rank) => [...handedOf(batch, { rank, size: 4 })]);
    expect(handed).toEqual([[7], [7], [7], [8]]);
  });

  test('an order is handed out batch by batch, the last one smaller', () => {
    const order = Uint32Array.from({ length: 10 }, (_, i) => i);
    expect([...handedOrder(order, 4, { rank: 0, size: 2 })]).toEqual([0, 1, 4, 5, 8]);
    expect([...handedOrder(order, 4, { rank: 1, size: 2 })]).toEqual([2, 3, 6, 7, 9]);
  });
});

test('the launchers of MPI are recognised by what they set', () => {
  expect(launchedAs({})).toEqual({ size: 1, rank: 0 });
  expect(launchedAs({ OMPI_COMM_WORLD_SIZE: '4', OMPI_COMM_WORLD_RANK: '3' })).toEqual({ size: 4, rank: 3 });
  expect(launchedAs({ PMI_SIZE: '2', PMI_RANK: '1' })).toEqual({ size: 2, rank: 1 });
  expect(launchedAs({ SLURM_NTASKS: '8', PMIX_RANK: '5' })).toEqual({ size: 8, rank: 5 });
  expect(launchedAs({ SLURM_NTASKS: '8' })).toEqual({ size: 1, rank: 0 });
});
