/**
 * The bytes of the file that the worker has open: a local file is read here, any other through the main thread. Only
 * the thread of parquet_worker.ts uses it.
 */
import { readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { freeBuffers } from './free_buffers.ts';

/** What a read asks the main thread for; it answers with `deliver`. */
export interface ReadRequest {
  read: number;
  begin: number;
  end: number;
}

/** An error that the main thread treats specially. */
export interface ReadError extends Error {
  /** Fewer rows at a time may fit. */
  tooLarge?: boolean;
  /** A read never ends: the thread cannot be used again. */
  isStuck?: boolean;
}

interface OpenFile {
  size: number;
  /** Of a local file. */
  descriptor?: number;
}

const pending = new Map<number, (buffer: ArrayBuffer) => void>();
let reads = 0;
let file: OpenFile = { size: 0 };

/** What parquet-wasm may still read in this call, since it keeps all of it in memory. */
let bytesLeft = 0;

/** Fails the current call. */
let fail: (error: ReadError) => void = () => {};

interface FileRead {
  begin: number;
  buffer: ArrayBuffer;
}

/** What parquet-wasm has copied into its own memory. */
const copied: FileRead[] = [];

/** Footer and page index of the file, which parquet-wasm reads to open it. */
const kept: FileRead[] = [];

/**
 * Begins a call.
 * @param bytesAllowed that parquet-wasm may read
 */
export function beginCall(bytesAllowed: number, onFailure: (error: ReadError) => void): void {
  bytesLeft = bytesAllowed;
  fail = onFailure;
}

export function useFile(opened: OpenFile): void {
  file = opened;
  freeReads(kept.splice(0));
}

/** How many reads there were so far. */
export function readCount(): number {
  return reads;
}

/**
 * Exactly these bytes. A read that fails fails the current call and stays pending: parquet-wasm ends the process when a
 * read rejects or comes back short.
 */
export async function readBytes(begin: number, end: number): Promise<ArrayBuffer> {
  reads += 1;
  if (!(begin >= 0 && begin <= end && end <= file.size)) {
    return failCall(`damaged: it points to bytes ${begin} to ${end} of ${file.size}; fetch it again`);
  }
  if (file.descriptor !== undefined) return readLocal(file.descriptor, begin, end);
  return new Promise((resolve) => {
    pending.set(reads, resolve);
    const request: ReadRequest = { read: reads, begin, end };
    parentPort?.postMessage(request);
  });
}

function readLocal(descriptor: number, begin: number, end: number): ArrayBuffer | Promise<never> {
  const bytes = new Uint8Array(end - begin);
  try {
    for (let done = 0; done < bytes.length; ) {
      const count = readSync(descriptor, bytes, done, bytes.length - done, begin + done);
      if (count === 0) return failCall('it was changed while it was read; start again');
      done += count;
    }
    return bytes.buffer;
  } catch (error) {
    return failCall(`it can't be read (${(error as Error).message}); check that disk`);
  }
}

function failCall(message: string, about?: { tooLarge?: boolean }): Promise<never> {
  fail(Object.assign(new Error(message), { isStuck: true, ...about }));
  return new Promise(() => {});
}

/** Ends the read of this number. */
export function deliver(read: number, buffer: ArrayBuffer): void {
  pending.get(read)?.(buffer);
  pending.delete(read);
}

/** Frees what parquet-wasm has copied. */
export function freeCopied(): void {
  freeReads(copied.splice(0));
}

/** Keeps what parquet-wasm has read so far for `readKept`, until another file is opened. */
export function keepCopied(): void {
  kept.push(...copied.splice(0));
}

/** Like `readBytes`, but what was kept is not fetched again. */
export async function readKept(begin: number, end: number): Promise<ArrayBuffer> {
  const read = kept.find((read) => read.begin <= begin && end <= read.begin + read.buffer.byteLength);
  return read ? read.buffer.slice(begin - read.begin, end - read.begin) : readBytes(begin, end);
}

function freeReads(reads: FileRead[]): void {
  freeBuffers(reads.map(({ buffer }) => buffer));
}

/** The parts of Blob that parquet-wasm uses. */
export class FileBlob {
  readonly #begin: number;
  readonly #end: number;

  constructor(begin: number, end: number) {
    [this.#begin, this.#end] = [begin, end];
  }

  get size(): number {
    return this.#end - this.#begin;
  }

  slice(begin = 0, end = this.size): FileBlob {
    return new FileBlob(this.#begin + begin, this.#begin + end);
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    bytesLeft -= this.size;
    if (bytesLeft < 0) return failCall('too large', { tooLarge: true });
    const buffer = await readBytes(this.#begin, this.#end);
    copied.push({ begin: this.#begin, buffer });
    return buffer;
  }
}
