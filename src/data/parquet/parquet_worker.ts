/**
 * The far side of the guard in reader.ts: reads one parquet file with parquet-wasm, in a thread that may die of
 * it. Plain JavaScript, so that a worker starts without a loader.
 */
import { parentPort } from 'node:worker_threads';
import { tableFromIPC } from 'apache-arrow';
import { ParquetFile } from 'parquet-wasm';
import { AskedBlob, allow, answered, askedSoFar, askOf, freeCopied } from './asked.js';
import { chunkOf, footerOf, hasSmallPages } from './chunk.js';
import { addressColumn, imageColumn, isNumber, labelColumn, noImages, textColumns } from './columns.js';
import { Count, Room } from './memory_budget.js';
import { Pass } from './pass.js';
import { birdsIn, textsIn } from './row_texts.js';

/** @typedef {import('./parquet_reader.ts').Window} Window */

/** What a call may ask for when it is to tell about the file. */
const FOOTER_BYTES = 64 * 2 ** 20;

/**
 * @typedef {object} Opened
 * @property {ParquetFile} parquet
 * @property {number} size of the file
 * @property {import('hyparquet').FileMetaData} [footer] Read only where row groups are large.
 * @property {number} groups
 * @property {import('./columns.js').ImageColumn} image
 * @property {string} leaf of the image bytes
 * @property {string} [path] Leaf of the path that each image had.
 * @property {string} [label]
 * @property {string[]} texts
 * @property {string[]} [classNames]
 */

/** @type {Opened | undefined} */
let opened;

/** Of smaller row groups it does not matter how large their pages are. */
const LARGE_BYTES = 8 * 2 ** 20;

const NOT_PARQUET = 'not a parquet file, or a damaged one';

/** A row group that is read once, from one window to the next. */
/** @type {{ group: number, pass: Pass } | undefined} */
let passing;

/** @param {{ size: number, descriptor?: number, labelled: boolean, texts: boolean }} request */
async function open({ size, descriptor, labelled, texts }) {
  await endPass();
  opened?.parquet.free();
  opened = undefined;
  askOf({ size, descriptor });
  const asksBefore = askedSoFar();
  const blob = /** @type {Blob} */ (/** @type {unknown} */ (new AskedBlob(0, size)));
  const parquet = await ParquetFile.fromFile(blob).catch(refuse(NOT_PARQUET));
  // The end, the footer; and where there is one, the page index.
  const indexed = askedSoFar() - asksBefore > 2;
  const metadata = parquet.metadata();
  const groups = metadata.rowGroups();
  const { fields } = tableFromIPC(parquet.schema().intoIPCStream()).schema;
  const image = imageColumn(fields) ?? (await refuseImages(parquet, fields, groups.length));
  const features = featuresOf(metadata);
  const leaves = groups[0]?.columns().map((column) => column.columnPath()) ?? [];
  const leafOf = (/** @type {string} */ last) =>
    leaves.find((path) => path[0] === image.name && path.at(-1) === last)?.join('.');
  const label = labelled ? labelColumn(fields, image.name, features) : undefined;
  opened = {
    parquet,
    size,
    groups: groups.length,
    image,
    leaf: (image.struct ? leafOf('bytes') : leaves.find((path) => path[0] === image.name)?.join('.')) ?? '',
    path: image.struct ? leafOf('path') : undefined,
    label,
    texts: texts ? textColumns(fields) : [],
    classNames: label === undefined ? undefined : namesIn(features[label]),
  };
  const sums = groups.map(groupOf);
  /** @type {boolean[]} */
  const inPages = [];
  for (const [group, { bytes }] of sums.entries())
    inPages.push(indexed && (bytes <= LARGE_BYTES || (await areSmall(group))));
  const numbers = isNumber(fields.find(({ name }) => name === label)?.type);
  return {
    ...{ many: image.many, label, classNames: numbers ? (opened.classNames ?? []) : undefined },
    groups: sums.map((sum, group) => ({ ...sum, inPages: inPages[group] })),
  };
}

/** @param {number} group */
async function areSmall(group) {
  return hasSmallPages(await footer(), group, current().leaf).catch(refuse(NOT_PARQUET));
}

async function footer() {
  const { size } = current();
  current().footer ??= await footerOf(size).catch(refuse(NOT_PARQUET));
  return /** @type {import('hyparquet').FileMetaData} */ (current().footer);
}

/** @param {string} problem what it means that parquet-wasm refuses */
function refuse(problem) {
  return (/** @type {Error} */ error) => {
    throw new Error(`${problem} (${error?.message ?? error}); fetch it again`);
  };
}

