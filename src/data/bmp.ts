/** BMP images of all kinds that Windows and OS/2 have written, which sharp does not read, to RGB or RGBA. */

/** Pixels in rows from the top, `channels` bytes each. */
export interface RawImage {
  data: Uint8Array;
  width: number;
  height: number;
  channels: 3 | 4;
}

/** Bits of a pixel in the file that make one channel. */
interface Channel {
  shift: number;
  most: number;
}

interface Layout {
  width: number;
  height: number;
  /** The first row in the file is the top one. */
  topDown: boolean;
  /** Bits of a pixel. */
  depth: number;
  compression: number;
  /** Where the pixels begin. */
  offset: number;
  /** Blue, green, red and a spare byte for each colour. */
  palette: Buffer;
  colourBytes: number;
  /** Red, green, blue, and alpha where there is one. */
  channels: Channel[];
}

const PLAIN = 0;
const RLE8 = 1;
const RLE4 = 2;
const MASKS = 3;
const ALPHA_MASKS = 6;

const CORE_HEADER = 12;
const FILE_HEADER = 14;

/** Yields to the event loop after this many pixels. */
const PIXELS_A_TURN = 2 ** 16;

/** Width and height in pixels. @throws RangeError when the file ends before them */
export function bmpSize(file: Uint8Array): { width: number; height: number } {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const isCore = bytes.readUInt32LE(FILE_HEADER) === CORE_HEADER;
  return isCore
    ? { width: bytes.readUInt16LE(18), height: bytes.readUInt16LE(20) }
    : { width: bytes.readInt32LE(18), height: Math.abs(bytes.readInt32LE(22)) };
}

/**
 * Decodes a BMP file.
 * @throws Error that says why it can't be
 */
export async function decodeBmp(file: Uint8Array): Promise<RawImage> {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  try {
    return await decode(bytes, readLayout(bytes));
  } catch (error) {
    if (error instanceof RangeError) throw new Error('premature end of BMP image');
    throw error;
  }
}

function readLayout(bytes: Buffer): Layout {
  const headerBytes = bytes.readUInt32LE(FILE_HEADER);
  const isCore = headerBytes === CORE_HEADER;
  const depth = bytes.readUInt16LE(isCore ? 24 : 28);
  const compression = isCore || headerBytes < 20 ? PLAIN : bytes.readUInt32LE(30);
  const hasMasks = compression === MASKS || compression === ALPHA_MASKS;
  const masksBytes = hasMasks && headerBytes === 40 ? (compression === MASKS ? 12 : 16) : 0;
  const paletteAt = FILE_HEADER + headerBytes + masksBytes;
  const colourBytes = isCore ? 3 : 4;
  const colours = isCore || headerBytes < 36 ? 0 : bytes.readUInt32LE(46);
  const { width, height } = bmpSize(bytes);
  if (width <= 0 || height <= 0) throw new Error(`a BMP of ${width} x ${height} pixels`);
  const offset = bytes.readUInt32LE(10);
  const most = depth <= 8 ? 2 ** depth : 0;
  const paletteEnd = Math.min(paletteAt + colourBytes * (Math.min(colours, most) || most), offset);
  return {
    width,
    height,
    depth,
    compression,
    offset,
    colourBytes,
    topDown: !isCore && bytes.readInt32LE(22) < 0,
    palette: bytes.subarray(paletteAt, paletteEnd),
    channels: hasMasks ? masksAt(bytes, headerBytes, compression) : plainChannels(depth),
  };
}

function masksAt(bytes: Buffer, headerBytes: number, compression: number): Channel[] {
  const hasAlpha = headerBytes >= 56 || compression === ALPHA_MASKS;
  const masks = [54, 58, 62, ...(hasAlpha ? [66] : [])].map((at) => bytes.readUInt32LE(at));
  return masks.map(channelOf).filter((channel, i) => i < 3 || channel.most > 0);
}

function channelOf(mask: number): Channel {
  const shift = mask === 0 ? 0 : 31 - Math.clz32(mask & -mask);
  return { shift, most: mask >>> shift };
}

function plainChannels(depth: number): Channel[] {
  const bits = depth === 16 ? 5 : 8;
  return [2 * bits, bits, 0].map((shift) => ({ shift, most: 2 ** bits - 1 }));
}

