/** Which validation is the best one, and when there is no more to hope for; pure. */
import type { Metrics } from '../metrics/metrics.ts';

/** The metrics that may choose the best weights. */
export const judges = ['balancedAccuracy', 'accuracy', 'f1', 'auroc', 'loss'] as const;
export type Judge = (typeof judges)[number];

/** Epochs since a metric was at its best. */
export interface Patience {
  /** Null before the first. */
  best: number | null;
  epochs: number;
}

export const fresh: Patience = { best: null, epochs: 0 };

/** Whether `value` beats `best` by more than `minChange`; what is no number never does. */
export function isBetter(judge: Judge, value: number, best: number | null, minChange = 0): boolean {
  if (!Number.isFinite(value)) return false;
  if (best === null) return true;
  return judge === 'loss' ? value < best - minChange : value > best + minChange;
}

/** The patience after one more validation. */
export function afterEpoch(patience: Patience, judge: Judge, metrics: Metrics, minChange: number): Patience {
  const value = metrics[judge];
  if (isBetter(judge, value, patience.best, minChange)) return { best: value, epochs: 0 };
  return { ...patience, epochs: patience.epochs + 1 };
}

/** Of `--schedule plateau`: a tenth after this many epochs without a lower validation loss. */
const PLATEAU = { epochs: 5, factor: 0.1 };

export interface Plateau extends Patience {
  /** Of the learning rate. */
  factor: number;
}

export const noPlateau: Plateau = { ...fresh, factor: 1 };

/** The factor of the learning rate after one more validation, as PyTorch's ReduceLROnPlateau (threshold 1e-4, relative). */
export function afterPlateau(plateau: Plateau, loss: number): Plateau {
  const { factor, best } = plateau;
  if (isBetter('loss', loss, best, best === null ? 0 : best * 1e-4)) return { factor, best: loss, epochs: 0 };
  const epochs = plateau.epochs + 1;
  if (epochs <= PLATEAU.epochs) return { ...plateau, epochs };
  return { factor: factor * PLATEAU.factor, best, epochs: 0 };
}