/**
 * @param {ParquetFile} parquet
 * @param {import('apache-arrow').Field[]} fields
 * @param {number} groups
 * @returns {Promise<never>}
 */
async function refuseImages(parquet, fields, groups) {
  const name = addressColumn(fields);
  let value;
  if (name !== undefined && groups > 0) {
    // Whatever goes wrong here, what is wrong with the file is known already.
    /** @type {Promise<undefined>} */
    const tooLarge = new Promise((resolve) => {
      allow(FOOTER_BYTES, () => resolve(undefined));
    });
    const reading = parquet.read({ rowGroups: [0], columns: [name], limit: 20 }).catch(() => undefined);
    const read = await Promise.race([reading, tooLarge]);
    const column = read && tableFromIPC(read.intoIPCStream()).getChild(name);
    for (let row = 0; column && !value && row < column.length; row++)
      value = [...textsIn(column.get(row))][0];
  }
  throw new Error(noImages(fields, name, value));
}

/**
 * What the datasets library of Hugging Face leaves in the file about its columns.
 *
 * @param {import('parquet-wasm').ParquetMetaData} metadata
 * @returns {Record<string, { _type?: unknown, names?: unknown } | undefined>}
 */
function featuresOf(metadata) {
  try {
    const json = metadata.fileMetadata().keyValueMetadata().get('huggingface');
    return Object(JSON.parse(String(json))?.info?.features);
  } catch {
    return {};
  }
}

/**
 * @param {{ names?: unknown } | undefined} feature
 * @returns {string[] | undefined}
 */
function namesIn(feature) {
  const names = feature?.names;
  return Array.isArray(names) && names.every((name) => typeof name === 'string') ? names : undefined;
}

