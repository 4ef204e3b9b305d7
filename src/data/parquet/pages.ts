/** The pages of a column chunk, one after the other, as its own headers tell them. */
import { parquetHeader } from 'hyparquet/src/column.js';
import { UNPACK } from './decompress.js';
import { KEPT_BYTES, KeptDictionary, PassedDictionary } from './dictionary.js';
import { FilePart, Flow } from './flow.js';
import { DeltaValues, DictionaryValues, PlainValues, unpackNumbers } from './values.js';

/** @typedef {import('./chunk.js').Chunk} Chunk */
/** @typedef {import('hyparquet').PageHeader} PageHeader */

/** A header is some bytes long, unless old writers put values into it. */
const HEADER_BYTES = 2 ** 16;
const MOST_HEADER_BYTES = 4 * 2 ** 20;

/** More values in a page are not believed. */
const PAGE_VALUES = 10_000_000;

/**
 * What a page holds; each entry is a value, or tells that there is none.
 *
 * @typedef {object} Page
 * @property {number} count of entries
 * @property {number} at Entries before this one are done with.
 * @property {Uint8Array} [repetitions] 0 where a row begins; absent: each entry is a row.
 * @property {Uint8Array} [definitions] Absent: each entry is a value.
 * @property {import('./values.js').Values} values
 * @property {() => Promise<void>} end
 */

/** What comes next, page by page. */
export class Pages {
  #chunk;
  #part;
  /** @type {KeptDictionary | PassedDictionary | undefined} */
  #dictionary;
  #left;

  /** @param {Chunk} chunk */
  constructor(chunk) {
    this.#chunk = chunk;
    this.#part = new FilePart(chunk.begin, chunk.end);
    this.#left = chunk.values;
  }

  /**
   * The next page with values; undefined at the end.
   *
   * @param {number} [passed] rows that are not wanted: pages that hold no others are not read
   * @returns {Promise<Page | number | undefined>} A number: so many rows were passed, a page of them.
   */
  async next(passed = 0) {
    while (this.#left > 0) {
      const { header, begin } = await this.#header();
      this.#part.position = begin;
      const { data_page_header: first, data_page_header_v2: second } = header;
      if (header.type === 'DICTIONARY_PAGE') this.#dictionary = await this.#dictionaryOf(header, begin);
      const about = header.type === 'DATA_PAGE' ? first : header.type === 'DATA_PAGE_V2' ? second : undefined;
      const end = begin + header.compressed_page_size;
      if (!about || about.num_values === 0) this.#part.position = end;
      else {
        this.#left -= bounded(about.num_values, Math.min(this.#left, PAGE_VALUES), 'values');
        if (!this.#chunk.repeats && passed >= about.num_values) {
          this.#part.position = end;
          return about.num_values;
        }
        if (second && about === second) return this.#second(header, second, end);
        return this.#first(header, /** @type {import('hyparquet').DataPageHeader} */ (first), end);
      }
    }
    return undefined;
  }

  async end() {
    this.#part.close();
    await this.#dictionary?.end();
  }

