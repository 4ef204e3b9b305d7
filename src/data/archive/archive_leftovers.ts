/** What lies unfinished beside the unpacked archives: another process is at it, or was killed. */
import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DAY_MS, isAbandoned, removeLeftovers, silenceOf } from '../../base/file_owner.ts';

/** A process that has not shown itself for this long is not waited for. */
const SILENT_MS = 10_000;
/** One on another machine that has not for this long is gone. */
const FOREIGN_MS = 600_000;

/** Whether another process is unpacking the same archive, and has shown itself lately. */
export async function isInWork(folder: string): Promise<boolean> {
  const root = dirname(folder);
  for (const name of await readdir(root)) {
    if (!name.startsWith(`.${basename(folder)}-`)) continue;
    const silentMs = await silenceOf(join(root, name));
    if (silentMs < SILENT_MS && !isAbandoned(name, silentMs, SILENT_MS)) return true;
  }
  return false;
}

/** Removes leftovers of killed processes, and outdated versions of this archive that were unused for a day. */
export async function tidyArchives(root: string, folder: string): Promise<void> {
  await removeLeftovers(root, undefined, FOREIGN_MS);
  const [archive] = basename(folder).split('-');
  for (const name of await readdir(root)) {
    if (!name.startsWith(`${archive}-`) || name === basename(folder)) continue;
    if ((await silenceOf(join(root, name))) > DAY_MS)
      await rm(join(root, name), { recursive: true, force: true });
  }
}
