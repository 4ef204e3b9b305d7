/** Epochs over batches, to native steps, to events. */

import { UserError } from '../base/errors.ts';
import type { Balance } from '../data/balance.ts';
import type { AugmentationSettings } from '../data/batches.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Images } from '../data/images.ts';
import { LossHistory } from '../metrics/image_losses.ts';
import { imageLosses } from '../metrics/metrics.ts';
import type { NativeSession, StepResult } from '../model/addon.ts';
import type { Ranks } from '../ranks/ranks.ts';
import { type Canary, CanaryError } from './canary.ts';
import { Average } from './ema.ts';
import { epochPositions } from './epoch_order.ts';
import { type Evaluation, evaluate } from './evaluation.ts';
import { afterFault, afterRollback, afterStep, trouble } from './guard.ts';
import { learningRateAt, type Schedule } from './schedule.ts';
import { afterEpoch, afterPlateau, isBetter, type SelectionMetric } from './stopping.ts';
import { type Stopwatch, type TimeSplit, timeBetween } from './stopwatch.ts';
import type {
  EpochEvent,
  EvaluatedEvent,
  RollbackEvent,
  SnapshotEvent,
  StepEvent,
  Stop,
} from './training_events.ts';
import { noSums, type Position, type Snapshot } from './training_state.ts';

export interface Training {
  session: NativeSession;
  images: Images;
  dataset: Dataset;
  /** Positions in the data set. */
  train: Uint32Array;
  val: Uint32Array;
  balance: Balance;
  /** Draws an epoch is made of; see {@link roundsAnEpoch}. */
  rounds: number;
  epochs: number;
  /** Batches of an epoch. */
  stepsPerEpoch: number;
  batchSize: number;
  schedule: Schedule;
  augmentation?: AugmentationSettings;
  seed: number;
  /** Watches the device; absent where nothing is to be doubted. */
  canary?: Canary | undefined;
  /** Counts where the time goes, from the position's split on. */
  clock: Stopwatch;
  /** The metric that picks the best weights and ends the run early. */
  metric: SelectionMetric;
  /** Epochs without a better validation after which the run ends; 0: never. */
  patience: number;
  minChange: number;
  /** Seconds after which the run ends; the learning rate follows them if `timed`. */
  budget: number | undefined;
  timed: boolean;
  /** Times that the guard goes back before the run fails; 0: no guard. */
  rollbacks: number;
  /** Decay of the moving average of the weights, a step; 0: none. */
  average: number;
  /** Seconds from one checkpoint to the next, besides those of the epochs. */
  checkpointSeconds: number;
  /** Training pauses while the returned promise is pending. */
  paused?: () => Promise<void> | undefined;
  /** The processes that train together, each with the same options; absent: this one alone. */
  ranks?: Ranks | undefined;
}

/** A training step failed on the device. */
export class DeviceError extends Error {
  /** The last step that was completed. */
  readonly step: number;
  /** Whether it may go on from weights that it is given anew. */
  readonly isTransient: boolean;

  constructor(cause: Error, step: number) {
    super(cause.message, { cause });
    this.step = step;
    this.isTransient = isFault(cause);
  }
}

/** Whether native code says that a command on the device failed. */
function isFault(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'ERR_DEVICE_FAULT';
}

/** The limit of rollbacks was reached. */
export class GuardError extends UserError {}

/** Batches between two states to roll back to, and the batch of the first one. */
const BATCHES_A_SNAPSHOT = 100;
const FIRST_SNAPSHOT = 10;
/** Steps from one comparison of the weights of all ranks to the next. */
const STEPS_A_COMPARISON = 100;

/** The state of the training loop. */
interface Loop extends Training {
  position: Position;
  /** The state to roll back to; a later step has gone well. */
  good: Snapshot;
  moving: Average | undefined;
  history: LossHistory;
  /** Whether all batches of the epoch were requested, that is neither time nor a signal ended it. */
  isEpochComplete: boolean;
  /** The clock at the last checkpoint within an epoch. */
  savedAt: number;
  /** The clock, and the number of finished epochs, when this process started to train. */
  begun: { seconds: number; epochs: number };
  signal: AbortSignal | undefined;
  /** The time split at the last step event. */
  lastSplit: TimeSplit;
  /** The last validation. */
  evaluation: Evaluation | undefined;
  /** Of several ranks: what was last agreed. Each decides by it alone, so that all do the same at the same step. */
  agreed: { seconds: number };
  /** The step of the last comparison of the weights. */
  compared: number;
}

