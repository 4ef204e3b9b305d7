/** Images and parquet files made for one test. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  Binary,
  type DataType,
  Field,
  Int64,
  Struct,
  Table,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';
import { Compression, Table as ParquetTable, WriterPropertiesBuilder, writeParquet } from 'parquet-wasm';
import sharp from 'sharp';
import { onTestFinished } from 'vitest';
import type { DatasetOptions } from '../../src/data/dataset.ts';

/** A folder that is gone after the test. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'birbs-data-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A PNG of one colour, a different one for each number below 2^24. */
export async function plain(number: number, side = 8): Promise<Buffer> {
  const background = { r: (number * 37) % 256, g: (number >> 8) % 256, b: (number * 101 + 50) % 256 };
  return sharp({ create: { width: side, height: side, channels: 3, background } })
    .png()
    .toBuffer();
}

/** Writes files below a folder, making what folders they need. */
export function write(folder: string, files: Record<string, Uint8Array | string>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
}

export interface ParquetContent {
  images: (Uint8Array | null)[];
  /** bigint: int64; string: text. */
  labels?: (bigint | string | null)[];
  /** Name of the label column; default `label`. */
  labelName?: string;
  /** Name of the image column; default `image`. */
  imageName?: string;
  /** Paths that the images had. */
  paths?: string[];
  rowsAGroup?: number;
  /** Class names as the datasets library leaves them. */
  classNames?: string[];
  /** More columns of whole numbers. */
  others?: string[];
  /** Smaller pages: more of them. */
  pageBytes?: number;
}

/** A parquet file in the image layout of Hugging Face. */
export function parquet(content: ParquetContent): Uint8Array {
  const {
    images,
    labels,
    labelName = 'label',
    imageName = 'image',
    rowsAGroup = 1000,
    others = [],
  } = content;
  const type = new Struct<{ bytes: Binary; path: Utf8 }>([
    new Field('bytes', new Binary(), true),
    new Field('path', new Utf8(), true),
  ]);
  const rows = images.map((bytes, i) => ({ bytes, path: content.paths?.[i] ?? null }));
  const labelType: DataType =
    typeof labels?.find((label) => label !== null) === 'string' ? new Utf8() : new Int64();
  const table = new Table({
    [imageName]: vectorFromArray(rows, type),
    ...(labels ? { [labelName]: vectorFromArray(labels, labelType) } : {}),
    ...Object.fromEntries(
      others.map((name) => [
        name,
        vectorFromArray(
          images.map(() => 1n),
          new Int64(),
        ),
      ]),
    ),
  });
  const features = { [labelName]: { names: content.classNames, _type: 'ClassLabel' } };
  const metadata = content.classNames
    ? [['huggingface', JSON.stringify({ info: { features } })] as const]
    : [];
  const properties = new WriterPropertiesBuilder()
    .setCompression(Compression.SNAPPY)
    .setMaxRowGroupSize(rowsAGroup)
    .setDataPageSizeLimit(content.pageBytes ?? 2 ** 20)
    .setKeyValueMetadata(new Map(metadata))
    .build();
  return writeParquet(ParquetTable.fromIPCStream(tableToIPC(table, 'stream')), properties);
}

/** Options for `loadDataset` with nothing in them but a cache in the folder. */
export function options(folder: string, given: Partial<DatasetOptions>): DatasetOptions {
  return {
    data: [],
    birds: [],
    notBirds: [],
    validation: [],
    imageSize: 8,
    fit: 'cover',
    cacheDir: join(folder, 'cache'),
    ...given,
  };
}

/** The one value, or the error as text: for tables of both. */
export async function outcome<T>(work: Promise<T>): Promise<T | string> {
  return work.catch((error: Error) => `${error.name}: ${error.message}`);
}
