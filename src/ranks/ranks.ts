/** The processes that train together, and the messages between them besides gradients. */
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { UserError } from '../base/errors.ts';
import { loadAddon, type NativeRanks } from '../model/addon.ts';
import { launchedAs } from './launched_as.ts';
import { partOf, type RankPlace } from './rank_share.ts';

/** Joins the ranks; a test has its own. */
export type JoinRanks = () => Promise<NativeRanks>;

/** One rank of several; all of them make the same calls in the same order. */
export class Ranks implements RankPlace {
  readonly native: NativeRanks;
  readonly rank: number;
  readonly size: number;
  /** The ranks of this machine: how many, and which of them this one is. */
  readonly local: RankPlace;
  /** Of each rank: the name of its machine. */
  readonly hosts: string[];
  /** Whether all are to stop: one of them was interrupted, and all know. */
  isStopped = false;
  #left = false;
  /** Errors that all ranks know of. */
  readonly #agreed = new WeakSet<object>();

  private constructor(native: NativeRanks, hosts: string[]) {
    this.native = native;
    this.rank = native.rank;
    this.size = native.size;
    this.hosts = hosts;
    const here = hosts.map((host, rank) => ({ host, rank })).filter(({ host }) => host === hosts[this.rank]);
    this.local = { rank: here.findIndex(({ rank }) => rank === this.rank), size: here.length };
  }

  /**
   * Joins the other processes that mpirun started.
   * @returns undefined where this process was started alone
   * @throws UserError with exit code 2 where MPI is missing, or another one than mpirun's
   */
  static async join(join: JoinRanks = () => loadAddon().joinRanks()): Promise<Ranks | undefined> {
    if (launchedAs().size < 2) return undefined;
    const native = await join().catch((error: Error) => {
      throw new UserError(upperFirst(error.message), 2);
    });
    return new Ranks(native, await gatherJson<string>(native, hostname()));
  }

  get isFirst(): boolean {
    return this.rank === 0;
  }

  /** "rank 1 on studio-2" */
  name(rank: number): string {
    return `rank ${rank} on ${this.hosts[rank]}`;
  }

  /** What each rank gives, on all of them. */
  gather<T>(value: T): Promise<T[]> {
    return gatherJson(this.native, value);
  }

  /** What rank 0 gives, on all of them. */
  async broadcast<T>(value: T | undefined): Promise<T> {
    const text = new TextEncoder().encode(this.isFirst ? JSON.stringify(value) : '');
    const [length] = await this.native.sum(Float64Array.of(text.length));
    const bytes = await this.native.broadcast(this.isFirst ? text : new Uint8Array(length!), 0);
    return JSON.parse(new TextDecoder().decode(bytes)) as T;
  }

  /** The numbers of rank 0, on all of them; equally many on each. */
  async broadcastFloats(values: Float32Array): Promise<Float32Array> {
    const { buffer, byteOffset, byteLength } = values;
    const bytes = await this.native.broadcast(new Uint8Array(buffer, byteOffset, byteLength), 0);
    return new Float32Array(bytes.buffer, bytes.byteOffset, values.length);
  }

  /**
   * Joins the parts of a table of which each rank has computed its rows (see {@link partOf}).
   * @param own float32 [rows of the part, width]
   */
  async joinRows(own: Float32Array, rows: number, width: number): Promise<Float32Array> {
    const all = new Float32Array(rows * width);
    // Zeros elsewhere: a sum of one number and zeros is that number. Piece by piece, for the memory.
    const { first } = partOf(rows, this);
    const [begin, end] = [first * width, first * width + own.length];
    for (let from = 0; from < all.length; from += NUMBERS_AT_ONCE) {
      const to = Math.min(all.length, from + NUMBERS_AT_ONCE);
      const piece = new Float64Array(to - from);
      const [low, high] = [Math.max(from, begin), Math.min(to, end)];
      if (low < high) piece.set(own.subarray(low - begin, high - begin), low - from);
      all.set(await this.native.sum(piece), from);
    }
    return all;
  }

  /** @throws AbortError on all ranks, where `signal` is aborted on any of them */
  async throwIfStopped(signal: AbortSignal | undefined): Promise<void> {
    const [count] = await this.native.sum(Float64Array.of(signal?.aborted ? 1 : 0));
    if (count! > 0) this.isStopped = true;
    if (this.isStopped) throw this.#known(abortError());
  }

  /**
   * Work that may fail on one rank alone: then all end with the sentence of the first that failed.
   * @throws UserError that names the rank, where it failed elsewhere
   */
  async together<T>(work: () => Promise<T>): Promise<T> {
    const done = await work().then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    const problems = await this.gather('error' in done ? problemOf(done.error) : null);
    if (problems.some((problem) => problem?.isAbort)) this.isStopped = true;
    if ('error' in done) throw this.#known(done.error as Error);
    const failed = problems.findIndex((problem) => problem !== null);
    if (failed < 0) return done.value;
    const { message, exitCode, isAbort } = problems[failed]!;
    const text = `${upperFirst(this.name(failed))}: ${message}`;
    throw this.#known(isAbort ? abortError() : new UserError(text, exitCode));
  }

