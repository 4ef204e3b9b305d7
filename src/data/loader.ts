/** From positions in a data set to batches of pixels, whether the cache holds all of them or not. */
import { type Batch, type BatchOptions, batches } from './batches.ts';
import type { Dataset } from './dataset.ts';
import { WindowedImages } from './windows.ts';

/** The pixels of a data set. */
export interface Images {
  readonly height: number;
  readonly width: number;
  /**
   * The order in which the images of an epoch are to be asked for: the same positions, those of one window together
   * and the windows by lot (`seed`, `epoch`). Where the cache holds all, `order` itself. Any piece of it may be given
   * to `batches`.
   */
  arrange(order: Uint32Array, epoch: number): Promise<Uint32Array>;
  /** See {@link batches}. One call at a time. */
  batches(order: Uint32Array, options: BatchOptions): AsyncGenerator<Batch, void>;
  /** A few images as they are, uint8 [positions.length, height, width, 3]; not while batches are asked for. */
  assemble(positions: Uint32Array, output: Uint8Array): Promise<void>;
  dispose(): Promise<void>;
}

export interface LoaderOptions {
  threads: number;
  seed: number;
}

/**
 * Opens the pixels of a data set; what another process has evicted meanwhile is decoded again.
 * @throws UserError when an image is not what it was
 */
export async function openImages(dataset: Dataset, options: LoaderOptions): Promise<Images> {
  if (dataset.stream) return new WindowedImages(dataset, dataset.stream, options);
  const all = new Uint32Array(dataset.names.length).map((_, position) => position);
  const { labels, supply } = dataset;
  const { pixels, rows } = await supply.open(all, { threads: options.threads, located: dataset });
  return {
    height: pixels.height,
    width: pixels.width,
    arrange: async (order) => order,
    batches: (order, given) => batches(pixels, { rows, labels }, order, given),
    assemble: (positions, output) =>
      pixels.assemble(
        positions.map((position) => rows[position]!),
        output,
      ),
    async dispose() {
      await pixels.dispose();
      await supply.close();
    },
  };
}