/**
 * Trains from `start` and yields an event for each step, epoch, rollback and state to save. One step is always queued
 * while the next batch is prepared, so that the device never waits. Ends early, after the queued steps, if `signal` is
 * aborted, the time is up or the patience is exhausted.
 * @param start the state of the session
 * @returns why it ended early
 */
export async function* trainEpochs(
  training: Training,
  start: Snapshot,
  signal?: AbortSignal,
): AsyncGenerator<StepEvent | EpochEvent | EvaluatedEvent | RollbackEvent | SnapshotEvent, Stop | undefined> {
  const { clock, epochs, average, session } = training;
  const loop: Loop = {
    ...training,
    position: structuredClone(start.position),
    good: start,
    moving: average > 0 ? new Average(average, start) : undefined,
    history: historyOf(training, start.losses),
    isEpochComplete: false,
    savedAt: clock.total,
    begun: { seconds: clock.total, epochs: start.position.epoch },
    signal,
    lastSplit: clock.split,
    evaluation: undefined,
    agreed: { seconds: clock.total },
    compared: start.position.step,
  };
  try {
    await agree(loop);
    while (loop.position.epoch < epochs) {
      const { patience } = loop.position;
      if (training.patience > 0 && patience.epochs >= training.patience) return 'patience';
      yield* trainEpoch(loop);
      await agree(loop);
      if (isStopping(loop)) {
        yield { type: 'snapshot', snapshot: await lastSnapshot(loop) };
        return undefined;
      }
      const event = await endEpoch(loop).catch((error) => recover(loop, error));
      if (event.type === 'rollback') {
        yield event;
        continue;
      }
      const end = await take(loop, capture(session)).catch((error) => recover(loop, error));
      if ('type' in end) {
        yield end;
        continue;
      }
      yield event;
      if (loop.evaluation) yield evaluated(loop, loop.evaluation, event);
      loop.good = end;
      yield { type: 'snapshot', snapshot: loop.good };
      if (event.progress < 1) return 'time';
      if (isTimeUp(loop) && loop.position.epoch < epochs) return 'time';
    }
    return undefined;
  } catch (error) {
    if (loop.ranks?.isStopped || (signal?.aborted && error === signal.reason)) {
      yield { type: 'snapshot', snapshot: await lastSnapshot(loop) };
      return undefined;
    }
    // The session may be lost, or hold what is worth nothing: what was good is in memory.
    yield { type: 'snapshot', snapshot: loop.good };
    throw error;
  }
}

function historyOf({ dataset, val, balance }: Training, before: Float32Array | undefined): LossHistory {
  const { labels, classNames } = dataset;
  const images = { labels, classes: classNames.length, validation: val, balanced: balance !== 'none' };
  return new LossHistory(images, before);
}

/** Tells the other ranks whether this one is to stop, and takes the time of the first. */
async function agree({ ranks, agreed, signal, clock }: Loop): Promise<void> {
  if (ranks) noteAgreed(ranks, agreed, await ranks.native.sum(agreementOf({ ranks, signal, clock })));
}

function agreementOf({ ranks, signal, clock }: Pick<Loop, 'ranks' | 'signal' | 'clock'>): Float64Array {
  return Float64Array.of(signal?.aborted ? 1 : 0, ranks?.isFirst ? clock.total : 0);
}

function noteAgreed(ranks: Ranks, agreed: Loop['agreed'], [stops, seconds]: Float64Array): void {
  if (stops! > 0) ranks.isStopped = true;
  agreed.seconds = seconds!;
}

function isStopping({ ranks, signal }: Loop): boolean {
  return ranks ? ranks.isStopped : signal?.aborted === true;
}