  /** Each rank in its turn on every machine: what the first prepares, such as downloads, the next ones find. */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const most = Math.max(...(await this.gather(this.local.size)));
    let result: T | undefined;
    for (let turn = 0; turn < most; turn++) {
      // The first alone; then there is nothing left to prepare, and the others go together.
      const isMine = turn === Math.min(this.local.rank, 1);
      const value = await this.together(async () => (isMine ? work() : undefined));
      if (isMine) result = value as T;
      if (turn === 1) break;
    }
    return result as T;
  }

  /**
   * Refuses to train with ranks that differ.
   * @param facts by what they are called in the sentence; the values are compared as JSON
   * @throws UserError with exit code 2, on all ranks
   */
  async compare(facts: Record<string, unknown>): Promise<void> {
    const texts = Object.fromEntries(
      Object.entries(facts).map(([name, value]) => [name, JSON.stringify(value) ?? 'none']),
    );
    const all = await this.gather(texts);
    for (const [rank, other] of all.entries()) {
      for (const name of Object.keys({ ...all[0], ...other })) {
        const [first, second] = [all[0]![name] ?? 'none', other[name] ?? 'none'];
        if (second === first) continue;
        const found = `${short(second)} on ${this.name(rank)} and ${short(first)} on ${this.name(0)}`;
        throw this.#known(
          new UserError(
            `Expected all ranks to have the same ${name}, but found ${found}; make them equal and start again`,
            2,
          ),
        );
      }
    }
  }

  /**
   * Whether all ranks hold the same numbers.
   * @throws UserError on all ranks, where they don't
   */
  async compareWeights(values: Float32Array, step: number): Promise<void> {
    const { buffer, byteOffset, byteLength } = values;
    const hash = createHash('sha256')
      .update(new Uint8Array(buffer, byteOffset, byteLength))
      .digest();
    const all = await this.native.gather(new Uint8Array(hash));
    for (let rank = 1; rank < this.size; rank++) {
      if (Buffer.compare(all.subarray(rank * 32, (rank + 1) * 32), all.subarray(0, 32)) === 0) continue;
      const differ = `those of ${this.name(rank)} differ from those of ${this.name(0)}`;
      throw this.#known(
        new UserError(
          `Expected all ranks to hold the same weights, but after step ${step} ${differ}: their processors compute differently, or one of them is faulty; train on machines of one kind, or without ${this.hosts[rank]}`,
        ),
      );
    }
  }

  /** Whether all ranks know of an error, and end in the same way. */
  knowsAll(error: unknown): boolean {
    return typeof error === 'object' && error !== null && this.#agreed.has(error);
  }

  /** Tells the others that this rank can't go on, unless they know. */
  fail(error: unknown): void {
    if (this.#left || this.knowsAll(error)) return;
    this.native.fail(error instanceof Error ? error.message : String(error));
  }

  #known<T extends object>(error: T): T {
    this.#agreed.add(error);
    return error;
  }

  /** The end, for all ranks; twice is fine. */
  async leave(): Promise<void> {
    if (this.#left) return;
    this.#left = true;
    await this.native.leave();
  }
}

/** Numbers that are joined at a time: 32 MB. */
const NUMBERS_AT_ONCE = 1 << 22;

function abortError(): DOMException {
  return new DOMException('This operation was aborted', 'AbortError');
}

interface Problem {
  message: string;
  exitCode: 1 | 2;
  isAbort: boolean;
}

function problemOf(error: unknown): Problem {
  const message = error instanceof Error ? error.message : String(error);
  const exitCode = error instanceof UserError && error.exitCode === 2 ? 2 : 1;
  return { message, exitCode, isAbort: (error as Error)?.name === 'AbortError' };
}

/** Texts of different lengths travel filled up to the longest. */
async function gatherJson<T>(native: NativeRanks, value: T): Promise<T[]> {
  const text = new TextEncoder().encode(JSON.stringify(value));
  const lengths = new Float64Array(native.size);
  lengths[native.rank] = text.length;
  const known = await native.sum(lengths);
  const longest = Math.max(...known);
  const bytes = new Uint8Array(longest);
  bytes.set(text);
  const all = await native.gather(bytes);
  return Array.from(known, (length, rank) => {
    const part = all.subarray(rank * longest, rank * longest + length);
    return JSON.parse(new TextDecoder().decode(part)) as T;
  });
}

function short(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1).replace(/\.$/, '');
}
