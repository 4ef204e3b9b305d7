/** The pixel cache: decoded images on disk, found again by the content of the image file they came from. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { UserError } from '../../base/errors.ts';
import { removeLeftovers } from '../../base/file_owner.ts';
import type { Fit } from '../../model/network.ts';
import { makeRoom } from './cache_budget.ts';
import {
  DAMAGED,
  forgetRows,
  indexPath,
  pixelPath,
  readSegment,
  type Segment,
  SegmentWriter,
  touchSegment,
} from './segment.ts';
import { damagedRows, pixelHash } from './segment_check.ts';

/** Of the decoding: raise it when the same image file would come out with other pixels. */
const SETTINGS_VERSION = 3;

/** A segment is sealed when it has grown to this, so that a kill loses little. */
const SEGMENT_BYTES = 64 * 2 ** 20;
/** Of a small cache no segment is more than such a part: it could not be evicted piece by piece. */
const SEGMENT_SHARE = 24;

/** What an image file is known by: its sha256. */
export function contentHash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

interface CheckOptions {
  /** Called with the bytes of each block that was read. */
  onBytes?: (bytes: number) => void;
  signal?: AbortSignal;
}

/** Where the pixels of an image are. */
export interface Place {
  /** The pixel file, and how many images it holds. */
  path: string;
  count: number;
  row: number;
}

/** A segment in its place among all. */
interface Numbered {
  segment: Segment;
  /** Number of its first image over all segments. */
  first: number;
}

export interface PixelCacheOptions {
  cacheDir: string;
  /** Side of the images in pixels. */
  size: number;
  fit: Fit;
  /** Bytes that all of `cacheDir` may have. */
  limit: number;
}

/** All pixels of one size and fit. Segments once sealed never change; several processes may add and evict at a time. */
export class PixelCache {
  /** Where this cache keeps its files. */
  readonly folder: string;
  /** Segments that were damaged, and are deleted. */
  damaged = 0;
  /** Images whose pixels were damaged, and are forgotten. */
  damagedImages = 0;
  readonly #options: PixelCacheOptions;
  readonly #segments: Numbered[] = [];
  /** From content hash to the number of the image over all segments. */
  readonly #numbers = new Map<string, number>();
  #lastFound: Numbered | undefined;
  #count = 0;
  #writer: SegmentWriter | undefined;
  /** Pixel files that this process has written, or has looked through for damage. */
  readonly #checked = new Set<string>();
  /** Pixel files that this process must not evict. */
  readonly #kept = new Set<string>();
  #keepsAdded = false;
  /** Makes room and seals, one after the other. */
  #turn: Promise<void> = Promise.resolve();

  private constructor(options: PixelCacheOptions) {
    this.#options = options;
    this.folder = join(options.cacheDir, `pixels-${options.size}-${options.fit}-v${SETTINGS_VERSION}`);
  }

  /**
   * Opens the cache of one size and fit, making it if need be. What is damaged in it and what dead processes left is
   * deleted.
   * @throws UserError that names the folder when it can't be used
   */
  static async open(options: PixelCacheOptions): Promise<PixelCache> {
    const cache = new PixelCache(options);
    await cache.refresh();
    return cache;
  }

  /** Seals, and looks what other processes have added and evicted since. */
  async refresh(): Promise<void> {
    await this.seal();
    await this.guard(this.#load());
  }

  async #load(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    const names = await readdir(this.folder);
    const all = new Set(names);
    const isOrphan = (name: string) =>
      (name.endsWith('.pixels') && !all.has(indexPath(name))) || /^\..*\.tmp$/.test(name);
    await removeLeftovers(this.folder, isOrphan);
    const known = new Set<string>();
    for (const { segment } of [...this.#segments]) {
      if (all.has(basename(segment.path))) known.add(segment.path);
      else this.#drop(segment.path);
    }
    const isNew = (name: string) =>
      name.endsWith('.json') && !name.startsWith('memo-') && !known.has(join(this.folder, pixelPath(name)));
    const read = (name: string) => this.#read(join(this.folder, name));
    for (const segment of await Promise.all(names.filter(isNew).sort().map(read))) {
      if (segment) this.#adopt(segment);
    }
  }

  async #read(index: string): Promise<Segment | undefined> {
    const found = await readSegment(index, this.#options.size);
    if (typeof found === 'object') return found;
    if (found === 'damaged') this.damaged += 1;
    await rm(pixelPath(index), { force: true });
    await rm(index, { force: true });
    return undefined;
  }

  #adopt(segment: Segment): void {
    this.#segments.push({ segment, first: this.#count });
    for (const content of segment.contents) {
      const number = this.#count++;
      if (content !== DAMAGED) this.#numbers.set(content, number);
    }
  }

  /** Forgets a segment whose file is gone; its numbers are not given again. */
  #drop(path: string): void {
    const at = this.#segments.findIndex(({ segment }) => segment.path === path);
    if (at < 0) return;
    const { segment, first } = this.#segments[at]!;
    for (const [row, content] of segment.contents.entries()) {
      if (this.#numbers.get(content) === first + row) this.#numbers.delete(content);
    }
    this.#segments.splice(at, 1);
  }

