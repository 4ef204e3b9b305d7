/** Metrics from logits and labels. Pure functions. */
import { breather } from '../base/event_loop.ts';

/** Scores of one class against all others, each 0 to 1. */
export interface ClassScores {
  precision: number;
  recall: number;
  f1: number;
  /** Probability that an image of the class scores above one of another; ties count half. 0.5 where undefined. */
  auroc: number;
  /** Area below precision over recall, in steps (no interpolation). 0 where the class has no images. */
  averagePrecision: number;
}

/** What is counted of one class: its images, the guesses of it, those that are both. */
export interface ClassCounts {
  images: number;
  guesses: number;
  found: number;
}

/** How many images of class `truth` were taken for class `guess`. */
export interface ConfusedPair {
  truth: number;
  guess: number;
  images: number;
}

/** Two classes: the scores of class 0 (`bird`). More: their means over the classes (macro). */
export interface Metrics extends ClassScores {
  /** Mean softmax cross-entropy. */
  loss: number;
  accuracy: number;
  /** Share of the images whose class is among the five likeliest; absent where an older version wrote it. */
  topFive?: number;
  /** Mean over the classes of the share found; 1 / classes is chance, whatever the class sizes. */
  balancedAccuracy: number;
  /** `confusion[truth][guess]`, in the order of `classNames`; empty with more than 100 classes: see `confused`. */
  confusion: number[][];
  /** The 2,000 pairs of classes that are confused most often; absent where an older version wrote it. */
  confused?: ConfusedPair[];
  /** In the order of `classNames`. Where an older version wrote them the counts are in `confusion` alone. */
  perClass: (ClassScores & Partial<ClassCounts>)[];
}

/** With more classes there is no matrix: it would be larger than the weights. */
const MOST_IN_MATRIX = 100;
const MOST_PAIRS = 2000;

/**
 * All metrics of one evaluation. Yields to the event loop every few milliseconds.
 * @param logits float32 [count, classes]
 * @param labels int32 [count], each 0 to classes - 1; count at least 1
 * @param classes 2 or more
 * @throws RangeError when there are no labels, or not `classes` logits for each
 */
export async function computeMetrics(
  logits: Float32Array,
  labels: Int32Array,
  classes: number,
): Promise<Metrics> {
  const count = labels.length;
  if (count === 0 || logits.length !== count * classes)
    throw new RangeError(
      `Expected ${classes} logits for each of 1 or more labels, found ${logits.length} for ${count}`,
    );
  const breathe = breather();
  const counts = Array.from({ length: classes }, (): ClassCounts => ({ images: 0, guesses: 0, found: 0 }));
  const errors = new Map<number, number>();
  const norms = new Float64Array(count);
  let loss = 0;
  let amongFive = 0;
  for (let i = 0; i < count; i++) {
    const from = i * classes;
    const truth = labels[i]!;
    const guess = argmax(logits, from, classes);
    const norm = logSumExp(logits, from, classes);
    norms[i] = norm;
    loss += norm - logits[from + truth]!;
    counts[truth]!.images += 1;
    counts[guess]!.guesses += 1;
    if (guess === truth) counts[truth]!.found += 1;
    else errors.set(truth * classes + guess, (errors.get(truth * classes + guess) ?? 0) + 1);
    if (placeOf(logits, from, classes, truth) < 5) amongFive += 1;
    if (i % 256 === 0) await breathe();
  }
  const perClass: (ClassScores & ClassCounts)[] = [];
  for (let k = 0; k < classes; k++) {
    const column = (i: number) => Math.exp(logits[i * classes + k]! - norms[i]!);
    perClass.push({ ...countedScores(counts[k]!), ...rankingScores(column, labels, k), ...counts[k]! });
    await breathe();
  }
  return {
    loss: loss / count,
    accuracy: sum(counts.map(({ found }) => found)) / count,
    topFive: amongFive / count,
    balancedAccuracy: meanRecall(counts),
    ...(classes === 2 ? scoresOf(perClass[0]!) : meanScores(perClass)),
    confusion: classes > MOST_IN_MATRIX ? [] : matrixOf(counts, errors),
    confused: mostConfused(counts, errors),
    perClass,
  };
}

