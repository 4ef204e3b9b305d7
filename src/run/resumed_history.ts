/** What a run that is gone on with has behind it, for who draws its curves. */
import type { LogLine } from '../report/tell.ts';
import type { EpochMetrics } from './position.ts';

/** Told once, when a run is gone on with, before its next step. */
export interface PastEvent {
  type: 'past';
  /** Of the steps and of the validations in the log; of a long run every second, third, ... one, the last included. */
  steps: { step: number; loss: number; accuracy: number }[];
  epochs: { step: number; loss: number; balancedAccuracy: number }[];
  /** Of the last validation; rows are the truth. Empty where there was none. */
  confusion: number[][];
  best: { epoch: number; balancedAccuracy: number } | null;
}

/** More would not be seen on any screen. */
const MOST_POINTS = 1000;

export function pastOf(lines: LogLine[], best: EpochMetrics | null): PastEvent {
  const steps = lines.filter((line) => line.type === 'step');
  const epochs = lines.filter((line) => line.type === 'epoch');
  return {
    type: 'past',
    steps: thinned(steps).map(({ step, loss, accuracy }) => ({ step, loss, accuracy })),
    epochs: thinned(epochs).map(({ step, validation: { loss, balancedAccuracy } }) => ({
      ...{ step, loss, balancedAccuracy },
    })),
    confusion: epochs.at(-1)?.validation.confusion ?? [],
    best: best && { epoch: best.epoch, balancedAccuracy: best.balancedAccuracy },
  };
}

/** At even distances, the last one included. */
function thinned<T>(all: T[]): T[] {
  const every = Math.ceil(all.length / MOST_POINTS);
  return all.filter((_, i) => (all.length - 1 - i) % every === 0);
}
