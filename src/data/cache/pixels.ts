/** The pixel cache: decoded images on disk, found again by the content of the image file they came from. */
import { createHash, randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Fit } from '../../model/network.ts';
import { UserError } from '../../run/errors.ts';

/** Of the decoding: raise it when the same image file would come out with other pixels. */
const SETTINGS_VERSION = 2;

const MAGIC = 'BIRBSPIX';
const HEADER_BYTES = 4096;
const FORMAT_VERSION = 1;

/** A segment is sealed when it has grown to this, so that a kill loses little. */
const SEGMENT_BYTES = 64 * 2 ** 20;
/** Pixels are written when there are so many. */
const BLOCK_BYTES = 2 ** 20;

/** Hex digits that a content and its pixels are known by. */
export const CONTENT_DIGITS = 64;
const PIXEL_DIGITS = 16;

/** What an image file is known by: its sha256. */
export function contentHash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * What pixels are known by, to find equal ones: two checksums of half the image each. Nothing is ever read by it, so
 * it may be as fast as it gets.
 */
function pixelHash(pixels: Uint8Array): string {
  const half = pixels.length >> 1;
  return [pixels.subarray(0, half), pixels.subarray(half)]
    .map((part) =>
      crc32(part)
        .toString(16)
        .padStart(PIXEL_DIGITS / 2, '0'),
    )
    .join('');
}

/** Where the pixels of an image are. */
export interface Place {
  /** Index into `PixelCache.files`. */
  file: number;
  row: number;
  /** The same for equal pixels. */
  pixelHash: string;
}

/** A sealed segment, or one being written. */
interface Segment {
  path: string;
  /** Number of its first image over all segments. */
  first: number;
  pixelHashes: string[];
}

/** All pixels of one size and fit. Segments once sealed never change; several processes may add at a time. */
export class PixelCache {
  /** Where this cache keeps its files. */
  readonly folder: string;
  readonly #cacheDir: string;
  readonly #size: number;
  readonly #segments: Segment[] = [];
  /** From content hash to the number of the image over all segments. */
  readonly #numbers = new Map<string, number>();
  #count = 0;
  #writer: SegmentWriter | undefined;

  private constructor(cacheDir: string, size: number, fit: Fit) {
    this.#cacheDir = cacheDir;
    this.#size = size;
    this.folder = join(cacheDir, `pixels-${size}-${fit}-v${SETTINGS_VERSION}`);
  }

  /**
   * Opens the cache of one size and fit, making it if need be. What is damaged in it is passed over, what dead
   * processes left is removed.
   * @throws UserError that names the folder when it can't be used
   */
  static async open(cacheDir: string, size: number, fit: Fit): Promise<PixelCache> {
    const cache = new PixelCache(cacheDir, size, fit);
    await cache.guard(cache.#load());
    return cache;
  }

  async #load(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    const names = await readdir(this.folder);
    await removeLeftovers(this.folder, names);
    const indexes = names.filter((name) => name.endsWith('.json') && !name.startsWith('memo-')).sort();
    const read = (name: string) => readSegment(join(this.folder, name), this.#size);
    for (const segment of await Promise.all(indexes.map(read))) if (segment) this.#adopt(segment);
  }

  /** Whatever fails in the cache folder becomes a UserError that names it. */
  async guard<T>(work: Promise<T> | undefined): Promise<T | undefined> {
    try {
      return await work;
    } catch (error) {
      throw cacheError(this.#cacheDir, error);
    }
  }

  #adopt({ path, contents, pixelHashes }: ReadSegment): void {
    this.#segments.push({ path, first: this.#count, pixelHashes });
    for (const content of contents) this.#numbers.set(content, this.#count++);
  }

  has(content: string): boolean {
    return this.#numbers.has(content);
  }

  /** The pixel files, sealed, and how many images each holds. */
  get files(): { path: string; count: number }[] {
    return this.#segments.map(({ path, pixelHashes }) => ({ path, count: pixelHashes.length }));
  }

  /** Where the pixels of an image file are; it must be there. */
  place(content: string): Place {
    const number = this.#numbers.get(content)!;
    let [low, high] = [0, this.#segments.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#segments[middle]!.first <= number) low = middle;
      else high = middle - 1;
    }
    const { first, pixelHashes } = this.#segments[low]!;
    return { file: low, row: number - first, pixelHash: pixelHashes[number - first]! };
  }

  /**
   * Adds an image. It is safe on disk only after `seal`.
   * @param pixels uint8 RGB, size * size * 3; not to be changed afterwards
   * @throws UserError when the disk is full
   */
  async add(content: string, pixels: Uint8Array): Promise<void> {
    if (this.has(content)) return;
    const hash = pixelHash(pixels);
    if (!this.#writer) {
      this.#writer = new SegmentWriter(this.folder, this.#size);
      this.#segments.push({ path: this.#writer.path, first: this.#count, pixelHashes: [] });
    }
    const writer = this.#writer;
    this.#numbers.set(content, this.#count++);
    this.#segments.at(-1)!.pixelHashes.push(hash);
    const written = writer.add(content, hash, pixels);
    if (writer.bytes < SEGMENT_BYTES) await this.guard(written);
    else await this.seal();
  }

  /** Makes all that was added last. */
  async seal(): Promise<void> {
    const writer = this.#writer;
    this.#writer = undefined;
    await this.guard(writer?.seal());
  }
}

/** One segment under a temporary name until it is whole: first the pixels get their name, then the index. */
class SegmentWriter {
  readonly path: string;
  readonly #indexPath: string;
  readonly #temporary: string;
  readonly #size: number;
  readonly #file: Promise<FileHandle>;
  readonly #contents: string[] = [];
  readonly #pixelHashes: string[] = [];
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** Writes go one after the other. */
  #last: Promise<void>;
  #position = HEADER_BYTES;

