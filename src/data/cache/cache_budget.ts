/** The size limit of the cache: the least recently used entries are evicted, entries in use are kept. */
import { UserError } from '../../base/errors.ts';
import {
  isMemory,
  type Piece,
  pieceName,
  piecesOf,
  pixelsIn,
  removePiece,
  removeUnfinished,
} from './cache_entries.ts';
import { heldNames, hold } from './leases.ts';

/** Facts about files are evicted only after being unused for this long. */
const MEMORY_MS = 30 * 24 * 3600 * 1000;

/** Of what grows, room is made so far ahead; of a small cache less, as it would leave nothing in it. */
const AHEAD_BYTES = 64 * 2 ** 20;
const AHEAD_SHARE = 24;

/**
 * Evicts until `bytes` more fit, what was unused for longest first. Segments that a living process has open
 * (`openPixels`) stay, and so does whatever is held: then the limit is exceeded by them. The segments of `keep` are
 * held from now on, until this process calls it again or `letGo`.
 * @param limit bytes of all that is in the cache folder
 * @returns the pixel files that are gone
 */
export async function makeRoom(
  cacheDir: string,
  limit: number,
  bytes: number,
  keep: ReadonlySet<string>,
): Promise<string[]> {
  const names = [...keep].map((path) => pieceName(cacheDir, path));
  const release = await hold(cacheDir, names);
  const before = kept.get(cacheDir);
  kept.set(cacheDir, release);
  await before?.();
  return (await evict(cacheDir, limit - bytes, () => true)).flatMap((piece) => pixelsIn(piece) ?? []);
}

/** What ends it, by the folder of the cache. */
const kept = new Map<string, () => Promise<void>>();

/** Ends what `makeRoom` holds for this process. */
export async function letGo(cacheDir: string): Promise<void> {
  const release = kept.get(cacheDir);
  kept.delete(cacheDir);
  await release?.();
}

/** Evicts entries until the cache is within its limit. */
async function evict(cacheDir: string, limit: number, isFree: (piece: Piece) => boolean): Promise<Piece[]> {
  // What killed processes held goes in any case.
  const held = await heldNames(cacheDir);
  const pieces = await piecesOf(cacheDir);
  let excess = sizeOf(pieces) - limit;
  if (excess <= 0) return [];
  await removeUnfinished(cacheDir);
  const isOld = ({ used }: Piece) => used < Date.now() - MEMORY_MS;
  const evicted: Piece[] = [];
  for (const piece of pieces.sort((a, b) => a.used - b.used)) {
    if (excess <= 0) break;
    if (piece.name === '' || held.has(piece.name) || (isMemory(piece) && !isOld(piece))) continue;
    if (!isFree(piece) || !(await removePiece(piece))) continue;
    excess -= piece.bytes;
    evicted.push(piece);
  }
  return evicted;
}

function sizeOf(pieces: Piece[]): number {
  return pieces.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** The room of one run for what its sources put into the cache: evicts nothing that came or was used since it began. */
export class Room {
  readonly cacheDir: string;
  readonly limit: number;
  /** Whether anything was evicted. */
  hasEvicted = false;
  readonly #began = Date.now();
  /** What this run held, and does not any more. */
  readonly #released = new Set<string>();

  /** @param limit bytes of all that is in the cache folder */
  constructor(cacheDir: string, limit = Number.POSITIVE_INFINITY) {
    this.cacheDir = cacheDir;
    this.limit = limit;
  }

  /** Nobody evicts what this file or folder is part of until the returned function is called. */
  async hold(path: string): Promise<() => Promise<void>> {
    const name = pieceName(this.cacheDir, path);
    const release = await hold(this.cacheDir, [name]);
    this.#released.delete(name);
    return async () => {
      await release();
      this.#released.add(name);
    };
  }

  /**
   * For what grows in the cache: call it with the bytes that are there, and that there will be, before there are more.
   * @param what as a person knows it; absent: it may be larger than the limit
   * @throws UserError when it is, or will be
   */
  growing(what?: string): (bytes: number, total?: number) => Promise<void> {
    const ahead = Math.min(AHEAD_BYTES, this.limit / AHEAD_SHARE);
    let ready = 0;
    return async (bytes, total = bytes) => {
      if (what !== undefined && total > this.limit) throw this.#tooLarge(what, total);
      if (total <= ready || this.limit === Number.POSITIVE_INFINITY) return;
      ready = Math.max(total, bytes + ahead);
      await this.#evict(ready - bytes);
    };
  }

  /** Evicts what is too much and not held any more. */
  async settle(): Promise<void> {
    await this.#evict(0);
  }

  /** Bytes by which the cache is larger than its limit. */
  async excess(): Promise<number> {
    if (this.limit === Number.POSITIVE_INFINITY) return 0;
    return Math.max(0, sizeOf(await piecesOf(this.cacheDir)) - this.limit);
  }

  async #evict(more: number): Promise<void> {
    if (this.limit === Number.POSITIVE_INFINITY) return;
    const isFree = ({ name, used }: Piece) => used < this.#began || this.#released.has(name);
    const evicted = await evict(this.cacheDir, this.limit - more, isFree);
    if (evicted.length > 0) this.hasEvicted = true;
  }

  #tooLarge(what: string, bytes: number): UserError {
    const gigabytes = (count: number) => `${Math.ceil(count / 1e7) / 100} GB`;
    return new UserError(
      `Expected at most ${gigabytes(this.limit)} in the cache (--cache-limit), but ${what} takes ${gigabytes(bytes)} ` +
        'or more; allow more, or unpack it elsewhere and name that folder',
    );
  }
}
