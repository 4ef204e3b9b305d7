/**
 * A data set larger than its cache: read window by window, the next one filled while the present one is trained on.
 * A window is a number of consecutive images of the data, so that they are read sequentially.
 */
import type { Augmentation } from '../model/addon.ts';
import { handedOrder } from '../ranks/rank_share.ts';
import { type Batch, type BatchOptions, batches, type PixelReader } from './batches.ts';
import type { Dataset, Stream } from './dataset.ts';
import type { Images, LoaderOptions } from './images.ts';
import { shuffle, Use } from './random.ts';
import type { OpenPixels, Supply } from './supply.ts';

/** Images that come window by window. Which of them are ready changes how long a batch takes, never what is in it. */
export class WindowedImages implements Images {
  readonly height: number;
  readonly width: number;
  readonly #dataset: Dataset;
  readonly #windowImages: number;
  readonly #options: LoaderOptions;
  /** Position for position: a pass finds the row itself. */
  readonly #positions: Uint32Array;

  constructor(dataset: Dataset, { windowImages, imageSize }: Stream, options: LoaderOptions) {
    this.height = imageSize;
    this.width = imageSize;
    this.#dataset = dataset;
    this.#windowImages = windowImages;
    this.#options = options;
    this.#positions = new Uint32Array(dataset.names.length).map((_, position) => position);
  }

  async arrange(order: Uint32Array, epoch: number): Promise<Uint32Array> {
    const all = distinct(order);
    const count = Math.ceil(all.length / this.#windowImages);
    const windows = Uint32Array.from({ length: count }, (_, i) => i);
    const visits = await shuffle(windows, this.#options.seed, Use.window, epoch);
    const turns = new Uint32Array(count);
    for (const [turn, window] of visits.entries()) turns[window] = turn;
    const turnOf = (position: number) => turns[Math.floor(indexOf(all, position) / this.#windowImages)]!;
    return groupBy(order, count, turnOf);
  }

  async *batches(order: Uint32Array, options: BatchOptions): AsyncGenerator<Batch, void> {
    const { labels, supply } = this.#dataset;
    // Of several ranks, each decodes only what it needs itself.
    const own = options.place ? handedOrder(order, options.batchSize, options.place) : order;
    const pass = new Pass(supply, own, this, this.#windowImages, this.#options.threads, options.signal);
    try {
      yield* batches(pass, { labels, rows: this.#positions }, order, options);
    } finally {
      await pass.end();
    }
  }

  async assemble(positions: Uint32Array, output: Uint8Array): Promise<void> {
    const { pixels, rows } = await this.#dataset.supply.open(positions, this.#options);
    await pixels.assemble(rows, output);
    await pixels.dispose();
  }

  async dispose(): Promise<void> {
    await this.#dataset.supply.close();
  }
}

/** One time through an order: asked for its images in turn, it holds one window and fills the next. */
class Pass implements PixelReader {
  readonly height: number;
  readonly width: number;
  readonly #supply: Supply;
  readonly #threads: number;
  readonly #windows: Window[];
  readonly #controller = new AbortController();
  readonly #signal: AbortSignal;
  #present: OpenWindow | undefined;
  #next: Promise<OpenWindow> | undefined;
  /** Number of windows started. */
  #begun = 0;
  /** Images given out. */
  #done = 0;

  constructor(
    supply: Supply,
    order: Uint32Array,
    { height, width }: { height: number; width: number },
    windowImages: number,
    threads: number,
    signal: AbortSignal | undefined,
  ) {
    this.height = height;
    this.width = width;
    this.#supply = supply;
    this.#threads = threads;
    this.#windows = windowsOf(order, windowImages);
    this.#signal = AbortSignal.any([this.#controller.signal, ...(signal ? [signal] : [])]);
    this.#begin();
  }

  /** The next images of the order; each is changed as its place in the batch says, whatever window it is in. */
  async assemble(positions: Uint32Array, output: Uint8Array, augmentation?: Augmentation): Promise<void> {
    for (let from = 0; from < positions.length; ) {
      const { window, pixels, rows } = await this.#window();
      const to = Math.min(positions.length, from + window.end - this.#done);
      const inWindow = (i: number) => i >= from && i < to;
      const all = positions.map((position, i) =>
        inWindow(i) ? rows[indexOf(window.positions, position)]! : 0,
      );
      if (to - from === positions.length) await pixels.assemble(all, output, augmentation);
      else {
        const some = new Uint8Array(output.length);
        await pixels.assemble(all, some, augmentation);
        const bytes = output.length / positions.length;
        output.set(some.subarray(from * bytes, to * bytes), from * bytes);
      }
      this.#done += to - from;
      from = to;
    }
  }

  /** The window of the next image, open; the one before is closed, and may be evicted to make room. */
  async #window(): Promise<OpenWindow> {
    if (this.#present && this.#done < this.#present.window.end) return this.#present;
    await this.#present?.pixels.dispose();
    this.#present = undefined;
    this.#present = await this.#next!;
    this.#next = undefined;
    this.#begin();
    return this.#present;
  }

  #begin(): void {
    const window = this.#windows[this.#begun++];
    if (!window) return;
    this.#next = this.#open(window);
    // Told where it is awaited.
    this.#next.catch(() => {});
  }

  async #open(window: Window): Promise<OpenWindow> {
    const { positions } = window;
    const opened = await this.#supply.open(positions, { threads: this.#threads, signal: this.#signal });
    return { window, ...opened };
  }

  stop(): void {
    this.#controller.abort();
  }

  async end(): Promise<void> {
    this.stop();
    const next = await this.#next?.catch(() => undefined);
    await Promise.all([this.#present?.pixels.dispose(), next?.pixels.dispose()]);
  }
}

interface Window {
  /** In the order: up to here, not included. */
  end: number;
  /** In the data set, ascending. */
  positions: Uint32Array;
}

interface OpenWindow extends OpenPixels {
  window: Window;
}

/** Splits an order into chunks with at most this many different images. */
function windowsOf(order: Uint32Array, windowImages: number): Window[] {
  const windows: Window[] = [];
  const seen = new Set<number>();
  const cut = (end: number) => windows.push({ end, positions: Uint32Array.from(seen).sort() });
  for (const [i, position] of order.entries()) {
    if (seen.size === windowImages && !seen.has(position)) {
      cut(i);
      seen.clear();
    }
    seen.add(position);
  }
  if (seen.size > 0) cut(order.length);
  return windows;
}

/** The different positions, ascending. */
function distinct(order: Uint32Array): Uint32Array {
  const sorted = order.slice().sort();
  let count = 0;
  for (const [i, position] of sorted.entries()) {
    if (i === 0 || position !== sorted[count - 1]) sorted[count++] = position;
  }
  return sorted.slice(0, count);
}

/** Where a position stands among ascending ones; it must be there. */
function indexOf(sorted: Uint32Array, position: number): number {
  let [low, high] = [0, sorted.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < position) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The positions by the number of their group, 0 to count-1; in a group the order stays. */
function groupBy(order: Uint32Array, count: number, groupOf: (position: number) => number): Uint32Array {
  const groups = Uint32Array.from(order, groupOf);
  const ends = new Uint32Array(count + 1);
  for (const group of groups) ends[group + 1]! += 1;
  for (let group = 0; group < count; group++) ends[group + 1]! += ends[group]!;
  const grouped = new Uint32Array(order.length);
  for (const [i, position] of order.entries()) grouped[ends[groups[i]!]!++] = position;
  return grouped;
}
