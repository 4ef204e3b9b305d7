/** Which colour profiles need no conversion; sharp's own conversion is the judge. */
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { decodeImage } from '../../src/data/decode.ts';
import { isTaggedSrgb } from '../../src/data/profile.ts';

/** All colours that 8 x 8 x 4 steps can name. */
const picture = sharp(
  Buffer.from(
    Array.from({ length: 256 }, (_, i) => [36 * (i % 8), 36 * ((i >> 3) % 8), 85 * (i >> 6)]).flat(),
  ),
  { raw: { width: 16, height: 16, channels: 3 } },
);

const jpeg = (image = picture) => image.clone().jpeg({ quality: 100, chromaSubsampling: '4:4:4' });

/** A JPEG with this profile in its front, in so many pieces. */
async function tagged(profile: Buffer, pieces = 1, image = picture): Promise<Buffer> {
  const plain = await jpeg(image).toBuffer();
  const step = Math.ceil(profile.length / pieces);
  const segments = Array.from({ length: pieces }, (_, i) => {
    const head = Buffer.from(`\xff\xe2\0\0ICC_PROFILE\0${String.fromCharCode(i + 1, pieces)}`, 'latin1');
    const piece = profile.subarray(i * step, (i + 1) * step);
    head.writeUInt16BE(head.length - 2 + piece.length, 2);
    return Buffer.concat([head, piece]);
  });
  return Buffer.concat([plain.subarray(0, 2), ...segments, plain.subarray(2)]);
}

const SRGB = [0.43607, 0.22249, 0.01392, 0.38515, 0.71687, 0.09708, 0.14307, 0.06061, 0.7141];
/** IEC 61966-2-1. */
const light = (value: number) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);

/** A profile of version 2 as cameras write it: a matrix, and a table of 1024 steps for all three curves. */
function made({ colorants = SRGB, curve = light, more = [] as string[] } = {}): Buffer {
  const xyz = (values: number[]) => {
    const tag = Buffer.alloc(20);
    tag.write('XYZ ', 'latin1');
    for (const [i, value] of values.entries()) tag.writeInt32BE(Math.round(value * 65_536), 8 + 4 * i);
    return tag;
  };
  const table = Buffer.alloc(12 + 2 * 1024);
  table.write('curv', 'latin1');
  table.writeUInt32BE(1024, 8);
  for (let i = 0; i < 1024; i++) table.writeUInt16BE(Math.round(65_535 * curve(i / 1023)), 12 + 2 * i);
  const tags = [
    ...[0, 1, 2].map((i) => [`${'rgb'[i]}XYZ`, xyz(colorants.slice(3 * i, 3 * i + 3))] as const),
    ['wtpt', xyz([0.9642, 1, 0.8249])] as const,
    ...['rTRC', 'gTRC', 'bTRC'].map((name) => [name, table] as const),
    ...more.map((name) => [name, Buffer.alloc(40)] as const),
  ];
  return assembled(tags);
}

function assembled(tags: (readonly [string, Buffer])[]): Buffer {
  const head = Buffer.alloc(132 + 12 * tags.length);
  head.writeUInt32BE(0x02400000, 8);
  head.write('mntrRGB XYZ ', 12, 'latin1');
  head.write('acsp', 36, 'latin1');
  for (const [i, value] of [0.9642, 1, 0.8249].entries())
    head.writeInt32BE(Math.round(value * 65_536), 68 + 4 * i);
  head.writeUInt32BE(tags.length, 128);
  let end = head.length;
  for (const [i, [name, tag]] of tags.entries()) {
    head.write(name, 132 + 12 * i, 'latin1');
    head.writeUInt32BE(end, 136 + 12 * i);
    head.writeUInt32BE(tag.length, 140 + 12 * i);
    end += tag.length;
  }
  head.writeUInt32BE(end, 0);
  return Buffer.concat([head, ...tags.map(([, tag]) => tag)]);
}

/** What sharp makes of it, converting, beside what it would be without. */
async function conversions(bytes: Buffer): Promise<{ converted: Buffer; stored: Buffer }> {
  const pixels = (ignoreIcc: boolean) =>
    sharp(bytes, { ignoreIcc }).toColourspace('srgb').removeAlpha().raw().toBuffer();
  return { converted: await pixels(false), stored: await pixels(true) };
}

test.each([
  ['of a table', () => tagged(made())],
  ['of a formula, as sharp writes it', () => jpeg(picture.clone().withIccProfile('srgb')).toBuffer()],
])('sRGB by means %s: no conversion, the same pixels', async (_, make) => {
  const bytes = await make();
  expect((await sharp(bytes).metadata()).hasProfile).toBe(true);
  expect(isTaggedSrgb(bytes)).toBe(true);
  const { converted, stored } = await conversions(bytes);
  expect(Math.max(...converted.map((value, i) => Math.abs(value - stored[i]!)))).toBeLessThanOrEqual(1);
});

test.each([
  [
    'other colorants',
    made({ colorants: [0.609, 0.311, 0.0195, 0.205, 0.626, 0.0609, 0.149, 0.0632, 0.745] }),
  ],
  ['a blue that is a little off', made({ colorants: SRGB.with(8, 0.72) })],
  ['another curve', made({ curve: (value) => value ** 2.2 })],
  ['tables that come before the curves', made({ more: ['A2B0'] })],
])('%s: converted', async (_, profile) => {
  const bytes = await tagged(profile);
  expect(isTaggedSrgb(bytes)).toBe(false);
  const { converted } = await conversions(bytes);
  expect(Buffer.from(await decodeImage(bytes, { size: 16, fit: 'fill' }))).toEqual(converted);
});

test('where it is not certain, sharp decides: several pieces, grey, no profile, no JPEG', async () => {
  expect(isTaggedSrgb(await tagged(made(), 2))).toBe(false);
  expect(isTaggedSrgb(await tagged(made(), 1, picture.clone().toColourspace('b-w')))).toBe(false);
  expect(isTaggedSrgb(await jpeg().toBuffer())).toBe(false);
  expect(isTaggedSrgb(await picture.clone().withIccProfile('srgb').png().toBuffer())).toBe(false);
});

test('cut off anywhere or damaged, it is an answer and no error', async () => {
  const bytes = await tagged(made());
  for (let length = 0; length < 3000; length += 7)
    expect(isTaggedSrgb(bytes.subarray(0, length))).toBe(false);
  for (let at = 0; at < 400; at++) {
    const damaged = Buffer.from(bytes);
    damaged[at] = 0xff;
    expect(typeof isTaggedSrgb(damaged)).toBe('boolean');
  }
});
