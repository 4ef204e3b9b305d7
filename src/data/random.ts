/** Shuffles that the seed decides, from the one generator of the native side. */
import { loadAddon } from '../model/addon.ts';

/** As `shuffle_stream` in native/philox.h; each use of it has its own 2^16th part. */
const SHUFFLE_STREAM = 1 << 16;

/** What a shuffle is for, so that no two share their random numbers. */
export const Use = { split: 0, order: 1, draw: 2, window: 2 ** 15 };

/**
 * The items in random order (Fisher and Yates).
 * @param step a class, a round: whatever counts the shuffles of one use
 */
export async function shuffle(
  items: Uint32Array,
  seed: number,
  use: number,
  step: number,
): Promise<Uint32Array> {
  const words = await loadAddon().philox(seed, SHUFFLE_STREAM + use, step, items.length);
  const shuffled = items.slice();
  for (let last = shuffled.length - 1; last > 0; last--) {
    const other = Math.floor((words[last]! * (last + 1)) / 2 ** 32);
    const kept = shuffled[last]!;
    shuffled[last] = shuffled[other]!;
    shuffled[other] = kept;
  }
  return shuffled;
}
