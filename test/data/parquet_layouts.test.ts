/** Every layout of images found in the wild: read to the byte, or refused with a sentence that says what to do. */
import {
  Binary,
  Bool,
  type DataType,
  Dictionary,
  Field,
  Float64,
  Int32,
  Int64,
  LargeBinary,
  LargeUtf8,
  List,
  Struct,
  Table,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';
import {
  Compression,
  Table as ParquetTable,
  type WriterProperties,
  WriterPropertiesBuilder,
  WriterVersion,
  writeParquet,
} from 'parquet-wasm';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { readImages } from '../../src/data/parquet/parquet_images.ts';
import { listAll } from '../../src/data/parquet/parquet_listing.ts';
import { type ParquetFile, ParquetReader } from '../../src/data/parquet/parquet_reader.ts';
import type { Role, Source } from '../../src/data/part.ts';
import { parquetPartsOf } from '../../src/data/sources/parquet_source.ts';
import { noise } from './hub_opened.ts';
import { outcome } from './made.ts';

type Columns = Record<string, [values: unknown[], type: DataType]>;

const image = new Struct([new Field('bytes', new Binary(), true), new Field('path', new Utf8(), true)]);
const images = new List(new Field('item', image, true));
const talk = new List(
  new Field(
    'item',
    new Struct([new Field('from', new Utf8(), true), new Field('value', new Utf8(), true)]),
    true,
  ),
);

/** A parquet file of these columns. */
function parquetOf(columns: Columns, properties: WriterProperties = new WriterPropertiesBuilder().build()) {
  const vectors = Object.entries(columns).map(([name, [values, type]]) => [
    name,
    vectorFromArray(values, type),
  ]);
  const table = new Table(Object.fromEntries(vectors));
  return writeParquet(ParquetTable.fromIPCStream(tableToIPC(table, 'stream')), properties);
}

interface Log {
  opened: Set<string>;
  /** Bytes asked for, in all. */
  bytes: number;
  ranges: [name: string, begin: number, end: number][];
}

/** Files as a hub has them: nothing but ranges; what is asked for is noted. */
function remote(files: Record<string, Uint8Array>): { files: ParquetFile[]; log: Log } {
  const log: Log = { opened: new Set(), bytes: 0, ranges: [] };
  const all = Object.entries(files).map(([name, bytes]): ParquetFile => {
    const read = async (begin: number, end: number) => {
      log.opened.add(name);
      log.bytes += end - begin;
      log.ranges.push([name, begin, end]);
      // A Buffer, part of a larger one, that is still needed.
      return Buffer.from(bytes.buffer, bytes.byteOffset + begin, end - begin);
    };
    const access = { name, size: bytes.length, stamp: name, read };
    return { key: name, name, size: bytes.length, stamp: name, open: async () => access };
  });
  return { files: all, log };
}

const partsOf = (
  files: ParquetFile[],
  source: Partial<Source> = {},
  role: Role = 'data',
  labelled = false,
) => {
  const parts = parquetPartsOf(files, source, { role, labelled });
  onTestFinished(async () => {
    for (const part of parts) await part.close!();
  });
  return parts;
};

/** One for all tests of a kind: a thread takes longer to start than a small file to read. */
const readers = new Map<string, ParquetReader>();
afterAll(async () => {
  for (const reader of readers.values()) await reader.close();
});

function readerOf(labelled: boolean, texts: boolean): ParquetReader {
  const key = `${labelled} ${texts}`;
  const reader = readers.get(key) ?? new ParquetReader({ labelled, texts });
  readers.set(key, reader);
  return reader;
}

let files = 0;

/** Name of each image, and its bytes or what is wrong; labels in the order of the images. */
async function readAll(bytes: Uint8Array, { labelled = false, role = 'data' as Role } = {}) {
  const reader = readerOf(labelled, role === 'notBirds');
  const [file] = remote({ 'a.parquet': bytes }).files.map((file) => ({ ...file, key: `${files++}` }));
  const listing = await listAll(reader, file!);
  const found: Record<string, string> = {};
  for await (const read of readImages(reader, file!, listing, () => true)) {
    const name = `#${listing.names?.[read.index] ?? read.index}`;
    found[name] = 'bytes' in read ? Buffer.from(read.bytes).toString() : read.problem;
  }
  const labels = [...listing.labels].map((label) => listing.labelNames[label]?.value);
  return { found, labels, listing };
}

const one = (bytes: string | null, path: string | null = null) => ({
  bytes: bytes === null ? null : Buffer.from(bytes),
  path,
});
const text = (...values: string[]) => values.map((value) => Buffer.from(value));

test.each<[string, Columns, Record<string, string>]>([
  ['a struct of any name', { photo_of_it: [[one('a'), one('b')], image] }, { '#0': 'a', '#1': 'b' }],
  ['plain bytes', { image: [text('a', 'b'), new Binary()] }, { '#0': 'a', '#1': 'b' }],
  ['large bytes', { content: [text('a', 'b'), new LargeBinary()] }, { '#0': 'a', '#1': 'b' }],
  [
    'bytes in a dictionary',
    { image: [text('a', 'b', 'a'), new Dictionary(new Binary(), new Int32())] },
    { '#0': 'a', '#1': 'b', '#2': 'a' },
  ],
  [
    'a list of structs: none, no list, two, one without bytes',
    { images: [[[one('a')], [], null, [one('b'), one('c')], [one(null, 'x/y.jpg'), one('d')]], images] },
    {
      '#0.0': 'a',
      '#3.0': 'b',
      '#3.1': 'c',
      '#4.0': 'has no image bytes, only the path "x/y.jpg"',
      '#4.1': 'd',
    },
  ],
  [
    'a list of bytes',
    { images: [[text('a', 'b'), null, text('c')], new List(new Field('item', new Binary(), true))] },
    { '#0.0': 'a', '#0.1': 'b', '#2.0': 'c' },
  ],
  [
    'structs without bytes, with and without a path',
    { image: [[one('a'), one(null, 'b.jpg'), one(null), null], image] },
    {
      '#0': 'a',
      '#1': 'has no image bytes, only the path "b.jpg"',
      '#2': 'has no image bytes',
      '#3': 'has no image bytes',
    },
  ],
  [
    'an embedding and a mask beside it',
    {
      embedding: [text('1'), new Binary()],
      mask: [[one('m')], image],
      image: [[one('a')], image],
    },
    { '#0': 'a' },
  ],
  [
    'an embedding beside a struct of another name',
    { embedding: [text('1'), new Binary()], portrait: [[one('a')], image] },
    { '#0': 'a' },
  ],
])('images: %s', async (_, columns, expected) => {
  expect((await readAll(parquetOf(columns))).found).toEqual(expected);
});

test.each<[string, Columns, (string | undefined)[]]>([
  ['text', { label: [['x', null, 'y'], new Utf8()] }, ['x', undefined, 'y']],
  ['large text', { label: [['x', 'y', 'x'], new LargeUtf8()] }, ['x', 'y', 'x']],
  ['a dictionary', { label: [['x', 'y', 'x'], new Dictionary(new Utf8(), new Int32())] }, ['x', 'y', 'x']],
  ['yes or no', { is_bird: [[true, false, null], new Bool()] }, ['true', 'false', undefined]],
  ['labels', { width: [[1, 2, 3], new Int32()], labels: [[7, 8, 7], new Int32()] }, ['7', '8', '7']],
  [
    'fine_label',
    { coarse_label: [[1n, 2n, 3n], new Int64()], fine_label: [[7n, 8n, 7n], new Int64()] },
    ['7', '8', '7'],
  ],
])('labels: %s', async (_, columns, expected) => {
  const bytes = parquetOf({ image: [[one('a'), one('b'), one('c')], image], ...columns });
  expect((await readAll(bytes, { labelled: true })).labels).toEqual(expected);
});

test('labels: the one that the datasets library calls a class, with its names', async () => {
  const features = { id: { dtype: 'int64' }, kind: { _type: 'ClassLabel', names: ['cat', 'bird'] } };
  const properties = new WriterPropertiesBuilder()
    .setKeyValueMetadata(new Map([['huggingface', JSON.stringify({ info: { features } })]]))
    .build();
  const columns: Columns = {
    image: [[one('a'), one('b')], image],
    id: [[1n, 2n], new Int64()],
    kind: [[1n, 0n], new Int64()],
  };
  const { listing } = await readAll(parquetOf(columns, properties), { labelled: true });
  expect(listing.labelNames).toEqual([
    { value: '1', name: 'bird' },
    { value: '0', name: 'cat' },
  ]);
});

test.each<[string, Columns, RegExp]>([
  [
    'addresses',
    { image_url: [['https://example.org/a.jpg'], new Utf8()] },
    /column "image_url" holds addresses \("https:\/\/example.org\/a.jpg"\), and addresses inside data are not followed; download/,
  ],
  [
    'base64',
    { image: [[noise(300).toString('base64')], new Utf8()] },
    /column "image" holds them as base64 text; decode them once/,
  ],
  [
    'paths',
    { file_name: [[null, 'train/1.jpg'], new Utf8()], label: [[1, 2], new Int32()] },
    /column "file_name" holds text \("train\/1.jpg"\); if these are paths, list them in a .csv file/,
  ],
  [
    'several',
    { left: [[one('a')], image], right: [[one('b')], image] },
    /expected one column of images, but "left", "right" could all be it; keep one of them, or name it "image"/,
  ],
  [
    'nothing',
    { size: [[1.5], new Float64()] },
    /expected a column of images \(.+\), but found the columns size \(Float64\); use/,
  ],
  [
    'several labels an image',
    { image: [[one('a')], image], labels: [[[1]], new List(new Field('item', new Int32(), true))] },
    /expected one label an image, but column "labels" holds lists \(List<Int32>\); for images of one kind/,
  ],
])('refused: %s', async (_, columns, message) => {
  const said = await outcome(readAll(parquetOf(columns), { labelled: true }));
  expect(said).toMatch(/^UserError: "a.parquet": /);
  expect(said).toMatch(message);
});

test('more rows than the file has bytes: not believed', async () => {
  const rows = Array.from({ length: 20_000 }, () => null);
  expect(await outcome(readAll(parquetOf({ image: [rows, image] })))).toBe(
    'UserError: "a.parquet": not a parquet file, or a damaged one (20000 rows); fetch it again',
  );
});

test.each([
  ['ZSTD, data pages of version 2, no dictionary', Compression.ZSTD, WriterVersion.V2, false],
  ['GZIP, a dictionary', Compression.GZIP, WriterVersion.V1, true],
  ['nothing packed', Compression.UNCOMPRESSED, WriterVersion.V2, true],
])('written with %s; the last row group uneven', async (_, compression, version, dictionary) => {
  const properties = new WriterPropertiesBuilder()
    .setCompression(compression)
    .setWriterVersion(version)
    .setDictionaryEnabled(dictionary)
    .setMaxRowGroupSize(10)
    .build();
  const rows = Array.from({ length: 23 }, (_, i) =>
    Array.from({ length: i % 3 }, (_, k) => one(`${i} ${k}`)),
  );
  const { found } = await readAll(parquetOf({ images: [rows, images] }, properties));
  const expected = rows.flatMap((row, i) => row.map((_, k) => [`#${i}.${k}`, `${i} ${k}`]));
  expect(found).toEqual(Object.fromEntries(expected));
});

const conversation = (...values: string[]) =>
  values.map((value, i) => ({ from: i % 2 === 0 ? 'human' : 'gpt', value }));

test('negatives: rows whose text speaks of birds are left out and told, with all their images', async () => {
  const columns: Columns = {
    id: [['0', '1', '2', '3'], new Utf8()],
    images: [[[one('a')], [one('b'), one('c')], [one('d')], [one('e')]], images],
    conversations: [
      [
        conversation('<image>\nWhat is this?', 'A crowd around a bowl.'),
        conversation('<image>\nWhat is this?', 'A barn owl.'),
        null,
        conversation('<image> What is it?', 'A crane lifts steel on a construction site.'),
      ],
      talk,
    ],
  };
  const { found, listing } = await readAll(parquetOf(columns), { role: 'notBirds' });
  expect(found).toEqual({ '#0.0': 'a', '#2.0': 'd', '#3.0': 'e' });
  expect(listing.filtered).toEqual([
    { name: 'a.parquet#1.0', reason: 'its text speaks of birds: "owl"' },
    { name: 'a.parquet#1.1', reason: 'its text speaks of birds: "owl"' },
  ]);
  const other = await readAll(parquetOf(columns), { role: 'birds' });
  expect([other.listing.count, other.listing.filtered]).toEqual([5, undefined]);
});

test('negatives: text in JSON and in captions; who speaks is not part of it', async () => {
  const columns: Columns = {
    image: [[one('a'), one('b'), one('c'), one('d')], image],
    conversations: [
      [
        JSON.stringify(conversation('What?', 'Two geese.')),
        JSON.stringify([{ from: 'bird', value: 'A dog.' }]),
        'not JSON',
        '[broken',
      ],
      new Utf8(),
    ],
    caption: [['', '', 'A parrot.', ''], new Utf8()],
  };
  const { found, listing } = await readAll(parquetOf(columns), { role: 'notBirds' });
  expect(found).toEqual({ '#1': 'b', '#3': 'd' });
  expect(listing.filtered?.map(({ reason }) => reason)).toEqual([
    'its text speaks of birds: "goose"',
    'its text speaks of birds: "parrot"',
  ]);
});

/** As Honey has them: eight row groups of 25 rows, 20 kB an image. */
function shard(number: number): Uint8Array {
  const rows = Array.from({ length: 200 }, (_, i) => [
    { bytes: noise(20_000, 1000 * number + i), path: null },
  ]);
  const texts = rows.map((_, i) => conversation('<image>\nWhat?', i % 40 === 7 ? 'An eagle.' : 'A dog.'));
  const properties = new WriterPropertiesBuilder().setMaxRowGroupSize(25).setCompression(Compression.SNAPPY);
  return parquetOf({ images: [rows, images], conversations: [texts, talk] }, properties.build());
}

test('listing reads no image bytes', async () => {
  const bytes = shard(0);
  const { files, log } = remote({ a: bytes });
  const [part] = partsOf(files, {}, 'notBirds');
  const { count, filtered } = await part!.list();
  expect([count, filtered?.length]).toEqual([195, 5]);
  expect(log.bytes).toBeLessThan(60_000);
});

test('a limit: whole row groups, spread over the files, little more than the bytes of the images', async () => {
  const shards = Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`${i}.parquet`, shard(i)]));
  const { files, log } = remote(shards);
  const parts = partsOf(files, { limit: 300 }, 'notBirds');
  const listings = [];
  for (const part of parts) listings.push(await part.list());
  const counts = listings.map(({ count }) => count);
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(300);
  expect(Math.min(...counts)).toBeGreaterThan(40);
  const [names] = listings.map(({ names }) => names!.map((name) => Number(name.split('.')[0])));
  expect(new Set(names!.map((row) => Math.floor(row / 25))).size).toBeLessThanOrEqual(3);
  expect(Math.max(...names!) - Math.min(...names!)).toBeGreaterThan(75);
  const footers = log.bytes;
  expect(footers).toBeLessThan(200_000);
  let imageBytes = 0;
  for (const [i, part] of parts.entries()) {
    for await (const read of part.read(listings[i]!, () => true)) {
      const row = Number(listings[i]!.names![read.index]!.split('.')[0]);
      expect('bytes' in read && Buffer.compare(read.bytes, noise(20_000, 1000 * i + row))).toBe(0);
      imageBytes += 20_000;
    }
  }
  expect(imageBytes).toBe(300 * 20_000);
  expect(log.bytes - footers).toBeLessThan(1.15 * imageBytes + 100_000);
});

