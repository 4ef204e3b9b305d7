import { parse } from 'csv-parse/sync';
import { expect, test } from 'vitest';
import { encodeMetricsCsv, epochScalars, stepScalars } from '../../src/run/scalars.ts';
import type { EpochEvent, StepEvent } from '../../src/training/training_events.ts';

const validation = {
  ...{ loss: 0.5, accuracy: 0.75, balancedAccuracy: 0.7, precision: 0.8, recall: 0.6, f1: 0.69, auroc: 0.9 },
  ...{ averagePrecision: 0.85, confusion: [], perClass: [] },
};
const epoch = (number: number, trainLoss: number) =>
  ({
    ...{
      type: 'epoch',
      epoch: number,
      epochs: 2,
      step: number * 10,
      trainLoss,
      trainAccuracy: 0.5,
      validation,
    },
    ...{ images: 320, seconds: 2, imagesPerSecond: 160, secondsLeft: 2 },
    ...{ progress: 1, isBest: true, learningRate: 0.1 },
  }) as EpochEvent;

test('metrics.csv: a header, a line an epoch, an empty field for what is no number', () => {
  const text = encodeMetricsCsv([epoch(1, 0.7), epoch(2, Number.NaN)]);
  expect(text.split('\r\n')).toHaveLength(4);
  const rows = parse(text, { columns: true }) as Record<string, string>[];
  expect(rows[0]).toEqual({
    ...{ epoch: '1', step: '10', trainLoss: '0.7', trainAccuracy: '0.5', images: '320', seconds: '2' },
    ...{ imagesPerSecond: '160', loss: '0.5', accuracy: '0.75', balancedAccuracy: '0.7', precision: '0.8' },
    ...{ recall: '0.6', f1: '0.69', auroc: '0.9', averagePrecision: '0.85' },
  });
  expect(rows[1]).toMatchObject({ epoch: '2', trainLoss: '' });
});

test('names for charts', () => {
  expect(epochScalars(epoch(1, 0.7))).toMatchObject({
    ...{ 'train/loss': 0.7, 'validation/loss': 0.5, 'validation/averagePrecision': 0.85 },
  });
  const step = { loss: 1, accuracy: 0.5, learningRate: 0.1, gradientNorm: 2, imagesPerSecond: 3 };
  expect(stepScalars(step as StepEvent)).toEqual({
    ...{ 'step/loss': 1, 'step/accuracy': 0.5, 'step/learningRate': 0.1, 'step/gradientNorm': 2 },
    'step/imagesPerSecond': 3,
  });
});
