/** Row groups that go by in a stream: every way of packing them, to the byte, without more of them than is needed. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { Binary, Field, List, Struct, Table, tableToIPC, Utf8, vectorFromArray } from 'apache-arrow';
import { decompress } from 'fzstd';
import { parquetReadObjects, snappyUncompress } from 'hyparquet';
import {
  Compression,
  Encoding,
  Table as ParquetTable,
  WriterPropertiesBuilder,
  WriterVersion,
  writeParquet,
} from 'parquet-wasm';
import { afterAll, describe, expect, test } from 'vitest';
import { ByteStream } from '../../src/data/parquet/byte_stream.ts';
import { StreamedDictionary } from '../../src/data/parquet/dictionary.ts';
import { decompressLz4 } from '../../src/data/parquet/lz4.ts';
import { readImages } from '../../src/data/parquet/parquet_images.ts';
import { listAll } from '../../src/data/parquet/parquet_listing.ts';
import { type ParquetFile, ParquetReader } from '../../src/data/parquet/parquet_reader.ts';
import { decompressSnappy } from '../../src/data/parquet/snappy.ts';
import { PlainValues } from '../../src/data/parquet/values.ts';
import { noise } from './hub_opened.ts';
import { outcome } from './made.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures/parquet', import.meta.url));

const image = new Struct([new Field('bytes', new Binary(), true), new Field('path', new Utf8(), true)]);
const images = new List(new Field('item', image, true));

/** One for all tests: a thread takes longer to start than a small file to read. */
const reader = new ParquetReader({ labelled: false, texts: false });
afterAll(() => reader.close());

let files = 0;

/** A file of which every range that is asked for is noted. */
function remote(bytes: Uint8Array): { file: ParquetFile; ranges: [begin: number, end: number][] } {
  const ranges: [number, number][] = [];
  const name = `${files++}.parquet`;
  const read = async (begin: number, end: number) => {
    ranges.push([begin, end]);
    return bytes.subarray(begin, end);
  };
  const access = { name, size: bytes.length, stamp: name, read };
  return { file: { key: name, name, size: bytes.length, stamp: name, open: async () => access }, ranges };
}

const sum = (ranges: [number, number][]) => ranges.reduce((total, [begin, end]) => total + end - begin, 0);

/** The images of each row, as text, read in windows of `step` rows: every `nth` from row `from` on. */
async function rowsOf(file: ParquetFile, step: number, nth = 1, from = 0): Promise<(string | null)[][]> {
  const rows: (string | null)[][] = [];
  const { groups } = await reader.shape(file);
  for (const [group, { rows: count }] of groups.entries()) {
    for (let offset = from; offset < count; offset += nth * step) {
      const window = { group, offset, limit: Math.min(step, count - offset) };
      const { buffer, starts, ends, firsts } = await reader.images(file, window);
      for (let row = 0; row < window.limit; row++) {
        const found = Array.from(starts.subarray(firsts[row], firsts[row + 1]), (start, i) =>
          start < 0 ? null : Buffer.from(buffer, start, ends[firsts[row]! + i]! - start).toString('latin1'),
        );
        rows.push(found);
      }
    }
  }
  return rows;
}

const compressors = {
  GZIP: (bytes: Uint8Array) => gunzipSync(bytes),
  BROTLI: (bytes: Uint8Array) => brotliDecompressSync(bytes),
  ZSTD: (bytes: Uint8Array, size: number) => decompress(bytes, new Uint8Array(size)),
};

/** The same by hyparquet. */
async function rowsByHyparquet(bytes: Uint8Array): Promise<(string | null)[][]> {
  const file = new Uint8Array(bytes).buffer;
  const text = (value: { bytes?: Uint8Array } | Uint8Array | null) => {
    const content = value && 'bytes' in value ? value.bytes : (value as Uint8Array | null);
    return content ? Buffer.from(content).toString('latin1') : null;
  };
  const rows = await parquetReadObjects({ file, utf8: false, compressors });
  return rows.map((row) => ('images' in row ? (row.images ?? []).map(text) : [text(row.image)]));
}

test.each(readdirSync(FIXTURES))('written by pyarrow: %s', async (name) => {
  const bytes = readFileSync(`${FIXTURES}/${name}`);
  const expected = await rowsByHyparquet(bytes);
  expect([expected.length, expected.flat().filter(Boolean).length]).toEqual([60, expect.any(Number)]);
  const { file } = remote(bytes);
  expect((await reader.shape(file)).groups.map(({ inPages }) => inPages)).toEqual([false]);
  expect(await rowsOf(file, 7)).toEqual(expected);
  expect(await rowsOf(file, 60)).toEqual(expected);
});

