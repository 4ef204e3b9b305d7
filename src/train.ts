/** The command that trains: the whole way of the data, one call a step. */
import { rm, rmdir } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { checkAddresses } from './alerts/open_alerts.ts';
import { withAlerts } from './alerts/with_alerts.ts';
import { stayAwake } from './base/awake.ts';
import { isMain, runCommand } from './base/command.ts';
import { UserError } from './base/errors.ts';
import { streamEvents } from './base/event_stream.ts';
import { SaveError, saveJson } from './base/files.ts';
import { checkAddressSpace } from './base/memory_limit.ts';
import { quote } from './base/words.ts';
import { type Dataset, loadDataset } from './data/dataset.ts';
import { readHierarchy } from './data/hierarchy_file.ts';
import type { Images } from './data/images.ts';
import { openImages } from './data/loader.ts';
import { type Split, splitDataset } from './data/split.ts';
import type { StartWeights } from './export/backbone.ts';
import type { Hierarchy } from './metrics/hierarchy.ts';
import { loadAddon, type NativeSession, type SessionOptions } from './model/addon.ts';
import { type ChosenDevice, chooseDevice } from './model/device.ts';
import type { Network } from './model/network.ts';
import { networkShapes, parameterCount } from './model/network_shapes.ts';
import { fewImagesRemark, isPretrained, seenRemark } from './model/pretrained.ts';
import { type TrainingSettings, trainingSettings } from './model/training_defaults.ts';
import { completeTrain, parseTrain, type TrainOptions } from './options.ts';
import { coresAre, startedByUs, trainOnRanks } from './ranks/launch.ts';
import { launchedAs } from './ranks/launched_as.ts';
import { Ranks } from './ranks/ranks.ts';
import { openReport, reportFailure } from './report/report_file.ts';
import { hasCheckpoint } from './run/checkpoint.ts';
import { buildNetwork, chooseNetwork, type NetworkChoice, startWeights } from './run/choose_network.ts';
import { numbersInWords, shrunkenBatch } from './run/in_words.ts';
import {
  checkParts,
  compareData,
  compareMachines,
  deviceOf,
  isOthers,
  keepFailure,
  sizeRemark,
} from './run/rank_checks.ts';
import { type RunFacts, type RunRecord, startRecord } from './run/record.ts';
import { checkNetwork, epochsOf, type ResolvedOptions, resolveOptions } from './run/resolve_options.ts';
import { openRun, type Resumed } from './run/resume.ts';
import { describeRun, type RunDescription } from './run/run_description.ts';
import { createRunFolder, saveDescription } from './run/run_folder.ts';
import { RunLock } from './run/run_lock.ts';
import {
  allValues,
  openSession,
  putStart,
  sessionOptions,
  shareStart,
  startState,
} from './run/start_session.ts';
import { openCanary } from './training/canary.ts';
import { explainMistakes } from './training/explain_mistakes.ts';
import { extractorOf } from './training/features.ts';
import { findLearningRate } from './training/find_rate.ts';
import type { Findings } from './training/findings.ts';
import { type HeadTraining, trainHead } from './training/head_epoch.ts';
import type { KnownFeatures } from './training/nearest.ts';
import { openWatch, type Watch } from './training/notices.ts';
import { type Plan, planEpochs } from './training/plan.ts';
import { preflight } from './training/preflight.ts';
import type { Results } from './training/results.ts';
import { Stopwatch } from './training/stopwatch.ts';
import type { StartEvent, TrainEvent } from './training/train_events.ts';
import { DeviceError, type Training, trainEpochs } from './training/trainer.ts';
import type { EvaluatedEvent, Stop } from './training/training_events.ts';
import { memoryRemarks } from './training/training_memory.ts';
import type { Snapshot } from './training/training_state.ts';
import { reporter } from './ui/console.ts';
import type { LiveOptions, LiveView } from './ui/live_view.ts';
import { canShow } from './ui/terminal_fits.ts';

