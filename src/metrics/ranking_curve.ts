/** Precision over recall and ROC of one class against all others, as the counts that both are drawn from. */
import { sortedScores } from './metrics.ts';

/** At each threshold, from above all scores down to the lowest. */
export interface RankingCurve {
  classIndex: number;
  /** Images of the class, and of the others. */
  positives: number;
  negatives: number;
  /** Images of the class, and of the others, that score at or above the threshold; both begin with 0. */
  found: number[];
  falsely: number[];
}

/**
 * A threshold at each score that occurs.
 * @param probabilities [count, classes]
 */
export function rankingCurve(
  probabilities: Float64Array,
  labels: Int32Array,
  classes: number,
  classIndex: number,
): RankingCurve {
  const scoreOf = (i: number) => probabilities[i * classes + classIndex]!;
  const own = sortedScores(scoreOf, labels.length, (i) => labels[i] === classIndex);
  const others = sortedScores(scoreOf, labels.length, (i) => labels[i] !== classIndex);
  const [found, falsely] = [[0], [0]];
  let [i, j] = [own.length, others.length];
  while (i > 0 || j > 0) {
    const score = Math.max(own[i - 1] ?? Number.NEGATIVE_INFINITY, others[j - 1] ?? Number.NEGATIVE_INFINITY);
    // Written so that a NaN, which is sorted to the end, ends the loops as well.
    while (i > 0 && !(own[i - 1]! < score)) i--;
    while (j > 0 && !(others[j - 1]! < score)) j--;
    found.push(own.length - i);
    falsely.push(others.length - j);
  }
  return { classIndex, positives: own.length, negatives: others.length, found, falsely };
}

/** Points that a drawing can show apart. */
const MOST_POINTS = 200;

/** Fewer thresholds, spread evenly along the ROC curve; the ends stay. */
export function thinCurve(curve: RankingCurve, most = MOST_POINTS): RankingCurve {
  const { positives, negatives, found, falsely } = curve;
  if (found.length <= most) return curve;
  const way = (i: number) => (found[i]! / positives + falsely[i]! / negatives) / 2;
  const kept = [...found.keys()].filter(
    (i) => i === 0 || Math.floor(way(i) * (most - 1)) > Math.floor(way(i - 1) * (most - 1)),
  );
  const at = (counts: number[]) => kept.map((i) => counts[i]!);
  return { ...curve, found: at(found), falsely: at(falsely) };
}
