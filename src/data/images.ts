/** What a training asks for its pixels, wherever they are. */
import type { Batch, BatchOptions } from './batches.ts';

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
