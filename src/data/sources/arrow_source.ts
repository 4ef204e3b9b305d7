/** Data sets that were saved with `save_to_disk` of the datasets library: folders of .arrow files. */
import { readFile, realpath, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { UserError } from '../../base/errors.ts';
import { fileSum } from '../cache/checksums.ts';
import type { Part, RandomAccess, Source, SourceContext } from '../part.ts';
import { namesOfSide } from '../split_names.ts';
import { localFile, stampOf } from './local_file.ts';
import { type MatchingFiles, matchingFiles, matchingSide } from './matching_files.ts';
import { SPLITS, STATE } from './saved_dataset.ts';

/** Raise it when the same file would be listed in another way, as with other bird words. */
const LISTING_VERSION = 1;

/**
 * The files that the source names, each a part.
 * @throws UserError if there is none, or the split is ambiguous
 */
export async function arrowParts(source: Source, context: SourceContext): Promise<Part[]> {
  const isFolder = (await stat(source.path).catch(() => null))?.isDirectory();
  const { paths, folder } = isFolder ? await savedFiles(source) : await namedFiles(source);
  const asked = { labelled: context.labelled, texts: context.role === 'notBirds' };
  return Promise.all(
    paths.map(async (path): Promise<Part> => {
      const stats = await stat(path).catch(() => null);
      if (!stats) throw new UserError(`No such file: "${path}"; fetch the data set again`);
      const stamp = stampOf(stats);
      const key = ['arrow', LISTING_VERSION, asked.labelled, asked.texts, await realpath(path)].join(' ');
      return {
        key,
        stamp,
        nameOf: (row) => `${path}#${row}`,
        list: async (signal) => {
          const { listImages } = await import('../arrow/arrow_images.ts');
          return opened(path, stamp, (file) => listImages(file, asked, signal));
        },
        read: (listing, wanted, signal) => read(path, stamp, listing, wanted, signal),
        pins: async (options) => [
          { name: relative(folder, path), ...(await fileSum(path, context.cacheDir, options)) },
        ],
      };
    }),
  );
}

async function opened<T>(path: string, stamp: string, work: (file: RandomAccess) => Promise<T>): Promise<T> {
  const file = await localFile(path, stamp);
  try {
    return await work(file);
  } catch (error) {
    throw arrowError(path, error);
  } finally {
    await file.close?.();
  }
}

async function* read(path: string, stamp: string, ...[listing, wanted, signal]: Parameters<Part['read']>) {
  const { readImages } = await import('../arrow/arrow_images.ts');
  const file = await localFile(path, stamp);
  try {
    yield* readImages(file, listing, wanted, signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw arrowError(path, error);
  } finally {
    await file.close?.();
  }
}

function arrowError(path: string, error: unknown): unknown {
  if (error instanceof UserError || (error as Error).name === 'AbortError') return error;
  const { message } = error as Error;
  return new UserError(
    `Expected an Arrow file with images in "${path}", but ${message}; save the data set again, or as parquet files`,
  );
}

/** By a path or pattern. */
async function namedFiles({ path, text, split }: Source): Promise<MatchingFiles> {
  const files = await matchingFiles(path, /\.arrow$/i, '.arrow file');
  if (split === undefined) return files;
  const paths = matchingSide(path, files, split);
  if (paths.length > 0) return { ...files, paths };
  throw new UserError(
    `Expected .arrow files of the split "${split}" in "${text}", but no name says so; leave ?split= out, or name the files`,
  );
}

/** Of a folder that was saved. */
async function savedFiles(source: Source): Promise<MatchingFiles> {
  const { path } = source;
  const splits = await json(join(path, SPLITS));
  if (splits === undefined && source.split !== undefined) {
    throw new UserError(
      `Expected splits in "${path}", as ?split=${source.split} says, but it was saved without; leave ?split= out`,
    );
  }
  const folder = splits === undefined ? path : join(path, splitOf(source, namesIn(splits.splits)));
  const state = await json(join(folder, STATE));
  if (!state)
    throw new UserError(`Expected ${STATE} in "${folder}", but found none; save the data set again`);
  if (Array.isArray(state._indices_data_files) && state._indices_data_files.length > 0) {
    throw new UserError(
      `Expected the rows of "${folder}" as they lie in its files, but it was saved with an order of its own; load it and save it again with flatten_indices()`,
    );
  }
  const files = Array.isArray(state._data_files) ? state._data_files : [];
  const names = namesIn(files.map((file) => Object(file).filename));
  if (names.length === 0) throw new UserError(`Expected images in "${folder}", but ${STATE} names no files`);
  return { paths: names.map((name) => join(folder, name)), folder: path };
}

function splitOf({ path, split }: Source, splits: string[]): string {
  const found = split === undefined ? splits : namesOfSide(splits, split);
  if (found.length === 1) return found[0]!;
  if (split === undefined) {
    throw new UserError(
      `Expected one split of "${path}", but it has ${splits.join(', ') || 'none'}; say "${path}?split=${splits[0] ?? 'train'}"`,
    );
  }
  throw new UserError(
    `Expected a split "${split}" in "${path}", but it has ${splits.join(', ') || 'none'}; name one of them`,
  );
}

/** Names of files or folders in the same folder. */
function namesIn(list: unknown): string[] {
  const all = Array.isArray(list) ? list : [];
  return all.filter((name) => typeof name === 'string' && name !== '' && !/[/\\]|^\.\.?$/.test(name));
}

async function json(path: string): Promise<Record<string, unknown> | undefined> {
  const text = await readFile(path, 'utf8').catch((error) => {
    if (error.code === 'ENOENT') return undefined;
    throw new UserError(`"${path}" can't be read (${error.code}); check its permissions`);
  });
  if (text === undefined) return undefined;
  try {
    return Object(JSON.parse(text));
  } catch {
    throw new UserError(`Expected JSON in "${path}", but it is damaged; save the data set again`);
  }
}
