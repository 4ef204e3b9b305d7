/** All that a report shows of a run, as one plain object. What is not known is absent. */

import type { CalibrationReport } from '../metrics/calibration.ts';
import type { LevelScore } from '../metrics/hierarchy.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { RankingCurve } from '../metrics/ranking_curve.ts';
import type { RateSweep } from '../training/find_rate.ts';
import type { EpochMetrics } from '../training/training_state.ts';

export interface RunStory {
  /** Of the folder. */
  name: string;
  status: 'running' | 'done' | 'interrupted' | 'failed';
  /** One sentence: why it ended as it did. */
  reason?: string;
  /** ISO 8601. */
  startedAt: string;
  /** When the page was written. */
  writtenAt: string;
  seconds: number;
  /** `planned` is null where the time decides. */
  epochs: { done: number; planned: number | null };
  steps: number;
  imagesPerSecond: number;
  device: { name: string; description: string; reason: string };
  network?: { name: string; imageSize: number; weights: number };
  /** Where a pretrained network's weights are from. */
  pretrained?: { source: string; sha256: string; licence?: string };
  caveats?: string[];
  classNames: string[];
  /** Of always guessing the most frequent class of the validation images. */
  majority?: { className: string; accuracy: number };
  /** Whether the best balanced accuracy is more than luck. */
  betterThanMajority: boolean;
  best?: EpochMetrics | null;
  calibration?: CalibrationReport;
  /** Of classes in groups, the finest level first. */
  levels?: LevelScore[];
  /** Of many classes: those that are confused most often. */
  pairs?: ConfusedPictures[];
  /** Of the best epoch. */
  ranking?: RankingCurve;
  curve: { steps: StepPoint[]; epochs: EpochPoint[] };
  /** Results of the learning rate finder. */
  rateSweep?: RateSweep;
  mistakes: Picture[];
  unsure: Picture[];
  suspects: Suspect[];
  incidents: Incident[];
  /** Seconds by what they went to, in order; and a line on what would make it faster. */
  time?: { parts: { name: string; seconds: number }[]; advice?: string };
  data?: DataFacts;
  /** By name, as in `run.json`. */
  options: Record<string, unknown>;
  environment: Record<string, string>;
  commandLine: string[];
  /** Each time that it was resumed. */
  resumed: { at: string; step: number; remarks: string[] }[];
  /** The command that asks this model, without the image; and the one that resumes the run. */
  predict?: string;
  resume?: string;
}

export interface StepPoint {
  /** In epochs from the start: 1.5 is the middle of the second. */
  at: number;
  loss: number;
  learningRate: number;
  gradientNorm: number;
}

export interface EpochPoint {
  epoch: number;
  step: number;
  trainLoss: number;
  validation: Pick<Metrics, 'loss' | 'accuracy' | 'balancedAccuracy' | 'auroc'>;
  imagesPerSecond: number;
  seconds: number;
}

/** A validation image and the answer to it. */
export interface Picture {
  name: string;
  truth: string;
  guess: string;
  certainty: number;
  /** A `data:` URI. */
  thumbnail?: string;
  /** Of a mistake that is explained. */
  why?: Explanation;
}

/** Why a mistake was made. */
export interface Explanation {
  /** The image with what spoke for the guess in red, against it in blue: a `data:` URI. */
  heat?: string;
  /** What the guess is compared with. */
  other?: string;
  /** The training images most like it, with the cosine of their features. */
  nearest: { name: string; label: string; similarity: number; thumbnail?: string }[];
}

/** Two classes that are confused. */
export interface ConfusedPictures {
  truth: string;
  guess: string;
  /** Images of `truth` that were taken for `guess`. */
  images: number;
  /** Some of them. */
  mistaken: Pick<Picture, 'name' | 'thumbnail'>[];
  /** An image of `guess` that was recognised. */
  example?: Pick<Picture, 'name' | 'thumbnail'>;
}

/** An image of training or validation whose label the network does not come to believe. */
export interface Suspect {
  name: string;
  label: string;
  /** Of all times it was trained on, and of the last. */
  meanLoss: number;
  lastLoss: number;
  times: number;
  thumbnail?: string;
}

export interface Incident {
  epoch: number;
  step: number;
  severity: 'info' | 'warning' | 'critical';
  /** What was seen; and what was done, where something was. */
  seen: string;
  done?: string;
  /** Names of the images in question. */
  images?: string[];
}

/** Counts are in the order of `classNames`. */
export interface DataFacts {
  train: number[];
  balanced: number[];
  validation: number[];
  balance: string;
  sources: { source: string; images: number; revision?: string }[];
  skipped: { name: string; reason: string }[];
  /** Sentences on repeated, alike and odd images. */
  health: string[];
  /** Training images left out because the validation has them. */
  dropped: number;
  hash: string;
  /** Root hash of the lock. */
  lock?: string;
}