test('a limit: the same images every time, and files that are not needed are not opened', async () => {
  const shards = Object.fromEntries(Array.from({ length: 4 }, (_, i) => [`${i}.parquet`, shard(i)]));
  const choose = async (limit: number) => {
    const { files, log } = remote(shards);
    const names = [];
    const keys = [];
    for (const part of partsOf(files, { limit })) {
      const listing = await part.list();
      keys.push(part.key);
      names.push(...(listing.names ?? []).map((name) => part.nameOf(name)));
    }
    return { names, keys, opened: log.opened.size };
  };
  const first = await choose(40);
  expect([first.names.length, first.opened]).toEqual([40, 2]);
  expect(await choose(40)).toEqual(first);
  const more = await choose(100);
  // What the cache remembers of one choice must not be taken for another.
  expect(more.keys.filter((key) => first.keys.includes(key))).toEqual([]);
  expect(more.opened).toBe(4);
  expect((await choose(10_000)).names.length).toBe(800);
});

test('a limit over small files on disk: every so many-th image of all', async () => {
  const column = (from: number, count: number): Columns => ({
    image: [Array.from({ length: count }, (_, i) => one(`${from + i}`)), image],
  });
  const { files } = remote({ a: parquetOf(column(0, 30)), b: parquetOf(column(30, 70)) });
  const taken = [];
  const local = files.map((file) => ({ ...file, isLocal: true }));
  for (const part of partsOf(local, { limit: 10 })) {
    const listing = await part.list();
    for await (const read of part.read(listing, () => true)) {
      taken.push('bytes' in read ? Number(Buffer.from(read.bytes).toString()) : read.problem);
    }
  }
  expect(taken).toEqual([9, 19, 29, 39, 49, 59, 69, 79, 89, 99]);
});

