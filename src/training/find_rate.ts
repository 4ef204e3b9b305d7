/** Learning rate finder: a short training in which the rate grows with every step. */
import type { Images } from '../data/images.ts';
import type { NativeSession } from '../model/addon.ts';
import type { Ranks } from '../ranks/ranks.ts';

export interface RateSweep {
  points: { learningRate: number; loss: number; smoothed: number }[];
  /** Where the smoothed loss falls fastest; null where it never falls. */
  suggestion: number | null;
}

export interface SweepOptions {
  session: NativeSession;
  images: Images;
  /** Positions of the training images, in the order of an epoch; starts over when all were used. */
  order: Uint32Array;
  batchSize: number;
  signal?: AbortSignal | undefined;
  /** The processes that train together; absent: this one alone. */
  ranks?: Ranks | undefined;
}

const RATES = { first: 1e-6, last: 10, steps: 120 };
/** Of the moving average of the losses. */
const SMOOTHING = 0.9;
/** The sweep ends when the smoothed loss exceeds this multiple of its minimum. */
const DIVERGED = 4;
/** Points left out at both ends when the steepest is looked for: averages of few losses, and the way up. */
const MARGIN = 10;

/**
 * The learning-rate range test of Smith (2017): the rate grows exponentially from 1e-6 to 10, the loss is smoothed as
 * in Adam, and the suggestion is where it falls fastest over the logarithm of the rate. The session is left as it was.
 */
export async function findLearningRate(options: SweepOptions): Promise<RateSweep> {
  const { session } = options;
  const [values, optimizer] = await Promise.all([session.getParameters(), session.getOptimizerState()]);
  const points: RateSweep['points'] = [];
  let average = 0;
  let least = Number.POSITIVE_INFINITY;
  try {
    for await (const { images, labels, part } of endless(options)) {
      await options.ranks?.throwIfStopped(options.signal);
      const step = points.length;
      const learningRate = RATES.first * (RATES.last / RATES.first) ** (step / (RATES.steps - 1));
      const { loss } = await session.trainStep(images, labels, learningRate, part);
      average = SMOOTHING * average + (1 - SMOOTHING) * loss;
      const smoothed = average / (1 - SMOOTHING ** (step + 1));
      if (!Number.isFinite(smoothed)) break;
      points.push({ learningRate, loss, smoothed });
      least = Math.min(least, smoothed);
      if (smoothed > DIVERGED * least || points.length === RATES.steps) break;
    }
  } finally {
    await session.setParameters(values);
    await session.setOptimizerState(optimizer);
  }
  return { points, suggestion: steepest(points) };
}

async function* endless({ images, order, batchSize, signal, ranks }: SweepOptions) {
  const own = ranks ? { place: ranks } : { signal };
  for (;;) yield* images.batches(order, { batchSize, ...own });
}

/** The rate at the steepest fall before the least loss, over pieces of a few points. */
function steepest(points: RateSweep['points']): number | null {
  const least = points.reduce((best, { smoothed }, i) => (smoothed < points[best]!.smoothed ? i : best), 0);
  let [found, fall]: [number | null, number] = [null, 0];
  for (let i = MARGIN; i < least; i++) {
    const change = points[i]!.smoothed - points[Math.max(0, i - MARGIN / 2)]!.smoothed;
    if (change < fall) [found, fall] = [points[i]!.learningRate, change];
  }
  return found;
}
