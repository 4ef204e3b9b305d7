/** The command that trains: the whole way of the data, one call a step. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { type Balance, classWeights, countClasses, epochOrder } from './data/balance.ts';
import { type Dataset, type DatasetProgress, loadDataset } from './data/dataset.ts';
import { LOCK_FILE } from './data/lock/lock.ts';
import { type Split, splitDataset } from './data/split.ts';
import { loadAddon, type NativeSession, type OptimizerOptions } from './model/addon.ts';
import { type Canary, openCanary } from './model/canary.ts';
import { type Network, networkShapes, networks, parameterCount } from './model/network.ts';
import { type EpochEvent, roundsAnEpoch, type StepEvent, trainEpochs } from './model/trainer.ts';
import { completeTrain, parseTrain, type TrainOptions } from './options.ts';
import { cacheFolder } from './run/cache.ts';
import { createRunFolder, saveJson } from './run/checkpoint.ts';
import { isMain, runCommand } from './run/command.ts';
import { type ChosenDevice, chooseDevice } from './run/device.ts';
import { UserError } from './run/errors.ts';
import { reporter } from './run/progress.ts';
import { type Results, type RunRecord, startRecord } from './run/record.ts';
import { version } from './run/version.ts';

/** What a training tells while it runs: plain objects, in this order but for the repeats. */
export type TrainEvent =
  | ({ type: 'device'; sources: string[]; sourcesReason: string } & ChosenDevice)
  | ({ type: 'reading' } & DatasetProgress)
  | DataEvent
  | StartEvent
  | StepEvent
  | EpochEvent
  | { type: 'end'; run: string; results: Results };

/** The images are read, split and balanced. Counts are in the order of `classNames`. */
export interface DataEvent
  extends Pick<
    Dataset,
    | 'classNames'
    | 'sources'
    | 'skipped'
    | 'filtered'
    | 'duplicates'
    | 'hash'
    | 'lock'
    | 'stream'
    | 'damagedSegments'
  > {
  type: 'data';
  train: number[];
  validation: number[];
  /** Training images after balancing: of one draw. */
  balanced: number[];
  balance: Balance;
  /** Draws an epoch is made of. */
  draws: number;
  /** Training images left out because the validation has them. */
  dropped: number;
  majorityClass: string;
  majorityAccuracy: number;
}

/** The first step is about to be taken. */
export interface StartEvent {
  type: 'start';
  run: string;
  network: string;
  imageSize: number;
  weights: number;
  epochs: number;
  stepsPerEpoch: number;
}

export interface TrainHooks {
  onEvent?: (event: TrainEvent) => void;
  /** Ends the training after the step at hand; what was learnt is saved. */
  signal?: AbortSignal;
}

/**
 * Trains a network and leaves a run folder.
 * @param given options by name (`imageSize` for `--image-size`); the defaults are those of the command
 * @returns what `results.json` holds
 * @throws UserError for wrong options or unusable data
 */
export async function train(given: Partial<TrainOptions> = {}, hooks: TrainHooks = {}): Promise<Results> {
  const { onEvent = () => {}, signal } = hooks;
  const begin = performance.now();
  const chosen = completeTrain(given);
  const options = settle(chosen);
  const addon = loadAddon();
  const device = chooseDevice(options.device, await addon.devices());
  const run = await createRunFolder(options.run);
  onEvent({ type: 'device', ...device, ...nameSources(options, chosen) });

  const dataset = await loadDataset({
    ...options,
    validation: options.val,
    cacheDir: options.cache,
    onProgress: (progress) => onEvent({ type: 'reading', ...progress }),
    signal,
  });
  const split = await splitDataset(dataset, { fraction: options.valFraction, seed: options.seed });
  const plan = await planEpochs(dataset, split, options);
  onEvent(plan.event);

  const network = networks[options.network]({ ...options, classNames: dataset.classNames });
  const session = await openSession(network, device, dataset, split, options);
  const pixels = await addon.openPixels(dataset.pixelFiles, options.threads);
  let canary: Canary | undefined;
  try {
    await saveJson(run, 'run.json', describeRun(options, device, plan.event, network));
    const record = startRecord({
      ...plan.event,
      ...{ folder: run, network, session, begin, seed: options.seed, device: device.name },
      optimizer: optimizerOf(options),
    });
    onEvent(startEvent(run, network, plan.stepsPerEpoch, options));
    const watched = { ...options, ...split, network, session, pixels, dataset, every: options.canary };
    canary = device.name === 'metal' && options.canary !== 0 ? await openCanary(watched) : undefined;
    const training = { ...options, ...plan, ...split, session, pixels, dataset, canary };
    try {
      for await (const event of trainEpochs(training, signal)) {
        await record.add(event);
        onEvent(event);
      }
    } catch (error) {
      throw await explain(error, record, run);
    }
    const results = await record.end(signal?.aborted ? 'interrupted' : 'done');
    onEvent({ type: 'end', run, results });
    return results;
  } finally {
    await Promise.all([session.dispose(), pixels.dispose(), canary?.dispose()]);
  }
}

/** Saves what there is, and answers with the error to end with: where the device is lost, it says what is saved. */
async function explain(error: unknown, record: RunRecord, folder: string): Promise<unknown> {
  // Where nothing can be saved, the first error says more than the next.
  const failure = await record.fail().catch(() => undefined);
  if (!failure?.lost) return error;
  const { lost, results, step } = failure;
  const kept =
    results.steps > 0 ? `what was learnt up to step ${results.steps}` : 'no step, only the initial weights';
  return new UserError(
    `After step ${step} the device failed: ${lost.message}; saved in ${folder}: ${kept} ` +
      '(last.safetensors has the weights, state.safetensors the optimizer too)',
  );
}

