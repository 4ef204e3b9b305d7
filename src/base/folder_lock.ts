/** A folder that one process at a time may use. */
import { type FileHandle, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAbandoned, newName, ownerOf, removeAtExit } from './file_owner.ts';

/** The process that has locked a folder. */
export interface Holder {
  pid: number;
  /** Absent: this machine. */
  host: string | undefined;
  /** When it locked the folder, by ISO 8601. */
  since: string | undefined;
}

/** A process that lives has locked the folder. */
export class FolderLocked extends Error {
  readonly holder: Holder;

  constructor(holder: Holder) {
    super(`locked by process ${holder.pid}`);
    this.holder = holder;
  }
}

/** A process shows this often that it lives ... */
const BEAT_MS = 20_000;
/** ... and nothing else is known of one on another machine: silent for this long, it counts as gone. */
export const LOCK_FOREIGN_MS = 180_000;
const TRIES = 12;

/**
 * Locks a folder until the returned function is called or this process is gone. Each process that wants it creates a
 * file of its own and then looks for those of others: of two, at least one sees the other and withdraws. It tries again
 * unless the other has the folder already.
 * @throws FolderLocked; the error of the file system where the folder can't be written to
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
    // Two that came at the same moment must not meet again.
    await sleep(Math.random() * 50 * tries);
  }
}

/** Whether a file belongs to the lock of its folder. */
export function isLockFile(name: string): boolean {
  return name.startsWith('.lock-');
}

/** The file of this process: while it is there, and its process lives, nobody else has the folder. */
class Claim {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #since = new Date().toISOString();
  #isConfirmed = false;
  readonly #beat: NodeJS.Timeout;
  readonly #keep: () => void;

  private constructor(path: string, file: FileHandle, keep: () => void) {
    [this.path, this.#file, this.#keep] = [path, file, keep];
    // Written, not touched: a file server sets its time by its own clock. A folder that is gone is reported elsewhere.
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

  /** The folder is ours: others need not try again. */
  async confirm(): Promise<void> {
    this.#isConfirmed = true;
    await this.#write();
  }

  async #write(): Promise<void> {
    // Always of the same length.
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

/** Whoever else has the folder or wants it; removes the files of processes that are gone. */
async function claimBeside(folder: string, own: Claim): Promise<OtherClaim | undefined> {
  // Both times are of the clock of the file system.
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