  /** Whatever fails in the cache folder becomes a UserError that names it. */
  async guard<T>(work: Promise<T> | undefined): Promise<T | undefined> {
    try {
      return await work;
    } catch (error) {
      throw cacheError(this.#options.cacheDir, error);
    }
  }

  has(content: string): boolean {
    return this.#numbers.has(content);
  }

  /** Where the pixels of an image file are; it must be there. */
  place(content: string): Place {
    const { segment, row } = this.#find(content);
    return { path: segment.path, count: segment.contents.length, row };
  }

  /** The same for equal pixels; of an image file that is there. */
  pixelHash(content: string): string {
    const { segment, row } = this.#find(content);
    return segment.pixelHashes[row]!;
  }

  /** What it looks like (see `lookOf`); of an image file that is there. */
  look(content: string): string {
    const { segment, row } = this.#find(content);
    return segment.looks[row]!;
  }

  #find(content: string): { segment: Segment; row: number } {
    const number = this.#numbers.get(content)!;
    const { segment, first } = this.#segmentOf(number);
    return { segment, row: number - first };
  }

  #segmentOf(number: number): Numbered {
    // Images are mostly asked for as they were added.
    const last = this.#lastFound;
    if (last && number >= last.first && number < last.first + last.segment.contents.length) return last;
    let [low, high] = [0, this.#segments.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#segments[middle]!.first <= number) low = middle;
      else high = middle - 1;
    }
    this.#lastFound = this.#segments[low]!;
    return this.#lastFound;
  }

  /**
   * From now on this process evicts none of the segments that hold these images, nor, with `added`, any that is added;
   * what it kept before may go. Notes that they are used, and forgets the images in them that are damaged.
   * @returns whether all of them are there
   */
  async keep(
    contents: Iterable<string>,
    { added, ...options }: { added: boolean } & CheckOptions,
  ): Promise<boolean> {
    let all = true;
    const segments = new Set<Numbered>();
    for (const content of contents) {
      const number = this.#numbers.get(content);
      if (number === undefined) all = false;
      else segments.add(this.#segmentOf(number));
    }
    this.#kept.clear();
    this.#keepsAdded = added;
    for (const { segment } of segments) this.#kept.add(segment.path);
    await Promise.all([...this.#kept].map(touchSegment));
    for (const one of segments) {
      const isWhole = await this.guard(this.#check(one, options));
      all &&= isWhole === true;
    }
    return all;
  }

  /**
   * Looks through a segment for damage, once in the life of a process, and forgets the images that have some.
   * @returns whether all of it is there
   */
  async #check({ segment, first }: Numbered, { onBytes, signal }: CheckOptions): Promise<boolean> {
    if (this.#checked.has(segment.path)) return true;
    signal?.throwIfAborted();
    const found = await damagedRows(segment, this.#options.size, onBytes).catch((error) => {
      if (error.code !== 'ENOENT') throw error;
      // Another process has evicted it.
      this.#drop(segment.path);
    });
    if (!found) return false;
    this.#checked.add(segment.path);
    const rows = found.filter((row) => segment.contents[row] !== DAMAGED);
    if (rows.length === 0) return true;
    for (const row of rows) {
      const content = segment.contents[row]!;
      if (this.#numbers.get(content) === first + row) this.#numbers.delete(content);
    }
    this.damagedImages += rows.length;
    await forgetRows(segment, rows);
    return false;
  }

  /**
   * Adds an image. It is safe on disk only after `seal`.
   * @param pixels uint8 RGB, size * size * 3; not to be changed afterwards
   * @param look see `lookOf`
   * @returns the pixel hash
   * @throws UserError when the disk is full
   */
  async add(content: string, pixels: Uint8Array, look: string): Promise<string> {
    if (this.has(content)) return this.pixelHash(content);
    const hash = pixelHash(pixels);
    this.#writer ??= this.#begin();
    const writer = this.#writer;
    this.#numbers.set(content, this.#count++);
    const written = writer.add(content, hash, look, pixels);
    const { limit } = this.#options;
    if (writer.bytes < Math.min(SEGMENT_BYTES, limit / SEGMENT_SHARE)) await this.guard(written);
    else await this.seal();
    return hash;
  }

  #begin(): SegmentWriter {
    const writer = new SegmentWriter(this.folder, this.#options.size);
    this.#segments.push({ segment: writer, first: this.#count });
    this.#checked.add(writer.path);
    if (this.#keepsAdded) this.#kept.add(writer.path);
    return writer;
  }

  /** Makes all that was added last, and evicts what is too much now. */
  async seal(): Promise<void> {
    const writer = this.#writer;
    this.#writer = undefined;
    if (!writer) return;
    const sealed = this.#turn.then(() => writer.seal()).then(() => this.#makeRoom());
    this.#turn = sealed.catch(() => {});
    await this.guard(sealed);
  }

  async #makeRoom(): Promise<void> {
    const { cacheDir, limit } = this.#options;
    if (limit === Number.POSITIVE_INFINITY) return;
    const next = Math.min(SEGMENT_BYTES, limit / SEGMENT_SHARE);
    for (const path of await makeRoom(cacheDir, limit, next, this.#kept)) this.#drop(path);
  }
}

/** What went wrong in the cache folder, for the user. */
function cacheError(cacheDir: string, error: unknown): UserError {
  if (error instanceof UserError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  const full = code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
  return new UserError(
    full
      ? `The disk is full: decoded images did not fit in "${cacheDir}"; free some space, choose another folder with --cache, or keep less there with --cache-limit`
      : `The cache folder "${cacheDir}" can't be used (${code}); choose another with --cache`,
  );
}
