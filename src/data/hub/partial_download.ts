/** A file that is being fetched: of one process alone, and taken over by another when that one is gone. */
import type { Hash } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isAlive } from '../../base/alive.ts';
import { host as thisHost } from '../../base/atomic.ts';

/** Of another machine it can't be known whether its process lives; silent for so long, it is taken for dead. */
const FOREIGN_MS = 600_000;

/** Another process that wrote nothing for so long is not waited for. */
const SILENT_MS = 30_000;

/** Those of this process. */
const own = new Set<string>();
let count = 0;

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
   * @param folder where it is until it is whole, on the same disk: one with few files, as it is looked through
   */
  static async open(target: string, newHash: () => Hash, folder = dirname(target)): Promise<Partial> {
    await mkdir(dirname(target), { recursive: true });
    await mkdir(folder, { recursive: true });
    count += 1;
    const path = `${join(folder, basename(target))}.${thisHost}-${process.pid}-${count}.incomplete`;
    own.add(path);
    try {
      await takeOver(await partialsOf(target, folder), path);
      const file = await open(path, 'a+');
      const partial = new Partial(path, file, newHash);
      await partial.#readAll();
      return partial;
    } catch (error) {
      own.delete(path);
      throw error;
    }
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

  /** What is there stays for the next one. */
  async close(): Promise<void> {
    own.delete(this.path);
    await this.#file.close();
    if (this.size === 0) await rm(this.path, { force: true });
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
  const others = (await partialsOf(target, folder)).filter(
    ({ abandoned, path }) => !abandoned && !own.has(path),
  );
  return others.some(({ age }) => age < SILENT_MS);
}

/** How much of the file is there, in bytes; of those who fetch it, the one that is furthest. */
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
      if (!name.startsWith(`${basename(target)}.`)) return [];
      const [, host, pid] = /\.([0-9a-f]{8})-(\d{1,9})-\d+\.incomplete$/.exec(name) ?? [];
      const path = join(folder, name);
      const stats = host === undefined ? undefined : await stat(path).catch(() => undefined);
      if (!stats) return [];
      const age = Date.now() - stats.mtimeMs;
      const alive = Number(pid) === process.pid ? own.has(path) : isAlive(Number(pid));
      return [{ path, size: stats.size, age, abandoned: host === thisHost ? !alive : age > FOREIGN_MS }];
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