/** The options with what depends on other options or on the machine worked out. */
function settle(options: TrainOptions) {
  const { optimizer, birds, notBirds } = options;
  if (birds.length > 0 !== notBirds.length > 0 && options.data.length === 0) {
    const [given, missing] = birds.length > 0 ? ['birds', 'not-birds'] : ['not-birds', 'birds'];
    throw new UserError(`--${given} needs images of the other kind: add --${missing} SOURCE`, 2);
  }
  // Known before any image is read: an image size that makes too large a network.
  networkShapes(networks[options.network]({ ...options, classNames: ['bird', 'not-bird'] }));
  const none = options.data.length + birds.length + notBirds.length === 0;
  return {
    ...options,
    data: none ? [existsSync('data/birds') ? 'data/birds' : 'demo'] : options.data,
    threads: options.threads ?? availableParallelism(),
    learningRate: options.learningRate ?? (optimizer === 'sgd' ? 0.01 : 0.001),
    weightDecay: options.weightDecay ?? (optimizer === 'adamw' ? 0.01 : 0),
    cache: options.cache ?? cacheFolder(),
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

/** What an epoch is made of, and when the learning rate rises and falls. */
async function planEpochs(dataset: Dataset, split: Split, options: Settled) {
  const { balance, batchSize, epochs, learningRate, schedule: kind, imageSize, seed } = options;
  const { classNames } = dataset;
  const draw = await epochOrder(dataset, split.train, { balance, seed, round: 0 });
  const rounds = roundsAnEpoch(balance, draw.length, split.train.length);
  const images = draw.length * rounds;
  if (batchSize > images) {
    throw new UserError(
      `Expected --batch-size of at most ${images}, the training images of an epoch, but found ${batchSize}; choose a smaller one or add images`,
      2,
    );
  }
  const stepsPerEpoch = Math.ceil(images / batchSize);
  const steps = stepsPerEpoch * epochs;
  const counts = (positions: Uint32Array) => countClasses(dataset.labels, positions, classNames.length);
  const validation = counts(split.val);
  const event: DataEvent = {
    type: 'data',
    classNames,
    sources: dataset.sources,
    skipped: dataset.skipped,
    filtered: dataset.filtered,
    duplicates: dataset.duplicates,
    hash: dataset.hash,
    stream: dataset.stream,
    damagedSegments: dataset.damagedSegments,
    lock: dataset.lock,
    train: counts(split.train),
    validation,
    balanced: counts(draw),
    balance,
    draws: rounds,
    dropped: split.dropped,
    majorityClass: classNames[validation.indexOf(Math.max(...validation))]!,
    majorityAccuracy: Math.max(...validation) / split.val.length,
  };
  return {
    event,
    rounds,
    stepsPerEpoch,
    schedule: { kind, learningRate, steps, warmup: Math.min(stepsPerEpoch, Math.ceil(steps / 10)) },
    augmentation: options.augment ? augmentationFor(imageSize) : undefined,
  };
}

/** Drawn anew for each image: a flip, a shift of up to an eighth, the seed's changes of light. */
function augmentationFor(imageSize: number) {
  return {
    flip: 0.5,
    shift: Math.floor(imageSize / 8),
    brightnessProbability: 0.4,
    brightness: 0.3,
    contrastProbability: 0.3,
    contrast: 0.2,
  };
}

function startEvent(run: string, network: Network, stepsPerEpoch: number, options: Settled): StartEvent {
  const { imageSize, epochs } = options;
  const weights = parameterCount(networkShapes(network));
  return { type: 'start', run, network: options.network, imageSize, weights, epochs, stepsPerEpoch };
}

function optimizerOf({ optimizer: kind, momentum, weightDecay }: Settled): OptimizerOptions {
  return kind === 'sgd' ? { kind, momentum, weightDecay } : { kind, weightDecay };
}

async function openSession(
  network: Network,
  device: ChosenDevice,
  dataset: Dataset,
  split: Split,
  options: Settled,
): Promise<NativeSession> {
  const optimizer = optimizerOf(options);
  const weights =
    options.balance === 'weights'
      ? { classWeights: classWeights(dataset.labels, split.train, dataset.classNames.length) }
      : {};
  const { seed, batchSize, threads, labelSmoothing, clipNorm, precision } = options;
  return loadAddon()
    .createSession({
      ...{ device: device.name, network, seed, batchSize, threads, optimizer },
      ...{ labelSmoothing, clipNorm, precision, ...weights },
    })
    .catch((error: Error) => {
      throw new UserError(error.message);
    });
}

/** `run.json`: all that says how this run came about. */
function describeRun(options: Settled, device: ChosenDevice, data: DataEvent, network: Network) {
  const { type: _, ...facts } = data;
  return {
    tool: {
      'birbs-metal': version(),
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
    },
    commandLine: process.argv.slice(1),
    startedAt: new Date().toISOString(),
    device,
    classNames: data.classNames,
    options,
    data: facts,
    network,
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
  const { status } = await train(line.values, { onEvent, signal });
  return status === 'interrupted' ? 130 : 0;
}

if (isMain(import.meta.url)) void runCommand(trainCommand);
