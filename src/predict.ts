/** The command that says what is in an image. */

import { displayName } from './base/class_names.ts';
import { isMain, runCommand } from './base/command.ts';
import { UserError } from './base/errors.ts';
import { checkAddressSpace } from './base/memory_limit.ts';
import { textList } from './base/text_list.ts';
import { count, percent, printable, quote } from './base/words.ts';
import { DECODES_IN_FLIGHT } from './data/decode.ts';
import { ClassFolders } from './filing/class_folders.ts';
import { type PredictOptions, parsePredict } from './options.ts';
import { type Classifier, openClassifier } from './predictor/classifier.ts';
import { checkExplanation, saveExplanation } from './predictor/explanation.ts';
import { type ListedFile, listFiles, readListed } from './predictor/image_files.ts';
import { doubtWords, type Prediction, type Reading } from './predictor/prediction.ts';

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
  if (given.why !== undefined) checkExplanation(given.why, list);
  const classifier = await openClassifier(given);
  try {
    yield* answerFiles(classifier, list, signal, given.why);
  } finally {
    await classifier.dispose();
  }
}

async function* answerFiles(
  classifier: Classifier,
  files: string[],
  signal?: AbortSignal,
  why?: string,
): AsyncGenerator<Prediction, void> {
  for await (const batch of batchesOf(listFiles(files), classifier.batchSize)) {
    if (signal?.aborted) return;
    yield* await answerBatch(classifier, batch, why);
  }
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

async function answerBatch(
  classifier: Classifier,
  batch: ListedFile[],
  why: string | undefined,
): Promise<Prediction[]> {
  if (why !== undefined && batch.length > 1)
    checkExplanation(
      why,
      batch.map(({ file }) => file),
    );
  const images: (Uint8Array | UserError)[] = [];
  for (let from = 0; from < batch.length; from += DECODES_IN_FLIGHT) {
    const some = batch.slice(from, from + DECODES_IN_FLIGHT);
    images.push(...(await Promise.all(some.map((listed) => readImage(classifier, listed)))));
  }
  const readable = images.filter((image) => image instanceof Uint8Array);
  const verdicts = readable.length > 0 ? await classifier.classify(readable) : [];
  if (why !== undefined && verdicts[0])
    await saveExplanation(classifier, readable[0]!, verdicts[0].guess, why);
  let row = 0;
  return batch.map(({ file }, i) => {
    const image = images[i]!;
    return image instanceof UserError ? { file, error: image.message } : { file, ...verdicts[row++]! };
  });
}

/** Pixels, or the reason why there are none. */
async function readImage(classifier: Classifier, listed: ListedFile): Promise<Uint8Array | UserError> {
  try {
    return await classifier.decode(await readListed(listed));
  } catch (failure) {
    if (failure instanceof UserError) return failure;
    return new UserError(`can't be read: ${(failure as NodeJS.ErrnoException).code ?? failure}`);
  }
}

/** What `--sort-into` notes down in its folder. */
const SORTED_FILE = 'sorted.jsonl';

async function undoSorted(folder: string): Promise<number> {
  const sorted = await ClassFolders.open(folder, SORTED_FILE);
  if (sorted.count === 0)
    throw new UserError(
      `Expected a folder that --sort-into has filled, but ${folder} has no ${SORTED_FILE}`,
      2,
    );
  const { removed, kept } = await sorted.undoAll();
  process.stdout.write(`Removed ${count(removed)} files from ${printable(folder)}\n`);
  for (const file of kept) process.stderr.write(`${printable(file)}: has been changed since, and stays\n`);
  return kept.length > 0 ? 1 : 0;
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
  const { sortInto, link, undoSort, why, ...options } = line.values;
  if (undoSort !== undefined) return undoSorted(undoSort);
  if (why !== undefined) checkExplanation(why, line.files);
  const sorted = sortInto === undefined ? undefined : await ClassFolders.open(sortInto, SORTED_FILE);
  const classifier = await openClassifier(options);
  let failed = 0;
  try {
    for await (const prediction of answerFiles(classifier, line.files, signal, why)) {
      if ('error' in prediction) failed += 1;
      else if (prediction.file !== '-') await sorted?.place(prediction.label, prediction.file, link);
      if (options.json) process.stdout.write(`${JSON.stringify(prediction)}\n`);
      else if ('error' in prediction)
        process.stderr.write(`${printable(`${prediction.file}: ${prediction.error}`)}\n`);
      else process.stdout.write(describe(prediction, classifier.reading));
      if (why !== undefined && !line.values.json && 'guess' in prediction)
        process.stdout.write(
          `What speaks for ${printable(prediction.guess)} is red, what speaks against it is blue: ${why}\n`,
        );
    }
  } finally {
    await classifier.dispose();
  }
  if (sorted && !options.json)
    process.stdout.write(
      `${count(sorted.count)} files are in ${printable(sorted.folder)}; take them out again with: ${command} --undo-sort ${quote(sorted.folder)}\n`,
    );
  if (signal.aborted) return 130;
  return failed > 0 ? 1 : 0;
}

/** Classes that are shown where nobody says how many. */
const SHOWN = 5;

/** The verdict, then the most likely classes with a bar each. */
function describe(prediction: Extract<Prediction, { label: string }>, reading: Reading): string {
  const { file, probabilities } = prediction;
  const ranked = Object.entries(probabilities)
    .sort((a, b) => b[1] - a[1])
    .slice(0, reading.top ?? SHOWN)
    .map(([name, share]) => [printable(displayName(name)), share] as const);
  const width = Math.max(...ranked.map(([name]) => name.length));
  const bars = ranked.map(([name, share]) => {
    const filled = Math.round(share * 20);
    return `  ${name.padEnd(width)} ${(share * 100).toFixed(1).padStart(5)}%  ${'█'.repeat(filled)}${'░'.repeat(20 - filled)}\n`;
  });
  return `${printable(`${file}: ${answerWords(prediction, reading)}`)}\n${bars.join('')}`;
}

/** "Yellow Warbler", or "Wood Warblers, probably (93%; perhaps Yellow Warbler)" where no class is sure enough. */
function answerWords(verdict: Extract<Prediction, { label: string }>, reading: Reading): string {
  const { label, guess, group } = verdict;
  if (!group) return `${displayName(label)}${doubtWords(reading, verdict)}`;
  const { name, probability } = group;
  const perhaps = `(${percent(probability, 0)}; perhaps ${displayName(guess)})`;
  return `${label === guess ? displayName(name) : `${label}, but ${displayName(name)}`}, probably ${perhaps}`;
}

if (isMain(import.meta.url)) void runCommand(predictCommand);