async function decode(bytes: Buffer, layout: Layout): Promise<RawImage> {
  const { width, height, topDown, depth, compression, channels } = layout;
  const isRle = compression === RLE8 || compression === RLE4;
  const isKnown = [PLAIN, RLE8, RLE4, MASKS, ALPHA_MASKS].includes(compression);
  if (!isKnown || ![1, 2, 4, 8, 16, 24, 32].includes(depth)) {
    throw new Error(`a BMP of ${depth} bits with compression ${compression}`);
  }
  const count = depth > 8 && channels.length === 4 ? 4 : 3;
  const stride = isRle ? width : Math.ceil((width * depth) / 32) * 4;
  const rows = isRle ? unpackRle(bytes, layout) : bytes.subarray(layout.offset);
  if (rows.length < stride * (height - 1) + Math.ceil((width * (isRle ? 8 : depth)) / 8))
    throw new RangeError();
  const rowOf = isRle || depth <= 8 ? paletteRow(layout, isRle ? 8 : depth) : colourRow(layout, count);
  const data = new Uint8Array(width * height * count);
  for (let y = 0, done = 0; y < height; y++, done += width) {
    if (done >= PIXELS_A_TURN) {
      done = 0;
      await new Promise((resolve) => setImmediate(resolve));
    }
    const from = (topDown ? y : height - 1 - y) * stride;
    rowOf(rows.subarray(from, from + stride), data.subarray(y * width * count, (y + 1) * width * count));
  }
  if (count === 4) ignoreEmptyAlpha(data);
  return { data, width, height, channels: count };
}

type DecodeRow = (from: Buffer, into: Uint8Array) => void;

function paletteRow({ palette, colourBytes }: Layout, depth: number): DecodeRow {
  return (from, into) => {
    for (let x = 0, at = 0; at < into.length; x++) {
      const bit = x * depth;
      const index = (from[bit >> 3]! >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
      // A colour that the palette does not have is black.
      for (let k = 2; k >= 0; k--) into[at++] = palette[index * colourBytes + k] ?? 0;
    }
  };
}

function colourRow({ width, depth, channels }: Layout, count: number): DecodeRow {
  const bytes = depth >> 3;
  const scaled = channels.map(({ shift, most }) => ({ shift, most, scale: most > 0 ? 255 / most : 0 }));
  return (from, into) => {
    for (let x = 0, at = 0; x < width; x++) {
      const pixel = from.readUIntLE(x * bytes, bytes);
      for (let k = 0; k < count; k++) {
        const { shift, most, scale } = scaled[k]!;
        into[at++] = Math.round(((pixel >>> shift) & most) * scale);
      }
    }
  };
}

/** Many programs write an alpha channel of zeros when they mean no alpha. */
function ignoreEmptyAlpha(data: Uint8Array): void {
  for (let at = 3; at < data.length; at += 4) if (data[at] !== 0) return;
  for (let at = 3; at < data.length; at += 4) data[at] = 255;
}

/** Runs of one index, or of indexes as they stand, to an index a byte; what is left out is 0. */
function unpackRle(bytes: Buffer, { width, height, offset, compression }: Layout): Buffer {
  const indexes = Buffer.alloc(width * height);
  const wide = compression === RLE4;
  let [at, x, y] = [offset, 0, 0];
  const put = (index: number) => {
    if (x < width && y < height) indexes[y * width + x] = index;
    x += 1;
  };
  const half = (byte: number, i: number) => (wide ? (i % 2 === 0 ? byte >> 4 : byte & 15) : byte);
  while (y < height) {
    const [count, value] = [bytes.readUInt8(at), bytes.readUInt8(at + 1)];
    at += 2;
    if (count > 0) for (let i = 0; i < count; i++) put(half(value, i));
    else if (value === 0) [x, y] = [0, y + 1];
    else if (value === 1) break;
    else if (value === 2) {
      [x, y] = [x + bytes.readUInt8(at), y + bytes.readUInt8(at + 1)];
      at += 2;
    } else {
      for (let i = 0; i < value; i++) put(half(bytes.readUInt8(at + (wide ? i >> 1 : i)), i));
      // Such a run has an even number of bytes.
      at += 2 * Math.ceil((wide ? Math.ceil(value / 2) : value) / 2);
    }
  }
  return indexes;
}
