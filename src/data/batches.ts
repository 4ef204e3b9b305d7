/** Batches of pixels, each assembled while the one before is trained on. */
import type { Augmentation, NativePixels } from '../model/addon.ts';
import { handedOf, type Part, partOf, type RankPlace } from '../ranks/rank_share.ts';
import type { Dataset } from './dataset.ts';

/** What assembles a batch: pixel files, or windows of them. */
export interface PixelReader extends Pick<NativePixels, 'height' | 'width' | 'assemble'> {
  /** Nothing more will be asked for: whatever is still being assembled is of no use. */
  stop?(): void;
}

/** How training images are changed; `batches` adds seed and step. */
export type AugmentationSettings = Omit<Augmentation, 'seed' | 'step'>;

export interface Batch {
  /** uint8 [n, height, width, 3]; of several ranks only those of this one. */
  images: Uint8Array;
  labels: Int32Array;
  /** In the data set. */
  positions: Uint32Array;
  /** Which images of the batch are those of this rank; absent without other ranks. */
  part?: Part;
  /** How long this batch was waited for. */
  waitSeconds: number;
}

export interface BatchOptions {
  batchSize: number;
  /** For the first batch; its step goes up by one a batch. Absent: the images as they are. */
  augmentation?: Augmentation;
  signal?: AbortSignal;
  /** One of several ranks that share each batch; absent: this process has all of it. */
  place?: RankPlace;
}

/** One batch is trained on, one waits for that, one is assembled. */
const BUFFERS = 3;

/**
 * The images at the positions of `order`, in batches; the last one may be smaller. A batch may be read until two more
 * were asked for: its memory is used again.
 * @throws the signal's reason when it is aborted
 */
export async function* batches(
  pixels: PixelReader,
  dataset: Pick<Dataset, 'labels' | 'rows'>,
  order: Uint32Array,
  { batchSize, augmentation, signal, place }: BatchOptions,
): AsyncGenerator<Batch, void> {
  const imageBytes = pixels.height * pixels.width * 3;
  const largest = Math.ceil(Math.min(batchSize, order.length) / (place?.size ?? 1));
  const buffers = Array.from({ length: BUFFERS }, () => new Uint8Array(largest * imageBytes));
  const count = Math.ceil(order.length / batchSize);
  const begin = (number: number) => {
    if (number >= count) return undefined;
    const positions = order.slice(number * batchSize, (number + 1) * batchSize);
    const part = place && partOf(positions.length, place);
    const own = place ? handedOf(positions, place) : positions;
    const images = buffers[number % BUFFERS]!.subarray(0, own.length * imageBytes);
    const rows = own.map((position) => dataset.rows[position]!);
    const first = part?.first ?? 0;
    const augment = augmentation && { ...augmentation, step: augmentation.step + number, first };
    const done = pixels.assemble(rows, images, augment);
    // Told where it is awaited.
    done.catch(() => {});
    return { positions, images, done, ...(part ? { part } : {}) };
  };
  let next = begin(0);
  try {
    for (let number = 0; number < count; number++) {
      signal?.throwIfAborted();
      const { positions, images, done, part } = next!;
      const waiting = performance.now();
      await done;
      const waitSeconds = (performance.now() - waiting) / 1000;
      next = begin(number + 1);
      const labels = Int32Array.from(positions, (position) => dataset.labels[position]!);
      yield { images, labels, positions, waitSeconds, ...(part ? { part } : {}) };
    }
  } finally {
    pixels.stop?.();
    // Nothing is written to the buffers once this has ended.
    await next?.done.catch(() => {});
  }
}