const contents = Array.from({ length: 100 }, (_, i) =>
  i % 10 === 4 ? null : Array.from({ length: i % 4 }, (_, k) => valueAt((7 * i + k) % 60)),
);

function valueAt(i: number): Buffer | null {
  return i % 11 === 5 ? null : Buffer.concat([Buffer.alloc(i, 'abc'), noise(10 + i, i)]);
}

/** Rows of lists of images, in pages of some rows each, by parquet-wasm. */
function honey(change: (builder: WriterPropertiesBuilder) => WriterPropertiesBuilder): Uint8Array {
  const rows = contents.map((row) => row?.map((bytes) => ({ bytes, path: null })) ?? null);
  const table = new Table({ images: vectorFromArray(rows, images) });
  const builder = new WriterPropertiesBuilder().setDataPageSizeLimit(300).setWriteBatchSize(4);
  return writeParquet(ParquetTable.fromIPCStream(tableToIPC(table, 'stream')), change(builder).build());
}

const CODECS = ['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'BROTLI', 'ZSTD', 'LZ4_RAW'] as const;
const WAYS: [string, (builder: WriterPropertiesBuilder) => WriterPropertiesBuilder][] = [
  ['plain', (builder) => builder.setDictionaryEnabled(false)],
  ['a dictionary', (builder) => builder.setDictionaryEnabled(true)],
  ['a dictionary, many pages', (builder) => builder.setDictionaryEnabled(true).setDataPageSizeLimit(8)],
  ['a dictionary that is given up', (builder) => builder.setDictionaryPageSizeLimit(500)],
  [
    'lengths first',
    (builder) => builder.setDictionaryEnabled(false).setEncoding(Encoding.DELTA_LENGTH_BYTE_ARRAY),
  ],
  [
    'common beginnings',
    (builder) => builder.setDictionaryEnabled(false).setEncoding(Encoding.DELTA_BYTE_ARRAY),
  ],
];
const cases = CODECS.flatMap((codec) =>
  WAYS.flatMap(([way, change]) =>
    [WriterVersion.V1, WriterVersion.V2].map((version) => ({ codec, way, change, version })),
  ),
);

test.each(cases)('lists of images: $codec, $way, pages of version $version', async (one) => {
  const bytes = honey((builder) =>
    one.change(builder).setCompression(Compression[one.codec]).setWriterVersion(one.version),
  );
  const expected = contents.map((row) => (row ?? []).map((value) => value?.toString('latin1') ?? null));
  const { file } = remote(bytes);
  expect(await rowsOf(file, 9)).toEqual(expected);
  expect(await rowsOf(file, 3, 7, 40)).toEqual(expected.slice(40).filter((_, row) => row % 21 < 3));
});

/** So many images of noise, of a megabyte each, in pages of one image or in one page. */
function large(count: number, isOnePage: boolean, bytes = 2 ** 20): Uint8Array {
  const rows = Array.from({ length: count }, (_, i) => ({ bytes: noise(bytes, i), path: null }));
  const properties = new WriterPropertiesBuilder()
    .setDictionaryEnabled(false)
    .setCompression(Compression.SNAPPY)
    .setDataPageSizeLimit(isOnePage ? 2 ** 30 : 1000)
    .setWriteBatchSize(isOnePage ? 1024 : 1)
    .build();
  const table = new Table({ image: vectorFromArray(rows, image) });
  return writeParquet(ParquetTable.fromIPCStream(tableToIPC(table, 'stream')), properties);
}

describe('what is read', () => {
  test('pages that are passed over are not fetched', async () => {
    const { file, ranges } = remote(large(4, false, 10 * 2 ** 20));
    await reader.shape(file);
    ranges.length = 0;
    const window = { group: 0, offset: 2, limit: 1 };
    const { buffer, ends } = await reader.images(file, window);
    expect(Buffer.compare(noise(10 * 2 ** 20, 2), new Uint8Array(buffer, 0, ends[0]))).toBe(0);
    expect(sum(ranges)).toBeLessThan(18 * 2 ** 20);
    expect(ranges.length).toBeLessThan(10);
  });

  test('with an index of the pages, what lies between two windows costs no read', async () => {
    const { file, ranges } = remote(large(40, false));
    expect((await reader.shape(file)).groups[0]!.inPages).toBe(true);
    ranges.length = 0;
    for (const offset of [21, 36]) {
      const { buffer, starts, ends } = await reader.images(file, { group: 0, offset, limit: 2 });
      for (const i of [0, 1]) {
        const bytes = new Uint8Array(buffer, starts[i], ends[i]! - starts[i]!);
        expect(Buffer.compare(bytes, noise(2 ** 20, offset + i))).toBe(0);
      }
    }
    expect(ranges.length).toBe(2);
    expect(sum(ranges)).toBeLessThan(4.01 * 2 ** 20);
  });

  test('a page larger than a window is read once, though there is an index', async () => {
    const { file, ranges } = remote(large(20, true));
    const { groups } = await reader.shape(file);
    expect(groups.map(({ rows, inPages }) => [rows, inPages])).toEqual([[20, false]]);
    const listing = await listAll(reader, file);
    const seen: number[] = [];
    for await (const read of readImages(reader, file, listing, () => true)) {
      if ('bytes' in read && Buffer.compare(read.bytes, noise(2 ** 20, read.index)) === 0)
        seen.push(read.index);
    }
    expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(sum(ranges)).toBeLessThan(1.1 * file.size);
    expect(Math.max(...ranges.map(([begin, end]) => end - begin))).toBeLessThan(9 * 2 ** 20);
  });

  test('how many images a row has, where only they can tell', async () => {
    const rows = Array.from({ length: 30 }, (_, i) =>
      Array.from({ length: i % 4 }, (_, k) => noise(300_000, i + k)),
    );
    const table = new Table({
      images: vectorFromArray(rows, new List(new Field('item', new Binary(), true))),
    });
    const properties = new WriterPropertiesBuilder()
      .setDictionaryEnabled(false)
      .setDataPageSizeLimit(2 ** 30)
      .build();
    const bytes = writeParquet(ParquetTable.fromIPCStream(tableToIPC(table, 'stream')), properties);
    const { file, ranges } = remote(bytes);
    expect((await reader.shape(file)).groups[0]!.inPages).toBe(false);
    ranges.length = 0;
    const { names } = await listAll(reader, file);
    expect(names).toEqual(rows.flatMap((row, i) => row.map((_, k) => `${i}.${k}`)));
    expect(sum(ranges)).toBeLessThan(1.1 * 2 ** 23);
  });

  test('a compression that is not known is told as such', async () => {
    const { file } = remote(honey((builder) => builder.setCompression(Compression.LZ4)));
    const window = { group: 0, offset: 0, limit: 4 };
    expect(await outcome(reader.images(file, window))).toMatch(
      /, row group 0: it is packed as LZ4, which is not read here; write it again with another compression/,
    );
  });

  test('a page that is damaged is told; the next call goes through', async () => {
    const bytes = Buffer.from(large(12, false));
    const at = bytes.indexOf(noise(2 ** 20, 6).subarray(0, 32));
    const damaged = remote(Buffer.from(bytes).fill(0xff, at - 40, at)).file;
    const window = { group: 0, offset: 5, limit: 4 };
    expect(await outcome(reader.images(damaged, window))).toMatch(
      /^UserError: ".+", row group 0: row group 0 can't be read, the file is damaged \(.+\); fetch it again$/,
    );
    expect((await reader.images(damaged, { ...window, offset: 2 })).starts.length).toBe(4);
  });
});

describe('a dictionary that is read beside its pages', () => {
  const values = Array.from({ length: 40 }, (_, i) => noise(100, i));

  /** What the numbers stand for, read through a dictionary with so much room; and how often it was opened. */
  async function read(pages: number[][], keptBytes: number, forgone: (number: number) => boolean) {
    let opens = 0;
    const dictionary = new StreamedDictionary(
      () => {
        opens += 1;
        const bytes = values.flatMap((value) => [Buffer.from([value.length, 0, 0, 0]), value]);
        const chunks = (async function* () {
          yield* bytes;
        })();
        const size = values.reduce((total, { length }) => total + 4 + length, 0);
        return { values: new PlainValues(new ByteStream(chunks, size)), end: async () => {} };
      },
      values.length,
      keptBytes,
    );
    const found: Uint8Array[] = [];
    for (const page of pages) {
      dictionary.expect(Uint32Array.from(page));
      for (const number of page) {
        if (forgone(number)) dictionary.discard(number);
        else
          await dictionary.value(number, (length) => {
            found.push(new Uint8Array(length));
            return found.at(-1)!;
          });
      }
    }
    const expected = pages.flat().filter((number) => !forgone(number));
    expect(found.length).toBe(expected.length);
    for (const [i, number] of expected.entries()) expect(Buffer.compare(values[number]!, found[i]!)).toBe(0);
    return opens;
  }

  test('in order, and what comes again is kept', async () => {
    const page = [0, 1, 2, 0, 3, 4, 4, 1, 5, 20, 7, 39];
    expect(await read([page], 1000, () => false)).toBe(1);
    expect(await read([page], 1000, (number) => number % 3 === 0)).toBe(1);
  });

  test('without room, or wanted again by a later page: from the beginning', async () => {
    expect(await read([[0, 1, 2, 0, 3]], 50, () => false)).toBe(2);
    expect(
      await read(
        [
          [0, 1, 2, 3],
          [4, 1, 5],
        ],
        1000,
        () => false,
      ),
    ).toBe(2);
    // What was kept is let go when it is done with.
    const again = Array.from({ length: 40 }, (_, i) => [i, i]).flat();
    expect(await read([again], 150, () => false)).toBe(1);
  });

  test('numbers that are not in it', async () => {
    expect(await outcome(read([[0, 40]], 1000, () => false))).toBe(
      'Error: no value 40 in its dictionary of 40',
    );
  });
});

test('snappy: literals and copies of every kind, in chunks of any size, through more than its window', async () => {
  const parts: Uint8Array[] = [];
  let size = 0;
  for (let i = 0; size < 7_000_000; i++) {
    const literal = noise([61, 3, 60, 300, 70_000][i % 5]!, i);
    const length = literal.length - 1;
    if (length < 60) parts.push(Buffer.from([length << 2]), literal);
    else parts.push(Buffer.from([62 << 2, length & 255, (length >> 8) & 255, length >> 16]), literal);
    parts.push(Buffer.from([1 + (3 << 2), 3]), Buffer.from([2 + (63 << 2), 60, 0]));
    size += literal.length + 7 + 64;
    if (i < 5) continue;
    const far = Buffer.from([3 + (40 << 2), 0, 0, 0, 0]);
    far.writeUInt32LE(70_000 + i, 1);
    parts.push(far);
    size += 41;
  }
  const length = [(size & 127) | 128, ((size >> 7) & 127) | 128, ((size >> 14) & 127) | 128, size >> 21];
  const packed = Buffer.concat([Buffer.from(length), ...parts]);
  const expected = new Uint8Array(size);
  snappyUncompress(packed, expected);
  for (const step of [packed.length, 100_000, 4099])
    expect(Buffer.compare(await unpacked(decompressSnappy, packed, step), expected)).toBe(0);
});

test('lz4: literals and copies of all lengths, in chunks of any size, through more than its window', async () => {
  const [parts, expected] = [[] as Uint8Array[], Buffer.alloc(7_000_000)];
  let size = 0;
  /** What does not fit into 4 bits. */
  const more = (length: number) =>
    length < 15 ? [] : [...Array(Math.floor((length - 15) / 255)).fill(255), (length - 15) % 255];
  for (let i = 0; size < 6_500_000; i++) {
    const literal = noise([5, 0, 14, 15, 270, 300, 70_000][i % 7]!, i);
    const [offset, copy] = [1 + ((i * 7919) % Math.min(65_535, size + literal.length)), (i * i) % 700];
    const token = (Math.min(15, literal.length) << 4) + Math.min(15, copy);
    parts.push(Buffer.from([token, ...more(literal.length)]), literal);
    parts.push(Buffer.from([offset & 255, offset >> 8, ...more(copy)]));
    expected.set(literal, size);
    size += literal.length;
    for (const end = size + copy + 4; size < end; size++) expected[size] = expected[size - offset]!;
  }
  const packed = Buffer.concat([...parts, Buffer.from([0x10, 7])]);
  expected[size] = 7;
  for (const step of [packed.length, 100_000, 4099])
    expect(Buffer.compare(await unpacked(decompressLz4, packed, step), expected.subarray(0, size + 1))).toBe(
      0,
    );
});

async function unpacked(
  unpack: (chunks: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>,
  packed: Uint8Array,
  step: number,
): Promise<Buffer> {
  const found: Uint8Array[] = [];
  const chunks = (async function* () {
    for (let at = 0; at < packed.length; at += step) yield packed.subarray(at, at + step);
  })();
  for await (const piece of unpack(chunks)) found.push(Buffer.from(piece));
  return Buffer.concat(found);
}
