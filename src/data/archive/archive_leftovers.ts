/** What lies unfinished beside the unpacked archives: another process is at it, or was killed. */
import { readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isAlive } from '../../base/alive.ts';
import { host } from '../../base/atomic.ts';

/** One that did not show itself for so long is not waited for. */
const SILENT_MS = 10_000;
const DAY_MS = 24 * 3600 * 1000;

/** Whether another process is unpacking the same archive, and has said so lately. */
export async function isInWork(folder: string): Promise<boolean> {
  for (const { pid, silentMs } of await temporaries(dirname(folder), basename(folder))) {
    if (silentMs < SILENT_MS && isAlive(pid)) return true;
  }
  return false;
}

/** Removes what killed processes left, and this archive as it was before it changed, if nobody used it for a day. */
export async function removeLeftovers(root: string, folder: string): Promise<void> {
  for (const { name, pid, silentMs } of await temporaries(root, '')) {
    // One of another container only seems dead.
    const isDead = !isAlive(pid) && (name.includes(`-${host}.`) || silentMs > SILENT_MS);
    if (isDead || silentMs > DAY_MS) await rm(join(root, name), { recursive: true, force: true });
  }
  const [archive] = basename(folder).split('-');
  for (const name of await readdir(root)) {
    if (!name.startsWith(`${archive}-`) || name === basename(folder)) continue;
    const unused = Date.now() - ((await stat(join(root, name)).catch(() => null))?.mtimeMs ?? Date.now());
    if (unused > DAY_MS) await rm(join(root, name), { recursive: true, force: true });
  }
}

async function temporaries(
  root: string,
  id: string,
): Promise<{ name: string; pid: number; silentMs: number }[]> {
  const found = [];
  for (const name of await readdir(root)) {
    const pid = /^\..*\.(\d+)\.tmp$/.exec(name)?.[1];
    if (!pid || !name.startsWith(`.${id}`)) continue;
    const silentMs = Date.now() - ((await stat(join(root, name)).catch(() => null))?.mtimeMs ?? 0);
    found.push({ name, pid: Number(pid), silentMs });
  }
  return found;
}
