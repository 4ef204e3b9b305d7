/** What comes out of image bytes: known colours in, known pixels out; and what is refused, in which words. */
import { crc32, deflateSync } from 'node:zlib';
import sharp, { type Color } from 'sharp';
import { describe, expect, test } from 'vitest';
import { decodeImage } from '../../src/data/decode.ts';
import { sniff } from '../../src/data/sniff.ts';
import { outcome } from './made.ts';

const red = { r: 200, g: 30, b: 20 };

function colour(background: Color, width = 8, height = 8, channels: 3 | 4 = 3) {
  return sharp({ create: { width, height, channels, background } });
}

/** The pixels as rows of "r,g,b". */
function grid(pixels: Uint8Array, size: number): string[][] {
  return Array.from({ length: size }, (_, y) =>
    Array.from({ length: size }, (_, x) =>
      pixels.subarray((y * size + x) * 3, (y * size + x) * 3 + 3).join(','),
    ),
  );
}

/** How far the pixels are from one colour at most. */
function distance(pixels: Uint8Array, [r, g, b]: number[]): number {
  return Math.max(...pixels.map((value, i) => Math.abs(value - [r!, g!, b!][i % 3]!)));
}

describe('pixels', () => {
  test('an image of the right size comes through unchanged', async () => {
    const raw = Buffer.from(Array.from({ length: 6 * 6 * 3 }, (_, i) => (i * 73) % 256));
    const png = await sharp(raw, { raw: { width: 6, height: 6, channels: 3 } })
      .png()
      .toBuffer();
    expect(Buffer.from(await decodeImage(png, { size: 6, fit: 'cover' }))).toEqual(raw);
  });

  test.each(['jpeg', 'png', 'webp', 'gif', 'avif', 'tiff'] as const)('%s', async (format) => {
    const bytes = await colour(red, 32, 24).toFormat(format).toBuffer();
    const pixels = await decodeImage(bytes, { size: 8, fit: 'cover' });
    expect(pixels.length).toBe(8 * 8 * 3);
    expect(distance(pixels, [200, 30, 20])).toBeLessThan(6);
  });

  test('cover cuts, contain pads with white, fill stretches', async () => {
    // The left quarter red, the rest blue; twice as wide as high.
    const image = await colour('#0000ff', 24, 12)
      .composite([{ input: await colour('#ff0000', 6, 12).png().toBuffer(), left: 0, top: 0 }])
      .png()
      .toBuffer();
    const at = async (fit: 'cover' | 'contain' | 'fill') =>
      grid(await decodeImage(image, { size: 12, fit }), 12);
    expect((await at('cover')).flat().every((pixel) => pixel === '0,0,255')).toBe(true);
    const contain = await at('contain');
    expect([contain[0]![6], contain[11]![6], contain[6]![11]]).toEqual([
      '255,255,255',
      '255,255,255',
      '0,0,255',
    ]);
    expect(contain[6]![1]).toBe('255,0,0');
    const fill = await at('fill');
    expect([fill[0]![1], fill[11]![11]]).toEqual(['255,0,0', '0,0,255']);
  });

  test('turned as its EXIF says', async () => {
    const upper = { input: await colour('#ff0000', 8, 4).png().toBuffer(), left: 0, top: 0 };
    const upright = colour('#0000ff').composite([upper]);
    // 6: the top of the picture is at the right side of what is stored.
    const stored = await sharp(await upright.png().toBuffer())
      .rotate(270)
      .png()
      .toBuffer();
    const turned = await sharp(stored)
      .withMetadata({ orientation: 6 })
      .tiff({ compression: 'lzw' })
      .toBuffer();
    const pixels = grid(await decodeImage(turned, { size: 8, fit: 'cover' }), 8);
    expect([pixels[0]![0], pixels[0]![7], pixels[7]![0]]).toEqual(['255,0,0', '255,0,0', '0,0,255']);
  });

  test('what is transparent is white, half of it half', async () => {
    const clear = await colour({ ...red, alpha: 0 }, 8, 8, 4)
      .png()
      .toBuffer();
    expect(distance(await decodeImage(clear, { size: 8, fit: 'cover' }), [255, 255, 255])).toBe(0);
    const half = await colour({ r: 0, g: 0, b: 0, alpha: 0.5 }, 8, 8, 4).png().toBuffer();
    expect(distance(await decodeImage(half, { size: 8, fit: 'cover' }), [127, 127, 127])).toBeLessThan(2);
  });

  test('grey, 16 bits, CMYK', async () => {
    const grey = await colour({ r: 90, g: 90, b: 90 }).toColourspace('b-w').png().toBuffer();
    expect(distance(await decodeImage(grey, { size: 8, fit: 'cover' }), [90, 90, 90])).toBe(0);
    const deep = await colour(red).toColourspace('rgb16').png().toBuffer();
    expect((await sharp(deep).metadata()).depth).toBe('ushort');
    expect(distance(await decodeImage(deep, { size: 8, fit: 'cover' }), [200, 30, 20])).toBeLessThan(2);
    const cmyk = await colour(red).toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer();
    expect((await sharp(cmyk).metadata()).space).toBe('cmyk');
    expect(distance(await decodeImage(cmyk, { size: 8, fit: 'cover' }), [200, 30, 20])).toBeLessThan(40);
  });

  test('of a moving picture the first frame', async () => {
    const frames = [red, { r: 0, g: 0, b: 255 }].map((background) => colour(background).png().toBuffer());
    const moving = await sharp(await Promise.all(frames), { join: { animated: true } })
      .gif()
      .toBuffer();
    expect((await sharp(moving).metadata()).pages).toBe(2);
    expect(distance(await decodeImage(moving, { size: 8, fit: 'cover' }), [200, 30, 20])).toBeLessThan(6);
  });
});