/** Seconds of the run, the same on all ranks. */
function secondsOf({ ranks, agreed, clock }: Loop): number {
  return ranks ? agreed.seconds : clock.total;
}

/** The state of an interrupted training, or the last good one where the last step spoilt it. */
async function lastSnapshot(loop: Loop): Promise<Snapshot> {
  const snapshot = await take(loop, capture(loop.session));
  return snapshot.values.every(Number.isFinite) ? snapshot : loop.good;
}

/** Trains the rest of an epoch; goes back and on again where the guard asks for it. */
async function* trainEpoch(loop: Loop): AsyncGenerator<StepEvent | RollbackEvent | SnapshotEvent, void> {
  const order = await epochPositions(loop, loop.position.epoch + 1);
  for (;;) {
    try {
      const bad = yield* trainBatches(loop, order);
      if (!bad) {
        // Where the guard left out the last batches, the epoch is over all the same.
        if (loop.isEpochComplete) loop.position.batch = (loop.position.epoch + 1) * loop.stepsPerEpoch;
        return;
      }
      yield await goBack(loop, bad, order);
    } catch (error) {
      yield await recover(loop, error);
    }
  }
}

/** A batch that is on its way. */
interface Queued {
  batch: number;
  learningRate: number;
  /** Of its images in the data set. */
  positions: Uint32Array;
  result: Promise<StepResult>;
  /** The state right behind the step, where it is wanted. */
  state: Promise<State> | undefined;
}

type State = Pick<Snapshot, 'values' | 'optimizer'>;

interface BadStep {
  batch: number;
  step: number;
  learningRate: number;
  result: Pick<StepResult, 'loss' | 'gradientNorm'>;
  kind: RollbackEvent['kind'];
  message: string;
}

/** Trains until the epoch ends, the run is stopped or a step goes wrong, which is returned. */
async function* trainBatches(
  loop: Loop,
  order: Uint32Array,
): AsyncGenerator<StepEvent | SnapshotEvent, BadStep | undefined> {
  let waiting: Queued | undefined;
  let pending: Snapshot | undefined;
  const settle = async function* (queued: Queued) {
    const result = await loop.clock.during('device', queued.result).catch((error) => {
      throw new DeviceError(error, loop.position.step);
    });
    if (loop.ranks && result.notes) noteAgreed(loop.ranks, loop.agreed, result.notes);
    const bad = checkStep(loop, queued, result);
    if (bad) return { bad };
    const event = noteStep(loop, queued, result, order.length);
    // The state behind the step before has now been shown to be good.
    if (pending) {
      loop.good = pending;
      if (loop.clock.total - loop.savedAt >= loop.checkpointSeconds) {
        loop.savedAt = loop.clock.total;
        yield { type: 'snapshot', snapshot: pending } as const;
      }
    }
    pending = queued.state && (await take(loop, queued.state));
    yield event;
    const { canary, position } = loop;
    if (canary?.isDue(position.step, event.progress === 1)) {
      await canary.check(position.step).catch((error) => {
        throw error instanceof CanaryError ? error : new DeviceError(error, position.step);
      });
    }
    return {};
  };
  for await (const queued of queueBatches(loop, order)) {
    const before = waiting;
    waiting = queued;
    if (!before) continue;
    const { bad } = yield* settle(before);
    if (bad) {
      await Promise.allSettled([queued.result, queued.state]);
      return bad;
    }
  }
  if (waiting) {
    const { bad } = yield* settle(waiting);
    if (bad) return bad;
  }
  return undefined;
}

