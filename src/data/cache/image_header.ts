/** What the first bytes of an image file say of it, without decoding: size, turn, and what is out of the ordinary. */

import { bmpSize } from '../bmp.ts';

/** Formats by number; 0 means unknown. */
export const FORMATS = ['', 'jpeg', 'png', 'webp', 'gif', 'avif', 'tiff', 'bmp'] as const;

export interface Header {
  format: (typeof FORMATS)[number];
  /** In pixels, as stored (before any turn); 0 where it is not known. */
  width: number;
  height: number;
  /** Turned or mirrored by its EXIF. */
  turned: boolean;
  /** Four inks. */
  cmyk: boolean;
  /** More than 8 bits a channel. */
  deep: boolean;
  animated: boolean;
  /** Has transparency. */
  alpha: boolean;
  /** A JPEG that comes in several passes over the whole picture, all of which are in memory at once. */
  progressive: boolean;
}

/** What is looked through at most for what may stand anywhere. */
const REACH = 64 * 1024;
/** Markers or chunks looked at before the pixels; files made to mislead have more. */
const STEPS = 4096;

/** Reads what the bytes allow; every offset is checked. */
export function readHeader(bytes: Uint8Array): Header {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header: Header = {
    format: '',
    width: 0,
    height: 0,
    turned: false,
    cmyk: false,
    deep: false,
    animated: false,
    alpha: false,
    progressive: false,
  };
  const found = READERS.find(({ magic }) => magic.test(view.toString('latin1', 0, 16)));
  if (!found) return header;
  header.format = found.format;
  try {
    found.read(view, header);
  } catch {
    // It ends too early: what was read until then stands.
  }
  return header;
}

const READERS: {
  format: Header['format'];
  magic: RegExp;
  read: (bytes: Buffer, header: Header) => void;
}[] = [
  // biome-ignore-start lint/suspicious/noControlCharactersInRegex: magic numbers have them
  { format: 'jpeg', magic: /^\xff\xd8\xff/, read: readJpeg },
  { format: 'png', magic: /^\x89PNG\r\n\x1a\n/, read: readPng },
  { format: 'webp', magic: /^RIFF.{4}WEBP/s, read: readWebp },
  { format: 'gif', magic: /^GIF8[79]a/, read: readGif },
  { format: 'avif', magic: /^.{4}ftypavi[fs]/s, read: readAvif },
  { format: 'tiff', magic: /^(II\*\x00|MM\x00\*)/, read: readTiff },
  { format: 'bmp', magic: /^BM.{12}[\x0c-\x7c]\0/s, read: readBmp },
  // biome-ignore-end lint/suspicious/noControlCharactersInRegex: magic numbers have them
];

/** From marker to marker, up to the frame. */
function readJpeg(bytes: Buffer, header: Header): void {
  for (let at = 2, step = 0; step < STEPS; step++) {
    const marker = bytes.readUInt16BE(at);
    if (marker === 0xffff) {
      at += 1;
      continue;
    }
    if (marker < 0xffc0) return;
    const length = bytes.readUInt16BE(at + 2);
    if (marker === 0xffe1 && bytes.toString('latin1', at + 4, at + 10) === 'Exif\0\0') {
      readTurn(bytes.subarray(at + 10, at + 2 + length), header);
    }
    const frame = marker <= 0xffcf && ![0xffc4, 0xffc8, 0xffcc].includes(marker);
    if (frame) {
      header.deep = bytes[at + 4]! > 8;
      header.height = bytes.readUInt16BE(at + 5);
      header.width = bytes.readUInt16BE(at + 7);
      header.cmyk = bytes[at + 9] === 4;
      header.progressive = marker === 0xffc2;
      return;
    }
    at += 2 + length;
  }
}