/** How a program follows and controls a training run. */
export interface TrainHooks {
  /** Called with each event, between two steps; should return soon. */
  onEvent?: (event: TrainEvent) => void;
  /** Ends the training after the current step; the state is saved and `train` resolves with its results. */
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
  const ranks = await Ranks.join();
  if (!ranks) checkAlone(given);
  const lock = new RunLock();
  try {
    const begin = () => beginRun(given, ranks, (folder) => lock.take(folder));
    if (!ranks) return await trainFirst(given, hooks, await begin(), undefined);
    await compareMachines(ranks, given);
    const begun = await ranks.together(async () => (ranks.isFirst ? begin() : undefined));
    if (begun) return await trainFirst(given, hooks, begun, ranks);
    return await trainBeside(given, hooks, ranks);
  } catch (error) {
    ranks?.fail(error);
    throw error;
  } finally {
    await ranks?.leave();
    await lock.release();
  }
}

function checkAlone({ processes = 1, hosts }: Partial<TrainOptions>): void {
  if (processes > 1 || hosts !== undefined)
    throw new UserError(
      "Expected the command `train` for --processes and --hosts, as a program can't start itself again; start the program with mpirun, which train() recognises",
      2,
    );
}

/** What a run is begun with; it is in `run.json`. */
interface Begun {
  asked: TrainOptions;
  options: ResolvedOptions;
  device: ChosenDevice;
  folder: string;
  description: RunDescription;
  resumed: Resumed | undefined;
}

/** @param lock takes the folder of the run for this process */
async function beginRun(
  given: Partial<TrainOptions>,
  ranks: Ranks | undefined,
  lock: (folder: string) => Promise<void>,
): Promise<Begun> {
  const resumed = given.resume === undefined ? undefined : await openRun(given, lock);
  if (resumed) resumed.remarks.push(...sizeRemark(resumed.description, ranks));
  const asked = resumed?.options ?? completeTrain(given);
  const options = resolveOptions(asked, ranks?.local.size);
  checkAddresses();
  const device = await deviceOf(options.device, ranks);
  const folder = resumed?.folder ?? (await createRunFolder(options.run, lock));
  const together = ranks && { size: ranks.size, hosts: ranks.hosts, library: ranks.native.library };
  const description = describeRun(options, device, resumed, together);
  await saveDescription(folder, description);
  return { asked, options, device, folder, description, resumed };
}

/** This process alone, or the first of several. */
async function trainFirst(
  given: Partial<TrainOptions>,
  { onEvent = () => {}, signal, paused }: TrainHooks,
  begun: Begun,
  ranks: Ranks | undefined,
): Promise<Results> {
  const { asked, options, device, folder, description, resumed } = begun;
  onEvent({ type: 'device', ...device, ...nameSources(options, asked) });
  return withAlerts(folder, options, onEvent, async (emit, remarks) => {
    const clock = new Stopwatch(resumed?.checkpoint?.position.time);
    const before = { isResumed: resumed !== undefined, hasCheckpoint: !!resumed?.checkpoint };
    const run: Run = {
      folder,
      given,
      options,
      device,
      description,
      resumed,
      clock,
      emit,
      signal,
      paused,
      ranks,
      ...before,
      root: resumed?.root,
    };
    const { data } = options;
    await ranks?.broadcast<SentRun>({ asked: { ...asked, data }, folder, device, root: run.root, ...before });
    return trainRun(run, [...remarks, ...(ranks ? coresAre(ranks.local.size) : [])]);
  });
}

/** What the first rank sends to the others about the run. */
interface SentRun extends Pick<Run, 'folder' | 'device' | 'isResumed' | 'hasCheckpoint' | 'root'> {
  asked: TrainOptions;
}

/** Another rank than the first: it trains as the first does, and keeps nothing. */
async function trainBeside(
  given: Partial<TrainOptions>,
  { signal }: TrainHooks,
  ranks: Ranks,
): Promise<Results> {
  const { asked, device, folder, ...sent } = await ranks.broadcast<SentRun>(undefined);
  const options = resolveOptions(asked, ranks.local.size);
  const run: Run = {
    folder,
    given,
    options,
    device,
    ...sent,
    ranks,
    signal,
    description: describeRun(options, device, undefined),
    resumed: undefined,
    paused: undefined,
    clock: new Stopwatch(),
    emit: () => {},
  };
  const awake = await stayAwake();
  try {
    return await trainRun(run, []);
  } catch (error) {
    await keepFailure(ranks, folder, error);
    throw error;
  } finally {
    awake.end();
  }
}

