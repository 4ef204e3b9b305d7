/** What parquet-wasm dies of must come out as an ordinary error; everything else, byte for byte. */
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Table, tableToIPC, vectorFromArray } from 'apache-arrow';
import { Table as ParquetTable, writeParquet } from 'parquet-wasm';
import { describe, expect, onTestFinished, test } from 'vitest';
import { neededWindows, windowsOf } from '../../src/data/parquet/file_windows.ts';
import { type ParquetFile, ParquetReader } from '../../src/data/parquet/parquet_reader.ts';
import type { Part, Source, SourceContext } from '../../src/data/part.ts';
import { localFile, stampOf } from '../../src/data/sources/local_file.ts';
import { parquetParts } from '../../src/data/sources/parquet_source.ts';
import { outcome, parquet, testFolder } from './made.ts';

const cifar = fileURLToPath(
  new URL('../../../shared/data/cifar10/test-00000-of-00001.parquet', import.meta.url),
);

/** Bytes that do not compress, another for each number. */
function noise(number: number, length: number): Uint8Array {
  const parts = Array.from({ length: Math.ceil(length / 32) }, (_, i) =>
    createHash('sha256').update(`${number} ${i}`).digest(),
  );
  return new Uint8Array(Buffer.concat(parts).subarray(0, length));
}

/** Four row groups of 25 rows, 2 kB an image. */
function sample(): Uint8Array {
  const images = Array.from({ length: 100 }, (_, i) => noise(i, 2000));
  return parquet({ images, labels: images.map((_, i) => BigInt(i % 3)), rowsAGroup: 25 });
}

function written(bytes: Uint8Array | string, name = 'a.parquet'): string {
  const path = join(testFolder(), name);
  writeFileSync(path, bytes);
  return path;
}

/** A file as `parquetParts` makes it. */
function fileAt(path: string): ParquetFile {
  const stats = statSync(path);
  const stamp = stampOf(stats);
  return { key: path, name: path, size: stats.size, stamp, open: () => localFile(path, stamp) };
}

/** The parts of a source, ended after the test. */
async function partsAt(path: string, source: Partial<Source> = {}, context: Partial<SourceContext> = {}) {
  const parts = await parquetParts(
    { text: path, kind: 'parquet', path, ...source },
    { role: 'data', labelled: true, size: 8, cacheDir: testFolder(), ...context },
  );
  onTestFinished(async () => {
    for (const part of parts) await part.close!();
  });
  return parts;
}

function reader(deadline?: number, labelled = true): ParquetReader {
  const made = new ParquetReader({ labelled, texts: false }, { deadlineSeconds: deadline });
  onTestFinished(() => made.close());
  return made;
}

/** The whole file, as a run would read it. */
async function readAll(path: string, labelled = true) {
  const [part] = await partsAt(path, {}, { labelled });
  return collect(part!);
}

async function collect(part: Part, wanted: (index: number) => boolean = () => true) {
  const listing = await part.list();
  const images = new Map<number, Uint8Array | string>();
  for await (const image of part.read(listing, wanted)) {
    images.set(image.index, 'problem' in image ? image.problem : new Uint8Array(image.bytes));
  }
  return { listing, images };
}