/** Classes that are likelier than `own`; of equally likely ones those before it. */
function placeOf(logits: Float32Array, from: number, classes: number, own: number): number {
  const value = logits[from + own]!;
  let place = 0;
  for (let k = 0; k < classes; k++)
    if (logits[from + k]! > value || (k < own && logits[from + k] === value)) place += 1;
  return place;
}

/** @param errors by truth * classes + guess */
function matrixOf(counts: ClassCounts[], errors: Map<number, number>): number[][] {
  const classes = counts.length;
  return counts.map(({ found }, truth) =>
    counts.map((_, guess) => (truth === guess ? found : (errors.get(truth * classes + guess) ?? 0))),
  );
}

/** The most frequent first; of equally frequent ones the larger share of its class. */
function mostConfused(counts: ClassCounts[], errors: Map<number, number>): ConfusedPair[] {
  const classes = counts.length;
  const share = ({ truth, images }: ConfusedPair) => images / counts[truth]!.images;
  return Array.from(errors, ([key, images]) => ({
    truth: Math.floor(key / classes),
    guess: key % classes,
    images,
  }))
    .sort((a, b) => b.images - a.images || share(b) - share(a) || a.truth - b.truth || a.guess - b.guess)
    .slice(0, MOST_PAIRS);
}

/** Cross-entropy of each image. */
export function imageLosses(logits: Float32Array, labels: Int32Array, classes: number): Float64Array {
  return Float64Array.from(labels, (label, i) => {
    const from = i * classes;
    return logSumExp(logits, from, classes) - logits[from + label]!;
  });
}

/** Images whose likeliest class is their label. */
export function countRight(logits: Float32Array, labels: Int32Array, classes: number): number {
  return labels.reduce(
    (right, label, i) => right + Number(argmax(logits, i * classes, classes) === label),
    0,
  );
}

function meanScores(perClass: ClassScores[]): ClassScores {
  const of = (name: keyof ClassScores) => mean(perClass.map((scores) => scores[name]));
  return {
    precision: of('precision'),
    recall: of('recall'),
    f1: of('f1'),
    auroc: of('auroc'),
    averagePrecision: of('averagePrecision'),
  };
}

function scoresOf({ precision, recall, f1, auroc, averagePrecision }: ClassScores): ClassScores {
  return { precision, recall, f1, auroc, averagePrecision };
}

/** What is counted of class `k`. */
export function classCounts(
  { perClass, confusion }: Pick<Metrics, 'perClass' | 'confusion'>,
  k: number,
): ClassCounts {
  const { images, guesses, found } = perClass[k] ?? {};
  if (images !== undefined && guesses !== undefined && found !== undefined) return { images, guesses, found };
  return {
    images: sum(confusion[k]!),
    guesses: sum(confusion.map((row) => row[k]!)),
    found: confusion[k]![k]!,
  };
}

/** What is counted of each class; nothing where an epoch of many classes is no longer the last. */
export function allCounts(metrics: Pick<Metrics, 'perClass' | 'confusion'>): ClassCounts[] {
  const classes = Math.max(metrics.perClass.length, metrics.confusion.length);
  return Array.from({ length: classes }, (_, k) => classCounts(metrics, k));
}

/** Images of each class. */
export function classSizes(metrics: Pick<Metrics, 'perClass' | 'confusion'>): number[] {
  return allCounts(metrics).map(({ images }) => images);
}

/** The pairs of classes that are confused most often, the most frequent first. */
export function confusedPairs({
  confused,
  confusion,
}: Pick<Metrics, 'confused' | 'confusion'>): ConfusedPair[] {
  if (confused) return confused;
  return confusion
    .flatMap((row, truth) => row.map((images, guess) => ({ truth, guess, images })))
    .filter(({ truth, guess, images }) => truth !== guess && images > 0)
    .sort((a, b) => b.images - a.images);
}

