/** Resuming a run. */
import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { UserError } from '../base/errors.ts';
import { removeLeftovers } from '../base/file_owner.ts';
import { isSameNetwork } from '../export/backbone.ts';
import type { Network } from '../model/network.ts';
import { networkShapes } from '../model/network_shapes.ts';
import { completeOptions, kebab, type TrainOptions, trainOptions } from '../options.ts';
import { noSums, type Position } from '../training/training_state.ts';
import { type Checkpoint, hasCheckpoint, newestCheckpoint } from './checkpoint.ts';
import { mendLog, mendWeights } from './mend_run.ts';
import { readDescription } from './run_folder.ts';

/** A run that is resumed. */
export interface Resumed {
  folder: string;
  options: TrainOptions;
  /** Undefined if the run ended before its first checkpoint. */
  checkpoint: Checkpoint | undefined;
  /** Sentences about differences that were repaired, or ignored because of `--force`. */
  remarks: string[];
  /** The saved `run.json`. */
  description: Record<string, unknown>;
  /** The folder that its relative paths start from, if it is not the working directory. */
  root: string | undefined;
}

/** Options that may be changed on resume. */
const FREE: (keyof TrainOptions)[] = [
  ...([
    'resume',
    'force',
    'ui',
    'device',
    'threads',
    'cache',
    'epochs',
    'fineTune',
    'time',
    'patience',
  ] as const),
  ...([
    'processes',
    'hosts',
    'checkpointMinutes',
    'lock',
    'updateLock',
    'verify',
    'page',
    'pageFrom',
    'pageCommand',
  ] as const),
];

/**
 * Opens the run in the folder that `--resume` names. Its saved options apply; only those that do not affect the result
 * of training may be changed.
 * @param lock locks the folder for this process
 * @throws UserError if it is not a run, an option differs (without `--force`) or no checkpoint is intact
 */
export async function openRun(
  asked: Partial<TrainOptions>,
  lock: (folder: string) => Promise<void>,
): Promise<Resumed> {
  const folder = asked.resume!;
  if (asked.run !== undefined && asked.run !== folder)
    throw new UserError(
      `Expected --resume ${folder} to continue in its own folder, but found --run ${asked.run}; leave it out`,
      2,
    );
  const found = await readDescription(folder);
  if (typeof found === 'string' && !(await hasCheckpoint(folder)))
    throw new UserError(`Expected --resume to name the folder of a run, but in ${folder} ${found}`, 2);
  await lock(folder);
  await removeLeftovers(folder);
  const remarks: string[] = [];
  const remark = (message: string) => void remarks.push(message);
  const checkpoint = await soundCheckpoint(folder, remark);
  const description = checkedDescription(folder, found, checkpoint, remark);
  const root = rootOf(description);
  const given = root === undefined ? asked : withOwnPaths(asked);
  const { timed, ...saved } = description.options as Record<string, unknown>;
  // Where the time decided, or epochs of fine-tuning were asked for, that of all epochs was not.
  if (timed === true || typeof saved.fineTune === 'number' || given.fineTune !== undefined)
    delete saved.epochs;
  if (given.epochs !== undefined) delete saved.fineTune;
  const known = Object.entries(saved).filter(([name]) => Object.hasOwn(trainOptions, name));
  const before = completeOptions(trainOptions, Object.fromEntries(known) as Partial<TrainOptions>);
  const options: TrainOptions = { ...before, resume: folder, run: folder, force: given.force ?? false };
  const checked = completeOptions(trainOptions, given);
  for (const name of Object.keys(given) as (keyof TrainOptions)[]) {
    const value = checked[name];
    if (given[name] === undefined || name === 'run' || isDeepStrictEqual(value, before[name])) continue;
    if (!FREE.includes(name)) {
      const differs = `--${kebab(name)} is ${JSON.stringify(value)} where the run has ${JSON.stringify(before[name])}`;
      if (!options.force)
        throw new UserError(
          `Expected --resume ${folder} to keep its own options, but ${differs}; leave it out, or add --force`,
          2,
        );
      remarks.push(`--force: ${differs}`);
    }
    Object.assign(options, { [name]: value });
  }
  return { folder, options, checkpoint, remarks, description, root };
}

/** The newest intact checkpoint, after repairing the weights and the log beside it. */
async function soundCheckpoint(
  folder: string,
  remark: (message: string) => void,
): Promise<Checkpoint | undefined> {
  const checkpoint = await newestCheckpoint(folder, remark);
  if (!checkpoint) return undefined;
  return mendWeights(folder, checkpoint, await mendLog(folder, checkpoint, remark), remark);
}

/** `run.json`, or its copy in the checkpoint if it is damaged. */
function checkedDescription(
  folder: string,
  found: Record<string, unknown> | string,
  checkpoint: Checkpoint | undefined,
  remark: (message: string) => void,
): Record<string, unknown> {
  if (typeof found !== 'string') return found;
  const kept = checkpoint?.run?.description as Record<string, unknown> | undefined;
  if (!kept)
    throw new UserError(`Expected ${folder} to hold the options of a run, but ${found}; train again`);
  remark(`In ${folder} ${found}: restored from the checkpoint`);
  return kept;
}

function rootOf({ workingDirectory: root }: Record<string, unknown>): string | undefined {
  return typeof root === 'string' && root !== process.cwd() ? root : undefined;
}

/** Paths given now are relative to the working directory, saved ones to the working directory of the run. */
function withOwnPaths(given: Partial<TrainOptions>): Partial<TrainOptions> {
  const { lock, cache } = given;
  return {
    ...given,
    ...(lock === undefined ? {} : { lock: resolve(lock) }),
    ...(cache === undefined ? {} : { cache: resolve(cache) }),
  };
}

/**
 * Where training continues: at the position of the checkpoint, or, with `--force` and other data, at the start of its
 * epoch.
 * @throws UserError if data or network differ from the checkpoint's (without `--force`), or the weights do not fit
 */
export function resumePosition(
  { checkpoint, options, remarks, folder }: Resumed & { checkpoint: Checkpoint },
  found: { network: Network; dataHash: string; stepsPerEpoch: number },
): Position {
  const { position } = checkpoint;
  const changed: string[] = [];
  if (found.dataHash !== checkpoint.dataHash)
    changed.push(
      `the images differ from those it was trained on (${found.dataHash.slice(0, 12)}, not ${checkpoint.dataHash.slice(0, 12)})`,
    );
  if (!isSameNetwork(found.network, checkpoint.network)) changed.push('the network differs');
  if (changed.length > 0 && !options.force)
    throw new UserError(
      `Expected to resume ${folder} unchanged, but ${changed.join(' and ')}; train in a new folder, or add --force`,
    );
  const shapes = (network: Network) =>
    networkShapes(network).parameters.map(({ name, shape }) => [name, ...shape]);
  if (!isDeepStrictEqual(shapes(found.network), shapes(checkpoint.network)))
    throw new UserError(
      `Expected the weights of ${folder} to fit the network, but their shapes differ; train in a new folder`,
    );
  const places = position.batch - position.epoch * found.stepsPerEpoch;
  const moved = places < 0 || places > found.stepsPerEpoch;
  if (changed.length === 0 && !moved) return position;
  remarks.push(
    `--force: ${changed.join(' and ') || 'epochs have another length'}; epoch ${position.epoch + 1} is restarted`,
  );
  const guard = { ...position.guard, skipped: [] };
  return { ...position, batch: position.epoch * found.stepsPerEpoch, sums: noSums(), guard };
}
