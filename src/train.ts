/** The command that trains: the whole way of the data, one call a step. */
import { rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { checkAddresses } from './alerts/open_alerts.ts';
import { withAlerts } from './alerts/with_alerts.ts';
import { stayAwake } from './base/awake.ts';
import { isMain, runCommand } from './base/command.ts';
import { UserError } from './base/errors.ts';
import { streamEvents } from './base/event_stream.ts';
import { SaveError } from './base/files.ts';
import { checkAddressSpace } from './base/memory_limit.ts';
import { quote } from './base/words.ts';
import type { Images } from './data/images.ts';
import { openImages } from './data/loader.ts';
import type { NativeSession } from './model/addon.ts';
import type { ChosenDevice } from './model/device.ts';
import { networkShapes, parameterCount } from './model/network_shapes.ts';
import { isPretrained, seenRemark } from './model/pretrained.ts';
import { completeTrain, parseTrain, type TrainOptions } from './options.ts';
import { coresAre, startedByUs } from './ranks/launch.ts';
import { launchedAs } from './ranks/launched_as.ts';
import { Ranks } from './ranks/ranks.ts';
import { openReport, reportFailure } from './report/report_file.ts';
import { hasCheckpoint } from './run/checkpoint.ts';
import { prepareTogether, settleSession } from './run/prepare_run.ts';
import { compareMachines, deviceOf, isOthers, keepFailure, sizeRemark } from './run/rank_checks.ts';
import { type RunFacts, type RunRecord, startRecord } from './run/record.ts';
import { type ResolvedOptions, resolveOptions } from './run/resolve_options.ts';
import { openRun, type Resumed } from './run/resume.ts';
import { describeRun, type RunDescription } from './run/run_description.ts';
import { epochsFrom, epochTraining, follow, followBeside, headTraining, sweep } from './run/run_epochs.ts';
import { createRunFolder, saveDescription } from './run/run_folder.ts';
import { RunLock } from './run/run_lock.ts';
import { isFirst, type Prepared, type Run, type Trained, type TrainHooks } from './run/run_state.ts';
import { nameSources, startEvent } from './run/start_event.ts';
import { openSession, putStart, shareStart, startState } from './run/start_session.ts';
import { interrupt, stopWithLauncher, trainElsewhere } from './train_launch.ts';
import { explainMistakes } from './training/explain_mistakes.ts';
import type { Findings } from './training/findings.ts';
import type { HeadTraining } from './training/head_epoch.ts';
import type { KnownFeatures } from './training/nearest.ts';
import { openWatch } from './training/notices.ts';
import type { Results } from './training/results.ts';
import { Stopwatch } from './training/stopwatch.ts';
import type { TrainEvent } from './training/train_events.ts';
import { DeviceError } from './training/trainer.ts';
import type { EvaluatedEvent } from './training/training_events.ts';
import type { Snapshot } from './training/training_state.ts';
import { reporter } from './ui/console.ts';
import type { LiveOptions, LiveView } from './ui/live_view.ts';
import { canShow } from './ui/terminal_fits.ts';

export type { TrainHooks };

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
  if (startedByUs()) stopWithLauncher();
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

/** Loaded only where it is shown: lines begin sooner. */
async function showLive(options: LiveOptions): Promise<LiveView> {
  const { openLiveView } = await import('./ui/open_live_view.ts');
  return openLiveView(process, options);
}

if (isMain(import.meta.url)) void runCommand(trainCommand);
