/** Comparing arrays of numbers, and how close is close enough. */

/** Passes where |actual - expected| <= absolute + relative * |expected|. */
export interface Tolerance {
  absolute: number;
  relative: number;
}

/** One operation in float32 against float64: a few roundings of sums of some hundred terms of size 1. */
export const operationTolerance: Tolerance = { absolute: 2e-5, relative: 1e-5 };

/** A whole forward and backward pass in float32: roundings of every layer, of gradients of size 0.01 to 1. */
export const passTolerance: Tolerance = { absolute: 2e-6, relative: 2e-5 };

/** Ten steps: Adam divides by the root of tiny second moments, so roundings of a gradient grow with each step. */
export const stepsTolerance: Tolerance = { absolute: 1e-5, relative: 5e-5 };

/**
 * A hundred steps with relu and max-pool: a rounding now and then decides on which side of a kink a value falls, and
 * from there two right runs part. Seen: 0.012 in a loss, 0.0075 in parameters. Smooth networks stay in stepsTolerance.
 */
export const kinkTolerance: Tolerance = { absolute: 0.03, relative: 0.03 };

/**
 * Central differences of float32 results: roundings of 1e-7 over steps of 0.001 and more, and the third derivative
 * times the square of the step.
 */
export const differenceTolerance: Tolerance = { absolute: 2e-4, relative: 2e-3 };

/**
 * Throws unless the arrays have one length, hold no NaN and agree everywhere.
 * @param what begins the message: "conv1.weight"
 */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { absolute, relative }: Tolerance,
  what = 'values',
): void {
  if (actual.length !== expected.length) {
    throw new Error(`${what}: expected ${expected.length} values, found ${actual.length}`);
  }
  let worst = -1;
  let excess = 0;
  for (let i = 0; i < expected.length; i++) {
    const wanted = expected[i]!;
    const found = actual[i]!;
    if (Number.isNaN(found) || Number.isNaN(wanted)) {
      throw new Error(`${what}[${i}]: expected ${wanted}, found ${found}`);
    }
    const over = found === wanted ? 0 : Math.abs(found - wanted) / (absolute + relative * Math.abs(wanted));
    if (over > Math.max(1, excess)) {
      worst = i;
      excess = over;
    }
  }
  if (worst >= 0) {
    throw new Error(
      `${what}[${worst}]: expected ${expected[worst]}, found ${actual[worst]}, ` +
        `${excess.toPrecision(3)} times what is allowed (${absolute} + ${relative} relative)`,
    );
  }
}

/** Throws unless the arrays are the same to the last bit. */
export function assertSame(actual: Float32Array, expected: Float32Array, what = 'values'): void {
  if (actual.length !== expected.length) {
    throw new Error(`${what}: expected ${expected.length} values, found ${actual.length}`);
  }
  const [found, wanted] = [actual, expected].map((values) => new Uint32Array(values.slice().buffer));
  const different = wanted!.findIndex((word, i) => word !== found![i]);
  if (different >= 0) {
    throw new Error(
      `${what}[${different}]: expected exactly ${expected[different]}, found ${actual[different]}`,
    );
  }
}