test('reads that fail: told in their own words; the next one goes through', async () => {
  const { files } = remote({ a: shard(0) });
  let failing = false;
  const flaky = files.map((file) => ({
    ...file,
    open: async () => {
      const access = await file.open();
      const read = async (begin: number, end: number) => {
        if (failing) throw new Error('the hub is away; try again later');
        return access.read(begin, end);
      };
      return { ...access, read };
    },
  }));
  const [part] = partsOf(flaky);
  const listing = await part!.list();
  failing = true;
  const reading = part!.read(listing, () => true)[Symbol.asyncIterator]();
  expect(await outcome(reading.next())).toBe('UserError: "a", row group 0: the hub is away; try again later');
  failing = false;
  await part!.close!();
  let count = 0;
  for await (const read of part!.read(listing, (index) => index < 3)) count += Number('bytes' in read);
  expect(count).toBe(3);
});

test('a read that gives other bytes than were asked for is refused', async () => {
  const { files } = remote({ a: shard(0) });
  const access = await files[0]!.open();
  const short = { ...access, read: async (begin: number) => access.read(begin, begin + 3) };
  const [part] = partsOf([{ ...files[0]!, open: async () => short }]);
  expect(await outcome(part!.list())).toMatch(
    /^UserError: "a": expected 8 bytes from byte \d+ on, but got 3; try again$/,
  );
});

