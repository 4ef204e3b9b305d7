/** Image bytes to a square of RGB pixels. */
import { availableParallelism } from 'node:os';
import sharp, { type Sharp, type SharpOptions } from 'sharp';
import { UserError } from '../base/errors.ts';
import type { Fit } from '../model/network.ts';
import { bmpSize, decodeBmp } from './bmp.ts';
import { withShownRange } from './deep_values.ts';
import { withoutStrays } from './jpeg_strays.ts';
import { isTaggedSrgb } from './profile.ts';
import { type ImageKind, sniff } from './sniff.ts';
import { Gate } from './together.ts';

// One thread per image and many images at once is faster than many threads per image; no image is decoded twice.
sharp.concurrency(1);
sharp.cache(false);

/** How many decodes to keep going at once. */
export const DECODES_IN_FLIGHT = 2 * availableParallelism();

/** What an image may have at most; beyond it lie decompression bombs. */
const PIXEL_LIMIT = 100_000_000;

const READABLE = 'JPEG, PNG, WebP, GIF, AVIF, TIFF or BMP';

/** What sharp does at a time. What it says of a failure is one text for all that run at once. */
const gate = new Gate();

/** How many warnings there were of a JPEG. */
const JPEG_WARNINGS = /^read gave (\d+) warnings/;
/** What libjpeg warns of where nothing of the picture is missing. */
const HARMLESS = /extraneous bytes before marker|unknown JFIF revision|Invalid SOS parameters/;

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
export async function decodeImage(bytes: Uint8Array, options: DecodeOptions): Promise<Uint8Array> {
  const kind = sniff(bytes);
  if (!kind.readable) throw new UserError(`${kind.description}, not ${READABLE}${adviceOf(kind)}`);
  const image = isJpeg(bytes) ? withoutStrays(bytes) : bytes;
  try {
    const { value, marked } = await gate.together(() => decode(image, options, 'warning', mark));
    if (!marked) return value;
  } catch {
    // Why is only known of an image that is alone.
  }
  return gate.alone(() => decodeAlone(image, kind, options));
}

/** libvips reports a warning for whichever image finishes first, and libjpeg may emit it too late to fail the decode. */
function mark(warning: string): void {
  if (JPEG_WARNINGS.test(warning)) gate.mark();
}

function adviceOf({ convert }: ImageKind): string {
  return convert === undefined ? '' : `; convert it with: ${convert}`;
}

/** A second look at what failed: now all that is said is of this image. */
async function decodeAlone(
  bytes: Uint8Array,
  { description }: ImageKind,
  options: DecodeOptions,
): Promise<Uint8Array> {
  const warnings: string[] = [];
  // Only libjpeg's warnings are distinguished below.
  const failOn = isJpeg(bytes) ? 'truncated' : 'warning';
  const pixels = await decode(bytes, options, failOn, (text) => warnings.push(text)).catch(async (error) => {
    throw error instanceof UserError ? error : await reasonOf(bytes, description, error);
  });
  const damage = damageIn(warnings);
  if (damage !== undefined) throw doesNotDecode(description, damage);
  return pixels;
}

/** The problem of an image that decoded completely: libjpeg gives its first warning and the number of warnings. */
function damageIn(warnings: string[]): string | undefined {
  const counts = warnings.flatMap((text) => JPEG_WARNINGS.exec(text)?.[1] ?? []);
  const first = warnings.find((text) => text.startsWith('VipsJpeg')) ?? 'it is damaged';
  return counts.every((count) => Number(count) <= 1) && (counts.length === 0 || HARMLESS.test(first))
    ? undefined
    : first;
}

async function decode(
  bytes: Uint8Array,
  { size, fit }: DecodeOptions,
  failOn: SharpOptions['failOn'],
  onWarning: (text: string) => void,
): Promise<Uint8Array> {
  const image = await openImage(bytes, failOn, onWarning);
  const square = image.autoOrient().resize(size, size, { fit, background: '#fff' });
  // A JPEG has no transparency, and time is taken even to find that out.
  return toPixels(isJpeg(bytes) ? square : square.flatten({ background: '#fff' }), size);
}

/** The image, its values from black to white as they are shown. */
export async function openImage(
  bytes: Uint8Array,
  failOn: SharpOptions['failOn'],
  onWarning: (text: string) => void = () => {},
): Promise<Sharp> {
  if (isBmp(bytes)) {
    const { width, height } = bmpSize(bytes);
    if (width * height > PIXEL_LIMIT) throw tooLarge('is a BMP image', width, height);
    const { data, ...raw } = await decodeBmp(bytes);
    return sharp(data, { raw }).on('warning', onWarning);
  }
  const options = { failOn, limitInputPixels: PIXEL_LIMIT, ignoreIcc: isTaggedSrgb(bytes) };
  const image = sharp(bytes, options).on('warning', onWarning);
  if (!mayBeDeep(bytes)) return image;
  return (await withShownRange(image)).on('warning', onWarning);
}

/**
 * Renders a drawing of our own; never for bytes from outside.
 * @returns uint8 RGB, size * size * 3
 */
export async function renderSvg(svg: string, size: number): Promise<Uint8Array> {
  const square = sharp(Buffer.from(svg)).on('warning', mark).resize(size, size, { fit: 'fill' });
  return (await gate.together(() => toPixels(square.flatten({ background: '#fff' }), size))).value;
}

/** @param pixels uint8 RGB, size * size * 3 */
export function encodePng(pixels: Uint8Array, size: number): Promise<Uint8Array> {
  return sharp(pixels, { raw: { width: size, height: size, channels: 3 } })
    .png()
    .toBuffer();
}

function isJpeg(bytes: Uint8Array): boolean {
  return bytes[0] === 0xff && bytes[1] === 0xd8;
}

function isBmp(bytes: Uint8Array): boolean {
  return bytes[0] === 0x42 && bytes[1] === 0x4d;
}

/** Whether an image may have more than 8 bits per channel; for a PNG its header decides. */
function mayBeDeep(bytes: Uint8Array): boolean {
  const isTiff = (bytes[0] === 0x49 && bytes[1] === 0x49) || (bytes[0] === 0x4d && bytes[1] === 0x4d);
  return isTiff || (bytes[0] === 0x89 && bytes[24] === 16);
}

async function toPixels(image: Sharp, size: number): Promise<Uint8Array> {
  const pixels = await image.toColourspace('srgb').raw().toBuffer();
  if (pixels.length !== size * size * 3)
    throw new Error(`decoded to ${pixels.length} bytes, not ${size * size * 3}`);
  return pixels;
}

async function reasonOf(bytes: Uint8Array, description: string, { message }: Error): Promise<UserError> {
  if (/exceeds pixel limit/.test(message)) {
    const { width, height } = await sharp(bytes, { limitInputPixels: false }).metadata();
    return tooLarge(description, width, height);
  }
  return doesNotDecode(description, message);
}

function tooLarge(description: string, width: number, height: number): UserError {
  return new UserError(
    `${description} of ${width} x ${height} pixels, more than the ${PIXEL_LIMIT / 1e6} million allowed`,
  );
}

function doesNotDecode(description: string, reason: string): UserError {
  return new UserError(`${description} that does not decode: ${reason.split('\n')[0]!.slice(0, 200)}`);
}