/** Queues the batches from the loop's position to the end of the epoch, but those that are to be left out. */
async function* queueBatches(loop: Loop, order: Uint32Array): AsyncGenerator<Queued, void> {
  const { session, batchSize, augmentation, seed, clock, position, stepsPerEpoch, ranks } = loop;
  // Ranks stop when all do, not in the middle of a batch.
  const signal = ranks ? undefined : loop.signal;
  const first = position.epoch * stepsPerEpoch;
  loop.isEpochComplete = false;
  for (const [begin, end] of pieces(position.batch - first, stepsPerEpoch, position.guard.skipped, first)) {
    let batch = first + begin;
    const augment = augmentation && { ...augmentation, seed, step: batch };
    const piece = order.subarray(begin * batchSize, end * batchSize);
    const place = ranks ? { place: ranks } : {};
    const source = loop.images.batches(piece, { batchSize, augmentation: augment, signal, ...place });
    try {
      for (;;) {
        await hold(loop);
        if (isStopping(loop) || isTimeUp(loop)) return;
        const next = await clock.during('data', source.next()).catch(ended(signal));
        if (next.done) break;
        const { images, labels, positions, part } = next.value;
        const learningRate = rateAt(loop, batch);
        const share = part && { ...part, notes: agreementOf(loop) };
        const result = quiet(session.trainStep(images, labels, learningRate, share));
        const state = isCaptureDue(loop, batch) ? capture(session) : undefined;
        yield { batch, learningRate, positions, result, state };
        batch += 1;
      }
    } finally {
      await source.return();
    }
  }
  loop.isEpochComplete = !isStopping(loop);
}

/** After an abort, a rejection counts as the end. */
function ended(signal: AbortSignal | undefined): (error: unknown) => { done: true } {
  return (error) => {
    if (!signal?.aborted) throw error;
    return { done: true };
  };
}

/** The batches `from` to `to` of an epoch without the skipped ones, as contiguous ranges. */
function pieces(from: number, to: number, skipped: number[], first: number): [number, number][] {
  const result: [number, number][] = [];
  let begin = from;
  for (const number of skipped) {
    const skip = number - first;
    if (skip < begin || skip >= to) continue;
    if (skip > begin) result.push([begin, skip]);
    begin = skip + 1;
  }
  if (begin < to) result.push([begin, to]);
  return result;
}

async function hold(loop: Loop): Promise<void> {
  const { paused, clock } = loop;
  const pause = paused?.();
  if (!pause || isStopping(loop)) return;
  await clock.during('paused', pause);
}

function isTimeUp(loop: Loop): boolean {
  return loop.budget !== undefined && secondsOf(loop) >= loop.budget;
}

/** Whether to capture the state after this batch. Depends on the batch number only, so a resumed run captures at the same steps. */
function isCaptureDue({ moving, stepsPerEpoch }: Loop, batch: number): boolean {
  const inEpoch = (batch % stepsPerEpoch) + 1;
  const due = inEpoch % BATCHES_A_SNAPSHOT === 0 || inEpoch === FIRST_SNAPSHOT;
  return due || (moving?.isDue(batch) ?? false);
}

function rateAt(loop: Loop, batch: number): number {
  const { schedule, timed, budget, position } = loop;
  const share = timed && budget !== undefined ? Math.min(1, secondsOf(loop) / budget) : undefined;
  return (
    learningRateAt(schedule, batch - (schedule.first ?? 0), share) *
    position.plateau.factor *
    position.guard.factor
  );
}

/** Reads a session's state behind all that is queued. */
function capture(session: NativeSession): Promise<State> {
  const reading = Promise.all([session.getParameters(), session.getOptimizerState()]);
  return quiet(reading.then(([values, optimizer]) => ({ values, optimizer })));
}

/** A state with the position it belongs to. */
async function take(loop: Loop, state: Promise<State>): Promise<Snapshot> {
  const { values, optimizer } = await loop.clock.during('saving', state).catch((error) => {
    throw new DeviceError(error, loop.position.step);
  });
  const { ranks } = loop;
  const { step } = loop.position;
  if (ranks && (step - loop.compared >= STEPS_A_COMPARISON || step < loop.compared)) {
    await loop.clock.during('device', ranks.compareWeights(values, step));
    loop.compared = step;
  }
  if (loop.moving) await loop.moving.update(loop.position.batch - 1, values);
  loop.position.time = loop.clock.split;
  const position = structuredClone(loop.position);
  const average = loop.moving ? { average: loop.moving.values.slice() } : {};
  return { position, values, optimizer, losses: loop.history.numbers, ...average };
}

