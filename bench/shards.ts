/** Parquet shards of photographs, as the hub's data sets have them. */
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { Binary, Field, List, Struct, Table, tableToIPC, Utf8, vectorFromArray } from 'apache-arrow';
import {
  Compression,
  Table as ParquetTable,
  transformParquetStream,
  WriterPropertiesBuilder,
} from 'parquet-wasm';

export interface ShardOptions {
  rowsAGroup: number;
  /** `image`: a struct a row; `honey`: a list of structs and what people say about it. */
  layout: 'image' | 'honey';
}

/** So many rows are in memory at a time, beside the row group. */
const ROWS = 100;

const image = new Struct([new Field('bytes', new Binary(), true), new Field('path', new Utf8(), true)]);
const images = new List(new Field('item', image, true));
const talk = new List(
  new Field(
    'item',
    new Struct([new Field('from', new Utf8(), true), new Field('value', new Utf8(), true)]),
    true,
  ),
);

/** Writes a shard of `count` images; pages of about a megabyte, with an index of them. */
export async function writeShard(
  path: string,
  count: number,
  imageAt: (row: number) => Uint8Array,
  { rowsAGroup, layout }: ShardOptions,
): Promise<void> {
  const properties = new WriterPropertiesBuilder()
    .setCompression(Compression.SNAPPY)
    .setMaxRowGroupSize(rowsAGroup)
    .setDataPageSizeLimit(2 ** 20)
    .setWriteBatchSize(8)
    .build();
  async function* batches() {
    for (let first = 0; first < count; first += ROWS) {
      const rows = Array.from({ length: Math.min(ROWS, count - first) }, (_, i) => first + i);
      const table = layout === 'honey' ? honeyRows(rows, imageAt) : imageRows(rows, imageAt);
      yield* ParquetTable.fromIPCStream(tableToIPC(table, 'stream')).recordBatches();
    }
  }
  const stream = (await transformParquetStream(
    Readable.toWeb(Readable.from(batches())) as never,
    properties,
  )) as unknown as ReadableStream;
  await pipeline(Readable.fromWeb(stream), createWriteStream(path));
}

function imageRows(rows: number[], imageAt: (row: number) => Uint8Array): Table {
  const values = rows.map((row) => ({ bytes: imageAt(row), path: `${row}.jpg` }));
  return new Table({ image: vectorFromArray(values, image) });
}

function honeyRows(rows: number[], imageAt: (row: number) => Uint8Array): Table {
  const said = (row: number) => [
    { from: 'human', value: '<image>\nWhat is in the picture?' },
    { from: 'gpt', value: row % 40 === 7 ? 'An owl on a branch.' : 'A street with people and cars.' },
  ];
  return new Table({
    id: vectorFromArray(rows.map(String), new Utf8()),
    images: vectorFromArray(
      rows.map((row) => [{ bytes: imageAt(row), path: null }]),
      images,
    ),
    conversations: vectorFromArray(rows.map(said), talk),
  });
}
