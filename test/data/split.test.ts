/** Splits, epochs and weights: counted, for they are all about counts. */
import { describe, expect, test } from 'vitest';
import { type Balance, classWeights, countClasses, epochOrder } from '../../src/data/balance.ts';
import { splitDataset } from '../../src/data/split.ts';

/** Classes of these sizes, every image a group of its own unless `groupOf` says otherwise. */
function made(sizes: number[], groupOf: (position: number) => number = (position) => position) {
  const labels = Int32Array.from(sizes.flatMap((size, label) => new Array<number>(size).fill(label)));
  return {
    labels,
    groups: Int32Array.from(labels, (_, position) => groupOf(position)),
    classNames: sizes.map((_, label) => `class ${label}`),
  };
}

describe('splitDataset', () => {
  test('each class gives its share; nothing is lost, nothing is on both sides', async () => {
    const dataset = made([50, 1000, 333]);
    const { train, val, dropped } = await splitDataset(dataset, { fraction: 0.2, seed: 3 });
    expect(countClasses(dataset.labels, val, 3)).toEqual([10, 200, 67]);
    expect(dropped).toBe(0);
    expect([...train, ...val].sort((a, b) => a - b)).toEqual([...dataset.labels.keys()]);
  });

  test('the seed decides', async () => {
    const dataset = made([100, 100]);
    const val = async (seed: number) => (await splitDataset(dataset, { fraction: 0.2, seed })).val;
    expect(await val(1)).toEqual(await val(1));
    expect(await val(1)).not.toEqual(await val(2));
  });

  test('groups stay whole, within half the largest of the fraction', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const dataset = made([120, 800], (position) => Math.floor(position / 7));
      const { train, val } = await splitDataset(dataset, { fraction: 0.2, seed });
      const held = new Set(Array.from(val, (i) => dataset.groups[i]));
      expect(Array.from(train).filter((i) => held.has(dataset.groups[i]!))).toEqual([]);
      for (const [label, size] of [120, 800].entries()) {
        const count = countClasses(dataset.labels, val, 2)[label]!;
        expect(Math.abs(count - 0.2 * size)).toBeLessThanOrEqual(7);
      }
    }
  });

  test('every group is held out as often as any other', async () => {
    const dataset = made([20, 20]);
    const held = new Array<number>(40).fill(0);
    for (let seed = 0; seed < 500; seed++) {
      for (const i of (await splitDataset(dataset, { fraction: 0.25, seed })).val) held[i]! += 1;
    }
    // 125 expected, standard deviation 9.7; four of them.
    for (const count of held) expect(Math.abs(count - 125)).toBeLessThan(39);
  });

  test('two groups are one each, whatever the fraction; one alone is refused', async () => {
    for (const fraction of [0.01, 0.2, 0.9]) {
      const { val } = await splitDataset(made([2, 2]), { fraction, seed: 1 });
      expect(countClasses(made([2, 2]).labels, val, 2)).toEqual([1, 1]);
    }
    const alone = made([3, 9], (position) => (position < 3 ? 0 : position));
    await expect(splitDataset(alone, { fraction: 0.2, seed: 1 })).rejects.toMatchObject({
      name: 'UserError',
      message:
        'Expected images of "class 0" to validate on, but it has too few that differ; add more of them, or use --val SOURCE',
    });
  });

  test('validation of its own: what it repeats is dropped from training', async () => {
    const dataset = {
      ...made([4, 4], (i) => (i === 3 ? 0 : i)),
      validation: Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 1),
    };
    const { train, val, dropped } = await splitDataset(dataset, { fraction: 0.5, seed: 1 });
    expect([[...train], [...val], dropped]).toEqual([[1, 2, 4, 5, 6], [3, 7], 1]);
    const all = { ...made([2, 2], () => 0), validation: Uint8Array.of(0, 1, 0, 1) };
    await expect(splitDataset(all, { fraction: 0.5, seed: 1 })).rejects.toThrow(
      'Expected images of "class 0" to train on, but all of them are in the validation source too; add more of them',
    );
  });
});