/** Rows of a row group, and bytes of its images and of what `rows` reads, packed or unpacked, whichever is more. */
function groupOf(/** @type {import('parquet-wasm').RowGroupMetaData} */ group) {
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
 * What tells about rows without their images: labels, text, and how many images there are.
 *
 * @param {boolean} counts Whether it is to tell how many, though that takes the images.
 */
function listedColumns(counts = true) {
  const { image, leaf, path, label, texts, classNames } = current();
  const folders = label !== undefined && !classNames && path !== undefined;
  const columns = [...new Set([...(label === undefined ? [] : [label]), ...texts])];
  if (image.many && (counts || path !== undefined)) columns.push(path ?? leaf);
  else if (folders) columns.push(path);
  return columns;
}

/** More values than this are no classes. */
const LABEL_LIMIT = 10_000;

/**
 * What is known of some rows without their images.
 *
 * @param {Window} window
 * @returns {Promise<import('./parquet_reader.ts').Rows>}
 */
async function rows(window) {
  const { image, path, label, texts } = current();
  const inPass = window.inPasses && image.many && path === undefined;
  const passed = inPass ? (await readOn(window, new Count())).counts() : undefined;
  const columns = listedColumns(!inPass);
  if (columns.length === 0) return { counts: passed, birds: [] };
  const table = await read(window, columns);
  const images = table.getChild(image.name);
  const counts = image.many
    ? Int32Array.from({ length: window.limit }, (_, row) => images?.get(row)?.length ?? 0)
    : undefined;
  return {
    counts: passed ?? counts,
    ...(label === undefined ? {} : labelsOf(table, label)),
    birds:
      texts.length > 0
        ? await birdsIn(
            texts.map((name) => table.getChild(name)),
            window.limit,
          )
        : [],
  };
}

/**
 * @param {import('apache-arrow').Table} table
 * @param {string} label
 */
function labelsOf(table, label) {
  const { image, path, classNames } = current();
  const column = table.getChild(label);
  const paths = classNames || image.many || !path ? undefined : table.getChild(image.name)?.getChild('path');
  const labels = new Int32Array(table.numRows).fill(-1);
  /** @type {Map<string, import('../part.ts').SourceLabel>} */
  const values = new Map();
  const numbers = new Map();
  for (let row = 0; row < labels.length; row++) {
    const raw = column?.get(row);
    if (raw === null || raw === undefined) continue;
    const value = String(raw);
    const folder = paths ? folderOf(paths.get(row)) : undefined;
    const known = values.get(value);
    if (!known) {
      if (values.size === LABEL_LIMIT) throw tooManyLabels();
      numbers.set(value, values.size);
      values.set(value, { value, name: nameOf(value), folder });
    } else if (known.folder !== folder) known.folder = undefined;
    labels[row] = numbers.get(value);
  }
  return { labels, values: [...values.values()] };
}

function tooManyLabels() {
  return new Error(
    `column "${current().label}" has more than ${LABEL_LIMIT} different values; expected classes`,
  );
}

/** @param {string} value */
function nameOf(value) {
  const { classNames } = current();
  if (classNames && /^\d+$/.test(value)) return classNames[Number(value)];
  return /^-?\d+$/.test(value) ? undefined : value;
}

/** @param {unknown} path @returns {string | undefined} */
function folderOf(path) {
  return typeof path === 'string' ? path.split(/[\\/]/).at(-2) : undefined;
}

/**
 * The image bytes of some rows: one buffer; where each image begins and ends in it, -1 where there is none; and the
 * number of each row's first image, with their count at the end.
 *
 * @param {Window} window
 * @param {number} bytesAllowed
 */
async function images(window, bytesAllowed) {
  // A row that is larger than all the others comes alone.
  const room = new Room(window.limit > 1 ? bytesAllowed / 4 : bytesAllowed);
  const found = window.inPasses ? (await readOn(window, room)).images() : await imagesIn(window);
  const { path } = current();
  return path !== undefined && found.starts.includes(-1)
    ? { ...found, paths: await pathsOf(window, path) }
    : found;
}

/** @param {Window} window */
async function imagesIn(window) {
  const { leaf, image } = current();
  const table = await read(window, [leaf]);
  const column = table.getChild(image.name);
  const single = image.struct && !image.many ? column?.getChild('bytes') : column;
  const [starts, ends] = [/** @type {number[]} */ ([]), /** @type {number[]} */ ([])];
  const firsts = [0];
  let buffer;
  for (let row = 0; row < window.limit; row++) {
    const value = single?.get(row);
    for (const item of image.many ? (value ?? []) : [value]) {
      const bytes = image.many && image.struct ? item?.bytes : item;
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

/**
 * The paths of images that have no bytes, for the person who looks for them.
 *
 * @param {Window} window
 * @param {string} leaf
 */
async function pathsOf(window, leaf) {
  const { image } = current();
  const column = (await read(window, [leaf])).getChild(image.name);
  /** @type {(string | null)[]} */
  const paths = [];
  for (let row = 0; row < window.limit; row++) {
    const value = column?.get(row);
    for (const item of image.many ? (value ?? []) : [value]) paths.push(item?.path ?? null);
  }
  return paths;
}

/**
 * @param {Window} window
 * @param {string[]} columns
 */
async function read({ group, offset, limit }, columns) {
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

/** @param {number} group */
function expectGroup(group) {
  const { groups } = current();
  // parquet-wasm ends the process on a group that is not there.
  if (!Number.isInteger(group) || group < 0 || group >= groups) {
    throw new Error(`it has ${groups} row groups, no number ${group}`);
  }
}

/**
 * The next window of a row group of which no page can be read alone.
 *
 * @template {Room | Count} T
 * @param {Window} window
 * @param {T} room which is filled
 */
async function readOn({ group, offset, limit }, room) {
  expectGroup(group);
  try {
    if (passing?.group !== group || passing.pass.row > offset) {
      await endPass();
      passing = { group, pass: new Pass(chunkOf(await footer(), group, current().leaf)) };
    }
    await passing.pass.read(offset, offset + limit, room);
    return room;
  } catch (error) {
    await endPass();
    const { tooLarge, isForeign, message } =
      /** @type {Error & { tooLarge?: boolean, isForeign?: boolean }} */ (error);
    if (tooLarge) throw error;
    if (isForeign) throw new Error(`it ${message}`);
    return refuse(`row group ${group} can't be read, the file is damaged`)(/** @type {Error} */ (error));
  }
}

async function endPass() {
  const ended = passing;
  passing = undefined;
  await ended?.pass.end();
}

function current() {
  if (!opened) throw new Error('it is not open');
  return opened;
}

const operations = { open, rows, images };

parentPort?.on('message', async ({ bytes, buffer, operation, request, bytesAllowed }) => {
  if (bytes !== undefined) {
    return answered(bytes, buffer);
  }
  const failed = new Promise((_, reject) => allow(bytesAllowed ?? FOOTER_BYTES, reject));
  try {
    const working = operations[/** @type {keyof typeof operations} */ (operation)](request, bytesAllowed);
    const answer = await Promise.race([working, failed]);
    const transferred = 'buffer' in answer ? [/** @type {ArrayBuffer} */ (answer.buffer)] : [];
    parentPort?.postMessage({ answer }, transferred);
  } catch (error) {
    const { message, tooLarge, isStuck } = /** @type {Error & { tooLarge?: boolean, isStuck?: boolean }} */ (
      error
    );
    parentPort?.postMessage({ error: message, tooLarge, isStuck });
  }
});
