/** Whether an exported file answers as the network that it was made from. */
import { UserError } from '../base/errors.ts';
import { scaled } from '../metrics/calibration.ts';
import { softmax } from '../metrics/metrics.ts';
import type { ExportedModel, RunExported, WeightWidth } from './exported_model.ts';

/** How far a file may be from its network. Rounding is far below; a wrong layer, channel or size far above. */
const LIMITS: Record<WeightWidth, { logits: number; probabilities: number }> = {
  fp32: { logits: 1e-4, probabilities: 1e-4 },
  fp16: { logits: 2e-2, probabilities: 5e-3 },
};

/** The largest differences found. */
export interface Difference {
  /** Share of the largest logit; absent where the format gives no logits. */
  logits?: number;
  probabilities: number;
}

/**
 * @param run reads and computes what was written
 * @param images each uint8 [height, width, 3]; at least one
 * @param logits of the network for these images, float32 [images, classes]
 * @throws UserError when they differ by more than rounding explains
 */
export function compareExport(
  { network, calibration, width }: ExportedModel,
  run: RunExported,
  images: Uint8Array[],
  logits: Float32Array,
): Difference {
  const classes = network.classNames.length;
  const probabilities = softmax(scaled(logits, calibration.temperature), classes);
  const largest = logits.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);
  const found: Difference = { probabilities: 0 };
  for (const [i, pixels] of images.entries()) {
    const own = run(pixels);
    const row = <T extends Float32Array | Float64Array>(all: T) =>
      all.subarray(i * classes, (i + 1) * classes);
    found.probabilities = Math.max(found.probabilities, distance(own.probabilities, row(probabilities)));
    if (own.logits) found.logits = Math.max(found.logits ?? 0, distance(own.logits, row(logits)) / largest);
  }
  const limit = LIMITS[width];
  if (found.probabilities <= limit.probabilities && (found.logits ?? 0) <= limit.logits) return found;
  const advice =
    width === 'fp16'
      ? 'the weights lose too much in float16: export them with --weights fp32'
      : 'this is a mistake of birbs-metal; please report it';
  throw new UserError(
    `Expected the exported file to answer as the network does, but on ${images.length} images its probabilities differ by up to ${found.probabilities.toPrecision(2)} (allowed: ${limit.probabilities}), so it was not saved; ${advice}`,
  );
}

/** Infinite where the lengths differ or a number is NaN. */
function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let most = 0;
  for (let i = 0; i < a.length; i++) {
    const between = Math.abs(a[i]! - b[i]!);
    if (!(between <= most)) most = Number.isNaN(between) ? Number.POSITIVE_INFINITY : between;
  }
  return most;
}

/** Multiply-adds that a check may take: about a quarter of a second. */
const WORK = 3e8;

/** How many images to compare: fewer of a large network. */
export function imagesToCompare(multiplyAdds: number): number {
  return Math.min(16, Math.max(2, Math.floor(WORK / multiplyAdds)));
}

/** Images for a network whose own are out of reach: shapes in colours, on noise. Each uint8 [height, width, 3]. */
export function generatedImages(
  { height, width }: { height: number; width: number },
  count: number,
): Uint8Array[] {
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Array.from({ length: count }, () => {
    const [waves, angle, noise] = [1 + next() * 6, next() * 6.3, next() * 80];
    const colors = [next(), next(), next()];
    return Uint8Array.from({ length: height * width * 3 }, (_, i) => {
      const [y, x] = [Math.floor(i / 3 / width) / height, (Math.floor(i / 3) % width) / width];
      const wave = Math.sin(waves * (x * Math.cos(angle) + y * Math.sin(angle)) + 6.3 * colors[i % 3]!);
      return Math.max(0, Math.min(255, 127 + 100 * wave * colors[(i + 1) % 3]! + noise * (next() - 0.5)));
    });
  });
}
