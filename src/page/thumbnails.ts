/** Pixels to small pictures that a page can hold. */
import type { Sharp } from 'sharp';

/** Where pixels come from: uint8 [count, height, width, 3] into `output`, in the order of `positions`. */
export interface PixelSource {
  readonly height: number;
  readonly width: number;
  assemble(positions: Uint32Array, output: Uint8Array): Promise<void>;
}

/** Longest side, in pixels: enough for a gallery on a dense screen, and to see more when it is enlarged. */
export const SIDE = 224;

/**
 * A `data:` URI for each position, of a few kilobytes.
 * @param change what is shown of the pixels of the i-th position; default all
 */
export async function thumbnails(
  source: PixelSource,
  positions: number[],
  change = (pixels: Uint8Array, _i: number): Uint8Array => pixels,
): Promise<string[]> {
  const { height, width } = source;
  const bytes = height * width * 3;
  const pixels = new Uint8Array(positions.length * bytes);
  if (positions.length > 0) await source.assemble(Uint32Array.from(positions), pixels);
  // Loading it takes as long as a start from the cache.
  const { default: sharp } = await import('sharp');
  const uris: string[] = [];
  for (let i = 0; i < positions.length; i++) {
    const shown = change(pixels.subarray(i * bytes, (i + 1) * bytes), i);
    const image = sharp(shown, { raw: { height, width, channels: 3 } });
    uris.push(await dataUri(image.resize(SIDE, SIDE, { fit: 'inside', withoutEnlargement: true })));
  }
  return uris;
}

/** What a page can hold of an image; transparent parts become white. */
export async function dataUri(image: Sharp): Promise<string> {
  const small = image.flatten({ background: '#fff' }).toColourspace('srgb');
  const bytes = await small.webp({ quality: 75 }).toBuffer();
  return `data:image/webp;base64,${bytes.toString('base64')}`;
}
