/** The pages of a column chunk in sequence, as their headers describe them. */
import type { DataPageHeader, Encoding, PageHeader } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import { ByteStream, FileRange } from './byte_stream.ts';
import type { ColumnChunk, PageLocation } from './column_chunk.ts';
import { DECOMPRESSORS } from './decompress.ts';
import { KEPT_BYTES, KeptDictionary, StreamedDictionary } from './dictionary.ts';
import {
  DeltaValues,
  type Dictionary,
  DictionaryValues,
  decodeRle,
  PlainValues,
  type Values,
} from './values.ts';

/** Enough for most headers; old writers put values into them. */
const HEADER_BYTES = 2 ** 16;
const MAX_HEADER_BYTES = 4 * 2 ** 20;

/** A page that claims more values is damaged. */
const PAGE_VALUES = 10_000_000;

/** Each entry of a page is a value or null. */
export interface Page {
  /** Of entries. */
  count: number;
  /** The next entry. */
  at: number;
  /** 0 where a row begins; absent: each entry is a row. */
  repetitions?: Uint8Array;
  /** Absent: each entry is a value. */
  definitions?: Uint8Array;
  values: Values;
  end: () => Promise<void>;
}

type PageHeaderV2 = NonNullable<PageHeader['data_page_header_v2']>;

interface Opened extends Pick<Page, 'count' | 'repetitions' | 'definitions'> {
  encoding: Encoding;
  stream: ByteStream;
  /** Of the page in the file. */
  end: number;
}

export class Pages {
  readonly #chunk: ColumnChunk;
  readonly #file: FileRange;
  #dictionary: Dictionary | undefined;
  /** Entries that are still to come, or more after a `seek`. */
  #left: number;

  constructor(chunk: ColumnChunk) {
    this.#chunk = chunk;
    this.#file = new FileRange(chunk.begin, chunk.end);
    this.#left = chunk.entries;
  }

  /**
   * The next page with entries; undefined at the end.
   * @param unwanted rows: a page that holds no others is skipped
   * @returns a number: the rows of a page that was skipped
   */
  async next(unwanted: number): Promise<Page | number | undefined> {
    while (this.#left > 0 && this.#file.left > 0) {
      const { header, begin } = await this.#header();
      this.#file.position = begin;
      const end = begin + header.compressed_page_size;
      if (header.type === 'DICTIONARY_PAGE') this.#dictionary = await this.#readDictionary(header, begin);
      const first = header.type === 'DATA_PAGE' ? header.data_page_header : undefined;
      const second = header.type === 'DATA_PAGE_V2' ? header.data_page_header_v2 : undefined;
      const count = (first ?? second)?.num_values;
      if ((first || second) && count !== 0) {
        this.#left -= bounded(count, Math.min(this.#left, PAGE_VALUES), 'values');
        if (this.#chunk.repeats || unwanted < count!) {
          if (first) return this.#openFirst(header, first, end);
          return this.#openSecond(header, second!, end);
        }
      }
      this.#file.position = end;
      if (count) return count;
    }
    return undefined;
  }

  /** Goes on with this page. */
  async seek({ begin }: PageLocation): Promise<void> {
    const first = this.#chunk.pages?.[0];
    if (first && this.#file.position === this.#chunk.begin && first.begin > this.#chunk.begin) {
      this.readUntil(first);
      const { header, begin } = await this.#header();
      this.#file.position = begin;
      if (header.type === 'DICTIONARY_PAGE') this.#dictionary = await this.#readDictionary(header, begin);
    }
    this.#file.position = begin;
  }

  /** @param page before which reading ahead stops; undefined: at the end */
  readUntil(page: PageLocation | undefined): void {
    this.#file.readUntil = page?.begin ?? this.#chunk.end;
  }

  async end(): Promise<void> {
    this.#file.close();
    await this.#dictionary?.end();
  }

