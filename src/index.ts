/** The public names. */

export { UserError } from './base/errors.ts';
export {
  type Dataset,
  type DatasetOptions,
  type DatasetProgress,
  loadDataset,
} from './data/dataset.ts';
export type { Skipped } from './data/part.ts';
export {
  decodeSafetensors,
  encodeSafetensors,
  readSafetensors,
  type Safetensors,
} from './export/safetensors.ts';
export { encodeWeights, type ForeignNetwork, loadWeights, type Weights } from './export/weights.ts';
export { type ExportedFile, exportModel } from './export.ts';
export { type CalibrationReport, calibrate } from './metrics/calibration.ts';
export { confidenceIntervals, type Interval, type Intervals } from './metrics/intervals.ts';
export { computeMetrics, type Metrics, softmax } from './metrics/metrics.ts';
export {
  type DeviceInfo,
  type DeviceName,
  loadAddon,
  type NativeRanks,
  type NativeSession,
  type OptimizerOptions,
  type OptimizerState,
  type ParameterInfo,
  type SessionOptions,
  type StepResult,
  type StepShare,
  type Tensor,
} from './model/addon.ts';
export type { Fit, Layer, LayerShape, Network, Padding, PresetOptions, Size } from './model/network.ts';
export {
  type NetworkShapes,
  networkShapes,
  type ParameterShape,
  parseNetwork,
} from './model/network_shapes.ts';
export * as ops from './model/ops.ts';
export { birbs, birbsBn, birbsRes, type NetworkName, networks } from './model/presets.ts';
export type { ExportOptions, PredictOptions, TrainOptions } from './options.ts';
export { predict } from './predict.ts';
export type { Prediction, Verdict } from './predictor/prediction.ts';
export { createPredictor, type Predictor, type PredictorOptions } from './predictor/predictor.ts';
export { type TrainHooks, train, trainEvents } from './train.ts';
export type { NoticeEvent } from './training/notices.ts';
export type { DataEvent } from './training/plan.ts';
export type { Results } from './training/results.ts';
export type {
  CheckpointEvent,
  PastEvent,
  StartEvent,
  SweepEvent,
  TrainEvent,
  UndeliveredAlertsEvent,
} from './training/train_events.ts';
export type { EpochEvent, RollbackEvent, StepEvent } from './training/training_events.ts';
