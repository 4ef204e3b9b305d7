/** Packed pages, unpacked as they come: a page of a writer's default settings may be larger than memory should be. */
import { createBrotliDecompress, createGunzip } from 'node:zlib';
import { Decompress } from 'fzstd';
import { unlz4ed } from './lz4.js';
import { unsnapped } from './snappy.js';

/** Who still holds what was given when more is asked for gets copies, of this size. */
const CHUNK_BYTES = 64 * 2 ** 10;

/** What zstd makes of so much is in memory at once: up to 32,000 times as much. */
const ZSTD_BYTES = 4 * 2 ** 10;

/** As the zstd library has it: no packer looks back further unless it is told to. */
const WINDOW_BYTES = 128 * 2 ** 20;

/** @typedef {(packed: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>} Unpack */

/**
 * By the names of the format.
 *
 * @type {Record<string, Unpack | undefined>}
 */
export const UNPACK = {
  UNCOMPRESSED: (packed) => packed,
  SNAPPY: unsnapped,
  GZIP: (packed) => through(packed, createGunzip()),
  BROTLI: (packed) => through(packed, createBrotliDecompress()),
  ZSTD: unzstded,
  LZ4_RAW: unlz4ed,
};

/**
 * @param {AsyncIterable<Uint8Array>} packed
 * @param {import('node:stream').Duplex} stream
 */
async function* through(packed, stream) {
  const feeding = feed(packed, stream);
  try {
    yield* stream;
  } finally {
    stream.destroy();
    await feeding;
  }
}

/**
 * @param {AsyncIterable<Uint8Array>} packed
 * @param {import('node:stream').Duplex} stream
 */
async function feed(packed, stream) {
  for await (const chunk of copies(packed, CHUNK_BYTES)) {
    if (stream.destroyed) return;
    if (stream.write(chunk)) continue;
    await new Promise((resolve) => stream.once('drain', resolve).once('close', resolve));
  }
  stream.end();
}

/** @param {AsyncIterable<Uint8Array>} packed a frame */
async function* unzstded(packed) {
  /** @type {Uint8Array[]} */
  const ready = [];
  const stream = new Decompress((chunk) => ready.push(chunk));
  let isStarted = false;
  for await (const chunk of copies(packed, ZSTD_BYTES)) {
    if (!isStarted) expectWindow(chunk);
    isStarted = true;
    stream.push(chunk);
    yield* ready.splice(0);
  }
}

/**
 * How far a frame looks back: of small ones, to its beginning.
 *
 * @param {Uint8Array} frame its first bytes
 */
function expectWindow(frame) {
  const [flags, size] = [frame[4] ?? 0, frame[5] ?? 0];
  const isSmall = (flags & 0x20) !== 0;
  const sizeBytes = 1 << (flags >> 6);
  const sizeAt = 5 + ([0, 1, 2, 4][flags & 3] ?? 0);
  let window = isSmall ? 0 : 2 ** (10 + (size >> 3));
  if (isSmall) for (let i = sizeBytes - 1; i >= 0; i--) window = window * 256 + (frame[sizeAt + i] ?? 0);
  if (window > WINDOW_BYTES) throw new Error(`zstd: it looks back ${window} bytes`);
}

/**
 * @param {AsyncIterable<Uint8Array>} chunks
 * @param {number} size
 */
async function* copies(chunks, size) {
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += size) yield chunk.slice(at, at + size);
  }
}
