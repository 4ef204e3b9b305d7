/** The command that trains: the whole way of the data, one call a step. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { type DatasetProgress, loadDataset } from './data/dataset.ts';

import { openImages } from './data/loader.ts';

import { LOCK_FILE } from './data/lock/lock.ts';

import { splitDataset } from './data/split.ts';
import { loadAddon } from './model/addon.ts';
import { type Canary, openCanary } from './model/canary.ts';
import { findLearningRate, type RateSweep } from './model/find_rate.ts';
import { type Network, networkShapes, networks, parameterCount } from './model/network.ts';

import {
  DeviceError,
  type EpochEvent,
  type RollbackEvent,
  type StepEvent,
  type Stop,
  trainEpochs,
} from './model/trainer.ts';
import { completeTrain, parseTrain, type TrainOptions } from './options.ts';

import { stayAwake } from './run/awake.ts';
import { openSession, startState } from './run/begin.ts';
import { cacheFolder } from './run/cache.ts';
import { isMain, runCommand } from './run/command.ts';
import { type ChosenDevice, chooseDevice } from './run/device.ts';
import { UserError } from './run/errors.ts';
import { createRunFolder, saveJson } from './run/folder.ts';
import { type DataEvent, planEpochs } from './run/plan.ts';
import type { Position } from './run/position.ts';
import { reporter } from './run/progress.ts';
import { type Results, type RunRecord, startRecord } from './run/record.ts';
import { openRun, type Resumed } from './run/resume.ts';
import { streamEvents } from './run/stream.ts';
import { Stopwatch } from './run/timing.ts';
import { version } from './run/version.ts';
import { type NoticeEvent, openWatch, type Watch } from './run/watch.ts';

/** What a training tells while it runs: plain objects, in this order but for the repeats. */
export type TrainEvent =
  | ({ type: 'device'; sources: string[]; sourcesReason: string } & ChosenDevice)
  | ({ type: 'reading' } & DatasetProgress)
  | DataEvent
  | SweepEvent
  | StartEvent
  | StepEvent
  | EpochEvent
  | RollbackEvent
  | NoticeEvent
  | CheckpointEvent
  | { type: 'end'; run: string; results: Results };

/** The first step is about to be taken. */
export interface StartEvent {
  type: 'start';
  run: string;
  network: string;
  imageSize: number;
  weights: number;
  /** Null where the time decides. */
  epochs: number | null;
  stepsPerEpoch: number;
  /** Seconds that the run may take; null: any. */
  budget: number | null;
  /** Epochs and steps done before, of a run that is gone on with. */
  resumed: { step: number; epoch: number } | null;
  /** What a person should know: what is not as it was, that it runs on battery. */
  remarks: string[];
}

/** Learning rates were tried (`--find-lr`). */
export interface SweepEvent extends RateSweep {
  type: 'sweep';
  /** The one that is taken. */
  learningRate: number;
}

/** The run can be gone on with from this step. */
export interface CheckpointEvent {
  type: 'checkpoint';
  epoch: number;
  step: number;
}

export interface TrainHooks {
  onEvent?: (event: TrainEvent) => void;
  /** Ends the training after the step at hand; what was learnt is saved. */
  signal?: AbortSignal;
  /** Holds the training, between two steps, while the promise it returns is pending. */
  paused?: () => Promise<void> | undefined;
}

/**
 * Trains a network and leaves a run folder, or goes on with one (`resume`).
 * @param given options by name (`imageSize` for `--image-size`); the defaults are those of the command
 * @returns what `results.json` holds
 * @throws UserError for wrong options or unusable data
 */
