/** Prints and pairs: copies are found however they were changed, others are not, and groups stay in bounds. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { alikePairs } from '../../src/data/alike.ts';
import { lookOf } from '../../src/data/cache/image_facts.ts';
import { readHeader } from '../../src/data/cache/image_header.ts';
import { printOf } from '../../src/data/cache/perceptual_hash.ts';
import { loadDataset } from '../../src/data/dataset.ts';
import { decodeImage } from '../../src/data/decode.ts';
import { groupsOf, type Member } from '../../src/data/groups.ts';
import { nearPairs } from '../../src/data/near.ts';
import { splitDataset } from '../../src/data/split.ts';
import { options, testFolder, write } from '../data/made.ts';
import { scene } from './check_made.ts';

const PHOTOS = fileURLToPath(new URL('../../../shared/data/photos', import.meta.url));

/** Pictures of one's own where there are no photographs. */
async function pictures(count: number): Promise<Buffer[]> {
  if (!existsSync(PHOTOS)) return Promise.all(Array.from({ length: count }, (_, i) => scene(i)));
  const names = readdirSync(join(PHOTOS, 'not-bird')).slice(0, count);
  return names.map((name) => readFileSync(join(PHOTOS, 'not-bird', name)));
}

async function printsOf(images: Uint8Array[], size = 64): Promise<Int8Array> {
  const prints = new Int8Array(images.length * 64);
  for (const [i, bytes] of images.entries()) {
    prints.set(printOf(await decodeImage(bytes, { size, fit: 'cover' }), size), i * 64);
  }
  return prints;
}

const CHANGES: Record<string, (bytes: Buffer) => Promise<Buffer>> = {
  'saved at quality 50': (bytes) => sharp(bytes).jpeg({ quality: 50 }).toBuffer(),
  'a third of the size': (bytes) => sharp(bytes).resize(160).jpeg().toBuffer(),
  brightened: (bytes) => sharp(bytes).linear(1.2, 8).jpeg().toBuffer(),
  'grey, as PNG': (bytes) => sharp(bytes).greyscale().png().toBuffer(),
  mirrored: (bytes) => sharp(bytes).flop().jpeg().toBuffer(),
  'trimmed by 2% on each side': async (bytes) => {
    const { width, height } = await sharp(bytes).metadata();
    const [left, top] = [Math.round(width * 0.02), Math.round(height * 0.02)];
    return sharp(bytes)
      .extract({ left, top, width: width - 2 * left, height: height - 2 * top })
      .jpeg()
      .toBuffer();
  },
};

