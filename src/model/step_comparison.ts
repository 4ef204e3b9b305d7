/** Whether two sessions take the same training step from the same state, whole: forward, backward and update. */
import { largestDifference } from '../metrics/difference.ts';
import type { NativeSession, OptimizerState, ParameterInfo, SessionOptions } from './addon.ts';

export interface StepBatch {
  /** uint8 [labels.length, height, width, 3] */
  images: Uint8Array;
  labels: Int32Array;
}

/** What was further apart than it may be. */
export interface StepMismatch {
  /** "the gradient of conv1.weight" */
  what: string;
  /** Of the size of what was expected. */
  worst: number;
  allowed: number;
}

type Precision = NonNullable<SessionOptions['precision']>;
type What = 'loss' | 'logits' | 'gradient' | 'movement';

/**
 * Sums in another order part by less; a convolution that is wrong by 1 % parts by more. Weights move by the sign of
 * tiny gradients under Adam, which rounding may turn, so their movement has to agree in its bulk only. The gradient of a
 * first layer in float16 was seen to part by 0.1 behind batch norms.
 */
const ALLOWED: Record<Precision, Record<What, number>> = {
  fp32: { loss: 1e-3, logits: 2e-3, gradient: 5e-3, movement: 0.1 },
  fp16: { loss: 3e-2, logits: 5e-2, gradient: 0.5, movement: 0.8 },
};
/** A tensor of a smaller share of all is held against this share: what cancels is all rounding. */
const SMALLEST_SHARE: Record<Precision, number> = { fp32: 1e-4, fp16: 0.05 };
/** Smaller changes of a weight can't be distinguished from rounding. */
const ROUNDING = 1e-5;
const LEARNING_RATE = 1e-3;
/** Steps in which the loss scale of float16 may find its size. */
const SCALE_STEPS = 20;

/**
 * Takes one step on `ours` and on `theirs` from the state of `ours`, which has it back afterwards.
 * @param theirs the same network, optimizer and options, on the device that is trusted
 * @returns what is furthest apart beyond what it may be, or null
 */
export async function compareStep(
  ours: NativeSession,
  theirs: NativeSession,
  batch: StepBatch,
  precision: Precision = 'fp32',
): Promise<StepMismatch | null> {
  const { images, labels } = batch;
  const [values, state] = [await ours.getParameters(), await ours.getOptimizerState()];
  await theirs.restore(values, forFloat32(state));
  try {
    const [found, expected] = [await ours.gradients(images, labels), await theirs.gradients(images, labels)];
    // A batch norm hides a scale of the layer before it from a training step, but not from a prediction.
    const predicted = await Promise.all(
      [ours, theirs].map((session) => session.predict(images, labels.length)),
    );
    // Where the trusted one finds no numbers either, it is the network.
    if (!Number.isFinite(expected.loss)) return null;
    // An overflow of float16 makes a step that is skipped: no gradient to compare.
    const isSkipped = precision === 'fp16' && !Number.isFinite(found.gradientNorm);
    const share = SMALLEST_SHARE[precision];
    const after = await Promise.all([ours, theirs].map((session) => stepped(session, batch)));
    return worst(ALLOWED[precision], [
      { kind: 'loss', what: 'the loss', error: relative([found.loss], [expected.loss]) },
      { kind: 'logits', what: 'the logits', error: relative(found.logits, expected.logits) },
      { kind: 'logits', what: 'the prediction', error: relative(predicted[0]!, predicted[1]!) },
      ...(isSkipped
        ? []
        : [
            ...eachTensor(
              'gradient',
              'the gradient',
              ours.parameters,
              found.gradients,
              expected.gradients,
              share,
            ),
            ...compareMoved(ours.parameters, values, state, after[0]!, after[1]!, share),
          ]),
    ]);
  } finally {
    await ours.restore(values, state);
  }
}

/** As {@link compareStep}, of predictions alone; both have the same weights. */
export async function comparePredictions(
  ours: NativeSession,
  theirs: NativeSession,
  { images, labels }: StepBatch,
  precision: Precision = 'fp32',
): Promise<StepMismatch | null> {
  const [found, expected] = [
    await ours.predict(images, labels.length),
    await theirs.predict(images, labels.length),
  ];
  return worst(ALLOWED[precision], [
    { kind: 'logits', what: 'the prediction', error: relative(found, expected) },
  ]);
}

