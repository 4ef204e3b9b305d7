/** Calibration of a network's probabilities on the validation images. Pure functions. */

import { UserError } from '../base/errors.ts';
import { breather } from '../base/event_loop.ts';
import { softmax } from './metrics.ts';

/** How logits become an answer. */
export interface Calibration {
  /** Logits are divided by it before the softmax (Guo et al. 2017). */
  temperature: number;
  /** Two classes: from this calibrated probability of class 0 on, class 0 is the answer. Absent: the likeliest is. */
  threshold?: number;
  /** Answers less certain than this count as unsure; 1: all do. */
  unsureBelow: number;
  /** Of classes in groups: from this probability on a class, or else a group, is the answer. */
  sureFrom?: number;
}

/** Images of about the same certainty. */
export interface ReliabilityBin {
  count: number;
  /** Mean probability of the likeliest class, and how often it was the true one. */
  confidence: number;
  accuracy: number;
}

/** A calibration and its effect on the validation images. They were also used to fit it, so the figures are optimistic. */
export interface CalibrationReport extends Calibration {
  images: number;
  /** Mean distance of confidence and accuracy over 15 bins of equal width, each weighing as its images (ECE). */
  expectedCalibrationError: BeforeAfter<number>;
  reliability: BeforeAfter<ReliabilityBin[]>;
  /** Before: of the likeliest class. After: of the answer by the threshold. */
  balancedAccuracy: BeforeAfter<number>;
  /** Share of the images that get an answer, and the share of those answers that is right. */
  answered: number;
  answeredRight: number;
}

interface BeforeAfter<T> {
  before: T;
  after: T;
}

/** Answers are unsure until this share of the others is right ... */
export const WANTED_RIGHT = 0.95;
/** ... and never less sure than this share of the way from a guess to certainty: of two classes 0.6. */
const LEAST_ABOVE_GUESS = 0.2;
/** Fewer right answers prove no bound. */
const LEAST_ANSWERED = 20;

/**
 * Fits temperature, threshold (two classes) and the bound below which an answer is unsure. Yields to the event loop
 * every few milliseconds.
 * @param logits float32 [count, classes], finite
 * @param labels int32 [count], each 0 to classes - 1; count at least 1
 * @param classes 2 or more
 */
export async function calibrate(
  logits: Float32Array,
  labels: Int32Array,
  classes: number,
): Promise<CalibrationReport> {
  const breathe = breather();
  const temperature = await fitTemperature(logits, labels, classes);
  const raw = answersOf(await probabilitiesOf(logits, classes, 1), classes, {});
  await breathe();
  const calibrated = await probabilitiesOf(logits, classes, temperature);
  const threshold = classes === 2 ? bestThreshold(calibrated, labels) : undefined;
  const plain = answersOf(calibrated, classes, {});
  await breathe();
  const after = answersOf(calibrated, classes, { threshold });
  await breathe();
  const bound = unsureBound(after, labels, classes);
  await breathe();
  const reliability = {
    before: reliabilityBins(raw, labels),
    after: reliabilityBins(plain, labels),
  };
  return {
    temperature,
    threshold,
    ...bound,
    images: labels.length,
    expectedCalibrationError: {
      before: calibrationError(reliability.before),
      after: calibrationError(reliability.after),
    },
    reliability,
    balancedAccuracy: {
      before: meanRecall(plain, labels, classes),
      after: meanRecall(after, labels, classes),
    },
  };
}

/** Logits over the temperature. */
export function scaled(logits: Float32Array, temperature: number): Float32Array {
  return temperature === 1 ? logits : logits.map((value) => value / temperature);
}

/** Values of a piece. */
const PIECE = 2 ** 15;

/** Rows of logits to rows of probabilities at a temperature; lets the event loop go on every few milliseconds. */
export async function probabilitiesOf(
  logits: Float32Array,
  classes: number,
  temperature: number,
): Promise<Float64Array> {
  const breathe = breather();
  const result = new Float64Array(logits.length);
  const piece = classes * Math.ceil(PIECE / classes);
  for (let from = 0; from < logits.length; from += piece) {
    const rows = logits.subarray(from, from + piece);
    result.set(softmax(scaled(rows, temperature), classes), from);
    await breathe();
  }
  return result;
}

/** A class, and how certain it is: 0.5 (two classes; 1 / classes of more) to 1. */
export interface Answer {
  label: number;
  certainty: number;
}

/**
 * The answer to one image. With a threshold the certainty is counted from there: at the threshold both classes are
 * equally good, so it is 0.5.
 * @param probabilities [count, classes], calibrated
 * @param image its row
 */
