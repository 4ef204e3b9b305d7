/** BMP files of every kind, of 5 x 3 pixels. */

const WIDTH = 5;
const HEIGHT = 3;

/** Red, green, blue of each pixel, from the top. */
export const COLOURS = Array.from({ length: WIDTH * HEIGHT }, (_, i) => [
  (i * 16) % 256,
  (255 - i * 9) % 256,
  (i * 57) % 256,
]);

interface Kind {
  depth: number;
  compression?: number;
  /** Bytes of the header behind that of the file. */
  header?: number;
  topDown?: boolean;
  masks?: number[];
  palette?: number[][];
  /** The pixels as the file has them. */
  pixels: Buffer;
}

function bmp({
  depth,
  compression = 0,
  header = 40,
  topDown = false,
  masks = [],
  palette = [],
  pixels,
}: Kind): Buffer {
  const isCore = header === 12;
  const head = Buffer.alloc(14 + header + (header === 40 ? 4 * masks.length : 0));
  const colours = Buffer.from(palette.flatMap(([r, g, b]) => [b!, g!, r!, ...(isCore ? [] : [0])]));
  head.write('BM', 'latin1');
  head.writeUInt32LE(head.length + colours.length + pixels.length, 2);
  head.writeUInt32LE(head.length + colours.length, 10);
  head.writeUInt32LE(header, 14);
  if (isCore)
    for (const [i, value] of [WIDTH, HEIGHT, 1, depth].entries()) head.writeUInt16LE(value, 18 + 2 * i);
  else {
    head.writeInt32LE(WIDTH, 18);
    head.writeInt32LE(topDown ? -HEIGHT : HEIGHT, 22);
    head.writeUInt16LE(1, 26);
    head.writeUInt16LE(depth, 28);
    head.writeUInt32LE(compression, 30);
    head.writeUInt32LE(palette.length, 46);
    for (const [i, mask] of masks.entries()) head.writeUInt32LE(mask, 54 + 4 * i);
  }
  return Buffer.concat([head, colours, pixels]);
}

/** Rows, the last first unless told otherwise, each padded to four bytes. */
function rows(rowOf: (y: number) => number[], topDown = false): Buffer {
  const order = topDown ? [0, 1, 2] : [2, 1, 0];
  return Buffer.concat(
    order.map((y) => {
      const row = rowOf(y);
      return Buffer.from([...row, ...new Array((4 - (row.length % 4)) % 4).fill(0)]);
    }),
  );
}

const at = (y: number) => COLOURS.slice(y * WIDTH, (y + 1) * WIDTH) as [number, number, number][];
const blueFirst = (y: number) => at(y).flatMap(([r, g, b]) => [b, g, r]);
const four = (alpha: (i: number) => number) => (y: number) =>
  at(y).flatMap(([r, g, b], x) => [b, g, r, alpha(y * WIDTH + x)]);
const words = (pack: (rgb: [number, number, number]) => number) => (y: number) =>
  at(y).flatMap((rgb) => [pack(rgb) & 255, pack(rgb) >> 8]);
/** Indexes of so many bits, the first in the highest. */
const packed = (bits: number, indexOf: (i: number) => number) => (y: number) => {
  const text = at(y).map((_, x) =>
    indexOf(y * WIDTH + x)
      .toString(2)
      .padStart(bits, '0'),
  );
  const all = text.join('').padEnd(Math.ceil((WIDTH * bits) / 8) * 8, '0');
  return all.match(/.{8}/g)!.map((byte) => Number.parseInt(byte, 2));
};

const V4 = 108;
const RGB_MASKS = [0xff0000, 0xff00, 0xff];

/** By name. */
export const bmps: Record<string, Buffer> = {
  '24 bits': bmp({ depth: 24, pixels: rows(blueFirst) }),
  '24 bits from the top': bmp({ depth: 24, topDown: true, pixels: rows(blueFirst, true) }),
  '24 bits of OS/2': bmp({ depth: 24, header: 12, pixels: rows(blueFirst) }),
  '32 bits': bmp({ depth: 32, pixels: rows(four(() => 7)) }),
  '32 bits by masks': bmp({ depth: 32, compression: 3, masks: RGB_MASKS, pixels: rows(four(() => 7)) }),
  '32 bits with alpha': bmp({
    ...{ depth: 32, compression: 3, header: V4, masks: [...RGB_MASKS, 0xff000000] },
    pixels: rows(four((i) => i * 17)),
  }),
  '32 bits with an alpha of zeros': bmp({
    ...{ depth: 32, compression: 3, header: V4, masks: [...RGB_MASKS, 0xff000000] },
    pixels: rows(four(() => 0)),
  }),
  '16 bits': bmp({
    depth: 16,
    pixels: rows(words(([r, g, b]) => ((r >> 3) << 10) | ((g >> 3) << 5) | (b >> 3))),
  }),
  '16 bits by masks': bmp({
    ...{ depth: 16, compression: 3, masks: [0xf800, 0x7e0, 0x1f] },
    pixels: rows(words(([r, g, b]) => ((r >> 3) << 11) | ((g >> 2) << 5) | (b >> 3))),
  }),
  '8 bits': bmp({ depth: 8, palette: COLOURS, pixels: rows(packed(8, (i) => i)) }),
  '8 bits of OS/2': bmp({
    ...{ depth: 8, header: 12, palette: [...COLOURS, ...new Array(241).fill([0, 0, 0])] },
    pixels: rows(packed(8, (i) => i)),
  }),
  '4 bits': bmp({ depth: 4, palette: COLOURS, pixels: rows(packed(4, (i) => i)) }),
  '1 bit': bmp({ depth: 1, palette: COLOURS.slice(3, 5), pixels: rows(packed(1, (i) => i % 2)) }),
  // Runs, indexes as they stand, a jump over two pixels.
  '8 bits in runs': bmp({
    ...{ depth: 8, compression: 1, palette: COLOURS },
    pixels: Buffer.from([3, 14, 2, 9, 0, 0, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0, 1, 7, 0, 2, 2, 0, 2, 8, 0, 1]),
  }),
  '4 bits in runs': bmp({
    ...{ depth: 4, compression: 2, palette: COLOURS },
    pixels: Buffer.from([5, 0x3a, 0, 0, 0, 5, 0x12, 0x34, 0x50, 0, 0, 0, 2, 0x77, 3, 0x88, 0, 1]),
  }),
};
