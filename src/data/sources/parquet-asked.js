/** Bytes of the file, asked of the other side of the guard. Only the thread of parquet-worker.js uses it. */
import { MessageChannel, parentPort } from 'node:worker_threads';

/** @type {Map<number, (buffer: ArrayBuffer) => void>} */
const asked = new Map();
let asks = 0;

/** What the call at hand may still ask for through blobs: parquet-wasm keeps all of it in memory. */
let bytesLeft = 0;

/** @type {(error: Error) => void} Ends the call that a read belongs to. */
let fail = () => {};

/** What parquet-wasm has copied into its own memory: it would lie here until there is much of it. */
/** @type {ArrayBuffer[]} */
let copied = [];

/** Buffers that are sent to nobody are freed at once. */
const nobody = new MessageChannel();
nobody.port2.close();

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

/** How often was asked so far. */
export function askedSoFar() {
  return asks;
}

/**
 * Exactly these bytes; a read that fails never ends here, as whoever answers it gives the call up.
 *
 * @param {number} begin
 * @param {number} end
 * @returns {Promise<ArrayBuffer>}
 */
export function ask(begin, end) {
  return new Promise((resolve) => {
    asked.set(++asks, resolve);
    parentPort?.postMessage({ read: asks, begin, end });
  });
}

/**
 * @param {number} id of what was asked
 * @param {ArrayBuffer} buffer
 */
export function answered(id, buffer) {
  asked.get(id)?.(buffer);
  asked.delete(id);
}

/** @param {ArrayBuffer[]} buffers that nobody reads any more */
export function free(buffers) {
  nobody.port1.postMessage(null, buffers);
}

/** Frees what was given to parquet-wasm. */
export function freeCopied() {
  free(copied);
  copied = [];
}

/**
 * What parquet-wasm asks a Blob for. It ends the process when a read rejects or comes back short; so a failed read
 * never ends here.
 */
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
    if (bytesLeft < 0) {
      fail(Object.assign(new Error('too large'), { tooLarge: true }));
      return new Promise(() => {});
    }
    const buffer = await ask(this.start, this.end);
    copied.push(buffer);
    return buffer;
  }
}
