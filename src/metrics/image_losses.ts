/** What the network made of each image, time after time: a label that it never comes to believe may be wrong. */
import { breather } from '../base/event_loop.ts';

/** The history of one image. */
export interface ImageLosses {
  /** In the data set. */
  position: number;
  meanLoss: number;
  lastLoss: number;
  times: number;
}

/** The images that there is a history of. */
export interface LabelledImages {
  /** Of all images. */
  labels: Int32Array;
  classes: number;
  /** Positions of the validation images. */
  validation: Uint32Array;
  /** Whether training shows or weighs rare classes above their share. */
  balanced: boolean;
}

/** Images that are gone through before other work may go on. */
const IMAGES_A_TURN = 10_000;

/** Fewer looks say nothing of a label. */
const LEAST_TIMES = 3;

/** Losses of the images of a data set, in twelve bytes an image. */
export class LossHistory {
  readonly #images: LabelledImages;
  readonly #sums: Float32Array;
  readonly #last: Float32Array;
  readonly #times: Float32Array;

  /** @param before the `numbers` of an earlier history of the same images; ignored if the number of images differs */
  constructor(images: LabelledImages, before?: Float32Array) {
    const count = images.labels.length;
    const fits = before?.length === 3 * count;
    const row = (i: number) => (fits ? before.slice(i * count, (i + 1) * count) : new Float32Array(count));
    this.#images = images;
    [this.#sums, this.#last, this.#times] = [row(0), row(1), row(2)];
  }

  /** All that is known, float32 [3, images]: what a checkpoint keeps. */
  get numbers(): Float32Array {
    const count = this.#sums.length;
    const all = new Float32Array(3 * count);
    for (const [i, row] of [this.#sums, this.#last, this.#times].entries()) all.set(row, i * count);
    return all;
  }

  /**
   * @param positions in the data set
   * @param losses cross-entropy of each image's label, in nats; NaN is skipped
   */
  add(positions: Uint32Array, losses: ArrayLike<number>): void {
    for (let i = 0; i < positions.length; i++) {
      const [position, loss] = [positions[i]!, losses[i]!];
      if (!Number.isFinite(loss)) continue;
      this.#sums[position]! += loss;
      this.#last[position] = loss;
      this.#times[position]! += 1;
    }
  }

  /**
   * The images whose labels may be wrong, the likeliest first: looked at several times, and on the whole and at last
   * with less trust in the label than in a guess (a loss above that of equal probabilities).
   */
  async suspects(most: number): Promise<ImageLosses[]> {
    const breathe = breather();
    const { labels, classes, validation } = this.#images;
    const guessing = Math.log(classes);
    const rarity = this.#rarities();
    // The loss of training images falls with training, so training and validation images are ranked separately.
    const kinds = [0, 1].map((): Ranking => ({ seen: 0, worst: [] }));
    const kindOf = new Uint8Array(labels.length);
    for (const position of validation) kindOf[position] = 1;
    for (const [position, times] of this.#times.entries()) {
      if (position % IMAGES_A_TURN === 0) await breathe();
      if (times < LEAST_TIMES) continue;
      const kind = kinds[kindOf[position]!]!;
      const [meanLoss, lastLoss] = [this.#sums[position]! / times, this.#last[position]!];
      kind.seen += 1;
      if (Math.min(meanLoss, lastLoss) <= guessing) continue;
      const image = { position, meanLoss, lastLoss, times };
      keepWorst(kind.worst, { image, doubt: meanLoss + rarity[labels[position]!]! }, most);
    }
    return kinds
      .flatMap(({ seen, worst }) => worst.map(({ image }, rank) => ({ image, place: (rank + 0.5) / seen })))
      .sort((a, b) => a.place - b.place)
      .slice(0, most)
      .map(({ image }) => image);
  }

  /**
   * What is added to the losses of each class. Balanced training takes all classes for equally frequent; of two labels
   * that it doubts alike that of the rarer class is likelier wrong, by Bayes' rule with the shares that the classes
   * have (Saerens, Latinne and Decaestecker 2002).
   */
  #rarities(): number[] {
    const { labels, classes, balanced } = this.#images;
    const counts = new Array<number>(classes).fill(0);
    for (const label of labels) counts[label]! += 1;
    return counts.map((count) => (balanced ? Math.log(labels.length / Math.max(1, count)) : 0));
  }
}

interface Doubted {
  image: ImageLosses;
  doubt: number;
}

interface Ranking {
  /** Images looked at several times, doubted or not. */
  seen: number;
  worst: Doubted[];
}

function keepWorst(worst: Doubted[], one: Doubted, most: number): void {
  if (worst.length === most && one.doubt <= worst[most - 1]!.doubt) return;
  const place = worst.findIndex(({ doubt }) => doubt < one.doubt);
  worst.splice(place < 0 ? worst.length : place, 0, one);
  if (worst.length > most) worst.pop();
}
