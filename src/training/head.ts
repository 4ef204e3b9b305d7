/** The head of a pretrained network: logistic regression on fixed features, its penalty chosen by validation. */
import { classWeights } from '../data/balance.ts';
import { calibrate, probabilitiesOf } from '../metrics/calibration.ts';
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
  /** float32 [train + validation, classes] */
  logits: Float32Array;
  /** What was tried, the strongest first: class-balanced log loss of the validation images, calibrated, in nats. */
  tried: { l2: number; loss: number; iterations: number }[];
}

/** Of the weights of standardised features, the strongest first: each fit begins where the one before ended. */
const PENALTIES = [3, 1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001];
/** Weaker penalties that bring nothing, one after the other, before no more are tried. */
const PATIENCE = 2;
/** Rows at a time, so that a copy of them stays small. */
const ROWS = 4096;

/**
 * Fits a head for each penalty and keeps the strongest whose calibrated log loss on the validation images is within one
 * standard error of the lowest (Breiman et al. 1984): of few images the lowest is mostly luck. A strong penalty ranks
 * well but is unsure of itself, which the temperature of the calibration puts right afterwards.
 * @param balanced whether all classes weigh the same, whatever their size
 * @throws the signal's reason when it is aborted
 */
export async function fitHead(
  data: HeadData,
  { balanced, threads, signal }: { balanced: boolean; threads: number; signal?: AbortSignal | undefined },
): Promise<Head> {
  const { features, width, labels, train, classes } = data;
  const positions = new Uint32Array(train).map((_, i) => i);
  const weightOfClass = balanced ? classWeights(labels, positions, classes) : undefined;
  const fits: (LinearClassifier & Estimate & { l2: number; iterations: number })[] = [];
  const lowest = () => fits.reduce((best, fit) => (fit.loss < best.loss ? fit : best));
  for (const l2 of PENALTIES) {
    signal?.throwIfAborted();
    const { weights, bias, iterations } = await loadAddon().fitClassifier(
      features.subarray(0, train * width),
      labels.subarray(0, train),
      { width, classes, l2, classWeights: weightOfClass, threads, start: fits.at(-1) },
    );
    const logits = await logitsOf({ weights, bias }, data, train);
    fits.push({
      weights,
      bias,
      l2,
      iterations,
      ...(await balancedLoss(logits, labels.subarray(train), classes)),
    });
    if (fits.length - 1 - fits.indexOf(lowest()) === PATIENCE) break;
  }
  const best = lowest();
  const { weights, bias, l2 } = fits.find(({ loss }) => loss <= best.loss + best.error)!;
  const tried = fits.map(({ l2, loss, iterations }) => ({ l2, loss, iterations }));
  return { weights, bias, l2, logits: await logitsOf({ weights, bias }, data, 0), tried };
}

/** float32 [rows from `first` on, classes] */
async function logitsOf(
  { weights, bias }: LinearClassifier,
  { features, width, classes }: Pick<HeadData, 'features' | 'width' | 'classes'>,
  first: number,
): Promise<Float32Array> {
  const rows = features.length / width;
  const logits = new Float32Array((rows - first) * classes);
  for (let row = first; row < rows; row += ROWS) {
    const count = Math.min(ROWS, rows - row);
    const x = { shape: [count, width], data: features.subarray(row * width, (row + count) * width) };
    const w = { shape: [classes, width], data: weights };
    const [y] = await loadAddon().runOperation('cpu', 'dense', [x, w, { shape: [classes], data: bias }], {});
    logits.set(y!.data, (row - first) * classes);
  }
  return logits;
}

/** A mean, and its standard error. */
interface Estimate {
  loss: number;
  error: number;
}

/** Mean over the classes of the mean log loss of their images, after the temperature that suits these images. */
async function balancedLoss(logits: Float32Array, labels: Int32Array, classes: number): Promise<Estimate> {
  const { temperature } = await calibrate(logits, labels, classes);
  const probabilities = await probabilitiesOf(logits, classes, temperature);
  const sums = new Float64Array(classes);
  const squares = new Float64Array(classes);
  const counts = new Float64Array(classes);
  for (const [row, label] of labels.entries()) {
    const loss = -Math.log(Math.max(probabilities[row * classes + label]!, 1e-12));
    sums[label]! += loss;
    squares[label]! += loss ** 2;
    counts[label]! += 1;
  }
  let [loss, variance, present] = [0, 0, 0];
  for (let label = 0; label < classes; label++) {
    const count = counts[label]!;
    if (count === 0) continue;
    const mean = sums[label]! / count;
    loss += mean;
    // Of one image nothing is known of the spread: as large as the mean.
    variance += (count > 1 ? (squares[label]! - count * mean ** 2) / (count - 1) : mean ** 2) / count;
    present += 1;
  }
  return { loss: loss / present, error: Math.sqrt(Math.max(0, variance)) / present };
}
