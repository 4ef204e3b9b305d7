/** What the network made of each image, time after time: a label that it never comes to believe may be wrong. */

/** The history of one image. */
export interface ImageLosses {
  /** In the data set. */
  position: number;
  meanLoss: number;
  lastLoss: number;
  times: number;
}

/** Fewer looks say nothing of a label. */
const LEAST_TIMES = 3;

/** Losses of the images of a data set, in twelve bytes an image. */
export class LossHistory {
  /** Sums, last ones and times of all images, in this order. */
  readonly #numbers: Float32Array;
  readonly #images: number;

  /** @param before the `numbers` of a history of the same images to go on with; begun anew where it is of others */
  constructor(images: number, before?: Float32Array) {
    this.#images = images;
    this.#numbers = before?.length === 3 * images ? before.slice() : new Float32Array(3 * images);
  }

  /** All that is known, float32 [3, images]: what a checkpoint keeps. */
  get numbers(): Float32Array {
    return this.#numbers.slice();
  }

  /**
   * @param positions in the data set
   * @param losses cross-entropy of the label of each, in nats; what is no number is not counted
   */
  add(positions: Uint32Array, losses: ArrayLike<number>): void {
    const [sums, last, times] = this.#rows();
    for (const [i, position] of positions.entries()) {
      const loss = losses[i]!;
      if (!Number.isFinite(loss)) continue;
      sums[position]! += loss;
      last[position] = loss;
      times[position]! += 1;
    }
  }

  /**
   * The images whose labels may be wrong, the likeliest first: looked at several times, and to the end with less trust
   * in the label than in a guess (a loss above that of equal probabilities).
   */
  suspects(classes: number, most: number): ImageLosses[] {
    const guessing = Math.log(classes);
    const [sums, last, looks] = this.#rows();
    const found: ImageLosses[] = [];
    for (const [position, times] of looks.entries()) {
      const [meanLoss, lastLoss] = [sums[position]! / times, last[position]!];
      if (times >= LEAST_TIMES && Math.min(meanLoss, lastLoss) > guessing)
        found.push({ position, meanLoss, lastLoss, times });
    }
    return found.sort((a, b) => b.meanLoss - a.meanLoss).slice(0, most);
  }

  #rows(): [Float32Array, Float32Array, Float32Array] {
    const row = (i: number) => this.#numbers.subarray(i * this.#images, (i + 1) * this.#images);
    return [row(0), row(1), row(2)];
  }
}
