/** Which validation is the best, and when to stop early. Pure functions. */
import type { Metrics } from '../metrics/metrics.ts';

/** The metrics that can select the best weights (`--metric`). */
export const selectionMetrics = ['balancedAccuracy', 'accuracy', 'f1', 'auroc', 'loss'] as const;
export type SelectionMetric = (typeof selectionMetrics)[number];

/** Epochs since the best value of a metric. */
export interface Patience {
  /** Null before the first validation. */
  best: number | null;
  epochs: number;
}

export const fresh: Patience = { best: null, epochs: 0 };

/** Whether `value` is better than `best` by more than `minChange`; NaN and infinity never are. */
export function isBetter(
  metric: SelectionMetric,
  value: number,
  best: number | null,
  minChange = 0,
): boolean {
  if (!Number.isFinite(value)) return false;
  if (best === null) return true;
  return metric === 'loss' ? value < best - minChange : value > best + minChange;
}

/** The patience after one more validation. */
export function afterEpoch(
  patience: Patience,
  metric: SelectionMetric,
  metrics: Metrics,
  minChange: number,
): Patience {
  const value = metrics[metric];
  if (isBetter(metric, value, patience.best, minChange)) return { best: value, epochs: 0 };
  return { ...patience, epochs: patience.epochs + 1 };
}

/** `--schedule plateau`: a tenth of the rate after this many epochs without a lower validation loss. */
const PLATEAU = { epochs: 5, factor: 0.1 };

export interface Plateau extends Patience {
  /** Multiplies the learning rate. */
  factor: number;
}

export const noPlateau: Plateau = { ...fresh, factor: 1 };

/** The state after one more validation, as PyTorch's ReduceLROnPlateau (threshold 1e-4, relative). */
export function afterPlateau(plateau: Plateau, loss: number): Plateau {
  const { factor, best } = plateau;
  if (isBetter('loss', loss, best, best === null ? 0 : best * 1e-4)) return { factor, best: loss, epochs: 0 };
  const epochs = plateau.epochs + 1;
  if (epochs <= PLATEAU.epochs) return { ...plateau, epochs };
  return { factor: factor * PLATEAU.factor, best, epochs: 0 };
}