async function trainRun(run: Run, remarks: string[]): Promise<Results> {
  const { ranks, folder } = run;
  const prepared = await prepareTogether(run).catch((error) => leaveUnbegun(run, error));
  const sessionOptions = await settleSession(run, prepared).catch((error) => leaveUnbegun(run, error));
  const open = () => openSession(sessionOptions);
  const session = await (ranks ? ranks.together(open) : open()).catch((error) => leaveUnbegun(run, error));
  try {
    return await trainPrepared(run, { ...prepared, sessionOptions }, session, remarks);
  } catch (error) {
    throw await withResume(error, folder);
  } finally {
    await session.dispose();
  }
}

/** What every step of a run may need. */
interface Run {
  folder: string;
  /** As the user gave them. */
  given: Partial<TrainOptions>;
  options: ResolvedOptions;
  device: ChosenDevice;
  description: RunDescription;
  resumed: Resumed | undefined;
  clock: Stopwatch;
  emit: (event: TrainEvent) => void;
  signal: AbortSignal | undefined;
  paused: TrainHooks['paused'];
  /** The processes that train together; absent: this one alone. */
  ranks: Ranks | undefined;
  isResumed: boolean;
  hasCheckpoint: boolean;
  /** The folder that relative paths of a resumed run start from. */
  root: string | undefined;
}

/** Whether this process keeps the run folder, or another rank does. */
function isFirst({ ranks }: Run): boolean {
  return ranks === undefined || ranks.isFirst;
}

/** All that is known before a device is touched. */
interface Prepared {
  choice: NetworkChoice;
  /** Absent from scratch, and where a checkpoint has them. */
  start: StartWeights | undefined;
  epochs: number;
  settings: TrainingSettings;
  dataset: Dataset;
  split: Split;
  plan: Plan;
  network: Network;
  /** Groups of the classes. */
  hierarchy: Hierarchy | undefined;
}

/** Of several ranks, the first of each machine prepares for the others there, and all must have found the same. */
async function prepareTogether(run: Run): Promise<Prepared> {
  const { ranks } = run;
  if (!ranks) return prepare(run);
  const prepared = await ranks.inTurn(async () => {
    const found = await prepare(run);
    checkParts(ranks, found.plan.batchSize);
    return found;
  });
  await compareData(ranks, prepared.dataset.hash, prepared.network);
  return prepared;
}

/**
 * What the session is opened with, on a device that is known to compute this network rightly: a GPU is checked first, and
 * where it fails, `auto` takes the CPU.
 * @throws UserError where the GPU was asked for by name and fails
 */
async function settleSession(run: Run, prepared: Prepared): Promise<SessionOptions> {
  const { options, device, resumed, clock, emit, signal, ranks } = run;
  const { choice, dataset, split, plan, network } = prepared;
  const choices = {
    ...options,
    ...prepared.settings,
    batchSize: plan.batchSize,
    tuned: isPretrained(choice.name),
  };
  const session = sessionOptions(network, device, dataset, split, choices, ranks);
  if (device.name !== 'metal') return session;
  const values = resumed?.checkpoint?.values ?? (prepared.start && allValues(network, prepared.start));
  const devices = await loadAddon().devices();
  const gpu = devices.find(({ name }) => name === 'metal')!;
  const cacheDir = run.root === undefined ? options.cache : resolve(run.root, options.cache);
  const onStart = () => emit({ type: 'check', device: gpu.gpu?.name ?? gpu.description });
  const checking = preflight({ session, gpu, values, cacheDir, onStart, signal });
  const { why, depthwise, file } = await clock.during('reading', checking);
  if (why === '') return { ...session, depthwise };
  const again = `birbs-metal doctor says more, and removing ${file} has it checked again`;
  if (options.device !== 'auto')
    throw new UserError(
      `--device metal can't be used for this network: expected the GPU to take the training steps that the CPU takes, but ${why}; use --device cpu; ${again}`,
    );
  const reason = `the Apple GPU failed its check with this network: ${why}; ${again}`;
  run.device = { ...chooseDevice('cpu', devices), reason };
  run.description = describeRun(options, run.device, resumed);
  await saveDescription(run.folder, run.description);
  emit({ type: 'device', ...run.device, ...nameSources(options, options) });
  return sessionOptions(network, run.device, dataset, split, choices);
}

