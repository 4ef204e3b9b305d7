/** Whether the pixels of a segment are still those that were written: a disk that lost or changed some says nothing. */
import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { HEADER_BYTES, PIXEL_DIGITS, type Segment } from './segment.ts';

/** Pixels read at a time, unless a single image has more. */
const BLOCK_BYTES = 2 ** 19;

/**
 * What pixels are known by: two checksums, of half the image each. Equal pixels are found by it, and damaged ones; it
 * does not protect against deliberate changes.
 */
export function pixelHash(pixels: Uint8Array): string {
  const half = pixels.length >> 1;
  return [pixels.subarray(0, half), pixels.subarray(half)]
    .map((part) =>
      crc32(part)
        .toString(16)
        .padStart(PIXEL_DIGITS / 2, '0'),
    )
    .join('');
}

/**
 * The rows of a segment whose pixels are not those that were written.
 * @param size side of the images in pixels
 * @param onBytes called with the bytes of each block that was read
 */
export async function damagedRows(
  { path, pixelHashes }: Pick<Segment, 'path' | 'pixelHashes'>,
  size: number,
  onBytes?: (bytes: number) => void,
): Promise<number[]> {
  const imageBytes = size * size * 3;
  const rows = Math.max(1, Math.floor(BLOCK_BYTES / imageBytes));
  const block = Buffer.allocUnsafe(Math.min(rows, pixelHashes.length) * imageBytes);
  const damaged: number[] = [];
  const file = await open(path, 'r');
  try {
    for (let first = 0; first < pixelHashes.length; first += rows) {
      const bytes = block.subarray(0, Math.min(rows, pixelHashes.length - first) * imageBytes);
      const read = await readAt(file, bytes, HEADER_BYTES + first * imageBytes);
      for (let at = 0, row = first; at < bytes.length; at += imageBytes, row++) {
        const isRead = at + imageBytes <= read;
        if (!isRead || pixelHash(bytes.subarray(at, at + imageBytes)) !== pixelHashes[row]) damaged.push(row);
      }
      onBytes?.(bytes.length);
    }
  } finally {
    await file.close();
  }
  return damaged;
}

/** @returns the bytes that could be read; a bad sector ends them as the end of the file does */
async function readAt(file: FileHandle, into: Buffer, position: number): Promise<number> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await file
      .read(into, done, into.length - done, position + done)
      .catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'EIO') return { bytesRead: 0 };
        throw error;
      });
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}