describe('refusals', () => {
  const refused = (bytes: Uint8Array | string) =>
    outcome(decodeImage(Buffer.from(bytes as string), { size: 8, fit: 'cover' }));
  const formats = 'not JPEG, PNG, WebP, GIF, AVIF, TIFF or BMP';

  test.each([
    ['', `is empty, ${formats}`],
    ['<!doctype html><html></html>', `is an HTML page, ${formats}`],
    ['<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>', `is an SVG drawing, ${formats}`],
    ['<?xml version="1.0"?>\n<!-- made --><svg width="8" height="8"/>', `is an SVG drawing, ${formats}`],
    ['%PDF-1.7', `is a PDF document, ${formats}`],
    ['BM0000000000', `is text, ${formats}`],
    ['version https://git-lfs.github.com/spec/v1\n', `is a git-lfs pointer (run git lfs pull), ${formats}`],
    ['hello', `is text, ${formats}`],
    ['\x00\x01\x02\x03', `is of an unknown type, ${formats}`],
  ])('%j', async (text, message) => {
    expect(await refused(text)).toBe(`UserError: ${message}`);
  });

  test('half an image, and a head alone', async () => {
    const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
    const jpeg = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#000', noise } })
      .jpeg()
      .toBuffer();
    expect(await refused(jpeg.subarray(0, jpeg.length / 2))).toMatch(
      /^UserError: is a JPEG image that does not decode: /,
    );
    expect(await refused(jpeg.subarray(0, 3))).toMatch(/^UserError: is a JPEG image that does not decode: /);
  });

  test('30,000 x 30,000 pixels in a small file', async () => {
    const bomb = hugePng(30_000);
    expect(bomb.length).toBeLessThan(2e6);
    expect(await refused(bomb)).toBe(
      'UserError: is a PNG image of 30000 x 30000 pixels, more than the 100 million allowed',
    );
  });
});

test('content decides, whatever the name', async () => {
  expect(sniff(await colour(red).png().toBuffer())).toEqual({
    readable: true,
    description: 'is a PNG image',
  });
  expect(sniff(await colour(red).avif().toBuffer())).toEqual({
    readable: true,
    description: 'is an AVIF image',
  });
});

/** A whole PNG of one colour, grey of one bit. */
function hugePng(side: number): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const framed = Buffer.alloc(data.length + 12);
    framed.writeUInt32BE(data.length);
    framed.write(type, 4, 'latin1');
    data.copy(framed, 8);
    framed.writeUInt32BE(crc32(framed.subarray(4, data.length + 8)), data.length + 8);
    return framed;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(side);
  head.writeUInt32BE(side, 4);
  head[8] = 1;
  const rows = deflateSync(Buffer.alloc((side / 8 + 1) * side));
  const magic = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  return Buffer.concat([magic, chunk('IHDR', head), chunk('IDAT', rows), chunk('IEND', Buffer.alloc(0))]);
}
