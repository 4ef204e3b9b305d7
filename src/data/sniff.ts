// biome-ignore-all lint/suspicious/noControlCharactersInRegex: magic numbers have them
/** What a file is by its first bytes. */

export interface ImageKind {
  /** Whether this is a format we decode. */
  readable: boolean;
  /** What the bytes are: "is a PNG image". */
  description: string;
  /** The command that makes images that we decode of all such files in a folder. */
  convert?: string;
}

/** Says what a file is by its first bytes (32 are enough for images), whatever its name. */
export function sniff(bytes: Uint8Array): ImageKind {
  if (bytes.length === 0) return { readable: false, description: 'is empty' };
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 512)).toString('latin1');
  const found = KINDS.find(({ magic }) => magic.test(head));
  if (found) {
    const { name, readable = false, convert } = found;
    return { readable, description: `is ${name}`, ...(convert && { convert: convert[system] }) };
  }
  return { readable: false, description: 'is of an unknown type' };
}

/** Whether it is an image, if only one that we name the converter for. */
export function isImage({ readable, convert }: ImageKind): boolean {
  return readable || convert !== undefined;
}

const system = process.platform === 'darwin' ? 'mac' : 'linux';

/** The tools are part of macOS; of Linux they are the packages libheif-examples and libjxl-tools. */
const CONVERT = {
  heic: {
    mac: 'sips -s format jpeg *.[hH][eE][iI]* --out .',
    linux: 'for f in *.[hH][eE][iI]*; do heif-convert "$f" "$f.jpg"; done',
  },
  jxl: {
    mac: 'sips -s format png *.[jJ][xX][lL] --out .',
    linux: 'for f in *.[jJ][xX][lL]; do djxl "$f" "$f.png"; done',
  },
};

interface Kind {
  name: string;
  magic: RegExp;
  readable?: boolean;
  convert?: (typeof CONVERT)[keyof typeof CONVERT];
}

const KINDS: Kind[] = [
  { name: 'a JPEG image', magic: /^\xff\xd8\xff/, readable: true },
  { name: 'a PNG image', magic: /^\x89PNG\r\n\x1a\n/, readable: true },
  { name: 'a WebP image', magic: /^RIFF.{4}WEBP/s, readable: true },
  { name: 'a GIF image', magic: /^GIF8[79]a/, readable: true },
  { name: 'an AVIF image', magic: /^.{4}ftyp(avif|avis|.{8}(.{4}){0,6}avif)/s, readable: true },
  { name: 'a TIFF image', magic: /^(II[*+]\x00|MM\x00[*+])/, readable: true },
  { name: 'a HEIC image', magic: /^.{4}ftyp(hei|hev|mif1|msf1)/s, convert: CONVERT.heic },
  { name: 'a JPEG XL image', magic: /^(\xff\x0a|.{4}JXL )/s, convert: CONVERT.jxl },
  { name: 'a JPEG 2000 image', magic: /^(.{4}jP|\xff\x4f\xff\x51)/s },
  { name: 'a BMP image', magic: /^BM.{12}[\x0c-\x7c]\0\0\0/s, readable: true },
  { name: 'an icon file', magic: /^\x00\x00\x01\x00/ },
  { name: 'a Photoshop file', magic: /^8BPS/ },
  { name: 'a PDF document', magic: /^\s*%PDF/ },
  { name: 'a video', magic: /^(.{4}ftyp|\x1a\x45\xdf\xa3)/s },
  { name: 'a zip archive', magic: /^PK\x03\x04/ },
  { name: 'a gzip archive', magic: /^\x1f\x8b/ },
  { name: 'a parquet file', magic: /^PAR1/ },
  {
    name: 'an SVG drawing',
    magic: /^(\xef\xbb\xbf)?\s*(<\?xml.*)?(<!--.*|<!DOCTYPE svg.*)?<svg[\s>]/is,
  },
  { name: 'an HTML page', magic: /^(\xef\xbb\xbf)?\s*(<!--.*)?<(!doctype html|html|head|body)/is },
  { name: 'XML text', magic: /^(\xef\xbb\xbf)?\s*<\?xml/ },
  { name: 'a git-lfs pointer (run git lfs pull)', magic: /^version https:\/\/git-lfs/ },
  { name: 'text', magic: /^[\t\n\r\x20-\x7e\x80-\xff]+$/ },
];
