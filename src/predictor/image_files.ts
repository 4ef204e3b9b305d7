/** The files that a person names to `predict`, and their bytes. */
import { readFile, stat } from 'node:fs/promises';
import { UserError } from '../base/errors.ts';
import { megabytes, quote } from '../base/words.ts';
import { IMAGE_SIZE_LIMIT } from '../data/image_names.ts';
import { listImageFiles } from '../data/sources/folder_source.ts';

/** A file to classify, or one of which it is known already that it can't be. */
export interface ListedFile {
  /** A path; `-` is the standard input. */
  file: string;
  error?: string;
}

/** Files, and the images in folders and their subfolders, in order. */
export async function* listFiles(paths: string[]): AsyncGenerator<ListedFile, void> {
  for (const [i, path] of paths.entries()) {
    if (path === '-') {
      yield paths.indexOf('-') === i
        ? { file: path }
        : { file: path, error: 'was read already: it is there once' };
      continue;
    }
    const found = await stat(path).catch((error: NodeJS.ErrnoException) => error);
    if (found instanceof Error) {
      yield { file: path, error: found.code === 'ENOENT' ? missing(path) : `can't be read: ${found.code}` };
    } else if (found.isDirectory()) {
      const { files, skipped } = await listImageFiles(path);
      for (const file of files) yield { file };
      for (const { name, reason } of skipped) yield { file: name, error: reason };
      if (files.length + skipped.length === 0) yield { file: path, error: 'no image in this folder' };
    } else if (found.isFile()) {
      yield { file: path };
    } else {
      yield { file: path, error: 'neither a file nor a folder' };
    }
  }
}

function missing(path: string): string {
  if (!/^[a-z][a-z\d+.-]*:\/\//i.test(path)) return 'no such file';
  return `is an address, but expected a file; fetch it first (curl -LO ${quote(path)}), or pipe it in and name "-"`;
}

/** @throws UserError with the reason alone */
export async function readListed({ file, error }: ListedFile): Promise<Uint8Array> {
  if (error !== undefined) throw new UserError(error);
  try {
    return file === '-' ? await readInput() : await readFile(file);
  } catch (failure) {
    if (failure instanceof UserError) throw failure;
    throw new UserError(`can't be read: ${(failure as NodeJS.ErrnoException).code ?? failure}`);
  }
}

/** The standard input. */
async function readInput(): Promise<Uint8Array> {
  if (process.stdin.isTTY)
    throw new UserError('expected an image on the standard input, but it is a terminal');
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > IMAGE_SIZE_LIMIT)
      throw new UserError(`has more than ${megabytes(IMAGE_SIZE_LIMIT)}, too much for an image`);
  }
  return Buffer.concat(chunks);
}
