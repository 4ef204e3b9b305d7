/** What the steps of a training run share. */
import type { Dataset } from '../data/dataset.ts';
import type { Split } from '../data/split.ts';
import type { StartWeights } from '../export/backbone.ts';
import type { Hierarchy } from '../metrics/hierarchy.ts';
import type { SessionOptions } from '../model/addon.ts';
import type { ChosenDevice } from '../model/device.ts';
import type { Network } from '../model/network.ts';
import type { TrainingSettings } from '../model/training_defaults.ts';
import type { TrainOptions } from '../options.ts';
import type { Ranks } from '../ranks/ranks.ts';
import type { Plan } from '../training/plan.ts';
import type { Stopwatch } from '../training/stopwatch.ts';
import type { TrainEvent } from '../training/train_events.ts';
import type { NetworkChoice } from './choose_network.ts';
import type { ResolvedOptions } from './resolve_options.ts';
import type { Resumed } from './resume.ts';
import type { RunDescription } from './run_description.ts';

/** How a program follows and controls a training run. */
export interface TrainHooks {
  /** Called with each event, between two steps; should return soon. */
  onEvent?: (event: TrainEvent) => void;
  /** Ends the training after the current step; the state is saved and `train` resolves with its results. */
  signal?: AbortSignal;
  /** Pauses the training, between two steps, while the promise it returns is pending. */
  paused?: () => Promise<void> | undefined;
}

/** What every step of a run may need. */
export interface Run {
  folder: string;
  /** As the user gave them. */
  given: Partial<TrainOptions>;
  options: ResolvedOptions;
  device: ChosenDevice;
  description: RunDescription;
  resumed: Resumed | undefined;
  clock: Stopwatch;
  emit: (event: TrainEvent) => void;
  signal: AbortSignal | undefined;
  paused: TrainHooks['paused'];
  /** The processes that train together; absent: this one alone. */
  ranks: Ranks | undefined;
  isResumed: boolean;
  hasCheckpoint: boolean;
  /** The folder that relative paths of a resumed run start from. */
  root: string | undefined;
}

/** All that is known before a device is touched. */
export interface Prepared {
  choice: NetworkChoice;
  /** Absent from scratch, and where a checkpoint has them. */
  start: StartWeights | undefined;
  epochs: number;
  settings: TrainingSettings;
  dataset: Dataset;
  split: Split;
  plan: Plan;
  network: Network;
  /** Groups of the classes. */
  hierarchy: Hierarchy | undefined;
}

/** What is known when the session is open. */
export type Trained = Prepared & { sessionOptions: SessionOptions };

/** Whether this process keeps the run folder, or another rank does. */
export function isFirst({ ranks }: Run): boolean {
  return ranks === undefined || ranks.isFirst;
}
