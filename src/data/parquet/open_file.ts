/**
 * Bytes of the file: of one on this machine read here, of others asked of the other side of the guard. Only the thread
 * of worker.js uses it.
 */
import { readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { free } from './free.js';

/** @type {Map<number, (buffer: ArrayBuffer) => void>} */
const asked = new Map();
let asks = 0;

/** @type {{ size: number, descriptor?: number }} */
let file = { size: 0 };

/** What the call at hand may still ask for through blobs: parquet-wasm keeps all of it in memory. */
let bytesLeft = 0;

/** @type {(error: Error) => void} Ends the call that a read belongs to. */
let fail = () => {};

/** What parquet-wasm has copied into its own memory: it would lie here until there is much of it. */
/** @type {ArrayBuffer[]} */
let copied = [];

/**
 * A new call begins.
 *
 * @param {number} bytesAllowed
 * @param {(error: Error) => void} giveUp
 */
export function allow(bytesAllowed, giveUp) {
  bytesLeft = bytesAllowed;
  fail = giveUp;
}

/**
 * Another file.
 *
 * @param {{ size: number, descriptor?: number }} opened with a descriptor if it is on this machine
 */
export function askOf(opened) {
  file = opened;
}

/** How often was asked so far. */
export function askedSoFar() {
  return asks;
}

/**
 * Exactly these bytes. A read that fails never ends, but the call that it belongs to does: parquet-wasm ends the
 * process when a read rejects or comes back short.
 *
 * @param {number} begin
 * @param {number} end
 * @returns {Promise<ArrayBuffer>}
 */
export async function ask(begin, end) {
  asks += 1;
  if (!(begin >= 0 && begin <= end && end <= file.size)) {
    return givenUp(`damaged: it points to bytes ${begin} to ${end} of ${file.size}; fetch it again`);
  }
  if (file.descriptor !== undefined) return readHere(file.descriptor, begin, end);
  return new Promise((resolve) => {
    asked.set(asks, resolve);
    parentPort?.postMessage({ read: asks, begin, end });
  });
}

/**
 * @param {number} descriptor
 * @param {number} begin
 * @param {number} end
 */
function readHere(descriptor, begin, end) {
  const bytes = new Uint8Array(end - begin);
  try {
    for (let done = 0; done < bytes.length; ) {
      const count = readSync(descriptor, bytes, done, bytes.length - done, begin + done);
      if (count === 0) return givenUp('it was changed while it was read; start again');
      done += count;
    }
    return bytes.buffer;
  } catch (error) {
    return givenUp(`it can't be read (${/** @type {Error} */ (error).message}); check that disk`);
  }
}

/**
 * @param {string} message
 * @param {{ tooLarge?: boolean }} [about]
 * @returns {Promise<never>}
 */
function givenUp(message, about) {
  fail(Object.assign(new Error(message), { isStuck: true, ...about }));
  return new Promise(() => {});
}

/**
 * @param {number} id of what was asked
 * @param {ArrayBuffer} buffer
 */
export function answered(id, buffer) {
  asked.get(id)?.(buffer);
  asked.delete(id);
}

/** Frees what was given to parquet-wasm. */
export function freeCopied() {
  free(copied);
  copied = [];
}

/** What parquet-wasm asks a Blob for. */
export class AskedBlob {
  /**
   * @param {number} start
   * @param {number} end
   */
  constructor(start, end) {
    this.start = start;
    this.end = end;
  }

  get size() {
    return this.end - this.start;
  }

  slice(start = 0, end = this.size) {
    return new AskedBlob(this.start + start, this.start + end);
  }

  /** @returns {Promise<ArrayBuffer>} */
  async arrayBuffer() {
    bytesLeft -= this.end - this.start;
    if (bytesLeft < 0) return givenUp('too large', { tooLarge: true });
    const buffer = await ask(this.start, this.end);
    copied.push(buffer);
    return buffer;
  }
}
