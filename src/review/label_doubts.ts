/** Labels that other images contradict: each image is judged by a classifier that has not learned from it. */
import { softmax } from '../metrics/metrics.ts';
import { fitHead } from '../training/head.ts';

/** Parts of the images, each judged by what the others teach. */
const FOLDS = 5;
/** Fewer of a class teach nothing about it. */
const LEAST_OF_A_CLASS = 10;

export interface FeatureTable {
  /** float32 [images, width] */
  features: Float32Array;
  width: number;
  /** int32 [images], 0 to classes - 1 */
  labels: Int32Array;
  classes: number;
  /** Images of one group are judged together: near copies would vouch for each other. */
  groups: Int32Array;
}

/**
 * Images whose label gets less than a guess from a classifier that was fitted on the others (out of fold, as in
 * confident learning; Northcutt, Jiang and Chuang 2021).
 * @returns rows of the table, the least believed first
 */
export async function doubtedLabels(
  table: FeatureTable,
  { threads, signal }: { threads: number; signal: AbortSignal },
): Promise<number[]> {
  const { features, width, labels, classes, groups } = table;
  const counts = new Int32Array(classes);
  for (const label of labels) counts[label]! += 1;
  const rare = counts.map((count) => Number(count < LEAST_OF_A_CLASS));
  if (rare.includes(1)) return [];
  const doubted: { row: number; belief: number }[] = [];
  for (let fold = 0; fold < FOLDS; fold++) {
    const rows = [...labels.keys()];
    const held = rows.filter((row) => groups[row]! % FOLDS === fold);
    const others = rows.filter((row) => groups[row]! % FOLDS !== fold);
    if (held.length === 0 || new Set(others.map((row) => labels[row])).size < classes) continue;
    const order = [...others, ...held];
    const arranged = new Float32Array(order.length * width);
    for (const [i, row] of order.entries())
      arranged.set(features.subarray(row * width, (row + 1) * width), i * width);
    const data = {
      features: arranged,
      width,
      classes,
      train: others.length,
      labels: Int32Array.from(order, (row) => labels[row]!),
    };
    const { logits } = await fitHead(data, { balanced: true, threads, signal });
    const probabilities = softmax(logits, classes);
    for (const [i, row] of held.entries()) {
      const belief = probabilities[i * classes + labels[row]!]!;
      if (belief < 1 / classes) doubted.push({ row, belief });
    }
  }
  return doubted.sort((a, b) => a.belief - b.belief).map(({ row }) => row);
}
