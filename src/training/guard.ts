/** Whether a training step went wrong, judged by the steps before it; pure. */

/** What the guard knows; all of it is in a checkpoint. */
export interface GuardState {
  /** Of the learning rate: halved by each rollback. */
  factor: number;
  /** Batches that are left out, by their number over the whole run. */
  skipped: number[];
  rollbacks: number;
  /** Batches since the last rollback. */
  calm: number;
  /** Losses and gradient norms of the last batches. */
  losses: number[];
  norms: number[];
}

/** What is known of a step when it has ended. */
export interface StepValues {
  loss: number;
  gradientNorm: number;
  /** Of the batch. */
  images: number;
}

export function newGuard(): GuardState {
  return { factor: 1, skipped: [], rollbacks: 0, calm: 0, losses: [], norms: [] };
}

/** Batches that make up the recent range. */
const RECENT = 100;
/** With fewer there is no range yet. */
const LEAST = 20;
/**
 * A loss is out of range above so many times the worst of the recent ones, and of the loss of pure guessing; more for
 * small batches, where a single image that it is surely wrong about weighs much.
 */
const lossJump = (images: number) => 3 + 24 / images;
/** A loss is out of any range above so many times that of guessing. */
const LOSS_LIMIT = 50;
/** A gradient is out of range above so many times the largest of the recent ones, if its loss is the worst as well. */
const NORM_JUMP = 20;
/** After so many batches in peace a lowered learning rate is doubled again. */
const PEACE = 100;

/**
 * What is wrong with a step, in words; undefined when nothing is.
 * @param classes of the network: guessing has a loss of their natural logarithm
 */
export function trouble(guard: GuardState, { loss, gradientNorm, images }: StepValues, classes: number) {
  if (!Number.isFinite(loss)) return { kind: 'loss-not-finite', message: `the loss is ${loss}` } as const;
  if (Number.isNaN(gradientNorm))
    return { kind: 'gradient-not-finite', message: 'the gradient is no number' } as const;
  const guessing = Math.log(classes);
  if (loss > LOSS_LIMIT * guessing)
    return {
      kind: 'loss-jump',
      message: `the loss is ${loss.toPrecision(3)}, where guessing has ${guessing.toPrecision(3)}`,
    } as const;
  if (guard.losses.length < LEAST) return undefined;
  const worst = Math.max(...guard.losses);
  if (loss > lossJump(images) * Math.max(worst, guessing)) {
    const message = `the loss jumped to ${loss.toPrecision(3)}, where the worst of the last ${guard.losses.length} was ${worst.toPrecision(3)}`;
    return { kind: 'loss-jump', message } as const;
  }
  const largest = Math.max(...guard.norms);
  if (loss > worst && gradientNorm > NORM_JUMP * largest) {
    const message = `the gradient norm jumped to ${gradientNorm.toPrecision(3)}, where the largest of the last ${guard.norms.length} was ${largest.toPrecision(3)}`;
    return { kind: 'gradient-jump', message } as const;
  }
  return undefined;
}

/** Takes note of a step that went well. */
export function afterStep(guard: GuardState, { loss, gradientNorm }: Omit<StepValues, 'images'>): void {
  guard.losses.push(loss);
  // A float16 step that overflowed is left out by the loss scale and says nothing of the network.
  if (Number.isFinite(gradientNorm)) guard.norms.push(gradientNorm);
  if (guard.losses.length > RECENT) guard.losses.shift();
  if (guard.norms.length > RECENT) guard.norms.shift();
  guard.calm += 1;
  if (guard.factor < 1 && guard.calm >= PEACE) {
    guard.factor = Math.min(1, 2 * guard.factor);
    guard.calm = 0;
  }
}

/** What the guard knows after going back: the past of the good state, and what is to be done otherwise this time. */
export function afterRollback(good: GuardState, bad: GuardState, batches: number[]): GuardState {
  return {
    ...structuredClone(good),
    factor: bad.factor / 2,
    skipped: [...new Set([...bad.skipped, ...batches])].sort((a, b) => a - b),
    rollbacks: bad.rollbacks + 1,
    calm: 0,
  };
}
