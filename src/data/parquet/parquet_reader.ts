/** The guard around parquet-wasm: a thread of its own, one file and one call at a time. */
import type { Worker } from 'node:worker_threads';
import { UserError } from '../../base/errors.ts';
import { memoryProblem } from '../../base/memory_limit.ts';
import type { Part, RandomAccess, SourceLabel } from '../part.ts';
import type { ReadRequest } from './open_file.ts';
import { startWorker } from './start_worker.ts';

/** A call that takes longer, and a second more for each megabyte, hangs; waiting for bytes does not count. */
const DEADLINE_SECONDS = 120;

/**
 * What one call may ask for, or answer with: with an index of the pages, a page and its dictionary come in one piece,
 * which takes about three times its bytes in memory; in a pass, only an image does.
 */
const PIECE_BYTES = 256 * 2 ** 20;

/** A file that claims more rows than this, or more rows than bytes, is refused. */
const ROW_LIMIT = 10_000_000;

/** A parquet file that can be opened; nothing of it was read yet. */
export interface ParquetFile {
  /** What the cache knows it by: another file, another key. */
  key: string;
  /** As a person finds it. */
  name: string;
  /** In bytes. */
  size: number;
  /** Changes whenever the bytes may have changed. */
  stamp: string;
  /** On a disk of this machine: reading more than is needed costs little. */
  isLocal?: boolean;
  open(signal?: AbortSignal): Promise<RandomAccess>;
  pins?: Part['pins'];
}

/** The content of the footer. */
export interface Shape {
  /** Whether a row holds a list of images. */
  many: boolean;
  /** The column of the labels, if they are wanted. */
  label?: string;
  /** Class names by number if the labels are numbers; empty if the file has none. */
  classNames?: string[];
  groups: RowGroup[];
}

export interface RowGroup {
  rows: number;
  /** Whether pages can be read alone: there is an index of them, and they are small. */
  inPages: boolean;
  /** Of the images. */
  bytes: number;
  /** Of what `rows` reads. */
  listedBytes: number;
}

/** Some rows of a row group. Without an index of its pages it is read once, if its windows come in their order. */
export interface Window {
  group: number;
  offset: number;
  limit: number;
}

/** What is known of rows without their images. */
export interface Rows {
  /** Images of each row; absent: one. */
  counts?: Int32Array;
  /** Index into `values`, -1 for no label; absent if labels were not requested. */
  labels?: Int32Array;
  values?: SourceLabel[];
  /** Rows whose text speaks of birds, and the word. */
  birds: [row: number, word: string][];
}

/** Image bytes of a window. */
export interface Images {
  buffer: ArrayBuffer;
  /** Of each image in `buffer`; -1: it has no bytes. */
  starts: Float64Array;
  ends: Float64Array;
  /** Number of the first image of each row, and the count of all. */
  firsts: Int32Array;
  /** Only when there are images without bytes. */
  paths?: (string | null)[];
}

/** The window has to be smaller. */
export class TooLarge extends UserError {}

export interface OpenRequest {
  size: number;
  /** Of a local file. */
  descriptor?: number;
  labelled: boolean;
  texts: boolean;
}

/** What the thread is asked for. */
export type WorkerRequest =
  | { operation: 'open'; request: OpenRequest }
  | { operation: 'rows' | 'images'; request: Window; bytesAllowed: number };

type Refused = { error: string; tooLarge?: boolean; isStuck?: boolean };

type Reply = { answer: Shape | Rows | Images } | Refused | ReadRequest;

/**
 * parquet-wasm panics on many faults, which would end the process; here whatever happens to its thread is one ordinary
 * error, and the next call gets a new thread.
 */
export class ParquetReader {
  #worker: Worker | undefined;
  #open: { file: ParquetFile; access: RandomAccess; shape: Shape } | undefined;
  #before: Promise<unknown> = Promise.resolve();
  readonly #wanted: { labelled: boolean; texts: boolean };
  readonly #deadline: number;
  readonly #pieceBytes: number;

