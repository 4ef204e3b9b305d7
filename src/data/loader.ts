/** From positions in a data set to batches of pixels, whether the cache holds all of them or not. */
import { batches } from './batches.ts';
import type { Dataset } from './dataset.ts';
import type { Images, LoaderOptions } from './images.ts';
import { WindowedImages } from './pixel_windows.ts';

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
