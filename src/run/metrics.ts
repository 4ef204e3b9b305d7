/** What a model is worth: counted from logits and labels; pure. */

export interface Metrics {
  /** Mean softmax cross-entropy. */
  loss: number;
  accuracy: number;
  /** Mean over the classes of the share found; 1 / classes is chance, whatever the class sizes. */
  balancedAccuracy: number;
  /** Two classes: of class 0 (`bird`). More: the mean over the classes. */
  precision: number;
  recall: number;
  f1: number;
  /** Probability that an image of the class scores above one of another; ties count half. 0.5 where undefined. */
  auroc: number;
  /** `confusion[truth][guess]`, in the order of `classNames`. */
  confusion: number[][];
}

/**
 * All metrics of one evaluation.
 * @param logits float32 [count, classes]
 * @param labels int32 [count], each 0 to classes - 1; count at least 1
 */
export function computeMetrics(logits: Float32Array, labels: Int32Array, classes: number): Metrics {
  const count = labels.length;
  if (count === 0 || logits.length !== count * classes)
    throw new RangeError(
      `Expected ${classes} logits for each of 1 or more labels, found ${logits.length} for ${count}`,
    );
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  const probabilities = softmax(logits, classes);
  let loss = 0;
  for (let i = 0; i < count; i++) {
    const row = logits.subarray(i * classes, (i + 1) * classes);
    loss += logSumExp(row) - row[labels[i]!]!;
    confusion[labels[i]!]![argmax(row)]! += 1;
  }
  const positive = classes === 2 ? [0] : [...confusion.keys()];
  const score = (of: (k: number) => number) => mean(positive.map(of));
  return {
    loss: loss / count,
    accuracy: sum(confusion.map((row, k) => row[k]!)) / count,
    balancedAccuracy: balancedAccuracy(confusion),
    precision: score((k) => ratio(confusion[k]![k]!, sum(confusion.map((row) => row[k]!)))),
    recall: score((k) => ratio(confusion[k]![k]!, sum(confusion[k]!))),
    f1: score((k) => ratio(2 * confusion[k]![k]!, sum(confusion[k]!) + sum(confusion.map((row) => row[k]!)))),
    auroc: score((k) => auroc(column(probabilities, classes, k), labels, k)),
    confusion,
  };
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

/** Rows of logits to rows of probabilities. */
export function softmax(logits: Float32Array, classes: number): Float64Array {
  const result = new Float64Array(logits.length);
  for (let start = 0; start < logits.length; start += classes) {
    const norm = logSumExp(logits.subarray(start, start + classes));
    for (let i = start; i < start + classes; i++) result[i] = Math.exp(logits[i]! - norm);
  }
  return result;
}

/** Mann-Whitney: from the rank sum of the positives, equal scores sharing their mean rank. */
function auroc(scores: Float64Array, labels: Int32Array, positive: number): number {
  const order = Uint32Array.from(scores.keys()).sort((a, b) => scores[a]! - scores[b]!);
  let rankSum = 0;
  let positives = 0;
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && scores[order[to]!] === scores[order[from]!]) to++;
    for (let i = from; i < to; i++) {
      if (labels[order[i]!] !== positive) continue;
      positives += 1;
      rankSum += (from + 1 + to) / 2;
    }
    from = to;
  }
  const negatives = order.length - positives;
  if (positives === 0 || negatives === 0) return 0.5;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

function column(values: Float64Array, width: number, k: number): Float64Array {
  return Float64Array.from({ length: values.length / width }, (_, i) => values[i * width + k]!);
}

function logSumExp(row: Float32Array): number {
  const largest = row.reduce((a, b) => Math.max(a, b));
  return largest + Math.log(row.reduce((total, value) => total + Math.exp(value - largest), 0));
}

function argmax(row: Float32Array): number {
  let best = 0;
  for (let i = 1; i < row.length; i++) if (row[i]! > row[best]!) best = i;
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
