/** Batches against the pixels they are made of. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { batches } from '../../src/data/batches.ts';
import { type Dataset, loadDataset } from '../../src/data/dataset.ts';
import { decodeImage } from '../../src/data/decode.ts';
import type { Images } from '../../src/data/images.ts';
import { WindowedImages } from '../../src/data/pixel_windows.ts';
import { type Augmentation, loadAddon, type NativePixels } from '../../src/model/addon.ts';
import { options, outcome, plain, write } from './made.ts';

const SIZE = 8;
const BYTES = SIZE * SIZE * 3;
const folder = mkdtempSync(join(tmpdir(), 'birbs-batches-'));
let dataset: Dataset;
let pixels: NativePixels;
let expected: Uint8Array[];

beforeAll(async () => {
  const images = await Promise.all(Array.from({ length: 11 }, (_, i) => plain(i)));
  write(folder, Object.fromEntries(images.map((image, i) => [`data/${i % 2 ? 'a' : 'b'}/${i}.png`, image])));
  // Two pixel files: what is read second does not lie in the first.
  await loadDataset(
    options(folder, { birds: [join(folder, 'data/a')], notBirds: [join(folder, 'data/b')], imageSize: SIZE }),
  );
  write(folder, { 'data/b/more.png': await plain(20) });
  dataset = await loadDataset(options(folder, { data: [join(folder, 'data')], imageSize: SIZE }));
  expect(dataset.pixelFiles.length).toBe(2);
  pixels = await loadAddon().openPixels(dataset.pixelFiles, 2);
  const { readFile } = await import('node:fs/promises');
  expected = await Promise.all(
    dataset.names.map(async (name) => decodeImage(await readFile(name), { size: SIZE, fit: 'cover' })),
  );
});
afterAll(async () => {
  await pixels.dispose();
  rmSync(folder, { recursive: true });
});

const augmentation: Augmentation = {
  seed: 5,
  step: 40,
  flip: 0.5,
  shift: 2,
  brightnessProbability: 1,
  brightness: 0.3,
  contrastProbability: 0,
  contrast: 0,
};

describe('batches', () => {
  test('the images of the order, the last batch smaller', async () => {
    const order = Uint32Array.of(11, 0, 5, 3, 3, 7, 1);
    const seen = [];
    for await (const { images, labels, positions, waitSeconds } of batches(pixels, dataset, order, {
      batchSize: 3,
    })) {
      seen.push(...positions);
      expect(images.length).toBe(positions.length * BYTES);
      expect(labels).toEqual(Int32Array.from(positions, (i) => dataset.labels[i]!));
      for (const [i, position] of positions.entries()) {
        expect(Buffer.compare(images.subarray(i * BYTES, (i + 1) * BYTES), expected[position]!)).toBe(0);
      }
      expect(waitSeconds).toBeGreaterThanOrEqual(0);
    }
    expect(seen).toEqual([...order]);
  });

  /** Of each batch: labels, positions and what each rank is handed, one rank after the other without stand-ins. */
  const ofRanks = async (images: Pick<Images, 'batches'>, order: Uint32Array, size: number) => {
    const found: { labels: number[]; positions: number[]; pixels: number[] }[] = [];
    for (let rank = 0; rank < size; rank++) {
      const place = { place: { rank, size } };
      let number = 0;
      for await (const batch of images.batches(order, { batchSize: 5, augmentation, ...place })) {
        const { images: own, labels, positions, part } = batch;
        expect(own.length).toBe(Math.max(1, part!.count) * BYTES);
        const pixels = part!.count > 0 ? [...own] : [];
        found[number] ??= { labels: [...labels], positions: [...positions], pixels: [] };
        expect(found[number]).toMatchObject({ labels: [...labels], positions: [...positions] });
        found[number]!.pixels.push(...pixels);
        number += 1;
      }
    }
    return found;
  };

  test.each([1, 2, 3])(
    '%i ranks share each batch as one process has it, augmented by place',
    async (size) => {
      const order = Uint32Array.of(11, 0, 5, 3, 3, 7, 1, 9, 10, 2, 4);
      const whole = await ofRanks({ batches: (...given) => batches(pixels, dataset, ...given) }, order, 1);
      expect(whole.map(({ positions }) => positions.length)).toEqual([5, 5, 1]);
      const alone: number[] = [];
      for await (const { images } of batches(pixels, dataset, order, { batchSize: 5, augmentation }))
        alone.push(...images);
      expect(whole.flatMap((batch) => batch.pixels)).toEqual(alone);
      const shared = {
        batches: (...given: Parameters<Images['batches']>) => batches(pixels, dataset, ...given),
      };
      expect(await ofRanks(shared, order, size)).toEqual(whole);
      // Window by window, where the cache holds four images.
      const stream = { windowImages: 4, imageSize: SIZE, bytes: 12 * BYTES, limit: 4 * BYTES };
      const windows = new WindowedImages(dataset, stream, { threads: 1, seed: 1 });
      expect(await ofRanks(windows, order, size)).toEqual(whole);
    },
  );

  test('a batch stays as it is until two more were asked for, and the third uses its memory', async () => {
    const order = Uint32Array.from({ length: 12 }, (_, i) => i);
    const held = [];
    const copies: Uint8Array[] = [];
    const all = batches(pixels, dataset, order, { batchSize: 2 });
    for (let i = 0; i < 6; i++) {
      const { value } = await all.next();
      held.push(value!.images);
      copies.push(value!.images.slice());
      // Long enough for the next one to be assembled.
      await new Promise((resolve) => setTimeout(resolve, 20));
      for (const at of [i - 1, i]) if (at >= 0) expect(Buffer.compare(held[at]!, copies[at]!)).toBe(0);
    }
    expect(held[3]!.buffer).toBe(held[0]!.buffer);
    expect(new Set(held.map(({ buffer }) => buffer)).size).toBe(3);
  });

  test('augmented by seed and the step of the run, the same again', async () => {
    const order = Uint32Array.from({ length: 12 }, (_, i) => i);
    const collect = async (given?: Augmentation) => {
      const found: Buffer[] = [];
      for await (const { images } of batches(pixels, dataset, order, { batchSize: 4, augmentation: given })) {
        found.push(Buffer.from(images));
      }
      return found;
    };
    const first = await collect(augmentation);
    expect(await collect(augmentation)).toEqual(first);
    expect(await collect({ ...augmentation, seed: 6 })).not.toEqual(first);
    expect(first).not.toEqual(await collect());
    // The second batch is what the addon makes of it at the next step.
    const rows = dataset.rows.slice(4, 8);
    const alone = new Uint8Array(4 * BYTES);
    await pixels.assemble(rows, alone, { ...augmentation, step: 41 });
    expect(Buffer.compare(first[1]!, alone)).toBe(0);
  });

  test('stops: at the signal with its reason, at a break quietly, at a fault with the fault', async () => {
    const order = Uint32Array.from({ length: 12 }, (_, i) => i);
    const controller = new AbortController();
    const run = async (rows: Uint32Array) => {
      for await (const _ of batches(pixels, { ...dataset, rows }, order, {
        batchSize: 2,
        signal: controller.signal,
      })) {
        controller.abort(new Error('enough'));
      }
    };
    expect(await outcome(run(dataset.rows))).toBe('Error: enough');
    for await (const _ of batches(pixels, dataset, order, { batchSize: 2 })) break;
    const beyond = dataset.rows.map((row, i) => (i === 9 ? 1000 : row));
    let count = 0;
    const fault = outcome(
      (async () => {
        for await (const _ of batches(pixels, { ...dataset, rows: beyond }, order, { batchSize: 2 }))
          count += 1;
      })(),
    );
    expect(await fault).toMatch(/1000/);
    expect(count).toBe(4);
  });

  test('nothing of nothing', async () => {
    for await (const _ of batches(pixels, dataset, new Uint32Array(), { batchSize: 2 }))
      throw new Error('a batch');
  });
});
