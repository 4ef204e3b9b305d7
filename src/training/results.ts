/** The results of a run. */

import type { CalibrationReport } from '../metrics/calibration.ts';
import type { LevelScore } from '../metrics/hierarchy.ts';
import type { Intervals } from '../metrics/intervals.ts';
import type { TimeSplit } from './stopwatch.ts';
import type { Stop } from './training_events.ts';
import type { EpochMetrics } from './training_state.ts';

/** The content of `results.json`. */
export interface Results {
  status: 'done' | 'interrupted' | 'failed';
  /** Why it ended before its last epoch: `time` (--time is up) or `patience` (no more improvement); else null. */
  stopped: Stop | null;
  device: string;
  classNames: string[];
  /** Epochs and steps done; of a run that failed, those of its checkpoint. */
  epochs: number;
  steps: number;
  /** Of the whole run, reading the images included. */
  seconds: number;
  /** What the seconds went to, and what would make it faster. */
  time: TimeSplit;
  advice: string;
  /** Of training, without validation. */
  imagesPerSecond: number;
  /** Accuracy of always guessing the most frequent class, on the validation images. */
  majorityAccuracy: number;
  /** Balanced accuracy of the same guess: 1 / classes. */
  majorityBalancedAccuracy: number;
  /** Whether the best balanced accuracy is above that by more than luck: two standard errors. */
  betterThanMajority: boolean;
  /** The best epoch by the chosen metric; null when none was validated. */
  best: EpochMetrics | null;
  /** Of the best epoch: how `predict` turns its logits into answers, and how good they are. */
  calibration: CalibrationReport | null;
  /** Of classes in groups, at the best epoch: how often the likeliest group is the right one; the finest level first. */
  levels: LevelScore[] | null;
  /** The last validation. */
  final: EpochMetrics | null;
  /** 95%, of both. */
  intervals: { best: Intervals | null; final: Intervals | null };
  /** Number of rollbacks and notices. */
  incidents: number;
}