/** From chunk to chunk, up to the pixels. */
function readPng(bytes: Buffer, header: Header): void {
  header.width = bytes.readUInt32BE(16);
  header.height = bytes.readUInt32BE(20);
  header.deep = bytes[24]! > 8;
  header.alpha = [4, 6].includes(bytes[25]!);
  for (let at = 33, step = 0; step < STEPS; at += 12 + bytes.readUInt32BE(at), step++) {
    const name = bytes.toString('latin1', at + 4, at + 8);
    if (name === 'IDAT') return;
    if (name === 'tRNS') header.alpha = true;
    if (name === 'acTL') header.animated = true;
    if (name === 'eXIf') readTurn(bytes.subarray(at + 8, at + 8 + bytes.readUInt32BE(at)), header);
  }
}

function readWebp(bytes: Buffer, header: Header): void {
  const kind = bytes.toString('latin1', 12, 16);
  if (kind === 'VP8 ') {
    header.width = bytes.readUInt16LE(26) & 0x3fff;
    header.height = bytes.readUInt16LE(28) & 0x3fff;
  } else if (kind === 'VP8L') {
    const bits = bytes.readUInt32LE(21);
    header.width = (bits & 0x3fff) + 1;
    header.height = ((bits >>> 14) & 0x3fff) + 1;
    header.alpha = ((bits >>> 28) & 1) === 1;
  } else if (kind === 'VP8X') {
    const flags = bytes[20]!;
    header.alpha = (flags & 0x10) !== 0;
    header.animated = (flags & 0x02) !== 0;
    header.width = bytes.readUIntLE(24, 3) + 1;
    header.height = bytes.readUIntLE(27, 3) + 1;
    const exif = (flags & 0x08) !== 0 ? bytes.lastIndexOf('EXIF') : -1;
    if (exif > 0) readTurn(bytes.subarray(exif + 8), header);
  }
}

function readGif(bytes: Buffer, header: Header): void {
  header.width = bytes.readUInt16LE(6);
  header.height = bytes.readUInt16LE(8);
  // A loop count is there if there is anything to loop over; a control block may name a transparent colour.
  header.animated = bytes.subarray(0, REACH).includes('NETSCAPE2.0');
  const control = bytes.subarray(0, REACH).indexOf(Buffer.from([0x21, 0xf9, 4]));
  header.alpha = control > 0 && (bytes[control + 3]! & 1) === 1;
}

function readAvif(bytes: Buffer, header: Header): void {
  const head = bytes.subarray(0, REACH);
  const extent = head.indexOf('ispe');
  header.animated = bytes.toString('latin1', 8, 12) === 'avis';
  header.turned = head.includes('irot') || head.includes('imir');
  header.alpha = head.includes('urn:mpeg:mpegB:cicp:systems:auxiliary:alpha');
  const channels = head.indexOf('pixi');
  header.deep = channels > 0 && bytes[channels + 9]! > 8;
  if (extent < 0) return;
  header.width = bytes.readUInt32BE(extent + 8);
  header.height = bytes.readUInt32BE(extent + 12);
}

function readBmp(bytes: Buffer, header: Header): void {
  Object.assign(header, bmpSize(bytes));
}

function readTurn(exif: Buffer, header: Header): void {
  const seen = { ...header };
  try {
    readTiff(exif[0] === 0x45 ? exif.subarray(6) : exif, seen);
  } catch {
    // A torn EXIF block says nothing more; the image goes on.
  }
  header.turned = seen.turned;
}

/** The tags of the first directory. */
function readTiff(bytes: Buffer, header: Header): void {
  const little = bytes[0] === 0x49;
  const short = (at: number) => (little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at));
  const long = (at: number) => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  const first = long(4);
  for (let entry = 0; entry < short(first); entry++) {
    const at = first + 2 + 12 * entry;
    const value = () => (short(at + 2) === 4 ? long(at + 8) : short(at + 8));
    const tag = short(at);
    if (tag === 0x100) header.width = value();
    else if (tag === 0x101) header.height = value();
    else if (tag === 0x102) header.deep = (long(at + 4) > 2 ? short(long(at + 8)) : value()) > 8;
    else if (tag === 0x106) header.cmyk = value() === 5;
    else if (tag === 0x112) header.turned = value() > 1 && value() <= 8;
    else if (tag === 0x152) header.alpha = true;
  }
}
