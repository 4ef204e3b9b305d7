/** Parquet files in the image layout of Hugging Face, read behind a guard. */
import { stat } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { UserError } from '../../run/errors.ts';
import { fileSum } from '../cache/sums.ts';
import { fixedFolder, glob, isGlob } from './glob.ts';
import type { Listing, Part, SourceContext, SourceImage, SourceLabel } from './part.ts';

/** More than this of an image column is read in windows of it. */
const WINDOW_BYTES = 32 * 2 ** 20;

/** A call that takes longer, and a second more for each megabyte, hangs. */
const DEADLINE_SECONDS = 120;

interface RowGroup {
  rows: number;
  /** Of the image column. */
  bytes: number;
}

/** A file to open. */
export interface ParquetSource {
  path: string;
  /** Whether it must have a label column. */
  labelled: boolean;
  /** "size:mtimeMs:inode"; another file under this name is refused. */
  stamp?: string;
}

interface Images {
  buffer: ArrayBuffer;
  starts: Float64Array;
  ends: Float64Array;
}

/**
 * The files of a source, each a part.
 * @throws UserError when there is none
 */
export async function parquetParts(
  pattern: string,
  { labelled, cacheDir }: Pick<SourceContext, 'labelled' | 'cacheDir'>,
): Promise<Part[]> {
  const paths = await parquetFiles(pattern);
  const reader = new ParquetReader();
  const folder = fixedFolder(pattern);
  return Promise.all(
    paths.map(async (path) => ({
      ...(await parquetPart(reader, path, labelled)),
      pins: async (options) => [
        { name: relative(folder, path), ...(await fileSum(path, cacheDir, options)) },
      ],
    })),
  );
}

async function parquetFiles(pattern: string): Promise<string[]> {
  const found = await stat(pattern).catch(() => null);
  if (found?.isFile()) return [pattern];
  if (found) throw new UserError(`Expected a file, but "${pattern}" is none; check the path`);
  if (!isGlob(pattern)) throw new UserError(`No such file: "${pattern}"; check the path`);
  const files = await glob(pattern);
  const regular = await Promise.all(
    files.map(async (path) => (await stat(path).catch(() => null))?.isFile()),
  );
  const paths = files.filter((path, i) => regular[i] && /\.parquet$/i.test(path));
  if (paths.length === 0) throw new UserError(`No .parquet file matches "${pattern}"; check the path`);
  return paths;
}

async function parquetPart(reader: ParquetReader, path: string, labelled: boolean): Promise<Part> {
  const { size, mtimeMs, ino } = await stat(path);
  const file = { path, labelled, stamp: `${size}:${mtimeMs}:${ino}` };
  return {
    key: `parquet ${labelled} ${resolve(path)}`,
    stamp: file.stamp,
    nameOf: (row) => `${path}#${row}`,
    list: (signal) => list(reader, file, signal),
    read: (_, wanted, signal) => readImages(reader, file, wanted, signal),
    close: () => reader.close(),
  };
}

async function list(reader: ParquetReader, file: ParquetSource, signal?: AbortSignal): Promise<Listing> {
  const groups = await reader.open(file);
  signal?.throwIfAborted();
  const count = groups.reduce((sum, { rows }) => sum + rows, 0);
  const labels = new Int32Array(count).fill(-1);
  const { values, parts } = await reader.labels();
  let row = 0;
  for (const part of parts) {
    labels.set(part, row);
    row += part.length;
  }
  return { count, labels, labelNames: values, skipped: [], ignored: 0 };
}

async function* readImages(
  reader: ParquetReader,
  file: ParquetSource,
  wanted: (index: number) => boolean,
  signal?: AbortSignal,
): AsyncGenerator<SourceImage> {
  const groups = await reader.open(file);
  const all = windowsOf(groups).filter(({ first, limit }) => anyWanted(first, limit, wanted));
  const readNext = (window: Window | undefined) => {
    const reading = window && reader.images(window);
    reading?.catch(() => {});
    return reading;
  };
  let next = readNext(all[0]);
  for (const [i, { first, limit }] of all.entries()) {
    signal?.throwIfAborted();
    const { buffer, starts, ends } = (await next)!;
    // The next window is read while this one is decoded.
    next = readNext(all[i + 1]);
    for (let row = 0; row < limit; row++) {
      if (!wanted(first + row)) continue;
      const [index, start] = [first + row, starts[row]!];
      if (start < 0) yield { index, problem: 'has no image bytes', lasting: true };
      else yield { index, bytes: new Uint8Array(buffer, start, ends[row]! - start) };
    }
  }
}

