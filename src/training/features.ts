/** Features of the images of a data set: from the cache, the others through the network. */
import { createHash } from 'node:crypto';
import { FeatureCache } from '../data/cache/feature_cache.ts';
import type { Images } from '../data/images.ts';
import type { NativeSession } from '../model/addon.ts';
import type { Fit } from '../model/network.ts';

/** What turns images into features. */
export interface FeatureExtractor {
  /** Of the network. */
  name: string;
  /** What decides its numbers: weights, network, image size and fit. */
  key: string;
  /** Features of an image. */
  width: number;
  /** Images at a time, at most. */
  batchSize: number;
  /**
   * @param images uint8 [count, height, width, 3], not to be changed meanwhile
   * @returns float32 [count, width]
   */
  run(images: Uint8Array, count: number): Promise<Float32Array>;
}

/**
 * The layers of a session below its head.
 * @param values the parameters it holds, the head's two tensors last
 */
export function extractorOf(
  session: NativeSession,
  values: Float32Array,
  { name, imageSize, fit, batchSize }: { name: string; imageSize: number; fit: Fit; batchSize: number },
): FeatureExtractor {
  const weight = session.parameters.at(-2)!;
  const { buffer, byteOffset } = values;
  const backbone = new Uint8Array(buffer, byteOffset, weight.offset * 4);
  const hash = createHash('sha256').update(backbone).digest('hex');
  return {
    name,
    key: `${name} ${imageSize} ${fit} ${hash}`,
    width: weight.shape[1]!,
    batchSize,
    run: (images, count) => session.features(images, count),
  };
}

/** Every image is flipped, and nothing else is changed. */
const MIRRORED = {
  seed: 0,
  step: 0,
  flip: 1,
  shift: 0,
  brightnessProbability: 0,
  brightness: 0,
  contrastProbability: 0,
  contrast: 0,
};

export interface FeatureProgress {
  done: number;
  total: number;
  /** Of these, found in the cache. */
  cached: number;
  /** Why some of them can't be kept for the next run. */
  problem?: string;
}

export interface FeatureOptions {
  cacheDir: string;
  /** Of the images as in a mirror. */
  mirrored?: boolean;
  onProgress?: (progress: FeatureProgress) => void;
  signal?: AbortSignal | undefined;
}

/**
 * The features of the images at `positions`. What had to be computed is kept every 16 MB, so that an interrupted run
 * loses little; images of equal content are computed once.
 * @param contents sha256 (hex) of each image of the data set
 * @returns float32 [positions.length, width]
 * @throws the signal's reason when it is aborted
 */
export async function featuresOf(
  extractor: FeatureExtractor,
  images: Images,
  contents: string[],
  positions: Uint32Array,
  { cacheDir, mirrored = false, onProgress = () => {}, signal }: FeatureOptions,
): Promise<Float32Array> {
  const { width, batchSize } = extractor;
  const output = new Float32Array(positions.length * width);
  const cache = new FeatureCache(cacheDir, `${extractor.key}${mirrored ? ' mirrored' : ''}`, width);
  const ours = Array.from(positions, (position) => contents[position]!);
  const missing = await cache.read(ours, output);
  const cached = positions.length - missing.length;
  const rowOf = firstRows(missing, ours);
  const order = await images.arrange(
    Uint32Array.from(rowOf.values(), (row) => positions[row]!),
    0,
  );
  let done = cached;
  let problem: string | undefined;
  const report = () =>
    onProgress({ done, total: positions.length, cached, ...(problem === undefined ? {} : { problem }) });
  const block: { contents: string[]; features: Float32Array[] } = { contents: [], features: [] };
  const keep = async () => {
    if (block.contents.length === 0) return;
    // A full disk costs the next run time; this one has what it needs.
    await cache.add(block.contents, joined(block.features)).catch((error: Error) => {
      problem = `features can't be kept in ${cacheDir}: ${error.message}`;
    });
    block.contents = [];
    block.features = [];
  };
  const settle = async (batch: Uint32Array, features: Float32Array) => {
    for (const [i, position] of batch.entries()) {
      const row = rowOf.get(contents[position]!)!;
      output.set(features.subarray(i * width, (i + 1) * width), row * width);
      block.contents.push(contents[position]!);
    }
    block.features.push(features);
    done += batch.length;
    report();
    if (block.contents.length >= cache.rows) await keep();
  };
  report();
  try {
    let waiting: { positions: Uint32Array; features: Promise<Float32Array> } | undefined;
    for await (const batch of images.batches(order, {
      batchSize,
      signal,
      ...(mirrored ? { augmentation: MIRRORED } : {}),
    })) {
      const features = extractor.run(batch.images, batch.labels.length);
      // The rejection is handled where the promise is awaited.
      features.catch(() => {});
      const before = waiting;
      waiting = { positions: batch.positions, features };
      if (before) await settle(before.positions, await before.features);
    }
    if (waiting) await settle(waiting.positions, await waiting.features);
  } finally {
    await keep();
  }
  copyRepeats(missing, ours, rowOf, output, width);
  done = positions.length;
  report();
  return output;
}

/** Of each content its first row among the missing ones. */
function firstRows(missing: Uint32Array, contents: string[]): Map<string, number> {
  const rows = new Map<string, number>();
  for (const row of missing) if (!rows.has(contents[row]!)) rows.set(contents[row]!, row);
  return rows;
}

function copyRepeats(
  missing: Uint32Array,
  contents: string[],
  rowOf: Map<string, number>,
  output: Float32Array,
  width: number,
): void {
  for (const row of missing) {
    const first = rowOf.get(contents[row]!)!;
    if (first !== row) output.copyWithin(row * width, first * width, (first + 1) * width);
  }
}

function joined(parts: Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let end = 0;
  for (const part of parts) {
    all.set(part, end);
    end += part.length;
  }
  return all;
}
