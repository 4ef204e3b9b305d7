/** The run folder: what is in it, and how it gets there. */
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeSafetensors, readSafetensors } from '../export/safetensors.ts';
import { encodeWeights, joinTensors, splitValues } from '../export/weights.ts';
import type { NativeSession, OptimizerState } from '../model/addon.ts';
import { type Network, networkShapes } from '../model/network.ts';
import { UserError } from './errors.ts';
import { writeFileWhole } from './files.ts';
import type { Metrics } from './metrics.ts';

/** The metrics of one epoch's validation. */
export type EpochMetrics = { epoch: number } & Metrics;

/** Where a run stands, besides its weights: with them, all that an exact resume needs. */
export interface Position {
  /** Epochs and steps done. */
  epoch: number;
  step: number;
  seed: number;
  best: EpochMetrics | null;
}

export interface TrainingState {
  position: Position;
  values: Float32Array;
  optimizer: OptimizerState;
}

/**
 * Makes the folder of a run.
 * @param path a new or empty folder; absent: `runs/<date and time>`
 * @throws UserError with exit code 2 when there is something in it
 */
export async function createRunFolder(path: string | undefined): Promise<string> {
  const folder = path ?? (await freeName(join('runs', timestamp())));
  const found = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw folderError(folder, error);
  });
  if (found.length > 0) {
    throw new UserError(
      `Expected a new or empty folder for --run, but ${folder} has ${found.length} files in it; choose another or delete it`,
      2,
    );
  }
  await mkdir(folder, { recursive: true }).catch((error) => {
    throw folderError(folder, error);
  });
  return folder;
}

function folderError(folder: string, error: NodeJS.ErrnoException): UserError {
  const found = error.code === 'ENOTDIR' || error.code === 'EEXIST' ? 'it is a file' : error.code;
  return new UserError(
    `Expected --run ${folder} to be a folder to write to, but ${found}; choose another`,
    2,
  );
}

async function freeName(name: string): Promise<string> {
  for (let i = 1; ; i++) {
    const candidate = i === 1 ? name : `${name}-${i}`;
    if (!(await stat(candidate).catch(() => undefined))) return candidate;
  }
}

function timestamp(): string {
  const now = new Date();
  const local = new Date(now.getTime() - now.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19).replace('T', '_').replaceAll(':', '-');
}

/** The weights file of the newest run in `runs`, or undefined. */
export async function newestWeights(runs = 'runs'): Promise<string | undefined> {
  const names = await readdir(runs).catch(() => []);
  const files = await Promise.all(
    names.map(async (name) => {
      const path = join(runs, name, 'best.safetensors');
      return { path, time: (await stat(path).catch(() => undefined))?.mtimeMs ?? 0 };
    }),
  );
  return files.filter(({ time }) => time > 0).sort((a, b) => b.time - a.time)[0]?.path;
}

/** Writes a value as JSON. */
export async function saveJson(folder: string, name: string, value: unknown): Promise<void> {
  await writeFileWhole(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
}

/** Writes all lines of the log anew: the file never ends in half a line. */
export async function saveLog(folder: string, lines: unknown[]): Promise<void> {
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  await writeFileWhole(join(folder, 'metrics.jsonl'), text);
}

/** All that an exact resume needs, as it is after the steps queued so far: the step is the session's own. */
export async function readState(session: NativeSession, position: Position): Promise<TrainingState> {
  const now = { ...position };
  const [values, optimizer] = await Promise.all([session.getParameters(), session.getOptimizerState()]);
  return { position: { ...now, step: optimizer.step }, values, optimizer };
}

/** Writes `last.safetensors`, `state.safetensors` and, if these weights are the best so far, `best.safetensors`. */
export async function saveState(
  folder: string,
  network: Network,
  state: TrainingState,
  isBest: boolean,
): Promise<void> {
  const { position, values } = state;
  const notes = { epoch: String(position.epoch), step: String(position.step) };
  const weights = (more: Record<string, string>) => encodeWeights(network, values, { ...notes, ...more });
  if (isBest) {
    const metrics = JSON.stringify(position.best);
    await writeFileWhole(join(folder, 'best.safetensors'), weights({ metrics }));
  }
  await writeFileWhole(join(folder, 'last.safetensors'), weights({}));
  await writeFileWhole(join(folder, 'state.safetensors'), encodeState(network, state));
}

/** Reads the session and saves what it holds. */
export async function saveCheckpoint(
  folder: string,
  network: Network,
  session: NativeSession,
  position: Position,
  isBest: boolean,
): Promise<void> {
  await saveState(folder, network, await readState(session, position), isBest);
}

/** Parameters under their own names, the optimizer's moments as one tensor, the rest as text. */
export function encodeState(network: Network, { position, values, optimizer }: TrainingState): Uint8Array {
  const { skipped = 0, lossScale = 0, cleanSteps = 0 } = optimizer;
  const tensors = splitValues(networkShapes(network).parameters, values);
  const moments = { shape: [optimizer.values.length], data: optimizer.values };
  return encodeSafetensors({
    metadata: {
      network: JSON.stringify(network),
      position: JSON.stringify(position),
      optimizerStep: String(optimizer.step),
      scaling: JSON.stringify({ skipped, lossScale, cleanSteps }),
    },
    tensors: { ...tensors, [MOMENTS]: moments },
  });
}

const MOMENTS = 'optimizer.moments';

/** Reads back what {@link encodeState} wrote for this network. */
export async function loadState(path: string, network: Network): Promise<TrainingState> {
  const { metadata, tensors } = await readSafetensors(path);
  const { [MOMENTS]: moments, ...parameters } = tensors;
  const step = Number(metadata.optimizerStep);
  if (!moments || !Number.isSafeInteger(step) || metadata.position === undefined)
    throw new UserError(`Expected ${path} to hold the state of a run, but it has only weights`);
  return {
    position: JSON.parse(metadata.position) as Position,
    values: joinTensors(networkShapes(network).parameters, parameters, path),
    optimizer: { step, ...readScaling(metadata.scaling), values: moments.data },
  };
}

/** What float16 keeps besides; absent in files of older versions. */
function readScaling(text = '{}'): Pick<OptimizerState, 'skipped' | 'lossScale' | 'cleanSteps'> {
  const { skipped = 0, lossScale = 0, cleanSteps = 0 } = JSON.parse(text) as Partial<OptimizerState>;
  return { skipped, lossScale, cleanSteps };
}
