/**
 * The far side of the guard in parquet.ts: reads one parquet file with parquet-wasm, in a thread that may die of it.
 * Plain JavaScript, so that a worker starts without a loader.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { DataType, tableFromIPC } from 'apache-arrow';
import { ParquetFile } from 'parquet-wasm';

/**
 * What parquet-wasm asks a Blob for. It ends the process when a read rejects or comes back short, so a failed read
 * never ends at all and is told through `fail` instead.
 */
class FileBlob {
  /**
   * @param {OpenFile} file
   * @param {number} start
   * @param {number} end
   */
  constructor(file, start, end) {
    this.file = file;
    this.start = start;
    this.end = end;
  }

  get size() {
    return this.end - this.start;
  }

  slice(start = 0, end = this.size) {
    return new FileBlob(this.file, this.start + start, this.start + end);
  }

  /** @returns {Promise<ArrayBuffer>} */
  async arrayBuffer() {
    try {
      return this.file.bytes(this.start, this.end);
    } catch (error) {
      this.file.fail(/** @type {Error} */ (error));
      return new Promise(() => {});
    }
  }
}

class OpenFile {
  /** @param {string} path */
  constructor(path) {
    this.descriptor = openSync(path, 'r');
    this.opened = fstatSync(this.descriptor);
    /** @type {(error: Error) => void} */
    this.fail = () => {};
    /** @type {Promise<never>} Rejects when a read fails. */
    this.failed = new Promise((_, reject) => {
      this.fail = reject;
    });
    this.failed.catch(() => {});
  }

  /**
   * @param {number} start
   * @param {number} end
   */
  bytes(start, end) {
    const { size, mtimeMs } = this.opened;
    if (!(start >= 0 && start <= end && end <= size)) {
      throw new Error(`damaged: it points to bytes ${start} to ${end} of ${size}; fetch it again`);
    }
    const buffer = new ArrayBuffer(end - start);
    let done = 0;
    while (done < buffer.byteLength) {
      const count = readSync(this.descriptor, new Uint8Array(buffer, done), { position: start + done });
      if (count === 0) break;
      done += count;
    }
    const now = fstatSync(this.descriptor);
    if (done < buffer.byteLength || now.size !== size || now.mtimeMs !== mtimeMs) {
      throw new Error('it was changed while it was read; start again');
    }
    return buffer;
  }

  /**
   * @template T
   * @param {Promise<T>} reading
   * @param {string} problem what it means when the reading fails
   * @returns {Promise<T>}
   */
  guard(reading, problem) {
    const told = reading.catch((error) => {
      throw new Error(`${problem} (${error?.message ?? error}); fetch it again`);
    });
    told.catch(() => {});
    return Promise.race([told, this.failed]);
  }
}

/**
 * @typedef {object} Opened
 * @property {OpenFile} file
 * @property {ParquetFile} parquet
 * @property {number} groups
 * @property {string} image
 * @property {string | undefined} label
 * @property {boolean} paths Whether the images come with the path they had.
 * @property {string[] | undefined} classNames
 */

/** @type {Opened | undefined} */
let opened;

/** @param {import('./parquet.ts').ParquetSource} request */
async function open({ path, labelled, stamp }) {
  close();
  const file = new OpenFile(path);
  const { size, mtimeMs, ino } = file.opened;
  if (stamp !== undefined && stamp !== `${size}:${mtimeMs}:${ino}`)
    throw new Error('it was changed while it was read; start again');
  const blob = /** @type {Blob} */ (/** @type {unknown} */ (new FileBlob(file, 0, file.opened.size)));
  const parquet = await file.guard(ParquetFile.fromFile(blob), 'not a parquet file, or a damaged one');
  const { fields } = tableFromIPC(parquet.schema().intoIPCStream()).schema;
  const image = imageColumn(fields);
  const label = labelled ? labelColumn(fields, image.name) : undefined;
  const metadata = parquet.metadata();
  opened = {
    file,
    parquet,
    groups: metadata.numRowGroups(),
    image: image.name,
    label,
    paths: image.type.children.some((/** @type {{ name: string }} */ child) => child.name === 'path'),
    classNames: label === undefined ? undefined : classNames(metadata, label),
  };
  return { groups: metadata.rowGroups().map((group) => groupOf(group, image.name)) };
}

