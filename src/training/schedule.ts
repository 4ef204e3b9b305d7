/** The learning rate of each batch. Pure functions. */

export const schedules = ['cosine', 'one-cycle', 'step', 'plateau', 'constant'] as const;

export interface Schedule {
  kind: (typeof schedules)[number];
  /** The largest. */
  learningRate: number;
  /** Batches of the whole run. */
  batches: number;
  /** Batches of the first rise, straight from 0; one-cycle has its own. */
  warmup: number;
  /** Batches of the run before it begins: those of the head of a pretrained network. Absent: none. */
  first?: number;
}

/** Of PyTorch's OneCycleLR: share of the rise, where it begins and where it ends. */
const ONE_CYCLE = { rise: 0.3, first: 1 / 25, last: 1 / 25e4 };

/** A tenth at half of the run and again at three quarters, as He et al. (2016) trained on CIFAR-10. */
const STEPS = { at: [0.5, 0.75], factor: 0.1 };

/**
 * The rate before any factor for trouble or a plateau.
 * @param batch from 0
 * @param share of the run that is done, 0 to 1, where it is bounded by time rather than by batches
 */
export function learningRateAt(schedule: Schedule, batch: number, share?: number): number {
  const { kind, learningRate, batches, warmup } = schedule;
  if (kind === 'one-cycle') {
    const [last, top] = [Math.max(1, batches - 1), Math.max(0, ONE_CYCLE.rise * batches - 1)];
    return learningRate * (share === undefined ? oneCycle(batch / last, top / last) : oneCycle(share));
  }
  if (batch < warmup) return (learningRate * (batch + 1)) / warmup;
  if (kind === 'cosine') {
    const progress = share ?? (batch - warmup) / Math.max(1, batches - warmup);
    return learningRate * cosine(1, 0, progress);
  }
  if (kind === 'step') {
    const done = share ?? batch / batches;
    return learningRate * STEPS.factor ** STEPS.at.filter((at) => done >= at).length;
  }
  return learningRate;
}

function oneCycle(progress: number, rise = ONE_CYCLE.rise): number {
  const { first, last } = ONE_CYCLE;
  return progress < rise
    ? cosine(first, 1, progress / rise)
    : cosine(1, last, (progress - rise) / (1 - rise));
}

/** Half a cosine from one value to another. */
function cosine(from: number, to: number, progress: number): number {
  return to + ((from - to) * (1 + Math.cos(Math.PI * Math.min(1, progress)))) / 2;
}
