/** The numbers that a run was given, in words: a slip of the hand shows before the night is over. */
import { count, duration } from '../base/words.ts';
import type { TrainOptions } from '../options.ts';
import { BATCH_SIZE, type Plan } from '../training/plan.ts';

/** One line that repeats the given options in words; undefined if none were given. */
export function numbersInWords(given: Partial<TrainOptions>, { stepsPerEpoch }: Plan): string[] {
  const { warmup, time, patience, checkpointMinutes, canary, cacheLimit } = given;
  const parts = [
    time !== undefined && `ends after ${duration(time)}`,
    warmup !== undefined &&
      `the learning rate rises over ${counted(warmup, 'step')} (${Number((warmup / stepsPerEpoch).toPrecision(2))} epochs)`,
    patience && `ends after ${counted(patience, 'epoch')} without improvement`,
    checkpointMinutes !== undefined && `a checkpoint every ${duration(60 * checkpointMinutes)}`,
    canary && `the GPU is checked every ${counted(canary, 'step')}`,
    cacheLimit !== undefined && `at most ${cacheLimit} GB in the cache`,
  ].filter((part) => typeof part === 'string');
  return parts.length > 0 ? [`As given: ${parts.join('; ')}`] : [];
}

/** Of a default that was too large. */
export function shrunkenBatch(
  given: number | undefined,
  { batchSize, event: { balanced, draws } }: Plan,
): string[] {
  if (given !== undefined || batchSize >= BATCH_SIZE) return [];
  const images = draws * balanced.reduce((a, b) => a + b, 0);
  return [
    `Batches of ${counted(batchSize, 'image')} in place of ${BATCH_SIZE}, as an epoch has only ${counted(images, 'image')}`,
  ];
}

function counted(n: number, noun: string): string {
  return `${count(n)} ${noun}${n === 1 ? '' : 's'}`;
}
