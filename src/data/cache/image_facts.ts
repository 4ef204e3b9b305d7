/** What the cache knows of an image beside its pixels: its print and its header, as a text of fixed length. */
import { FORMATS, type Header } from './image_header.ts';
import { PRINT_BYTES, printOf } from './perceptual_hash.ts';

const HEADER_BYTES = 8;
/** Characters of a look. */
export const LOOK_DIGITS = ((PRINT_BYTES + HEADER_BYTES) / 3) * 4;

/** Of the last nine bytes. */
const HEADER_DIGITS = ((HEADER_BYTES + 1) / 3) * 4;
/** Of all bytes of a blank print but the last. */
const BLANK = 'A'.repeat(LOOK_DIGITS - HEADER_DIGITS);

/** In the order of their bits. */
const FLAGS = ['turned', 'cmyk', 'deep', 'animated', 'alpha', 'progressive'] as const;

/**
 * @param header of the image file
 * @param pixels what was decoded from it, uint8 RGB, size * size * 3
 */
export function lookOf(header: Header, pixels: Uint8Array, size: number): string {
  const look = Buffer.alloc(PRINT_BYTES + HEADER_BYTES);
  look.set(new Uint8Array(printOf(pixels, size).buffer));
  look[PRINT_BYTES] = FORMATS.indexOf(header.format);
  look[PRINT_BYTES + 1] = FLAGS.reduce((bits, flag, i) => bits | (Number(header[flag]) << i), 0);
  look.writeUIntLE(Math.min(header.width, 0xffffff), PRINT_BYTES + 2, 3);
  look.writeUIntLE(Math.min(header.height, 0xffffff), PRINT_BYTES + 5, 3);
  return look.toString('base64');
}

/** The prints of many images, one after the other; all zero where nothing is known. */
export function printsOf(looks: string[]): Int8Array {
  const prints = new Int8Array(looks.length * PRINT_BYTES);
  for (const [i, look] of looks.entries()) {
    if (look !== '') prints.set(bytesOf(look).subarray(0, PRINT_BYTES), i * PRINT_BYTES);
  }
  return prints;
}

/** The header of an image; undefined where nothing is known. */
export function headerOf(look: string): Header | undefined {
  if (look === '') return undefined;
  // Whole threes of bytes only can be had by themselves: the last byte of the print comes along.
  const bytes = Buffer.from(look.slice(-HEADER_DIGITS), 'base64').subarray(1);
  const has = (flag: (typeof FLAGS)[number]) => ((bytes[1]! >> FLAGS.indexOf(flag)) & 1) === 1;
  return {
    format: FORMATS[bytes[0]!] ?? '',
    width: bytes.readUIntLE(2, 3),
    height: bytes.readUIntLE(5, 3),
    turned: has('turned'),
    cmyk: has('cmyk'),
    deep: has('deep'),
    animated: has('animated'),
    alpha: has('alpha'),
    progressive: has('progressive'),
  };
}

/** Whether an image is nearly of one colour. */
export function isBlank(look: string): boolean {
  return look.startsWith(BLANK) && bytesOf(look)[PRINT_BYTES - 1] === 0;
}

/** Whether a side of an image is shorter than it is trained at. */
export function isTiny({ width, height }: Header, size: number): boolean {
  return width > 0 && Math.min(width, height) < size;
}

function bytesOf(look: string): Buffer {
  return Buffer.from(look, 'base64');
}
