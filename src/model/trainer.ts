/** Epochs over batches, to native steps, to events. */
import { type Balance, epochOrder } from '../data/balance.ts';
import { type AugmentationSettings, batches } from '../data/batches.ts';
import type { Dataset } from '../data/dataset.ts';
import { UserError } from '../run/errors.ts';
import { computeMetrics, type Metrics } from '../run/metrics.ts';
import { learningRateAt, type Schedule } from '../run/schedule.ts';
import type { NativePixels, NativeSession, StepResult } from './addon.ts';
import type { Canary } from './canary.ts';

export interface Training {
  session: NativeSession;
  pixels: NativePixels;
  dataset: Dataset;
  /** Positions in the data set. */
  train: Uint32Array;
  val: Uint32Array;
  balance: Balance;
  /** Draws an epoch is made of; see {@link roundsAnEpoch}. */
  rounds: number;
  epochs: number;
  batchSize: number;
  schedule: Schedule;
  augmentation?: AugmentationSettings;
  seed: number;
  /** Watches the device; absent where nothing is to be doubted. */
  canary?: Canary | undefined;
}

/** A step has ended. */
export interface StepEvent {
  type: 'step';
  /** From 1. */
  epoch: number;
  /** Over the whole run, from 1. */
  step: number;
  /** Share of the epoch's steps done, to 1. */
  progress: number;
  loss: number;
  accuracy: number;
  learningRate: number;
  gradientNorm: number;
  /** Training images a second since the epoch began. */
  imagesPerSecond: number;
}

/** An epoch has ended and was validated; the weights are those of its end until the next event is asked for. */
export interface EpochEvent {
  type: 'epoch';
  /** From 1. */
  epoch: number;
  epochs: number;
  step: number;
  /** Means over the training images of the epoch, dropout and augmentation included. */
  trainLoss: number;
  trainAccuracy: number;
  validation: Metrics;
  /** Images trained on. */
  images: number;
  /** Of training, without validation. */
  seconds: number;
  imagesPerSecond: number;
  /** At the pace so far. */
  secondsLeft: number;
}

/**
 * Trains, and tells of each step and each epoch. One step is always queued while the next batch is prepared, so that
 * the device never waits. Ends early, after the steps already queued, when `signal` is aborted.
 */
export async function* trainEpochs(
  training: Training,
  signal?: AbortSignal,
): AsyncGenerator<StepEvent | EpochEvent, void> {
  const begin = performance.now();
  let step = 0;
  for (let epoch = 1; epoch <= training.epochs; epoch++) {
    const epochBegin = performance.now();
    const order = await epochPositions(training, epoch);
    const sum = { images: 0, loss: 0, correct: 0 };
    for await (const { result, learningRate, images } of runSteps(training, order, step, signal)) {
      step += 1;
      sum.images += images;
      sum.loss += result.loss * images;
      sum.correct += result.correct;
      yield {
        type: 'step',
        epoch,
        step,
        progress: sum.images / order.length,
        loss: result.loss,
        accuracy: result.correct / images,
        learningRate,
        gradientNorm: result.gradientNorm,
        imagesPerSecond: sum.images / since(epochBegin),
      };
      if (training.canary?.isDue(step, sum.images === order.length)) await training.canary.check(step);
    }
    if (signal?.aborted) return;
    const seconds = since(epochBegin);
    const validation = await evaluate(training);
    // A last step too far shows only here: a step tells the loss of before it.
    if (!Number.isFinite(validation.loss)) throw lossError(step, learningRateAt(training.schedule, step - 1));
    yield {
      type: 'epoch',
      epoch,
      epochs: training.epochs,
      step,
      trainLoss: sum.loss / sum.images,
      trainAccuracy: sum.correct / sum.images,
      validation,
      images: sum.images,
      seconds,
      imagesPerSecond: sum.images / seconds,
      secondsLeft: (since(begin) / epoch) * (training.epochs - epoch),
    };
  }
}

/** An epoch should show this many images where there are enough. */
const IMAGES_AN_EPOCH = 1000;

/**
 * How many fresh draws an epoch joins. Undersampling a rare class leaves few images a draw (on the demo 128 of 6,300):
 * epochs of a handful of steps would only validate. Never more images than there are.
 */
export function roundsAnEpoch(balance: Balance, drawn: number, images: number): number {
  if (balance !== 'undersample' || drawn >= IMAGES_AN_EPOCH) return 1;
  return Math.max(1, Math.min(Math.ceil(IMAGES_AN_EPOCH / drawn), Math.floor(images / drawn)));
}

/** Metrics of the validation images, in the order and the batches that prediction would use. */
export async function evaluate(
  training: Pick<Training, 'session' | 'pixels' | 'dataset' | 'val' | 'batchSize'>,
): Promise<Metrics> {
  const { session, pixels, dataset, val, batchSize } = training;
  const classes = dataset.classNames.length;
  const logits = new Float32Array(val.length * classes);
  const labels = Int32Array.from(val, (position) => dataset.labels[position]!);
  let waiting: Promise<unknown> | undefined;
  let from = 0;
  for await (const batch of batches(pixels, dataset, val, { batchSize })) {
    const start = from * classes;
    const queued = quiet(
      session.predict(batch.images, batch.labels.length).then((rows) => logits.set(rows, start)),
    );
    from += batch.labels.length;
    await waiting;
    waiting = queued;
  }
  await waiting;
  return computeMetrics(logits, labels, classes);
}

interface DoneStep {
  result: StepResult;
  learningRate: number;
  images: number;
}

async function* runSteps(
  { session, pixels, dataset, batchSize, schedule, augmentation, seed }: Training,
  order: Uint32Array,
  firstStep: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<DoneStep, void> {
  const augment = augmentation && { ...augmentation, seed, step: firstStep };
  let waiting: Promise<DoneStep> | undefined;
  let step = firstStep;
  for await (const { images, labels } of batches(pixels, dataset, order, {
    batchSize,
    augmentation: augment,
  })) {
    const learningRate = learningRateAt(schedule, step);
    const number = ++step;
    const queued = quiet(
      session
        .trainStep(images, labels, learningRate)
        .then((result) => finite({ result, learningRate, images: labels.length }, number)),
    );
    if (waiting) yield await waiting;
    waiting = queued;
    if (signal?.aborted) break;
  }
  if (waiting) yield await waiting;
}

function finite(done: DoneStep, step: number): DoneStep {
  if (Number.isFinite(done.result.loss)) return done;
  throw lossError(step, done.learningRate);
}

function lossError(step: number, learningRate: number): UserError {
  return new UserError(
    `The loss is no number any more at step ${step}: expected a learning rate that the network can follow, but found ${learningRate}; try a tenth of it with --learning-rate`,
  );
}

async function epochPositions(training: Training, epoch: number): Promise<Uint32Array> {
  const { dataset, train, balance, rounds, seed } = training;
  const draws: number[] = [];
  for (let round = (epoch - 1) * rounds; round < epoch * rounds; round++)
    draws.push(...(await epochOrder(dataset, train, { balance, seed, round })));
  return Uint32Array.from(draws);
}

/** A failure is told where the promise is awaited; until then it must not end the process. */
function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

function since(begin: number): number {
  return (performance.now() - begin) / 1000;
}