  /**
   * @param wanted what `rows` returns: labels, and which rows' text mentions birds
   * @param limits when a call is given up, and what it may ask for
   */
  constructor(
    wanted: { labelled: boolean; texts: boolean },
    { deadlineSeconds = DEADLINE_SECONDS, pieceBytes = PIECE_BYTES } = {},
  ) {
    this.#wanted = wanted;
    this.#deadline = deadlineSeconds;
    this.#pieceBytes = pieceBytes;
  }

  /** @throws UserError that names the file: not there, not parquet, damaged, other columns */
  shape(file: ParquetFile, signal?: AbortSignal): Promise<Shape> {
    return this.#inTurn(() => this.#ensure(file, signal));
  }

  /** @throws UserError that names file and row group; TooLarge */
  rows(file: ParquetFile, window: Window, signal?: AbortSignal): Promise<Rows> {
    return this.#read('rows', file, window, signal) as Promise<Rows>;
  }

  /** @throws UserError that names file and row group; TooLarge */
  images(file: ParquetFile, window: Window, signal?: AbortSignal): Promise<Images> {
    return this.#read('images', file, window, signal) as Promise<Images>;
  }

  /** Ends the thread; a later call starts another. */
  async close(): Promise<void> {
    const [worker, access] = [this.#worker, this.#open?.access];
    this.#worker = undefined;
    this.#open = undefined;
    await worker?.terminate();
    await access?.close?.();
  }

  /** Runs calls one after the other. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#before.then(work);
    this.#before = turn.catch(() => {});
    return turn;
  }

  #read(operation: string, file: ParquetFile, window: Window, signal?: AbortSignal): Promise<unknown> {
    return this.#inTurn(async () => {
      const { groups } = await this.#ensure(file, signal);
      const seconds = (groups[window.group]?.bytes ?? 0) / 2 ** 20;
      const where = `"${file.name}", row group ${window.group}`;
      const message = { operation, request: window, bytesAllowed: this.#pieceBytes };
      return this.#call(message, where, seconds, signal);
    });
  }

  async #ensure(file: ParquetFile, signal?: AbortSignal): Promise<Shape> {
    signal?.throwIfAborted();
    if (this.#worker && this.#open?.file.key === file.key) return this.#open.shape;
    await this.#open?.access.close?.();
    this.#open = undefined;
    const access = await file.open(signal);
    const opening = { file, access, shape: { many: false, groups: [] } };
    this.#open = opening;
    try {
      const request = { size: access.size, descriptor: access.descriptor, ...this.#wanted };
      const shape = await this.#call({ operation: 'open', request }, `"${file.name}"`, 0, signal);
      this.#open.shape = checked(shape as Shape, file, access.size);
      return this.#open.shape;
    } catch (error) {
      if (this.#open === opening) this.#open = undefined;
      await access.close?.();
      throw error;
    }
  }

  async #call(message: object, where: string, extraSeconds: number, signal?: AbortSignal): Promise<unknown> {
    this.#worker ??= this.#start();
    const read = (begin: number, end: number) => this.#bytes(begin, end, signal);
    try {
      const answer = await ask(this.#worker, message, read, this.#deadline + extraSeconds, signal);
      await this.#open?.access.unchanged?.();
      return answer;
    } catch (caught) {
      // What was changed may look damaged.
      const change = await this.#open?.access.unchanged?.().catch((error) => error);
      const error = change instanceof UserError ? change : caught;
      // After a plain refusal the thread is as good as before, but for a read that it still waits for.
      if (!(error instanceof Refusal) || error.isStuck) await this.close();
      signal?.throwIfAborted();
      if (error instanceof UserError) throw error;
      if (error instanceof Refusal && error.tooLarge)
        throw new TooLarge(`${where}: ${tooLarge(this.#pieceBytes)}`);
      throw new UserError(`${where}: ${(error as Error).message}`);
    }
  }

  /** Bytes of the open file, in a buffer of their own. */
  async #bytes(begin: number, end: number, signal?: AbortSignal): Promise<ArrayBuffer> {
    const { access } = this.#open!;
    const bytes = await access.read(begin, end, signal);
    if (bytes.length !== end - begin) {
      throw new Error(
        `expected ${end - begin} bytes from byte ${begin} on, but got ${bytes.length}; try again`,
      );
    }
    // It moves to the thread: others need theirs still. (A Buffer's slice would be no copy.)
    return new Uint8Array(bytes).buffer;
  }

