/** The bytes of a zip file as yauzl asks for them; a place outside the file is an error, never an exception. */
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { RandomAccessReader } from 'yauzl';

/** Small reads are answered from so much at a time. */
const WINDOW_BYTES = 2 ** 18;

export class ZipReader extends RandomAccessReader {
  readonly #file: FileHandle;
  /** Bytes. */
  readonly size: number;
  /** What was read last, and where it begins. */
  #window: { begin: number; bytes: Buffer } = { begin: 0, bytes: Buffer.alloc(0) };

  /** The file stays the caller's to close. */
  constructor(file: FileHandle, size: number) {
    super();
    this.#file = file;
    this.size = size;
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    done: (error: Error | null) => void,
  ): void {
    this.bytes(position, length).then(
      (bytes) => {
        bytes.copy(buffer, offset);
        done(null);
      },
      (error) => done(error),
    );
  }

  override createReadStream({ start, end }: { start: number; end: number }): Readable {
    return Readable.from(this.#pieces(start, end), { objectMode: false });
  }

  /** Exactly the bytes of a place. */
  async bytes(begin: number, length: number): Promise<Buffer> {
    if (!(begin >= 0 && begin + length <= this.size)) throw new Error('it points beyond its end');
    const held = this.#held(begin, begin + length);
    if (held.length === length) return held;
    const bytes = await this.#readAt(begin, Math.min(Math.max(length, WINDOW_BYTES), this.size - begin));
    this.#window = { begin, bytes };
    return bytes.subarray(0, length);
  }

  async *#pieces(begin: number, end: number): AsyncGenerator<Buffer> {
    for (let at = begin; at < end; ) {
      const held = this.#held(at, end);
      const piece = held.length > 0 ? held : await this.bytes(at, Math.min(WINDOW_BYTES, end - at));
      at += piece.length;
      yield piece;
    }
  }

  /** As much of a place, from its begin on, as was read already. */
  #held(begin: number, end: number): Buffer {
    const { begin: first, bytes } = this.#window;
    const isHeld = begin >= first && begin < first + bytes.length;
    return isHeld ? bytes.subarray(begin - first, end - first) : bytes.subarray(0, 0);
  }

  async #readAt(begin: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(length);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await this.#file.read(bytes, done, length - done, begin + done);
      if (bytesRead === 0) throw new Error('it became shorter while it was read');
      done += bytesRead;
    }
    return bytes;
  }
}
