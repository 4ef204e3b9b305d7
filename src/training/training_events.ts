/** The events of the epochs. */
import type { LossHistory } from '../metrics/image_losses.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { TimeSplit } from './stopwatch.ts';
import type { Snapshot } from './training_state.ts';

/** A step has ended. */
export interface StepEvent {
  type: 'step';
  /** From 1. */
  epoch: number;
  /** Over the whole run, from 1. */
  step: number;
  /** Share of the epoch's batches done, to 1. */
  progress: number;
  loss: number;
  accuracy: number;
  learningRate: number;
  gradientNorm: number;
  /** Training images a second since the epoch began. */
  imagesPerSecond: number;
  /** That the device says it worked. */
  deviceSeconds: number;
  /** Where the wall time since the step before went. */
  time: TimeSplit;
}

/** An epoch has ended and was validated; the weights are those of its end until the next event is asked for. */
export interface EpochEvent {
  type: 'epoch';
  /** From 1. */
  epoch: number;
  /** Of the run; null where the time decides. */
  epochs: number | null;
  step: number;
  /** Share of the epoch that was trained; below 1 where the time was up. */
  progress: number;
  /** Means over the training images of the epoch, dropout and augmentation included. */
  trainLoss: number;
  trainAccuracy: number;
  validation: Metrics;
  /** Whether this is the best validation so far. */
  isBest: boolean;
  learningRate: number;
  /** Images trained on. */
  images: number;
  /** Of training, without validation. */
  seconds: number;
  imagesPerSecond: number;
  /** At the pace so far. */
  secondsLeft: number;
}

/** What the validation of the epoch before was counted from: of no use to those outside. */
export interface EvaluatedEvent {
  type: 'evaluated';
  epoch: number;
  step: number;
  isBest: boolean;
  /** In the data set, of each row. */
  positions: Uint32Array;
  /** float32 [count, classes] */
  logits: Float32Array;
  labels: Int32Array;
  /** The moving average of the weights, where that was evaluated. */
  average?: Float32Array;
  /** Of all images, this validation included; it goes on while training does. */
  history: LossHistory;
}

/** The guard has restored an earlier state after a bad loss or gradient, or a fault of the device. */
export interface RollbackEvent {
  type: 'rollback';
  /** `device-fault`: a step failed on the device; nothing is left out, and the learning rate stays. */
  kind: 'loss-not-finite' | 'gradient-not-finite' | 'loss-jump' | 'gradient-jump' | 'device-fault';
  message: string;
  epoch: number;
  step: number;
  /** The batches in question, over the whole run from 0, which are left out from now on. */
  batches: number[];
  /** Their images. */
  images: string[];
  loss: number;
  gradientNorm: number;
  recentLosses: number[];
  /** The step that the weights are of again. */
  backToStep: number;
  learningRate: number;
  newLearningRate: number;
  rollbacks: number;
  allowed: number;
}

/** A state to save; the steps after it have gone well so far. */
export interface SnapshotEvent {
  type: 'snapshot';
  snapshot: Snapshot;
}

/** Why a training ended before its last epoch. */
export type Stop = 'time' | 'patience';
