/** The one random generator, against the known answers of its authors' library, Random123. */
import { expect, test } from 'vitest';
import { addon } from './devices.ts';

/** Philox4x32-10 in the plainest form: the judge. Words are least significant first. */
function philox(counter: number[], key: number[]): number[] {
  let [c0, c1, c2, c3] = counter.map(BigInt) as [bigint, bigint, bigint, bigint];
  let [k0, k1] = key.map(BigInt) as [bigint, bigint];
  for (let round = 0; round < 10; round++) {
    const p0 = 0xd2511f53n * c0;
    const p1 = 0xcd9e8d57n * c2;
    [c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & 0xffffffffn, (p0 >> 32n) ^ c3 ^ k1, p0 & 0xffffffffn];
    k0 = (k0 + 0x9e3779b9n) & 0xffffffffn;
    k1 = (k1 + 0xbb67ae85n) & 0xffffffffn;
  }
  return [c0, c1, c2, c3].map(Number);
}

const ones = 0xffffffff;
// kat_vectors of Random123: philox4x32 10.
const known = [
  { counter: [0, 0, 0, 0], key: [0, 0], words: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
  {
    counter: [ones, ones, ones, ones],
    key: [ones, ones],
    words: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  },
  {
    counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    key: [0xa4093822, 0x299f31d0],
    words: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  },
];

test('the judge gives the known answers', () => {
  for (const { counter, key, words } of known) expect(philox(counter, key)).toEqual(words);
});

test('the addon gives the known answer, as far as a JavaScript number reaches', async () => {
  expect([...(await addon.philox(0, 0, 0, 4))]).toEqual(known[0]!.words);
});

test.each([
  { seed: 1, stream: 0, step: 0 },
  { seed: 2 ** 53 - 1, stream: 0xffffffff, step: 2 ** 53 - 1 },
  { seed: 0xa4093822 + 0x1f31d0 * 2 ** 32, stream: 0x85a308d3, step: 0x13198a2e + 0x107344 * 2 ** 32 },
])('word i is word i % 4 of block i / 4: $seed, $stream, $step', async ({ seed, stream, step }) => {
  const words = await addon.philox(seed, stream, step, 22);
  const split = (value: number) => [value % 2 ** 32, Math.floor(value / 2 ** 32)];
  const expected = [0, 1, 2, 3, 4, 5].flatMap((block) =>
    philox([block, stream, ...split(step)], split(seed)),
  );
  expect([...words]).toEqual(expected.slice(0, 22));
});
