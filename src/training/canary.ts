/** Watches a GPU while it trains: now and then, one whole step of a few images there and by the portable kernels. */

import { UserError } from '../base/errors.ts';
import type { Images } from '../data/images.ts';
import { loadAddon, type NativeSession, type SessionOptions } from '../model/addon.ts';
import { compareStep, mismatchInWords } from '../model/step_comparison.ts';

export interface CanaryOptions {
  session: NativeSession;
  /** What the session was opened with. */
  sessionOptions: SessionOptions;
  images: Images;
  /** Validation images, as positions in the data set; a few of them are taken. */
  val: Uint32Array;
  /** Steps from one check to the next; absent: at the end of each epoch. */
  every: number | undefined;
}

export interface Canary {
  isDue(step: number, epochEnds: boolean): boolean;
  /**
   * The session is as before afterwards; no step may be queued meanwhile.
   * @throws CanaryError when the device has computed something else than the portable kernels
   */
  check(step: number): Promise<void>;
  dispose(): Promise<void>;
}

/** The device computes wrong numbers, so training on it is stopped. */
export class CanaryError extends UserError {}

const IMAGES = 8;

/**
 * Of each image a class that is not the guess. The gradient of what the network is sure of is all rounding; that of what it
 * would never say is as large as any.
 */
function otherLabels(logits: Float32Array, count: number): Int32Array {
  const classes = logits.length / count;
  return Int32Array.from({ length: count }, (_, i) => {
    const row = logits.subarray(i * classes, (i + 1) * classes);
    return (row.indexOf(Math.max(...row)) + 1) % classes;
  });
}

/** Takes its images and opens a small portable session; `dispose` frees it. */
export async function openCanary(options: CanaryOptions): Promise<Canary> {
  const { session, sessionOptions, val, every } = options;
  const { precision = 'fp32', batchSize } = sessionOptions;
  const count = Math.min(IMAGES, batchSize, val.length);
  const taken = Uint32Array.from({ length: count }, (_, i) => val[Math.floor((i * val.length) / count)]!);
  const { height, width } = options.images;
  const images = new Uint8Array(count * height * width * 3);
  await options.images.assemble(taken, images);
  const portable = await loadAddon().createSession({
    ...sessionOptions,
    device: 'portable',
    precision: 'fp32',
    batchSize: count,
  });
  return {
    isDue: (step, epochEnds) => (every === undefined ? epochEnds : step % every === 0),
    async check(step) {
      // Where the weights are lost it is the network, and the trainer says so.
      if (!(await session.getParameters()).every(Number.isFinite)) return;
      const labels = otherLabels(await session.predict(images, count), count);
      const mismatch = await compareStep(session, portable, { images, labels }, precision);
      if (!mismatch) return;
      throw new CanaryError(
        `Expected the GPU to take the training step that the CPU takes, but at step ${step} ${mismatchInWords(mismatch)}; ` +
          'the run is saved, but do not trust the weights of this device: run `npx birbs-metal doctor`, paste its table ' +
          'into an issue, and train with --device cpu',
      );
    },
    dispose: () => portable.dispose(),
  };
}
