/** Some of the images that a run was validated on, for trying out what became of its network. */
import { resolve } from 'node:path';
import { cacheFolder } from '../base/cache_folder.ts';
import { UserError } from '../base/errors.ts';
import { loadDataset } from '../data/dataset.ts';
import { openImages } from '../data/loader.ts';
import { splitDataset } from '../data/split.ts';
import type { Network } from '../model/network.ts';
import { completeOptions, type TrainOptions, trainOptions } from '../options.ts';
import { readDescription } from './run_folder.ts';

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
  const description = await readDescription(folder);
  if (typeof description === 'string') throw new UserError(description);
  const { workingDirectory, options } = description;
  const root = typeof workingDirectory === 'string' ? workingDirectory : process.cwd();
  const known = Object.entries(options as object).filter(([name]) => Object.hasOwn(trainOptions, name));
  const run = completeOptions(trainOptions, Object.fromEntries(known) as Partial<TrainOptions>);
  const { data, birds, notBirds, val: validation, cacheLimit, valFraction: fraction, seed } = run;
  const dataset = await loadDataset({
    ...{ data, birds, notBirds, validation, root, cacheLimit, signal },
    ...{ imageSize: input.height, fit: input.fit, cacheDir: resolve(root, run.cache ?? cacheFolder()) },
  });
  const { val } = await splitDataset(dataset, { fraction, seed });
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