describe('reading', () => {
  test('every image of every row group, whole or in windows, is the one that was written', async () => {
    const path = written(sample());
    const { listing, images } = await readAll(path);
    expect(listing.count).toBe(100);
    expect([...listing.labels]).toEqual(Array.from({ length: 100 }, (_, i) => i % 3));
    expect(images.size).toBe(100);
    for (const [i, bytes] of images) expect(Buffer.compare(bytes as Uint8Array, noise(i, 2000))).toBe(0);
    const window = { group: 2, offset: 7, limit: 4 };
    const { buffer, starts, ends, firsts } = await reader().images(fileAt(path), window);
    expect([...firsts]).toEqual([0, 1, 2, 3, 4]);
    for (const [row, start] of starts.entries()) {
      expect(Buffer.compare(new Uint8Array(buffer, start, ends[row]! - start), noise(57 + row, 2000))).toBe(
        0,
      );
    }
  });

  test('only what is wanted', async () => {
    const [part] = await partsAt(written(sample()));
    const { images } = await collect(part!, (index) => index === 3 || index === 80);
    expect([...images.keys()]).toEqual([3, 80]);
  });

  test('what is released by all who got some of it is gone at once', async () => {
    const [part] = await partsAt(written(sample()));
    const listing = await part!.list();
    const images: { bytes: Uint8Array; release?: () => void }[] = [];
    for await (const image of part!.read(listing, (index) => index < 25 && index % 5 === 0)) {
      if ('bytes' in image) images.push(image);
    }
    expect(images.map(({ bytes }) => bytes.length)).toEqual(Array(5).fill(2000));
    for (const { release } of images.slice(1)) release!();
    expect(images[0]!.bytes.length).toBe(2000);
    images[0]!.release!();
    expect(images.map(({ bytes }) => bytes.length)).toEqual(Array(5).fill(0));
  });

  test('a large row group goes in windows that cover it once', () => {
    const MB = 2 ** 20;
    const groups = [
      { rows: 10, bytes: 8 * MB },
      { rows: 1000, bytes: 25 * MB },
      { rows: 2, bytes: 200 * MB },
      { rows: 0, bytes: 0 },
    ].map((group) => ({ ...group, listedBytes: 0, inPages: true }));
    const windows = windowsOf(groups, ({ bytes }) => bytes);
    expect(windows[0]).toEqual({ group: 0, offset: 0, limit: 10, first: 0 });
    expect(windows.slice(1)).toEqual([
      { group: 1, offset: 0, limit: 250, first: 10 },
      { group: 1, offset: 250, limit: 250, first: 260 },
      { group: 1, offset: 500, limit: 250, first: 510 },
      { group: 1, offset: 750, limit: 250, first: 760 },
      { group: 2, offset: 0, limit: 1, first: 1010 },
      { group: 2, offset: 1, limit: 1, first: 1011 },
    ]);
    // 2 MB are 80 rows: nearer ones are read with what lies between.
    const wanted = new Set([3, 7, 400, 439, 580]);
    const isWanted = (row: number) => wanted.has(row);
    const runs = [
      { group: 0, offset: 3, limit: 1, first: 3 },
      { group: 0, offset: 7, limit: 1, first: 7 },
      { group: 1, offset: 390, limit: 40, first: 400 },
      { group: 1, offset: 570, limit: 1, first: 580 },
    ];
    expect(neededWindows({ many: false, groups }, isWanted)).toEqual(runs);
    // A small row group of which no page can be read alone is read at once; in a large one, gaps are skipped.
    const others = groups.map((group) => ({ ...group, inPages: false }));
    expect(neededWindows({ many: false, groups: others }, isWanted)).toEqual([
      { group: 0, offset: 3, limit: 5, first: 3 },
      ...runs.slice(2),
    ]);
  });

  test('one row group of 80 MB is read in windows', async () => {
    const images = Array.from({ length: 40 }, (_, i) => new Uint8Array(2 * 2 ** 20).fill(i));
    const path = written(parquet({ images, pageBytes: 2 ** 20 }));
    const { images: read } = await readAll(path, false);
    expect(read.size).toBe(40);
    for (const [i, bytes] of read) expect(Buffer.compare(bytes as Uint8Array, images[i]!)).toBe(0);
  });

  test('rows without bytes or without a label are told, others stay', async () => {
    const images = [noise(0, 10), null, noise(2, 10)];
    const { listing, images: read } = await readAll(written(parquet({ images, labels: ['a', 'b', null] })));
    expect([...listing.labels]).toEqual([0, 1, -1]);
    expect(read).toEqual(
      new Map<number, unknown>([
        [0, images[0]],
        [1, 'has no image bytes'],
        [2, images[2]],
      ]),
    );
  });

  test('labels: names of the datasets library, else text, else folders, else numbers', async () => {
    const images = [noise(0, 10), noise(1, 10), noise(2, 10)];
    const labels = [2n, 0n, 2n];
    const labelsOf = async (content: Parameters<typeof parquet>[0]) =>
      (await readAll(written(parquet(content)))).listing.labelNames;
    expect(await labelsOf({ images, labels, classNames: ['cat', 'dog', 'bird'], imageName: 'img' })).toEqual([
      { value: '2', name: 'bird' },
      { value: '0', name: 'cat' },
    ]);
    expect(await labelsOf({ images, labels: ['x', 'y', 'x'], labelName: 'kind' })).toEqual([
      { value: 'x', name: 'x' },
      { value: 'y', name: 'y' },
    ]);
    const paths = ['train/bird/1.jpg', 'train/cat/2.jpg', 'train/bird/3.jpg'];
    expect(await labelsOf({ images, labels, paths })).toEqual([
      { value: '2', folder: 'bird' },
      { value: '0', folder: 'cat' },
    ]);
    expect(await labelsOf({ images, labels, paths: ['a/1', 'b/2', 'c/3'] })).toEqual([
      { value: '2' },
      { value: '0', folder: 'b' },
    ]);
  });

  test('a file written by pyarrow', async () => {
    if (!existsSync(cifar)) {
      console.log('../shared/data/cifar10 is not there: only files written by parquet-wasm were read.');
      return;
    }
    const { listing, images } = await readAll(cifar);
    expect([listing.count, images.size]).toEqual([5000, 5000]);
    const bird = listing.labelNames.findIndex(({ folder }) => folder === 'bird');
    expect(listing.labelNames[bird]!.value).toBe('2');
    expect(listing.labels.filter((label) => label === bird).length).toBe(500);
    // sha256 over all image bytes in order, by pyarrow.
    const hash = createHash('sha256');
    for (let i = 0; i < 5000; i++) hash.update(images.get(i) as Uint8Array);
    expect(hash.digest('hex')).toBe('3ab3f3b55b5d59e72736bccf95de986246500cf43480c7167724292e51391992');
  });
});

