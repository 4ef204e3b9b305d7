/** Features of images, kept between runs: which network made them, at which size, and of which image content. */
import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { newName, removeLeftovers } from '../../base/file_owner.ts';
import { temporaryPath, touch, writeAll } from '../../base/files.ts';

const MAGIC = 'BIRBSFEATURES 1\n';
/** Behind the magic: uint32 width, uint32 count, little-endian. */
const HEAD_BYTES = MAGIC.length + 8;
const HASH_BYTES = 32;
/** Bytes of the features of one file, about: as much is read or written at a time. */
const FILE_BYTES = 16 * 2 ** 20;

/**
 * A folder of files, each with the sha256 of some images and their features: magic, width, count, hashes [count, 32],
 * float32 [count, width], sha256 of all before. A file that is damaged is removed: its features are computed again.
 */
export class FeatureCache {
  readonly #folder: string;
  readonly width: number;
  readonly #rows: number;

  /** @param key what made the features: only the same key finds them again */
  constructor(cacheDir: string, key: string, width: number) {
    const name = createHash('sha256').update(`${key}\n${width}`).digest('hex').slice(0, 16);
    this.#folder = join(cacheDir, `features-${name}`);
    this.width = width;
    this.#rows = Math.max(1, Math.floor(FILE_BYTES / 4 / width));
  }

  /** Images that {@link add} should be given at a time. */
  get rows(): number {
    return this.#rows;
  }

  /**
   * Puts the features that are known into `output`, float32 [contents.length, width].
   * @param contents sha256 (hex) of each image; one may occur more than once
   * @returns the positions in `contents` of the images that are not known
   */
  async read(contents: string[], output: Float32Array): Promise<Uint32Array> {
    const wanted = new Map<string, number[]>();
    for (const [position, content] of contents.entries()) {
      const positions = wanted.get(content);
      if (positions) positions.push(position);
      else wanted.set(content, [position]);
    }
    const names = await removeLeftovers(this.#folder);
    for (const name of names.filter((one) => one.endsWith('.features')).sort()) {
      if (wanted.size === 0) break;
      await this.#readFile(join(this.#folder, name), wanted, output);
    }
    return Uint32Array.from([...wanted.values()].flat()).sort();
  }

  async #readFile(path: string, wanted: Map<string, number[]>, output: Float32Array): Promise<void> {
    const bytes = await readFile(path).catch(() => undefined);
    if (!bytes) return;
    const count = countOf(bytes, this.width);
    // Written whole, so the disk has changed it since.
    if (count === undefined) return rm(path, { force: true });
    let used = false;
    const features = new Float32Array(this.width);
    for (let row = 0; row < count; row++) {
      const content = bytes.toString(
        'hex',
        HEAD_BYTES + row * HASH_BYTES,
        HEAD_BYTES + (row + 1) * HASH_BYTES,
      );
      const positions = wanted.get(content);
      if (!positions) continue;
      const begin = HEAD_BYTES + count * HASH_BYTES + row * this.width * 4;
      Buffer.from(features.buffer).set(bytes.subarray(begin, begin + this.width * 4));
      for (const position of positions) output.set(features, position * this.width);
      wanted.delete(content);
      used = true;
    }
    if (used) await touch(path);
  }

  /**
   * Keeps the features of some images.
   * @param features float32 [contents.length, width]
   * @throws when the file can't be written
   */
  async add(contents: string[], features: Float32Array): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    const head = Buffer.alloc(HEAD_BYTES);
    head.write(MAGIC, 'latin1');
    head.writeUInt32LE(this.width, MAGIC.length);
    head.writeUInt32LE(contents.length, MAGIC.length + 4);
    const hashes = Buffer.from(contents.join(''), 'hex');
    const values = Buffer.from(features.buffer, features.byteOffset, features.byteLength);
    const parts = [head, hashes, values, digestOf([head, hashes, values])];
    const name = newName();
    const temporary = temporaryPath(this.#folder, name);
    try {
      const file = await open(temporary, 'wx');
      try {
        let position = 0;
        for (const part of parts) {
          await writeAll(file, part, position);
          position += part.length;
        }
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, join(this.#folder, `${name}.features`));
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }
}

function digestOf(parts: Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** Rows of a file; undefined where it is not what was written. */
function countOf(bytes: Buffer, width: number): number | undefined {
  if (bytes.length < HEAD_BYTES + HASH_BYTES || bytes.toString('latin1', 0, MAGIC.length) !== MAGIC)
    return undefined;
  const count = bytes.readUInt32LE(MAGIC.length + 4);
  const end = HEAD_BYTES + count * (HASH_BYTES + width * 4);
  if (bytes.readUInt32LE(MAGIC.length) !== width || bytes.length !== end + HASH_BYTES) return undefined;
  return digestOf([bytes.subarray(0, end)]).equals(bytes.subarray(end)) ? count : undefined;
}
