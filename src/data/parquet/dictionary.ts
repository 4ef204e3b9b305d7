/** The dictionary of a column chunk: values that pages point to by their numbers. */

import { roomFor } from './values.js';

/** @typedef {import('./values.js').Place} Place */
/** @typedef {import('./values.js').PlainValues} PlainValues */
/** @typedef {{ values: PlainValues, end: () => Promise<void> }} Reading */

/** So much of a dictionary is in memory. */
export const KEPT_BYTES = 32 * 2 ** 20;

/** All of it in memory. */
export class KeptDictionary {
  /** @type {Uint8Array} */
  #bytes;
  /** Of each value in `#bytes`. */
  /** @type {Uint32Array} */
  #starts;
  /** @type {Uint32Array} */
  #ends;

  /**
   * @param {Uint8Array} bytes of the page
   * @param {number} count of values
   * @param {number} [length] of all values; absent: each is behind its own
   */
  constructor(bytes, count, length) {
    if (count * (length ?? 4) > bytes.length) throw new Error(`a dictionary of ${count} values`);
    this.#bytes = bytes;
    [this.#starts, this.#ends] = [new Uint32Array(count), new Uint32Array(count)];
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let number = 0, at = 0; number < count; number++) {
      if (length === undefined) at += 4;
      const end = at + (length ?? view.getUint32(at - 4, true));
      if (end > bytes.length) throw new Error('a dictionary that ends too early');
      [this.#starts[number], this.#ends[number]] = [at, end];
      at = end;
    }
  }

  /** @param {Uint32Array} numbers of values that a page points to */
  expect(numbers) {
    expectIn(numbers, this.#starts.length);
  }

  forgo() {}

  /**
   * @param {number} number
   * @param {Place} place
   */
  async value(number, place) {
    const value = this.#bytes.subarray(this.#starts[number], this.#ends[number]);
    place(value.length).set(value);
  }

  async end() {}
}

/**
 * Of photographs, each of which is there once, a dictionary may be hundreds of megabytes. Writers number values as they
 * come: it is read beside the pages that point into it.
 */
export class PassedDictionary {
  /** @type {() => Reading} */
  #open;
  /** @type {number} */
  #keptBytes;
  /** How often each value is still wanted. */
  #uses;
  /** @type {Map<number, Uint8Array>} Values that are wanted again. */
  #kept = new Map();
  /** @type {Reading | undefined} */
  #reading;
  #next = 0;

  /**
   * @param {() => Reading} open begins at the first value
   * @param {number} count of values
   * @param {number} keptBytes room for values that are wanted again; what has none is read again
   */
  constructor(open, count, keptBytes = KEPT_BYTES) {
    [this.#open, this.#keptBytes] = [open, keptBytes];
    this.#uses = new Uint32Array(count);
  }

  /** @param {Uint32Array} numbers of values that a page points to */
  expect(numbers) {
    expectIn(numbers, this.#uses.length);
    for (const number of numbers) this.#uses[number] = this.#usesOf(number) + 1;
  }

  /** @param {number} number of an expected value that is not wanted after all */
  forgo(number) {
    this.#uses[number] = this.#usesOf(number) - 1;
    const kept = this.#kept.get(number);
    if (!kept || this.#usesOf(number) > 0) return;
    this.#kept.delete(number);
    this.#keptBytes += kept.length;
  }

  /**
   * @param {number} number of an expected value
   * @param {Place} place
   */
  async value(number, place) {
    const value = this.#kept.get(number) ?? (await this.#read(number));
    place(value.length).set(value);
    this.forgo(number);
  }

  async end() {
    await this.#reading?.end();
    this.#reading = undefined;
    this.#next = 0;
  }

  /**
   * Reads on to this value, or from the beginning.
   *
   * @param {number} number
   */
  async #read(number) {
    if (number < this.#next) await this.end();
    this.#reading ??= this.#open();
    const { values } = this.#reading;
    for (; ; this.#next++) {
      const isIt = this.#next === number;
      const isWanted = this.#usesOf(this.#next) > 0 && !this.#kept.has(this.#next);
      if (!isWanted && !isIt) values.pass();
      else {
        const value = await nextOf(values);
        if (this.#usesOf(this.#next) > Number(isIt)) this.#keep(this.#next, value);
        if (isIt) {
          this.#next += 1;
          return value;
        }
      }
    }
  }

  /**
   * @param {number} number
   * @param {Uint8Array} value
   */
  #keep(number, value) {
    if (value.length > this.#keptBytes) return;
    this.#kept.set(number, value);
    this.#keptBytes -= value.length;
  }

  /** @param {number} number */
  #usesOf(number) {
    return this.#uses[number] ?? 0;
  }
}

/** @param {PlainValues} values */
async function nextOf(values) {
  let value = new Uint8Array(0);
  await values.next((length) => {
    value = roomFor(length);
    return value;
  });
  return value;
}

/**
 * @param {Uint32Array} numbers
 * @param {number} count
 */
function expectIn(numbers, count) {
  for (const number of numbers)
    if (number >= count) throw new Error(`no value ${number} in its dictionary of ${count}`);
}
