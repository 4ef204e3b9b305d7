/** How far two arrays are apart, on the scale of the expected one. */

export interface Difference {
  /** Largest |found - expected| over the largest |expected|; Infinity for NaN or another length. */
  worst: number;
  /** Where: "[17]: expected 0.25, found 0.26". */
  at: string;
}

/** Values that cancel to almost nothing are held against the largest beside them, as float32 can do no better. */
export function largestDifference(found: ArrayLike<number>, expected: ArrayLike<number>): Difference {
  if (found.length !== expected.length)
    return {
      worst: Number.POSITIVE_INFINITY,
      at: `: expected ${expected.length} values, found ${found.length}`,
    };
  let scale = 0;
  for (let i = 0; i < expected.length; i++) scale = Math.max(scale, Math.abs(expected[i]!));
  let [worst, index] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    const apart = Math.abs(found[i]! - expected[i]!) / (scale || 1);
    const size = Number.isNaN(apart) ? Number.POSITIVE_INFINITY : apart;
    if (size > worst) [worst, index] = [size, i];
  }
  return { worst, at: `[${index}]: expected ${expected[index]}, found ${found[index]}` };
}

/** The worst of several pairs, each by name. */
export function worstDifference(
  pairs: [name: string, found: ArrayLike<number>, expected: ArrayLike<number>][],
): Difference {
  const all = pairs.map(([name, found, expected]) => {
    const { worst, at } = largestDifference(found, expected);
    return { worst, at: `${name}${at}` };
  });
  return all.reduce((a, b) => (b.worst > a.worst ? b : a));
}