  async #header() {
    for (let size = HEADER_BYTES; ; size *= 8) {
      const bytes = await this.#part.peek(size);
      const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), offset: 0 };
      try {
        const header = parquetHeader(reader);
        const left = this.#part.left - reader.offset;
        bounded(header.compressed_page_size, left, 'bytes');
        bounded(header.uncompressed_page_size, 2 ** 31 - 1, 'bytes');
        return { header, begin: this.#part.position + reader.offset };
      } catch (error) {
        if (bytes.length < size || size > MOST_HEADER_BYTES) throw error;
      }
    }
  }

  /**
   * @param {PageHeader} header
   * @param {number} begin
   */
  async #dictionaryOf({ dictionary_page_header: about, ...header }, begin) {
    const { compressed_page_size: packed, uncompressed_page_size: size } = header;
    const { codec, length } = this.#chunk;
    const count = bounded(about?.num_values, PAGE_VALUES, 'values');
    if (size <= KEPT_BYTES) {
      const flow = unpacked(codec, this.#part, packed, size);
      const bytes = new Uint8Array(size);
      await flow.into(bytes);
      await flow.end();
      return new KeptDictionary(bytes, count, length);
    }
    const open = () => {
      const part = new FilePart(begin, begin + packed);
      const flow = unpacked(codec, part, packed, size);
      const end = async () => {
        await flow.end();
        part.close();
      };
      return { values: new PlainValues(flow, length), end };
    };
    return new PassedDictionary(open, count);
  }

  /**
   * A page of the first version: levels and values are packed together.
   *
   * @param {PageHeader} header
   * @param {import('hyparquet').DataPageHeader} about
   * @param {number} end
   * @returns {Promise<Page>}
   */
  async #first(header, { num_values: count, encoding, ...about }, end) {
    const { repeats, defined, codec } = this.#chunk;
    const flow = unpacked(codec, this.#part, header.compressed_page_size, header.uncompressed_page_size);
    const read = async (/** @type {number} */ most, /** @type {string} */ packing) => {
      if (most === 0) return undefined;
      if (packing !== 'RLE') throw foreign(`has levels packed as ${packing}`);
      return levels(await flow.take(await flow.uint32()), most, count);
    };
    const repetitions = await read(repeats ? 1 : 0, about.repetition_level_encoding);
    const definitions = await read(defined, about.definition_level_encoding);
    return this.#page({ count, repetitions, definitions, encoding, flow, end });
  }

  /**
   * A page of the second version: levels are not packed.
   *
   * @param {PageHeader} header
   * @param {NonNullable<PageHeader['data_page_header_v2']>} about
   * @param {number} end
   * @returns {Promise<Page>}
   */
  async #second(header, { num_values: count, encoding, ...about }, end) {
    const { repeats, defined, codec } = this.#chunk;
    const { repetition_levels_byte_length: first, definition_levels_byte_length: second } = about;
    const sizes =
      bounded(first, header.compressed_page_size, 'bytes') +
      bounded(second, header.compressed_page_size, 'bytes');
    const both = new Flow(this.#part.bytes(sizes), sizes);
    const repetitions = repeats ? levels(await both.take(first), 1, count) : undefined;
    if (!repeats) await both.skip(first);
    const definitions = defined > 0 ? levels(await both.take(second), defined, count) : undefined;
    this.#part.position = end - header.compressed_page_size + sizes;
    const way = about.is_compressed === false ? 'UNCOMPRESSED' : codec;
    const packed = bounded(header.compressed_page_size - sizes, header.compressed_page_size, 'bytes');
    const flow = unpacked(way, this.#part, packed, header.uncompressed_page_size - sizes);
    return this.#page({ count, repetitions, definitions, encoding, flow, end });
  }

  /**
   * @param {Pick<Page, 'count' | 'repetitions' | 'definitions'> & { encoding: string, flow: Flow, end: number }} opened
   * @returns {Promise<Page>}
   */
  async #page({ encoding, flow, end, ...page }) {
    let count = page.count;
    for (const level of page.definitions ?? []) if (level !== this.#chunk.defined) count -= 1;
    return {
      ...page,
      at: 0,
      values: await this.#values(encoding, flow, count),
      end: async () => {
        await flow.end();
        this.#part.position = end;
      },
    };
  }

  /**
   * @param {string} encoding
   * @param {Flow} flow
   * @param {number} count
   */
  async #values(encoding, flow, count) {
    const { length } = this.#chunk;
    if (encoding === 'PLAIN') return new PlainValues(flow, length);
    if (encoding === 'DELTA_LENGTH_BYTE_ARRAY') return new DeltaValues(flow, count, false);
    if (encoding === 'DELTA_BYTE_ARRAY') return new DeltaValues(flow, count, true);
    if (encoding !== 'RLE_DICTIONARY' && encoding !== 'PLAIN_DICTIONARY')
      throw foreign(`is encoded as ${encoding}`);
    if (!this.#dictionary) throw new Error('its dictionary is not there');
    const numbers = new Uint32Array(count);
    const width = count > 0 ? (await flow.take(1))[0] : 0;
    if (width) unpackNumbers(await flow.take(flow.left), bounded(width, 31, 'bits'), numbers);
    return new DictionaryValues(this.#dictionary, numbers);
  }
}

/**
 * @param {string} codec
 * @param {FilePart} part
 * @param {number} packed bytes
 * @param {number} size in bytes, unpacked
 */
function unpacked(codec, part, packed, size) {
  const unpack = UNPACK[codec];
  if (!unpack) throw foreign(`is packed as ${codec}`);
  return new Flow(unpack(part.bytes(packed)), size);
}

/**
 * No fault of the file.
 *
 * @param {string} what
 */
function foreign(what) {
  const advice = 'write it anew with another compression (in Python: compression="zstd")';
  return Object.assign(new Error(`${what}, which is not read here; ${advice}`), { isForeign: true });
}

/**
 * @param {Uint8Array} bytes
 * @param {number} most
 * @param {number} count
 */
function levels(bytes, most, count) {
  return unpackNumbers(bytes, 32 - Math.clz32(most), new Uint8Array(count));
}

/**
 * @param {number | undefined} value
 * @param {number} most
 * @param {string} what
 */
function bounded(value, most, what) {
  if (value === undefined || !Number.isInteger(value) || value < 0 || value > most)
    throw new Error(`a page of ${value} ${what}, where ${most} are possible`);
  return value;
}