describe('pairs that look alike', () => {
  test('nine copies of ten are found, each with its original, and no other pair', async () => {
    const originals = await pictures(20);
    for (const [change, apply] of Object.entries(CHANGES)) {
      const copies = await Promise.all(originals.map(apply));
      const pairs = await nearPairs(await printsOf([...originals, ...copies]));
      const right = pairs.filter(({ first, second }) => second === first + originals.length);
      expect([change, pairs.length - right.length]).toEqual([change, 0]);
      expect(right.length, change).toBeGreaterThanOrEqual(18);
      if (change === 'mirrored') expect(right.filter(({ mirrored }) => mirrored).length).toBeGreaterThan(17);
    }
  });

  test('as comparing all with all finds them', async () => {
    const originals = await pictures(12);
    const copies = await Promise.all(originals.map(CHANGES.brightened!));
    const prints = await printsOf([...originals, ...copies], 32);
    const at = (i: number) => prints.subarray(i * 64, (i + 1) * 64);
    const cosine = (a: Int8Array, b: Int8Array) => {
      const dot = (x: Int8Array, y: Int8Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
      return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
    };
    for (const { first, second, likeness } of await nearPairs(prints)) {
      expect(likeness).toBeCloseTo(cosine(at(first), at(second)), 6);
    }
    const alike = Array.from({ length: 24 }, (_, i) => i).filter(
      (i) => cosine(at(i % 12), at((i % 12) + 12)) > 0.97,
    );
    expect(new Set((await nearPairs(prints)).flatMap(({ first, second }) => [first, second]))).toEqual(
      new Set(alike),
    );
  });

  test('the same signs are not enough', async () => {
    const strong = (half: number) =>
      Array.from({ length: 64 }, (_, i) => (i % 2 === half ? 100 : 40) * (i % 3 ? 1 : -1));
    expect(await nearPairs(Int8Array.from([...strong(0), ...strong(1)]))).toEqual([]);
    expect(await nearPairs(Int8Array.from([...strong(0), ...strong(0)]))).toHaveLength(1);
  });

  test('blank pictures are like no other, and thousands that are alike take no long', async () => {
    const blank = await sharp({ create: { width: 90, height: 60, channels: 3, background: '#d7d7d9' } })
      .jpeg({ quality: 40 })
      .toBuffer();
    expect(await nearPairs(await printsOf([blank, blank, blank]))).toEqual([]);
    // One brightness, two colours: that is a picture.
    const [left, right] = [Buffer.from([200, 100, 100]), Buffer.from([100, 100, 200])];
    const halves = Buffer.concat(Array.from({ length: 64 * 64 }, (_, i) => (i % 64 < 32 ? left : right)));
    expect(printOf(halves, 64).some((value) => value !== 0)).toBe(true);
    const print = await printsOf([await scene(1)]);
    const many = new Int8Array(20_000 * 64).map((_, i) => print[i % 64]!);
    const pairs = await nearPairs(many);
    expect(pairs.length).toBeGreaterThan(19_000);
    expect(pairs.length).toBeLessThan(17 * 20_000);
  });
});

describe('groups', () => {
  const members = (count: number, className = 'bird'): Member[] =>
    Array.from({ length: count }, (_, i) => ({ className, pixelHash: `${className} ${i}` }));

  test('a chain of pictures that look alike holds no more than a tenth of a class', () => {
    const chain = Array.from({ length: 99 }, (_, i) => ({
      ...{ first: i, second: i + 1, likeness: 1 - i / 1000, mirrored: false },
    }));
    const groups = groupsOf(members(100), chain);
    const sizes = new Map<number, number>();
    for (const group of groups) sizes.set(group, (sizes.get(group) ?? 0) + 1);
    expect(Math.max(...sizes.values())).toBe(10);
    expect(sizes.size).toBe(10);
  });

  test('two of a small class go together, and equal ones whatever their number', () => {
    const pair = [{ first: 0, second: 1, likeness: 0.95, mirrored: false }];
    expect([...groupsOf(members(4), pair)]).toEqual([0, 0, 1, 2]);
    const same = members(6).map((member) => ({ ...member, pixelHash: 'one' }));
    expect([...groupsOf(same, [])]).toEqual([0, 0, 0, 0, 0, 0]);
  });
});

describe('a data set with near copies', () => {
  test('where a source has grouped both of a pair, looks are not asked', async () => {
    const bytes = await scene(1);
    const look = lookOf(readHeader(bytes), await decodeImage(bytes, { size: 32, fit: 'cover' }), 32);
    const pairs = (first?: string, second?: string) =>
      alikePairs(
        [
          { pixelHash: 'a', look, group: first },
          { pixelHash: 'b', look, group: second },
        ],
        folder,
      );
    const folder = testFolder();
    expect(await pairs('owl', 'duck')).toEqual([]);
    expect(await pairs('owl')).toHaveLength(1);
    expect(await pairs()).toMatchObject([{ first: 0, second: 1, likeness: 1, mirrored: false }]);
  });

  test('they stay on one side of the split; those of validation images are left out of training', async () => {
    const folder = testFolder();
    const files: Record<string, Uint8Array> = {};
    for (let i = 0; i < 24; i++) files[`a/${i % 2 ? 'bird' : 'not-bird'}/${i}.jpg`] = await scene(i);
    const copy = (i: number) => CHANGES['a third of the size']!(Buffer.from(files[`a/bird/${i}.jpg`]!));
    files['a/bird/1-small.jpg'] = await copy(1);
    files['val/bird/3-small.jpg'] = await copy(3);
    files['val/not-bird/x.jpg'] = await scene(100);
    write(folder, files);
    const given = options(folder, { data: [join(folder, 'a')], imageSize: 32 });
    const dataset = await loadDataset(given);
    const group = (name: string) => dataset.groups[dataset.names.indexOf(join(folder, name))];
    expect(group('a/bird/1-small.jpg')).toBe(group('a/bird/1.jpg'));
    expect([dataset.nearDuplicates, dataset.duplicates, new Set(dataset.groups).size]).toEqual([1, 0, 24]);
    const held = await loadDataset({ ...given, validation: [join(folder, 'val')] });
    const split = await splitDataset(held, { fraction: 0.2, seed: 1 });
    expect([split.dropped, split.val.length]).toEqual([1, 2]);
    expect([...split.train].map((i) => held.names[i])).not.toContain(join(folder, 'a/bird/3.jpg'));
  });

  test('the second time the pairs are remembered; a memo that is no memo is passed over', async () => {
    const folder = testFolder();
    const files: Record<string, Uint8Array> = {};
    for (let i = 0; i < 6; i++) files[`a/${i % 2 ? 'bird' : 'not-bird'}/${i}.jpg`] = await scene(i);
    files['a/bird/again.jpg'] = await CHANGES.brightened!(Buffer.from(files['a/bird/1.jpg']!));
    write(folder, files);
    const given = options(folder, { data: [join(folder, 'a')], imageSize: 32 });
    const first = await loadDataset(given);
    expect(first.nearDuplicates).toBe(1);
    const cache = join(folder, 'cache/pixels-32-cover-v3');
    const memo = readdirSync(cache).filter((name) => name.startsWith('memo-alike-'));
    expect(memo).toHaveLength(1);
    for (const [text, near] of [
      ['[]', 0],
      ['[[0,99,1,0]]', 1],
      ['{"x', 1],
    ] as const) {
      write(cache, { [memo[0]!]: text });
      expect((await loadDataset(given)).nearDuplicates).toBe(near);
    }
  });
});
