/** The public names. */
export {
  type Dataset,
  type DatasetOptions,
  type DatasetProgress,
  loadDataset,
} from './data/dataset.ts';
export type { Skipped } from './data/sources/part.ts';
export {
  decodeSafetensors,
  encodeSafetensors,
  readSafetensors,
  type Safetensors,
} from './export/safetensors.ts';
export { encodeWeights, loadWeights, type Weights } from './export/weights.ts';
export {
  type DeviceInfo,
  type DeviceName,
  loadAddon,
  type NativeSession,
  type OptimizerOptions,
  type OptimizerState,
  type ParameterInfo,
  type SessionOptions,
  type StepResult,
  type Tensor,
} from './model/addon.ts';
export type { EpochEvent, RollbackEvent, StepEvent } from './model/events.ts';
export {
  birbs,
  birbsBn,
  type Fit,
  type Layer,
  type LayerShape,
  type Network,
  type NetworkName,
  type NetworkShapes,
  networkShapes,
  networks,
  type Padding,
  type ParameterShape,
  type PresetOptions,
  parseNetwork,
  type Size,
} from './model/network.ts';
export * as ops from './model/ops.ts';
export type { PredictOptions, TrainOptions } from './options.ts';
export { type Prediction, predict } from './predict.ts';
export { type CalibrationReport, calibrate } from './run/calibration.ts';
export { UserError } from './run/errors.ts';
export type {
  CheckpointEvent,
  StartEvent,
  SweepEvent,
  TrainEvent,
  UntoldEvent,
} from './run/events.ts';
export { confidenceIntervals, type Interval, type Intervals } from './run/intervals.ts';
export { computeMetrics, type Metrics, softmax } from './run/metrics.ts';
export type { PastEvent } from './run/past.ts';
export type { DataEvent } from './run/plan.ts';
export type { Results } from './run/results.ts';
export type { NoticeEvent } from './run/watch.ts';
export { type TrainHooks, train, trainEvents } from './train.ts';
