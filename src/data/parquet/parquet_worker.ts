/**
 * The thread of parquet_reader.ts, one file and one call at a time. parquet-wasm reads schema, labels and text, and may
 * end the thread; our own reader reads images.
 */
import { parentPort } from 'node:worker_threads';
import { type Field, type Table, tableFromIPC, type Vector } from 'apache-arrow';
import type { FileMetaData } from 'hyparquet';
import { ParquetFile, type ParquetMetaData, type RowGroupMetaData } from 'parquet-wasm';
import { columnChunk, hasSmallPages, readFooter } from './column_chunk.ts';
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
import { beginCall, deliver, FileBlob, freeCopied, type ReadError, readCount, useFile } from './open_file.ts';
import type { Images, OpenRequest, Rows, Shape, Window, WorkerRequest } from './parquet_reader.ts';
import { labelsOf } from './row_labels.ts';
import { birdsIn, textsIn } from './row_texts.ts';

/** What `open` may read. */
const FOOTER_BYTES = 64 * 2 ** 20;

interface Opened {
  parquet: ParquetFile;
  size: number;
  /** Read only where row groups are large. */
  footer?: FileMetaData;
  /** Row groups. */
  groups: number;
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
  opened = {
    parquet,
    size,
    groups: groups.length,
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
    const inPages = isIndexed && (sizes.bytes <= LARGE_BYTES || (await areSmall(group)));
    shapes.push({ ...sizes, inPages });
  }
  return shapes;
}

async function areSmall(group: number): Promise<boolean> {
  return hasSmallPages(await footer(), group, current().leaf).catch(refuse(NOT_PARQUET));
}

async function footer(): Promise<FileMetaData> {
  const file = current();
  file.footer ??= await readFooter(file.size).catch(refuse(NOT_PARQUET));
  return file.footer;
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
  const reading = parquet.read({ rowGroups: [0], columns: [name], limit: 20 }).catch(() => undefined);
  const read = await Promise.race([reading, tooLarge]);
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
  const listed = listedColumns();
  const sum = { rows: group.numRows(), bytes: 0, listedBytes: 0 };
  for (const column of group.columns()) {
    const path = column.columnPath();
    const bytes = Math.max(column.compressedSize(), column.uncompressedSize(), 0);
    if (path.join('.') === leaf) sum.bytes += bytes;
    if (listed.includes(path.join('.')) || listed.includes(path[0] ?? '')) sum.listedBytes += bytes;
  }
  return sum;
}

/**
 * What `rows` reads: labels, text, and how many images there are.
 * @param counts whether it counts images, though that may read their bytes
 */
function listedColumns(counts = true): string[] {
  const { image, leaf, path, label, texts, classNames } = current();
  const columns = new Set([...(label === undefined ? [] : [label]), ...texts]);
  if (image.many && (counts || path !== undefined)) columns.add(path ?? leaf);
  else if (!image.many && label !== undefined && !classNames && path !== undefined) columns.add(path);
  return [...columns];
}

async function rows(window: Window): Promise<Rows> {
  const { image, path, label, texts } = current();
  const inPass = window.inPasses && image.many && path === undefined;
  const counted = inPass ? (await readImages(window, new ImageCounter())).counts() : undefined;
  const columns = listedColumns(!inPass);
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
  const found = window.inPasses ? (await readImages(window, buffer)).images() : await imagesIn(window);
  const { path } = current();
  if (path === undefined || !found.starts.includes(-1)) return found;
  return { ...found, paths: await pathsOf(window, path) };
}

async function imagesIn(window: Window): Promise<Images> {
  const { leaf, image } = current();
  const table = await readTable(window, [leaf]);
  const column = table.getChild(image.name);
  const single = image.struct && !image.many ? column?.getChild('bytes') : column;
  const [starts, ends, firsts]: [number[], number[], number[]] = [[], [], [0]];
  let buffer: ArrayBuffer | undefined;
  for (let row = 0; row < window.limit; row++) {
    const value = single?.get(row);
    for (const item of image.many ? (value ?? []) : [value]) {
      const bytes: Uint8Array<ArrayBuffer> | undefined = image.many && image.struct ? item?.bytes : item;
      buffer ??= bytes?.buffer;
      if (bytes && bytes.buffer !== buffer) throw new Error('its images are not in one piece');
      starts.push(bytes ? bytes.byteOffset : -1);
      ends.push(bytes ? bytes.byteOffset + bytes.byteLength : -1);
    }
    firsts.push(starts.length);
  }
  return {
    buffer: buffer ?? new ArrayBuffer(0),
    starts: Float64Array.from(starts),
    ends: Float64Array.from(ends),
    firsts: Int32Array.from(firsts),
  };
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

async function readTable({ group, offset, limit }: Window, columns: string[]): Promise<Table> {
  expectGroup(group);
  const reading = current().parquet.read({ rowGroups: [group], columns, offset, limit });
  const table = await reading.catch(refuse(`row group ${group} can't be read, the file is damaged`));
  freeCopied();
  const rows = tableFromIPC(table.intoIPCStream());
  if (rows.numRows !== limit) {
    throw new Error(
      `expected ${limit} rows from row ${offset} of row group ${group} on, but found ${rows.numRows}; fetch it again`,
    );
  }
  return rows;
}

function expectGroup(group: number): void {
  const { groups } = current();
  // parquet-wasm ends the process on a group that is not there.
  if (!Number.isInteger(group) || group < 0 || group >= groups) {
    throw new Error(`it has ${groups} row groups, no number ${group}`);
  }
}

/**
 * Reads the images of a window, from where the last window ended if it can.
 * @returns `sink`, filled
 */
async function readImages<T extends ImageSink>({ group, offset, limit }: Window, sink: T): Promise<T> {
  expectGroup(group);
  try {
    if (reading?.group !== group || reading.column.row > offset) {
      await endReading();
      const chunk = columnChunk(await footer(), group, current().leaf);
      reading = { group, column: new ColumnReader(chunk) };
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