function countedScores({ images, guesses, found }: ClassCounts) {
  return {
    precision: ratio(found, guesses),
    recall: ratio(found, images),
    f1: ratio(2 * found, images + guesses),
  };
}

/** Down from the highest score, at each score that an image of the class has. */
function rankingScores(scoreOf: (image: number) => number, labels: Int32Array, k: number) {
  const own = sortedScores(scoreOf, labels.length, (i) => labels[i] === k);
  const others = sortedScores(scoreOf, labels.length, (i) => labels[i] !== k);
  let pairs = 0;
  let area = 0;
  let [i, j] = [own.length, others.length];
  while (i > 0) {
    const score = own[i - 1]!;
    const before = i;
    // Written so that a NaN, which is sorted to the end, ends the loops as well.
    while (i > 0 && !(own[i - 1]! < score)) i--;
    while (j > 0 && others[j - 1]! > score) j--;
    let below = j;
    while (below > 0 && !(others[below - 1]! < score)) below--;
    pairs += (before - i) * ((below + j) / 2);
    j = below;
    const taken = own.length - i;
    area += ((before - i) * taken) / (taken + others.length - j);
  }
  return {
    auroc: own.length > 0 && others.length > 0 ? pairs / (own.length * others.length) : 0.5,
    averagePrecision: ratio(area, own.length),
  };
}

/** Scores of the wanted of `images` images, ascending. */
export function sortedScores(
  scoreOf: (image: number) => number,
  images: number,
  wanted: (image: number) => boolean,
): Float64Array {
  const scores = new Float64Array(images);
  let count = 0;
  for (let i = 0; i < images; i++) if (wanted(i)) scores[count++] = scoreOf(i);
  return scores.subarray(0, count).sort();
}

/** Mean share found over the classes that have images. */
function meanRecall(counts: ClassCounts[]): number {
  const present = counts.filter(({ images }) => images > 0);
  return mean(present.map(({ found, images }) => found / images));
}

/** Accuracy of always guessing the class with the most images. */
export function majorityAccuracy(labels: Int32Array, classes: number): number {
  const counts = new Array<number>(classes).fill(0);
  for (const label of labels) counts[label]! += 1;
  return ratio(
    counts.reduce((a, b) => Math.max(a, b), 0),
    labels.length,
  );
}

/**
 * How much more than chance a balanced accuracy must be before it means something: two standard errors of a model that
 * guesses, each class weighing the same however few images it has.
 * @param sizes images of each class
 */
export function chanceMargin(sizes: number[]): number {
  const present = sizes.filter((all) => all > 0);
  const share = 1 / present.length;
  return 2 * share * Math.sqrt(sum(present.map((all) => (share * (1 - share)) / all)));
}

/**
 * Probabilities of logits.
 * @param logits float32 [count, classes]
 * @returns float64 [count, classes]; each row sums to 1
 */
export function softmax(logits: Float32Array, classes: number): Float64Array {
  const result = new Float64Array(logits.length);
  for (let start = 0; start < logits.length; start += classes) {
    const norm = logSumExp(logits, start, classes);
    for (let i = start; i < start + classes; i++) result[i] = Math.exp(logits[i]! - norm);
  }
  return result;
}

function logSumExp(logits: Float32Array, from: number, classes: number): number {
  const largest = logits[argmax(logits, from, classes) + from]!;
  let total = 0;
  for (let k = 0; k < classes; k++) total += Math.exp(logits[from + k]! - largest);
  return largest + Math.log(total);
}

function argmax(logits: Float32Array, from: number, classes: number): number {
  let best = 0;
  for (let k = 1; k < classes; k++) if (logits[from + k]! > logits[from + best]!) best = k;
  return best;
}

function sum(values: number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

function mean(values: number[]): number {
  return ratio(sum(values), values.length);
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
