/** Where a run stands: with its weights and the optimizer's state, all that an exact resume needs. */

import type { Metrics } from '../metrics/metrics.ts';
import type { OptimizerState } from '../model/addon.ts';
import { type GuardState, newGuard } from './guard.ts';
import { fresh, noPlateau, type Patience, type Plateau } from './stopping.ts';
import { noTime, type TimeSplit } from './stopwatch.ts';

/** The metrics of one validation. */
export type EpochMetrics = { epoch: number } & Metrics;

/** Sums over the training images of the epoch at hand. */
export interface EpochSums {
  images: number;
  /** Each image's share of its batch's mean. */
  loss: number;
  correct: number;
  seconds: number;
}

export interface Position {
  seed: number;
  /** Epochs done. */
  epoch: number;
  /** Steps taken. */
  step: number;
  /** Batches done, those that were left out included: the place in the order of the images and in the schedule. */
  batch: number;
  sums: EpochSums;
  /** Of training, over all epochs. */
  images: number;
  /** Of the run so far, by what they went to. */
  time: TimeSplit;
  /** The validation that the best weights are of. */
  best: EpochMetrics | null;
  patience: Patience;
  plateau: Plateau;
  guard: GuardState;
}

/** A position and what the session held there. */
export interface Snapshot {
  position: Position;
  values: Float32Array;
  optimizer: OptimizerState;
  /** The moving average of the weights, where there is one. */
  average?: Float32Array;
  /** The `numbers` of the history of losses; absent where an older version wrote it. */
  losses?: Float32Array;
}

export function startPosition(seed: number): Position {
  return {
    seed,
    epoch: 0,
    step: 0,
    batch: 0,
    images: 0,
    best: null,
    sums: noSums(),
    time: noTime(),
    patience: fresh,
    plateau: noPlateau,
    guard: newGuard(),
  };
}

export function noSums(): EpochSums {
  return { images: 0, loss: 0, correct: 0, seconds: 0 };
}