/** Network and weights, images, split, plan: each decided by the one before. */
async function prepare(run: Run): Promise<Prepared> {
  const { options, root, clock, emit, signal } = run;
  const fromRoot = (path: string) => (root === undefined ? path : resolve(root, path));
  const [cacheDir, lock] = [fromRoot(options.cache), fromRoot(options.lock)];
  const onProgress = (progress: Parameters<typeof reading>[0]) => emit(reading(progress));
  const choice = await clock.during('reading', networkOf(run, fromRoot, { cacheDir, lock, onProgress }));
  const { name, imageSize } = choice;
  if (choice.own || isPretrained(name)) checkNetwork({ ...options, network: name, imageSize });
  const epochs = epochsOf(options, choice);
  const tuned = epochs > 1;
  const fit = run.given.fit ?? choice.fit ?? options.fit;
  const clipNorm = options.clipNorm ?? (isPretrained(name) && tuned ? TUNED_CLIP : undefined);
  const settings = trainingSettings(name, options);
  // For run.json, and whoever resumes it.
  Object.assign(options, { network: name, imageSize, epochs, fit, clipNorm, ...settings });
  // Weights that can't be used are refused before any image is read.
  const start = await clock.during('reading', startWeights(choice));
  const { data, birds, notBirds, val, cacheLimit, updateLock, verify, valFraction, seed } = options;
  const loading = loadDataset({
    data,
    birds,
    notBirds,
    validation: val,
    imageSize,
    fit,
    cacheDir,
    cacheLimit,
    lock,
    updateLock,
    verify,
    root,
    onProgress,
    signal,
  });
  const dataset = await clock.during('reading', loading);
  const hierarchy =
    options.hierarchy === undefined
      ? dataset.hierarchy
      : await readHierarchy(fromRoot(options.hierarchy), dataset.classNames);
  const split = await splitDataset(dataset, { fraction: valFraction, seed });
  const headEpochs = isPretrained(name) ? 1 : 0;
  const plan = await planEpochs(dataset, split, { ...options, ...settings, imageSize, epochs, headEpochs });
  emit(plan.event);
  const network = buildNetwork(choice, { classNames: dataset.classNames, fit, tuned });
  return { choice, start, epochs, settings, dataset, split, plan, network, hierarchy };
}

/** Largest norm of a gradient of fine-tuning. */
const TUNED_CLIP = 1;

function reading(progress: Omit<Extract<TrainEvent, { type: 'reading' }>, 'type'>): TrainEvent {
  return { type: 'reading', ...progress };
}

/** A run that is resumed keeps its network; its weights are in the checkpoint. */
async function networkOf(
  { options, hasCheckpoint, signal }: Run,
  fromRoot: (path: string) => string,
  {
    cacheDir,
    lock,
    onProgress,
  }: { cacheDir: string; lock: string; onProgress: (progress: Parameters<typeof reading>[0]) => void },
): Promise<NetworkChoice> {
  const { network, imageSize, data, birds, notBirds, updateLock } = options;
  if (hasCheckpoint && network !== 'auto' && imageSize !== undefined) return { name: network, imageSize };
  const sources = [...data, ...birds, ...notBirds];
  const [pretrained, init] = [options.pretrained, options.init].map((path) => path && fromRoot(path));
  const request = { network, imageSize, pretrained, init, sources, cacheDir, lock, updateLock };
  return chooseNetwork(request, { onProgress, signal });
}

/** A run that never began leaves a report that says why; one that was only a wrong option leaves nothing. */
async function leaveUnbegun(run: Run, error: Error): Promise<never> {
  const { folder, options, description, isResumed, signal } = run;
  // A run that is resumed has a report that says more.
  if (!isResumed && isFirst(run)) await leave().catch(() => {});
  throw error;

  async function leave(): Promise<void> {
    if (!(error instanceof UserError) || error.exitCode !== 2)
      return reportFailure(folder, description, signal?.aborted ? undefined : error.message);
    await rm(join(folder, 'run.json'), { force: true });
    // A folder that the user named may have been there before.
    if (options.run === undefined) await rmdir(folder);
  }
}

/** What is known when the session is open. */
type Trained = Prepared & { sessionOptions: SessionOptions };

