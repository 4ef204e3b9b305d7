/** What is made of some rows: their images in one buffer, as a call answers with them, or the number of these. */

const FIRST_BYTES = 2 ** 20;

/** The last one's size: the next is likely as large. */
let before = FIRST_BYTES;

export class Room {
  #most;
  #bytes = new Uint8Array(before);
  #end = 0;
  /** @type {number[]} */
  #starts = [];
  /** @type {number[]} */
  #ends = [];
  #firsts = [0];

  /** @param {number} most bytes of all images */
  constructor(most) {
    this.#most = most;
  }

  /**
   * Where the next image goes.
   *
   * @param {number} length
   */
  #place = (length) => {
    const end = this.#end + length;
    if (end > this.#most) throw Object.assign(new Error('too large'), { tooLarge: true });
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.min(this.#most, Math.max(end, 2 * this.#bytes.length)));
      larger.set(this.#bytes.subarray(0, this.#end));
      this.#bytes = larger;
    }
    const place = this.#bytes.subarray(this.#end, end);
    this.#starts.push(this.#end);
    this.#ends.push(end);
    this.#end = end;
    return place;
  };

  /** @param {import('./values.js').Values} values of which the next is an image */
  add(values) {
    return values.next(this.#place);
  }

  /** An image without bytes. */
  addNone() {
    this.#starts.push(-1);
    this.#ends.push(-1);
  }

  endRow() {
    this.#firsts.push(this.#starts.length);
  }

  images() {
    before = Math.max(FIRST_BYTES, Math.ceil(1.1 * this.#end));
    return {
      buffer: this.#bytes.buffer,
      starts: Float64Array.from(this.#starts),
      ends: Float64Array.from(this.#ends),
      firsts: Int32Array.from(this.#firsts),
    };
  }
}

/** How many images there are, which are passed. */
export class Count {
  #images = 0;
  /** @type {number[]} */
  #counts = [];

  /** @param {import('./values.js').Values} values of which the next is an image */
  add(values) {
    values.pass();
    this.#images += 1;
  }

  addNone() {
    this.#images += 1;
  }

  endRow() {
    this.#counts.push(this.#images);
    this.#images = 0;
  }

  counts() {
    return Int32Array.from(this.#counts);
  }
}
