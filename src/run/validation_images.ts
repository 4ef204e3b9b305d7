/** Some of the images that a run was validated on, for trying out what became of its network. */
import { openImages } from '../data/loader.ts';
import type { Network } from '../model/network.ts';
import { runDataset } from './run_dataset.ts';

/**
 * @param folder of the run
 * @param most how many at most, spread over all
 * @param signal ends the search for them, which may read or fetch all of them again
 * @returns each as uint8 [height, width, 3]
 * @throws UserError with the reason why there are none, as the end of a sentence
 */
export async function validationImages(
  folder: string,
  { input }: Network,
  most: number,
  signal: AbortSignal,
): Promise<Uint8Array[]> {
  const { dataset, split, seed } = await runDataset(folder, input, { signal });
  const { val } = split;
  const images = await openImages(dataset, { threads: 1, seed });
  try {
    const count = Math.min(most, val.length);
    const chosen = Uint32Array.from({ length: count }, (_, i) => val[Math.floor((i * val.length) / count)]!);
    const size = input.height * input.width * 3;
    const pixels = new Uint8Array(count * size);
    await images.assemble(chosen, pixels);
    return Array.from(chosen, (_, i) => pixels.subarray(i * size, (i + 1) * size));
  } finally {
    await images.dispose();
  }
}
