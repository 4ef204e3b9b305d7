/** All runs asked about the same images: those on which the first was validated. */
import { UserError } from '../base/errors.ts';
import { openImages } from '../data/loader.ts';
import type { PredictOptions } from '../options.ts';
import { thumbnails } from '../page/thumbnails.ts';
import { openClassifier } from '../predictor/classifier.ts';
import type { Verdict } from '../predictor/prediction.ts';
import { runDataset } from '../run/run_dataset.ts';
import type { FinishedRun } from './finished_run.ts';

/** An image, and what each run says of it. */
export interface AskedImage {
  name: string;
  truth: string;
  answers: { guess: string; certainty: number }[];
  thumbnail?: string;
}

export interface SameImages {
  /** Those on which the runs disagree or are wrong come first. */
  images: AskedImage[];
  /** Of all validation images of the first run, of which these are some. */
  total: number;
}

/** More images are not asked about. */
const MOST_IMAGES = 1000;
/** More are not looked at. */
const MOST_PICTURES = 48;

/**
 * @param signal ends it
 * @throws UserError when the images are not at hand, or the runs have different classes
 */
export async function askAll(
  runs: FinishedRun[],
  options: Pick<PredictOptions, 'device' | 'threads'>,
  signal: AbortSignal,
): Promise<SameImages> {
  let found: (SameImages & { positions: Uint32Array }) | undefined;
  // Pictures are taken from the run that sees most of them: it comes last.
  const order = [...runs.keys()].sort((a, b) => sideOf(runs[a]!) - sideOf(runs[b]!));
  for (const number of order) {
    const run = runs[number]!;
    const classifier = await openClassifier({ ...options, model: run.folder });
    try {
      const { dataset, split, seed } = await runDataset(runs[0]!.folder, classifier.model.network.input, {
        signal,
      });
      const { names, labels, classNames } = dataset;
      if (classNames.join('\0') !== classifier.reading.classNames.join('\0'))
        throw new UserError(`the classes of ${run.name} are others`);
      found ??= chooseImages(split.val, (at) => ({
        name: names[at]!,
        truth: classNames[labels[at]!]!,
        answers: [],
      }));
      const { positions, images } = found;
      const count = positions.length;
      if (images.some(({ name }, i) => name !== names[positions[i]!]))
        throw new UserError('the images have changed meanwhile');
      const pixels = await openImages(dataset, { threads: 1, seed });
      try {
        for (let from = 0; from < count; from += classifier.batchSize) {
          signal.throwIfAborted();
          const some = positions.subarray(from, from + classifier.batchSize);
          for (const [i, { guess, certainty }] of (await classify(classifier, pixels, some)).entries())
            images[from + i]!.answers[number] = { guess, certainty };
        }
        if (number === order.at(-1)) await addPictures(found, pixels);
      } finally {
        await pixels.dispose();
      }
    } finally {
      await classifier.dispose();
    }
  }
  return found!;
}

function sideOf({ description }: FinishedRun): number {
  return Number(description.options.imageSize) || 0;
}

function chooseImages(val: Uint32Array, imageAt: (position: number) => AskedImage) {
  const count = Math.min(MOST_IMAGES, val.length);
  const positions = Uint32Array.from({ length: count }, (_, i) => val[Math.floor((i * val.length) / count)]!);
  return { positions, images: Array.from(positions, imageAt), total: val.length };
}

async function classify(
  { classify }: Awaited<ReturnType<typeof openClassifier>>,
  pixels: Awaited<ReturnType<typeof openImages>>,
  positions: Uint32Array,
): Promise<Verdict[]> {
  const size = pixels.height * pixels.width * 3;
  const bytes = new Uint8Array(positions.length * size);
  await pixels.assemble(positions, bytes);
  return classify(Array.from(positions, (_, i) => bytes.subarray(i * size, (i + 1) * size)));
}

/** Sorts what a person should see to the front, and adds its pictures. */
async function addPictures(
  found: SameImages & { positions: Uint32Array },
  pixels: Awaited<ReturnType<typeof openImages>>,
): Promise<void> {
  const order = [...found.images.keys()].sort((a, b) => worth(found.images[b]!) - worth(found.images[a]!));
  const images = order.map((i) => found.images[i]!);
  const shown = images.filter(disagree).slice(0, MOST_PICTURES).length;
  const positions = order.slice(0, shown).map((i) => found.positions[i]!);
  const uris = await thumbnails(pixels, positions).catch(() => []);
  for (const [i, uri] of uris.entries()) images[i]!.thumbnail = uri;
  found.images = images;
}

/** Whether not all runs say the same. */
export function disagree({ answers }: AskedImage): boolean {
  return answers.some(({ guess }) => guess !== answers[0]!.guess);
}

/** Disagreements first, then by how sure the wrong answers are. */
function worth(image: AskedImage): number {
  const wrong = image.answers.filter(({ guess }) => guess !== image.truth).map(({ certainty }) => certainty);
  return (disagree(image) ? 1000 : 0) + Math.max(0, ...wrong);
}

/** How many images each run answers rightly, and of which it alone of a pair is right. */
export function rightCounts(images: AskedImage[], runs: number): { right: number[]; onlyFirst: number[][] } {
  const isRight = ({ truth, answers }: AskedImage, run: number) => answers[run]!.guess === truth;
  const all = [...Array(runs).keys()];
  return {
    right: all.map((run) => images.filter((image) => isRight(image, run)).length),
    onlyFirst: all.map((a) =>
      all.map((b) => images.filter((image) => isRight(image, a) && !isRight(image, b)).length),
    ),
  };
}
