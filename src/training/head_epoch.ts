/** The first epoch of a pretrained network: features once, then a head fitted on them. */
import type { Dataset } from '../data/dataset.ts';
import type { Images } from '../data/images.ts';
import { type DatasetProgress, Meter } from '../data/meter.ts';
import { LossHistory } from '../metrics/image_losses.ts';
import { computeMetrics, countRight, imageLosses } from '../metrics/metrics.ts';
import type { NativeSession, ParameterInfo } from '../model/addon.ts';
import { partOf } from '../ranks/rank_share.ts';
import type { Ranks } from '../ranks/ranks.ts';
import { type FeatureExtractor, featuresOf } from './features.ts';
import { fitHead, type Head, type HeadData, logitsOf } from './head.ts';
import type { KnownFeatures } from './nearest.ts';
import { afterEpoch, isBetter, type SelectionMetric } from './stopping.ts';
import type { Stopwatch } from './stopwatch.ts';
import type { EpochEvent, EvaluatedEvent, SnapshotEvent, StepEvent } from './training_events.ts';
import { type Snapshot, startPosition } from './training_state.ts';

/** All that the head needs. */
export interface HeadTraining {
  session: NativeSession;
  extractor: FeatureExtractor;
  images: Images;
  dataset: Pick<Dataset, 'classNames' | 'labels' | 'names' | 'supply'>;
  /** Positions in the data set. */
  train: Uint32Array;
  val: Uint32Array;
  /** Whether the head learns from the training images in a mirror as well. */
  mirrored: boolean;
  /** Whether all classes weigh the same. */
  balanced: boolean;
  /** Of the run: this one and those of fine-tuning. */
  epochs: number;
  /** Batches of an epoch of fine-tuning. */
  stepsPerEpoch: number;
  metric: SelectionMetric;
  minChange: number;
  threads: number;
  cacheDir: string;
  clock: Stopwatch;
  onProgress: (progress: DatasetProgress) => void;
  /** Given what is known of all images; it is not changed later. */
  onFeatures?: (known: KnownFeatures) => void;
  signal?: AbortSignal | undefined;
  /** The processes that train together, each of which computes a part of the features; absent: this one alone. */
  ranks?: Ranks | undefined;
}

/**
 * Computes the features that are not in the cache, fits the head and puts it into the session. Counts as the first
 * epoch, of one step, of the run.
 * @param seed of the run
 * @throws the signal's reason when it is aborted
 */
export async function* trainHead(
  training: HeadTraining,
  seed: number,
): AsyncGenerator<StepEvent | EpochEvent | EvaluatedEvent | SnapshotEvent, Snapshot> {
  const { session, dataset, train, val, balanced, clock, metric, minChange } = training;
  const classes = dataset.classNames.length;
  const positions = Uint32Array.from([...train, ...val]);
  const before = clock.split;
  const features = await clock.during('device', featuresOfAll(training, positions));
  const labels = Int32Array.from(positions, (position) => dataset.labels[position]!);
  const { width } = training.extractor;
  training.onFeatures?.({ positions, features, width, train: train.length });
  const data = { features, width, labels, train: train.length, classes };
  const learning = training.mirrored ? await clock.during('device', withMirrored(training, data)) : data;
  const head = await clock.during('device', fitTogether(training, learning));
  await putHead(session, head);

  const { logits } = head;
  const valLabels = labels.slice(train.length);
  const validation = await clock.during('validation', computeMetrics(logits, valLabels, classes));
  const { losses, ...learnt } = await clock.during('validation', lookBack(head, data));
  const history = new LossHistory({ labels: dataset.labels, classes, validation: val, balanced });
  history.add(positions, losses);

  const batch = training.stepsPerEpoch;
  const position = { ...startPosition(seed), epoch: 1, batch, step: 1, images: train.length };
  const isBest = isBetter(metric, validation[metric], null);
  if (isBest) position.best = { epoch: 1, ...validation };
  position.patience = afterEpoch(position.patience, metric, validation, minChange);
  position.time = clock.split;
  const seconds = position.time.device - before.device;
  const rate = { learningRate: 0, imagesPerSecond: train.length / Math.max(seconds, 1e-3) };
  yield {
    type: 'step',
    epoch: 1,
    step: 1,
    progress: 1,
    loss: learnt.loss,
    accuracy: learnt.accuracy,
    ...rate,
    gradientNorm: 0,
    deviceSeconds: 0,
    time: position.time,
  };
  yield {
    ...{
      type: 'epoch',
      epoch: 1,
      epochs: training.epochs,
      step: 1,
      progress: 1,
      validation,
      isBest,
      ...rate,
    },
    trainLoss: learnt.loss,
    trainAccuracy: learnt.accuracy,
    images: train.length,
    seconds,
    secondsLeft: 0,
  };
  yield { type: 'evaluated', epoch: 1, step: 1, isBest, positions: val, logits, labels: valLabels, history };
  const [values, optimizer] = await Promise.all([session.getParameters(), session.getOptimizerState()]);
  const snapshot: Snapshot = { position, values, optimizer, losses: history.numbers };
  yield { type: 'snapshot', snapshot };
  return snapshot;
}

