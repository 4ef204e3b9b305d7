/** The byte strings of a page, one after the other, in every encoding that they have. */
import { deltaBinaryUnpack } from 'hyparquet/src/delta.js';
import { readRleBitPackedHybrid } from 'hyparquet/src/encoding.js';

/** @typedef {import('./flow.js').Flow} Flow */
/** @typedef {import('./dictionary.js').KeptDictionary | import('./dictionary.js').PassedDictionary} Dictionary */
/** @typedef {(length: number) => Uint8Array} Place Makes room for a value. */

/**
 * @typedef {object} Values
 * @property {(place: Place) => Promise<void>} next Puts the next value into the room that is made for it.
 * @property {() => void} pass Leaves the next value out; costs nothing until another is wanted.
 */

/** No image is larger, whatever its length says. */
const VALUE_BYTES = 256 * 2 ** 20;

/** @param {number} length of a value that memory is taken for */
export function roomFor(length) {
  if (length > VALUE_BYTES) throw Object.assign(new Error('too large'), { tooLarge: true });
  return new Uint8Array(length);
}

/** What is left out before the next value. */
class Passing {
  #passed = 0;

  pass() {
    this.#passed += 1;
  }

  /** @param {Place} place */
  next(place) {
    return this.#passed > 0 ? this.#nextAfter(place) : this.read(place);
  }

  /** @param {Place} place */
  async #nextAfter(place) {
    for (; this.#passed > 0; this.#passed--) await this.skip();
    await this.read(place);
  }

  async skip() {}

  /** @param {Place} _place */
  async read(_place) {}
}

/** Each behind its length; or all of one length. */
export class PlainValues extends Passing {
  /** @type {Flow} */
  #flow;
  /** @type {number | undefined} */
  #length;

  /**
   * @param {Flow} flow
   * @param {number} [length]
   */
  constructor(flow, length) {
    super();
    [this.#flow, this.#length] = [flow, length];
  }

  /** @override */
  async skip() {
    await this.#flow.skip(this.#length ?? (await this.#flow.uint32()));
  }

  /** @override @param {Place} place */
  async read(place) {
    const length = this.#length ?? (await this.#flow.uint32());
    this.#flow.expect(length);
    await this.#flow.into(place(length));
  }
}

/** All lengths first, and perhaps before them how much each has in common with the one before. */
export class DeltaValues extends Passing {
  /** @type {Flow} */
  #flow;
  /** @type {number} */
  #count;
  /** @type {boolean} */
  #shares;
  /** @type {Int32Array | undefined} */
  #prefixes;
  /** @type {Int32Array | undefined} */
  #lengths;
  #at = 0;
  #before = new Uint8Array(0);

  /**
   * @param {Flow} flow
   * @param {number} count
   * @param {boolean} shares
   */
  constructor(flow, count, shares) {
    super();
    [this.#flow, this.#count, this.#shares] = [flow, count, shares];
  }

  /** @override */
  async skip() {
    const [prefix, length] = await this.#next();
    if (this.#shares) await this.#join(prefix, length);
    else await this.#flow.skip(length);
  }

  /** @override @param {Place} place */
  async read(place) {
    const [prefix, length] = await this.#next();
    if (!this.#shares) return this.#flow.into(place(length));
    await this.#join(prefix, length);
    place(this.#before.length).set(this.#before);
  }

  /** @returns {Promise<[prefix: number, length: number]>} */
  async #next() {
    if (this.#shares) this.#prefixes ??= await integers(this.#flow, this.#count);
    this.#lengths ??= await integers(this.#flow, this.#count);
    const at = this.#at++;
    const [prefix, length] = [this.#prefixes?.[at] ?? 0, this.#lengths[at] ?? -1];
    this.#flow.expect(length);
    return [prefix, length];
  }

  /**
   * @param {number} prefix
   * @param {number} length
   */
  async #join(prefix, length) {
    if (!(prefix >= 0 && prefix <= this.#before.length)) throw new Error('a prefix longer than its value');
    const value = roomFor(prefix + length);
    value.set(this.#before.subarray(0, prefix));
    await this.#flow.into(value.subarray(prefix));
    this.#before = value;
  }
}

/**
 * @param {Flow} flow
 * @param {number} count
 */
async function integers(flow, count) {
  const values = new Int32Array(count);
  if (count === 0) return values;
  // More than they can take, whatever the sizes of their blocks.
  const bytes = await flow.peek(2 ** 16 + 16 * count);
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), offset: 0 };
  deltaBinaryUnpack(reader, count, values);
  await flow.skip(reader.offset);
  return values;
}

/** Numbers of values in the dictionary. */
export class DictionaryValues extends Passing {
  /** @type {Dictionary} */
  #dictionary;
  /** @type {Uint32Array} */
  #numbers;
  #at = 0;

  /**
   * @param {Dictionary} dictionary
   * @param {Uint32Array} numbers
   */
  constructor(dictionary, numbers) {
    super();
    [this.#dictionary, this.#numbers] = [dictionary, numbers];
    dictionary.expect(numbers);
  }

  /** @override */
  async skip() {
    this.#dictionary.forgo(this.#next());
  }

  /** @override @param {Place} place */
  async read(place) {
    await this.#dictionary.value(this.#next(), place);
  }

  #next() {
    return this.#numbers[this.#at++] ?? -1;
  }
}

/**
 * Numbers as levels and dictionaries have them.
 *
 * @param {Uint8Array} bytes
 * @param {number} width of each in bits, at least 1
 * @template {Uint8Array | Uint32Array} T
 * @param {T} numbers which is filled
 */
export function unpackNumbers(bytes, width, numbers) {
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), offset: 0 };
  readRleBitPackedHybrid(reader, width, numbers, bytes.length);
  return numbers;
}
