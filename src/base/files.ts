/** The one way a file of a run is written: whole, or not at all. */
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { UserError } from './errors.ts';

/**
 * Writes under a temporary name beside the file, syncs, renames, syncs the folder: whatever happens, `path` holds
 * either what it held or all of `content` (its parts one after the other, not to be changed meanwhile).
 * @throws UserError that names the file when it can't be written (a full disk, no permission)
 */
export async function writeFileWhole(
  path: string,
  content: string | Uint8Array | Uint8Array[],
): Promise<void> {
  const parts = Array.isArray(content) ? content : [content];
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  try {
    await withFile(temporary, 'w', async (file) => {
      for (const part of parts) await file.writeFile(part);
      await file.sync();
    });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    const bytes = parts.reduce((sum, part) => sum + Buffer.byteLength(part), 0);
    throw saveError(path, bytes, error);
  }
  // Not every file system lets a folder be synced; the file itself is.
  await withFile(dirname(path), 'r', (folder) => folder.sync()).catch(() => {});
}

async function withFile<T>(path: string, flags: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, flags);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

function saveError(path: string, bytes: number, error: unknown): UserError {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  const full = code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
  const said = new UserError(
    full
      ? `Could not save ${path}: the disk is full (${(bytes / 1e6).toFixed(1)} MB were needed); what was saved before is intact, free some space and train again`
      : `Could not save ${path}: ${code}; choose a folder you may write to with --run`,
  );
  said.cause = error;
  return said;
}

/** Writes a value as JSON. */
export async function saveJson(folder: string, name: string, value: unknown): Promise<void> {
  await writeFileWhole(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
}
