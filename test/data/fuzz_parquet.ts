/**
 * Damaged parquet files, read as a run would read them: each must end in images or in a sentence. Alone:
 * `npx tsx test/data/fuzz_parquet.ts CASES SEED`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Binary, Field, Int64, List, Struct, Table, tableToIPC, Utf8, vectorFromArray } from 'apache-arrow';
import {
  Compression,
  Table as ParquetTable,
  WriterPropertiesBuilder,
  WriterVersion,
  writeParquet,
} from 'parquet-wasm';
import { UserError } from '../../src/base/errors.ts';
import { readImages } from '../../src/data/parquet/parquet_images.ts';
import { listAll } from '../../src/data/parquet/parquet_listing.ts';
import { type ParquetFile, ParquetReader } from '../../src/data/parquet/parquet_reader.ts';

/** A call that takes longer counts as one that hangs. */
const DEADLINE_SECONDS = 20;

/** How the cases ended. */
export interface FuzzResult {
  cases: number;
  /** Read to the end, whatever was in it. */
  read: number;
  /** Refused with a sentence. */
  refused: number;
  /** Refusals that a deadline had to end, or that took too long. */
  hung: string[];
  /** Whatever else was thrown, or is no sentence. */
  wrong: string[];
  /** The sentences, without names and numbers, and how often they were said. */
  sentences: Map<string, number>;
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

const image = new Struct([new Field('bytes', new Binary(), true), new Field('path', new Utf8(), true)]);
const talk = new Struct([new Field('from', new Utf8(), true), new Field('value', new Utf8(), true)]);

/** Files of pyarrow, with many pages and no index of them. */
const FIXTURES = fileURLToPath(new URL('../fixtures/parquet', import.meta.url));

/** Small files of every layout and way of packing; some with several pages and an index of them. */
export function soundFiles(): Uint8Array[] {
  const random = randomFrom(1);
  const one = (i: number) => {
    const bytes = Uint8Array.from({ length: 50 + (i % 7) * 150 }, () => 256 * random());
    return { bytes, path: `a/${i}.jpg` };
  };
  const rows = Array.from({ length: 30 }, (_, i) => i);
  const labels = vectorFromArray(
    rows.map((i) => BigInt(i % 3)),
    new Int64(),
  );
  const list = (type: Struct) => new List(new Field('item', type, true));
  const tables = [
    new Table({ image: vectorFromArray(rows.map(one), image), label: labels }),
    new Table({
      images: vectorFromArray(
        rows.map((i) => (i % 5 === 0 ? null : rows.slice(0, i % 3).map(one))),
        list(image),
      ),
      conversations: vectorFromArray(
        rows.map((i) => [{ from: 'human', value: `text ${i}` }]),
        list(talk),
      ),
      label: labels,
    }),
    new Table({
      image: vectorFromArray(
        rows.map((i) => one(i).bytes),
        new Binary(),
      ),
      label: labels,
    }),
  ];
  const ways = [Compression.SNAPPY, Compression.ZSTD, Compression.UNCOMPRESSED, Compression.GZIP];
  const withoutIndex = readdirSync(FIXTURES).map((name) => readFileSync(join(FIXTURES, name)));
  const withIndex = ways.flatMap((compression, way) =>
    tables.map((table) => {
      const properties = new WriterPropertiesBuilder()
        .setCompression(compression)
        .setWriterVersion(way % 2 === 0 ? WriterVersion.V1 : WriterVersion.V2)
        .setDictionaryEnabled(way < 2)
        .setMaxRowGroupSize(way === 3 ? 100 : 12)
        .setDataPageSizeLimit(2000)
        .setWriteBatchSize(4)
        .build();
      return writeParquet(ParquetTable.fromIPCStream(tableToIPC(table, 'stream')), properties);
    }),
  );
  return [...withIndex, ...withoutIndex];
}

type Damage = (bytes: Buffer, at: number, whole: (below: number) => number) => Buffer;

const put = (bytes: Buffer, at: number, piece: Uint8Array) => {
  bytes.set(piece.subarray(0, bytes.length - at), at);
  return bytes;
};

/** Bits, bytes, runs and lengths changed; pieces lost, doubled, or swapped as pages that changed places. */
const DAMAGES: Damage[] = [
  (bytes, at, whole) => put(bytes, at, Buffer.from([bytes[at]! ^ (1 << whole(8))])),
  (bytes, at, whole) => put(bytes, at, Buffer.from([whole(256)])),
  (bytes, at, whole) => put(bytes, at, Buffer.alloc(1 + whole(24), [0, 0xff, 0x7f][whole(3)])),
  (bytes, at) => bytes.subarray(0, at),
  (bytes, _, whole) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(whole(2 ** 32));
    return put(bytes, bytes.length - 8, length);
  },
  (bytes, at, whole) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + whole(40))]),
  (bytes, at, whole) =>
    Buffer.concat([bytes.subarray(0, at), bytes.subarray(at, at + 1 + whole(40)), bytes.subarray(at)]),
  (bytes, at, whole) => {
    const [other, length] = [whole(bytes.length), 1 + whole(2000)];
    const kept = Buffer.from(bytes.subarray(at, at + length));
    return put(put(bytes, at, Buffer.from(bytes.subarray(other, other + length))), other, kept);
  },
  // A long number where a short one stood, as thrift writes them.
  (bytes, at) => put(bytes, at, Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f])),
];

