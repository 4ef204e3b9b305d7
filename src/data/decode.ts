/** Image bytes to a square of RGB pixels; the only file that knows sharp. */
import { availableParallelism } from 'node:os';
import sharp, { type Sharp } from 'sharp';
import { UserError } from '../base/errors.ts';
import type { Fit } from '../model/network.ts';
import { isTaggedSrgb } from './profile.ts';
import { sniff } from './sniff.ts';

// One thread an image and many images at once is faster than many threads an image; no image is decoded twice.
sharp.concurrency(1);
sharp.cache(false);

/** How many decodes to keep going at once. */
export const DECODES_IN_FLIGHT = 2 * availableParallelism();

/** What an image may have at most; beyond it lie decompression bombs. */
const PIXEL_LIMIT = 100_000_000;

const READABLE = 'JPEG, PNG, WebP, GIF, AVIF or TIFF';

export interface DecodeOptions {
  /** Side of the square in pixels. */
  size: number;
  fit: Fit;
}

/**
 * Decodes an image: turned as its EXIF says, the first frame, sRGB, whatever is transparent or beyond its edge white,
 * Lanczos3.
 * @returns uint8 RGB, size * size * 3
 * @throws UserError with the reason alone ("is an HTML page, not ..."), for the caller to put the name before it
 */
export async function decodeImage(bytes: Uint8Array, { size, fit }: DecodeOptions): Promise<Uint8Array> {
  const kind = sniff(bytes);
  if (!kind.readable) throw new UserError(`${kind.description}, not ${READABLE}`);
  try {
    const image = sharp(bytes, { limitInputPixels: PIXEL_LIMIT, ignoreIcc: isTaggedSrgb(bytes) });
    const square = image.autoOrient().resize(size, size, { fit, background: '#fff' });
    // A JPEG has no transparency, and time is taken even to find that out.
    return await toPixels(isJpeg(bytes) ? square : square.flatten({ background: '#fff' }), size);
  } catch (error) {
    throw new UserError(await reasonOf(bytes, kind.description, error as Error));
  }
}

/**
 * Renders a drawing of our own; never for bytes from outside.
 * @returns uint8 RGB, size * size * 3
 */
export async function renderSvg(svg: string, size: number): Promise<Uint8Array> {
  const square = sharp(Buffer.from(svg)).resize(size, size, { fit: 'fill' });
  return toPixels(square.flatten({ background: '#fff' }), size);
}

function isJpeg(bytes: Uint8Array): boolean {
  return bytes[0] === 0xff && bytes[1] === 0xd8;
}

async function toPixels(image: Sharp, size: number): Promise<Uint8Array> {
  const pixels = await image.toColourspace('srgb').raw().toBuffer();
  if (pixels.length !== size * size * 3)
    throw new Error(`decoded to ${pixels.length} bytes, not ${size * size * 3}`);
  return pixels;
}

async function reasonOf(bytes: Uint8Array, description: string, error: Error): Promise<string> {
  if (!/exceeds pixel limit/.test(error.message)) {
    return `${description} that does not decode: ${error.message.split('\n')[0]!.slice(0, 200)}`;
  }
  const { width, height } = await sharp(bytes, { limitInputPixels: false }).metadata();
  return `${description} of ${width} x ${height} pixels, more than the ${PIXEL_LIMIT / 1e6} million allowed`;
}