/**
 * @param {import('parquet-wasm').RowGroupMetaData} group
 * @param {string} image
 */
function groupOf(group, image) {
  const chunk = group.columns().find((column) => column.columnPath().join('.') === `${image}.bytes`);
  const bytes = chunk ? Math.max(chunk.compressedSize(), chunk.uncompressedSize()) : 0;
  return { rows: group.numRows(), bytes };
}

/**
 * @typedef {import('apache-arrow').Field} Field
 * @param {Field[]} fields
 */
function imageColumn(fields) {
  const found = fields.filter(({ type }) => DataType.isStruct(type) && type.children.some(isBytes));
  const named = found.filter(({ name }) => name === 'image' || name === 'img');
  const [image, other] = named.length > 0 ? named : found;
  if (image && !other) return image;
  throw new Error(
    `expected one image column, a struct of "bytes" and "path", but ${image ? 'there are several' : 'there is none'} ` +
      `among ${told(fields)}; use a file in the image layout of Hugging Face`,
  );
}

/** @param {Field} child */
function isBytes({ name, type }) {
  return name === 'bytes' && (DataType.isBinary(type) || DataType.isLargeBinary(type));
}

/**
 * @param {Field[]} fields
 * @param {string} image
 */
function labelColumn(fields, image) {
  const found = fields.filter(({ name, type }) => name !== image && isLabel(type));
  const [label, other] = found.some(({ name }) => name === 'label')
    ? found.filter(({ name }) => name === 'label')
    : found;
  if (label && !other) return label.name;
  throw new Error(
    `expected a column "label" of whole numbers or text, or one such column of another name, but found ${told(fields)}; for images of one kind use --birds or --not-birds`,
  );
}

/** @param {import('apache-arrow').DataType} type @returns {boolean} */
function isLabel(type) {
  if (DataType.isDictionary(type)) return isLabel(type.dictionary);
  return DataType.isInt(type) || DataType.isUtf8(type) || DataType.isLargeUtf8(type);
}

/** @param {Field[]} fields */
function told(fields) {
  return `the columns ${fields.map(({ name, type }) => `${name} (${type})`).join(', ')}`.slice(0, 1000);
}

/**
 * The names that the datasets library of Hugging Face leaves in the file.
 *
 * @param {import('parquet-wasm').ParquetMetaData} metadata
 * @param {string} label
 * @returns {string[] | undefined}
 */
function classNames(metadata, label) {
  const json = metadata.fileMetadata().keyValueMetadata().get('huggingface');
  if (typeof json !== 'string') return undefined;
  try {
    const names = JSON.parse(json)?.info?.features?.[label]?.names;
    const right = Array.isArray(names) && names.every((name) => typeof name === 'string');
    return right ? names : undefined;
  } catch {
    return undefined;
  }
}

/** More values than this are no classes. */
const LABEL_LIMIT = 10_000;

/** The labels of all rows, as numbers of `values`; -1 where there is none. */
async function labels() {
  const { groups, label, image, paths, classNames } = current();
  /** @type {Map<string, number>} */
  const numbers = new Map();
  /** @type {(string | null | undefined)[]} The folder of each value; null where there are several or none. */
  const folders = [];
  /** @type {Int32Array[]} */
  const parts = [];
  for (let group = 0; group < groups; group++) {
    if (label === undefined) break;
    const withPaths = paths && !classNames;
    const table = await read(group, withPaths ? [label, `${image}.path`] : [label]);
    const column = table.getChild(label);
    const pathColumn = withPaths ? table.getChild(image)?.getChild('path') : undefined;
    const part = new Int32Array(table.numRows).fill(-1);
    for (let row = 0; row < part.length; row++) {
      const value = column?.get(row);
      if (value === null || value === undefined) continue;
      const number = numberOf(numbers, String(value));
      part[row] = number;
      const folder = pathColumn ? folderOf(pathColumn.get(row)) : null;
      folders[number] = folders[number] === undefined || folders[number] === folder ? folder : null;
    }
    parts.push(part);
  }
  const values = [...numbers.keys()].map((value, i) => ({
    value,
    name: nameOf(value),
    folder: folders[i] ?? undefined,
  }));
  return { values, parts };
}

