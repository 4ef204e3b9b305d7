/** The command that shows the images of a run which are in doubt, to put their labels right. */
import { availableParallelism } from 'node:os';
import { basename, dirname } from 'node:path';
import { isMain, runCommand } from './base/command.ts';
import { UserError } from './base/errors.ts';
import { count, printable } from './base/words.ts';
import { CORRECTIONS_FILE } from './data/corrections_mark.ts';
import type { Images } from './data/images.ts';
import { openImages } from './data/loader.ts';
import { ClassFolders } from './filing/class_folders.ts';
import { parseReview } from './options.ts';
import { type Classifier, openClassifier } from './predictor/classifier.ts';
import type { Verdict } from './predictor/prediction.ts';
import { keepAnswer, noAnswers, rankDoubts } from './review/doubts.ts';
import { doubtedLabels } from './review/label_doubts.ts';
import { reviewRoutes } from './review/review_routes.ts';
import { type RunDataset, runDataset } from './run/run_dataset.ts';
import { readLog } from './run/run_folder.ts';
import { trainAgain } from './run/train_again.ts';
import { pageRoute, reviewPage } from './server/serve_page.ts';
import { serveUntil } from './server/serve_until.ts';

/** More are not looked at. */
const MOST_DOUBTS = 2000;

/** The command: serves until it is interrupted, and answers with the exit code. */
export async function reviewCommand(
  words: string[],
  signal: AbortSignal,
  { command = 'npx tsx src/review.ts', train = 'npx tsx src/train.ts' } = {},
): Promise<number> {
  const line = parseReview(words, command);
  if ('print' in line) {
    process.stdout.write(`${line.print}\n`);
    return 0;
  }
  const { port, host, token, corrections = 'corrections', ...options } = line.values;
  const folders = await ClassFolders.open(corrections, CORRECTIONS_FILE);
  const before = folders.count;
  const classifier = await openClassifier({ ...options, model: line.files[0] });
  let images: Images | undefined;
  try {
    const { path, network } = classifier.model;
    const folder = dirname(path);
    const run = await runDataset(folder, network.input, { signal }).catch((error) => {
      throw error instanceof UserError
        ? new UserError(`Expected the images that ${folder} was trained on, but ${error.message}`)
        : error;
    });
    const { dataset, split, seed } = run;
    checkClasses(dataset.classNames, network.classNames, folder);
    images = await openImages(dataset, { threads: 1, seed });
    process.stdout.write(`Looking at ${count(dataset.names.length)} images of ${printable(folder)}\n`);
    const answers = answersTo(images, classifier);
    const all = await answerAll(run, answers, classifier.batchSize, signal);
    const suspects = [
      ...(await contradicted(run, images, classifier, signal)),
      ...(dataset.hash === classifier.model.metadata.dataHash ? await suspectsOf(folder) : []),
    ];
    const doubts = rankDoubts(all, { ...split, labels: dataset.labels, suspects }, MOST_DOUBTS);
    const model = basename(folder);
    const about = () => ({
      model,
      classNames: dataset.classNames,
      device: classifier.device,
      corrections: { folder: corrections, count: folders.count },
    });
    await serveUntil(signal, { host, port, token }, `${count(doubts.length)} of them are in doubt`, {
      'GET /': pageRoute(reviewPage({ model, classNames: dataset.classNames, saves: true }, doubts.length)),
      'GET /health': {
        isOpen: true,
        answer: () => ({ type: 'application/json', body: '{"status":"ok"}\n' }),
      },
      'GET /model': { answer: () => ({ type: 'application/json', body: JSON.stringify(about()) }) },
      ...reviewRoutes({ dataset, doubts, folders, answers }),
    });
    const saved = folders.count - before;
    process.stdout.write(`Saved ${count(saved)} corrections.\n`);
    if (saved > 0) process.stdout.write(`Learn from them: ${await trainAgain(train, folder, corrections)}\n`);
    return 0;
  } finally {
    await images?.dispose();
    await classifier.dispose();
  }
}

function checkClasses(found: readonly string[], expected: readonly string[], folder: string): void {
  if (found.join('\0') === expected.join('\0')) return;
  throw new UserError(
    `Expected the classes that ${folder} was trained on (${expected.slice(0, 10).join(', ')}), but its images have others now (${found.slice(0, 10).join(', ')}); train again`,
  );
}

/** Verdicts on a few images; one call after the other. */
function answersTo(images: Images, classifier: Classifier): (positions: number[]) => Promise<Verdict[]> {
  const size = images.height * images.width * 3;
  let turn: Promise<unknown> = Promise.resolve();
  const answer = async (positions: number[]) => {
    const verdicts: Verdict[] = [];
    for (let from = 0; from < positions.length; from += classifier.batchSize) {
      const some = positions.slice(from, from + classifier.batchSize);
      const pixels = new Uint8Array(some.length * size);
      await images.assemble(Uint32Array.from(some), pixels);
      const each = some.map((_, i) => pixels.subarray(i * size, (i + 1) * size));
      verdicts.push(...(await classifier.classify(each)));
    }
    return verdicts;
  };
  return (positions) => {
    const verdicts = turn.then(() => answer(positions));
    turn = verdicts.catch(() => {});
    return verdicts;
  };
}

async function answerAll(
  { dataset, split }: RunDataset,
  answers: (positions: number[]) => Promise<Verdict[]>,
  batchSize: number,
  signal: AbortSignal,
) {
  const found = noAnswers(dataset.names.length);
  const all = [...split.val, ...split.train];
  for (let from = 0; from < all.length; from += batchSize) {
    signal.throwIfAborted();
    const some = all.slice(from, from + batchSize);
    for (const [i, verdict] of (await answers(some)).entries())
      keepAnswer(found, some[i]!, verdict, dataset.classNames);
  }
  return found;
}

/** Images whose features are compared: a pretrained network learns the labels of its head, wrong ones too. */
const MOST_COMPARED = 10_000;

/** Images whose labels the others contradict, by the features of a pretrained network. */
async function contradicted(
  { dataset, isPretrained }: RunDataset,
  images: Images,
  { session, batchSize }: Classifier,
  signal: AbortSignal,
): Promise<number[]> {
  const { labels, groups, classNames } = dataset;
  if (!isPretrained || labels.length > MOST_COMPARED) return [];
  const size = images.height * images.width * 3;
  const pieces: Float32Array[] = [];
  for (let from = 0; from < labels.length; from += batchSize) {
    signal.throwIfAborted();
    const some = Uint32Array.from({ length: Math.min(batchSize, labels.length - from) }, (_, i) => from + i);
    const pixels = new Uint8Array(some.length * size);
    await images.assemble(some, pixels);
    pieces.push(await session.features(pixels, some.length));
  }
  const width = pieces[0]!.length / Math.min(batchSize, labels.length);
  const features = new Float32Array(labels.length * width);
  for (const [i, piece] of pieces.entries()) features.set(piece, i * batchSize * width);
  const table = { features, width, labels, classes: classNames.length, groups };
  return doubtedLabels(table, { threads: availableParallelism(), signal });
}

/** Images whose labels the training came to doubt. */
async function suspectsOf(folder: string): Promise<number[]> {
  const lines = await readLog(folder, Number.POSITIVE_INFINITY);
  const last = lines.findLast((line) => line.type === 'findings');
  return last?.suspects.map(({ position }) => position) ?? [];
}

if (isMain(import.meta.url)) void runCommand(reviewCommand);