export async function train(given: Partial<TrainOptions> = {}, hooks: TrainHooks = {}): Promise<Results> {
  const { onEvent = () => {}, signal } = hooks;
  const resumed = given.resume === undefined ? undefined : await openRun(given);
  const clock = new Stopwatch(resumed?.checkpoint?.position.time);
  const chosen = resumed?.options ?? completeTrain(given);
  const options = settle(chosen);
  const addon = loadAddon();
  const device = chooseDevice(options.device, await addon.devices());
  const run = resumed?.folder ?? (await createRunFolder(options.run));
  const description = describeRun(options, device, resumed);
  await saveJson(run, 'run.json', description);
  onEvent({ type: 'device', ...device, ...nameSources(options, chosen) });

  const reading = loadDataset({
    ...options,
    validation: options.val,
    cacheDir: options.cache,
    onProgress: (progress) => onEvent({ type: 'reading', ...progress }),
    signal,
  });
  const dataset = await clock.during('reading', reading);
  const split = await splitDataset(dataset, { fraction: options.valFraction, seed: options.seed });
  const plan = await planEpochs(dataset, split, options);
  onEvent(plan.event);

  const network = networks[options.network]({ ...options, classNames: dataset.classNames });
  const session = await openSession(network, device, dataset, split, options);
  const images = await openImages(dataset, options);
  const awake = await stayAwake();
  let canary: Canary | undefined;
  try {
    const found = { network, dataHash: dataset.hash, stepsPerEpoch: plan.stepsPerEpoch };
    const start = await startState(session, resumed, found, options.seed);
    if (options.findLr && !resumed) {
      const order = split.train;
      const sweep = await findLearningRate({ ...options, session, images, order, signal });
      plan.schedule.learningRate = chosen.learningRate ?? sweep.suggestion ?? options.learningRate;
      await saveJson(run, 'find-lr.json', sweep);
      onEvent({ type: 'sweep', ...sweep, learningRate: plan.schedule.learningRate });
    }
    const { type: _, ...data } = plan.event;
    const settled = { ...options, learningRate: plan.schedule.learningRate };
    await saveJson(run, 'run.json', {
      ...description,
      ...{ options: settled, classNames: data.classNames, data, network },
    });
    const limits = {
      device: device.name,
      precision: options.precision,
      streams: dataset.stream !== undefined,
    };
    const imageCount = dataset.names.length;
    const facts = { ...plan.event, ...found, ...limits, folder: run, clock, imageCount };
    const record = await startRecord(facts, start);
    const remarks = [...(resumed?.remarks ?? []), ...(awake.note ? [awake.note] : [])];
    const began = { run, network, stepsPerEpoch: plan.stepsPerEpoch, position: start.position, remarks };
    onEvent(startEvent(options, began));
    const watched = { ...options, ...split, network, session, images, every: options.canary };
    canary = device.name === 'metal' && options.canary !== 0 ? await openCanary(watched) : undefined;
    const watch = openWatch(run, dataset.classNames, record.history);
    const events = trainEpochs(
      {
        ...{ ...options, ...plan, ...split, session, images, dataset, canary, clock, paused: hooks.paused },
        ...{ judge: options.metric, budget: options.time, average: options.ema },
        checkpointSeconds: options.checkpointMinutes * 60,
      },
      start,
      signal,
    );
    const stopped = await follow(events, record, watch, onEvent).catch(async (error) => {
      throw await explain(error, record, run);
    });
    const results = await record.end(signal?.aborted ? 'interrupted' : 'done', stopped);
    onEvent({ type: 'end', run, results });
    return results;
  } finally {
    awake.end();
    await Promise.all([session.dispose(), images.dispose(), canary?.dispose()]);
  }
}

/**
 * The same as {@link train}, its events as an async iterator: `for await (const event of trainEvents({...}))`. Leaving
 * the loop ends the training after the step at hand; what was learnt is saved. To a slow reader some steps are not told.
 * @returns what `results.json` holds
 */
export function trainEvents(
  given: Partial<TrainOptions> = {},
  { signal, paused }: Omit<TrainHooks, 'onEvent'> = {},
): AsyncGenerator<TrainEvent, Results> {
  const work = (onEvent: (event: TrainEvent) => void, ending: AbortSignal) =>
    train(given, { onEvent, signal: ending, ...(paused ? { paused } : {}) });
  return streamEvents(work, ({ type }) => type === 'step' || type === 'reading', signal);
}