/** From the first weights to the results. */
async function trainPrepared(
  run: Run,
  prepared: Trained,
  session: NativeSession,
  remarks: string[],
): Promise<Results> {
  const { options, ranks, signal } = run;
  const { choice, dataset } = prepared;
  const open = () => openImages(dataset, options);
  const images = await (ranks ? ranks.together(open) : open());
  try {
    const start = await startTogether(run, prepared, session);
    if (options.findLr && !run.isResumed) await sweep(run, prepared, session, images);
    const head = isPretrained(choice.name) ? headTraining(run, prepared, session, images, start) : undefined;
    const explain = explanation(prepared, session, images, head);
    const training = await epochTraining(run, prepared, session, images);
    const events = epochsFrom(head, training, start, signal);
    try {
      if (!isFirst(run)) return await followBeside(events, run);
      return await keepRecord(run, prepared, images, start, events, explain, remarks);
    } finally {
      await training.canary?.dispose();
    }
  } finally {
    await images.dispose();
  }
}

/** The first weights or those of the checkpoint, in the sessions of all ranks. */
async function startTogether(run: Run, prepared: Prepared, session: NativeSession): Promise<Snapshot> {
  const { options, resumed, ranks } = run;
  const { dataset, plan, network } = prepared;
  const start = async () => {
    if (!run.hasCheckpoint && prepared.start) await putStart(session, prepared.start, dataset.classNames);
    const found = { network, dataHash: dataset.hash, stepsPerEpoch: plan.stepsPerEpoch };
    return startState(session, resumed, found, options.seed);
  };
  return ranks ? shareStart(ranks, session, await ranks.together(start)) : start();
}

/** Trains, and keeps all of it in the run folder. */
async function keepRecord(
  run: Run,
  prepared: Prepared,
  images: Images,
  start: Snapshot,
  events: ReturnType<typeof epochsFrom>,
  explanation: Pick<RunFacts, 'explain'>,
  remarks: string[],
): Promise<Results> {
  const { folder, options, device, resumed, clock, emit, signal, ranks } = run;
  const { choice, epochs, dataset, plan, network, hierarchy } = prepared;
  const description = await completeDescription(run, prepared);
  emit(startEvent(run, prepared, start, remarks));

  const weights = parameterCount(networkShapes(network));
  const report = openReport({ folder, description, dataset, images, weights });
  const limits = {
    device: device.name,
    precision: options.precision,
    streams: dataset.stream !== undefined,
    headOnly: isPretrained(choice.name) && epochs === 1,
    // The pretrained weights are where they were; a run that is ended here begins anew.
    startsBare: isPretrained(choice.name) && !resumed?.checkpoint,
  };
  const origin = { network, dataHash: dataset.hash, description, before: resumed?.checkpoint?.run };
  const record = await startRecord(
    { folder, report, clock, hierarchy, ...origin, ...plan.event, ...limits, ...explanation },
    start,
  );
  if (resumed) emit(record.past);
  const watch = openWatch(folder, dataset.classNames, record.history);
  try {
    const stopped = await follow(events, record, watch, emit);
    const isInterrupted = ranks ? ranks.isStopped : signal?.aborted;
    const results = await record.end(isInterrupted ? 'interrupted' : 'done', stopped);
    await ranks?.broadcast(results);
    emit({ type: 'end', run: folder, results });
    return results;
  } catch (error) {
    throw await explain(error, record, run);
  }
}

/** Trains as the first rank does, which keeps all of it. */
async function followBeside(events: ReturnType<typeof epochsFrom>, { ranks }: Run): Promise<Results> {
  while (!(await events.next()).done);
  return ranks!.broadcast<Results>(undefined);
}

/** Why the worst mistakes of a validation were made; images that are streamed would have to be decoded once more. */
function explanation(
  { epochs, dataset, network, plan }: Prepared,
  session: NativeSession,
  images: Images,
  head: HeadTraining | undefined,
): Pick<RunFacts, 'explain'> {
  if (dataset.stream) return {};
  const seen: { known?: KnownFeatures } = {};
  if (head)
    head.onFeatures = (known) => {
      if (epochs === 1 || known.features.byteLength <= KEPT_FEATURES) seen.known = known;
    };
  const batchSize = head?.extractor.batchSize ?? plan.batchSize;
  const asked = { session, network, images, batchSize, known: () => seen.known };
  return { explain: (found: Findings, event: EvaluatedEvent) => explainMistakes(found, event, asked) };
}