  constructor(folder: string, size: number) {
    const id = `${Date.now().toString(36)}-${randomBytes(4).toString('hex')}`;
    this.path = join(folder, `${id}.pixels`);
    this.#indexPath = join(folder, `${id}.json`);
    this.#temporary = temporaryName(folder, id);
    this.#size = size;
    this.#file = open(this.#temporary, 'wx');
    this.#last = this.#file.then(() => {});
    this.#last.catch(() => {});
  }

  get bytes(): number {
    return this.#contents.length * this.#size * this.#size * 3;
  }

  add(content: string, pixelHash: string, pixels: Uint8Array): Promise<void> {
    this.#contents.push(content);
    this.#pixelHashes.push(pixelHash);
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
    const index = {
      format: FORMAT_VERSION,
      count: this.#contents.length,
      contents: this.#contents.join(''),
      pixels: this.#pixelHashes.join(''),
    };
    try {
      await this.#then(async (file) => {
        await writeAll(file, header(this.#size, index.count), 0);
        await file.sync();
        await file.close();
      });
      await rename(this.#temporary, this.path);
      await writeWhole(this.#indexPath, JSON.stringify(index));
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

function header(size: number, count: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.write(MAGIC, 'latin1');
  for (const [i, value] of [FORMAT_VERSION, size, size, 3].entries()) bytes.writeUInt32LE(value, 8 + 4 * i);
  bytes.writeBigUInt64LE(BigInt(count), 24);
  return bytes;
}

interface ReadSegment {
  path: string;
  contents: string[];
  pixelHashes: string[];
}

/** Reads the index of a segment and checks its pixel file; undefined when either is not right. */
async function readSegment(indexPath: string, size: number): Promise<ReadSegment | undefined> {
  const path = indexPath.replace(/json$/, 'pixels');
  try {
    const index = JSON.parse(await readFile(indexPath, 'utf8'));
    const { format, count, contents, pixels } = index;
    const right =
      format === FORMAT_VERSION &&
      Number.isInteger(count) &&
      contents.length === count * CONTENT_DIGITS &&
      pixels.length === count * PIXEL_DIGITS;
    if (!right || !(await isPixelFile(path, size, count))) return undefined;
    return { path, contents: cut(contents, CONTENT_DIGITS), pixelHashes: cut(pixels, PIXEL_DIGITS) };
  } catch {
    return undefined;
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

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Writes a small file of the cache: whole or not at all. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const id = `${randomBytes(4).toString('hex')}`;
  const temporary = temporaryName(join(path, '..'), id);
  try {
    const file = await open(temporary, 'wx');
    try {
      await writeAll(file, Buffer.from(text), 0);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

function temporaryName(folder: string, id: string): string {
  return join(folder, `.${id}.${process.pid}.tmp`);
}

const DAY_MS = 24 * 3600 * 1000;
/** A process in another container seems dead; what it still writes to is not touched. */
const QUIET_MS = 60 * 1000;

/** Removes what processes that were killed have left. */
async function removeLeftovers(folder: string, names: string[]): Promise<void> {
  const all = new Set(names);
  for (const name of names) {
    const owner = /^\..*\.(\d+)\.tmp$/.exec(name)?.[1];
    const orphan = name.endsWith('.pixels') && !all.has(name.replace(/pixels$/, 'json'));
    if (!owner && !orphan) continue;
    const age = Date.now() - ((await stat(join(folder, name)).catch(() => null))?.mtimeMs ?? Date.now());
    const dead = owner !== undefined && age > QUIET_MS && !isAlive(Number(owner));
    if (dead || age > DAY_MS) await rm(join(folder, name), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** What went wrong in the cache folder, for the user. */
function cacheError(cacheDir: string, error: unknown): UserError {
  if (error instanceof UserError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  const full = code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
  return new UserError(
    full
      ? `The disk is full: decoded images did not fit in "${cacheDir}"; free some space or choose another folder with --cache`
      : `The cache folder "${cacheDir}" can't be used (${code}); choose another with --cache`,
  );
}