  async #header(): Promise<{ header: PageHeader; begin: number }> {
    for (let size = HEADER_BYTES; ; size *= 8) {
      const bytes = await this.#file.peek(size);
      const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), offset: 0 };
      try {
        const header = parquetHeader(reader);
        bounded(header.compressed_page_size, this.#file.left - reader.offset, 'bytes');
        bounded(header.uncompressed_page_size, 2 ** 31 - 1, 'bytes');
        return { header, begin: this.#file.position + reader.offset };
      } catch (error) {
        if (bytes.length < size || size > MAX_HEADER_BYTES) throw error;
      }
    }
  }

  async #readDictionary(header: PageHeader, begin: number): Promise<Dictionary> {
    const { compressed_page_size: packed, uncompressed_page_size: size } = header;
    const { codec, length } = this.#chunk;
    const count = bounded(header.dictionary_page_header?.num_values, PAGE_VALUES, 'values');
    if (size <= KEPT_BYTES) {
      const stream = decompressed(codec, this.#file, packed, size);
      const bytes = new Uint8Array(size);
      await stream.into(bytes);
      await stream.end();
      return new KeptDictionary(bytes, count, length);
    }
    const open = () => {
      const file = new FileRange(begin, begin + packed);
      const stream = decompressed(codec, file, packed, size);
      const end = async () => {
        await stream.end();
        file.close();
      };
      return { values: new PlainValues(stream, length), end };
    };
    return new StreamedDictionary(open, count);
  }

  /** A page of the first version: levels and values are compressed together. */
  async #openFirst(header: PageHeader, about: DataPageHeader, end: number): Promise<Page> {
    const { repeats, valueLevel, codec } = this.#chunk;
    const { num_values: count, encoding } = about;
    const stream = decompressed(
      codec,
      this.#file,
      header.compressed_page_size,
      header.uncompressed_page_size,
    );
    const read = async (max: number, levelEncoding: Encoding) => {
      if (max === 0) return undefined;
      if (levelEncoding !== 'RLE') throw unsupported(`has levels encoded as ${levelEncoding}`);
      return levels(await stream.take(await stream.uint32()), max, count);
    };
    const repetitions = await read(repeats ? 1 : 0, about.repetition_level_encoding);
    const definitions = await read(valueLevel, about.definition_level_encoding);
    return this.#page({ count, repetitions, definitions, encoding, stream, end });
  }

  /** A page of the second version: levels are not compressed. */
  async #openSecond(header: PageHeader, about: PageHeaderV2, end: number): Promise<Page> {
    const { repeats, valueLevel, codec } = this.#chunk;
    const { num_values: count, encoding } = about;
    const { compressed_page_size: pageBytes } = header;
    const repetitionBytes = bounded(about.repetition_levels_byte_length, pageBytes, 'bytes');
    const definitionBytes = bounded(about.definition_levels_byte_length, pageBytes, 'bytes');
    const levelBytes = repetitionBytes + definitionBytes;
    const both = new ByteStream(this.#file.bytes(levelBytes), levelBytes);
    const repetitions = repeats ? levels(await both.take(repetitionBytes), 1, count) : undefined;
    if (!repeats) await both.skip(repetitionBytes);
    const definitions =
      valueLevel > 0 ? levels(await both.take(definitionBytes), valueLevel, count) : undefined;
    this.#file.position = end - pageBytes + levelBytes;
    const packed = bounded(pageBytes - levelBytes, pageBytes, 'bytes');
    const stream = decompressed(
      about.is_compressed === false ? 'UNCOMPRESSED' : codec,
      this.#file,
      packed,
      header.uncompressed_page_size - levelBytes,
    );
    return this.#page({ count, repetitions, definitions, encoding, stream, end });
  }

  async #page({ encoding, stream, end, ...page }: Opened): Promise<Page> {
    let count = page.count;
    for (const level of page.definitions ?? []) if (level !== this.#chunk.valueLevel) count -= 1;
    return {
      ...page,
      at: 0,
      values: await this.#values(encoding, stream, count),
      end: async () => {
        await stream.end();
        this.#file.position = end;
      },
    };
  }

  async #values(encoding: Encoding, stream: ByteStream, count: number): Promise<Values> {
    const { length } = this.#chunk;
    if (encoding === 'PLAIN') return new PlainValues(stream, length);
    if (encoding === 'DELTA_LENGTH_BYTE_ARRAY') return new DeltaValues(stream, count, false);
    if (encoding === 'DELTA_BYTE_ARRAY') return new DeltaValues(stream, count, true);
    if (encoding !== 'RLE_DICTIONARY' && encoding !== 'PLAIN_DICTIONARY')
      throw unsupported(`is encoded as ${encoding}`);
    if (!this.#dictionary) throw new Error('its dictionary is missing');
    const indexes = new Uint32Array(count);
    const width = count > 0 ? (await stream.take(1))[0] : 0;
    if (width) decodeRle(await stream.take(stream.left), bounded(width, 31, 'bits'), indexes);
    return new DictionaryValues(this.#dictionary, indexes);
  }
}

/**
 * @param packed bytes in the file
 * @param size in bytes, decompressed
 */
function decompressed(
  codec: ColumnChunk['codec'],
  file: FileRange,
  packed: number,
  size: number,
): ByteStream {
  const decompress = DECOMPRESSORS[codec];
  if (!decompress) throw unsupported(`is packed as ${codec}`);
  return new ByteStream(decompress(file.bytes(packed)), size);
}

/** The file is sound, but stored in a way that we cannot read. */
function unsupported(what: string): Error {
  const advice = 'write it again with another compression (in Python: compression="zstd")';
  return Object.assign(new Error(`${what}, which is not read here; ${advice}`), { isUnsupported: true });
}

function levels(bytes: Uint8Array, max: number, count: number): Uint8Array {
  return decodeRle(bytes, 32 - Math.clz32(max), new Uint8Array(count));
}

function bounded(value: number | undefined, max: number, what: string): number {
  if (value === undefined || !Number.isInteger(value) || value < 0 || value > max)
    throw new Error(`a page of ${value} ${what}, where ${max} are possible`);
  return value;
}
