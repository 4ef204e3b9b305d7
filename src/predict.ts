/** The command that says what is in an image. */
import { readFile, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { isMain, runCommand } from './base/command.ts';
import { UserError } from './base/errors.ts';
import { checkAddressSpace } from './base/memory_limit.ts';
import { textList } from './base/text_list.ts';
import { megabytes, percent, printable, quote } from './base/words.ts';
import { DECODES_IN_FLIGHT, decodeImage } from './data/decode.ts';
import { IMAGE_SIZE_LIMIT } from './data/image_names.ts';
import { listImageFiles } from './data/sources/folder_source.ts';
import type { ForeignNetwork } from './export/weights.ts';
import { answer, type Calibration, parseCalibration, scaled } from './metrics/calibration.ts';
import { softmax } from './metrics/metrics.ts';
import { loadAddon, type NativeSession } from './model/addon.ts';
import { chooseDevice } from './model/device.ts';
import type { Network } from './model/network.ts';
import { activationCount, networkShapes } from './model/network_shapes.ts';
import { completeOptions, type PredictOptions, parsePredict, predictOptions } from './options.ts';
import { loadRunWeights, newestWeights, weightsIn } from './run/run_weights.ts';

/** The answer for one file, or the reason why there is none. */
export type Prediction = ({ file: string } & Verdict) | { file: string; error: string };

/** The answer for one image. */
export interface Verdict {
  /** The guess, or "unsure" where that was asked for (`unsure: true`) and the guess is. */
  label: string;
  /** The class that is most likely right. */
  guess: string;
  /** Of the guess: 1 / classes to 1; counted from the threshold where the model has one. */
  certainty: number;
  /** Whether guesses of this certainty are too often wrong; see `unsureBelow` of a calibration. */
  unsure: boolean;
  /** The same in three steps: `some` below 80% certainty, `much` where it is unsure. */
  doubt: 'none' | 'some' | 'much';
  /** By class. */
  probabilities: Record<string, number>;
}

/** The label of an image that the model can't tell, if asked to say so. */
const UNSURE = 'unsure';

/**
 * Classifies image files and the images in folders and their subfolders, in order. A file that can't be read as an
 * image gives an answer with an `error`. Only a few batches are in memory at a time; the model is loaded once per call.
 * @param files paths of files and folders; `-` is the standard input
 * @param given options by name (`imageSize` for `--image-size`); the defaults are those of the command
 * @param signal ends the iteration after the batch at hand
 * @throws UserError when an option is wrong, there is no model, or it can't run
 */
export async function* predict(
  files: string | string[],
  given: Partial<PredictOptions> = {},
  signal?: AbortSignal,
): AsyncGenerator<Prediction, void> {
  const list = textList(files, 'predict: ');
  checkAddressSpace();
  for await (const { note: _, ...prediction } of answerFiles(list, given, signal)) yield prediction;
}

/** Predictions, each with what else a person should know, in words for the command. */
async function* answerFiles(
  files: string[],
  given: Partial<PredictOptions>,
  signal?: AbortSignal,
): AsyncGenerator<Prediction & { note?: string }, void> {
  const options = completeOptions(predictOptions, given);
  const model = await loadModel(await findWeights(options.model), options);
  const { session, batchSize } = await openSession(model.network, model.values, options);
  try {
    for await (const batch of batchesOf(listFiles(files), batchSize)) {
      if (signal?.aborted) return;
      yield* await predictBatch(session, model, batch);
    }
  } finally {
    await session.dispose();
  }
}

/** A weights file, a run folder, or the newest run. */
async function findWeights(model: string | undefined): Promise<string> {
  if (model === undefined) {
    const newest = await newestWeights();
    if (newest) return newest;
    throw new UserError(
      'Expected a trained model in runs/, but there is none; train one first, or name one with --model',
      2,
    );
  }
  const found = await stat(model).catch(() => undefined);
  if (!found) throw new UserError(`No such model: ${model}; name a .safetensors file or a run folder`, 2);
  return found.isDirectory() ? weightsIn(model) : model;
}

interface Model {
  network: Network;
  values: Float32Array;
  calibration: Calibration;
  /** Whether doubtful images are answered with {@link UNSURE}. */
  unsure: boolean;
}

/** As the softmax has it, with doubt below 0.6. */
const UNCALIBRATED: Calibration = { temperature: 1, unsureBelow: 0.6 };

async function loadModel(path: string, options: PredictOptions): Promise<Model> {
  const { calibration: use, unsure } = options;
  const { network, values, metadata } = await loadRunWeights(path, foreignNetwork(options));
  const calibration = use ? parseCalibration(metadata, network.classNames.length, path) : undefined;
  if (unsure && !calibration)
    throw new UserError(
      `Expected a calibrated model for --unsure, but ${use ? `${path} has no calibration: train it again` : 'found --no-calibration'}, or leave --unsure out`,
      2,
    );
  return { network, values, calibration: calibration ?? UNCALIBRATED, unsure };
}

/** What is said of weights that another program wrote. */
function foreignNetwork({ network, classes, imageSize }: PredictOptions): ForeignNetwork | undefined {
  if (network) return { network, imageSize, classNames: classes.length > 0 ? classes : undefined };
  if (classes.length === 0 && imageSize === undefined) return undefined;
  const given = classes.length > 0 ? '--classes' : '--image-size';
  throw new UserError(
    `Expected --network beside ${given}: they say what weights of another program are; leave ${given} out for ours`,
    2,
  );
}

/** Values between the layers that one batch may have: half a gigabyte. */
const ACTIVATIONS = 2 ** 27;

async function openSession(network: Network, values: Float32Array, options: PredictOptions) {
  const addon = loadAddon();
  const device = chooseDevice(options.device, await addon.devices());
  const fitting = Math.floor(ACTIVATIONS / activationCount(networkShapes(network)));
  const batchSize = Math.min(32, Math.max(1, fitting));
  const threads = options.threads ?? availableParallelism();
  const optimizer = { kind: 'sgd' } as const;
  const session = await addon
    .createSession({ device: device.name, network, seed: 0, batchSize, threads, optimizer })
    .catch((error: Error) => {
      throw new UserError(error.message);
    });
  await session.setParameters(values);
  return { session, batchSize };
}

type Listed = { file: string; error?: string };

async function* listFiles(paths: string[]): AsyncGenerator<Listed, void> {
  for (const [i, path] of paths.entries()) {
    if (path === '-') {
      yield paths.indexOf('-') === i
        ? { file: path }
        : { file: path, error: 'was read already: it is there once' };
      continue;
    }
    const found = await stat(path).catch((error: NodeJS.ErrnoException) => error);
    if (found instanceof Error) {
      yield { file: path, error: found.code === 'ENOENT' ? missing(path) : `can't be read: ${found.code}` };
    } else if (found.isDirectory()) {
      const { files, skipped } = await listImageFiles(path);
      for (const file of files) yield { file };
      for (const { name, reason } of skipped) yield { file: name, error: reason };
      if (files.length + skipped.length === 0) yield { file: path, error: 'no image in this folder' };
    } else if (found.isFile()) {
      yield { file: path };
    } else {
      yield { file: path, error: 'neither a file nor a folder' };
    }
  }
}

function missing(path: string): string {
  if (!/^[a-z][a-z\d+.-]*:\/\//i.test(path)) return 'no such file';
  return `is an address, but expected a file; fetch it first (curl -LO ${quote(path)}), or pipe it in and name "-"`;
}

async function* batchesOf<T>(items: AsyncIterable<T>, size: number): AsyncGenerator<T[], void> {
  let batch: T[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function predictBatch(session: NativeSession, model: Model, batch: Listed[]) {
  const { network, calibration } = model;
  const images: (Uint8Array | Error)[] = [];
  for (let from = 0; from < batch.length; from += DECODES_IN_FLIGHT) {
    const some = batch.slice(from, from + DECODES_IN_FLIGHT);
    images.push(...(await Promise.all(some.map((listed) => readImage(listed, network)))));
  }
  const readable = images.filter((image) => image instanceof Uint8Array);
  const classes = network.classNames.length;
  const logits =
    readable.length > 0
      ? await session.predict(Buffer.concat(readable), readable.length)
      : new Float32Array();
  const probabilities = softmax(scaled(logits, calibration.temperature), classes);
  let row = 0;
  return batch.map(({ file }, i) => {
    const image = images[i]!;
    if (image instanceof Error) return { file, error: image.message };
    return { file, ...nameAnswer(model, probabilities, row++) };
  });
}

/** Pixels, or the reason why there are none. */
async function readImage({ file, error }: Listed, { input }: Network): Promise<Uint8Array | Error> {
  try {
    if (error !== undefined) return new UserError(error);
    const bytes = file === '-' ? await readInput() : await readFile(file);
    return await decodeImage(bytes, { size: input.height, fit: input.fit });
  } catch (failure) {
    if (failure instanceof UserError) return failure;
    return new UserError(`can't be read: ${(failure as NodeJS.ErrnoException).code ?? failure}`);
  }
}

/** The standard input. */
async function readInput(): Promise<Uint8Array> {
  if (process.stdin.isTTY)
    throw new UserError('expected an image on the standard input, but it is a terminal');
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > IMAGE_SIZE_LIMIT)
      throw new UserError(`has more than ${megabytes(IMAGE_SIZE_LIMIT)}, too much for an image`);
  }
  return Buffer.concat(chunks);
}

function nameAnswer(model: Model, probabilities: Float64Array, row: number): Verdict & { note: string } {
  const { network, calibration, unsure } = model;
  const { classNames } = network;
  const { label: best, certainty } = answer(probabilities, classNames.length, row, calibration);
  const shares = probabilities.subarray(row * classNames.length, (row + 1) * classNames.length);
  const guess = classNames[best]!;
  const isUnsure = certainty < calibration.unsureBelow;
  const doubt = isUnsure ? 'much' : certainty < 0.8 ? 'some' : 'none';
  // Else the bars would seem to say another thing.
  const isBelow = shares[best]! < Math.max(...shares);
  const line = isBelow ? ` (${classNames[0]} begins at ${percent(calibration.threshold!)})` : '';
  return {
    label: unsure && isUnsure ? UNSURE : guess,
    ...{ guess, certainty, unsure: isUnsure, doubt },
    probabilities: Object.fromEntries(classNames.map((name, k) => [name, shares[k]!])),
    note: `${{ none: '', some: ', probably', much: unsure ? `, perhaps ${guess}` : ', but not at all sure' }[doubt]}${line}`,
  };
}

/** The command: prints a line or two a file, and answers with the exit code. */
export async function predictCommand(
  words: string[],
  signal: AbortSignal,
  { command = 'npx tsx src/predict.ts' } = {},
): Promise<number> {
  const line = parsePredict(words, command);
  if ('print' in line) {
    process.stdout.write(`${line.print}\n`);
    return 0;
  }
  let failed = 0;
  for await (const { note = '', ...prediction } of answerFiles(line.files, line.values, signal)) {
    if ('error' in prediction) failed += 1;
    if (line.values.json) process.stdout.write(`${JSON.stringify(prediction)}\n`);
    else if ('error' in prediction)
      process.stderr.write(`${printable(`${prediction.file}: ${prediction.error}`)}\n`);
    else process.stdout.write(describe(prediction, note));
  }
  if (signal.aborted) return 130;
  return failed > 0 ? 1 : 0;
}

/** The verdict, then the most likely classes with a bar each. */
function describe(
  { file, label, probabilities }: Extract<Prediction, { label: string }>,
  note: string,
): string {
  const ranked = Object.entries(probabilities)
    .map(([name, share]) => [printable(name), share] as const)
    .sort((a, b) => b[1] - a[1]);
  const width = Math.max(...ranked.map(([name]) => name.length));
  const bars = ranked.slice(0, 5).map(([name, share]) => {
    const filled = Math.round(share * 20);
    return `  ${name.padEnd(width)} ${(share * 100).toFixed(1).padStart(5)}%  ${'█'.repeat(filled)}${'░'.repeat(20 - filled)}\n`;
  });
  return `${printable(`${file}: ${label}${note}`)}\n${bars.join('')}`;
}

if (isMain(import.meta.url)) void runCommand(predictCommand);