function checkStep(
  loop: Loop,
  { batch, learningRate, positions }: Queued,
  result: StepResult,
): BadStep | undefined {
  const found = trouble(
    loop.position.guard,
    { ...result, images: positions.length },
    loop.dataset.classNames.length,
  );
  if (!found) return undefined;
  // Without a guard only what can't go on ends the run.
  if (loop.rollbacks === 0 && Number.isFinite(result.loss)) return undefined;
  return { batch, step: loop.position.step + 1, learningRate, result, ...found };
}

function noteStep(loop: Loop, queued: Queued, result: StepResult, images: number): StepEvent {
  const { position, clock } = loop;
  const { sums } = position;
  const count = queued.positions.length;
  const split = clock.split;
  const time = timeBetween(loop.lastSplit, split);
  loop.lastSplit = split;
  position.step += 1;
  position.batch = queued.batch + 1;
  position.images += count;
  sums.images += count;
  sums.loss += result.loss * count;
  sums.correct += result.correct;
  sums.seconds += Object.values(time).reduce((a, b) => a + b, 0) - time.paused - time.validation;
  afterStep(position.guard, result);
  loop.history.add(queued.positions, result.imageLosses);
  const done = position.batch - position.epoch * loop.stepsPerEpoch;
  return {
    type: 'step',
    epoch: position.epoch + 1,
    step: position.step,
    progress: Math.min(images, done * loop.batchSize) / images,
    loss: result.loss,
    accuracy: result.correct / count,
    learningRate: queued.learningRate,
    gradientNorm: result.gradientNorm,
    imagesPerSecond: sums.images / sums.seconds,
    deviceSeconds: result.deviceSeconds,
    time,
  };
}

/** Puts the session back to the last good state; the batch in question and the one before it are left out. */
async function goBack(loop: Loop, bad: BadStep, order: Uint32Array): Promise<RollbackEvent> {
  const { good, position, session, rollbacks, stepsPerEpoch, batchSize, dataset, clock } = loop;
  const { result, batch, learningRate, kind, message } = bad;
  if (position.guard.rollbacks >= rollbacks) throw guardError(loop, bad);
  await clock.during('saving', session.restore(good.values, good.optimizer)).catch((error) => {
    throw new DeviceError(error, position.step);
  });
  // The loss of a step is that of the weights before it: the step before may be the one to blame.
  const first = position.epoch * stepsPerEpoch;
  const blamed = [batch - 1, batch].filter((number) => number >= Math.max(first, good.position.batch));
  loop.position = structuredClone(good.position);
  loop.position.guard = afterRollback(good.position.guard, position.guard, blamed);
  loop.history = historyOf(loop, good.losses);
  if (loop.moving && good.average) loop.moving.values = good.average.slice();
  const places = blamed.flatMap((number) => [
    ...order.subarray((number - first) * batchSize, (number - first + 1) * batchSize),
  ]);
  return {
    type: 'rollback',
    kind,
    message,
    batches: blamed,
    learningRate,
    newLearningRate: learningRate / 2,
    epoch: position.epoch + 1,
    step: bad.step,
    images: places.map((place) => dataset.names[place]!),
    loss: result.loss,
    gradientNorm: result.gradientNorm,
    recentLosses: position.guard.losses,
    backToStep: good.position.step,
    rollbacks: loop.position.guard.rollbacks,
    allowed: rollbacks,
  };
}

/**
 * After a fault of the device that may not come again: gives it the last good state and repeats what followed, as often
 * as the guard may go back.
 * @throws `error` where that does not help
 */
async function recover(loop: Loop, error: unknown): Promise<RollbackEvent> {
  const { good, position, session, clock, rollbacks } = loop;
  if (!(error instanceof DeviceError && error.isTransient)) throw error;
  if (position.guard.rollbacks >= rollbacks) throw error;
  await clock.during('saving', session.restore(good.values, good.optimizer)).catch(() => {
    throw error;
  });
  loop.position = structuredClone(good.position);
  loop.position.guard = afterFault(good.position.guard, position.guard);
  loop.history = historyOf(loop, good.losses);
  if (loop.moving && good.average) loop.moving.values = good.average.slice();
  const learningRate = rateAt(loop, good.position.batch);
  return {
    type: 'rollback',
    kind: 'device-fault',
    message: `the device failed: ${error.message}`,
    batches: [],
    images: [],
    learningRate,
    newLearningRate: learningRate,
    loss: Number.NaN,
    gradientNorm: Number.NaN,
    epoch: position.epoch + 1,
    step: error.step + 1,
    recentLosses: position.guard.losses,
    backToStep: good.position.step,
    rollbacks: loop.position.guard.rollbacks,
    allowed: rollbacks,
  };
}

