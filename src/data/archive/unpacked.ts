/** An archive as it lies unpacked in the cache: one file with all images, and an index that is written last. */
import { createHash } from 'node:crypto';
import { type FileHandle, open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../base/errors.ts';
import type { Skipped } from '../part.ts';
import type { Contents } from './collector.ts';
import { type Packed, readPacked } from './pack.ts';

/** Raise it when the same archive would be unpacked in another way. */
const VERSION = 2;

const INDEX = 'index.json';
const IMAGES = 'images';

/** What the index keeps beside the files. */
interface Index {
  version: number;
  stamp: string;
  md5?: string;
  names: string[];
  offsets: number[];
  sizes: number[];
  crcs: number[];
  skipped: Skipped[];
  ignored: number;
  ignoredNames: string[];
  nested: number;
}

/** The folder of an archive below the cache. */
export function folderFor(cacheDir: string, path: string, stamp: string): string {
  const digits = (text: string, count: number) =>
    createHash('sha256').update(text).digest('hex').slice(0, count);
  return join(cacheDir, 'archives', `${digits(path, 24)}-${digits(`${VERSION} ${stamp}`, 16)}`);
}

/** Where the images of an archive are written to. */
export function imagesIn(folder: string): string {
  return join(folder, IMAGES);
}

/** Writes the index, which makes the folder whole. */
export async function writeIndex(
  folder: string,
  stamp: string,
  { files, skipped, ignored, ignoredNames, nested }: Contents,
  md5?: string,
): Promise<void> {
  const packed = [...files.values()];
  const index: Index = {
    version: VERSION,
    stamp,
    md5,
    names: [...files.keys()],
    offsets: packed.map(({ offset }) => offset),
    sizes: packed.map(({ size }) => size),
    crcs: packed.map(({ crc }) => crc),
    skipped,
    ignored,
    ignoredNames,
    nested,
  };
  const file = await open(join(folder, INDEX), 'wx');
  try {
    await file.writeFile(JSON.stringify(index));
    await file.sync();
  } finally {
    await file.close();
  }
}

export class Unpacked {
  /** Where it lies. */
  readonly folder: string;
  /** By name. */
  readonly files: Map<string, Packed>;
  readonly skipped: Skipped[];
  readonly ignored: number;
  readonly ignoredNames: string[];
  readonly nested: number;
  /** Of the archive, where it was asked for when it was unpacked. */
  readonly md5?: string;
  /** Called when the last reader is done. */
  onClose: () => Promise<void> = async () => {};
  /** Open while it is read. */
  #file: Promise<FileHandle> | undefined;

  private constructor(folder: string, index: Index) {
    const { names, offsets, sizes, crcs } = index;
    this.folder = folder;
    this.files = new Map(
      names.map((name, i) => [name, { offset: offsets[i]!, size: sizes[i]!, crc: crcs[i]! }]),
    );
    this.skipped = index.skipped;
    this.ignored = index.ignored;
    this.ignoredNames = index.ignoredNames;
    this.nested = index.nested;
    this.md5 = index.md5;
  }

  /** Undefined when it is not there, or not whole. */
  static async open(folder: string, stamp: string): Promise<Unpacked | undefined> {
    try {
      const index: Index = JSON.parse(await readFile(join(folder, INDEX), 'utf8'));
      if (index.version !== VERSION || index.stamp !== stamp) return undefined;
      const unpacked = new Unpacked(folder, index);
      let end = 0;
      for (const { offset, size } of unpacked.files.values()) end = Math.max(end, offset + size);
      if ((await stat(imagesIn(folder))).size < end) throw new Error('cut short');
      // Tells when it was last used.
      await utimes(folder, new Date(), new Date()).catch(() => {});
      return unpacked;
    } catch {
      return undefined;
    }
  }

  /**
   * The content of a file.
   * @throws UserError when it is not what was unpacked; then it is unpacked again next time
   */
  async read(name: string): Promise<Uint8Array> {
    this.#file ??= open(imagesIn(this.folder), 'r');
    const bytes = await readPacked(await this.#file, this.files.get(name)!);
    if (bytes) return bytes;
    await rm(join(this.folder, INDEX), { force: true });
    throw new UserError(`What was unpacked to "${this.folder}" has changed; run again to unpack it afresh`);
  }

  /** It is not read for now; it can be again. */
  async rest(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await (await file?.catch(() => undefined))?.close();
  }

  async close(): Promise<void> {
    await this.rest();
    await this.onClose();
  }
}
