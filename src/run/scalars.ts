/** The metrics of steps and epochs by their names in tables and charts. */

import type { Metrics } from '../metrics/metrics.ts';
import type { EpochEvent, StepEvent } from '../training/training_events.ts';

const METRICS = [
  'loss',
  'accuracy',
  'balancedAccuracy',
  'precision',
  'recall',
  'f1',
  'auroc',
  'averagePrecision',
] as const satisfies (keyof Metrics)[];

/** The scalars of a step, for charts. */
export function stepScalars(event: StepEvent): Record<string, number> {
  const { loss, accuracy, learningRate, gradientNorm, imagesPerSecond } = event;
  return prefixed('step', { loss, accuracy, learningRate, gradientNorm, imagesPerSecond });
}

/** The scalars of an epoch, for charts. */
export function epochScalars(event: EpochEvent): Record<string, number> {
  const { trainLoss: loss, trainAccuracy: accuracy, imagesPerSecond } = event;
  const validation = Object.fromEntries(METRICS.map((name) => [name, event.validation[name]]));
  return {
    ...prefixed('train', { loss, accuracy, imagesPerSecond }),
    ...prefixed('validation', validation),
  };
}

/** The content of `metrics.csv`: one line per epoch (RFC 4180); NaN and infinity become empty fields. */
export function encodeMetricsCsv(epochs: EpochEvent[]): string {
  const counted = [
    'epoch',
    'step',
    'trainLoss',
    'trainAccuracy',
    'images',
    'seconds',
    'imagesPerSecond',
  ] as const;
  const rows = epochs.map((event) => [
    ...counted.map((name) => event[name]),
    ...METRICS.map((name) => event.validation[name]),
  ]);
  const lines = rows.map((row) => row.map((value) => (Number.isFinite(value) ? value : '')));
  return [[...counted, ...METRICS], ...lines].map((line) => `${line.join(',')}\r\n`).join('');
}

function prefixed(group: string, values: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${group}/${name}`, value]));
}
