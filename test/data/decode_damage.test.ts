/** What a JPEG may have wrong and is taken all the same, what breaks off, and whose reason is shown. */
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { decodeImage } from '../../src/data/decode.ts';
import { withoutStrays } from '../../src/data/jpeg_strays.ts';
import { outcome } from './made.ts';

const SIDE = 64;
const STRAYS = Buffer.from([1, 2, 3]);
const END = Buffer.from([0xff, 0xd9]);
/** A head of revision 3.01. */
const JFIF = Buffer.from('ffe000104a46494600030100000100010000', 'hex');

let baseline: Buffer;
let progressive: Buffer;
let png: Buffer;

beforeAll(async () => {
  const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
  const picture = sharp({ create: { width: SIDE, height: SIDE, channels: 3, background: '#000', noise } });
  png = await picture.png().toBuffer();
  baseline = await sharp(png).jpeg().toBuffer();
  progressive = await sharp(png).jpeg({ progressive: true }).toBuffer();
});

const decode = (bytes: Uint8Array, size = SIDE) => decodeImage(bytes, { size, fit: 'fill' });
const reasonOf = async (bytes: Uint8Array, size = SIDE) =>
  outcome(decode(bytes, size)).then((got) => (typeof got === 'string' ? got : 'taken'));
const scanOf = (jpeg: Buffer) => jpeg.indexOf(Buffer.from([0xff, 0xda]));
/** Something in front of a place. */
const insert = (jpeg: Buffer, at: number, more: Buffer) =>
  Buffer.concat([jpeg.subarray(0, at), more, jpeg.subarray(at)]);
/** The place of the segment behind the first. */
const second = (jpeg: Buffer) => 4 + jpeg.readUInt16BE(4);
describe('taken, with the pixels of the sound image, as Pillow has them', () => {
  test.each<[string, (jpeg: Buffer) => Buffer]>([
    ['bytes between two segments', (jpeg) => insert(jpeg, second(jpeg), STRAYS)],
    ['bytes before the pixels', (jpeg) => insert(jpeg, scanOf(jpeg), STRAYS)],
    ['both', (jpeg) => insert(insert(jpeg, scanOf(jpeg), STRAYS), second(jpeg), Buffer.from([0xff, 0, 7]))],
    ['bytes before the end', (jpeg) => insert(jpeg, jpeg.length - 2, STRAYS)],
    ['bytes behind the end', (jpeg) => Buffer.concat([jpeg, Buffer.from('Samsung')])],
    ['a revision of JFIF that is not known', (jpeg) => insert(jpeg, 2, JFIF)],
    ['fill bytes before a marker', (jpeg) => insert(jpeg, scanOf(jpeg), Buffer.from([0xff, 0xff]))],
  ])('%s', async (_, change) => {
    for (const jpeg of [baseline, progressive]) {
      expect(Buffer.from(await decode(change(jpeg)))).toEqual(Buffer.from(await decode(jpeg)));
    }
  });

  test('bytes between segments are left out before anything is decoded', () => {
    expect(withoutStrays(baseline)).toBe(baseline);
    const torn = insert(insert(baseline, scanOf(baseline), STRAYS), second(baseline), STRAYS);
    expect(withoutStrays(torn)).toEqual(baseline);
    // Nothing is believed to be there.
    for (let length = 0; length < 700; length += 7) withoutStrays(torn.subarray(0, length));
  });
});

