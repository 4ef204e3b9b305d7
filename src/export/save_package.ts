/** Writes a folder that is one thing to its readers: whole, or not at all. */
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { newName, removeLeftovers } from '../base/file_owner.ts';
import { SaveError, temporaryPath } from '../base/files.ts';

/**
 * Writes all files under a temporary name beside the folder, syncs them, and renames. An earlier package is moved away
 * in the moment before; between these two renames there is none.
 * @param files by their path in the folder, each in pieces
 * @throws SaveError (a full disk, no permission)
 */
export async function savePackage(path: string, files: Map<string, Uint8Array[]>): Promise<void> {
  const folder = dirname(path);
  await removeLeftovers(folder);
  const [fresh, old] = [temporaryPath(folder, newName()), temporaryPath(folder, newName())];
  try {
    for (const [name, pieces] of files) {
      await mkdir(dirname(join(fresh, name)), { recursive: true });
      const file = await open(join(fresh, name), 'wx');
      try {
        for (const piece of pieces) await file.writeFile(piece);
        await file.sync();
      } finally {
        await file.close();
      }
    }
    if (await stat(path).catch(() => undefined)) await rename(path, old);
    await rename(fresh, path);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true }).catch(() => {});
    const bytes = [...files.values()].flat().reduce((sum, { length }) => sum + length, 0);
    throw new SaveError(join(folder, basename(path)), bytes, error);
  }
  await rm(old, { recursive: true, force: true }).catch(() => {});
}
