/** Decompresses pages as a stream: with the default settings of a writer, one page may not fit into memory. */
import type { Duplex } from 'node:stream';
import { createBrotliDecompress, createGunzip } from 'node:zlib';
import { Decompress } from 'fzstd';
import type { CompressionCodec } from 'hyparquet';
import { decompressLz4 } from './lz4.ts';
import { decompressSnappy } from './snappy.ts';

/** zlib may keep a chunk after we reuse its buffer, so it gets copies of this size. */
const CHUNK_BYTES = 64 * 2 ** 10;

/** Likewise fzstd, which keeps all output of a chunk in memory: up to 32,000 times its size. */
const ZSTD_BYTES = 4 * 2 ** 10;

/** The zstd library's default limit: compressors look back further only if configured to. */
const WINDOW_BYTES = 128 * 2 ** 20;

export type Decompressor = (packed: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;

/** By the names of the format. */
export const DECOMPRESSORS: { readonly [codec in CompressionCodec]?: Decompressor } = {
  UNCOMPRESSED: (packed) => packed,
  SNAPPY: decompressSnappy,
  GZIP: (packed) => through(packed, createGunzip()),
  BROTLI: (packed) => through(packed, createBrotliDecompress()),
  ZSTD: decompressZstd,
  LZ4_RAW: decompressLz4,
};

async function* through(packed: AsyncIterable<Uint8Array>, stream: Duplex): AsyncGenerator<Uint8Array> {
  const feeding = feed(packed, stream);
  try {
    yield* stream;
  } finally {
    stream.destroy();
    await feeding;
  }
}

async function feed(packed: AsyncIterable<Uint8Array>, stream: Duplex): Promise<void> {
  for await (const chunk of copies(packed, CHUNK_BYTES)) {
    if (stream.destroyed) return;
    if (stream.write(chunk)) continue;
    await new Promise((resolve) => stream.once('drain', resolve).once('close', resolve));
  }
  stream.end();
}

/** @param packed a frame */
async function* decompressZstd(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const ready: Uint8Array[] = [];
  const stream = new Decompress((chunk) => ready.push(chunk));
  let isStarted = false;
  for await (const chunk of copies(packed, ZSTD_BYTES)) {
    if (!isStarted) expectWindow(chunk);
    isStarted = true;
    stream.push(chunk);
    yield* ready.splice(0);
  }
  // fzstd holds frames of less than 18 bytes back until it knows that nothing follows.
  stream.push(new Uint8Array(0), true);
  yield* ready;
}

/**
 * Refuses frames that look back too far; small frames look back to their beginning.
 * @param frame its first bytes
 */
function expectWindow(frame: Uint8Array): void {
  const [flags, size] = [frame[4] ?? 0, frame[5] ?? 0];
  const isSmall = (flags & 0x20) !== 0;
  const sizeBytes = 1 << (flags >> 6);
  const sizeAt = 5 + ([0, 1, 2, 4][flags & 3] ?? 0);
  let window = isSmall ? 0 : 2 ** (10 + (size >> 3));
  if (isSmall) for (let i = sizeBytes - 1; i >= 0; i--) window = window * 256 + (frame[sizeAt + i] ?? 0);
  if (window > WINDOW_BYTES) throw new Error(`zstd: it looks back ${window} bytes`);
}

async function* copies(chunks: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += size) yield chunk.slice(at, at + size);
  }
}
