/** The training images that are most like an image, as a network sees them. */

/** Features of images of a data set. */
export interface KnownFeatures {
  /** In the data set, of each row. */
  positions: Uint32Array;
  /** float32 [positions.length, width] */
  features: Float32Array;
  width: number;
  /** Number of training rows; they come first. */
  train: number;
}

/** A training image, and the cosine of the angle between its features and those of the image in question. */
export interface Neighbour {
  position: number;
  similarity: number;
}

/** @returns the `count` most similar training images, the most similar first; none for an image without features */
export function nearestImages(known: KnownFeatures, position: number, count: number): Neighbour[] {
  const { positions, features, width, train } = known;
  const row = positions.indexOf(position);
  if (row < 0) return [];
  const own = features.subarray(row * width, (row + 1) * width);
  const length = Math.hypot(...own);
  const all: Neighbour[] = [];
  for (let i = 0; i < train; i++) {
    if (i === row) continue;
    let [product, squares] = [0, 0];
    for (let j = 0; j < width; j++) {
      const x = features[i * width + j]!;
      product += x * own[j]!;
      squares += x * x;
    }
    const similarity = product / Math.max(1e-12, length * Math.sqrt(squares));
    if (all.length < count || similarity > all.at(-1)!.similarity) {
      all.push({ position: positions[i]!, similarity });
      all.sort((a, b) => b.similarity - a.similarity);
      all.length = Math.min(all.length, count);
    }
  }
  return all;
}
