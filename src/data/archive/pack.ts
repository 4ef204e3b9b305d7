/** One file that holds the content of many, one after the other. */
import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';

const BLOCK_BYTES = 2 ** 20;

/** Where a content is in the pack, and its checksum. */
export interface Packed {
  offset: number;
  size: number;
  crc: number;
}

/** Writes a pack from its begin; holds one block of it in memory. */
export class PackWriter {
  readonly #file: FileHandle;
  readonly #block = Buffer.allocUnsafe(BLOCK_BYTES);
  #used = 0;
  /** Where the block begins in the file. */
  #begin = 0;
  #current: Packed = { offset: 0, size: 0, crc: 0 };

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async create(path: string): Promise<PackWriter> {
    return new PackWriter(await open(path, 'wx'));
  }

  /** Bytes so far. */
  get length(): number {
    return this.#begin + this.#used;
  }

  /** More of the current content. */
  async add(bytes: Uint8Array): Promise<void> {
    this.#current.size += bytes.length;
    this.#current.crc = crc32(bytes, this.#current.crc);
    for (let done = 0; done < bytes.length; ) {
      const piece = bytes.subarray(done, done + BLOCK_BYTES - this.#used);
      this.#block.set(piece, this.#used);
      this.#used += piece.length;
      done += piece.length;
      if (this.#used === BLOCK_BYTES) await this.#flush();
    }
  }

  /** Ends the current content; the next one begins. */
  end(): Packed {
    const packed = this.#current;
    this.#current = { offset: this.length, size: 0, crc: 0 };
    return packed;
  }

  /** Writes what is left, and waits until the disk has it. */
  async finish(): Promise<void> {
    await this.#flush();
    await this.#file.sync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #flush(): Promise<void> {
    for (let done = 0; done < this.#used; ) {
      const { bytesWritten } = await this.#file.write(
        this.#block,
        done,
        this.#used - done,
        this.#begin + done,
      );
      done += bytesWritten;
    }
    this.#begin += this.#used;
    this.#used = 0;
  }
}

/**
 * Reads one content.
 * @returns undefined when its bytes are not those that were packed
 */
export async function readPacked(
  file: FileHandle,
  { offset, size, crc }: Packed,
): Promise<Uint8Array | undefined> {
  const bytes = Buffer.allocUnsafe(size);
  for (let done = 0; done < size; ) {
    const { bytesRead } = await file.read(bytes, done, size - done, offset + done);
    if (bytesRead === 0) return undefined;
    done += bytesRead;
  }
  return crc32(bytes) === crc ? bytes : undefined;
}
