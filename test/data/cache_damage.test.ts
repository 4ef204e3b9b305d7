/** Pixels in the cache that are no longer those that were written: found, decoded again, and said. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { PixelCache } from '../../src/data/cache/pixel_cache.ts';
import { type Dataset, type DatasetOptions, loadDataset } from '../../src/data/dataset.ts';
import { cacheLines } from '../../src/data/inventory.ts';
import { openImages } from '../../src/data/loader.ts';
import { options, plain, testFolder, write } from './made.ts';

const SIZE = 16;
const IMAGE_BYTES = SIZE * SIZE * 3;
const HEADER_BYTES = 4096;
const COUNT = 20;

/** A data set of `COUNT` images, all of them in one segment of the cache. */
async function made(): Promise<{ given: DatasetOptions; first: Dataset; cache: string }> {
  const folder = testFolder();
  const images = await Promise.all(Array.from({ length: COUNT }, (_, i) => plain(i)));
  write(
    folder,
    Object.fromEntries(images.map((image, i) => [`a/${i % 2 ? 'bird' : 'other'}/${i}.png`, image])),
  );
  const given = options(folder, { data: [join(folder, 'a')], imageSize: SIZE });
  return { given, first: await loadDataset(given), cache: join(folder, `cache/pixels-${SIZE}-cover-v3`) };
}

function fileIn(cache: string, ending: 'pixels' | 'json'): string {
  const name = readdirSync(cache).find((name) => name.endsWith(ending) && !name.startsWith('memo'));
  return join(cache, name!);
}

/** Turns over one byte in so many places, at even distances from the begin of the pixels on. */
function flip(path: string, from: number, to: number, count: number): void {
  const bytes = readFileSync(path);
  for (let i = 0; i < count; i++)
    bytes[HEADER_BYTES + from + Math.floor((i * (to - from)) / count)]! ^= 1 << (i % 8);
  writeFileSync(path, bytes);
}

async function load(given: DatasetOptions): Promise<{ dataset: Dataset; decoded: number }> {
  let decoded = 0;
  const onProgress: DatasetOptions['onProgress'] = ({ stage, done }) => {
    if (stage === 'decode') decoded = done!;
  };
  return { dataset: await loadDataset({ ...given, onProgress }), decoded };
}

/** The pixels that a training gets. */
async function trainedOn(dataset: Dataset): Promise<Buffer[]> {
  const images = await openImages(dataset, { threads: 1, seed: 1 });
  const pixels = Buffer.alloc(dataset.names.length * IMAGE_BYTES);
  await images.assemble(
    Uint32Array.from(dataset.names, (_, i) => i),
    pixels,
  );
  await images.dispose();
  return dataset.names.map((_, i) => pixels.subarray(i * IMAGE_BYTES, (i + 1) * IMAGE_BYTES));
}

const isRight = async (dataset: Dataset) => {
  for (const [i, pixels] of (await trainedOn(dataset)).entries()) {
    expect(pixels).toEqual(await sharp(dataset.names[i]!).resize(SIZE, SIZE).raw().toBuffer());
  }
};

test.each([false, true])(
  '2,000 flipped bytes: those images alone are decoded again (--verify: %s)',
  async (verify) => {
    const { given, first, cache } = await made();
    // From the fourth image to the tenth.
    flip(fileIn(cache, 'pixels'), 3 * IMAGE_BYTES, 10 * IMAGE_BYTES, 2000);
    const second = await load({ ...given, verify });
    expect([second.dataset.damagedImages, second.dataset.damagedSegments, second.decoded]).toEqual([7, 0, 7]);
    expect(second.dataset.hash).toBe(first.hash);
    await isRight(second.dataset);
    expect(cacheLines(second.dataset)).toEqual([
      '7 images in the cache had changed since they were written: decoded again; check the disk',
    ]);
    const third = await load({ ...given, verify });
    // To verify, all files are read again, but none is decoded.
    expect([third.dataset.damagedImages, third.decoded]).toEqual([0, verify ? COUNT : 0]);
    expect(cacheLines(third.dataset)).toEqual([]);
    await isRight(third.dataset);
  },
);

test.each([
  ['the first', 0],
  ['the last', COUNT * IMAGE_BYTES - 1],
  ['one in the middle', (COUNT / 2) * IMAGE_BYTES + 1],
])('a single bit of %s byte', async (_, at) => {
  const { given, cache } = await made();
  flip(fileIn(cache, 'pixels'), at, at + 1, 1);
  const { dataset, decoded } = await load(given);
  expect([dataset.damagedImages, decoded]).toEqual([1, 1]);
  await isRight(dataset);
});

test('a checksum that was changed: its image is decoded again', async () => {
  const { given, cache } = await made();
  const index = fileIn(cache, 'json');
  const { pixels, ...rest } = JSON.parse(readFileSync(index, 'utf8'));
  const other = (pixels[20] === '0' ? '1' : '0') as string;
  writeFileSync(index, JSON.stringify({ ...rest, pixels: pixels.slice(0, 20) + other + pixels.slice(21) }));
  const { dataset, decoded } = await load(given);
  expect([dataset.damagedImages, decoded]).toEqual([1, 1]);
  await isRight(dataset);
});

test('an image that comes in windows, from a cache too small for all', async () => {
  const { given, cache } = await made();
  flip(fileIn(cache, 'pixels'), 0, IMAGE_BYTES, 1);
  const dataset = await loadDataset({ ...given, cacheLimit: (COUNT * IMAGE_BYTES - 1) / 1e9 });
  expect(dataset.stream).toBeDefined();
  await isRight(dataset);
});

test('a segment that another process evicts meanwhile is no damage', async () => {
  const { given, cache } = await made();
  const { imageSize: size, fit, cacheDir } = given;
  const other = await PixelCache.open({ cacheDir, size, fit, limit: Number.POSITIVE_INFINITY });
  const index = JSON.parse(readFileSync(fileIn(cache, 'json'), 'utf8'));
  const content = index.contents.slice(0, 64);
  expect(other.has(content)).toBe(true);
  for (const ending of ['pixels', 'json'] as const) rmSync(fileIn(cache, ending));
  expect(await other.keep([content], { added: false })).toBe(false);
  expect([other.has(content), other.damagedImages]).toEqual([false, 0]);
});
