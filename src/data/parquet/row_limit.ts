/** Some of the images of many parquet files: spread over all of them, with few bytes read for it. */

import type { Listing } from '../part.ts';
import { type Span, windowsOf } from './file_windows.ts';
import { FoundImages, listAll } from './parquet_listing.ts';
import type { ParquetFile, ParquetReader, Rows, Shape } from './parquet_reader.ts';

/** Up to this many bytes on disk, every n-th image is taken; from larger or remote files, windows of rows. */
const SMALL_BYTES = 256 * 2 ** 20;

/**
 * Images should come from about this many places, unless those get too small: what is also read of a large row
 * group (pages at both ends of a window, a dictionary) must cost little beside the window.
 */
const PLACES = 8;

/** Smaller row groups are taken whole. */
const LEAST_BYTES = 32 * 2 ** 20;

/**
 * At most `limit` images. What is read to find them: the footers of the files that they are from, and text and labels
 * beside them.
 * @returns the listings of all files, some of them empty
 */
export async function listSome(
  reader: ParquetReader,
  files: ParquetFile[],
  limit: number,
  onFile: (file: ParquetFile, images: number) => void,
  signal?: AbortSignal,
): Promise<Map<ParquetFile, Listing>> {
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  if (bytes > SMALL_BYTES || files.some(({ isLocal }) => !isLocal))
    return new Choice(reader, files, limit).listings(onFile, signal);
  const all = new Map<ParquetFile, Listing>();
  for (const file of files) {
    onFile(file, 0);
    all.set(file, await listAll(reader, file, signal));
  }
  return thinned(all, limit);
}

/** Every n-th image, counted over all files. */
function thinned(all: Map<ParquetFile, Listing>, limit: number): Map<ParquetFile, Listing> {
  const total = [...all.values()].reduce((sum, { count }) => sum + count, 0);
  const share = Math.min(1, limit / total);
  let before = 0;
  for (const [file, listing] of all) {
    const kept: number[] = [];
    for (let i = 0; i < listing.count; i++, before++) {
      if (Math.floor((before + 1) * share) > Math.floor(before * share)) kept.push(i);
    }
    all.set(file, {
      ...listing,
      count: kept.length,
      names: kept.map((i) => listing.names?.[i] ?? String(i)),
      labels: Int32Array.from(kept, (i) => listing.labels[i]!),
    });
  }
  return all;
}

interface Visited {
  file: ParquetFile;
  shape?: Shape;
  /** Not taken yet, in the order in which they will be. */
  spans: Span[];
  taken: { span: Span; rows: Rows; most: number }[];
}

/** Windows of rows, one of each file in turn, until there are enough images. */
class Choice {
  readonly #reader: ParquetReader;
  readonly #files: Visited[];
  #left: number;
  #windowBytes: number | undefined;

  constructor(reader: ParquetReader, files: ParquetFile[], limit: number) {
    this.#reader = reader;
    this.#files = files.map((file) => ({ file, spans: [], taken: [] }));
    this.#left = limit;
  }

  async listings(
    onFile: (file: ParquetFile, images: number) => void,
    signal?: AbortSignal,
  ): Promise<Map<ParquetFile, Listing>> {
    const limit = this.#left;
    let round = spread(this.#files);
    while (round.length > 0 && this.#left > 0) {
      const more: Visited[] = [];
      for (const visited of round) {
        if (this.#left === 0) break;
        onFile(visited.file, limit - this.#left);
        await this.#visit(visited, signal);
        if (visited.spans.length > 0) more.push(visited);
      }
      round = more;
    }
    return new Map(this.#files.map((visited) => [visited.file, listingOf(visited)]));
  }

  /** Takes one window of the file. */
  async #visit(visited: Visited, signal?: AbortSignal): Promise<void> {
    const { file } = visited;
    if (!visited.shape) {
      visited.shape = await this.#reader.shape(file, signal);
      visited.spans = spread(this.#spansOf(visited.shape));
    }
    const span = visited.spans.shift();
    if (!span) return;
    const rows = await this.#reader.rows(file, span, signal);
    const most = this.#left;
    this.#left -= new FoundImages(file, visited.shape).add(span, rows, most);
    visited.taken.push({ span, rows, most });
  }

  /** Row groups, and windows of large ones; not where pages can't be read alone and half of a group costs all of it. */
  #spansOf({ groups }: Shape): Span[] {
    const rows = groups.reduce((sum, group) => sum + group.rows, 0);
    const bytes = groups.reduce((sum, group) => sum + group.bytes, 0);
    const wished = (this.#left * bytes) / Math.max(1, rows) / PLACES;
    this.#windowBytes ??= Math.max(LEAST_BYTES, wished);
    return windowsOf(groups, ({ bytes, inPages }) => (inPages ? bytes : 0), this.#windowBytes);
  }
}

function listingOf({ file, shape, taken }: Visited): Listing {
  const found = new FoundImages(file, shape ?? { many: false });
  taken.sort((a, b) => a.span.first - b.span.first);
  for (const { span, rows, most } of taken) found.add(span, rows, most);
  return found.listing();
}

/** In an order of which every beginning is spread evenly over the whole: steps of the golden ratio. */
function spread<T>(items: T[]): T[] {
  const ratio = (Math.sqrt(5) - 1) / 2;
  const places = items.map((item, i) => ({ item, place: ((i + 1) * ratio) % 1 }));
  return places.sort((a, b) => a.place - b.place).map(({ item }) => item);
}
