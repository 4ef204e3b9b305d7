/** Repairs damaged or missing files of a run folder from its checkpoints, or reports them. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../base/errors.ts';
import { loadWeights } from '../export/weights.ts';
import type { LogLine } from '../training/train_events.ts';
import type { EpochMetrics } from '../training/training_state.ts';
import { type Checkpoint, loadCheckpoint, PREVIOUS_STATE, saveWeights } from './checkpoint.ts';
import { calibrationNote } from './record.ts';
import { parseLog, readLog } from './run_folder.ts';

/** Takes a sentence for the user. */
type Remark = (sentence: string) => void;

/** The lines of the log: those of the checkpoint if it has them, with a remark if those on disk differ. */
export async function mendLog(folder: string, checkpoint: Checkpoint, remark: Remark): Promise<LogLine[]> {
  const { run, position } = checkpoint;
  if (run?.log) return parseLog(await keptLog(folder, run.log, remark));
  const lines = await readLog(folder, position.step, remark);
  const epochs = lines.filter(({ type }) => type === 'epoch').length;
  if (epochs < position.epoch)
    remark(
      `metrics.jsonl lacks ${position.epoch - epochs} of ${position.epoch} epochs: curves and report lack them`,
    );
  return lines;
}

async function keptLog(folder: string, log: string[], remark: Remark): Promise<string[]> {
  const text = await readFile(join(folder, 'metrics.jsonl'), 'utf8').catch(() => undefined);
  const onDisk = new Set((text ?? '').split('\n').map(stablePart));
  const lost = log.filter((line) => !onDisk.has(stablePart(line))).length;
  if (lost > 0) {
    const found = text === undefined ? 'is missing' : `is damaged (${lost} of ${log.length} lines)`;
    remark(`metrics.jsonl ${found}: restored from the checkpoint`);
  }
  return log;
}

/** The part of a line that never changes: findings are kept for the best and last epoch only, and old epochs lose per-class metrics. */
function stablePart(line: string): string {
  try {
    const { validation: _, ...rest } = JSON.parse(line);
    return rest.type === 'findings' ? '' : JSON.stringify(rest);
  } catch {
    return line;
  }
}

/**
 * Makes sure that the best weights are those of the best epoch. If no checkpoint has them, the search for the best epoch
 * restarts at the last validation, with a remark.
 * @returns the checkpoint to resume from
 */
export async function mendWeights(
  folder: string,
  checkpoint: Checkpoint,
  log: LogLine[],
  remark: Remark,
): Promise<Checkpoint> {
  const last = await problemOf(join(folder, 'last.safetensors'));
  if (last) remark(`last.safetensors ${last}: restored from the checkpoint`);
  const { best, step } = checkpoint.position;
  const problem = best && (await problemOf(join(folder, 'best.safetensors'), best.epoch));
  if (!problem) return checkpoint;
  // On resume the run saves its checkpoint first, and with it its best weights.
  if (checkpoint.run?.isBest) {
    remark(`best.safetensors ${problem}: restored from the checkpoint`);
    return checkpoint;
  }
  const previous = await loadCheckpoint(join(folder, PREVIOUS_STATE)).catch(() => undefined);
  if (previous?.run?.isBest && previous.position.best?.epoch === best.epoch) {
    await saveWeights(join(folder, 'best.safetensors'), previous.network, previous, bestNotes(previous, log));
    remark(`best.safetensors ${problem}: restored from the checkpoint before the last`);
    return checkpoint;
  }
  const validated = log.findLast((line) => line.type === 'epoch');
  const isHere = validated?.step === step;
  remark(
    `best.safetensors ${problem}, and no checkpoint has the weights of epoch ${best.epoch}: the search for the best epoch restarts ` +
      `with ${isHere ? `epoch ${validated.epoch}` : 'the next validation'}`,
  );
  return {
    ...checkpoint,
    position: {
      ...checkpoint.position,
      best: isHere ? { epoch: validated.epoch, ...validated.validation } : null,
    },
    ...(checkpoint.run ? { run: { ...checkpoint.run, isBest: isHere } } : {}),
  };
}

/** The metadata that the process which saved the checkpoint would have written. */
function bestNotes({ position, run }: Checkpoint, log: LogLine[]): Record<string, string> {
  return {
    ...run?.origin,
    ...calibrationNote(log, position.best!.epoch),
    metrics: JSON.stringify(position.best),
  };
}

/** What is wrong with a weights file, as the end of a sentence. */
async function problemOf(path: string, epoch?: number): Promise<string | undefined> {
  try {
    const { metadata } = await loadWeights(path);
    const found =
      epoch === undefined ? null : (JSON.parse(metadata.metrics ?? 'null') as EpochMetrics | null);
    // A later epoch was saved right before the run was killed, and will be saved again.
    return found && found.epoch < epoch! ? `is of epoch ${found.epoch} and not of epoch ${epoch}` : undefined;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return /ENOENT/.test(error.message) ? 'is missing' : 'is damaged';
  }
}