describe('columns', () => {
  const images = [noise(0, 10)];
  /** A file that has a column of text, and one more. */
  const without = () => {
    const table = new Table({ name: vectorFromArray(['a']), size: vectorFromArray([1n]) });
    return writeParquet(ParquetTable.fromIPCStream(tableToIPC(table, 'stream')));
  };
  const refused = async (bytes: Uint8Array, labelled = true) =>
    outcome(readAll(written(bytes, 'columns.parquet'), labelled)).then((said) =>
      String(said).replace(/"[^"]*columns.parquet"/, 'FILE'),
    );

  test('an image column that is not there', async () => {
    expect(await refused(without())).toMatch(
      /^UserError: FILE: expected a column of images \(bytes, .+\), but found the columns name \(.*Utf8.*\), size \(Int64\); use a file with its images inside$/,
    );
  });

  test('a label column that is not there, or one of several', async () => {
    const none =
      'FILE: expected a column "label" of whole numbers or text, or one such column of another name';
    expect(await refused(parquet({ images }))).toContain(`${none}, but found the columns image (Struct`);
    const two = parquet({ images, labels: [0n], labelName: 'width', others: ['height'] });
    expect(await refused(two)).toContain('width (Int64), height (Int64)');
  });

  test('a label column is not needed for images of one kind; "label" wins over others', async () => {
    expect((await readAll(written(parquet({ images })), false)).images.size).toBe(1);
    const others = parquet({ images, labels: [7n], others: ['id', 'width'] });
    expect((await readAll(written(others))).listing.labelNames).toEqual([{ value: '7' }]);
  });

  test('a column of as many values as rows is no label', async () => {
    const many = Array.from({ length: 10_001 }, () => noise(0, 1));
    const labels = many.map((_, i) => BigInt(i));
    expect(await refused(parquet({ images: many, labels, rowsAGroup: 20_000 }))).toContain(
      'column "label" has more than 10000 different values; expected classes',
    );
  });
});

