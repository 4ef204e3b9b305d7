/** Images whose numbers are no 8 bits: 16 bits, 32 bits, fractions. Which of them are black and white. */
import sharp, { type Sharp } from 'sharp';
import { UserError } from '../base/errors.ts';

/** Bits of the sensors whose numbers come in files of more bits. */
const DEPTHS = [8, 10, 12, 14, 16, 24, 32];
/** The largest value of a 16-bit photo exceeds that of a sensor with this many bits, however dark the photo is. */
const SENSOR_BITS = 12;
/** Numbers of more than 16 bits are in memory at once. */
const MOST_NUMBERS = 64_000_000;

interface Range {
  black: number;
  white: number;
}

/**
 * The image with its numbers from black to white as they are shown.
 * @throws UserError for values that can't be displayed
 */
export async function withShownRange(image: Sharp): Promise<Sharp> {
  const { depth, space, width, height, channels: count } = await image.metadata();
  if (depth === undefined || depth === 'uchar') return image;
  const { channels } = await image.stats();
  const means = channels.map(({ mean }) => mean);
  if (!means.every(Number.isFinite)) throw new UserError('has pixels that are NaN or infinite');
  if (depth !== 'ushort') {
    if (width * height * count <= MOST_NUMBERS) return scaled(image, space, means);
    throw new UserError(
      `has ${width} x ${height} pixels of numbers of more than 16 bits, more than are read; save it with 8 or 16 bits`,
    );
  }
  const { black, white } = bitsUsed(Math.max(...channels.map(({ max }) => max)));
  return white < 2 ** SENSOR_BITS ? image.removeAlpha().linear(65_535 / (white - black), 0) : image;
}

/** libvips has 0 to 255 as the range of all that is not 16 bits. */
async function scaled(image: Sharp, space: string, means: number[]): Promise<Sharp> {
  const upright = image.clone().autoOrient().removeAlpha().toColourspace(space);
  const { data, info } = await upright.raw({ depth: 'float' }).toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  const numbers = new Float32Array(data.buffer, data.byteOffset, data.byteLength / 4);
  const { black, white } = rangeOf(numbers);
  checkMean(numbers, means.slice(0, channels), white - black);
  const scale = 255 / (white - black || 1);
  const bytes = Uint8Array.from(numbers, (value) => Math.round((value - black) * scale));
  return sharp(bytes, { raw: { width, height, channels } });
}

/**
 * Fractions are taken from 0 to 1 if all are, whole numbers up to the bits that they use, everything else from the least
 * to the greatest.
 */
function rangeOf(numbers: Float32Array): Range {
  let [least, greatest, isWhole] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, true];
  for (const value of numbers) {
    if (value < least) least = value;
    if (value > greatest) greatest = value;
    isWhole &&= Number.isInteger(value);
  }
  if (least >= 0 && greatest <= 1) return { black: 0, white: 1 };
  if (least >= 0 && (isWhole || greatest <= 255)) return bitsUsed(greatest);
  return { black: least, white: greatest };
}

function bitsUsed(greatest: number): Range {
  const bits = DEPTHS.find((bits) => greatest < 2 ** bits);
  return { black: 0, white: bits === undefined ? greatest : 2 ** bits - 1 };
}

/** Not all numbers are handed out as they are: halves of 16 bits, or 16 bits below zero. */
function checkMean(numbers: Float32Array, means: number[], range: number): void {
  const sums = means.map(() => 0);
  for (let i = 0; i < numbers.length; i++) sums[i % sums.length]! += numbers[i]!;
  const count = numbers.length / sums.length;
  if (means.every((mean, k) => Math.abs(sums[k]! / count - mean) <= range / 100)) return;
  throw new UserError('has numbers of a kind that is not read; save it with 8 or 16 bits');
}
