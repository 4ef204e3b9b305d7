/** A segment of the pixel cache: the pixels of many images in one file, and an index that finds them by content. */
import { type FileHandle, open, readFile, rename, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { newName } from '../../base/file_owner.ts';
import { temporaryPath, writeAll, writeFileWhole } from '../../base/files.ts';
import { LOOK_DIGITS } from './image_facts.ts';

const MAGIC = 'BIRBSPIX';
/** Where the pixels begin in a pixel file. */
export const HEADER_BYTES = 4096;
const FORMAT_VERSION = 1;

/** Pixels are written once this many bytes are buffered. */
const BLOCK_BYTES = 2 ** 20;

/** Hex digits that a content and its pixels are known by. */
export const CONTENT_DIGITS = 64;
export const PIXEL_DIGITS = 16;

/** In place of the content of an image whose pixels are damaged. */
export const DAMAGED = '-'.repeat(CONTENT_DIGITS);

/** A segment once it is whole: its pixels never change again. In the order of the rows. */
export interface Segment {
  path: string;
  contents: string[];
  pixelHashes: string[];
  /** See `lookOf`. */
  looks: string[];
}

/** The name of the index beside a pixel file, and the other way round. */
export function indexPath(pixelPath: string): string {
  return pixelPath.replace(/pixels$/, 'json');
}
export function pixelPath(indexPath: string): string {
  return indexPath.replace(/json$/, 'pixels');
}

/** Notes that a segment is used now: what is unused for longest is evicted first. */
export async function touchSegment(path: string): Promise<void> {
  const now = new Date();
  // One that was evicted this moment is found missing later.
  await utimes(indexPath(path), now, now).catch(() => {});
}

/** One segment under a temporary name until it is whole: first the pixels get their name, then the index. */
export class SegmentWriter implements Segment {
  readonly path: string;
  readonly contents: string[] = [];
  readonly pixelHashes: string[] = [];
  readonly looks: string[] = [];
  readonly #temporary: string;
  readonly #size: number;
  readonly #file: Promise<FileHandle>;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** Writes go one after the other. */
  #last: Promise<void>;
  #position = HEADER_BYTES;

  /** @param size side of the images in pixels */
  constructor(folder: string, size: number) {
    const name = newName();
    this.path = join(folder, `${name}.pixels`);
    this.#temporary = temporaryPath(folder, name);
    this.#size = size;
    this.#file = open(this.#temporary, 'wx');
    this.#last = this.#file.then(() => {});
    this.#last.catch(() => {});
  }

  get bytes(): number {
    return this.contents.length * this.#size * this.#size * 3;
  }

  /** Ends when the pixels are written, or wait for others to be written with. */
  add(content: string, pixelHash: string, look: string, pixels: Uint8Array): Promise<void> {
    this.contents.push(content);
    this.pixelHashes.push(pixelHash);
    this.looks.push(look);
    this.#waiting.push(pixels);
    this.#waitingBytes += pixels.length;
    return this.#waitingBytes < BLOCK_BYTES ? Promise.resolve() : this.#flush();
  }

  #flush(): Promise<void> {
    const blocks = this.#waiting;
    const bytes = this.#waitingBytes;
    this.#waiting = [];
    this.#waitingBytes = 0;
    return this.#then(async (file) => {
      const { bytesWritten } = await file.writev(blocks, this.#position);
      if (bytesWritten < bytes) {
        const rest = Buffer.concat(blocks).subarray(bytesWritten);
        await writeAll(file, rest, this.#position + bytesWritten);
      }
      this.#position += bytes;
    });
  }

  #then(action: (file: FileHandle) => Promise<void>): Promise<void> {
    const next = this.#last.then(async () => action(await this.#file));
    this.#last = next;
    // Whoever waits for a later write hears of it.
    next.catch(() => {});
    return next;
  }

  async seal(): Promise<void> {
    this.#flush();
    try {
      await this.#then(async (file) => {
        await writeAll(file, header(this.#size, this.contents.length), 0);
        await file.sync();
        await file.close();
      });
      await rename(this.#temporary, this.path);
      await writeIndex(this);
    } catch (error) {
      await this.#discard();
      await rm(this.path, { force: true });
      throw error;
    }
  }

  async #discard(): Promise<void> {
    await this.#last.catch(() => {});
    await this.#file.then((file) => file.close()).catch(() => {});
    await rm(this.#temporary, { force: true });
  }
}

async function writeIndex({ path, contents, pixelHashes, looks }: Segment): Promise<void> {
  const index = {
    format: FORMAT_VERSION,
    count: contents.length,
    contents: contents.join(''),
    pixels: pixelHashes.join(''),
    looks: looks.join(''),
  };
  await writeFileWhole(indexPath(path), JSON.stringify(index));
}

/** Nobody finds the images of these rows any more, neither here nor on disk. */
export async function forgetRows(segment: Segment, rows: number[]): Promise<void> {
  for (const row of rows) segment.contents[row] = DAMAGED;
  await writeIndex(segment);
}

function header(size: number, count: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.write(MAGIC, 'latin1');
  for (const [i, value] of [FORMAT_VERSION, size, size, 3].entries()) bytes.writeUInt32LE(value, 8 + 4 * i);
  bytes.writeBigUInt64LE(BigInt(count), 24);
  return bytes;
}

/** Reads an index and checks the pixel file beside it. `gone`: evicted this moment; `damaged`: of no use to anybody. */
export async function readSegment(index: string, size: number): Promise<Segment | 'gone' | 'damaged'> {
  try {
    const path = pixelPath(index);
    const { format, count, contents, pixels, looks } = JSON.parse(await readFile(index, 'utf8'));
    const right =
      format === FORMAT_VERSION &&
      Number.isInteger(count) &&
      contents.length === count * CONTENT_DIGITS &&
      pixels.length === count * PIXEL_DIGITS &&
      looks.length === count * LOOK_DIGITS &&
      (await isPixelFile(path, size, count));
    if (!right) return 'damaged';
    return {
      path,
      contents: cut(contents, CONTENT_DIGITS),
      pixelHashes: cut(pixels, PIXEL_DIGITS),
      looks: cut(looks, LOOK_DIGITS),
    };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return 'gone';
    // A file that can't be read now may be sound.
    if (code !== undefined) throw error;
    return 'damaged';
  }
}

async function isPixelFile(path: string, size: number, count: number): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const expected = header(size, count);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
    const { size: length } = await file.stat();
    return (
      bytesRead === HEADER_BYTES &&
      buffer.equals(expected) &&
      length === HEADER_BYTES + count * size * size * 3
    );
  } finally {
    await file.close();
  }
}

/** A text in pieces of `digits`. */
export function cut(text: string, digits: number): string[] {
  return Array.from({ length: text.length / digits }, (_, i) => text.slice(i * digits, (i + 1) * digits));
}
