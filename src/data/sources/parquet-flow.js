/** Bytes that come one after the other. */
import { ask, free } from './parquet-asked.js';

/** So much of the file is in memory at a time. */
const PIECE_BYTES = 8 * 2 ** 20;

/** More than this is not taken in one piece: it is no image, only what tells about images. */
const TAKEN_BYTES = 64 * 2 ** 20;

/** A part of the file, read in pieces; what is passed over is not fetched. */
export class FilePart {
  #end;
  #piece = new Uint8Array(0);
  #pieceBegin = 0;

  /**
   * @param {number} begin
   * @param {number} end
   */
  constructor(begin, end) {
    this.position = begin;
    this.#end = end;
  }

  get left() {
    return this.#end - this.position;
  }

  /**
   * The next bytes, up to `count`, fewer only at the end; the position stays. Good until more is read.
   *
   * @param {number} count
   */
  async peek(count) {
    const wanted = Math.min(count, this.left);
    // After a leap of more than a piece, the next may be as long.
    const leapt = this.position > this.#pieceBegin + this.#piece.length;
    if (!this.#holds(wanted)) await this.#fetch(Math.min(leapt ? wanted : PIECE_BYTES, this.left));
    const at = this.position - this.#pieceBegin;
    return this.#piece.subarray(at, at + wanted);
  }

  /**
   * The next `count` bytes as they come. Each piece is good until the next.
   *
   * @param {number} count
   */
  async *bytes(count) {
    const end = this.position + count;
    while (this.position < end) {
      if (!this.#holds(1)) await this.#fetch(Math.min(PIECE_BYTES, this.left));
      const at = this.position - this.#pieceBegin;
      const chunk = this.#piece.subarray(at, at + end - this.position);
      this.position += chunk.length;
      yield chunk;
    }
  }

  /** Nothing more is read. */
  close() {
    this.#pieceBegin += this.#piece.length;
    free([this.#piece.buffer]);
    this.#piece = new Uint8Array(0);
  }

  /** @param {number} count */
  #holds(count) {
    const at = this.position - this.#pieceBegin;
    return at >= 0 && at + count <= this.#piece.length;
  }

  /** @param {number} count */
  async #fetch(count) {
    this.close();
    this.#piece = new Uint8Array(await ask(this.position, this.position + count));
    this.#pieceBegin = this.position;
  }
}

/** Bytes in chunks of any size, each good until the next, taken in other lengths. */
export class Flow {
  #chunks;
  /** @type {Uint8Array} */
  #chunk = new Uint8Array(0);

  /**
   * @param {AsyncIterable<Uint8Array>} chunks
   * @param {number} size of all of them
   */
  constructor(chunks, size) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.left = size;
  }

  /** @param {Uint8Array} target which is filled */
  async into(target) {
    for (let done = 0; done < target.length; ) {
      if (this.#chunk.length === 0) await this.#more();
      const part = this.#chunk.subarray(0, target.length - done);
      target.set(part, done);
      done += part.length;
      this.#pass(part.length);
    }
  }

  /** @param {number} count */
  async skip(count) {
    this.expect(count);
    for (let left = count; left > 0; ) {
      if (this.#chunk.length === 0) await this.#more();
      const part = Math.min(left, this.#chunk.length);
      left -= part;
      this.#pass(part);
    }
  }

  /**
   * Good until more is read.
   *
   * @param {number} count
   */
  async take(count) {
    this.expect(count);
    if (count > TAKEN_BYTES) throw new Error(`${count} bytes where fewer are expected`);
    if (count > this.#chunk.length) {
      const taken = new Uint8Array(count);
      await this.into(taken);
      return taken;
    }
    const taken = this.#chunk.subarray(0, count);
    this.#pass(count);
    return taken;
  }

  async uint32() {
    const bytes = await this.take(4);
    return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  }

  /**
   * The next bytes, up to `count`, fewer only at the end; they come again.
   *
   * @param {number} count
   */
  async peek(count) {
    const wanted = Math.min(count, this.left);
    while (this.#chunk.length < wanted) {
      const before = this.#chunk.slice();
      await this.#more();
      this.#chunk = Buffer.concat([before, this.#chunk]);
    }
    return this.#chunk.subarray(0, wanted);
  }

  /** @param {number} count */
  expect(count) {
    if (!(count >= 0 && count <= this.left)) throw new Error(`${count} bytes where ${this.left} are left`);
  }

  async end() {
    await this.#chunks.return?.();
  }

  /** @param {number} count */
  #pass(count) {
    this.left -= count;
    this.#chunk = this.#chunk.subarray(count);
  }

  async #more() {
    const { done, value } = await this.#chunks.next();
    if (done) throw new Error('a page ends too early');
    this.#chunk = value;
  }
}