function guardError({ rollbacks }: Loop, { message, step, learningRate }: BadStep): GuardError {
  const tried =
    rollbacks > 0 ? ` after ${rollbacks} rollbacks that skipped batches and lowered the rate` : '';
  return new GuardError(
    `At step ${step} ${message}${tried}; expected a learning rate at which training is stable, but found ${learningRate.toPrecision(3)}; try a tenth of it with --learning-rate`,
  );
}

/** Validates the weights at the end of an epoch; a NaN loss means that its last step was bad. */
async function endEpoch(loop: Loop): Promise<EpochEvent | RollbackEvent> {
  const { clock, position, metric, epochs, stepsPerEpoch } = loop;
  loop.evaluation = await clock.during('validation', validate(loop)).catch((error) => {
    throw isFault(error) ? new DeviceError(error, position.step) : error;
  });
  const validation = loop.evaluation.metrics;
  const learningRate = rateAt(loop, Math.max(0, position.batch - 1));
  if (!Number.isFinite(validation.loss)) {
    const result = { loss: validation.loss, gradientNorm: Number.NaN };
    const message = `the loss of validation is ${validation.loss}`;
    const last = { batch: position.batch - 1, step: position.step, learningRate, result };
    const order = await epochPositions(loop, position.epoch + 1);
    return goBack(loop, { ...last, kind: 'loss-not-finite', message }, order);
  }
  const { logits, labels } = loop.evaluation;
  loop.history.add(loop.val, imageLosses(logits, labels, loop.dataset.classNames.length));
  const { sums } = position;
  const epoch = position.epoch + 1;
  const isBest = isBetter(metric, validation[metric], position.best?.[metric] ?? null);
  if (isBest) position.best = { epoch, ...validation };
  position.patience = afterEpoch(position.patience, metric, validation, loop.minChange);
  if (loop.schedule.kind === 'plateau') position.plateau = afterPlateau(position.plateau, validation.loss);
  const progress = (position.batch - position.epoch * stepsPerEpoch) / stepsPerEpoch;
  if (progress === 1) {
    position.epoch = epoch;
    position.sums = noSums();
  }
  const perEpoch = (clock.total - loop.begun.seconds) / (epoch - loop.begun.epochs);
  return {
    type: 'epoch',
    epoch,
    epochs: loop.timed ? null : epochs,
    step: position.step,
    progress,
    validation,
    isBest,
    learningRate,
    // 0 images if the guard skipped all of them.
    trainLoss: sums.loss / Math.max(1, sums.images),
    trainAccuracy: sums.correct / Math.max(1, sums.images),
    images: sums.images,
    seconds: sums.seconds,
    imagesPerSecond: sums.images / sums.seconds,
    secondsLeft: Math.min(
      perEpoch * (epochs - epoch),
      Math.max(0, (loop.budget ?? Number.POSITIVE_INFINITY) - clock.total),
    ),
  };
}

function evaluated(
  { val, history, moving }: Loop,
  { logits, labels }: Evaluation,
  { epoch, step, isBest }: EpochEvent,
): EvaluatedEvent {
  const average = moving ? { average: moving.values } : {};
  return { type: 'evaluated', epoch, step, isBest, positions: val, logits, labels, history, ...average };
}

/** Evaluates the weights that would be saved: the moving average, if there is one. */
async function validate(loop: Loop): Promise<Evaluation> {
  const { session, moving } = loop;
  if (!moving) return evaluate(loop.session, loop);
  const values = await session.getParameters();
  await session.setParameters(moving.values);
  const evaluation = await evaluate(loop.session, loop);
  await session.setParameters(values);
  return evaluation;
}

/** The rejection is handled where the promise is awaited; this avoids an unhandledRejection until then. */
function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
