/** What running processes need of the cache at present, written down where all of them can read it. */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newName, removeAtExit, removeLeftovers } from '../../base/file_owner.ts';
import { temporaryPath } from '../../base/files.ts';

/** How often a process renews its leases; a lease that was not renewed for a day has expired. */
const BEAT_MS = 3600 * 1000;

/** Of this process, by the folder of the cache. */
const own = new Map<string, Holds>();

/**
 * Protects these cache entries from eviction until the returned function is called.
 * @param names of the pieces, see `Piece`; they need not be there yet
 */
export async function hold(cacheDir: string, names: string[]): Promise<() => Promise<void>> {
  const holds = own.get(cacheDir) ?? (await begin(cacheDir));
  await holds.change(names, 1);
  let isHeld = true;
  return async () => {
    if (isHeld) await holds.change(names, -1);
    isHeld = false;
  };
}

async function begin(cacheDir: string): Promise<Holds> {
  const holds = new Holds(cacheDir);
  own.set(cacheDir, holds);
  // What killed processes held is removed.
  await heldNames(cacheDir);
  return holds;
}

/** The names of all pieces that this process or another holds. */
export async function heldNames(cacheDir: string): Promise<Set<string>> {
  const folder = folderOf(cacheDir);
  const isHolds = (name: string) => name.endsWith('.held');
  const names = await removeLeftovers(folder, isHolds);
  const texts = names.filter(isHolds).map((name) => readFile(join(folder, name), 'utf8').catch(() => ''));
  return new Set((await Promise.all(texts)).flatMap((text) => text.split('\n')));
}

function folderOf(cacheDir: string): string {
  return join(cacheDir, 'held');
}

/** The file of this process: a name a line. */
class Holds {
  readonly #folder: string;
  readonly #name = newName();
  readonly #path: string;
  readonly #counts = new Map<string, number>();
  #beat: NodeJS.Timeout | undefined;
  /** Writes go one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(cacheDir: string) {
    this.#folder = folderOf(cacheDir);
    this.#path = join(this.#folder, `${this.#name}.held`);
    removeAtExit(this.#path);
  }

  async change(names: string[], by: 1 | -1): Promise<void> {
    let isOther = false;
    for (const name of names) {
      const count = (this.#counts.get(name) ?? 0) + by;
      if (count > 0) this.#counts.set(name, count);
      else this.#counts.delete(name);
      isOther ||= count === 0 || count === by;
    }
    return isOther ? this.#renew() : this.#turn;
  }

  #renew(): Promise<void> {
    // Who can't write here fails where it matters.
    this.#turn = this.#turn.then(() => this.#write()).catch(() => {});
    return this.#turn;
  }

  async #write(): Promise<void> {
    clearInterval(this.#beat);
    if (this.#counts.size === 0) return rm(this.#path, { force: true });
    await mkdir(this.#folder, { recursive: true });
    const temporary = temporaryPath(this.#folder, this.#name);
    await writeFile(temporary, [...this.#counts.keys()].join('\n'));
    await rename(temporary, this.#path);
    this.#beat = setInterval(() => void this.#renew(), BEAT_MS).unref();
  }
}
