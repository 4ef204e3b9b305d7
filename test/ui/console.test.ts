import { describe, expect, test } from 'vitest';
import type { Metrics } from '../../src/metrics/metrics.ts';
import type { Results } from '../../src/training/results.ts';
import { noTime } from '../../src/training/stopwatch.ts';
import type { TrainEvent } from '../../src/training/train_events.ts';
import { reporter } from '../../src/ui/console.ts';

const scores = { precision: 0.02, recall: 0.625, f1: 0.0488, auroc: 0.7595, averagePrecision: 0.05 };

const metrics: Metrics = {
  ...{ loss: 0.5123, accuracy: 0.74, balancedAccuracy: 0.682, precision: 0.02, recall: 0.625, f1: 0.0488 },
  auroc: 0.7595,
  averagePrecision: 0.05,
  perClass: [scores, scores],
  confusion: [
    [10, 6],
    [395, 1135],
  ],
};

const results: Results = {
  ...{
    status: 'done',
    device: 'cpu',
    classNames: ['bird', 'not-bird'],
    epochs: 5,
    steps: 160,
    seconds: 75.4,
  },
  ...{
    imagesPerSecond: 400,
    majorityAccuracy: 0.99,
    majorityBalancedAccuracy: 0.5,
    betterThanMajority: true,
  },
  ...{
    best: { epoch: 3, ...metrics },
    final: { epoch: 5, ...metrics },
    calibration: null,
    levels: null,
    intervals: { best: null, final: null },
  },
  ...{ stopped: null, time: noTime(), advice: 'The device limits you.', incidents: 0 },
};

const step: TrainEvent = {
  ...{ type: 'step', epoch: 2, step: 20, progress: 0.25, loss: 0.61, accuracy: 0.7, learningRate: 1e-3 },
  ...{ gradientNorm: 1, imagesPerSecond: 1234.4, deviceSeconds: 0.01, time: noTime() },
};

const epoch: TrainEvent = {
  ...{
    type: 'epoch',
    epoch: 3,
    epochs: 10,
    step: 96,
    trainLoss: 0.4321,
    trainAccuracy: 0.8,
    validation: metrics,
  },
  ...{ images: 1024, seconds: 1, imagesPerSecond: 1024, secondsLeft: 80.2 },
  ...{ progress: 1, isBest: true, learningRate: 1e-3 },
};

function print(events: TrainEvent[], ui: 'plain' | 'json' | 'none' = 'plain', isTTY = false): string {
  let text = '';
  const report = reporter(ui, { write: (part) => (text += part), isTTY, columns: 60 }, 'npx predict');
  for (const event of events) report(event);
  return text;
}

const end = (changes: Partial<Results>, run = 'runs/demo') =>
  print([{ type: 'end', run, results: { ...results, ...changes } }]);

