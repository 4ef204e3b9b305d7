/** The events of a training run, as plain objects. */
import type { DatasetProgress } from '../data/dataset.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { ChosenDevice } from '../model/device.ts';
import type { RateSweep } from './find_rate.ts';
import type { Findings } from './findings.ts';
import type { NoticeEvent } from './notices.ts';
import type { DataEvent } from './plan.ts';
import type { Results } from './results.ts';
import type { EpochEvent, RollbackEvent, StepEvent } from './training_events.ts';

/** All events, in the order in which they first occur. */
export type TrainEvent =
  | ({ type: 'device'; sources: string[]; sourcesReason: string } & ChosenDevice)
  | ({ type: 'reading' } & DatasetProgress)
  | DataEvent
  | CheckEvent
  | SweepEvent
  | StartEvent
  | PastEvent
  | StepEvent
  | EpochEvent
  | RollbackEvent
  | NoticeEvent
  | CheckpointEvent
  | UndeliveredAlertsEvent
  | { type: 'end'; run: string; results: Results };

/** The GPU is checked with the network of the run, which takes a while; the answer is kept for the next runs. */
export interface CheckEvent {
  type: 'check';
  /** "Apple M2" */
  device: string;
}

/** The first step is about to be taken. */
export interface StartEvent {
  type: 'start';
  run: string;
  network: string;
  imageSize: number;
  weights: number;
  /** Where the weights of a pretrained network are from; null from scratch. */
  pretrained: string | null;
  /** Whether the first epoch is the head of a pretrained network. */
  hasHead: boolean;
  /** Null where the time decides. */
  epochs: number | null;
  stepsPerEpoch: number;
  /** Seconds that the run may take; null: any. */
  budget: number | null;
  /** Seconds of the budget already used, including data loading and earlier processes. */
  spent: number;
  /** Epochs and steps done before a resume; null for a new run. */
  resumed: { step: number; epoch: number } | null;
  /** Remarks for the user, for example that the Mac runs on battery. */
  remarks: string[];
}

/** Learning rates were tried (`--find-lr`). */
export interface SweepEvent extends RateSweep {
  type: 'sweep';
  /** The one that is taken. */
  learningRate: number;
}

/** A checkpoint was written: the run can be resumed from this step. */
export interface CheckpointEvent {
  type: 'checkpoint';
  epoch: number;
  step: number;
}

/** Alerts that could not be delivered. */
export interface UndeliveredAlertsEvent {
  type: 'undeliveredAlerts';
  messages: string[];
}

/** The steps and epochs before a resume; sent once, before the next step. */
export interface PastEvent {
  type: 'past';
  /** Of the steps and of the validations in the log; of a long run every second, third, ... one, the last included. */
  steps: { step: number; loss: number; accuracy: number }[];
  epochs: { step: number; loss: number; balancedAccuracy: number }[];
  /** The last validation; null where there was none. */
  validation: Metrics | null;
  best: { epoch: number; balancedAccuracy: number } | null;
}

/** A line of `metrics.jsonl`. */
export type LogLine = StepEvent | EpochEvent | RollbackEvent | NoticeEvent | Findings;
