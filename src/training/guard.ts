/** Detects bad training steps by comparing them with the steps before. Pure functions. */

/** The state of the guard; saved in checkpoints. */
export interface GuardState {
  /** Multiplies the learning rate; halved by each rollback. */
  factor: number;
  /** Skipped batches, by their number in the whole run. */
  skipped: number[];
  rollbacks: number;
  /** Batches since the last rollback. */
  calm: number;
  /** Losses of recent batches. */
  losses: number[];
  norms: number[];
}

/** The results of a step. */
export interface StepValues {
  loss: number;
  gradientNorm: number;
  /** Images in the batch. */
  images: number;
}

export function newGuard(): GuardState {
  return { factor: 1, skipped: [], rollbacks: 0, calm: 0, losses: [], norms: [] };
}

/** Number of recent batches that are compared with. */
const RECENT = 100;
/** With fewer batches, jumps are not detected yet. */
const LEAST = 20;
/**
 * A loss above this multiple of both the largest recent loss and the loss of guessing is a jump. The limit is higher for
 * small batches, where a single confidently wrong image weighs more.
 */
const lossJump = (images: number) => 3 + 24 / images;
/** A loss above this multiple of the loss of guessing always counts as a jump. */
const LOSS_LIMIT = 50;
/** A gradient norm above this multiple of the largest recent one is a jump, if the loss is the largest as well. */
const NORM_JUMP = 20;
/** After this many batches without a rollback, a lowered learning rate is doubled again. */
const CALM_BATCHES = 100;

/**
 * What is wrong with a step, as text; undefined if nothing is.
 * @param classes number of classes; guessing has a loss of ln(classes)
 */
export function trouble(guard: GuardState, { loss, gradientNorm, images }: StepValues, classes: number) {
  if (!Number.isFinite(loss)) return { kind: 'loss-not-finite', message: `the loss is ${loss}` } as const;
  if (Number.isNaN(gradientNorm))
    return { kind: 'gradient-not-finite', message: 'the gradient is NaN' } as const;
  const guessing = Math.log(classes);
  if (loss > LOSS_LIMIT * guessing)
    return {
      kind: 'loss-jump',
      message: `the loss is ${loss.toPrecision(3)}, while guessing gives ${guessing.toPrecision(3)}`,
    } as const;
  if (guard.losses.length < LEAST) return undefined;
  const worst = Math.max(...guard.losses);
  if (loss > lossJump(images) * Math.max(worst, guessing)) {
    const message = `the loss jumped to ${loss.toPrecision(3)}; the largest of the last ${guard.losses.length} was ${worst.toPrecision(3)}`;
    return { kind: 'loss-jump', message } as const;
  }
  const largest = Math.max(...guard.norms);
  if (loss > worst && gradientNorm > NORM_JUMP * largest) {
    const message = `the gradient norm jumped to ${gradientNorm.toPrecision(3)}; the largest of the last ${guard.norms.length} was ${largest.toPrecision(3)}`;
    return { kind: 'gradient-jump', message } as const;
  }
  return undefined;
}

/** Records a good step. */
export function afterStep(guard: GuardState, { loss, gradientNorm }: Omit<StepValues, 'images'>): void {
  guard.losses.push(loss);
  // A float16 step that overflowed is skipped by the loss scaling and says nothing about the network.
  if (Number.isFinite(gradientNorm)) guard.norms.push(gradientNorm);
  if (guard.losses.length > RECENT) guard.losses.shift();
  if (guard.norms.length > RECENT) guard.norms.shift();
  guard.calm += 1;
  if (guard.factor < 1 && guard.calm >= CALM_BATCHES) {
    guard.factor = Math.min(1, 2 * guard.factor);
    guard.calm = 0;
  }
}

/**
 * What the guard knows after a fault of the device: the same batches follow at the same rate, as it was none of their
 * doing.
 */
export function afterFault(good: GuardState, bad: GuardState): GuardState {
  const factor = bad.rollbacks === good.rollbacks ? good.factor : bad.factor;
  return { ...structuredClone(good), factor, skipped: [...bad.skipped], rollbacks: bad.rollbacks + 1 };
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
