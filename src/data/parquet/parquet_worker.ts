/**
 * The thread of parquet_reader.ts, one file and one call at a time. parquet-wasm reads schema, labels and text, and may
 * end the thread; column_reader.ts reads the images.
 */
import { parentPort } from 'node:worker_threads';
import { type Field, type Table, tableFromIPC, type Vector } from 'apache-arrow';
import type { FileMetaData } from 'hyparquet';
import { ParquetFile, type ParquetMetaData, type RowGroupMetaData } from 'parquet-wasm';
import { areSmall, type ColumnChunk, columnChunk, readFooter, readPageIndex } from './column_chunk.ts';
import { ColumnReader } from './column_reader.ts';
import {
  addressColumn,
  classNamesIn,
  featuresOf,
  type ImageColumn,
  imageColumn,
  isNumber,
  labelColumn,
  noImages,
  textColumns,
} from './columns.ts';
import { ImageBuffer, ImageCounter, type ImageSink } from './image_buffer.ts';
import {
  beginCall,
  deliver,
  FileBlob,
  freeCopied,
  keepCopied,
  type ReadError,
  readCount,
  useFile,
} from './open_file.ts';
import type { Images, OpenRequest, Rows, Shape, Window, WorkerRequest } from './parquet_reader.ts';
import { labelsOf } from './row_labels.ts';
import { birdsIn, textsIn } from './row_texts.ts';

/** What `open` may read. */
const FOOTER_BYTES = 64 * 2 ** 20;

interface Opened {
  parquet: ParquetFile;
  footer: FileMetaData;
  /** Rows of each row group. */
  groups: number[];
  image: ImageColumn;
  /** The leaf of the image bytes. */
  leaf: string;
  /** The leaf of the path that each image had. */
  path?: string;
  label?: string;
  texts: string[];
  classNames?: string[];
}

let opened: Opened | undefined;

/** In smaller row groups the sizes of pages do not matter. */
const LARGE_BYTES = 8 * 2 ** 20;

const NOT_PARQUET = 'not a parquet file, or a damaged one';

/** The row group that is being read, kept from one window to the next. */
let reading: { group: number; column: ColumnReader } | undefined;

async function open({ size, descriptor, labelled, texts }: OpenRequest): Promise<Shape> {
  await endReading();
  opened?.parquet.free();
  opened = undefined;
  useFile({ size, descriptor });
  const readsBefore = readCount();
  // parquet-wasm uses only what FileBlob has.
  const blob = new FileBlob(0, size) as unknown as Blob;
  const parquet = await ParquetFile.fromFile(blob).catch(refuse(NOT_PARQUET));
  // It reads the end of the file, the footer and, where there is one, the page index.
  const isIndexed = readCount() - readsBefore > 2;
  const metadata = parquet.metadata();
  const groups = metadata.rowGroups();
  const { fields } = tableFromIPC(parquet.schema().intoIPCStream()).schema;
  const image = imageColumn(fields) ?? (await refuseImages(parquet, fields, groups.length));
  const features = featuresOf(huggingFaceOf(metadata));
  const label = labelled ? labelColumn(fields, image.name, features) : undefined;
  keepCopied();
  opened = {
    parquet,
    footer: await readFooter(size).catch(refuse(NOT_PARQUET)),
    groups: groups.map((group) => group.numRows()),
    image,
    ...leavesOf(groups[0], image),
    label,
    texts: texts ? textColumns(fields) : [],
    classNames: label === undefined ? undefined : classNamesIn(features, label),
  };
  const isNumbered = isNumber(fields.find(({ name }) => name === label)?.type);
  const classNames = isNumbered ? (opened.classNames ?? []) : undefined;
  return { many: image.many, label, classNames, groups: await shapesOf(groups, isIndexed) };
}

function huggingFaceOf(metadata: ParquetMetaData): string | undefined {
  const entries: Map<string, string> = metadata.fileMetadata().keyValueMetadata();
  return entries.get('huggingface');
}

function leavesOf(group: RowGroupMetaData | undefined, image: ImageColumn): { leaf: string; path?: string } {
  const leaves = (group?.columns() ?? []).map((column) => column.columnPath());
  const ofImage = leaves.filter((path) => path[0] === image.name);
  const leafOf = (last: string) => ofImage.find((path) => path.at(-1) === last)?.join('.');
  if (!image.struct) return { leaf: ofImage[0]?.join('.') ?? '' };
  return { leaf: leafOf('bytes') ?? '', path: leafOf('path') };
}

