/** Locks of folders, so that one process at a time uses them. */
import { type FileHandle, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAbandoned, newName, ownerOf, removeAtExit } from './file_owner.ts';

/** The process that holds a lock. */
export interface Holder {
  pid: number;
  /** Undefined: this machine. */
  host: string | undefined;
  /** When it locked the folder (ISO 8601). */
  since: string | undefined;
}

/** The folder is locked by a running process. */
export class FolderLocked extends Error {
  readonly holder: Holder;

  constructor(holder: Holder) {
    super(`locked by process ${holder.pid}`);
    this.holder = holder;
  }
}

/** A holder rewrites its lock file this often. */
const BEAT_MS = 20_000;
/** A holder on another machine counts as dead when its lock file is older than this. */
export const LOCK_FOREIGN_MS = 180_000;
const TRIES = 12;

/**
 * Locks a folder until the returned function is called or this process ends. Each process creates a file of its own and
 * then looks for files of others: of two processes, at least one sees the other and withdraws. It retries unless the
 * other already holds the lock. This needs no atomic operation but creating a file, so it also works over NFS.
 * @throws FolderLocked; the error of the file system if the folder is not writable
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  for (let tries = 1; ; tries++) {
    const claim = await Claim.create(folder);
    try {
      const other = await claimBeside(folder, claim);
      if (!other) {
        await claim.confirm();
        return () => claim.withdraw();
      }
      if (other.isConfirmed || tries === TRIES) throw new FolderLocked(other.holder);
      await claim.withdraw();
    } catch (error) {
      await claim.withdraw();
      throw error;
    }
    // A random delay, so that two processes do not collide again.
    await sleep(Math.random() * 50 * tries);
  }
}

/** Whether a file is a lock file of its folder. */
export function isLockFile(name: string): boolean {
  return name.startsWith('.lock-');
}

/** The lock file of this process. */
class Claim {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #since = new Date().toISOString();
  #isConfirmed = false;
  readonly #beat: NodeJS.Timeout;
  readonly #keep: () => void;

  private constructor(path: string, file: FileHandle, keep: () => void) {
    [this.path, this.#file, this.#keep] = [path, file, keep];
    // A write makes a file server set the time by its own clock; utimes would not. A removed folder is reported elsewhere.
    this.#beat = setInterval(() => void this.#write().catch(() => {}), BEAT_MS).unref();
  }

  static async create(folder: string): Promise<Claim> {
    const path = join(folder, `.lock-${newName()}`);
    const keep = removeAtExit(path);
    try {
      const claim = new Claim(path, await open(path, 'wx'), keep);
      await claim.#write().catch(async (error) => {
        await claim.withdraw();
        throw error;
      });
      return claim;
    } catch (error) {
      keep();
      throw error;
    }
  }

  /** Marks the lock as held: others stop retrying. */
  async confirm(): Promise<void> {
    this.#isConfirmed = true;
    await this.#write();
  }

  async #write(): Promise<void> {
    // The text always has the same length.
    const confirmed = Number(this.#isConfirmed);
    await this.#file.write(JSON.stringify({ host: hostname(), since: this.#since, confirmed }), 0);
  }

  async withdraw(): Promise<void> {
    clearInterval(this.#beat);
    await this.#file.close().catch(() => {});
    await rm(this.path, { force: true });
    this.#keep();
  }
}

/** Another process that holds or wants the lock, if any; removes the lock files of dead processes. */
async function claimBeside(folder: string, own: Claim): Promise<OtherClaim | undefined> {
  // Both times come from the clock of the file system.
  const now = (await stat(own.path)).mtimeMs;
  for (const name of (await readdir(folder)).filter(isLockFile)) {
    const path = join(folder, name);
    const found = path === own.path ? undefined : await stat(path).catch(() => undefined);
    if (!found) continue;
    if (!isAbandoned(name, now - found.mtimeMs, LOCK_FOREIGN_MS)) return readClaim(path, name);
    await rm(path, { force: true });
  }
  return undefined;
}

interface OtherClaim {
  holder: Holder;
  isConfirmed: boolean;
}

async function readClaim(path: string, name: string): Promise<OtherClaim> {
  const { pid = 0, isHere = false } = ownerOf(name) ?? {};
  const text = await readFile(path, 'utf8').catch(() => '');
  const [host, since] = ['host', 'since'].map((key) => new RegExp(`"${key}":"([^"]*)"`).exec(text)?.[1]);
  const holder = { pid, host: isHere ? undefined : (host ?? 'another machine'), since };
  return { holder, isConfirmed: text.includes('"confirmed":1') };
}
