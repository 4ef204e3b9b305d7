/** The command that trains: the whole way of the data, one call a step. */
import { existsSync } from 'node:fs';
import { rm, rmdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { checkAddresses } from './alerts/open_alerts.ts';
import { attend } from './alerts/with_alerts.ts';
import { cacheFolder } from './base/cache_folder.ts';
import { isMain, runCommand } from './base/command.ts';
import { UserError } from './base/errors.ts';
import { streamEvents } from './base/event_stream.ts';
import { SaveError, saveJson } from './base/files.ts';
import { checkAddressSpace } from './base/memory_limit.ts';
import { version } from './base/version.ts';
import { quote } from './base/words.ts';
import { loadDataset } from './data/dataset.ts';
import type { Images } from './data/images.ts';
import { openImages } from './data/loader.ts';
import { LOCK_FILE } from './data/lock/lock.ts';
import { type Split, splitDataset } from './data/split.ts';
import { loadAddon, type NativeSession } from './model/addon.ts';
import { type ChosenDevice, chooseDevice } from './model/device.ts';
import type { Network } from './model/network.ts';
import { networkShapes, parameterCount } from './model/network_shapes.ts';
import { networks } from './model/presets.ts';
import { completeTrain, parseTrain, type TrainOptions } from './options.ts';
import type { RunDescription } from './report/build_story.ts';
import { openReport, reportFailure } from './report/report_file.ts';
import { hasCheckpoint, type RunState } from './run/checkpoint.ts';
import { numbersInWords, shrunkenBatch } from './run/in_words.ts';
import { type RunRecord, startRecord } from './run/record.ts';
import { openRun, type Resumed } from './run/resume.ts';
import { createRunFolder, saveDescription } from './run/run_folder.ts';
import { RunLock } from './run/run_lock.ts';
import { openSession, startState } from './run/start_session.ts';
import { openCanary } from './training/canary.ts';
import { findLearningRate } from './training/find_rate.ts';
import { openWatch, type Watch } from './training/notices.ts';
import { type Plan, planEpochs } from './training/plan.ts';
import type { Results } from './training/results.ts';
import { Stopwatch } from './training/stopwatch.ts';
import type { StartEvent, TrainEvent } from './training/train_events.ts';
import { DeviceError, type Training, trainEpochs } from './training/trainer.ts';
import type { Stop } from './training/training_events.ts';
import type { Position, Snapshot } from './training/training_state.ts';
import { reporter } from './ui/console.ts';
import { openLiveView } from './ui/open_live_view.ts';
import { canShow } from './ui/terminal_fits.ts';

/** How a program follows and controls a training run. */
export interface TrainHooks {
  /** Called with each event, between two steps; should return soon. */
  onEvent?: (event: TrainEvent) => void;
  /** Ends the training after the current step; what was learnt is saved and `train` resolves with its results. */
  signal?: AbortSignal;
  /** Pauses the training, between two steps, while the promise it returns is pending. */
  paused?: () => Promise<void> | undefined;
}

/**
 * Trains a network and writes a run folder, or resumes a run (`resume`).
 * @param given options by name (`imageSize` for `--image-size`); the defaults are those of the command
 * @returns the content of `results.json`
 * @throws UserError for wrong options (exit code 2), unusable data, a run folder in use, or a device that fails
 */
export async function train(given: Partial<TrainOptions> = {}, hooks: TrainHooks = {}): Promise<Results> {
  checkAddressSpace();
  const lock = new RunLock();
  try {
    return await trainAlone(given, hooks, (folder) => lock.take(folder));
  } finally {
    await lock.release();
  }
}

/** @param lock takes the folder of the run for this process */
async function trainAlone(
  given: Partial<TrainOptions>,
  { onEvent = () => {}, signal, paused }: TrainHooks,
  lock: (folder: string) => Promise<void>,
): Promise<Results> {
  const resumed = given.resume === undefined ? undefined : await openRun(given, lock);
  const chosen = resumed?.options ?? completeTrain(given);
  const options = settle(chosen);
  checkAddresses();
  const device = chooseDevice(options.device, await loadAddon().devices());
  const run = resumed?.folder ?? (await createRunFolder(options.run, lock));
  const description = describeRun(options, device, resumed);
  await saveDescription(run, description);
  onEvent({ type: 'device', ...device, ...nameSources(options, chosen) });

  return attend(run, options, onEvent, async (tell, remarks) => {
    const clock = new Stopwatch(resumed?.checkpoint?.position.time);
    const leave = async (error: Error): Promise<never> => {
      // A run that is gone on with has a report that says more.
      if (!resumed) await leaveUnbegun(run, options.run, description, error, signal).catch(() => {});
      throw error;
    };
    const ready = await prepare(options, resumed?.root, clock, tell, signal).catch(leave);
    const { dataset, split, plan, network } = ready;
    const { batchSize } = plan;
    const session = await openSession(network, device, dataset, split, { ...options, batchSize }).catch(
      leave,
    );
    let images: Images | undefined;
    try {
      images = await openImages(dataset, options);
      const found = { network, dataHash: dataset.hash, stepsPerEpoch: plan.stepsPerEpoch };
      const start = await startState(session, resumed, found, options.seed);
      if (options.findLr && !resumed)
        await sweep({ ...options, ...ready, batchSize, session, images, run }, tell, signal);
      // For run.json, and a resume.
      options.learningRate = plan.schedule.learningRate;
      options.batchSize = batchSize;
      const { type: _, ...data } = plan.event;
      const known = { classNames: data.classNames, data, network };
      await saveDescription(run, { ...description, ...known });
      const { position } = start;
      const all = [
        ...(resumed?.remarks ?? []),
        ...numbersInWords(given, plan),
        ...shrunkenBatch(chosen.batchSize, plan),
        ...remarks,
        ...endRemark(options, position, clock.total),
      ];
      tell(
        startEvent(options, {
          run,
          network,
          stepsPerEpoch: plan.stepsPerEpoch,
          position,
          spent: clock.total,
          remarks: all,
        }),
      );
      const training = {
        ...options,
        ...plan,
        ...ready,
        ...found,
        session,
        images,
        clock,
        paused,
        run,
        device,
        description: { ...description, ...known },
        before: resumed?.checkpoint?.run,
      };
      return await trainOn(training, start, tell, signal);
    } catch (error) {
      throw await withResume(error, run);
    } finally {
      await Promise.all([session.dispose(), images?.dispose()]);
    }
  });
}

/** A run that never began leaves a report that says why; one that was only a wrong option leaves nothing. */
async function leaveUnbegun(
  run: string,
  asked: string | undefined,
  description: RunDescription,
  error: Error,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (!(error instanceof UserError) || error.exitCode !== 2)
    return reportFailure(run, description, signal?.aborted ? undefined : error.message);
  await rm(join(run, 'run.json'), { force: true });
  // A folder that the user named may have been there before.
  if (asked === undefined) await rmdir(run);
}

/** Of a run that is gone on with and has nothing left to do. */
function endRemark({ epochs, time, resume }: Settled, { epoch }: Position, seconds: number): string[] {
  if (resume === undefined) return [];
  if (time !== undefined && seconds >= time)
    return ['Its time is up: there is nothing left to train; a longer --time goes on'];
  if (epoch < epochs) return [];
  return [`It has all its epochs (${epochs}): there is nothing left to train; a larger --epochs goes on`];
}

/** Images, split, plan and network: all that is known before a device is touched. */
async function prepare(
  options: Settled,
  root: string | undefined,
  clock: Stopwatch,
  tell: (event: TrainEvent) => void,
  signal: AbortSignal | undefined,
) {
  const reading = loadDataset({
    ...options,
    validation: options.val,
    root,
    cacheDir: root === undefined ? options.cache : resolve(root, options.cache),
    lock: root === undefined ? options.lock : resolve(root, options.lock),
    onProgress: (progress) => tell({ type: 'reading', ...progress }),
    signal,
  });
  const dataset = await clock.during('reading', reading);
  const split = await splitDataset(dataset, { fraction: options.valFraction, seed: options.seed });
  const plan = await planEpochs(dataset, split, options);
  tell(plan.event);
  const network = networks[options.network]({ ...options, classNames: dataset.classNames });
  return { dataset, split, plan, network };
}

/** `--find-lr`: the suggestion is taken where no rate was asked for. */
async function sweep(
  given: {
    session: NativeSession;
    images: Images;
    split: Split;
    plan: Plan;
    run: string;
    batchSize: number;
    rateGiven: boolean;
  },
  tell: (event: TrainEvent) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { plan, split, run, rateGiven } = given;
  const found = await findLearningRate({ ...given, order: split.train, signal });
  if (found.suggestion !== null && !rateGiven) plan.schedule.learningRate = found.suggestion;
  await saveJson(run, 'find-lr.json', found);
  tell({ type: 'sweep', ...found, learningRate: plan.schedule.learningRate });
}

/** All that the epochs need. */
type Ready = Omit<Settled, 'network' | 'schedule' | 'device'> &
  Plan &
  Pick<Training, 'session' | 'images' | 'dataset' | 'clock' | 'paused'> & {
    split: Split;
    network: Network;
    dataHash: string;
    run: string;
    device: ChosenDevice;
    description: RunDescription;
    before: RunState | undefined;
  };

/** The epochs: what the training tells is kept, watched and told on. */
async function trainOn(
  ready: Ready,
  start: Snapshot,
  tell: (event: TrainEvent) => void,
  signal: AbortSignal | undefined,
): Promise<Results> {
  const { split, dataset, device, run, event, precision } = ready;
  const limits = { device: device.name, precision, streams: dataset.stream !== undefined };
  const { description, before } = ready;
  const facts = {
    ...event,
    ...limits,
    network: ready.network,
    dataHash: ready.dataHash,
    folder: run,
    description,
    before,
  };
  const weights = parameterCount(networkShapes(ready.network));
  const report = openReport({ ...ready, folder: run, weights });
  const record = await startRecord({ ...facts, clock: ready.clock, report }, start);
  if (ready.resume !== undefined) tell(record.past);
  const watched = { ...ready, ...split, every: ready.canary };
  const canary = device.name === 'metal' && ready.canary !== 0 ? await openCanary(watched) : undefined;
  const watch = openWatch(run, dataset.classNames, record.history);
  const training: Training = {
    ...{ ...ready, ...split, canary, judge: ready.metric, budget: ready.time, average: ready.ema },
    checkpointSeconds: ready.checkpointMinutes * 60,
  };
  try {
    const stopped = await follow(trainEpochs(training, start, signal), record, watch, tell);
    const results = await record.end(signal?.aborted ? 'interrupted' : 'done', stopped);
    tell({ type: 'end', run, results });
    return results;
  } catch (error) {
    throw await explain(error, record, run);
  } finally {
    await canary?.dispose();
  }
}

/**
 * {@link train} as an async iterator of its events: `for await (const event of trainEvents({...}))`. Leaving the loop
 * ends the training after the current step; what was learnt is saved. A slow reader misses some `step` and `reading`
 * events, never others.
 * @returns the content of `results.json`
 * @throws UserError as `train` does
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

/** A full disk ends a run that can be resumed: says how, where there is a checkpoint. */
async function withResume(error: unknown, folder: string): Promise<unknown> {
  if (!(error instanceof SaveError && error.isDiskFull && (await hasCheckpoint(folder)))) return error;
  return new UserError(
    `${error.problem}; what was saved before is intact: free some space and go on with --resume ${quote(folder)}`,
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
    rateGiven: options.learningRate !== undefined,
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
  began: {
    run: string;
    network: Network;
    stepsPerEpoch: number;
    position: Position;
    spent: number;
    remarks: string[];
  },
): StartEvent {
  const { run, network, stepsPerEpoch, position, spent, remarks } = began;
  return {
    ...{ type: 'start', run, network: name, imageSize, stepsPerEpoch, remarks },
    weights: parameterCount(networkShapes(network)),
    epochs: timed ? null : epochs,
    ...{ budget: time ?? null, spent },
    resumed: resume === undefined ? null : { step: position.step, epoch: position.epoch },
  };
}

/** `run.json`: all that says how this run came about, as far as it is known before the images are read. */
function describeRun(options: Settled, device: ChosenDevice, resumed: Resumed | undefined): RunDescription {
  const now = { at: new Date().toISOString(), commandLine: process.argv.slice(1), device };
  if (resumed) {
    const { checkpoint, remarks, description } = resumed;
    const earlier = Array.isArray(description.resumed) ? description.resumed : [];
    const entry = { ...now, step: checkpoint?.position.step ?? 0, remarks };
    // As the first process wrote it.
    return { ...(description as unknown as RunDescription), options, resumed: [...earlier, entry] };
  }
  return {
    tool: {
      'birbs-metal': version(),
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
    },
    commandLine: now.commandLine,
    workingDirectory: process.cwd(),
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
  const { ui = canShow(process) ? 'tui' : 'plain' } = line.values;
  const live = ui === 'tui' ? openLiveView(process, { predict, signal, interrupt }) : undefined;
  const hooks = live ?? { onEvent: reporter(ui as Exclude<typeof ui, 'tui'>, process.stdout, predict) };
  try {
    const { status } = await train(line.given, { ...hooks, signal });
    return status === 'interrupted' ? 130 : 0;
  } finally {
    await live?.close();
  }
}

/** As Ctrl-C does. */
function interrupt(): void {
  process.kill(process.pid, 'SIGINT');
}

if (isMain(import.meta.url)) void runCommand(trainCommand);