/** Steps until float16 has a loss scale that does not overflow; of float32 none. */
export async function settleScale(session: NativeSession, { images, labels }: StepBatch): Promise<void> {
  for (let step = 0; step < SCALE_STEPS; step++) {
    const { gradientNorm } = await session.trainStep(images, labels, 0);
    if (Number.isFinite(gradientNorm)) return;
  }
}

/** Of float32 there is no loss scale; skipped steps it has none either. */
function forFloat32({ step, skipped = 0, values }: OptimizerState): OptimizerState {
  return { step, skipped, values };
}

interface Moved {
  values: Float32Array;
  state: OptimizerState;
  logits: Float32Array;
}

async function stepped(session: NativeSession, { images, labels }: StepBatch): Promise<Moved> {
  await session.trainStep(images, labels, LEARNING_RATE);
  return {
    values: await session.getParameters(),
    state: await session.getOptimizerState(),
    logits: await session.predict(images, labels.length),
  };
}

interface Compared {
  kind: What;
  what: string;
  error: number;
}

/** What the step did to the weights, the running statistics and the moments, and the logits behind it. */
function compareMoved(
  parameters: ParameterInfo[],
  before: Float32Array,
  { values: moments }: OptimizerState,
  ours: Moved,
  theirs: Moved,
  share: number,
): Compared[] {
  const size = before.length;
  const sets = Array.from({ length: moments.length / size }, (_, set) => {
    const part = (values: Float32Array) => values.subarray(set * size, (set + 1) * size);
    const [start, found, expected] = [moments, ours.state.values, theirs.state.values].map(part);
    return eachTensor(
      'movement',
      `what the step did to moment ${set + 1}`,
      parameters,
      minus(found!, start!),
      minus(expected!, start!),
      share,
    );
  });
  const moved = eachTensor(
    'movement',
    'what the step did to',
    parameters,
    minus(ours.values, before),
    minus(theirs.values, before),
    share,
    before,
  );
  const logits = relative(ours.logits, theirs.logits);
  // They follow from weights that part a little.
  const follows: Compared = { kind: 'movement', what: 'the logits after the step', error: logits };
  return [...moved, ...sets.flat(), follows];
}

function minus(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, i) => value - b[i]!);
}

function relative(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  return largestDifference(found, expected).worst;
}

/** Each tensor's difference by its norm, on the scale of what was expected. */
function eachTensor(
  kind: What,
  prefix: string,
  parameters: ParameterInfo[],
  found: Float32Array,
  expected: Float32Array,
  share: number,
  weights?: Float32Array,
): Compared[] {
  const smallest = share * normOf(expected);
  return parameters.map(({ name, offset, size }) => {
    const part = (values: Float32Array) => values.subarray(offset, offset + size);
    const rounding = weights ? ROUNDING * normOf(part(weights)) : 0;
    const scale = Math.max(normOf(part(expected)), smallest, rounding, Number.MIN_VALUE);
    const error = normOf(minus(part(found), part(expected))) / scale;
    const what = prefix.startsWith('the ') ? `${prefix} of ${name}` : `${prefix} ${name}`;
    return { kind, what, error };
  });
}

function normOf(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value * value;
  return Math.sqrt(sum);
}

/** The one that exceeds what it may the most; NaN exceeds all. */
function worst(allowed: Record<What, number>, compared: Compared[]): StepMismatch | null {
  let [found, most]: [StepMismatch | null, number] = [null, 1];
  for (const { kind, what, error } of compared) {
    const size = Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
    if (size / allowed[kind] <= most) continue;
    [found, most] = [{ what, worst: size, allowed: allowed[kind] }, size / allowed[kind]];
  }
  return found;
}

/** "the loss is off by 0.01 of its size, where 0.001 may be" */
export function mismatchInWords({ what, worst, allowed }: StepMismatch): string {
  if (!Number.isFinite(worst)) return `${what} is no number`;
  return `${what} is off by ${worst.toPrecision(2)} of its size, where ${allowed} may be`;
}
