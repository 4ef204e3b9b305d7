/** A CSV or TSV list of paths and labels. */
import { readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { UserError } from '../../base/errors.ts';
import { fileSum } from '../cache/checksums.ts';
import { readFiles } from '../file_tree.ts';
import type { Listing, Part, Skipped, Source, SourceContext } from '../part.ts';
import { type Columns, columnsOf, labelColumn, onlyUsed, pathColumn } from './list_columns.ts';
import { rowsOf } from './list_rows.ts';
import { sidesOf } from './list_sides.ts';
import { ListedFiles } from './listed_files.ts';

/** Bytes of a list, and its rows. */
const LIST_SIZE_LIMIT = 512 * 2 ** 20;
const ROW_LIMIT = 5_000_000;

/** Yields to the event loop after this many rows. */
const ROWS_A_TURN = 256;

/** The parts of the source: one, with the images of the list in its order. */
export async function listParts(
  { path, split }: Source,
  { labelled, role, isValidated, cacheDir }: SourceContext,
): Promise<Part[]> {
  const found = await stat(path).catch(() => null);
  if (!found) throw new UserError(`No such file: "${path}"; check the path`);
  if (!found.isFile()) throw new UserError(`Expected a list, but "${path}" is no file; check the path`);
  if (found.size > LIST_SIZE_LIMIT) {
    throw new UserError(
      `Expected a list of at most ${LIST_SIZE_LIMIT / 2 ** 20} MB, but "${path}" is larger; cut it in parts`,
    );
  }
  const files = new ListedFiles(dirname(path));
  const part: Part = {
    key: `list ${labelled} ${split ?? ''} ${await realpath(path)}`,
    nameOf: (name) => files.pathOf(name),
    list: (signal) => list(path, { labelled, role, isValidated, split, files, signal }),
    read: (listing, wanted, signal) =>
      readFiles({ read: (name) => readFile(files.pathOf(name)) }, listing, wanted, signal),
    pins: async (options) => [{ name: basename(path), ...(await fileSum(path, cacheDir, options)) }],
    looseImages: true,
  };
  return [part];
}

interface ListOptions extends Pick<SourceContext, 'labelled' | 'role' | 'isValidated'> {
  split: Source['split'];
  files: ListedFiles;
  signal?: AbortSignal;
}

/** Number of cells that are examined to find the column of file names and their folder. */
const SAMPLE = 50;

async function list(path: string, options: ListOptions): Promise<Listing> {
  const { files, split } = options;
  const { columns, rows, lines, isLatin } = await readTable(path, options);
  const sample = rows.slice(0, SAMPLE);
  const column = pathColumn(columns, sample, (cell) => files.has(cell));
  const label = labelColumn(path, columns, rows);
  const { kept, heldOut, note } = sidesOf(path, columns, rows, options);
  const base = files.rebase(kept.slice(0, SAMPLE).map((row) => rows[row]![column]?.trim() ?? ''));
  const images: ListedImage[] = [];
  const skipped: Skipped[] = [];
  const seen = new Set<string>();
  for (const [i, row] of kept.entries()) {
    if (i % ROWS_A_TURN === 0) await turn(options.signal);
    const name = pathIn(path, lines[row]!, rows[row]![column] ?? '');
    const value = rows[row]![label]?.trim() ?? '';
    const looked = files.look(name);
    const once = `${resolve(looked.path)}\0${value}`;
    if (seen.has(once)) skipped.push({ name: looked.path, reason: 'comes again in the list' });
    else if ('reason' in looked) skipped.push({ name: looked.path, reason: looked.reason });
    else images.push({ name, label: value, stamp: looked.stamp, isHeldOut: heldOut.has(row) });
    seen.add(once);
  }
  if (images.length === 0) throw nothing(path, skipped, split);
  const notes = [columnNote(columns, column, label), base && `images from the folder "${base}"`, note];
  if (isLatin) notes.push('read as Latin-1 where it is not UTF-8');
  return { ...listing(images), notes: notes.filter((one) => one !== undefined), skipped, ignored: 0 };
}

interface Table {
  columns: Columns;
  /** Without the header. */
  rows: string[][];
  /** The number of each. */
  lines: number[];
  isLatin: boolean;
}

async function readTable(path: string, { labelled, split, files, signal }: ListOptions): Promise<Table> {
  const columns: Columns = { header: false, names: ['1'], paths: [0], labels: [] };
  const table: Table = { columns, rows: [], lines: [], isLatin: false };
  const onLatin = () => {
    table.isLatin = true;
  };
  let [count, used] = [0, [] as number[]];
  for await (const { row, line } of rowsOf(path, onLatin)) {
    if (++count % ROWS_A_TURN === 0) await turn(signal);
    if (count > ROW_LIMIT)
      throw new UserError(`Expected at most ${ROW_LIMIT} rows in "${path}"; cut it in parts`);
    if (count === 1) {
      const found = columnsOf(path, row, { labelled, split, isFile: (cell) => files.isThere(cell) });
      ({ columns: table.columns, used } = onlyUsed(found));
      if (found.header) continue;
    }
    table.rows.push(used.map((column) => row[column] ?? ''));
    table.lines.push(line);
  }
  return table;
}

async function turn(signal: AbortSignal | undefined): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  signal?.throwIfAborted();
}

function columnNote({ header, names }: Columns, path: number, label: number): string {
  const nameOf = (column: number) => (header ? JSON.stringify(names[column]) : `column ${names[column]}`);
  const labels = label < 0 ? '' : `, labels from ${nameOf(label)}`;
  return `${header ? 'paths from the column' : 'no header: paths from'} ${nameOf(path)}${labels}`;
}

interface ListedImage {
  name: string;
  label: string;
  stamp: string;
  isHeldOut: boolean;
}

function listing(images: ListedImage[]): Omit<Listing, 'skipped' | 'ignored'> {
  const values = [...new Set(images.map(({ label }) => label))].filter((label) => label !== '').sort();
  const numbers = new Map(values.map((value, i) => [value, i]));
  return {
    count: images.length,
    names: images.map(({ name }) => name),
    labels: Int32Array.from(images, ({ label }) => numbers.get(label) ?? -1),
    labelNames: values.map((value) => ({ value, name: value })),
    stamps: images.map(({ stamp }) => stamp),
    ...(images.some(({ isHeldOut }) => isHeldOut)
      ? { heldOut: Uint8Array.from(images, ({ isHeldOut }) => Number(isHeldOut)) }
      : {}),
  };
}

function nothing(path: string, skipped: Skipped[], split: Source['split']): UserError {
  const [first] = skipped;
  if (first) {
    return new UserError(
      `Expected images in the list "${path}", but none of its ${skipped.length} can be used (${first.name} ${first.reason}); ` +
        'paths are relative to the folder of the list',
    );
  }
  const where = split === undefined ? '' : ` for ?split=${split}`;
  return new UserError(`Expected images in the list "${path}"${where}, but there are none`);
}

/** A path of the user's own disk. */
function pathIn(list: string, line: number, cell: string): string {
  const name = cell.trim();
  const refuse = (what: string) => {
    return new UserError(`"${list}", line ${line}: expected the path of an image, but found ${what}`);
  };
  if (name === '') throw refuse('nothing; fill it in, or remove the row');
  if (/^([a-z][a-z0-9+.-]*:\/\/|data:|file:)/i.test(name)) {
    throw refuse(
      `the address ${JSON.stringify(name.slice(0, 100))}; fetch the images first, and list their files`,
    );
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\u0000-\u001f\u007f]/.test(name)) throw refuse('control characters; correct it');
  return name;
}
