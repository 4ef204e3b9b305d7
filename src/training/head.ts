/** The head of a pretrained network: logistic regression on fixed features, its penalty chosen by validation. */
import { classWeights as classWeightsOf } from '../data/balance.ts';
import { fitTemperature, probabilitiesOf } from '../metrics/calibration.ts';
import { type LinearClassifier, loadAddon } from '../model/addon.ts';

/** Rows of features with their labels: the training images first, then those to validate on. */
export interface HeadData {
  /** float32 [train + validation, width] */
  features: Float32Array;
  width: number;
  /** int32 [train + validation], 0 to classes - 1 */
  labels: Int32Array;
  train: number;
  classes: number;
}

export interface Head extends LinearClassifier {
  /** The penalty that was chosen. */
  l2: number;
  /** float32 [validation, classes] */
  logits: Float32Array;
  /** What was tried, the strongest first: class-balanced log loss of the validation images, calibrated, in nats. */
  tried: Tried[];
}

interface Tried {
  l2: number;
  loss: number;
  iterations: number;
  /** Training images that it was fitted on. */
  images: number;
}

/**
 * Of the weights of standardised features, the strongest first: each fit begins where the one before ended. For two
 * classes; of more they weigh as much less as the loss is flatter, see {@link flatness}.
 */
const PENALTIES = [3, 1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001];
/** Weaker penalties that bring nothing, one after the other, before no more are tried. */
const PATIENCE = 2;
/** Logits of the training images from which on the penalty is looked for on a part of them. */
const MOST_LOGITS = 2 ** 22;
/** Images of each class that such a part has at least. */
const LEAST_OF_A_CLASS = 8;
/** A fit ends when an iteration lowers its loss by less than this share: on a part of the images, then on all; at once. */
const LEAST_GAIN = { part: 1e-3, after: 5e-4, whole: 1e-4 };
/** Logits at a time, so that copies stay small. */
const PIECE = 2 ** 22;

interface Fit extends LinearClassifier, Tried {
  /** Of the validation images. */
  logits: Float32Array;
  losses: Float64Array;
}

interface FitHeadOptions {
  balanced: boolean;
  threads: number;
  signal?: AbortSignal | undefined;
}

/**
 * Fits a head for each penalty and keeps the strongest whose calibrated log loss on the validation images is within one
 * standard error of the lowest (Breiman et al. 1984): of few images the lowest is mostly luck. A strong penalty ranks
 * well but is unsure of itself, which the temperature of the calibration puts right afterwards. With many images and
 * classes the penalty is looked for on a part of the images, in larger steps; the fit on all begins there, with a penalty
 * as much weaker as there are more of them (scikit-learn's C stays).
 * @param options.balanced whether all classes weigh the same, whatever their size
 * @throws the signal's reason when it is aborted
 */
export async function fitHead(data: HeadData, options: FitHeadOptions): Promise<Head> {
  const penalties = PENALTIES.map((l2) => l2 * flatness(data.classes));
  const part = partOf(data);
  const steps = penalties.filter((_, i) => i % 2 === 1);
  const first = part && (await choosePenalty(data, part, steps, options));
  const wanted = first ? [(first.best.l2 * part.length) / data.train] : penalties;
  const { best, tried } = await choosePenalty(data, rowsTo(data.train), wanted, {
    ...options,
    start: first?.best,
  });
  const { weights, bias, l2, logits } = best;
  return { weights, bias, l2, logits, tried: [...(first?.tried ?? []), ...tried] };
}

/** The curvature of the cross-entropy of equal probabilities, p (1 - p), in relation to that of two classes. */
function flatness(classes: number): number {
  return (4 * (classes - 1)) / classes ** 2;
}

/** Fits on these rows with ever weaker penalties. */
async function choosePenalty(
  data: HeadData,
  rows: Uint32Array,
  penalties: number[],
  { balanced, threads, signal, start }: FitHeadOptions & { start?: LinearClassifier | undefined },
): Promise<{ best: Fit; tried: Tried[] }> {
  const { features, width, labels, train, classes } = data;
  const isWhole = rows.length === train;
  const own = Int32Array.from(rows, (row) => labels[row]!);
  const classWeights = balanced ? classWeightsOf(own, rowsTo(rows.length), classes) : undefined;
  const fitter = await loadAddon().openClassifier(
    isWhole ? features.subarray(0, train * width) : gathered(features, rows, width),
    own,
    { width, classes, classWeights, threads },
  );
  const fits: Fit[] = [];
  const lowest = () => fits.reduce((best, fit) => (fit.loss < best.loss ? fit : best));
  try {
    for (const l2 of penalties) {
      signal?.throwIfAborted();
      const leastGain = LEAST_GAIN[!isWhole ? 'part' : start ? 'after' : 'whole'];
      const { weights, bias, iterations } = await fitter.fit({ l2, leastGain, start: fits.at(-1) ?? start });
      const logits = await validationLogits({ weights, bias }, data);
      const losses = await calibratedLosses(logits, labels.subarray(train), classes);
      const { loss } = balancedMean(losses, labels.subarray(train), classes);
      fits.push({ weights, bias, l2, iterations, images: rows.length, logits, losses, loss });
      if (fits.length - 1 - fits.indexOf(lowest()) === PATIENCE) break;
    }
  } finally {
    await fitter.dispose();
  }
  const best = fits.find((fit) => isAsGood(fit, lowest(), labels.subarray(train), classes))!;
  return { best, tried: fits.map(({ l2, loss, iterations, images }) => ({ l2, loss, iterations, images })) };
}

