/** A CSV or TSV list of paths and labels. */
import { statSync } from 'node:fs';
import { readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { UserError } from '../../base/errors.ts';
import { fileSum } from '../cache/checksums.ts';
import { codeOf, readFiles } from '../file_tree.ts';
import { IMAGE_SIZE_LIMIT } from '../image_names.ts';
import type { Listing, Part, Skipped, Source, SourceContext } from '../part.ts';
import { type Columns, columnsOf, sideOf } from './list_columns.ts';
import { rowsOf } from './list_rows.ts';

/** Bytes of a list, and its rows. */
const LIST_SIZE_LIMIT = 512 * 2 ** 20;
const ROW_LIMIT = 5_000_000;

/** After so many rows other work goes on. */
const ROWS_A_TURN = 256;

/** The parts of the source: one, with the images of the list in its order. */
export async function listParts(
  { path, split }: Source,
  { labelled, cacheDir }: SourceContext,
): Promise<Part[]> {
  const found = await stat(path).catch(() => null);
  if (!found) throw new UserError(`No such file: "${path}"; check the path`);
  if (!found.isFile()) throw new UserError(`Expected a list, but "${path}" is no file; check the path`);
  if (found.size > LIST_SIZE_LIMIT) {
    throw new UserError(
      `Expected a list of at most ${LIST_SIZE_LIMIT / 2 ** 20} MB, but "${path}" is larger; cut it in parts`,
    );
  }
  const folder = dirname(path);
  const fullPath = (name: string) => (isAbsolute(name) ? name : join(folder, name));
  const part: Part = {
    key: `list ${labelled} ${split ?? ''} ${await realpath(path)}`,
    nameOf: fullPath,
    list: (signal) => list(path, { labelled, split, fullPath, signal }),
    read: (listing, wanted, signal) =>
      readFiles({ read: (name) => readFile(fullPath(name)) }, listing, wanted, signal),
    pins: async (options) => [{ name: basename(path), ...(await fileSum(path, cacheDir, options)) }],
    looseImages: true,
  };
  return [part];
}

interface ListOptions {
  labelled: boolean;
  split: Source['split'];
  fullPath: (name: string) => string;
  signal?: AbortSignal;
}

async function list(path: string, { labelled, split, fullPath, signal }: ListOptions): Promise<Listing> {
  const images: { name: string; label: string; stamp: string }[] = [];
  const skipped: Skipped[] = [];
  const seen = new Set<string>();
  let columns: Columns | undefined;
  let count = 0;
  for await (const { row, line } of rowsOf(path)) {
    if (++count % ROWS_A_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
    if (count > ROW_LIMIT)
      throw new UserError(`Expected at most ${ROW_LIMIT} rows in "${path}"; cut it in parts`);
    if (!columns) {
      columns = columnsOf(path, row, { labelled, split });
      if (columns.header) continue;
    }
    if (split !== undefined && sideOf(row[columns.split]) !== split) continue;
    const name = pathIn(path, line, row[columns.path] ?? '');
    const label = row[columns.label]?.trim() ?? '';
    const once = `${resolve(fullPath(name))}\0${label}`;
    const { stamp, reason } = seen.has(once) ? { reason: 'comes again in the list' } : look(fullPath(name));
    seen.add(once);
    if (stamp === undefined) skipped.push({ name: fullPath(name), reason: reason! });
    else images.push({ name, label, stamp });
  }
  if (images.length === 0) throw nothing(path, skipped, split);
  return { ...listing(images), skipped, ignored: 0 };
}

function listing(
  images: { name: string; label: string; stamp: string }[],
): Omit<Listing, 'skipped' | 'ignored'> {
  const values = [...new Set(images.map(({ label }) => label))].filter((label) => label !== '').sort();
  const numbers = new Map(values.map((value, i) => [value, i]));
  return {
    count: images.length,
    names: images.map(({ name }) => name),
    labels: Int32Array.from(images, ({ label }) => numbers.get(label) ?? -1),
    labelNames: values.map((value) => ({ value, name: value })),
    stamps: images.map(({ stamp }) => stamp),
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

function look(path: string): { stamp?: string; reason?: string } {
  try {
    const stats = statSync(path);
    if (!stats.isFile()) return { reason: 'is not a file' };
    if (stats.size > IMAGE_SIZE_LIMIT) return { reason: `is larger than ${IMAGE_SIZE_LIMIT / 2 ** 20} MB` };
    return { stamp: `${stats.size}:${stats.mtimeMs}:${stats.ino}` };
  } catch (error) {
    return {
      reason:
        codeOf(error) === 'ENOENT'
          ? 'is in the list, but there is no such file'
          : `could not be opened (${codeOf(error)})`,
    };
  }
}