/** Takes note of what the training tells, and tells it on. */
async function follow(
  events: ReturnType<typeof trainEpochs>,
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

/** Saves what there is, and answers with the error to end with: where the device is lost, it says what is saved. */
async function explain(error: unknown, record: RunRecord, folder: string): Promise<unknown> {
  // Where nothing can be saved, the first error says more than the next.
  const reason = error instanceof Error ? error.message : String(error);
  const results = await record.end('failed', undefined, reason).catch(() => undefined);
  if (!(error instanceof DeviceError) || !results) return error;
  const kept =
    results.steps > 0 ? `what was learnt up to step ${results.steps}` : 'no step, only the initial weights';
  return new UserError(
    `After step ${error.step} the device failed: ${error.message}; saved in ${folder}: ${kept}; ` +
      `go on with --resume ${folder}`,
  );
}

/** As many as there is time for. */
const MOST_EPOCHS = 100_000;

/** The options with what depends on other options or on the machine worked out. */
function settle(options: TrainOptions) {
  const { optimizer, birds, notBirds, time, epochs } = options;
  if (birds.length > 0 !== notBirds.length > 0 && options.data.length === 0) {
    const [given, missing] = birds.length > 0 ? ['birds', 'not-birds'] : ['not-birds', 'birds'];
    throw new UserError(`--${given} needs images of the other kind: add --${missing} SOURCE`, 2);
  }
  // Known before any image is read: an image size that makes too large a network.
  networkShapes(networks[options.network]({ ...options, classNames: ['bird', 'not-bird'] }));
  const none = options.data.length + birds.length + notBirds.length === 0;
  // Time alone: as many epochs as it has room for, the learning rate led by the clock.
  const timed = time !== undefined && epochs === undefined;
  return {
    ...options,
    data: none ? [existsSync('data/birds') ? 'data/birds' : 'demo'] : options.data,
    threads: options.threads ?? availableParallelism(),
    learningRate: options.learningRate ?? (optimizer === 'sgd' ? 0.01 : 0.001),
    weightDecay: options.weightDecay ?? (optimizer === 'adamw' ? 0.01 : 0),
    cache: options.cache ?? cacheFolder(),
    epochs: epochs ?? (timed ? MOST_EPOCHS : 20),
    timed,
    lock: options.lock ?? LOCK_FILE,
  };
}

type Settled = ReturnType<typeof settle>;

function nameSources({ data, birds, notBirds }: Settled, chosen: TrainOptions) {
  const asked = [chosen.data, chosen.birds, chosen.notBirds].some((list) => list.length > 0);
  const missing = data[0] === 'demo' ? ' and there is no data/birds' : '';
  return {
    sources: [...data, ...birds, ...notBirds],
    sourcesReason: asked ? '' : `no source was given${missing}`,
  };
}

function startEvent(
  { imageSize, epochs, time, timed, network: name, resume }: Settled,
  began: { run: string; network: Network; stepsPerEpoch: number; position: Position; remarks: string[] },
): StartEvent {
  const { run, network, stepsPerEpoch, position, remarks } = began;
  return {
    ...{ type: 'start', run, network: name, imageSize, stepsPerEpoch, remarks },
    weights: parameterCount(networkShapes(network)),
    epochs: timed ? null : epochs,
    budget: time ?? null,
    resumed: resume === undefined ? null : { step: position.step, epoch: position.epoch },
  };
}

/** `run.json`: all that says how this run came about, as far as it is known before the images are read. */
function describeRun(options: Settled, device: ChosenDevice, resumed: Resumed | undefined) {
  const now = { at: new Date().toISOString(), commandLine: process.argv.slice(1), device };
  if (resumed) {
    const { checkpoint, remarks, description } = resumed;
    const earlier = Array.isArray(description.resumed) ? description.resumed : [];
    const entry = { ...now, step: checkpoint?.position.step ?? 0, remarks };
    return { ...description, options, resumed: [...earlier, entry] };
  }
  return {
    tool: {
      'birbs-metal': version(),
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
    },
    commandLine: now.commandLine,
    startedAt: now.at,
    device,
    options,
  };
}

/** The command: prints what happens, and answers with the exit code. */
export async function trainCommand(
  words: string[],
  signal: AbortSignal,
  { command = 'npx tsx src/train.ts', predict = 'npx tsx src/predict.ts' } = {},
): Promise<number> {
  const line = parseTrain(words, command);
  if ('print' in line) {
    process.stdout.write(`${line.print}\n`);
    return 0;
  }
  const onEvent = reporter(line.values.ui, process.stdout, predict);
  const { status } = await train(line.given, { onEvent, signal });
  return status === 'interrupted' ? 130 : 0;
}

if (isMain(import.meta.url)) void runCommand(trainCommand);
