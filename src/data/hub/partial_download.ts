/** A file that is being fetched: of one process alone, and taken over by another when that one is gone. */
import type { Hash } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isAbandoned, newName } from '../../base/file_owner.ts';

/** A process on another machine can't be checked; a file untouched for this long counts as abandoned. */
const FOREIGN_MS = 600_000;

/** Marks the name of a file that no process writes to any more. */
const FREE = '-free';

/** Another process that wrote nothing for this long is not waited for. */
const SILENT_MS = 30_000;

/** Bytes from the start of a file on, as far as they have come, and their hash. */
export class Partial {
  size = 0;
  readonly path: string;
  readonly #file: FileHandle;
  readonly #newHash: () => Hash;
  #hash: Hash;

  private constructor(path: string, file: FileHandle, newHash: () => Hash) {
    [this.path, this.#file, this.#newHash] = [path, file, newHash];
    this.#hash = newHash();
  }

  /**
   * What a process that is gone left of the file, else an empty one.
   * @param target the file that it is to become, in a folder that is there
   * @param newHash what its content is known by
   * @param folder for the partial file, on the same disk; it should hold few files, since it is scanned
   */
  static async open(target: string, newHash: () => Hash, folder = dirname(target)): Promise<Partial> {
    await mkdir(dirname(target), { recursive: true });
    await mkdir(folder, { recursive: true });
    const path = `${join(folder, basename(target))}.${newName()}.incomplete`;
    await takeOver(await partialsOf(target, folder), path);
    const partial = new Partial(path, await open(path, 'a+'), newHash);
    await partial.#readAll();
    return partial;
  }

  async append(bytes: Uint8Array): Promise<void> {
    await this.#file.writeFile(bytes);
    this.#hash.update(bytes);
    this.size += bytes.length;
  }

  async empty(): Promise<void> {
    await this.#file.truncate(0);
    this.#hash = this.#newHash();
    this.size = 0;
  }

  /** Of what is there, in hex. */
  digest(): string {
    return this.#hash.copy().digest('hex');
  }

  /** Gives it the name of the whole file, its bytes being on the disk. */
  async finish(target: string): Promise<void> {
    await this.#file.sync();
    await rename(this.path, target);
  }

  /** What is there stays for the next one, and belongs to no process until then. */
  async close(): Promise<void> {
    await this.#file.close();
    if (this.size === 0) return rm(this.path, { force: true });
    await rename(this.path, this.path.replace(/\.incomplete$/, `${FREE}$&`)).catch((error) => {
      // It has become the whole file.
      if (error.code !== 'ENOENT') throw error;
    });
  }

  async #readAll(): Promise<void> {
    const buffer = new Uint8Array(2 ** 20);
    for (;;) {
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, this.size);
      if (bytesRead === 0) return;
      this.#hash.update(buffer.subarray(0, bytesRead));
      this.size += bytesRead;
    }
  }
}

/** Whether another process is fetching the file right now. */
export async function isFetchedElsewhere(target: string, folder = dirname(target)): Promise<boolean> {
  return (await partialsOf(target, folder)).some(({ abandoned, age }) => !abandoned && age < SILENT_MS);
}

/** Bytes fetched so far, by the process that is furthest. */
export async function fetchedBytes(target: string, folder: string): Promise<number> {
  return Math.max(0, ...(await partialsOf(target, folder)).map(({ size }) => size));
}

interface Found {
  path: string;
  size: number;
  /** Milliseconds since it was last written to. */
  age: number;
  /** Its process is gone. */
  abandoned: boolean;
}

async function partialsOf(target: string, folder: string): Promise<Found[]> {
  const names = await readdir(folder).catch(() => []);
  const found = await Promise.all(
    names.map(async (name): Promise<Found[]> => {
      if (!name.startsWith(`${basename(target)}.`) || !name.endsWith('.incomplete')) return [];
      const path = join(folder, name);
      const stats = await stat(path).catch(() => undefined);
      if (!stats) return [];
      const age = Date.now() - stats.mtimeMs;
      const abandoned = name.endsWith(`${FREE}.incomplete`) || isAbandoned(name, age, FOREIGN_MS);
      return [{ path, size: stats.size, age, abandoned }];
    }),
  );
  return found.flat();
}

/** The largest that was abandoned gets our name, if no other process is quicker; the rest of them goes. */
async function takeOver(found: Found[], path: string): Promise<void> {
  const abandoned = found.filter((partial) => partial.abandoned);
  abandoned.sort((a, b) => b.size - a.size);
  let taken = false;
  for (const { path: old } of abandoned) {
    if (taken) await rm(old, { force: true });
    else {
      taken = await rename(old, path).then(
        () => true,
        () => false,
      );
    }
  }
}