/** The features of all images: of several ranks each computes a part. */
async function featuresOfAll(
  training: HeadTraining,
  positions: Uint32Array,
  mirrored = false,
): Promise<Float32Array> {
  const { ranks, extractor } = training;
  if (!ranks) return allFeatures(training, positions, mirrored);
  const { first, count } = partOf(positions.length, ranks);
  const own = await ranks.together(() =>
    allFeatures(training, positions.subarray(first, first + count), mirrored),
  );
  return ranks.joinRows(own, positions.length, extractor.width);
}

/** The same with the training images in a mirror before all others. */
async function withMirrored(training: HeadTraining, data: HeadData): Promise<HeadData> {
  const mirrored = await featuresOfAll(training, training.train, true);
  const features = new Float32Array(mirrored.length + data.features.length);
  features.set(mirrored);
  features.set(data.features, mirrored.length);
  const labels = Int32Array.from([...data.labels.subarray(0, data.train), ...data.labels]);
  return { ...data, features, labels, train: 2 * data.train };
}

/** Of several ranks the first fits, so that all have the same head. */
async function fitTogether(training: HeadTraining, data: HeadData): Promise<Head> {
  const { balanced, threads, signal, ranks } = training;
  const fitHere = () => fitHead(data, { balanced, threads, signal });
  if (!ranks) return fitHere();
  const head = await ranks.together(async () => (ranks.isFirst ? fitHere() : undefined));
  const { width, labels, train, classes } = data;
  const { l2, tried } = await ranks.broadcast(head && { l2: head.l2, tried: head.tried });
  const of = (values: Float32Array | undefined, length: number) =>
    ranks.broadcastFloats(values ?? new Float32Array(length));
  const weights = await of(head?.weights, classes * width);
  const bias = await of(head?.bias, classes);
  return { l2, tried, weights, bias, logits: await of(head?.logits, (labels.length - train) * classes) };
}

async function allFeatures(
  training: HeadTraining,
  positions: Uint32Array,
  mirrored: boolean,
): Promise<Float32Array> {
  const { extractor, images, dataset, cacheDir, onProgress, signal } = training;
  const everywhere = new Uint32Array(dataset.names.length).map((_, position) => position);
  const contents = dataset.supply.contentsOf(everywhere);
  const meter = new Meter(mirrored ? `${extractor.name}, mirrored` : extractor.name, onProgress);
  let noted = false;
  try {
    return await featuresOf(extractor, images, contents, positions, {
      cacheDir,
      mirrored,
      signal,
      onProgress: ({ done, total, problem }) => {
        meter.note({ stage: 'features', done, total });
        if (problem !== undefined && !noted) meter.note({ stage: 'features', note: problem });
        noted ||= problem !== undefined;
      },
    });
  } finally {
    meter.end();
  }
}

/** What the head makes of all images: cross-entropy of each, and their means over the training images. */
async function lookBack(head: Head, data: HeadData) {
  const { labels, train, classes } = data;
  const losses = new Float32Array(labels.length);
  let right = 0;
  for await (const { first, logits } of logitsOf(head, data, 0)) {
    const some = labels.subarray(first, first + logits.length / classes);
    losses.set(imageLosses(logits, some, classes), first);
    right += countRight(logits, some.subarray(0, Math.max(0, train - first)), classes);
  }
  const loss = losses.subarray(0, train).reduce((sum, value) => sum + value, 0) / train;
  return { losses, loss, accuracy: right / train };
}

/** The last dense layer, which turns features into logits. */
function headOf(
  parameters: ParameterInfo[],
  classes: number,
): { weight: ParameterInfo; bias: ParameterInfo } {
  const bias = parameters.at(-1)!;
  const weight = parameters.at(-2)!;
  if (weight.shape.length !== 2 || weight.shape[0] !== classes || bias.size !== classes)
    throw new Error(`Expected a dense layer at the end of the network, but found ${weight.name}`);
  return { weight, bias };
}

async function putHead(session: NativeSession, head: Head): Promise<void> {
  const { weight, bias } = headOf(session.parameters, head.bias.length);
  const values = await session.getParameters();
  values.set(head.weights, weight.offset);
  values.set(head.bias, bias.offset);
  await session.setParameters(values);
}
