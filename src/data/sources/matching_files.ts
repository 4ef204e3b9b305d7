/** The files on disk that a path or pattern names. */
import { stat } from 'node:fs/promises';
import { dirname, isAbsolute, relative } from 'node:path';
import { UserError } from '../../base/errors.ts';
import { fixedFolderOnDisk, glob, isGlob } from '../glob.ts';
import { filesOfSide } from '../split_names.ts';

export interface MatchingFiles {
  paths: string[];
  /** The folder that all of them lie in. */
  folder: string;
}

/**
 * A file, or all that match; of a pattern only those of the right ending.
 * @param what such files are called: ".parquet file"
 * @throws UserError when there is none
 */
export async function matchingFiles(pattern: string, ending: RegExp, what: string): Promise<MatchingFiles> {
  const found = await stat(pattern).catch(() => null);
  if (found && !found.isFile())
    throw new UserError(`Expected a file, but "${pattern}" is none; check the path`);
  if (!found && !isGlob(pattern)) throw new UserError(`No such file: "${pattern}"; check the path`);
  if (found) return { paths: [pattern], folder: dirname(pattern) };
  const files = await glob(pattern);
  const regular = await Promise.all(
    files.map(async (path) => (await stat(path).catch(() => null))?.isFile()),
  );
  const paths = files.filter((path, i) => regular[i] && ending.test(path));
  if (paths.length === 0) throw new UserError(`No ${what} matches "${pattern}"; check the path`);
  return { paths, folder: await fixedFolderOnDisk(pattern) };
}

/** Those whose names, or folders, say that they are of this side of a split. */
export function matchingSide(pattern: string, { paths, folder }: MatchingFiles, split: string): string[] {
  // Of an absolute path the last folder may say it; those above it are of no concern.
  const base = isAbsolute(pattern) ? dirname(folder) : '.';
  const side = filesOfSide(
    paths.map((full) => ({ full, path: relative(base, full) })),
    split,
  );
  return side.map(({ full }) => full);
}