describe('between restart markers, Pillow being the judge', () => {
  /** 16 x 16 pixels that run from colour to colour, with a restart after each of four blocks. */
  const jpeg = Buffer.from(
    [
      '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQ',
      'ERMUFRUVDA8XGBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU',
      'FBQUFBQUFBQUFBQUFBT/wAARCAAQABADAREAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAA',
      'AgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6',
      'Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXG',
      'x8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREA',
      'AgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5',
      'OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPE',
      'xcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/90ABAAB/9oADAMBAAIRAxEAPwD5i8PfDf7v7r9K/sPPuKd/ePn+',
      'Gs6+HU//0PLvD3w3+7+6/SvuM+4p394/o7hrOvh1P//RueHvhv8Ad/dfpWmfcU7+8fzPw1nXw6n/0vWPD3w3+7+6/Sv54z7i',
      'nf3j1uGs6+HU/9k=',
    ].join(''),
    'base64',
  );
  const restart = (number: number) => jpeg.indexOf(Buffer.from([0xff, 0xd0 + number]));
  /** Every fifth pixel of every fifth row, as Pillow 13 decodes the image with the bytes inside. */
  const PILLOW = [
    ...[0, 1, 252, 74, 1, 214, 151, 0, 175, 224, 0, 135, 0, 76, 214, 73, 75, 175, 150, 74, 136, 224, 75, 97],
    ...[
      0, 150, 174, 74, 151, 133, 151, 150, 96, 225, 151, 56, 1, 225, 136, 75, 226, 95, 151, 224, 57, 225, 225,
      17,
    ],
  ];

  test('bytes that are too many are skipped', async () => {
    const pixels = await decode(insert(insert(jpeg, restart(1), STRAYS), 20, STRAYS), 16);
    const some = PILLOW.map((_, i) => {
      const [row, column] = [5 * Math.floor(i / 12), 5 * (Math.floor(i / 3) % 4)];
      return pixels[(row * 16 + column) * 3 + (i % 3)]!;
    });
    expect(Math.max(...some.map((value, i) => Math.abs(value - PILLOW[i]!)))).toBeLessThan(4);
  });

  test('a block that is lost is refused, though Pillow shifts the others into its place', async () => {
    const lost = Buffer.concat([jpeg.subarray(0, restart(1)), jpeg.subarray(restart(2))]);
    expect(await reasonOf(lost, 16)).toContain('found marker 0xd2 instead of RST1');
  });
});

describe('what breaks off is refused, at whatever size', () => {
  const early = 'UserError: is a JPEG image that does not decode: VipsJpeg: premature end of JPEG image';
  const short =
    'UserError: is a JPEG image that does not decode: VipsJpeg: Corrupt JPEG data: premature end of data segment';

  test.each([4, 32, SIDE])('%d pixels', async (size) => {
    for (const jpeg of [baseline, progressive]) {
      const cut = jpeg.subarray(0, jpeg.length * 0.6);
      expect(await reasonOf(cut, size)).toBe(early);
      // Some programs end what they cut.
      expect(await reasonOf(Buffer.concat([cut, END]), size)).toBe(short);
      // Bytes that do no harm don't hide it.
      const both = Buffer.concat([insert(cut, scanOf(jpeg), STRAYS), END]);
      expect(await reasonOf(both, size)).toBe(short);
    }
  });
});

test('among many at once, each reason is of its own image', async () => {
  const half = (bytes: Buffer) => bytes.subarray(0, bytes.length / 2);
  const tiff = Buffer.from(await sharp(png).tiff().toBuffer());
  tiff.fill(0xee, tiff.length - 60);
  const kinds: [Buffer, string][] = [
    [baseline, 'taken'],
    [insert(baseline, scanOf(baseline), STRAYS), 'taken'],
    [insert(progressive, 2, JFIF), 'taken'],
    [png, 'taken'],
    ...[half(baseline), half(progressive), half(png), tiff].map((bytes): [Buffer, string] => [bytes, '']),
    [Buffer.concat([half(baseline), END]), ''],
  ];
  for (const kind of kinds) kind[1] ||= await reasonOf(kind[0], 8);
  expect(new Set(kinds.map(([, reason]) => reason)).size).toBe(5);
  const all = Array.from({ length: 10 * kinds.length }, (_, i) => kinds[(i * 7) % kinds.length]!);
  const got = await Promise.all(all.map(([bytes]) => reasonOf(bytes, 8)));
  expect(got).toEqual(all.map(([, reason]) => reason));
});
