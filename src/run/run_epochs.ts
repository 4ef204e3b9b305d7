/** From a prepared run to its epochs. */
import { saveJson } from '../base/files.ts';
import type { Images } from '../data/images.ts';
import type { NativeSession } from '../model/addon.ts';
import { openCanary } from '../training/canary.ts';
import { extractorOf } from '../training/features.ts';
import { findLearningRate } from '../training/find_rate.ts';
import { type HeadTraining, trainHead } from '../training/head_epoch.ts';
import type { Watch } from '../training/notices.ts';
import type { Results } from '../training/results.ts';
import type { TrainEvent } from '../training/train_events.ts';
import { type Training, trainEpochs } from '../training/trainer.ts';
import type { Stop } from '../training/training_events.ts';
import type { Snapshot } from '../training/training_state.ts';
import type { RunRecord } from './record.ts';
import { isFirst, type Prepared, type Run, type Trained } from './run_state.ts';

/** What the head of a pretrained network needs. */
export function headTraining(
  { options, clock, emit, signal, ranks }: Run,
  { choice, epochs, dataset, split, plan }: Prepared,
  session: NativeSession,
  images: Images,
  { values }: Snapshot,
): HeadTraining {
  const { balance, metric, minChange, threads, cache, fit, mirror } = options;
  const { name, imageSize } = choice;
  const { batchSize, stepsPerEpoch } = plan;
  return {
    session,
    images,
    dataset,
    train: split.train,
    val: split.val,
    clock,
    signal,
    ranks,
    extractor: extractorOf(session, values, {
      name,
      imageSize,
      fit,
      batchSize: Math.ceil(batchSize / (ranks?.size ?? 1)),
    }),
    balanced: balance !== 'none',
    mirrored: mirror,
    epochs,
    stepsPerEpoch,
    metric,
    minChange,
    threads,
    cacheDir: cache,
    onProgress: (progress) => emit(reading(progress)),
  };
}

/** What the epochs need. */
export async function epochTraining(
  { options, device, clock, paused, ranks }: Run,
  { epochs, settings, dataset, split, plan, sessionOptions }: Trained,
  session: NativeSession,
  images: Images,
): Promise<Training> {
  const { balance, seed, patience, minChange, timed, rollbacks } = options;
  const { train, val } = split;
  const { batchSize, rounds, stepsPerEpoch, schedule, augmentation } = plan;
  const watched = { session, sessionOptions, images, val, every: options.canary };
  const canary = device.name === 'metal' && options.canary !== 0 ? await openCanary(watched) : undefined;
  return {
    session,
    images,
    dataset,
    train,
    val,
    balance,
    rounds,
    epochs,
    stepsPerEpoch,
    batchSize,
    schedule,
    augmentation,
    seed,
    canary,
    clock,
    patience,
    minChange,
    timed,
    rollbacks,
    paused,
    metric: options.metric,
    budget: options.time,
    average: settings.ema,
    ranks,
    checkpointSeconds: options.checkpointMinutes * 60,
  };
}

/** The head of a pretrained network first, where the run has not got it yet; then the epochs. */
export async function* epochsFrom(
  head: HeadTraining | undefined,
  training: Training,
  start: Snapshot,
  signal: AbortSignal | undefined,
): ReturnType<typeof trainEpochs> {
  if (!head || start.position.epoch > 0) return yield* trainEpochs(training, start, signal);
  let state: Snapshot;
  try {
    state = yield* trainHead(head, start.position.seed);
  } catch (error) {
    if (head.ranks?.isStopped || (signal?.aborted && error === signal.reason)) return undefined;
    throw error;
  }
  return yield* trainEpochs(training, state, signal);
}

/** Trains as the first rank does, which keeps all of it. */
export async function followBeside(events: ReturnType<typeof epochsFrom>, { ranks }: Run): Promise<Results> {
  while (!(await events.next()).done);
  return ranks!.broadcast<Results>(undefined);
}

/** Records the training events and forwards them. */
export async function follow(
  events: ReturnType<typeof epochsFrom>,
  record: RunRecord,
  watch: Watch,
  onEvent: (event: TrainEvent) => void,
): Promise<Stop | undefined> {
  for (;;) {
    const { value: event, done } = await events.next();
    if (done) return event;
    await record.add(event);
    if (event.type === 'evaluated') continue;
    if (event.type === 'snapshot') {
      const { epoch, step } = event.snapshot.position;
      onEvent({ type: 'checkpoint', epoch, step });
      continue;
    }
    onEvent(event);
    for (const notice of event.type === 'rollback' ? [] : await watch.note(event)) {
      await record.add(notice);
      onEvent(notice);
    }
  }
}

/** `--find-lr`: the suggestion is taken where no rate was asked for. */
export async function sweep(
  run: Run,
  { split, plan }: Prepared,
  session: NativeSession,
  images: Images,
): Promise<void> {
  const { folder, options, emit, signal, ranks } = run;
  const { batchSize } = plan;
  const found = await findLearningRate({ session, images, order: split.train, batchSize, signal, ranks });
  if (found.suggestion !== null && !options.rateGiven) plan.schedule.learningRate = found.suggestion;
  if (isFirst(run)) await saveJson(folder, 'find-lr.json', found);
  emit({ type: 'sweep', ...found, learningRate: plan.schedule.learningRate });
}

export function reading(progress: Omit<Extract<TrainEvent, { type: 'reading' }>, 'type'>): TrainEvent {
  return { type: 'reading', ...progress };
}
