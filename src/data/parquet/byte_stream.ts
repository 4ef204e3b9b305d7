/** Bytes read in sequence: from a range of the file, and from the chunks of a decompressor. */
import { freeBuffers } from './free_buffers.ts';
import { readBytes } from './open_file.ts';

/** Read from the file at a time. */
const READ_BYTES = 8 * 2 ** 20;

/** The most that `take` returns: levels and dictionary indexes are smaller. */
const TAKE_BYTES = 64 * 2 ** 20;

/** A range of the file, read ahead a part at a time; what is skipped is not fetched. */
export class FileRange {
  position: number;
  /** Where reading ahead stops, if that is known. */
  readUntil: number | undefined;
  readonly #end: number;
  #held = new Uint8Array(0);
  #heldFrom = 0;

  constructor(begin: number, end: number) {
    this.position = begin;
    this.#end = end;
  }

  get left(): number {
    return this.#end - this.position;
  }

  /** The next `count` bytes, fewer only at the end; the position stays. Valid until the next read. */
  async peek(count: number): Promise<Uint8Array> {
    const wanted = Math.min(count, this.left);
    if (!this.#holds(wanted)) {
      // After a jump past what is held, another may follow: then nothing is read ahead.
      const jumped = this.position > this.#heldFrom + this.#held.length;
      await this.#fetch(jumped && this.readUntil === undefined ? 0 : READ_BYTES, this.position + wanted);
    }
    const at = this.position - this.#heldFrom;
    return this.#held.subarray(at, at + wanted);
  }

  /** The next `count` bytes in chunks, each valid until the next. */
  async *bytes(count: number): AsyncGenerator<Uint8Array> {
    const end = this.position + count;
    while (this.position < end) {
      if (!this.#holds(1)) await this.#fetch(READ_BYTES, Math.min(end, this.position + READ_BYTES));
      const at = this.position - this.#heldFrom;
      const chunk = this.#held.subarray(at, at + end - this.position);
      this.position += chunk.length;
      yield chunk;
    }
  }

  /** Frees what is held. */
  close(): void {
    this.#heldFrom += this.#held.length;
    freeBuffers([this.#held.buffer]);
    this.#held = new Uint8Array(0);
  }

  #holds(count: number): boolean {
    const at = this.position - this.#heldFrom;
    return at >= 0 && at + count <= this.#held.length;
  }

  /** Fetches the bytes up to `end`, and more, up to `ahead` in all. */
  async #fetch(ahead: number, end: number): Promise<void> {
    this.close();
    const aheadEnd = Math.min(this.position + ahead, this.readUntil ?? this.#end, this.#end);
    this.#held = new Uint8Array(await readBytes(this.position, Math.max(end, aheadEnd)));
    this.#heldFrom = this.position;
  }
}

/** Takes bytes in any lengths from chunks of any size, each of which is valid until the next. */
export class ByteStream {
  /** Bytes that are still to come. */
  left: number;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);
  /** The next byte in `#chunk`. */
  #at = 0;

  /** @param size of all chunks together */
  constructor(chunks: AsyncIterable<Uint8Array>, size: number) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.left = size;
  }

  /** Fills `target`. */
  async into(target: Uint8Array): Promise<void> {
    for (let done = 0; done < target.length; ) {
      const part = Math.min(this.#held || (await this.#more()), target.length - done);
      target.set(this.#chunk.subarray(this.#at, this.#at + part), done);
      done += part;
      this.#advance(part);
    }
  }

  async skip(count: number): Promise<void> {
    this.expect(count);
    for (let left = count; left > 0; ) {
      const part = Math.min(this.#held || (await this.#more()), left);
      left -= part;
      this.#advance(part);
    }
  }

  /** The next `count` bytes, valid until the next read. */
  async take(count: number): Promise<Uint8Array> {
    this.expect(count);
    if (count > TAKE_BYTES) throw new Error(`${count} bytes where fewer are expected`);
    if (count > this.#held) {
      const taken = new Uint8Array(count);
      await this.into(taken);
      return taken;
    }
    this.#advance(count);
    return this.#chunk.subarray(this.#at - count, this.#at);
  }

  /** A promise only where it takes another chunk: it is called for every value. */
  uint32(): number | Promise<number> {
    this.expect(4);
    if (this.#held < 4) return this.take(4).then((bytes) => uint32At(bytes, 0));
    this.#advance(4);
    return uint32At(this.#chunk, this.#at - 4);
  }

  /** The next `count` bytes, fewer only at the end; the position stays. Valid until the next read. */
  async peek(count: number): Promise<Uint8Array> {
    const wanted = Math.min(count, this.left);
    while (this.#held < wanted) {
      const before = this.#chunk.slice(this.#at);
      await this.#more();
      this.#chunk = Buffer.concat([before, this.#chunk]);
    }
    return this.#chunk.subarray(this.#at, this.#at + wanted);
  }

  /** @throws when fewer bytes are left */
  expect(count: number): void {
    if (!(count >= 0 && count <= this.left)) throw new Error(`${count} bytes where ${this.left} are left`);
  }

  async end(): Promise<void> {
    await this.#chunks.return?.();
  }

  get #held(): number {
    return this.#chunk.length - this.#at;
  }

  #advance(count: number): void {
    this.left -= count;
    this.#at += count;
  }

  /** @returns how many bytes came */
  async #more(): Promise<number> {
    const { done, value } = await this.#chunks.next();
    if (done) throw new Error('a page ends too early');
    this.#chunk = value;
    this.#at = 0;
    return this.#held;
  }
}

function uint32At(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true);
}