export function answer(
  probabilities: Float64Array,
  classes: number,
  image: number,
  { threshold }: Pick<Calibration, 'threshold'>,
): Answer {
  const from = image * classes;
  if (threshold !== undefined) {
    const for0 = probabilities[from]! * (1 - threshold);
    const for1 = probabilities[from + 1]! * threshold;
    return { label: for0 >= for1 ? 0 : 1, certainty: Math.max(for0, for1) / (for0 + for1) };
  }
  let label = 0;
  for (let k = 1; k < classes; k++) if (probabilities[from + k]! > probabilities[from + label]!) label = k;
  return { label, certainty: probabilities[from + label]! };
}

/**
 * What the metadata of a weights file say of its calibration; undefined when they say nothing.
 * @throws UserError when what they say can't be
 */
export function parseCalibration(
  metadata: Record<string, string>,
  classes: number,
  path: string,
): Calibration | undefined {
  if (metadata.calibration === undefined) return undefined;
  const found = parseJson(metadata.calibration) as Partial<Calibration> | null | undefined;
  const within = (value: unknown, least: number, most: number) =>
    typeof value === 'number' && value >= least && value <= most;
  const { temperature, threshold, unsureBelow, sureFrom } = found ?? {};
  const valid =
    within(temperature, COLDEST, HOTTEST) &&
    within(unsureBelow, 0, 1) &&
    (sureFrom === undefined || within(sureFrom, 0, 1)) &&
    (threshold === undefined || (classes === 2 && within(threshold, 0, 1)));
  if (valid)
    return {
      temperature,
      threshold,
      unsureBelow,
      ...(sureFrom === undefined ? {} : { sureFrom }),
    } as Calibration;
  throw new UserError(
    `Expected the calibration in ${path} to have a temperature, a threshold and a bound that fit its ${classes} classes, but it does not; leave it out with --no-calibration`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const COLDEST = 0.05;
const HOTTEST = 20;

/**
 * The temperature of the lowest cross-entropy. Targets are Platt's (1999), (n + 1) / (n + 2) for a class of n images in
 * place of 1: else a small validation set without errors would ask for certainty. Newton's method on 1 / temperature,
 * in which the loss is convex, kept between two bounds.
 */
export async function fitTemperature(
  logits: Float32Array,
  labels: Int32Array,
  classes: number,
): Promise<number> {
  const targets = plattTargets(labels, classes);
  let [low, high] = [1 / HOTTEST, 1 / COLDEST];
  let inverse = 1;
  for (let i = 0; i < 60; i++) {
    const { slope, curvature } = await lossSlope(logits, labels, classes, targets, inverse);
    if (slope > 0) high = inverse;
    else low = inverse;
    const newton = inverse - slope / curvature;
    const next = newton > low && newton < high ? newton : (low + high) / 2;
    if (!Number.isFinite(slope) || curvature === 0) return 1;
    if (Math.abs(next - inverse) < 1e-9 * inverse) break;
    inverse = next;
  }
  return Math.min(HOTTEST, Math.max(COLDEST, 1 / inverse));
}

function plattTargets(labels: Int32Array, classes: number): Float64Array {
  const counts = new Float64Array(classes);
  for (const label of labels) counts[label]! += 1;
  // Of many classes each image's share of doubt is as much smaller: in all about as much as of two.
  return counts.map((count) => 1 - 2 / classes / (count + 2));
}

/** First and second derivative of the summed cross-entropy by the inverse temperature. */
async function lossSlope(
  logits: Float32Array,
  labels: Int32Array,
  classes: number,
  targets: Float64Array,
  inverse: number,
) {
  const breathe = breather();
  let slope = 0;
  let curvature = 0;
  for (let i = 0; i < labels.length; i++) {
    const from = i * classes;
    let largest = logits[from]!;
    for (let k = 1; k < classes; k++) largest = Math.max(largest, logits[from + k]!);
    let [mass, first, second, total] = [0, 0, 0, 0];
    for (let k = 0; k < classes; k++) {
      const above = logits[from + k]! - largest;
      const share = Math.exp(above * inverse);
      mass += share;
      first += share * above;
      second += share * above * above;
      total += above;
    }
    const label = labels[i]!;
    const own = logits[from + label]! - largest;
    const wanted = targets[label]! * own + ((1 - targets[label]!) * (total - own)) / (classes - 1);
    slope += first / mass - wanted;
    curvature += second / mass - (first / mass) ** 2;
    if (i % 256 === 0) await breathe();
  }
  return { slope, curvature };
}

/**
 * The probability of class 0 at which to part the two classes for the best balanced accuracy. Of equally good ones the
 * nearest to 0.5, and in the middle between the two images that it parts.
 */
function bestThreshold(probabilities: Float64Array, labels: Int32Array): number {
  const scores = labels.map((_, i) => i) as Int32Array;
  const order = scores.sort((a, b) => probabilities[2 * a]! - probabilities[2 * b]!);
  const count1 = labels.reduce((sum, label) => sum + label, 0);
  const count0 = labels.length - count1;
  if (count0 === 0 || count1 === 0) return 0.5;
  let best = { balanced: -1, threshold: 0.5 };
  let [below0, below1] = [0, 0];
  for (let i = 0; i <= order.length; i++) {
    const low = i === 0 ? 0 : probabilities[2 * order[i - 1]!]!;
    const high = i === order.length ? 1 : probabilities[2 * order[i]!]!;
    if (low < high || i === 0 || i === order.length) {
      const balanced = ((count0 - below0) / count0 + below1 / count1) / 2;
      const threshold = low < 0.5 && high >= 0.5 ? 0.5 : between(low, high);
      const nearer = Math.abs(threshold - 0.5) < Math.abs(best.threshold - 0.5);
      if (balanced > best.balanced + 1e-12 || (balanced > best.balanced - 1e-12 && nearer))
        best = { balanced, threshold };
    }
    if (i === order.length) break;
    if (labels[order[i]!] === 0) below0 += 1;
    else below1 += 1;
  }
  return best.threshold;
}

/** Middle of two probabilities, in odds. */
function between(low: number, high: number): number {
  const odds = Math.sqrt((low / (1 - low)) * (high / (1 - high)));
  return Number.isFinite(odds) && odds > 0 ? odds / (1 + odds) : (low + high) / 2;
}

function answersOf(probabilities: Float64Array, classes: number, how: Pick<Calibration, 'threshold'>) {
  return Array.from({ length: probabilities.length / classes }, (_, i) =>
    answer(probabilities, classes, i, how),
  );
}

/** The lowest certainty from which on enough answers are right. */
function unsureBound(answers: Answer[], labels: Int32Array, classes: number) {
  const least = 1 / classes + LEAST_ABOVE_GUESS * (1 - 1 / classes);
  const order = [...answers.keys()].sort((a, b) => answers[b]!.certainty - answers[a]!.certainty);
  let right = 0;
  let best = { unsureBelow: 1, answered: 0, answeredRight: 0 };
  for (const [i, at] of order.entries()) {
    const { label, certainty } = answers[at]!;
    if (certainty < least) break;
    if (label === labels[at]) right += 1;
    const next = order[i + 1];
    if (next !== undefined && answers[next]!.certainty === certainty) continue;
    const all = i + 1;
    if (all >= Math.min(LEAST_ANSWERED, answers.length) && right >= WANTED_RIGHT * all)
      best = {
        unsureBelow: certainty,
        answered: all / answers.length,
        answeredRight: right / all,
      };
  }
  return best;
}

const BINS = 15;

function reliabilityBins(answers: Answer[], labels: Int32Array): ReliabilityBin[] {
  const bins = Array.from({ length: BINS }, () => ({ count: 0, confidence: 0, accuracy: 0 }));
  for (const [i, { label, certainty }] of answers.entries()) {
    const bin = bins[Math.min(BINS, Math.max(1, Math.ceil(certainty * BINS))) - 1]!;
    bin.count += 1;
    bin.confidence += certainty;
    if (label === labels[i]) bin.accuracy += 1;
  }
  return bins.map(({ count, confidence, accuracy }) =>
    count === 0
      ? { count, confidence, accuracy }
      : { count, confidence: confidence / count, accuracy: accuracy / count },
  );
}

function calibrationError(bins: ReliabilityBin[]): number {
  const total = bins.reduce((sum, { count }) => sum + count, 0);
  return bins.reduce(
    (sum, { count, confidence, accuracy }) => sum + (count / total) * Math.abs(confidence - accuracy),
    0,
  );
}

function meanRecall(answers: Answer[], labels: Int32Array, classes: number): number {
  const [found, all] = [new Float64Array(classes), new Float64Array(classes)];
  for (const [i, { label }] of answers.entries()) {
    all[labels[i]!]! += 1;
    if (label === labels[i]) found[label]! += 1;
  }
  const shares = [...all.keys()].filter((k) => all[k]! > 0).map((k) => found[k]! / all[k]!);
  return shares.reduce((a, b) => a + b, 0) / shares.length;
}
