/** Small pictures of images, read again from where they came from: whole, not cut to a square. */
import { open } from 'node:fs/promises';
import sharp from 'sharp';
import { HEADER_BYTES } from '../data/cache/segment.ts';
import { DECODES_IN_FLIGHT, openImage } from '../data/decode.ts';
import type { Listing, Part } from '../data/part.ts';
import { partsOf } from '../data/sources/source.ts';
import { dataUri, SIDE } from '../page/thumbnails.ts';
import type { Checked } from './check_dataset.ts';

/** Pictures as data URIs, by the number of the image. */
export type Pictures = Map<number, string>;

/**
 * Thumbnails of some images; unavailable ones are absent. For remote sources the cached squares are used, so that
 * nothing is fetched twice.
 * @param wanted numbers in `images`
 */
export async function picturesOf(
  checked: Checked,
  wanted: Iterable<number>,
  { cacheDir, signal }: { cacheDir: string; signal?: AbortSignal },
): Promise<Pictures> {
  const pictures: Pictures = new Map();
  const left = new Set(wanted);
  for (const { source, role, parts } of checked.filled.opened) {
    if (source.kind === 'hub' || source.kind === 'kaggle') continue;
    const labelled = (role !== 'birds' && role !== 'notBirds') || source.label !== undefined;
    const again = await partsOf(source, { role, labelled, size: SIDE, cacheDir, signal });
    try {
      for (const part of parts) {
        const fresh = again.find(({ key }) => key === part.part.key);
        const numbers = new Map<number, number>();
        for (const number of left) {
          const { part: own, index } = checked.images[number]!;
          if (own === part) numbers.set(index, number);
        }
        if (fresh && numbers.size > 0) await readPictures(fresh, part.listing, numbers, pictures, signal);
      }
    } finally {
      for (const part of again) await part.close?.();
    }
  }
  for (const number of left) {
    if (pictures.has(number)) continue;
    const picture = await cachedPicture(checked, number);
    if (picture) pictures.set(number, picture);
  }
  return pictures;
}

/** @param numbers by the index of the image in its part */
async function readPictures(
  part: Part,
  listing: Listing,
  numbers: Map<number, number>,
  pictures: Pictures,
  signal?: AbortSignal,
): Promise<void> {
  const running = new Set<Promise<void>>();
  for await (const image of part.read(listing, (index) => numbers.has(index), signal)) {
    if ('problem' in image) continue;
    const task = pictureOf(part, image.bytes)
      .then((picture) => void pictures.set(numbers.get(image.index)!, picture))
      .catch(() => {})
      .finally(() => running.delete(task));
    running.add(task);
    if (running.size >= DECODES_IN_FLIGHT) await Promise.race(running);
  }
  await Promise.all(running);
}

async function pictureOf(part: Part, bytes: Uint8Array): Promise<string> {
  if (part.render) {
    const raw = { width: SIDE, height: SIDE, channels: 3 } as const;
    return dataUri(sharp(await part.render(bytes, SIDE), { raw }));
  }
  // What is damaged is shown as far as it goes.
  const image = await openImage(bytes, 'none');
  return dataUri(image.autoOrient().resize(SIDE, SIDE, { fit: 'inside' }));
}

async function cachedPicture(
  { images, filled: { cache }, report: { imageSize: size } }: Checked,
  number: number,
): Promise<string | undefined> {
  const { content } = images[number]!;
  if (content === '' || !cache.has(content)) return undefined;
  const { path, row } = cache.place(content);
  const file = await open(path, 'r');
  try {
    const pixels = Buffer.alloc(size * size * 3);
    await file.read(pixels, 0, pixels.length, HEADER_BYTES + row * pixels.length);
    return await dataUri(sharp(pixels, { raw: { width: size, height: size, channels: 3 } }));
  } finally {
    await file.close();
  }
}
