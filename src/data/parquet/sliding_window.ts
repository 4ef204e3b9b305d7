/** Unpacked bytes of the kinds of packing that copy what was there before: a window of them. */

/** No packer looks back further than 64 kB, though snappy has room for it. */
const HISTORY_BYTES = 2 ** 20;
const OUTPUT_BYTES = 4 * 2 ** 20;

/** The longest copy. */
export const COPY_BYTES = 64;

/** What was unpacked: some that is new, and before it what copies may come from. */
export class LookBack {
  #bytes = new Uint8Array(HISTORY_BYTES + OUTPUT_BYTES);
  #end = 0;
  #taken = 0;

  /** Whether a copy might not find room. */
  get isFull() {
    return this.#bytes.length - this.#end < COPY_BYTES;
  }

  /** What is new, until more is added. */
  take() {
    const taken = this.#bytes.subarray(this.#taken, this.#end);
    this.#taken = this.#end;
    return taken;
  }

  /** Forgets what is too far back. */
  makeRoom() {
    this.#bytes.copyWithin(0, this.#end - HISTORY_BYTES, this.#end);
    this.#taken = this.#end = HISTORY_BYTES;
  }

  /**
   * Bytes of a literal, as many as there is room for.
   *
   * @param {Uint8Array} input
   * @param {number} begin
   * @param {number} end
   * @returns {number} how many
   */
  add(input, begin, end) {
    const part = input.subarray(begin, Math.min(end, begin + this.#bytes.length - this.#end));
    this.#bytes.set(part, this.#end);
    this.#end += part.length;
    return part.length;
  }

  /**
   * Bytes that were there before, at most `COPY_BYTES`; they may overlap with what comes of them.
   *
   * @param {number} offset
   * @param {number} length
   */
  copy(offset, length) {
    if (offset === 0 || offset > this.#end) throw new Error(`it looks back ${offset} bytes`);
    const [bytes, end] = [this.#bytes, this.#end];
    for (let at = end; at < end + length; at++) bytes[at] = /** @type {number} */ (bytes[at - offset]);
    this.#end = end + length;
  }
}
