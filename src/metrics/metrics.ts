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

/** Two classes: the scores of class 0 (`bird`). More: their means over the classes (macro). */
export interface Metrics extends ClassScores {
  /** Mean softmax cross-entropy. */
  loss: number;
  accuracy: number;
  /** Mean over the classes of the share found; 1 / classes is chance, whatever the class sizes. */
  balancedAccuracy: number;
  /** `confusion[truth][guess]`, in the order of `classNames`. */
  confusion: number[][];
  /** In the order of `classNames`. */
  perClass: ClassScores[];
}

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
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  const probabilities = new Float64Array(logits.length);
  let loss = 0;
  for (let i = 0; i < count; i++) {
    const from = i * classes;
    const norm = logSumExp(logits, from, classes);
    for (let k = 0; k < classes; k++) probabilities[from + k] = Math.exp(logits[from + k]! - norm);
    loss += norm - logits[from + labels[i]!]!;
    confusion[labels[i]!]![argmax(logits, from, classes)]! += 1;
    if (i % 256 === 0) await breathe();
  }
  const perClass: ClassScores[] = [];
  for (let k = 0; k < classes; k++) {
    perClass.push({ ...confusionScores(confusion, k), ...rankingScores(probabilities, labels, classes, k) });
    await breathe();
  }
  return {
    loss: loss / count,
    accuracy: sum(confusion.map((row, k) => row[k]!)) / count,
    balancedAccuracy: balancedAccuracy(confusion),
    ...(classes === 2 ? perClass[0]! : meanScores(perClass)),
    confusion,
    perClass,
  };
}

/** Cross-entropy of each image. */
export function imageLosses(logits: Float32Array, labels: Int32Array, classes: number): Float64Array {
  return Float64Array.from(labels, (label, i) => {
    const from = i * classes;
    return logSumExp(logits, from, classes) - logits[from + label]!;
  });
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

/** What is counted of one class: its images, the guesses of it, those that are both. */
export function classCounts(confusion: number[][], k: number) {
  return {
    images: sum(confusion[k]!),
    guesses: sum(confusion.map((row) => row[k]!)),
    found: confusion[k]![k]!,
  };
}

function confusionScores(confusion: number[][], k: number) {
  const { images, guesses, found } = classCounts(confusion, k);
  return {
    precision: ratio(found, guesses),
    recall: ratio(found, images),
    f1: ratio(2 * found, images + guesses),
  };
}

/** Down from the highest score, at each score that an image of the class has. */
function rankingScores(probabilities: Float64Array, labels: Int32Array, classes: number, k: number) {
  const own = sortedScores(probabilities, classes, k, (i) => labels[i] === k);
  const others = sortedScores(probabilities, classes, k, (i) => labels[i] !== k);
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

/** Probabilities of class `k` in the wanted rows, ascending. */
export function sortedScores(
  probabilities: Float64Array,
  classes: number,
  k: number,
  wanted: (i: number) => boolean,
): Float64Array {
  const scores = new Float64Array(probabilities.length / classes);
  let count = 0;
  for (let i = 0; i < scores.length; i++) if (wanted(i)) scores[count++] = probabilities[i * classes + k]!;
  return scores.subarray(0, count).sort();
}

/** Mean share found over the classes that have images. */
export function balancedAccuracy(confusion: number[][]): number {
  const present = confusion.map((row, k) => ({ found: row[k]!, all: sum(row) })).filter(({ all }) => all > 0);
  return mean(present.map(({ found, all }) => found / all));
}

/** Accuracy of always guessing the class with the most images. */
export function majorityAccuracy(labels: Int32Array, classes: number): number {
  const counts = new Array<number>(classes).fill(0);
  for (const label of labels) counts[label]! += 1;
  return ratio(Math.max(...counts), labels.length);
}

/**
 * How much more than chance a balanced accuracy must be before it means something: two standard errors of a model that
 * guesses, each class weighing the same however few images it has.
 */
export function chanceMargin(confusion: number[][]): number {
  const present = confusion.map(sum).filter((all) => all > 0);
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
