/** Which weights file of a run is used. */
import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UserError } from '../base/errors.ts';
import { quote } from '../base/words.ts';
import { DamagedFile, readSafetensors } from '../export/safetensors.ts';
import { type ForeignNetwork, loadWeights, type Weights } from '../export/weights.ts';
import { hasCheckpoint } from './checkpoint.ts';

const BEST = 'best.safetensors';
const LAST = 'last.safetensors';

/**
 * The weights file in a run folder: the best, or the last of a run that had no best yet.
 * @throws UserError if there is none, or the best weights existed but are missing
 */
export async function weightsIn(folder: string): Promise<string> {
  if (await exists(join(folder, BEST))) return join(folder, BEST);
  if (await exists(join(folder, LAST))) {
    const epoch = await bestEpochOf(join(folder, LAST));
    if (epoch !== undefined)
      throw new UserError(
        `Expected ${BEST} (epoch ${epoch}) in ${folder}, but it is missing; train --resume ${quote(folder)} writes it again ` +
          `if a checkpoint has it, or take the last weights with --model ${quote(join(folder, LAST))}`,
      );
    return join(folder, LAST);
  }
  // Of the project that came before this one.
  if (await exists(join(folder, 'bird_classifier.safetensors')))
    return join(folder, 'bird_classifier.safetensors');
  throw new UserError(`Expected ${BEST} in the run folder ${folder}, but it is not there; train it again`, 2);
}

/** The weights of the newest run in `runs` that had an epoch, or undefined. */
export async function newestWeights(runs = 'runs'): Promise<string | undefined> {
  const folders = (await readdir(runs).catch(() => [])).map((name) => join(runs, name));
  const found = await Promise.all(folders.map(async (folder) => ({ folder, time: await timeOf(folder) })));
  found.sort((a, b) => b.time - a.time);
  for (const { folder, time } of found) {
    if (time === 0) break;
    const isBegun = await exists(join(folder, BEST));
    if (isBegun || (await bestEpochOf(join(folder, LAST))) !== undefined) return weightsIn(folder);
  }
  return undefined;
}

async function timeOf(folder: string): Promise<number> {
  const stats = [BEST, LAST].map((name) => stat(join(folder, name)).catch(() => undefined));
  const [best, last] = await Promise.all(stats);
  return (best ?? last)?.mtimeMs ?? 0;
}

/** The epoch that the best weights were of when these were saved. */
async function bestEpochOf(path: string): Promise<string | undefined> {
  const file = await readSafetensors(path).catch(() => undefined);
  return file?.metadata.bestEpoch;
}

/**
 * `loadWeights`, for a file that may lie in a run folder.
 * @throws UserError also says how a damaged one is written again
 */
export async function loadRunWeights(path: string, foreign?: ForeignNetwork): Promise<Weights> {
  return loadWeights(path, foreign).catch(async (error) => {
    const folder = dirname(path);
    if (!(error instanceof DamagedFile && (await hasCheckpoint(folder)))) throw error;
    throw new UserError(
      `${error.message}; train --resume ${quote(folder)} writes it again if a checkpoint has it`,
    );
  });
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