/** One to three damages; a third of them in the footer, or all of them in the pages. */
function damaged(sound: Uint8Array, random: () => number, areInPages: boolean): Buffer {
  const whole = (below: number) => Math.floor(random() * below);
  const begin = sound.length - 8 - Buffer.from(sound).readUInt32LE(sound.length - 8);
  const footer = sound.subarray(begin);
  let bytes = Buffer.from(areInPages ? sound.subarray(0, begin) : sound);
  for (let i = 1 + Math.floor(3 * random() ** 3); i > 0 && bytes.length >= 16; i--) {
    const from = !areInPages && random() < 1 / 3 ? Math.max(0, bytes.length - footer.length) : 0;
    const at = from + whole(bytes.length - from);
    bytes = DAMAGES[whole(DAMAGES.length)]!(bytes, at, whole) as Buffer<ArrayBuffer>;
  }
  return areInPages ? Buffer.concat([bytes, footer]) : bytes;
}

function fileOf(name: string, bytes: Uint8Array): ParquetFile {
  const read = async (begin: number, end: number) => bytes.subarray(begin, end);
  const access = { name, size: bytes.length, stamp: name, read };
  return { key: name, name, size: bytes.length, stamp: name, open: async () => access };
}

async function readAll(reader: ParquetReader, file: ParquetFile): Promise<void> {
  const listing = await listAll(reader, file);
  for await (const read of readImages(reader, file, listing, () => true)) {
    if ('bytes' in read && read.bytes.length > 2 ** 20) throw new Error('an image larger than its file');
  }
}

/** As large row groups without an index of their pages are read. */
async function readInPasses(reader: ParquetReader, file: ParquetFile): Promise<void> {
  const { groups } = await reader.shape(file);
  for (const [group, { rows }] of groups.entries()) {
    for (let offset = 0; offset < rows; offset += 5) {
      await reader.images(file, { group, offset, limit: Math.min(5, rows - offset) });
    }
  }
}

/** Reads so many damaged files; `readers` at once. */
export async function fuzz(cases: number, seed: number, readers = 2): Promise<FuzzResult> {
  const sound = soundFiles();
  const result: FuzzResult = { cases, read: 0, refused: 0, hung: [], wrong: [], sentences: new Map() };
  let next = 0;
  const work = async () => {
    const reader = new ParquetReader({ labelled: true, texts: true }, { deadlineSeconds: DEADLINE_SECONDS });
    for (let i = next++; i < cases; i = next++) {
      const random = randomFrom(seed * 1_000_003 + i);
      const some = sound[Math.floor(random() * sound.length)]!;
      // Half of them reach the pages in any case.
      const file = fileOf(`case ${i}`, damaged(some, random, i % 2 === 0));
      await judge(() => (i % 4 < 2 ? readInPasses : readAll)(reader, file), file, result);
    }
    await reader.close();
  };
  await Promise.all(Array.from({ length: readers }, work));
  return result;
}

async function judge(read: () => Promise<void>, file: ParquetFile, result: FuzzResult): Promise<void> {
  const begin = performance.now();
  try {
    await read();
    result.read += 1;
  } catch (error) {
    const { message } = error as Error;
    const isSentence =
      error instanceof UserError && message.startsWith(`"${file.name}"`) && message.length < 2000;
    if (isSentence) result.refused += 1;
    else result.wrong.push(`${file.name}: ${(error as Error).stack}`);
    if (/no answer in/.test(message)) result.hung.push(message);
    const sentence = message
      .replace(/"[^"]*"/g, '""')
      .replace(/-?\d+/g, 'N')
      .slice(0, 120);
    result.sentences.set(sentence, (result.sentences.get(sentence) ?? 0) + 1);
  }
  const seconds = (performance.now() - begin) / 1000;
  if (seconds > DEADLINE_SECONDS) result.hung.push(`${file.name}: ${Math.round(seconds)} s`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [cases, seed] = [Number(process.argv[2] ?? 5000), Number(process.argv[3] ?? 1)];
  const begin = performance.now();
  const { sentences, ...result } = await fuzz(cases, seed);
  for (const [sentence, count] of [...sentences].sort((a, b) => b[1] - a[1]))
    console.log(`${count} ${sentence}`);
  const seconds = Math.round((performance.now() - begin) / 1000);
  const peakMegabytes = Math.round(process.resourceUsage().maxRSS / 1024);
  console.log(JSON.stringify({ ...result, seed, seconds, peakMegabytes }, null, 1));
  process.exitCode = result.hung.length + result.wrong.length > 0 ? 1 : 0;
}
