/** Filling the pixel cache beside sharp alone: the same bytes, the same settings, the same process. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { PixelCache } from '../src/data/cache/pixel_cache.ts';
import { DECODES_IN_FLIGHT } from '../src/data/decode.ts';
import { fillPart, preparePart } from '../src/data/fill.ts';
import type { Part } from '../src/data/part.ts';
import { listImageFiles } from '../src/data/sources/folder_source.ts';

/** One line of `npm run bench`. */
export interface DecodeResult {
  bench: 'decode';
  case: string;
  unit: 'images/s';
  ours: number;
  rival: number;
  rivalName: string;
  /** Ours over the rival's: 1 is as fast, the aim is 0.95. */
  ratio: number;
}

const PHOTOS = fileURLToPath(new URL('../../shared/data/photos', import.meta.url));
const ROUNDS = 5;
/** So often the images are repeated, made to differ by bytes after their end: a few seconds of work. */
const COPIES = 4;

/** Medians of alternating rounds, for each image size. */
export async function* decode(): AsyncGenerator<DecodeResult> {
  const { images, what } = await testImages();
  for (const size of [64, 256]) {
    const times: { ours: number[]; rival: number[] } = { ours: [], rival: [] };
    // The first round warms up; the order changes each time.
    for (let round = 0; round <= ROUNDS; round++) {
      const pair = [
        async () => times.ours.push(await secondsToCache([memoryPart(images)], size)),
        async () => times.rival.push(await bare(images, size)),
      ];
      for (const run of round % 2 === 0 ? pair : pair.reverse()) await run();
    }
    times.ours.shift();
    times.rival.shift();
    const [ours, rival] = [images.length / median(times.ours), images.length / median(times.rival)];
    yield {
      bench: 'decode',
      case: `${images.length} ${what} to ${size} px`,
      unit: 'images/s',
      ours: round1(ours),
      rival: round1(rival),
      rivalName: `sharp ${sharp.versions.sharp}, ${DECODES_IN_FLIGHT} in flight`,
      ratio: Math.round((ours / rival) * 1000) / 1000,
    };
  }
}

/** Seconds of ours: read, hashed, decoded, written to a new cache. */
export async function secondsToCache(parts: Part[], size: number): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'birbs-decode-'));
  try {
    const begin = performance.now();
    const cache = await PixelCache.open({
      cacheDir: folder,
      size,
      fit: 'cover',
      limit: Number.POSITIVE_INFINITY,
    });
    for (const part of parts) {
      const prepared = await preparePart(part, cache);
      await fillPart(prepared, cache, {
        ...{ size, fit: 'cover', use: () => true, need: 'pixels', remember: true },
      });
      await part.close?.();
      if (prepared.reasons.size > 0) throw new Error(`not decoded: ${[...prepared.reasons.values()][0]}`);
    }
    await cache.seal();
    return (performance.now() - begin) / 1000;
  } finally {
    await rm(folder, { recursive: true });
  }
}

function memoryPart(images: Uint8Array[]): Part {
  return {
    key: 'memory',
    nameOf: (name) => name,
    list: async () => ({
      count: images.length,
      labels: new Int32Array(images.length),
      labelNames: [{ value: 'image' }],
      skipped: [],
      ignored: 0,
    }),
    async *read() {
      for (const [index, bytes] of images.entries()) yield { index, bytes };
    },
  };
}

/** Seconds of the rival: as many at once, the same pipeline, the pixels thrown away. */
export async function bare(images: Uint8Array[], size: number): Promise<number> {
  const begin = performance.now();
  let next = 0;
  const work = async () => {
    for (let bytes = images[next++]; bytes; bytes = images[next++]) {
      await sharp(bytes)
        .autoOrient()
        .resize(size, size, { fit: 'cover' })
        .flatten({ background: '#fff' })
        .toColourspace('srgb')
        .raw()
        .toBuffer();
    }
  };
  await Promise.all(Array.from({ length: DECODES_IN_FLIGHT }, work));
  return (performance.now() - begin) / 1000;
}

/** Photographs, or what stands in for them. */
export async function testImages(): Promise<{ images: Uint8Array[]; what: string }> {
  if (existsSync(PHOTOS)) {
    const { files } = await listImageFiles(PHOTOS);
    const photos = await Promise.all(files.map((file) => readFile(file)));
    const copies = Array.from({ length: COPIES }, (_, i) =>
      photos.map((photo) => Buffer.concat([photo, Buffer.alloc(i)])),
    );
    return { images: copies.flat(), what: 'photos' };
  }
  const images = await Promise.all(Array.from({ length: COPIES * 300 }, (_, i) => madeUp(i)));
  return { images, what: 'made-up JPEGs (../shared/data/photos is not there)' };
}

/** A JPEG of about the size of a photo from the web. */
async function madeUp(number: number): Promise<Uint8Array> {
  const noise = { type: 'gaussian', mean: 100 + (number % 50), sigma: 30 } as const;
  const image = sharp({ create: { width: 500, height: 375, channels: 3, background: '#000', noise } });
  return image.blur(1.5).jpeg({ quality: 85 }).toBuffer();
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

function round1(value: number): number {
  return Math.round(value * 10) / 10;
}