/**
 * Whether luck may be why `fit` is worse than the best. Of two classes the luck of either, as Breiman has it; of more that
 * of their difference on the same images, which is less: else what tells species apart would be given away.
 */
function isAsGood(fit: Fit, best: Fit, labels: Int32Array, classes: number): boolean {
  if (fit === best) return true;
  if (classes === 2) return fit.loss <= best.loss + balancedMean(best.losses, labels, classes).error;
  const differences = fit.losses.map((loss, row) => loss - best.losses[row]!);
  const { loss, error } = balancedMean(differences, labels, classes);
  return loss <= error;
}

/** Training rows that are enough to find the penalty, of each class about the same share; undefined: all. */
function partOf({ labels, train, classes }: HeadData): Uint32Array | undefined {
  const share = MOST_LOGITS / (train * classes);
  if (share >= 0.7) return undefined;
  const seen = new Uint32Array(classes);
  const rows = rowsTo(train).filter((row) => {
    const before = seen[labels[row]!]!++;
    return before < LEAST_OF_A_CLASS || Math.floor((before + 1) * share) > Math.floor(before * share);
  });
  return rows.length < 0.7 * train ? rows : undefined;
}

function rowsTo(count: number): Uint32Array {
  return new Uint32Array(count).map((_, i) => i);
}

function gathered(features: Float32Array, rows: Uint32Array, width: number): Float32Array {
  const some = new Float32Array(rows.length * width);
  for (const [i, row] of rows.entries())
    some.set(features.subarray(row * width, (row + 1) * width), i * width);
  return some;
}

/** float32 [validation, classes] */
async function validationLogits(head: LinearClassifier, data: HeadData): Promise<Float32Array> {
  const { features, width, train, classes } = data;
  const logits = new Float32Array((features.length / width - train) * classes);
  for await (const piece of logitsOf(head, data, train))
    logits.set(piece.logits, (piece.first - train) * classes);
  return logits;
}

/** Logits of the rows from `begin` on, some thousand rows at a time. */
export async function* logitsOf(
  { weights, bias }: LinearClassifier,
  { features, width, classes }: Pick<HeadData, 'features' | 'width' | 'classes'>,
  begin: number,
): AsyncGenerator<{ first: number; logits: Float32Array }, void> {
  const rows = features.length / width;
  const most = Math.max(256, Math.floor(PIECE / classes));
  for (let first = begin; first < rows; first += most) {
    const count = Math.min(most, rows - first);
    const x = { shape: [count, width], data: features.subarray(first * width, (first + count) * width) };
    const w = { shape: [classes, width], data: weights };
    const [y] = await loadAddon().runOperation('cpu', 'dense', [x, w, { shape: [classes], data: bias }], {});
    yield { first, logits: y!.data };
  }
}

/** A mean, and its standard error. */
interface Estimate {
  loss: number;
  error: number;
}

/** Log loss of each image, after the temperature that suits these images. */
async function calibratedLosses(
  logits: Float32Array,
  labels: Int32Array,
  classes: number,
): Promise<Float64Array> {
  const temperature = await fitTemperature(logits, labels, classes);
  const probabilities = await probabilitiesOf(logits, classes, temperature);
  return Float64Array.from(
    labels,
    (label, row) => -Math.log(Math.max(probabilities[row * classes + label]!, 1e-12)),
  );
}

/** Mean over the classes of the means of their images. */
function balancedMean(values: Float64Array, labels: Int32Array, classes: number): Estimate {
  const sums = new Float64Array(classes);
  const squares = new Float64Array(classes);
  const counts = new Float64Array(classes);
  for (const [row, label] of labels.entries()) {
    sums[label]! += values[row]!;
    squares[label]! += values[row]! ** 2;
    counts[label]! += 1;
  }
  let [mean, variance, present] = [0, 0, 0];
  for (let label = 0; label < classes; label++) {
    const count = counts[label]!;
    if (count === 0) continue;
    const own = sums[label]! / count;
    mean += own;
    // Of one image nothing is known of the spread: as large as the mean.
    variance += (count > 1 ? (squares[label]! - count * own ** 2) / (count - 1) : own ** 2) / count;
    present += 1;
  }
  return { loss: mean / present, error: Math.sqrt(Math.max(0, variance)) / present };
}