async function shapesOf(groups: RowGroupMetaData[], isIndexed: boolean): Promise<Shape['groups']> {
  const shapes: Shape['groups'] = [];
  for (const [group, row] of groups.entries()) {
    const sizes = sizesOf(row);
    const inPages = isIndexed && (sizes.bytes <= LARGE_BYTES || (await hasSmallPages(group)));
    shapes.push({ ...sizes, inPages });
  }
  return shapes;
}

async function hasSmallPages(group: number): Promise<boolean> {
  const { footer, leaf } = current();
  const pages = await readPageIndex(footer, group, leaf).catch(refuse(NOT_PARQUET));
  return pages !== undefined && areSmall(pages, columnChunk(footer, group, leaf));
}

/** @param problem what it means when parquet-wasm fails */
function refuse(problem: string): (error: unknown) => never {
  return (error) => {
    throw new Error(`${problem} (${(error as Error)?.message ?? error}); fetch it again`);
  };
}

async function refuseImages(parquet: ParquetFile, fields: Field[], groups: number): Promise<never> {
  const name = addressColumn(fields);
  const example = name !== undefined && groups > 0 ? await exampleOf(parquet, name) : undefined;
  throw new Error(noImages(fields, name, example));
}

/** The first text of a column; undefined when it cannot be read, since the file is refused anyway. */
async function exampleOf(parquet: ParquetFile, name: string): Promise<string | undefined> {
  const tooLarge = new Promise<undefined>((resolve) => {
    beginCall(FOOTER_BYTES, () => resolve(undefined));
  });
  const table = parquet.read({ rowGroups: [0], columns: [name], limit: 20 }).catch(() => undefined);
  const read = await Promise.race([table, tooLarge]);
  const column = read && tableFromIPC(read.intoIPCStream()).getChild(name);
  for (const value of column ?? []) {
    const [text] = textsIn(value);
    if (text) return text;
  }
  return undefined;
}

/** Rows of a row group, and bytes of its images and of what `rows` reads, compressed or not, whichever is more. */
function sizesOf(group: RowGroupMetaData): { rows: number; bytes: number; listedBytes: number } {
  const { leaf } = current();
  const listed = [...listedColumns(), ...(countsByReading() ? [leaf] : [])];
  const sum = { rows: group.numRows(), bytes: 0, listedBytes: 0 };
  for (const column of group.columns()) {
    const path = column.columnPath();
    const bytes = Math.max(column.compressedSize(), column.uncompressedSize(), 0);
    if (path.join('.') === leaf) sum.bytes += bytes;
    if (listed.includes(path.join('.')) || listed.includes(path[0] ?? '')) sum.listedBytes += bytes;
  }
  return sum;
}

/** What parquet-wasm reads for `rows`: labels, text, and paths, of which there are as many as images. */
function listedColumns(): string[] {
  const { image, path, label, texts, classNames } = current();
  const columns = new Set([...(label === undefined ? [] : [label]), ...texts]);
  if (path !== undefined && (image.many || (label !== undefined && !classNames))) columns.add(path);
  return [...columns];
}

/** Whether only the column of the images itself says how many a row has. */
function countsByReading(): boolean {
  const { image, path } = current();
  return image.many && path === undefined;
}

async function rows(window: Window): Promise<Rows> {
  const { image, label, texts } = current();
  const counted = countsByReading() ? (await readImages(window, new ImageCounter())).counts() : undefined;
  const columns = listedColumns();
  if (columns.length === 0) return { counts: counted, birds: [] };
  const table = await readTable(window, columns);
  const textsOf = texts.map((name) => table.getChild(name));
  return {
    counts: counted ?? (image.many ? countsOf(table) : undefined),
    ...(label === undefined ? {} : labelsIn(table, label)),
    birds: texts.length > 0 ? await birdsIn(textsOf, window.limit) : [],
  };
}

function countsOf(table: Table): Int32Array {
  const lists: Vector | null = table.getChild(current().image.name);
  return Int32Array.from({ length: table.numRows }, (_, row) => lists?.get(row)?.length ?? 0);
}

function labelsIn(table: Table, name: string): Pick<Rows, 'labels' | 'values'> {
  const { image, path, classNames } = current();
  const hasFolders = !classNames && !image.many && path !== undefined;
  const paths: Vector | null | undefined = hasFolders
    ? table.getChild(image.name)?.getChild('path')
    : undefined;
  return labelsOf({ name, classNames, values: table.getChild(name), paths }, table.numRows);
}

