/**
 * 95% confidence intervals of metrics for the given number of validation images, from counts alone.
 *
 * - Proportions (accuracy; precision and recall of a class): Wilson's score interval (Wilson 1927).
 * - F1 of a class: Wilson's interval of J = found / (images + guesses - found), of which F1 = 2J / (1 + J) (the
 *   "Wilson indirect" of Lam, Gopal and Qian 2023).
 * - AUROC: the score interval of Newcombe 2006, part 2, method 5, on the variance of Hanley and McNeil 1982. Unlike
 *   DeLong's it has a width where all images are sorted right: of 20 images that says little.
 * - Average precision: Wilson's interval with the images of the class as the count, after the binomial interval of
 *   Boyd, Eng and Page 2013.
 * - Means over classes (balanced accuracy, macro scores): the classes' intervals joined by MOVER (Zou and Donner 2008)
 *   as if independent, which recalls are and precisions nearly are; an error enters the F1, AUROC and average
 *   precision of two classes, so those are widened by the square root of 2.
 */
import { allCounts, type ClassCounts, type ClassScores, type Metrics } from './metrics.ts';

/** Lower and upper bound. */
export type Interval = [low: number, high: number];
/** A 95% interval for each metric. */
export type Intervals = Record<'accuracy' | 'balancedAccuracy' | keyof ClassScores, Interval> & {
  topFive?: Interval;
};

/** 97.5% of a normal distribution lie below. */
const Z = 1.959963984540054;

/** 95% confidence intervals of metrics. Each is within 0 to 1, and [0, 1] where there are no images. */
export function confidenceIntervals(metrics: Metrics): Intervals {
  const counts = allCounts(metrics);
  const total = counts.reduce((sum, { images }) => sum + images, 0);
  const classes = metrics.perClass.map((scores, k) => classIntervals(scores, counts[k]!, total));
  const joined = (name: keyof ClassScores, widening: number): Interval =>
    classes.length === 2
      ? classes[0]![name]
      : meanInterval(
          metrics.perClass.map((scores) => scores[name]),
          classes.map((intervals) => intervals[name]),
          widening,
        );
  const present = counts.filter(({ images }) => images > 0);
  return {
    accuracy: wilson(metrics.accuracy, total),
    ...(metrics.topFive === undefined ? {} : { topFive: wilson(metrics.topFive, total) }),
    balancedAccuracy: meanInterval(
      present.map(({ found, images }) => found / images),
      present.map(({ found, images }) => wilson(found / images, images)),
      1,
    ),
    precision: joined('precision', 1),
    recall: joined('recall', 1),
    f1: joined('f1', Math.SQRT2),
    auroc: joined('auroc', Math.SQRT2),
    averagePrecision: joined('averagePrecision', Math.SQRT2),
  };
}

/** Wilson's interval of a proportion seen in `count` trials. */
export function wilson(share: number, count: number): Interval {
  if (count === 0) return [0, 1];
  const weight = (Z * Z) / count;
  const middle = (share + weight / 2) / (1 + weight);
  const half = (Z * Math.sqrt((share * (1 - share)) / count + weight / (4 * count))) / (1 + weight);
  return [share === 0 ? 0 : middle - half, share === 1 ? 1 : middle + half];
}

function classIntervals(
  scores: ClassScores,
  { images, guesses, found }: ClassCounts,
  total: number,
): Record<keyof ClassScores, Interval> {
  const either = images + guesses - found;
  const [low, high] = wilson(either === 0 ? 0 : found / either, either);
  return {
    precision: wilson(scores.precision, guesses),
    recall: wilson(scores.recall, images),
    f1: [(2 * low) / (1 + low), (2 * high) / (1 + high)],
    auroc: aurocInterval(scores.auroc, images, total - images),
    averagePrecision: wilson(scores.averagePrecision, images),
  };
}

/** Lowest and highest true AUROC that what was seen does not speak against. */
function aurocInterval(seen: number, positives: number, negatives: number): Interval {
  if (positives === 0 || negatives === 0) return [0, 1];
  const more = (positives + negatives) / 2 - 1;
  const agrees = (truth: number) => {
    const variance =
      (truth * (1 - truth) * (1 + (more * (1 - truth)) / (2 - truth) + (more * truth) / (1 + truth))) /
      (positives * negatives);
    return (seen - truth) ** 2 <= Z * Z * variance;
  };
  return [seen === 0 ? 0 : farthest(seen, 0, agrees), seen === 1 ? 1 : farthest(seen, 1, agrees)];
}

/** The last value on the way that agrees, by halving. */
function farthest(from: number, to: number, agrees: (value: number) => boolean): number {
  let [good, bad] = [from, to];
  for (let i = 0; i < 50; i++) {
    const middle = (good + bad) / 2;
    if (agrees(middle)) good = middle;
    else bad = middle;
  }
  return good;
}

function meanInterval(values: number[], intervals: Interval[], widening: number): Interval {
  const share = 1 / values.length;
  const mean = values.reduce((a, b) => a + b, 0) * share;
  const reach = (side: 0 | 1) =>
    widening *
    share *
    Math.sqrt(intervals.reduce((sum, interval, k) => sum + (interval[side] - values[k]!) ** 2, 0));
  return [Math.max(0, mean - reach(0)), Math.min(1, mean + reach(1))];
}
