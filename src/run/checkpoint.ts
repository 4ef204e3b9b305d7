/** The checkpoints of a run: written whole, checked when read, the one before kept. */
import { link, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../base/errors.ts';
import { newName } from '../base/file_owner.ts';
import { saveFile, temporaryPath } from '../base/files.ts';
import { inTurns, readSafetensors } from '../export/safetensors.ts';
import { checkFinite, hashedParts, joinTensors, splitValues, weightsParts } from '../export/weights.ts';
import type { Network } from '../model/network.ts';
import { networkShapes } from '../model/network_shapes.ts';
import type { Position, Snapshot } from '../training/training_state.ts';

export const STATE = 'state.safetensors';
export const PREVIOUS_STATE = 'state.previous.safetensors';

/** A checkpoint that was read from disk. */
export interface Checkpoint extends Snapshot {
  network: Network;
  /** Of the data set that it was trained on; see `Dataset.hash`. */
  dataHash: string;
  /** What else is kept of the run, so that a resume needs no other file; absent where an older version wrote it. */
  run?: RunState;
}

/** What the files beside a checkpoint can be written again from. */
export interface RunState {
  /** `run.json`, without the parts that every start determines again. */
  description: object;
  /** The lines of `metrics.jsonl`; absent where there are very many. */
  log?: string[] | undefined;
  /** Whether the weights are those of `best.safetensors`. */
  isBest: boolean;
  /** What weights say of the images that they were trained on. */
  origin: Record<string, string>;
}

/**
 * Writes `state.safetensors`, keeping the one before as `state.previous.safetensors`; at every moment one of them is
 * whole.
 */
export async function saveCheckpoint(folder: string, checkpoint: Checkpoint): Promise<void> {
  const parts = await encodeCheckpoint(checkpoint);
  const [path, previous] = [join(folder, STATE), join(folder, PREVIOUS_STATE)];
  if (await stat(path).catch(() => undefined)) {
    const temporary = temporaryPath(folder, newName());
    // Not every file system knows links; then there is only the newest.
    await link(path, temporary)
      .then(() => rename(temporary, previous))
      .catch(() => {});
    // Where both are the same file already, it is not renamed.
    await rm(temporary, { force: true });
  }
  await saveFile(path, parts);
}

/** Writes a weights file; the moving average where there is one. */
export async function saveWeights(
  path: string,
  network: Network,
  { position, values, average }: Snapshot,
  notes: Record<string, string> = {},
): Promise<void> {
  const place = { epoch: String(position.epoch), step: String(position.step) };
  await saveFile(path, await inTurns(weightsParts(network, average ?? values, { ...place, ...notes })));
}

const MOMENTS = 'optimizer.moments';
const AVERAGE = 'average.';
const LOSSES = 'history.losses';

/** Parameters under their own names, the optimizer's moments as one tensor, the rest as text; in pieces. */
export function encodeCheckpoint(checkpoint: Checkpoint): Promise<Uint8Array[]> {
  return inTurns(checkpointParts(checkpoint));
}

function* checkpointParts(checkpoint: Checkpoint): Generator<void, Uint8Array[]> {
  const { network, dataHash, position, values, optimizer, average, losses, run } = checkpoint;
  const { parameters } = networkShapes(network);
  const { step, values: moments, ...scale } = optimizer;
  const averages = average ? Object.entries(splitValues(parameters, average)) : [];
  const weights = {
    ...splitValues(parameters, values),
    ...Object.fromEntries(averages.map(([name, tensor]) => [AVERAGE + name, tensor])),
  };
  yield* checkFinite(weights, 'The checkpoint to save');
  return yield* hashedParts({
    metadata: {
      network: JSON.stringify(network),
      dataHash,
      position: JSON.stringify(position),
      optimizer: JSON.stringify({ step, ...scale }),
      ...(run ? { run: JSON.stringify(run) } : {}),
    },
    tensors: {
      ...weights,
      // Before the first step they are all 0.
      [MOMENTS]:
        step > 0 ? { shape: [moments.length], data: moments } : { shape: [0], data: new Float32Array() },
      ...(losses ? { [LOSSES]: { shape: [3, losses.length / 3], data: losses } } : {}),
    },
  });
}

/**
 * The newest checkpoint of a run that is whole; undefined where the run was ended before it had any.
 * @param onDamage receives a sentence if the newest one is damaged
 * @throws UserError when there are checkpoints, but none is whole
 */
export async function newestCheckpoint(
  folder: string,
  onDamage: (message: string) => void,
): Promise<Checkpoint | undefined> {
  const problems: string[] = [];
  for (const name of [STATE, PREVIOUS_STATE]) {
    const path = join(folder, name);
    if (!(await stat(path).catch(() => undefined))) continue;
    try {
      const checkpoint = await loadCheckpoint(path);
      for (const problem of problems)
        onDamage(`${problem}; resuming from ${path}, step ${checkpoint.position.step}`);
      return checkpoint;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems.push(error.message);
    }
  }
  if (problems.length === 0) return undefined;
  throw new UserError(`${problems.join('; ')}; train again in a new folder`);
}

/** Whether a folder has a checkpoint to resume from. */
export async function hasCheckpoint(folder: string): Promise<boolean> {
  const found = await Promise.all(
    [STATE, PREVIOUS_STATE].map((name) => stat(join(folder, name)).catch(() => undefined)),
  );
  return found.some((one) => one !== undefined);
}

/**
 * Reads back what {@link encodeCheckpoint} wrote.
 * @throws UserError if the file is damaged or not a checkpoint
 */
export async function loadCheckpoint(path: string): Promise<Checkpoint> {
  const { metadata, tensors } = await readSafetensors(path);
  const { [MOMENTS]: moments, [LOSSES]: history, ...parameters } = tensors;
  const { network: json, position, optimizer, dataHash } = metadata;
  if (!moments || !json || !position || !optimizer || dataHash === undefined)
    throw new UserError(`Expected ${path} to hold the state of a run, but it has only weights`);
  const network = JSON.parse(json) as Network;
  const own = networkShapes(network).parameters;
  const named = (prefix: string) =>
    Object.fromEntries(
      Object.entries(parameters)
        .filter(([name]) => name.startsWith(AVERAGE) === (prefix !== ''))
        .map(([name, tensor]) => [name.slice(prefix.length), tensor]),
    );
  const averages = named(AVERAGE);
  const average = Object.keys(averages).length > 0 ? joinTensors(own, averages, path) : undefined;
  const values = joinTensors(own, named(''), path);
  const losses = history?.data;
  return {
    network,
    dataHash,
    values,
    ...(metadata.run === undefined ? {} : { run: JSON.parse(metadata.run) as RunState }),
    position: JSON.parse(position) as Position,
    optimizer: { ...JSON.parse(optimizer), values: moments.data },
    ...(average ? { average } : {}),
    ...(losses ? { losses } : {}),
  };
}
