/** Small pictures of images, read again from where they came from: whole, not cut to a square. */
import { open } from 'node:fs/promises';
import sharp, { type Sharp } from 'sharp';
import { HEADER_BYTES } from '../cache/segment.ts';
import type { Part } from '../sources/part.ts';
import { partsOf } from '../sources/source.ts';
import type { Checked } from './check.ts';

/** Longer side in pixels: sharp on a screen of two dots a point. */
const SIDE = 176;
/** As in `decodeImage`. */
const PIXEL_LIMIT = 100_000_000;

/**
 * Pictures as data URIs, by the number of the image; those that can't be had are absent. Of sources far away the cached
 * squares are taken, so that nothing is fetched twice.
 * @param wanted numbers in `images`
 */
export async function picturesOf(
  { images, filled, report }: Checked,
  wanted: Iterable<number>,
  { cacheDir, signal }: { cacheDir: string; signal?: AbortSignal },
): Promise<Map<number, string>> {
  const pictures = new Map<number, string>();
  const byKey = new Map<string, Map<number, number>>();
  for (const number of new Set(wanted)) {
    const { part, index } = images[number]!;
    const ofPart = byKey.get(part.part.key) ?? new Map<number, number>();
    byKey.set(part.part.key, ofPart.set(index, number));
  }
  for (const { source, role, parts } of filled.opened) {
    const far = source.kind === 'hub' || source.kind === 'kaggle';
    const context = { role, labelled: true, size: SIDE, cacheDir, signal };
    const again = far ? [] : await partsOf(source, { ...context, labelled: isLabelled(role, source.label) });
    for (const { part, listing } of parts) {
      const numbers = byKey.get(part.key);
      if (!numbers) continue;
      const fresh = again.find(({ key }) => key === part.key);
      const left = new Map(numbers);
      if (fresh) {
        for await (const image of fresh.read(listing, (index) => left.has(index), signal)) {
          if ('problem' in image) continue;
          const picture = await pictureOf(fresh, image.bytes).catch(() => undefined);
          if (picture) pictures.set(left.get(image.index)!, picture);
        }
      }
      for (const number of numbers.values()) {
        if (pictures.has(number)) continue;
        const picture = await cachedPicture(filled, images[number]!.content, report.imageSize);
        if (picture) pictures.set(number, picture);
      }
    }
    for (const part of again) await part.close?.();
  }
  return pictures;
}

function isLabelled(role: string, label: string | undefined): boolean {
  return !(role === 'birds' || role === 'notBirds') || label !== undefined;
}

async function pictureOf(part: Part, bytes: Uint8Array): Promise<string> {
  if (part.render) {
    const raw = { width: SIDE, height: SIDE, channels: 3 } as const;
    return encode(sharp(await part.render(bytes, SIDE), { raw }));
  }
  // What is damaged is shown as far as it goes.
  const image = sharp(bytes, { failOn: 'none', limitInputPixels: PIXEL_LIMIT });
  return encode(image.autoOrient().resize(SIDE, SIDE, { fit: 'inside' }));
}

async function encode(image: Sharp): Promise<string> {
  const bytes = await image
    .flatten({ background: '#fff' })
    .toColourspace('srgb')
    .webp({ quality: 72 })
    .toBuffer();
  return `data:image/webp;base64,${bytes.toString('base64')}`;
}

async function cachedPicture(
  { cache }: Checked['filled'],
  content: string,
  size: number,
): Promise<string | undefined> {
  if (content === '' || !cache.has(content)) return undefined;
  const { path, row } = cache.place(content);
  const file = await open(path, 'r');
  try {
    const pixels = Buffer.alloc(size * size * 3);
    await file.read(pixels, 0, pixels.length, HEADER_BYTES + row * pixels.length);
    return await encode(sharp(pixels, { raw: { width: size, height: size, channels: 3 } }));
  } finally {
    await file.close();
  }
}
