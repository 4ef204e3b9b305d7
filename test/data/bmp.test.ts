/** BMP files of every kind; Pillow is the judge of their pixels. */
import { expect, test } from 'vitest';
import { bmpSize, decodeBmp } from '../../src/data/bmp.ts';
import { decodeImage } from '../../src/data/decode.ts';
import { outcome } from './made.ts';
import { bmps, COLOURS } from './made_bmp.ts';

const OPAQUE = COLOURS.map(([r, g, b]) => [r!, g!, b!, 255]);

/** What Pillow 13 makes of them, where that is not the colours as they were written. */
const PILLOW: Record<string, string> = {
  '32 bits with alpha':
    '00ff000010f6391120ed722230e4ab3340dbe44450d21d5560c9566670c08f7780b7c88890ae0199a0a53aaab09c73bbc093acccd08ae5dde0811eee',
  // Pillow has it all transparent, as no other program does.
  '32 bits with an alpha of zeros': Buffer.from(OPAQUE.flat()).toString('hex'),
  '16 bits': '00ff0010f63920ee7331e6ac41dee652d51862cd5273c58b83b4cd94ac00a4a439b49c73c594acd58be6e68318',
  '16 bits by masks':
    '00ff0010f63920ee7331e6ac41dae652d21862ca5273c28b83b6cd94ae00a4a539b49d73c591acd589e6e68118',
  '1 bit': '30e4ab40dbe430e4ab40dbe430e4ab40dbe430e4ab40dbe430e4ab40dbe430e4ab40dbe430e4ab40dbe430e4ab',
  '8 bits in runs':
    '70c08f00ff0000ff0080b7c880b7c810f63920ed7230e4ab40dbe450d21de0811ee0811ee0811e90ae0190ae01',
  '4 bits in runs':
    '70c08f70c08f80b7c880b7c880b7c810f63920ed7230e4ab40dbe450d21d30e4aba0a53a30e4aba0a53a30e4ab',
};

test.each(Object.entries(bmps))('%s', async (name, bytes) => {
  const expected = Buffer.from(PILLOW[name] ?? Buffer.from(COLOURS.flat()).toString('hex'), 'hex');
  const { data, width, height, channels } = await decodeBmp(bytes);
  expect([width, height, channels]).toEqual([5, 3, expected.length / 15]);
  expect(bmpSize(bytes)).toEqual({ width: 5, height: 3 });
  // Five bits to eight are cut by some and rounded by others.
  expect(Math.max(...data.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThan(2);
});

test('what breaks off or is of no known kind is refused, never read beyond its end', async () => {
  for (const bytes of Object.values(bmps)) {
    for (let length = 26; length < bytes.length - 1; length += 3) {
      // A run or the last row may end before the file does.
      const got = await outcome(decodeBmp(bytes.subarray(0, length)));
      if (typeof got === 'string') expect(got).toMatch(/^Error: (premature end of BMP image|a BMP of )/);
    }
  }
  const said = (change: (bytes: Buffer) => void) => {
    const bytes = Buffer.from(bmps['24 bits']!);
    change(bytes);
    return outcome(decodeImage(bytes, { size: 4, fit: 'fill' }));
  };
  const head = 'UserError: is a BMP image';
  expect(await said((bytes) => bytes.writeUInt32LE(4, 30))).toBe(
    `${head} that does not decode: a BMP of 24 bits with compression 4`,
  );
  expect(await said((bytes) => bytes.writeInt32LE(300, 22))).toBe(
    `${head} that does not decode: premature end of BMP image`,
  );
  expect(await said((bytes) => bytes.writeInt32LE(-5, 18))).toBe(
    `${head} that does not decode: a BMP of -5 x 3 pixels`,
  );
  expect(await said((bytes) => bytes.fill(255, 18, 21).fill(0, 21, 22).writeInt32LE(999_999, 22))).toBe(
    `${head} of 16777215 x 999999 pixels, more than the 100 million allowed`,
  );
});

test('flattened on white, turned to no side', async () => {
  const pixels = await decodeImage(bmps['32 bits with alpha']!, { size: 5, fit: 'contain' });
  const row = pixels.subarray(15, 30);
  // The first pixel is all transparent, the next one has an alpha of 17.
  expect([...row.subarray(0, 3)]).toEqual([255, 255, 255]);
  expect([...row.subarray(3, 6)].map((value, i) => Math.abs(value - [239, 254, 242][i]!) < 3)).toEqual([
    true,
    true,
    true,
  ]);
});
