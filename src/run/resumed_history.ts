/** The steps and epochs before a resume, for plotting. */
import type { LogLine, PastEvent } from '../training/train_events.ts';
import type { EpochMetrics } from '../training/training_state.ts';

/** More would not be seen on any screen. */
const MOST_POINTS = 1000;

export function pastOf(lines: LogLine[], best: EpochMetrics | null): PastEvent {
  const steps = lines.filter((line) => line.type === 'step');
  const epochs = lines.filter((line) => line.type === 'epoch');
  return {
    type: 'past',
    steps: thinned(steps).map(({ step, loss, accuracy }) => ({ step, loss, accuracy })),
    epochs: thinned(epochs).map(({ step, validation: { loss, balancedAccuracy } }) => ({
      step,
      loss,
      balancedAccuracy,
    })),
    validation: epochs.at(-1)?.validation ?? null,
    best: best && { epoch: best.epoch, balancedAccuracy: best.balancedAccuracy },
  };
}

/** At even distances, the last one included. */
function thinned<T>(all: T[]): T[] {
  const every = Math.ceil(all.length / MOST_POINTS);
  return all.filter((_, i) => (all.length - 1 - i) % every === 0);
}
