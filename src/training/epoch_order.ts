/** Which images an epoch is made of. */
import { type Balance, epochOrder, repeatsOf } from '../data/balance.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Images } from '../data/images.ts';

/** An epoch should show this many images where there are enough. */
const IMAGES_AN_EPOCH = 1000;
/** And this many for each of the validation, which would else take much of the time. */
const IMAGES_A_VALIDATED = 2;

/**
 * How many fresh draws an epoch joins. Undersampling a rare class leaves few images a draw (on the demo 128 of 6,300):
 * epochs of a handful of steps would only validate. Never more images than there are, and of
 * many classes none more often than {@link repeatsOf} allows.
 * @param drawn images of a draw
 * @param images training images
 * @param validated images of the validation that follows each epoch
 */
export function roundsAnEpoch(
  balance: Balance,
  {
    drawn,
    images,
    validated,
    classes,
  }: { drawn: number; images: number; validated: number; classes: number },
): number {
  if (balance !== 'undersample') return 1;
  const least = Math.max(IMAGES_AN_EPOCH, IMAGES_A_VALIDATED * validated);
  const wanted = Math.min(Math.ceil(least / drawn), repeatsOf(classes));
  return Math.max(1, Math.min(wanted, Math.floor(images / drawn)));
}

/** The images to train on. */
export interface TrainingImages {
  images: Pick<Images, 'arrange'>;
  dataset: Pick<Dataset, 'labels' | 'classNames'>;
  /** Positions in the data set. */
  train: Uint32Array;
  balance: Balance;
  /** Draws an epoch is made of; see {@link roundsAnEpoch}. */
  rounds: number;
  seed: number;
}

/** The images of an epoch in training order. */
export async function epochPositions(training: TrainingImages, epoch: number): Promise<Uint32Array> {
  const { images, dataset, train, balance, rounds, seed } = training;
  const draws: Uint32Array[] = [];
  for (let round = (epoch - 1) * rounds; round < epoch * rounds; round++)
    draws.push(await epochOrder(dataset, train, { balance, seed, round }));
  const order = new Uint32Array(draws.reduce((sum, draw) => sum + draw.length, 0));
  draws.reduce((end, draw) => {
    order.set(draw, end);
    return end + draw.length;
  }, 0);
  return images.arrange(order, epoch);
}