test('an abort ends a read that waits for bytes', async () => {
  const { files } = remote({ a: shard(0) });
  const access = await files[0]!.open();
  const [part] = partsOf([
    { ...files[0]!, open: async () => ({ ...access, read: () => new Promise<Uint8Array>(() => {}) }) },
  ]);
  const abort = new AbortController();
  const listing = outcome(part!.list(abort.signal));
  setTimeout(() => abort.abort(new Error('enough')), 50);
  expect(await listing).toBe('Error: enough');
});

test('windows of uneven images that turn out too large are cut; an image that is too large is refused', async () => {
  const bytesOf = (row: number) => noise(row < 40 ? 1000 : 60_000, row);
  const rows = Array.from({ length: 50 }, (_, row) => ({ bytes: bytesOf(row), path: null }));
  const paged = new WriterPropertiesBuilder().setWriteBatchSize(2).setDataPageSizeLimit(4000);
  const bytes = parquetOf({ image: [rows, image] }, paged.setDictionaryEnabled(false).build());
  const [file] = remote({ a: bytes }).files;
  const read = async (pieceBytes: number) => {
    const reader = new ParquetReader({ labelled: false, texts: false }, { pieceBytes });
    onTestFinished(() => reader.close());
    const seen: number[] = [];
    for await (const image of readImages(reader, file!, await listAll(reader, file!), () => true)) {
      if ('bytes' in image && Buffer.compare(image.bytes, bytesOf(image.index)) === 0) seen.push(image.index);
    }
    return seen;
  };
  expect(await read(300_000)).toEqual(rows.map((_, i) => i));
  // Two images, of which only one fits, are in each page.
  expect(await read(90_000)).toEqual(rows.map((_, i) => i));
  expect(await outcome(read(50_000))).toMatch(
    /^UserError: "a", row group 0: it has an image or a page of more than .+ use a file with smaller row groups/,
  );
});

