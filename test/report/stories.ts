/** Runs to report on, made up: from numbers that a seed decides, so that they look like real ones. */

import sharp from 'sharp';
import { calibrate } from '../../src/metrics/calibration.ts';
import { computeMetrics, softmax } from '../../src/metrics/metrics.ts';
import { rankingCurve, thinCurve } from '../../src/metrics/ranking_curve.ts';
import type { Picture, RunStory, Suspect } from '../../src/report/story.ts';
import { picture } from '../images.ts';

/** Uniform in 0 to 1; the same for the same seed (mulberry32's mixing). */
export function randomness(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let word = Math.imul(state ^ (state >>> 15), 1 | state);
    word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word;
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function thumbnail(bird: boolean, index: number): Promise<string> {
  const bytes = await sharp(await picture(bird, index, 64))
    .webp({ quality: 80 })
    .toBuffer();
  return `data:image/webp;base64,${bytes.toString('base64')}`;
}

export interface StoryOptions {
  classNames?: string[];
  epochs?: number;
  stepsPerEpoch?: number;
  /** Logits' distance from noise. */
  signal?: number;
  seed?: number;
}

/** A run that ended well. */
export async function goodStory({
  classNames = ['bird', 'not-bird'],
  epochs = 20,
  stepsPerEpoch = 32,
  signal = 2.2,
  seed = 1,
}: StoryOptions = {}): Promise<RunStory> {
  const random = randomness(seed);
  const classes = classNames.length;
  const count = Math.max(600, classes * 8);
  const labels = Int32Array.from({ length: count }, (_, i) =>
    classes === 2 ? (i % 5 === 0 ? 0 : 1) : i % classes,
  );
  const logits = Float32Array.from({ length: count * classes }, (_, i) => {
    const own = labels[Math.floor(i / classes)] === i % classes;
    return ((own ? signal : 0) + (random() + random() + random() - 1.5) * 2.4) * 1.8;
  });
  const metrics = await computeMetrics(logits, labels, classes);
  const share = (epoch: number) => 1 - Math.exp(-epoch / (epochs / 4));
  const curve = {
    epochs: Array.from({ length: epochs }, (_, i) => {
      const rise = share(i + 1);
      return {
        epoch: i + 1,
        step: (i + 1) * stepsPerEpoch,
        trainLoss: 0.69 - 0.5 * rise + 0.02 * random(),
        validation: {
          loss: 0.69 - 0.38 * rise + (0.12 * i) / epochs + 0.04 * random(),
          accuracy: 0.5 + 0.38 * rise + 0.03 * random(),
          balancedAccuracy: 0.5 + 0.36 * rise + 0.04 * random(),
          auroc: 0.5 + 0.44 * rise + 0.02 * random(),
        },
        imagesPerSecond: 900 + 60 * random(),
        seconds: 1.1,
      };
    }),
    steps: Array.from({ length: epochs * stepsPerEpoch }, (_, i) => {
      const at = (i + 1) / stepsPerEpoch;
      return {
        at,
        loss: 0.69 - 0.5 * share(at) + 0.3 * (random() - 0.4),
        learningRate: 0.001 * Math.min(1, at / 1.5) * (1 + Math.cos((Math.PI * at) / epochs)) * 0.5,
        gradientNorm: 0.4 + 2 * Math.exp(-at) + random() * 0.5,
      };
    }),
  };
  const pictures = (guessed: number): Promise<Picture[]> =>
    Promise.all(
      Array.from({ length: 9 }, async (_, i) => ({
        name: `data/birds/${i % 2 ? 'bird' : 'not-bird'}/IMG_20240${i}1${7 * i}_holiday.jpg`,
        truth: classNames[i % 2]!,
        guess: classNames[(i + guessed) % 2]!,
        certainty: guessed ? 0.99 - i * 0.03 : 0.5 + i * 0.01,
        thumbnail: await thumbnail(i % 2 === 1, i),
      })),
    );
  const suspects: Suspect[] = (await pictures(1)).map(({ name, truth, thumbnail }, i) => ({
    ...{ name, label: truth, thumbnail, meanLoss: 3.2 - i * 0.2, lastLoss: 3.9 - i * 0.3, times: 20 },
  }));
  const sizes = classNames.map((_, k) => (classes === 2 ? [480, 1930][k]! : 40 + ((k * 37) % 90)));
  return {
    name: 'night',
    status: 'done',
    startedAt: '2026-11-22T23:12:00Z',
    writtenAt: '2026-11-22T23:15:04Z',
    seconds: 184,
    epochs: { done: epochs, planned: epochs },
    steps: epochs * stepsPerEpoch,
    imagesPerSecond: 931,
    device: { name: 'cpu', description: 'oneDNN 2.6.0', reason: 'there is no Apple GPU' },
    network: { name: 'birbs-bn', imageSize: 64, weights: 2_190_000 },
    classNames,
    majority: { className: classNames.at(-1)!, accuracy: classes === 2 ? 0.8 : 1 / classes },
    betterThanMajority: true,
    best: { epoch: Math.max(1, epochs - 2), ...metrics },
    calibration: await calibrate(logits, labels, classes),
    ranking: thinCurve(rankingCurve(softmax(logits, classes), labels, classes, 0)),
    curve,
    mistakes: await pictures(1),
    unsure: await pictures(0),
    suspects,
    incidents: [],
    time: {
      parts: [
        { name: 'device busy', seconds: 121 },
        { name: 'waiting for data', seconds: 38 },
        { name: 'host work', seconds: 9 },
        { name: 'validation', seconds: 12 },
        { name: 'saving', seconds: 4 },
      ],
      advice: 'Decoding limits you: a second run reads the cache and saves about 30 s.',
    },
    data: {
      train: sizes,
      balanced: sizes.map(() => Math.min(...sizes)),
      validation: sizes.map((size) => Math.round(size / 4)),
      balance: 'undersample',
      sources: [{ source: 'data/birds', images: sizes.reduce((a, b) => a + b, 0) }],
      skipped: [
        { name: 'data/birds/bird/broken.jpg', reason: 'it is cut short' },
        {
          name: 'data/birds/not-bird/notes.jpg',
          reason: 'it is text, not JPEG, PNG, WebP, GIF, AVIF, TIFF or BMP',
        },
      ],
      health: [
        '14 images repeat another one; they stay on its side of the split',
        'Out of the ordinary: 3 blank',
      ],
      dropped: 0,
      hash: 'b2f1c09d6c3a1c1f52b9f1b7aa83ff15f9b9a9f04c2a3f4b7c6d7e8f90112233',
    },
    options: {
      data: ['data/birds'],
      epochs,
      batchSize: 32,
      optimizer: 'adamw',
      learningRate: 0.001,
      seed: 1,
      run: null,
    },
    environment: { 'birbs-metal': '0.1.0', node: 'v20.20.2', platform: 'linux-x64' },
    resumed: [],
    commandLine: ['src/train.ts', '--data', 'data/birds', '--run', 'runs/night'],
    predict: 'npx tsx src/predict.ts --model runs/night',
    resume: 'npx tsx src/train.ts --resume runs/night',
  };
}

/** It went wrong, was caught, and went on; a gap in each curve. */
export async function eventfulStory(): Promise<RunStory> {
  const story = await goodStory({ epochs: 12, signal: 1.2 });
  for (let i = 100; i < 112; i++)
    story.curve.steps[i]!.loss = story.curve.steps[i]!.gradientNorm = Number.NaN;
  story.curve.steps[99]!.gradientNorm = 5e4;
  story.curve.steps[98]!.loss = 80;
  story.curve.epochs[3]!.validation.loss = Number.NaN;
  story.status = 'interrupted';
  story.reason = 'Ctrl-C was pressed; the weights and the state are saved.';
  story.epochs.planned = 40;
  story.resumed = [{ at: '2026-11-22T23:13:30Z', step: 200, remarks: ['the version was 0.0.9'] }];
  story.incidents = [
    {
      epoch: 4,
      step: 100,
      severity: 'critical',
      seen: 'The loss is no number at step 100; the gradient norm of the step before was 50,000.',
      done: 'Rolled back to step 96, skipped the batch, halved the learning rate to 0.0005.',
      images: Array.from({ length: 32 }, (_, i) => `data/birds/bird/IMG_${i}.jpg`),
    },
    {
      epoch: 10,
      step: 300,
      severity: 'warning',
      seen: 'Throughput fell to 210 images a second from 931.',
      done: 'Nothing: the machine is on battery.',
    },
  ];
  story.rateSweep = {
    points: Array.from({ length: 60 }, (_, i) => {
      const learningRate = 10 ** (-6 + i / 10);
      const falling = 0.69 - 0.3 * Math.exp(-((Math.log10(learningRate) + 2.6) ** 2));
      const smoothed = falling + (learningRate > 0.05 ? learningRate * 4 : 0);
      return { learningRate, loss: smoothed + 0.05 * Math.sin(i * 7), smoothed };
    }),
    suggestion: 0.0012,
  };
  return story;
}

/** Over before anything was learnt. */
export async function failedStory(): Promise<RunStory> {
  const story = await goodStory({ epochs: 1 });
  return {
    ...story,
    status: 'failed',
    reason:
      'The disk is full: 8.8 MB were needed for runs/night/last.safetensors; free some space and resume.',
    epochs: { done: 0, planned: 20 },
    steps: 3,
    betterThanMajority: false,
    best: null,
    calibration: undefined,
    ranking: undefined,
    curve: { steps: story.curve.steps.slice(0, 3), epochs: [] },
    ...{ mistakes: [], unsure: [], suspects: [], time: undefined, data: undefined, network: undefined },
  };
}

/** Whoever named these classes and files meant no good. */
export async function hostileStory(): Promise<RunStory> {
  const classNames = [
    '<script>document.title="owned"</script>',
    '"><img src=x onerror=alert(1)>',
    `\u202egnp.drib\u0000\u0007 \ud800 ${'a'.repeat(5000)}`,
  ];
  const story = await goodStory({ classNames, epochs: 3 });
  const evil = `</style></title><svg onload=alert(1)>' onmouseover='alert(1)" ${'x/'.repeat(3000)}`;
  for (const list of [story.mistakes, story.unsure, story.suspects]) for (const one of list) one.name = evil;
  story.mistakes[0]!.thumbnail = 'javascript:alert(1)';
  story.mistakes[1]!.thumbnail = `data:image/webp;base64,${'A'.repeat(10_000_000)}`;
  story.mistakes[2]!.thumbnail = 'data:image/svg+xml;base64,AAAA';
  story.mistakes[3]!.thumbnail = 'https://example.com/x.png';
  story.name = evil;
  story.reason = evil;
  story.data!.sources = Array.from({ length: 5000 }, () => ({ source: evil, images: 1, revision: evil }));
  story.data!.skipped = Array.from({ length: 100_000 }, () => ({ name: evil, reason: evil }));
  story.incidents = Array.from({ length: 5000 }, () => ({
    ...{ epoch: 1, step: 1, severity: 'warning' as const, seen: evil, done: evil },
    images: Array.from({ length: 1000 }, () => evil),
  }));
  story.options = { run: evil, data: [evil, evil], [evil]: { a: evil } };
  story.commandLine = ['a', evil];
  story.environment = { [evil]: evil };
  story.resumed = Array.from({ length: 1000 }, () => ({ at: evil, step: 1, remarks: [evil] }));
  return story;
}

export const manyClasses = Array.from({ length: 200 }, (_, k) => `Species number ${k + 1}`);
