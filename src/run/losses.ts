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

/** Losses of the images of a data set, in ten bytes an image. */
export class LossHistory {
  readonly #sums: Float32Array;
  readonly #last: Float32Array;
  readonly #times: Uint16Array;

  constructor(images: number) {
    this.#sums = new Float32Array(images);
    this.#last = new Float32Array(images);
    this.#times = new Uint16Array(images);
  }

  /** @param loss cross-entropy of its label; what is no number is not counted */
  add(position: number, loss: number): void {
    if (!Number.isFinite(loss) || this.#times[position] === 65_535) return;
    this.#sums[position]! += loss;
    this.#last[position] = loss;
    this.#times[position]! += 1;
  }

  /**
   * The images whose labels may be wrong, the likeliest first: looked at several times, and to the end with less trust
   * in the label than in a guess (a loss above that of equal probabilities).
   */
  suspects(classes: number, most: number): ImageLosses[] {
    const guessing = Math.log(classes);
    const found: ImageLosses[] = [];
    for (const [position, times] of this.#times.entries()) {
      const [meanLoss, lastLoss] = [this.#sums[position]! / times, this.#last[position]!];
      if (times >= LEAST_TIMES && Math.min(meanLoss, lastLoss) > guessing)
        found.push({ position, meanLoss, lastLoss, times });
    }
    return found.sort((a, b) => b.meanLoss - a.meanLoss).slice(0, most);
  }
}
