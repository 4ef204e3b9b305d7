/** Which images train and which validate: decided once, before any balancing. */
import { UserError } from '../base/errors.ts';
import type { Dataset } from './dataset.ts';
import { shuffle, Use } from './random.ts';

export interface Split {
  /** Positions in the data set, ascending. */
  train: Uint32Array;
  /** Positions in the data set, ascending. */
  val: Uint32Array;
  /** Images left out of training because their group is in the validation source. */
  dropped: number;
}

export interface SplitOptions {
  /** Share of each class to hold out, 0 to 1; not used when the data set has its own validation images. */
  fraction: number;
  seed: number;
}

/**
 * Splits class by class and by whole groups, so that no duplicate and no concept is on both sides. Of a class, the
 * images held out are as near to the fraction as its groups allow, and never none nor all of two groups or more.
 * @throws UserError when a side would be left without a class, or with nothing
 */
export async function splitDataset(
  dataset: Pick<Dataset, 'labels' | 'groups' | 'classNames' | 'validation'>,
  { fraction, seed }: SplitOptions,
): Promise<Split> {
  const { validation } = dataset;
  const held = validation ? marked(dataset, validation) : await drawn(dataset, fraction, seed);
  const train: number[] = [];
  const val: number[] = [];
  let dropped = 0;
  for (let position = 0; position < dataset.labels.length; position++) {
    const inGroup = held.has(dataset.groups[position]!);
    if (validation ? validation[position] === 1 : inGroup) val.push(position);
    else if (inGroup) dropped += 1;
    else train.push(position);
  }
  const split = { train: Uint32Array.from(train), val: Uint32Array.from(val), dropped };
  check(dataset, split);
  return split;
}

/** The groups of the images that came to validate. */
function marked({ groups }: Pick<Dataset, 'groups'>, validation: Uint8Array): Set<number> {
  return new Set(groups.filter((_, position) => validation[position] === 1));
}

/** Groups drawn by lot until each class has its share. */
async function drawn(
  { labels, groups, classNames }: Pick<Dataset, 'labels' | 'groups' | 'classNames'>,
  fraction: number,
  seed: number,
): Promise<Set<number>> {
  const sizes = classNames.map(() => new Map<number, number>());
  for (const [position, label] of labels.entries()) {
    const group = groups[position]!;
    sizes[label]!.set(group, (sizes[label]!.get(group) ?? 0) + 1);
  }
  const held = new Set<number>();
  for (const [label, size] of sizes.entries()) {
    const total = [...size.values()].reduce((sum, count) => sum + count, 0);
    const target = fraction * total;
    // A group of several classes may be held already.
    let count = [...size].reduce((sum, [group, images]) => sum + (held.has(group) ? images : 0), 0);
    // The last one stays for training, whatever the fraction.
    const order = await shuffle(Uint32Array.from(size.keys()), seed, Use.split, label);
    for (const group of order.subarray(0, -1)) {
      const next = count + size.get(group)!;
      if (held.has(group) || Math.abs(next - target) > Math.abs(count - target)) continue;
      held.add(group);
      count = next;
    }
    if (count === 0 && size.size > 1) held.add(smallest(size));
  }
  return held;
}

function smallest(sizes: Map<number, number>): number {
  return [...sizes].reduce((least, group) => (group[1] < least[1] ? group : least))[0];
}

function check(
  { classNames, labels, validation }: Pick<Dataset, 'classNames' | 'labels' | 'validation'>,
  split: Split,
) {
  const seen = (positions: Uint32Array) => new Set(Array.from(positions, (position) => labels[position]!));
  const [training, validating] = [seen(split.train), seen(split.val)];
  const missing = classNames.find((_, label) => !training.has(label));
  if (missing !== undefined) {
    throw new UserError(
      `Expected images of "${missing}" to train on, but all of them ${validation ? 'are in the validation source too' : 'were held out'}; add more of them`,
    );
  }
  const unseen = validation ? undefined : classNames.find((_, label) => !validating.has(label));
  if (unseen !== undefined) {
    throw new UserError(
      `Expected images of "${unseen}" to validate on, but it has too few that differ; add more of them, or use --val SOURCE`,
    );
  }
}