/** Bytes of features that are kept while a run is fine-tuned, to find the training images most like a mistake. */
const KEPT_FEATURES = 64 * 2 ** 20;

/** `run.json` with all that is known now. */
async function completeDescription(
  { folder, options, description }: Run,
  { choice, dataset, plan, network }: Prepared,
): Promise<RunDescription> {
  Object.assign(options, { learningRate: plan.schedule.learningRate, batchSize: plan.batchSize });
  const { type: _, ...data } = plan.event;
  const { path: __, ...pretrained } = choice.weights ?? { path: '', sha256: '', source: '' };
  const complete = {
    ...description,
    classNames: data.classNames,
    data,
    network,
    ...(choice.weights ? { pretrained, caveats: seenRemark(dataset.names) } : {}),
  };
  await saveDescription(folder, complete);
  return complete;
}

/** `--find-lr`: the suggestion is taken where no rate was asked for. */
async function sweep(
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

/** What the head of a pretrained network needs. */
function headTraining(
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
async function epochTraining(
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
async function* epochsFrom(
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

/**
 * {@link train} as an async iterator of its events: `for await (const event of trainEvents({...}))`. Leaving the loop
 * ends the training after the current step; the state is saved. A slow reader misses some `step` and `reading`
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

/** Records the training events and forwards them. */
async function follow(
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

/** Saves what there is, and answers with the error to end with: where the device is lost, it says what is saved. */
async function explain(error: unknown, record: RunRecord, { folder }: Run): Promise<unknown> {
  // Where nothing can be saved, the first error says more than the next.
  const reason = error instanceof Error ? error.message : String(error);
  const results = await record.end('failed', undefined, reason).catch(() => undefined);
  if (!(error instanceof DeviceError) || !results) return error;
  const kept =
    results.steps > 0 ? `what was learnt up to step ${results.steps}` : 'no step, only the initial weights';
  const { message } = error;
  const what = isOthers(error) ? message.replace(/\.$/, '') : `the device failed: ${message}`;
  return new UserError(
    `After step ${error.step} ${what}; saved in ${folder}: ${kept}; ` + `go on with --resume ${folder}`,
  );
}

/** A full disk ends a run that can be resumed: says how, where there is a checkpoint. */
async function withResume(error: unknown, folder: string): Promise<unknown> {
  if (!(error instanceof SaveError && error.isDiskFull && (await hasCheckpoint(folder)))) return error;
  return new UserError(
    `${error.problem}; files saved before are intact; free some space and continue with --resume ${quote(folder)}`,
  );
}

function nameSources({ data, birds, notBirds }: ResolvedOptions, asked: TrainOptions) {
  const given = [asked.data, asked.birds, asked.notBirds].some((list) => list.length > 0);
  const missing = data[0] === 'demo' ? ' and there is no data/birds' : '';
  return {
    sources: [...data, ...birds, ...notBirds],
    sourcesReason: given ? '' : `no source was given${missing}`,
  };
}

function startEvent(
  { folder, given, options, resumed, clock }: Run,
  { choice, epochs, dataset, plan, network }: Prepared,
  { position }: Snapshot,
  remarks: string[],
): StartEvent {
  const spent = clock.total;
  const ended = resumed ? endRemark(options, epochs, position.epoch, spent) : [];
  const { name, imageSize, weights, remark } = choice;
  return {
    type: 'start',
    run: folder,
    network: name,
    imageSize,
    stepsPerEpoch: plan.stepsPerEpoch,
    weights: parameterCount(networkShapes(network)),
    pretrained: weights ? weights.source : null,
    hasHead: isPretrained(name),
    epochs: options.timed ? null : epochs,
    budget: options.time ?? null,
    spent,
    resumed: resumed ? { step: position.step, epoch: position.epoch } : null,
    remarks: [
      ...(remark ? [remark] : []),
      ...(isPretrained(name) ? seenRemark(dataset.names) : []),
      ...(isPretrained(name) ? fewImagesRemark(dataset.classNames, imagesOf(plan)) : []),
      ...(isPretrained(name) && epochs > 1 ? memoryRemarks(network, plan.batchSize) : []),
      ...(resumed?.remarks ?? []),
      ...numbersInWords(given, plan),
      ...(isPretrained(name) && epochs === 1
        ? []
        : shrunkenBatch(given.batchSize ?? resumed?.options.batchSize, plan)),
      ...remarks,
      ...ended,
    ],
  };
}

/** Of each class, validation included. */
function imagesOf({ event: { train, validation } }: Plan): number[] {
  return train.map((count, k) => count + validation[k]!);
}

/** Of a run that is resumed and has nothing left to do. */
function endRemark({ time }: ResolvedOptions, epochs: number, done: number, seconds: number): string[] {
  if (time !== undefined && seconds >= time)
    return ['Its time is up: there is nothing left to train; a longer --time goes on'];
  if (done < epochs) return [];
  return [`It has all its epochs (${epochs}): there is nothing left to train; a larger --epochs goes on`];
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
  const launched = launchedAs();
  if (launched.rank > 0) return trainQuietly(line.given, signal);
  if (startedByUs()) stopWhenTold();
  // Beneath mpirun the output may look like a terminal, but nobody can press keys.
  const usual = launched.size === 1 && canShow(process) ? 'tui' : 'plain';
  const { ui = usual } = line.values;
  const live = ui === 'tui' ? await showLive({ predict, signal, interrupt }) : undefined;
  const hooks = live ?? { onEvent: reporter(ui as Exclude<typeof ui, 'tui'>, process.stdout, predict) };
  try {
    const { processes, hosts, ...given } = line.given;
    if (launched.size === 1 && ((processes ?? 1) > 1 || hosts !== undefined))
      return await trainElsewhere(words, { processes, hosts }, hooks.onEvent, signal);
    const { status } = await train(given, { ...hooks, signal });
    return status === 'interrupted' ? 130 : 0;
  } finally {
    await live?.close();
  }
}

/** On several ranks that mpirun starts; the first rank emits the events. */
async function trainElsewhere(
  words: string[],
  options: { processes: number | undefined; hosts: string | undefined },
  onEvent: (event: TrainEvent) => void,
  signal: AbortSignal,
): Promise<number> {
  let status: Results['status'] | undefined;
  const onLine = (line: string) => {
    if (!line.startsWith('{')) return;
    const event = JSON.parse(line) as TrainEvent;
    if (event.type === 'end') status = event.results.status;
    onEvent(event);
  };
  // This program and, where there is one, its subcommand.
  const program = process.argv.slice(1, process.argv.length - words.length);
  const command = [...program, ...withoutRanks(words)];
  const code = await trainOnRanks(command, options, onLine, signal);
  if (status !== undefined) return status === 'interrupted' ? 130 : 0;
  // Killed ranks end with 128 and the signal.
  return signal.aborted ? 130 : code === 2 ? 2 : 1;
}

/** The words for each rank, whose events are read from its output. */
function withoutRanks(words: string[]): string[] {
  const isTaken = (word: string) => /^--(processes|hosts|ui)(=|$)/.test(word);
  const kept = words.filter(
    (word, i) => !isTaken(word) && !(i > 0 && isTaken(words[i - 1]!) && !words[i - 1]!.includes('=')),
  );
  return [...kept, '--ui', 'json'];
}

/** Another rank than the first, which says what there is to say. */
async function trainQuietly(given: Partial<TrainOptions>, signal: AbortSignal): Promise<number> {
  const { processes: _, hosts: __, ...own } = given;
  try {
    const { status } = await train(own, { signal });
    return status === 'interrupted' ? 130 : 0;
  } catch (error) {
    if ((error as Error).name === 'AbortError') return 130;
    return error instanceof UserError ? error.exitCode : 1;
  }
}

/** What started this rank says on its input when to stop; so does its end. */
function stopWhenTold(): void {
  let isTold = false;
  const stop = () => {
    // The second interrupt would end it at once.
    if (!isTold) interrupt();
    isTold = true;
  };
  process.stdin.on('data', stop).on('end', stop);
  // Not a reason to stay alive.
  (process.stdin as Partial<Socket>).unref?.();
}

/** Loaded only where it is shown: lines begin sooner. */
async function showLive(options: LiveOptions): Promise<LiveView> {
  const { openLiveView } = await import('./ui/open_live_view.ts');
  return openLiveView(process, options);
}

/** As Ctrl-C does. */
function interrupt(): void {
  process.kill(process.pid, 'SIGINT');
}

if (isMain(import.meta.url)) void runCommand(trainCommand);