/** Every fault of a local file that ends or hangs the process when parquet-wasm is used bare. */
describe('faults', () => {
  const whole = sample();
  const changed = (change: (bytes: Buffer) => Buffer | undefined) => {
    const bytes = Buffer.from(whole);
    return change(bytes) ?? bytes;
  };

  const unreadable: [string, Uint8Array, RegExp][] = [
    [
      'text',
      Buffer.from('this is no parquet file, only text'),
      /: not a parquet file, or a damaged one \(.+\); fetch it again$/,
    ],
    ['nothing', Buffer.alloc(0), /: not a parquet file, or a damaged one \(.+\); fetch it again$/],
    [
      'half of it',
      changed((bytes) => bytes.subarray(0, bytes.length / 2)),
      /: not a parquet file, or a damaged one \(.+\); fetch it again$/,
    ],
    [
      'a damaged footer',
      changed((bytes) => bytes.fill(0xff, bytes.length - 200, bytes.length - 8)),
      /: not a parquet file, or a damaged one \(.+\); fetch it again$/,
    ],
    [
      'a footer longer than the file',
      changed((bytes) => {
        bytes.writeUInt32LE(0x7fffffff, bytes.length - 8);
        return bytes;
      }),
      /: not a parquet file, or a damaged one \(.+\); fetch it again$/,
    ],
  ];
  test.each(unreadable)('%s', async (_, bytes, message) => {
    const path = written(bytes);
    const said = await outcome(readAll(path));
    expect(said).toContain(`UserError: "${path}"`);
    expect(said).toMatch(message);
  });

  test('a damaged page header of the images: an error with its row group; the thread goes on', async () => {
    const start = Buffer.from(whole).indexOf(noise(50, 32));
    const path = written(changed((bytes) => bytes.fill(0xff, start - 60, start)));
    const [own, file] = [reader(), fileAt(path)];
    expect(await outcome(own.images(file, { group: 2, offset: 0, limit: 25 }))).toMatch(
      new RegExp(
        `^UserError: "${path}", row group 2: row group 2 can't be read, the file is damaged \\(.+\\); fetch it again$`,
      ),
    );
    expect((await own.images(file, { group: 1, offset: 0, limit: 25 })).starts.length).toBe(25);
  });

  test('a damaged page header of the labels: a panic, with its row group; the next call gets a new worker', async () => {
    const end = Buffer.from(whole).indexOf(noise(74, 32)) + 2000;
    const path = written(changed((bytes) => bytes.fill(0xff, end, end + 60)));
    const own = reader();
    const file = fileAt(path);
    expect(await outcome(own.rows(file, { group: 2, offset: 0, limit: 25 }))).toMatch(
      // "unreachable" is what a panic of wasm looks like from outside.
      new RegExp(
        `^UserError: "${path}", row group 2: it can't be read \\(unreachable\\); the file is damaged`,
      ),
    );
    const { starts } = await own.images(file, { group: 1, offset: 0, limit: 25 });
    expect(starts.length).toBe(25);
  });

  test('a row group, or rows, that are not there', async () => {
    const path = written(whole);
    const own = reader();
    const file = fileAt(path);
    for (const group of [99, -1, 0.5]) {
      expect(await outcome(own.images(file, { group, offset: 0, limit: 25 }))).toContain(
        `it has 4 row groups and no group ${group}`,
      );
    }
    expect(await outcome(own.images(file, { group: 0, offset: 20, limit: 25 }))).toContain(
      'expected 25 rows from row 20 of row group 0 on, but found 5',
    );
  });

  test('a file cut short after it was opened: a read that fails', async () => {
    const path = written(whole);
    const [own, file] = [reader(), fileAt(path)];
    await own.shape(file);
    truncateSync(path, 1000);
    expect(await outcome(own.images(file, { group: 3, offset: 0, limit: 25 }))).toContain(
      'it was changed while it was read; start again',
    );
  });

  test('a file changed after it was opened, or since it was listed', async () => {
    const path = written(whole);
    const [part] = await partsAt(path);
    const listing = await part!.list();
    appendFileSync(path, 'more');
    const reading = part!.read(listing, () => true)[Symbol.asyncIterator]();
    expect(await outcome(reading.next())).toContain('it was changed while it was read; start again');
    const other = written(whole);
    const [later] = await partsAt(other);
    utimesSync(other, new Date(0), new Date(0));
    expect(await outcome(later!.list())).toContain('it was changed while it was read; start again');
  });

  test('closed, it starts again when it is asked', async () => {
    const [own, file] = [reader(), fileAt(written(whole))];
    const shape = await own.shape(file);
    await own.close();
    expect(shape.groups.length).toBeGreaterThan(0);
    expect(await own.shape(file)).toEqual(shape);
    await own.close();
    expect((await own.images(file, { group: 0, offset: 0, limit: 25 })).starts.length).toBe(25);
  });

  test('no answer: given up after the deadline, and the reader works again', async () => {
    const path = written(whole);
    const [own, file] = [reader(0), fileAt(path)];
    // No worker starts in no time.
    expect(await outcome(own.shape(file))).toMatch(/: no answer in 0 seconds; /);
    expect((await reader().shape(file)).groups.length).toBe(4);
  });

  test('a folder, and a name that matches nothing', async () => {
    const folder = testFolder();
    expect(await outcome(partsAt(folder))).toContain('Expected a file, but');
    const absent = join(folder, 'x.parquet');
    expect(await outcome(partsAt(absent))).toBe(`UserError: No such file: "${absent}"; check the path`);
    expect(await outcome(partsAt(join(folder, '*.parquet')))).toMatch(
      /^UserError: No \.parquet file matches/,
    );
  });

  test('?split: the files whose names say so', async () => {
    const folder = testFolder();
    const names = ['train-00000-of-00001', 'test-00000-of-00001'];
    for (const name of names) writeFileSync(join(folder, `${name}.parquet`), whole);
    const all = join(folder, '*.parquet');
    const sideOf = async (split: 'train' | 'test') => (await partsAt(all, { split })).map(({ key }) => key);
    expect(await sideOf('train')).toEqual([expect.stringContaining(`${names[0]}.parquet`)]);
    expect(await sideOf('test')).toEqual([expect.stringContaining(`${names[1]}.parquet`)]);
    const path = written(whole);
    expect(await outcome(partsAt(path, { text: 'SOURCE', split: 'train' }))).toMatch(
      /^UserError: Expected parquet files of the split "train" in "SOURCE", but no name says so, such as ".+a.parquet"; leave/,
    );
  });

  test('two files one after the other, and one of them damaged', async () => {
    const folder = testFolder();
    writeFileSync(join(folder, 'a.parquet'), whole);
    writeFileSync(join(folder, 'b.parquet'), whole.subarray(0, 500));
    writeFileSync(join(folder, 'c.parquet'), whole);
    const parts = await partsAt(join(folder, '?.parquet'));
    const outcomes = [];
    for (const part of parts) outcomes.push(await outcome(part.list().then(({ count }) => count)));
    expect(outcomes).toEqual([100, expect.stringContaining('b.parquet'), 100]);
  });
});
