/** Events of a made-up training, the same every time. */

import { confidenceIntervals } from '../../src/metrics/intervals.ts';
import type { Metrics } from '../../src/metrics/metrics.ts';
import type { Results } from '../../src/training/results.ts';
import { noTime } from '../../src/training/stopwatch.ts';
import type { TrainEvent } from '../../src/training/train_events.ts';

type Of<T extends TrainEvent['type']> = Extract<TrainEvent, { type: T }>;

export const device: Of<'device'> = {
  ...{ type: 'device', name: 'cpu', description: 'oneDNN 3.1', reason: 'no Apple GPU' },
  ...{ sources: ['photos'], sourcesReason: '' },
} as Of<'device'>;

export const reading: Of<'reading'> = {
  ...{ type: 'reading', source: 'photos', stage: 'decode', done: 300, total: 1200, seconds: 1 },
};

export function data(classNames = ['bird', 'not-bird']): Of<'data'> {
  const each = classNames.map(() => 100);
  return {
    ...{ type: 'data', classNames, skipped: [], filtered: [], duplicates: 0, nearDuplicates: 0, hash: '' },
    ...{ oddities: { turned: 0, tiny: 0, blank: 0 }, lock: undefined, stream: undefined },
    ...{ damagedSegments: 0, damagedImages: 0 },
    sources: [{ source: 'photos', images: 1200, counts: { bird: 600, 'not-bird': 600 }, ignored: 0 }],
    ...{ train: each, validation: each, balanced: each, balance: 'undersample', draws: 1, dropped: 0 },
    ...{ majorityClass: classNames[0]!, majorityAccuracy: 1 / classNames.length },
  };
}

export const start: Of<'start'> = {
  ...{ type: 'start', run: 'runs/night', network: 'birbs-bn', imageSize: 64, weights: 618_978 },
  ...{
    pretrained: null,
    hasHead: false,
    epochs: 4,
    stepsPerEpoch: 50,
    budget: null,
    spent: 2,
    resumed: null,
    remarks: [],
  },
};

/** Of two epochs. */
export const past: Of<'past'> = {
  type: 'past',
  steps: [1, 20, 40, 60, 80, 100].map((n) => {
    const { step: number, loss, accuracy } = step(n);
    return { step: number, loss, accuracy };
  }),
  epochs: [epoch(1), epoch(2)].map(({ step, validation: { loss, balancedAccuracy } }) => ({
    ...{ step, loss, balancedAccuracy },
  })),
  validation: epoch(2).validation,
  best: { epoch: 2, balancedAccuracy: 0.66 },
};

export function step(n: number): Of<'step'> {
  return {
    ...{ type: 'step', epoch: 1 + Math.floor((n - 1) / 50), step: n, progress: (((n - 1) % 50) + 1) / 50 },
    ...{ loss: 0.3 + 0.5 * Math.exp(-n / 60), accuracy: 0.9 - 0.4 * Math.exp(-n / 60), learningRate: 1e-3 },
    ...{ gradientNorm: 1, imagesPerSecond: 1234.4, deviceSeconds: 0.09 },
    time: { ...noTime(), device: 0.08, data: 0.01, host: 0.01 },
  };
}

export function epoch(n: number, classes = 2): Of<'epoch'> {
  const right = 60 + 5 * n;
  const confusion = Array.from({ length: classes }, (_, i) =>
    Array.from({ length: classes }, (_, j) => (i === j ? right - i : (i + j) % 7)),
  );
  const validation = {
    loss: 0.8 - 0.1 * n,
    balancedAccuracy: 0.5 + 0.08 * n,
    accuracy: 0.7,
    confusion,
    perClass: [],
  };
  return {
    ...{ type: 'epoch', epoch: n, epochs: 4, step: 50 * n, progress: 1, trainLoss: 0.5, trainAccuracy: 0.7 },
    validation: validation as unknown as Metrics,
    ...{ isBest: n !== 3, learningRate: 1e-3, images: 1600, seconds: 5, imagesPerSecond: 320 },
    secondsLeft: 5.4 * (4 - n),
  };
}

export function end(): Of<'end'> {
  const scores = { precision: 0.8, recall: 0.8, f1: 0.8, auroc: 0.9, averagePrecision: 0.9 };
  const confusion = [
    [80, 20],
    [10, 90],
  ];
  const metrics = { loss: 0.4, accuracy: 0.85, balancedAccuracy: 0.85, ...scores, confusion };
  const best: Metrics = { ...metrics, perClass: [scores, scores] };
  const whole = { epoch: 4, ...best };
  const intervals = { best: confidenceIntervals(best), final: confidenceIntervals(best) };
  const results: Results = {
    ...{
      status: 'done',
      device: 'cpu',
      classNames: ['bird', 'not-bird'],
      epochs: 4,
      steps: 200,
      seconds: 21,
    },
    ...{ imagesPerSecond: 320, majorityAccuracy: 0.5, majorityBalancedAccuracy: 0.5 },
    ...{
      betterThanMajority: true,
      best: whole,
      final: whole,
      intervals,
      calibration: null,
      levels: null,
      stopped: null,
    },
    ...{ time: noTime(), advice: 'The device limits you, as it should.', incidents: 0 },
  };
  return { type: 'end', run: 'runs/night', results };
}