  #start(): Worker {
    // What a dying parquet-wasm prints is kept from the terminal.
    const options = { execArgv: [], stdout: true, stderr: true };
    const worker = startWorker(options);
    // If the thread dies between two calls, the next call starts another.
    worker.on('error', () => {});
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = undefined;
    });
    return worker;
  }
}

function checked(shape: Shape, { name }: ParquetFile, size: number): Shape {
  const rows = shape.groups.reduce((sum, group) => sum + group.rows, 0);
  const right = shape.groups.every((group) => Number.isInteger(group.rows) && group.rows >= 0);
  if (right && rows <= Math.min(ROW_LIMIT, size)) return shape;
  throw new UserError(`"${name}": not a parquet file, or a damaged one (${rows} rows); fetch it again`);
}

/** An error message of the worker; the thread remains usable. */
class Refusal extends Error {
  readonly tooLarge?: boolean;
  /** It still waits for a read. */
  readonly isStuck?: boolean;

  constructor({ error, tooLarge, isStuck }: Refused) {
    super(error);
    [this.tooLarge, this.isStuck] = [tooLarge, isStuck];
  }
}

function tooLarge(pieceBytes: number): string {
  return (
    `it has an image or a page of more than ${Math.round(pieceBytes / 2 ** 20)} MB, which is too much to read at once; ` +
    'use a file with smaller row groups (in Python: pyarrow.parquet.write_table(table, path, row_group_size=100))'
  );
}

const DAMAGED = 'the file is damaged, fetch it again';

/** One question to the worker: its answer, or an error however it fails. */
function ask(
  worker: Worker,
  message: object,
  read: (begin: number, end: number) => Promise<ArrayBuffer>,
  seconds: number,
  signal?: AbortSignal,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const deadline = new Deadline(seconds, () =>
      end(() => reject(new Error(`no answer in ${Math.round(seconds)} seconds; ${DAMAGED}`))),
    );
    const onRead = async (id: number, begin: number, finish: number) => {
      deadline.pause();
      try {
        const buffer = await read(begin, finish);
        deadline.go();
        worker.postMessage({ delivered: id, buffer }, [buffer]);
      } catch (error) {
        end(() => reject(error));
      }
    };
    const onMessage = (reply: Reply) => {
      if ('read' in reply) onRead(reply.read, reply.begin, reply.end);
      else if ('error' in reply) end(() => reject(new Refusal(reply)));
      else end(() => resolve(reply.answer));
    };
    const onError = (error: Error) =>
      end(() =>
        reject(new Error(memoryProblem(error) ?? `it can't be read (${firstLine(error)}); ${DAMAGED}`)),
      );
    const onExit = (code: number) => end(() => reject(new Error(`its reader ended (${code}); ${DAMAGED}`)));
    const onAbort = () => end(() => reject(signal!.reason));
    const end = (settle: () => void) => {
      deadline.end();
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      signal?.removeEventListener('abort', onAbort);
      settle();
    };
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    signal?.addEventListener('abort', onAbort);
    deadline.go();
    worker.postMessage(message);
  });
}

/** Counts only the time in which nothing is awaited from elsewhere. */
class Deadline {
  #left: number;
  #since = 0;
  #waits = 1;
  #timer: NodeJS.Timeout | undefined;
  readonly #late: () => void;

  constructor(seconds: number, late: () => void) {
    this.#left = seconds * 1000;
    this.#late = late;
  }

  pause(): void {
    if (this.#waits++ > 0) return;
    clearTimeout(this.#timer);
    this.#left -= performance.now() - this.#since;
  }

  go(): void {
    if (--this.#waits > 0) return;
    this.#since = performance.now();
    this.#timer = setTimeout(this.#late, Math.max(0, this.#left));
  }

  end(): void {
    this.#waits = Number.POSITIVE_INFINITY;
    clearTimeout(this.#timer);
  }
}

function firstLine(error: Error): string {
  return String(error?.message ?? error)
    .split('\n')[0]!
    .slice(0, 200);
}
