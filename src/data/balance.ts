/** Classes of unequal size: which images an epoch is made of, and how much each class weighs. */
import type { Dataset } from './dataset.ts';
import { shuffle, Use } from './random.ts';

/**
 * `undersample`: of each class as many as of the smallest, others each round; `oversample`: the smaller classes
 * repeated, of more than two classes at most ten times; `weights` and `none`: every image once.
 */
export type Balance = 'undersample' | 'oversample' | 'weights' | 'none';

export interface OrderOptions {
  balance: Balance;
  seed: number;
  /** Counts the draws, from 0. */
  round: number;
}

/**
 * The positions of one round in the order they are trained on. Undersampling goes through a large class without
 * repeating an image before it starts over.
 * @param train positions in the data set
 */
export async function epochOrder(
  { labels, classNames }: Pick<Dataset, 'labels' | 'classNames'>,
  train: Uint32Array,
  { balance, seed, round }: OrderOptions,
): Promise<Uint32Array> {
  if (balance === 'weights' || balance === 'none') return shuffle(train, seed, Use.order, round);
  const classes = membersOf(labels, train, classNames.length);
  const sizes = classes.map((members) => members.length).filter((size) => size > 0);
  const size = sizes.reduce((a, b) => (balance === 'undersample' ? Math.min(a, b) : Math.max(a, b)));
  const most = repeatsOf(classNames.length);
  const drawn = await Promise.all(
    classes.map((members, label) =>
      members.length === 0
        ? members
        : draw(members, Math.min(size, most * members.length), seed, Use.draw + label, round),
    ),
  );
  const all = new Uint32Array(drawn.reduce((sum, members) => sum + members.length, 0));
  let end = 0;
  for (const members of drawn) {
    all.set(members, end);
    end += members.length;
  }
  return shuffle(all, seed, Use.order, round);
}

/** The positions of each class, in their order. */
function membersOf(labels: Int32Array, positions: Uint32Array, classes: number): Uint32Array[] {
  const members = countClasses(labels, positions, classes).map((count) => new Uint32Array(count));
  const ends = new Uint32Array(classes);
  for (const position of positions) {
    const label = labels[position]!;
    members[label]![ends[label]!++] = position;
  }
  return members;
}

/**
 * How often an image may come in an epoch, and how much more than the mean a class's images may weigh: among many
 * classes some are of a few images, which would be learnt by heart. Of two classes the rarer one is the question.
 */
export function repeatsOf(classes: number): number {
  return classes > 2 ? MOST_REPEATS : Number.POSITIVE_INFINITY;
}

const MOST_REPEATS = 10;

/** `size` of the members, each as often as any other give or take one. */
async function draw(
  members: Uint32Array,
  size: number,
  seed: number,
  use: number,
  round: number,
): Promise<Uint32Array> {
  const drawn = new Uint32Array(size);
  const whole = Math.floor(size / members.length);
  for (let i = 0; i < whole; i++) drawn.set(members, i * members.length);
  const rest = size - whole * members.length;
  if (rest === 0) return drawn;
  // One shuffle serves as many rounds as it has shares of the size wanted.
  const shares = Math.floor(members.length / rest);
  const shuffled = await shuffle(members, seed, use, Math.floor(round / shares));
  const begin = (round % shares) * rest;
  drawn.set(shuffled.subarray(begin, begin + rest), whole * members.length);
  return drawn;
}

/** How many of each class are among the positions. */
export function countClasses(labels: Int32Array, positions: Uint32Array, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (const position of positions) counts[labels[position]!]! += 1;
  return counts;
}

/**
 * A weight a class, n / (K * n_c), so that each class weighs the same in the loss; 1 for a class without images. Of more
 * than two classes at most 10.
 */
export function classWeights(labels: Int32Array, train: Uint32Array, classes: number): number[] {
  const counts = countClasses(labels, train, classes);
  const most = repeatsOf(classes);
  return counts.map((count) => (count === 0 ? 1 : Math.min(most, train.length / (classes * count))));
}
