/** Atomic writes of files. */
import { type FileHandle, open, rename, rm, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UserError } from './errors.ts';
import { newName, removeLeftovers } from './file_owner.ts';

/** The path of a temporary file; see `removeLeftovers`. */
export function temporaryPath(folder: string, name: string): string {
  return join(folder, `.${name}.tmp`);
}

/**
 * Writes a temporary file beside `path`, syncs it, renames it and syncs the folder, so that `path` always holds either
 * its old content or all of `content` (parts are concatenated and must not change meanwhile). Also removes temporary
 * files of dead processes from the folder.
 * @throws the error of the file system; see {@link saveFile}
 */
export async function writeFileWhole(
  path: string,
  content: string | Uint8Array | Uint8Array[],
): Promise<void> {
  const folder = dirname(path);
  await removeLeftovers(folder);
  const temporary = temporaryPath(folder, newName());
  try {
    await withFile(temporary, 'wx', async (file) => {
      for (const part of partsOf(content)) await file.writeFile(part);
      await file.sync();
    });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
  // Some file systems can't sync a folder; the file itself is synced.
  await withFile(folder, 'r', (open) => open.sync()).catch(() => {});
}

function partsOf(content: string | Uint8Array | Uint8Array[]): (string | Uint8Array)[] {
  return Array.isArray(content) ? content : [content];
}

async function withFile<T>(path: string, flags: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, flags);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** A file could not be written. */
export class SaveError extends UserError {
  readonly code: string;
  readonly isDiskFull: boolean;
  /** What went wrong, without the remedy. */
  readonly problem: string;

  constructor(path: string, bytes: number, cause: unknown) {
    const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
    const isDiskFull = code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
    const reason = isDiskFull ? `the disk is full (${(bytes / 1e6).toFixed(1)} MB were needed)` : code;
    const problem = `Could not save ${path}: ${reason}`;
    const remedy = isDiskFull
      ? 'files saved before are intact; free some space and try again'
      : 'choose a folder that is writable';
    super(`${problem}; ${remedy}`);
    [this.code, this.isDiskFull, this.problem, this.cause] = [code, isDiskFull, problem, cause];
  }
}

/** {@link writeFileWhole} with errors for the user. @throws SaveError (disk full, no permission) */
export async function saveFile(path: string, content: string | Uint8Array | Uint8Array[]): Promise<void> {
  await writeFileWhole(path, content).catch((error) => {
    throw new SaveError(
      path,
      partsOf(content).reduce((sum, part) => sum + Buffer.byteLength(part), 0),
      error,
    );
  });
}

/** Writes a value as JSON with {@link saveFile}. */
export async function saveJson(folder: string, name: string, value: unknown): Promise<void> {
  await saveFile(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
}

/** Sets the modification time of a file to now: the least recently used file is evicted first. */
export async function touch(path: string): Promise<void> {
  const now = new Date();
  // If the file has just been evicted, its reader notices.
  await utimes(path, now, now).catch(() => {});
}

export async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