describe('epochOrder', () => {
  const dataset = made([10, 35, 20]);
  const train = Uint32Array.from(dataset.labels.keys());
  const order = (balance: Balance, round: number, seed = 1) =>
    epochOrder(dataset, train, { balance, seed, round });

  test.each(['weights', 'none'] as const)('%s: all, in an order of each round and seed', async (balance) => {
    const first = await order(balance, 0);
    expect([...first].sort((a, b) => a - b)).toEqual([...train]);
    expect(await order(balance, 0)).toEqual(first);
    expect(await order(balance, 1)).not.toEqual(first);
    expect(await order(balance, 0, 2)).not.toEqual(first);
  });

  test('undersample: as many of each as of the smallest, no image twice before a class is through', async () => {
    const rounds = await Promise.all([0, 1, 2, 3, 4, 5].map((round) => order('undersample', round)));
    for (const positions of rounds) {
      expect(countClasses(dataset.labels, positions, 3)).toEqual([10, 10, 10]);
      expect(new Set(positions).size).toBe(30);
    }
    const of = (label: number, from: number, to: number) =>
      rounds
        .slice(from, to)
        .flatMap((positions) => Array.from(positions).filter((i) => dataset.labels[i] === label));
    // Three rounds of 10 out of 35, then anew; two of 10 out of 20.
    expect(new Set(of(1, 0, 3)).size).toBe(30);
    expect(new Set(of(1, 3, 6)).size).toBe(30);
    expect(new Set(of(2, 0, 2)).size).toBe(20);
    expect(of(1, 0, 3)).not.toEqual(of(1, 3, 6));
    // The classes come mixed, not one after the other.
    expect(rounds[0]!.slice(0, 10).every((i) => dataset.labels[i] === 0)).toBe(false);
  });

  test('oversample: as many of each as of the largest, each image as often as any other', async () => {
    const seen = new Map<number, number>();
    for (const round of [0, 1]) {
      const positions = await order('oversample', round);
      expect(countClasses(dataset.labels, positions, 3)).toEqual([35, 35, 35]);
      const times = new Map<number, number>();
      for (const i of positions) times.set(i, (times.get(i) ?? 0) + 1);
      for (const [i, count] of times) {
        const least = [3, 1, 1][dataset.labels[i]!]!;
        expect([least, least + (dataset.labels[i] === 1 ? 0 : 1)]).toContain(count);
        seen.set(i, (seen.get(i) ?? 0) + count);
      }
      expect(times.size).toBe(65);
    }
    // Over two rounds all of the small class come seven times: 35 is three and a half times 10.
    for (let i = 0; i < 10; i++) expect(seen.get(i)).toBe(7);
  });

  test('of some positions only', async () => {
    const some = Uint32Array.of(0, 1, 11, 12, 13, 60);
    const positions = await epochOrder(dataset, some, { balance: 'undersample', seed: 1, round: 0 });
    expect(countClasses(dataset.labels, positions, 3)).toEqual([1, 1, 1]);
    expect([...positions].filter((i) => !some.includes(i))).toEqual([]);
  });

  test('a shuffle is fair: each position comes first as often as any other', async () => {
    const four = made([2, 2]);
    const firsts = [0, 0, 0, 0];
    const all = Uint32Array.of(0, 1, 2, 3);
    for (let round = 0; round < 2000; round++) {
      const [first] = await epochOrder(four, all, { balance: 'none', seed: 9, round });
      firsts[first!]! += 1;
    }
    // 500 expected, standard deviation 19; four of them.
    for (const count of firsts) expect(Math.abs(count - 500)).toBeLessThan(78);
  });
});

test('classWeights: n / (K n_c), so that every class weighs as much', () => {
  const { labels } = made([10, 30]);
  const train = Uint32Array.from(labels.keys());
  expect(classWeights(labels, train, 2)).toEqual([2, 40 / 60]);
  expect(classWeights(labels, train, 3)).toEqual([40 / 30, 40 / 90, 1]);
});
