/** Images whose numbers are not 8 bits: fractions, 32 bits, sensors of 12 bits in 16; and formats that name a command. */
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { decodeImage } from '../../src/data/decode.ts';
import { sniff } from '../../src/data/sniff.ts';
import { outcome } from './made.ts';

const SIDE = 8;

type Numbers = Float32Array | Float64Array | Int32Array | Uint32Array | Int16Array | Uint16Array | Uint8Array;

/** A grey TIFF of these numbers, as scientific programs write them. */
function tiff(values: Numbers, width = SIDE): Buffer {
  const format =
    values instanceof Float32Array || values instanceof Float64Array
      ? 3
      : /^I/.test(values.constructor.name)
        ? 2
        : 1;
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  const tags = [
    ...[
      [256, width],
      [257, values.length / width],
      [258, 8 * values.BYTES_PER_ELEMENT],
      [259, 1],
    ],
    ...[
      [262, 1],
      [273, 200],
      [277, 1],
      [278, values.length / width],
      [279, bytes.length],
      [339, format],
    ],
  ];
  const head = Buffer.alloc(200);
  head.write('II*\0', 'latin1');
  head.writeUInt32LE(8, 4);
  head.writeUInt16LE(tags.length, 8);
  for (const [i, [tag, value]] of tags.entries()) {
    head.writeUInt16LE(tag!, 10 + 12 * i);
    head.writeUInt16LE(4, 12 + 12 * i);
    head.writeUInt32LE(1, 14 + 12 * i);
    head.writeUInt32LE(value!, 18 + 12 * i);
  }
  return Buffer.concat([head, bytes]);
}

/** The numbers 0 to 63 of an image, changed. */
const ramp = <T extends Numbers>(into: new (length: number) => T, value: (i: number) => number): T => {
  const values = new into(SIDE * SIDE);
  for (let i = 0; i < values.length; i++) values[i] = value(i);
  return values;
};
const grey = async (bytes: Uint8Array) =>
  (await decodeImage(bytes, { size: SIDE, fit: 'cover' })).filter((_, i) => i % 3 === 0);

test.each<[string, Numbers, (i: number) => number]>([
  ['fractions from 0 to 1', ramp(Float32Array, (i) => i / 80), (i) => (255 * i) / 80],
  ['fractions from 0 to 255', ramp(Float32Array, (i) => 3.5 * i), (i) => 3.5 * i],
  ['fractions of any range', ramp(Float32Array, (i) => 20 * i - 300), (i) => (255 * i) / 63],
  ['32 bits, of which 16 are used', ramp(Int32Array, (i) => 1000 * i), (i) => (255 * 1000 * i) / 65_535],
  ['32 bits without a sign, all used', ramp(Uint32Array, (i) => i * 6e7), (i) => (255 * i * 6e7) / 2 ** 32],
  ['32 bits from 0 to 255', ramp(Int32Array, (i) => 4 * i), (i) => 4 * i],
  ['below zero', ramp(Int32Array, (i) => 100 * i - 3000), (i) => (255 * i) / 63],
  ['16 bits with a sign', ramp(Int16Array, (i) => 500 * i), (i) => (255 * 500 * i) / 65_535],
  ['12 bits in 16', ramp(Uint16Array, (i) => 60 * i), (i) => (255 * 60 * i) / 4095],
  ['10 bits in 16', ramp(Uint16Array, (i) => 12 * i), (i) => (255 * 12 * i) / 1023],
  ['16 bits', ramp(Uint16Array, (i) => 1000 * i), (i) => (255 * 1000 * i) / 65_535],
  ['a dark photo of 16 bits', ramp(Uint16Array, (i) => 70 * i), (i) => (255 * 70 * i) / 65_535],
  ['8 bits', ramp(Uint8Array, (i) => 4 * i), (i) => 4 * i],
])('%s', async (_, values, expected) => {
  const got = await grey(tiff(values));
  expect(Math.max(...got.map((value, i) => Math.abs(value - expected(i))))).toBeLessThan(1.5);
});

test('in three channels, and in a PNG', async () => {
  const colours = sharp(
    ramp(Uint16Array, (i) => 60 * i),
    { raw: { width: 8, height: 8, channels: 1 } },
  );
  const deep = await colours.toColourspace('rgb16').png().toBuffer();
  expect(await sharp(deep).metadata()).toMatchObject({ depth: 'ushort', channels: 3 });
  const got = await grey(deep);
  expect(Math.max(...got.map((value, i) => Math.abs(value - (255 * 60 * i) / 4095)))).toBeLessThan(1.5);
});

test.each([Number.NaN, Number.POSITIVE_INFINITY])('%d among them is refused', async (odd) => {
  const image = tiff(ramp(Float32Array, (i) => (i === 9 ? odd : i / 64)));
  expect(await outcome(grey(image))).toBe('UserError: has pixels that are NaN or infinite');
});

test.each<[string, Numbers, string]>([
  ['16 bits below zero', ramp(Int16Array, (i) => 100 * i - 3000), 'has numbers of a kind that is not read'],
  ['fractions of 64 bits', ramp(Float64Array, (i) => i / 64), 'samples out of range'],
])('%s are refused', async (_, values, reason) => {
  expect(await outcome(grey(tiff(values)))).toContain(reason);
});

describe('formats that are not read name the command that converts them', () => {
  test.each([
    ['HEIC', '\0\0\0\x1cftypheic\0\0\0\0mif1heic', 'sips -s format jpeg', 'heif-convert'],
    ['HEIC', '\0\0\0\x1cftypmif1\0\0\0\0mif1heic', 'sips -s format jpeg', 'heif-convert'],
    ['JPEG XL', '\xff\x0a\xcb\xf0\x93', 'sips -s format png', 'djxl'],
    ['JPEG XL', '\0\0\0\x0cJXL \r\n\x87\n', 'sips -s format png', 'djxl'],
  ])('%s', async (name, text, mac, linux) => {
    const bytes = Buffer.from(text, 'latin1');
    const tool = process.platform === 'darwin' ? mac : linux;
    expect(sniff(bytes)).toMatchObject({ readable: false, convert: expect.stringContaining(tool) });
    const said = await outcome(decodeImage(bytes, { size: 8, fit: 'cover' }));
    expect(said).toMatch(
      new RegExp(`^UserError: is a ${name} image, not JPEG, .* or BMP; convert it with: .*${tool} `),
    );
  });
});
