/** Watches a GPU while it trains: now and then, a few images predicted there and by the portable kernels as well. */

import { UserError } from '../base/errors.ts';
import type { Images } from '../data/images.ts';
import { largestDifference } from '../metrics/difference.ts';
import { loadAddon, type NativeSession, type SessionOptions } from '../model/addon.ts';
import type { Network } from '../model/network.ts';

export interface CanaryOptions {
  session: NativeSession;
  network: Network;
  images: Images;
  /** Validation images, as positions in the data set; a few of them are taken. */
  val: Uint32Array;
  /** The largest batch of the session. */
  batchSize: number;
  threads: number;
  precision: NonNullable<SessionOptions['precision']>;
  /** Steps from one check to the next; absent: at the end of each epoch. */
  every: number | undefined;
}

export interface Canary {
  isDue(step: number, epochEnds: boolean): boolean;
  /** @throws CanaryError when the device has computed something else than the portable kernels */
  check(step: number): Promise<void>;
  dispose(): Promise<void>;
}

/** The device computes wrong numbers, so training on it is stopped. */
export class CanaryError extends UserError {}

const IMAGES = 8;
/** Largest difference of logits on the scale of the largest: sums in another order; float16 has three digits. */
const TOLERANCE = { fp32: 2e-3, fp16: 5e-2 };

/** Takes its images and opens a small portable session; `dispose` frees it. */
export async function openCanary(options: CanaryOptions): Promise<Canary> {
  const { session, network, val, batchSize, threads, precision, every } = options;
  const count = Math.min(IMAGES, batchSize, val.length);
  const taken = Uint32Array.from({ length: count }, (_, i) => val[Math.floor((i * val.length) / count)]!);
  const { height, width } = options.images;
  const images = new Uint8Array(count * height * width * 3);
  await options.images.assemble(taken, images);
  const portable = await loadAddon().createSession({
    ...{ device: 'portable', network, seed: 0, batchSize: count, threads, optimizer: { kind: 'sgd' } },
  });
  return {
    isDue: (step, epochEnds) => (every === undefined ? epochEnds : step % every === 0),
    async check(step) {
      await portable.setParameters(await session.getParameters());
      const [found, expected] = await Promise.all([
        session.predict(images, count),
        portable.predict(images, count),
      ]);
      const { worst, at } = largestDifference(found, expected);
      // Where both are lost it is the network, and the trainer says so.
      const lost = ![...found, ...expected].some(Number.isFinite);
      if (worst <= TOLERANCE[precision] || lost) return;
      throw new CanaryError(
        `Expected the logits of the GPU within ${TOLERANCE[precision]} of the CPU's (of the largest of them), but at step ` +
          `${step} they are ${worst.toPrecision(3)} apart (logits${at}); the run is saved, but do not trust the weights of ` +
          'this device: run `npx birbs-metal doctor`, paste its table into an issue, and train with --device cpu',
      );
    },
    dispose: () => portable.dispose(),
  };
}
