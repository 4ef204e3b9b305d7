/** The cache of features. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeRoom } from '../../src/data/cache/cache_budget.ts';
import { FeatureCache } from '../../src/data/cache/feature_cache.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'birbs-features-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const hash = (text: string) => createHash('sha256').update(text).digest('hex');
const [owl, robin, crow] = ['owl', 'robin', 'crow'].map(hash) as [string, string, string];

async function read(cache: FeatureCache, contents: string[]) {
  const output = new Float32Array(contents.length * cache.width);
  const missing = await cache.read(contents, output);
  return { missing: [...missing], output: [...output] };
}

function filesOf(): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.features'))
    .map((name) => join(folder, name));
}

test('what was added is found by the same key, whatever the order and however often', async () => {
  await new FeatureCache(folder, 'lite0 224', 2).add([owl, robin], Float32Array.of(1, 2, 3, 4));
  const cache = new FeatureCache(folder, 'lite0 224', 2);
  expect(await read(cache, [robin, crow, owl, robin])).toEqual({
    missing: [1],
    output: [3, 4, 0, 0, 1, 2, 3, 4],
  });
  expect((await read(new FeatureCache(folder, 'lite0 160', 2), [owl])).missing).toEqual([0]);
  expect((await read(new FeatureCache(folder, 'lite0 224', 3), [owl])).missing).toEqual([0]);
});

test.each([
  ['one flipped bit', (bytes: Buffer) => bytes.subarray(0).fill(bytes[70]! ^ 1, 70, 71)],
  ['a cut', (bytes: Buffer) => bytes.subarray(0, -5)],
  ['nothing left', () => Buffer.alloc(0)],
])('a file with %s is computed again', async (_, damage) => {
  const cache = new FeatureCache(folder, 'key', 2);
  await cache.add([owl], Float32Array.of(1, 2));
  const [path] = filesOf();
  writeFileSync(path!, damage(readFileSync(path!)));
  expect(await read(cache, [owl])).toEqual({ missing: [0], output: [0, 0] });
  expect(filesOf()).toEqual([]);
});

test('features count against the limit of the cache, and are evicted', async () => {
  await new FeatureCache(folder, 'key', 64).add([owl], new Float32Array(64));
  await makeRoom(folder, 100, 0, new Set());
  expect(filesOf()).toEqual([]);
});
