/** Files of the cache, written whole or not at all; and what is left of those whose writer was killed. */
import { createHash, randomBytes } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { type FileHandle, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { isAlive } from './alive.ts';

/** Where process numbers mean the same: this machine, and on Linux this container. */
export const host = createHash('sha256').update(`${hostname()} ${processSpace()}`).digest('hex').slice(0, 8);

function processSpace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

/** A name that no other file has, and that says who writes it. */
export function newName(): string {
  return `${Date.now().toString(36)}-${randomBytes(4).toString('hex')}-${host}-${process.pid}`;
}

/** Where what will be `name` is written. */
export function temporaryPath(folder: string, name: string): string {
  return join(folder, `.${name}.tmp`);
}

/** Writes a small file: whole, or not at all. What others left unfinished in its folder goes. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const folder = dirname(path);
  await removeLeftovers(folder, await readdir(folder));
  const temporary = temporaryPath(folder, newName());
  try {
    const file = await open(temporary, 'wx');
    try {
      await writeAll(file, Buffer.from(text), 0);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Notes that a file is used now: what is unused for longest is evicted first. */
export async function touch(path: string): Promise<void> {
  const now = new Date();
  // One that was evicted this moment is found missing later.
  await utimes(path, now, now).catch(() => {});
}

export async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

const DAY_MS = 24 * 3600 * 1000;

/**
 * Removes what processes that are dead have left in a folder of the cache: temporary files, and files that `isOrphan`
 * says belong to nothing. A writer on another machine may be alive: what it has left goes after a day.
 * @returns the names that are still there
 */
export async function removeLeftovers(
  folder: string,
  names: string[],
  isOrphan: (name: string) => boolean = () => false,
): Promise<string[]> {
  const gone = new Set<string>();
  for (const name of names) {
    if (!/^\..*\.tmp$/.test(name) && !isOrphan(name)) continue;
    const [, writerHost, pid] = /-([0-9a-f]{8})-(\d+)\.\w+$/.exec(name) ?? [];
    const dead = writerHost === host && !isAlive(Number(pid));
    if (!dead && (await ageOf(join(folder, name))) < DAY_MS) continue;
    await rm(join(folder, name), { recursive: true, force: true });
    gone.add(name);
  }
  return names.filter((name) => !gone.has(name));
}

async function ageOf(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  return found ? Date.now() - found.mtimeMs : 0;
}