describe('plain', () => {
  test('an epoch is a line', () => {
    expect(print([epoch])).toBe(
      'Epoch  3/10  loss 0.432  validation loss 0.512  balanced accuracy 68.2%  accuracy 74.0%  1,024 images/s  1 min 20 s left\n',
    );
  });

  test('what passes is shown on a terminal alone, on one line of its width', () => {
    const reading: TrainEvent = {
      type: 'reading',
      source: 'x'.repeat(90),
      stage: 'decode',
      done: 5,
      total: 7,
      seconds: 1,
    };
    expect(print([step, reading])).toBe('');
    const text = print([step, reading, epoch], 'plain', true);
    const parts = text.split('\r\x1b[K').slice(1);
    expect(parts[0]).toBe('Epoch 2: 25.0%  loss 0.610  1,234 images/s');
    expect(parts[1]).toHaveLength(59);
    expect(parts[2]).toBe(`${'x'.repeat(90)}: decoded 5 of 7 images in 1 s\n`);
    expect(parts[3]).toMatch(/^Epoch {2}3\/10 .*\n$/);
  });

  test('a limit of time; gone on with, what of it is used', () => {
    const start: TrainEvent = {
      ...{ type: 'start', run: 'r', network: 'birbs', imageSize: 8, weights: 9, epochs: null },
      ...{
        stepsPerEpoch: 5,
        pretrained: null,
        hasHead: false,
        budget: 180,
        spent: 70,
        resumed: null,
        remarks: [],
      },
    };
    expect(print([start])).toContain('Epochs of 5 steps, at most 3 min 0 s. Results');
    const resumed = { step: 7, epoch: 1 };
    expect(print([{ ...start, resumed }])).toContain('at most 3 min 0 s (1 min 10 s of it used). Results');
    expect(print([{ ...start, resumed, spent: 900 }])).toContain('(3 min 0 s of it used)');
  });

  test('names can do nothing to a terminal', () => {
    const bad = 'a\x1b[2J\x9b1m\r\n\u202eb';
    const reading: TrainEvent = {
      type: 'reading',
      source: bad,
      stage: 'decode',
      done: 5,
      total: 7,
      seconds: 1,
    };
    const text = print([reading, { type: 'end', run: bad, results }], 'plain', true);
    expect(text).toContain('a\ufffd[2J\ufffd1m\ufffd\ufffd\ufffdb: decoded');
    expect(text).toContain('is in a\ufffd[2J\ufffd1m');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
    expect(text.replaceAll('\r\x1b[K', '')).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
  });

  test('skipped images: the first names and the number', () => {
    const skipped = ['a', 'b', 'c', 'd'].map((name) => ({ name: `${name}.jpg`, reason: 'is text' }));
    const text = print([
      {
        ...{
          type: 'data',
          classNames: ['bird', 'not-bird'],
          skipped,
          filtered: [],
          duplicates: 2,
          nearDuplicates: 3,
          oddities: { turned: 5, tiny: 0, blank: 4 },
          dropped: 1,
          hash: '',
          damagedSegments: 1,
          damagedImages: 0,
          stream: { bytes: 4e10, limit: 2e10, windowImages: 44_000, imageSize: 224 },
        },
        sources: [{ source: 'photos', images: 1500, counts: { bird: 500, 'not-bird': 1000 }, ignored: 0 }],
        ...{
          train: [400, 800],
          validation: [100, 200],
          balanced: [400, 400],
          balance: 'undersample',
          draws: 2,
        },
        ...{ majorityClass: 'not-bird', majorityAccuracy: 2 / 3 },
      },
    ]);
    expect(text.split('\n')).toEqual([
      'photos: 1,500 images (500 bird, 1,000 not-bird)',
      'Skipped 4: a.jpg is text; b.jpg is text; c.jpg is text; ...',
      '2 images repeat another one, 3 images look like another one; they stay on its side of the split',
      'Out of the ordinary: 4 blank, 5 turned by their EXIF (the command `data check` shows which)',
      '1 training images are left out: the validation images contain them, too',
      '1 files of the cache were damaged: deleted, and decoded again',
      'The decoded images need 40.0 GB, more than the 20.0 GB of the cache: training takes them in windows of 44,000, ' +
        'and evicted images are decoded again each epoch; --cache-limit allows more',
      'Training on 400 bird, 800 not-bird; balanced to 400 bird, 400 not-bird (undersample, resampled 2 times per epoch)',
      'Validating on 100 bird, 200 not-bird; always guessing not-bird is right for 66.7% of them (balanced accuracy 50.0%)',
      '',
    ]);
  });

  test('the end: scores, confusion, where it is, what to do next', () => {
    expect(end({}).split('\n')).toEqual([
      '',
      'Best epoch: 3. On the validation images it finds 10 of 16 birds; 98% of what it calls bird is something else.',
      '  balanced accuracy 68.2%, accuracy 74.0%, AUROC 0.759',
      '  precision 2.0%, recall 62.5%, F1 0.049',
      '             said bird   said not-bird',
      '  bird              10               6',
      '  not-bird         395           1,135',
      'Better than guessing: its balanced accuracy is 68.2%, always answering not-bird gets 50.0%. ' +
        'Its plain accuracy, 74.0%, is below the 99.0% of that answer: it is wrong about more images of not-bird than it finds of the rest.',
      'The device limits you.',
      '',
      'Done in 1 min 15 s; everything is in runs/demo. Now ask it:',
      '  npx predict --model runs/demo photo.jpg',
      '',
    ]);
  });

  test('of many classes the matrix still fits a terminal', () => {
    const classNames = [
      'airplane',
      'automobile',
      'bird',
      'cat',
      'deer',
      'dog',
      'frog',
      'horse',
      'ship',
      'truck',
    ];
    const confusion = classNames.map((_, k) => classNames.map((_, j) => (k === j ? 1000 : k + j)));
    const perClass = classNames.map(() => scores);
    const lines = end({ classNames, best: { ...results.best!, confusion, perClass } }).split('\n');
    const head = lines.findIndex((line) => line.startsWith('  is, said'));
    expect(lines.slice(head, head + 3)).toEqual([
      '  is, said    airp  auto  bird   cat  deer   dog  frog  hors  ship  truc',
      '  airplane   1,000     1     2     3     4     5     6     7     8     9',
      '  automobile     1 1,000     3     4     5     6     7     8     9    10',
    ]);
  });

  test('a model that learnt nothing is called so', () => {
    const text = end({ betterThanMajority: false });
    expect(text).toContain('On the validation images it is no better than guessing: it finds 10 of 16 birds');
    expect(text).toContain('\nNo better than guessing: its balanced accuracy is 68.2%');
  });

  test('one that wins in every way gets no excuse', () => {
    expect(end({ majorityAccuracy: 0.6 })).toContain('always answering not-bird gets 50.0%.\n');
  });

  test('an interrupt before the first epoch says where the weights are', () => {
    expect(end({ status: 'interrupted', best: null, epochs: 0, steps: 7 })).toBe(
      '\nInterrupted after 0 epochs and 7 steps; the weights are saved in runs/demo/last.safetensors, resume with --resume runs/demo\n',
    );
  });

  test('a folder with a blank is quoted for the shell', () => {
    expect(end({}, "my 'run'")).toContain(`  npx predict --model 'my '\\''run'\\''' photo.jpg\n`);
  });
});

test('json: one object a line, of steps the first and every twentieth', () => {
  const events = [
    { ...step, step: 1 },
    step,
    { ...step, step: 21 },
    epoch,
    { type: 'end', run: 'r', results },
  ] as TrainEvent[];
  const lines = print(events, 'json').trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line))).toEqual([events[0], events[1], events[3], events[4]]);
});

test('none: silence', () => {
  expect(print([step, epoch, { type: 'end', run: 'r', results }], 'none')).toBe('');
});
