/** The images of a run, read again. */
import { resolve } from 'node:path';
import { cacheFolder } from '../base/cache_folder.ts';
import { UserError } from '../base/errors.ts';
import { type Dataset, type DatasetOptions, loadDataset } from '../data/dataset.ts';
import { type Split, splitDataset } from '../data/split.ts';
import type { Network } from '../model/network.ts';
import { completeOptions, type TrainOptions, trainOptions } from '../options.ts';
import { readDescription } from './run_folder.ts';

export interface RunDataset {
  dataset: Dataset;
  split: Split;
  seed: number;
  /** Whether the network began with pretrained weights. */
  isPretrained: boolean;
}

/**
 * The data set and the split of a run, from the sources that its `run.json` names; the images may have changed since.
 * @param input of its network
 * @throws UserError with the reason why they can't be had, as the end of a sentence; the reason of the signal
 */
export async function runDataset(
  folder: string,
  input: Network['input'],
  { signal, onProgress }: Pick<DatasetOptions, 'signal' | 'onProgress'>,
): Promise<RunDataset> {
  const description = await readDescription(folder);
  if (typeof description === 'string') throw new UserError(description);
  const { workingDirectory, options, pretrained } = description;
  const root = typeof workingDirectory === 'string' ? workingDirectory : process.cwd();
  const known = Object.entries(options as object).filter(([name]) => Object.hasOwn(trainOptions, name));
  const run = completeOptions(trainOptions, Object.fromEntries(known) as Partial<TrainOptions>);
  const { data, birds, notBirds, val, cacheLimit, valFraction: fraction, seed } = run;
  const dataset = await loadDataset({
    data,
    birds,
    notBirds,
    validation: val,
    root,
    cacheLimit,
    signal,
    onProgress,
    imageSize: input.height,
    fit: input.fit,
    cacheDir: resolve(root, run.cache ?? cacheFolder()),
  });
  const split = await splitDataset(dataset, { fraction, seed });
  return {
    dataset,
    split,
    seed,
    isPretrained: pretrained !== undefined,
  };
}
