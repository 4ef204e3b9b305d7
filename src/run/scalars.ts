/** The numbers of an epoch under the names that tables and charts have for them. */

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

/** Of one step, for charts. */
export function stepScalars(event: StepEvent): Record<string, number> {
  const { loss, accuracy, learningRate, gradientNorm, imagesPerSecond } = event;
  return prefixed('step', { loss, accuracy, learningRate, gradientNorm, imagesPerSecond });
}

/** Of one epoch, for charts. */
export function epochScalars(event: EpochEvent): Record<string, number> {
  const { trainLoss: loss, trainAccuracy: accuracy, imagesPerSecond } = event;
  const validation = Object.fromEntries(METRICS.map((name) => [name, event.validation[name]]));
  return {
    ...prefixed('train', { loss, accuracy, imagesPerSecond }),
    ...prefixed('validation', validation),
  };
}

/** `metrics.csv`: a line an epoch, by RFC 4180; what is no number is left empty. */
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