interface Window {
  group: number;
  offset: number;
  limit: number;
  /** Row in the file. */
  first: number;
}

/** Whole row groups, and windows of those whose images are too many to hold. */
export function windowsOf(groups: RowGroup[]): Window[] {
  const windows: Window[] = [];
  let begin = 0;
  for (const [group, { rows, bytes }] of groups.entries()) {
    const step = bytes > WINDOW_BYTES ? Math.max(1, Math.floor((rows * WINDOW_BYTES) / bytes)) : rows;
    for (let offset = 0; offset < rows; offset += step) {
      windows.push({ group, offset, limit: Math.min(step, rows - offset), first: begin + offset });
    }
    begin += rows;
  }
  return windows;
}

function anyWanted(first: number, limit: number, wanted: (index: number) => boolean): boolean {
  for (let row = first; row < first + limit; row++) if (wanted(row)) return true;
  return false;
}

type Answer = { answer: unknown } | { error: string };

/**
 * parquet-wasm in a thread of its own, one file and one call at a time. It panics on many faults, which would end the
 * process; here whatever happens to the thread is one ordinary error, and the next call gets a new thread.
 */
export class ParquetReader {
  #worker: Worker | undefined;
  #path = '';
  #groups: RowGroup[] = [];
  readonly #deadline: number;

  /** @param deadlineSeconds after which a call is given up */
  constructor(deadlineSeconds = DEADLINE_SECONDS) {
    this.#deadline = deadlineSeconds;
  }

  /** @throws UserError that names the file: not there, not parquet, damaged, other columns */
  async open(file: ParquetSource): Promise<RowGroup[]> {
    if (this.#worker && this.#path === file.path) return this.#groups;
    this.#path = file.path;
    const { groups } = (await this.#call('open', file, `"${file.path}"`, 0)) as { groups: RowGroup[] };
    this.#groups = groups;
    return groups;
  }

  async labels(): Promise<{ values: SourceLabel[]; parts: Int32Array[] }> {
    const seconds = this.#groups.length;
    return (await this.#call('labels', {}, `"${this.#path}"`, seconds)) as Awaited<
      ReturnType<ParquetReader['labels']>
    >;
  }

  /** @throws UserError that names file and row group */
  async images({ group, offset, limit }: Omit<Window, 'first'>): Promise<Images> {
    const where = `"${this.#path}", row group ${group}`;
    const seconds = (this.#groups[group]?.bytes ?? 0) / 2 ** 20;
    return (await this.#call('images', { group, offset, limit }, where, seconds)) as Images;
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    this.#path = '';
    await worker?.terminate();
  }

  async #call(operation: string, request: object, where: string, extraSeconds: number): Promise<unknown> {
    if (!this.#worker && operation !== 'open') throw new UserError(`${where}: the file is not open`);
    this.#worker ??= this.#start();
    try {
      return await ask(this.#worker, { operation, request }, this.#deadline + extraSeconds);
    } catch (error) {
      await this.close();
      throw new UserError(`${where}: ${(error as Error).message}`);
    }
  }

  #start(): Worker {
    // What a dying parquet-wasm prints is kept from the terminal.
    const options = { execArgv: [], stdout: true, stderr: true };
    const worker = new Worker(new URL('./parquet-worker.js', import.meta.url), options);
    // One that dies between two calls has nobody to tell; the next call starts another.
    worker.on('error', () => {});
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = undefined;
    });
    return worker;
  }
}

const DAMAGED = 'the file is damaged, fetch it again';

/** One question to the worker: its answer, or an error however it fails. */
function ask(worker: Worker, message: object, seconds: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onMessage = (said: Answer) => {
      if ('error' in said) end(() => reject(new Error(said.error)));
      else end(() => resolve(said.answer));
    };
    const onError = (error: Error) =>
      end(() => reject(new Error(`it can't be read (${firstLine(error)}); ${DAMAGED}`)));
    const onExit = (code: number) => end(() => reject(new Error(`its reader ended (${code}); ${DAMAGED}`)));
    const timer = setTimeout(
      () => end(() => reject(new Error(`no answer in ${Math.round(seconds)} seconds; ${DAMAGED}`))),
      seconds * 1000,
    );
    const end = (settle: () => void) => {
      clearTimeout(timer);
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      settle();
    };
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    worker.postMessage(message);
  });
}

function firstLine(error: Error): string {
  return String(error?.message ?? error)
    .split('\n')[0]!
    .slice(0, 200);
}
