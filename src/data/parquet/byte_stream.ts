/** Bytes that come one after the other. */
import { ask } from './asked.js';
import { free } from './free.js';

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
  /** Before this, the chunk is done with. */
  #at = 0;

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
      const part = Math.min(this.#held || (await this.#more()), target.length - done);
      target.set(this.#chunk.subarray(this.#at, this.#at + part), done);
      done += part;
      this.#pass(part);
    }
  }

  /** @param {number} count */
  async skip(count) {
    this.expect(count);
    for (let left = count; left > 0; ) {
      const part = Math.min(this.#held || (await this.#more()), left);
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
    if (count > this.#held) {
      const taken = new Uint8Array(count);
      await this.into(taken);
      return taken;
    }
    this.#pass(count);
    return this.#chunk.subarray(this.#at - count, this.#at);
  }

  /** @returns {number | Promise<number>} */
  uint32() {
    this.expect(4);
    if (this.#held < 4) return this.take(4).then((bytes) => littleEndian(bytes, 0));
    this.#pass(4);
    return littleEndian(this.#chunk, this.#at - 4);
  }

  /**
   * The next bytes, up to `count`, fewer only at the end; they come again.
   *
   * @param {number} count
   */
  async peek(count) {
    const wanted = Math.min(count, this.left);
    while (this.#held < wanted) {
      const before = this.#chunk.slice(this.#at);
      await this.#more();
      this.#chunk = Buffer.concat([before, this.#chunk]);
    }
    return this.#chunk.subarray(this.#at, this.#at + wanted);
  }

  /** @param {number} count */
  expect(count) {
    if (!(count >= 0 && count <= this.left)) throw new Error(`${count} bytes where ${this.left} are left`);
  }

  async end() {
    await this.#chunks.return?.();
  }

  get #held() {
    return this.#chunk.length - this.#at;
  }

  /** @param {number} count */
  #pass(count) {
    this.left -= count;
    this.#at += count;
  }

  /** @returns how many bytes came */
  async #more() {
    const { done, value } = await this.#chunks.next();
    if (done) throw new Error('a page ends too early');
    this.#chunk = value;
    this.#at = 0;
    return this.#held;
  }
}

/**
 * @param {Uint8Array} bytes
 * @param {number} at
 */
function littleEndian(bytes, at) {
  return new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true);
}