test('a row group of which no page can be read alone is read once, window after window', async () => {
  const rows = Array.from({ length: 50 }, (_, row) => [{ bytes: noise(3000, row), path: null }]);
  const { files, log } = remote({ a: parquetOf({ images: [rows, images] }) });
  const reader = readerOf(false, false);
  const read = async (offset: number, limit: number) => {
    const window = { group: 0, offset, limit };
    const { buffer, starts, ends } = await reader.images({ ...files[0]!, key: 'in passes' }, window);
    const found = [...starts].map((start, i) => new Uint8Array(buffer, start, ends[i]! - start));
    return found.every((bytes, i) => Buffer.compare(bytes, noise(3000, offset + i)) === 0) && found.length;
  };
  expect(await read(0, 12)).toBe(12);
  const { bytes } = log;
  expect(bytes).toBeGreaterThan(150_000);
  // One is left out; the last is shorter.
  expect([await read(12, 12), await read(36, 12), await read(48, 2)]).toEqual([12, 12, 2]);
  expect(log.bytes).toBe(bytes);
  // Back to the beginning, and other steps: another pass.
  expect([await read(0, 20), await read(20, 20), await read(40, 10)]).toEqual([20, 20, 10]);
  expect(log.bytes).toBeLessThan(bytes + 160_000);
  const bounded = new ParquetReader({ labelled: false, texts: false }, { pieceBytes: 40_000 });
  onTestFinished(() => bounded.close());
  const window = { group: 0, offset: 0, limit: 4 };
  expect(await outcome(bounded.images(files[0]!, window))).toMatch(
    /: it has an image or a page of more than 0 MB/,
  );
  // A row alone may be larger.
  expect((await bounded.images(files[0]!, { ...window, limit: 1 })).ends[0]).toBe(3000);
  expect(await outcome(read(50, 10))).toMatch(/^UserError: "a", row group 0: .+/);
  expect(await read(0, 50)).toBe(50);
});