/**
 * @param {Map<string, number>} numbers
 * @param {string} value
 */
function numberOf(numbers, value) {
  const known = numbers.get(value);
  if (known !== undefined) return known;
  if (numbers.size === LABEL_LIMIT) {
    throw new Error(
      `column "${current().label}" has more than ${LABEL_LIMIT} different values; expected classes`,
    );
  }
  numbers.set(value, numbers.size);
  return numbers.size - 1;
}

/** @param {string} value */
function nameOf(value) {
  const { classNames } = current();
  if (classNames && /^\d+$/.test(value)) return classNames[Number(value)];
  return /^-?\d+$/.test(value) ? undefined : value;
}

/** @param {unknown} path @returns {string | null} */
function folderOf(path) {
  return typeof path === 'string' ? (path.split(/[\\/]/).at(-2) ?? null) : null;
}

/**
 * The image bytes of some rows: one buffer, and where each image begins and ends in it; -1 where there is none.
 *
 * @param {{ group: number, offset: number, limit: number }} request
 */
async function images({ group, offset, limit }) {
  const { image } = current();
  const table = await read(group, [`${image}.bytes`], { offset, limit });
  const column = table.getChild(image)?.getChild('bytes');
  if (!column || table.numRows !== limit) {
    throw new Error(`expected ${limit} rows from row ${offset} on, but found ${table.numRows}`);
  }
  const starts = new Float64Array(limit).fill(-1);
  const ends = new Float64Array(limit).fill(-1);
  let buffer;
  for (let row = 0; row < limit; row++) {
    const bytes = column.get(row);
    if (!bytes) continue;
    buffer ??= bytes.buffer;
    if (bytes.buffer !== buffer) throw new Error('its images are not in one piece');
    starts[row] = bytes.byteOffset;
    ends[row] = bytes.byteOffset + bytes.byteLength;
  }
  return { buffer: buffer ?? new ArrayBuffer(0), starts, ends };
}

/**
 * @param {number} group
 * @param {string[]} columns
 * @param {{ offset?: number, limit?: number }} [rows]
 */
async function read(group, columns, rows = {}) {
  const { file, parquet, groups } = current();
  // parquet-wasm ends the process on a group that is not there.
  if (!Number.isInteger(group) || group < 0 || group >= groups) {
    throw new Error(`it has ${groups} row groups, no number ${group}`);
  }
  const reading = parquet.read({ rowGroups: [group], columns, ...rows });
  const table = await file.guard(reading, `row group ${group} can't be read, the file is damaged`);
  return tableFromIPC(table.intoIPCStream());
}

function current() {
  if (!opened) throw new Error('it is not open');
  return opened;
}

function close() {
  if (!opened) return;
  opened.parquet.free();
  closeSync(opened.file.descriptor);
  opened = undefined;
}

const operations = { open, labels, images, close };

parentPort?.on('message', async ({ operation, request }) => {
  try {
    const answer = await operations[/** @type {keyof typeof operations} */ (operation)](request);
    const buffer = answer && 'buffer' in answer ? [/** @type {ArrayBuffer} */ (answer.buffer)] : [];
    parentPort?.postMessage({ answer }, buffer);
  } catch (error) {
    parentPort?.postMessage({ error: error instanceof Error ? error.message : String(error) });
  }
});
