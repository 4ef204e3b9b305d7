/** The bytes of the wanted images of a parquet file, a window of rows at a time. */

import type { Listing, SourceImage } from '../part.ts';
import { eighths, neededWindows, type Span } from './file_windows.ts';
import { freeBuffers } from './free_buffers.ts';
import { type Images, type ParquetFile, type ParquetReader, TooLarge } from './parquet_reader.ts';

/** @returns in the order of the listing */
export async function* readImages(
  reader: ParquetReader,
  file: ParquetFile,
  listing: Listing,
  wanted: (index: number) => boolean,
  signal?: AbortSignal,
): AsyncGenerator<SourceImage> {
  const shape = await reader.shape(file, signal);
  const places = placesOf(listing);
  const rows = new Set<number>();
  for (let i = 0; i < listing.count; i++) if (wanted(i)) rows.add(places.rows[i]!);
  const queue = neededWindows(shape, (row) => rows.has(row));
  // The next window is read while this one is decoded.
  let next = readNext(reader, file, queue, signal);
  for (let index = 0; ; ) {
    const window = await next;
    if (!window) return;
    next = readNext(reader, file, queue, signal);
    const end = window.span.first + window.span.limit;
    const shared = new SharedBuffer(window.buffer);
    for (; index < listing.count && places.rows[index]! < end; index++) {
      if (places.rows[index]! >= window.span.first && wanted(index))
        yield imageOf(window, places, index, shared);
    }
    shared.close();
  }
}

/** A buffer that is freed when its last user is done. */
class SharedBuffer {
  readonly #buffer: ArrayBuffer;
  #holders = 1;

  constructor(buffer: ArrayBuffer) {
    this.#buffer = buffer;
  }

  /** @returns to be called once, when the holder is done */
  share(): () => void {
    this.#holders += 1;
    return () => this.close();
  }

  close(): void {
    this.#holders -= 1;
    if (this.#holders === 0) freeBuffers([this.#buffer]);
  }
}

interface Places {
  /** Row of each image in the file. */
  rows: Int32Array;
  /** Which image of its row. */
  images: Int32Array;
}

/** Names are "row" or "row.image". */
function placesOf({ count, names }: Listing): Places {
  const rows = new Int32Array(count);
  const images = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const [row, image] = names ? names[i]!.split('.') : [i];
    rows[i] = Number(row);
    images[i] = Number(image ?? 0);
  }
  return { rows, images };
}

interface ReadWindow extends Images {
  span: Span;
}

function readNext(
  reader: ParquetReader,
  file: ParquetFile,
  queue: Span[],
  signal?: AbortSignal,
): Promise<ReadWindow | undefined> {
  const reading = firstOf(reader, file, queue, signal);
  // Told when it is awaited, if it ever is.
  reading.catch(() => {});
  return reading;
}

/** Reads the first window; in parts where images are so uneven that it would not fit. */
async function firstOf(
  reader: ParquetReader,
  file: ParquetFile,
  queue: Span[],
  signal?: AbortSignal,
): Promise<ReadWindow | undefined> {
  for (let span = queue.shift(); span; span = queue.shift()) {
    try {
      return { span, ...(await reader.images(file, span, signal)) };
    } catch (error) {
      if (!(error instanceof TooLarge) || span.limit === 1) throw error;
      queue.unshift(...eighths(span));
    }
  }
  return undefined;
}

function imageOf(
  { span, buffer, starts, ends, firsts, paths }: ReadWindow,
  places: Places,
  index: number,
  shared: SharedBuffer,
): SourceImage {
  const row = places.rows[index]! - span.first;
  const image = firsts[row]! + places.images[index]!;
  const start = starts[image];
  if (start === undefined || image >= firsts[row + 1]!) {
    return { index, problem: 'is not in its row any more', lasting: false };
  }
  if (start >= 0) {
    const bytes = new Uint8Array(buffer, start, ends[image]! - start);
    return { index, bytes, release: shared.share() };
  }
  const path = paths?.[image];
  const problem = path ? `has no image bytes, only the path "${path.slice(0, 200)}"` : 'has no image bytes';
  return { index, problem, lasting: true };
}