/** @param bytesAllowed of all images of the window */
async function images(window: Window, bytesAllowed: number): Promise<Images> {
  // A row that is larger than all others is read alone.
  const buffer = new ImageBuffer(window.limit > 1 ? bytesAllowed / 4 : bytesAllowed);
  const found = (await readImages(window, buffer)).images();
  const { path } = current();
  if (path === undefined || !found.starts.includes(-1)) return found;
  return { ...found, paths: await pathsOf(window, path) };
}

/** The paths of all images of a window, for messages about those that have no bytes. */
async function pathsOf(window: Window, leaf: string): Promise<(string | null)[]> {
  const { image } = current();
  const column: Vector | null = (await readTable(window, [leaf])).getChild(image.name);
  const paths: (string | null)[] = [];
  for (let row = 0; row < window.limit; row++) {
    const value = column?.get(row);
    for (const item of image.many ? (value ?? []) : [value]) paths.push(item?.path ?? null);
  }
  return paths;
}

async function readTable(window: Window, columns: string[]): Promise<Table> {
  expectWindow(window);
  const { group, offset, limit } = window;
  const table = await current()
    .parquet.read({ rowGroups: [group], columns, offset, limit })
    .catch(refuse(`row group ${group} can't be read, the file is damaged`));
  freeCopied();
  const rows = tableFromIPC(table.intoIPCStream());
  expectRows(window, rows.numRows);
  return rows;
}

function expectWindow(window: Window): void {
  const { groups } = current();
  const rows = groups[window.group];
  // parquet-wasm ends the process on a group that does not exist.
  if (rows === undefined) throw new Error(`it has ${groups.length} row groups and no group ${window.group}`);
  expectRows(window, Math.min(window.limit, Math.max(0, rows - window.offset)));
}

function expectRows({ group, offset, limit }: Window, found: number): void {
  if (found === limit) return;
  throw new Error(
    `expected ${limit} rows from row ${offset} of row group ${group} on, but found ${found}; fetch it again`,
  );
}

/**
 * Reads the images of a window, from where the last window ended if it can.
 * @returns `sink`, filled
 */
async function readImages<T extends ImageSink>(window: Window, sink: T): Promise<T> {
  expectWindow(window);
  const { group, offset, limit } = window;
  try {
    if (reading?.group !== group || reading.column.row > offset) {
      await endReading();
      reading = { group, column: new ColumnReader(await chunkFor(window)) };
    }
    await reading.column.read(offset, offset + limit, sink);
    return sink;
  } catch (caught) {
    await endReading();
    const error = caught as ReadError & { isUnsupported?: boolean };
    if (error.tooLarge) throw error;
    if (error.isUnsupported) throw new Error(`it ${error.message}`);
    return refuse(`row group ${group} can't be read, the file is damaged`)(error);
  }
}

/** With the index of the pages, unless the window is the whole row group. */
async function chunkFor({ group, limit }: Window): Promise<ColumnChunk> {
  const { footer, leaf, groups } = current();
  const chunk = columnChunk(footer, group, leaf);
  if (limit === groups[group]) return chunk;
  return { ...chunk, pages: await readPageIndex(footer, group, leaf) };
}

async function endReading(): Promise<void> {
  const ended = reading;
  reading = undefined;
  await ended?.column.end();
}

function current(): Opened {
  if (!opened) throw new Error('it is not open');
  return opened;
}

function answerTo(message: WorkerRequest): Promise<Shape | Rows | Images> {
  if (message.operation === 'open') return open(message.request);
  if (message.operation === 'rows') return rows(message.request);
  return images(message.request, message.bytesAllowed);
}

parentPort?.on('message', async (message: WorkerRequest | { delivered: number; buffer: ArrayBuffer }) => {
  if ('delivered' in message) return deliver(message.delivered, message.buffer);
  const bytesAllowed = message.operation === 'open' ? FOOTER_BYTES : message.bytesAllowed;
  const failed = new Promise<never>((_, reject) => beginCall(bytesAllowed, reject));
  try {
    const answer = await Promise.race([answerTo(message), failed]);
    parentPort?.postMessage({ answer }, 'buffer' in answer ? [answer.buffer] : []);
  } catch (caught) {
    const { message: error, tooLarge, isStuck } = caught as ReadError;
    parentPort?.postMessage({ error, tooLarge, isStuck });
  }
});
