/** Which images are worth a look: from answers and losses; pure. */
import { answer, type Calibration, scaled } from '../run/calibration.ts';
import { softmax } from '../run/metrics.ts';
import { MOST_PICTURES } from './pictures.ts';

/** An image by its row in the evaluation, and the answer to it. */
export interface Chosen {
  row: number;
  truth: number;
  guess: number;
  certainty: number;
}

/**
 * The wrong answers that were most certain, and the least certain answers.
 * @param logits float32 [count, classes]
 */
export function choosePictures(
  logits: Float32Array,
  labels: Int32Array,
  classes: number,
  calibration: Pick<Calibration, 'temperature' | 'threshold'>,
): { mistakes: Chosen[]; unsure: Chosen[] } {
  const probabilities = softmax(scaled(logits, calibration.temperature), classes);
  const all = Array.from(labels, (truth, row): Chosen => {
    const { label, certainty } = answer(probabilities, classes, row, calibration);
    return { row, truth, guess: label, certainty };
  });
  const wrong = all.filter(({ truth, guess }) => truth !== guess);
  return {
    mistakes: wrong.sort((a, b) => b.certainty - a.certainty).slice(0, MOST_PICTURES),
    unsure: all.sort((a, b) => a.certainty - b.certainty).slice(0, MOST_PICTURES),
  };
}

/** What training noted of one image. */
export interface LossHistory {
  meanLoss: number;
  lastLoss: number;
  /** How often it was trained on. */
  times: number;
}

/** Fewer looks say nothing of a label. */
const LEAST_TIMES = 3;

/**
 * Indexes of the images whose labels may be wrong, the likeliest first: seen several times, and to the end with less
 * trust in the label than in a guess (a loss above that of equal probabilities).
 */
export function chooseSuspects(history: LossHistory[], classes: number): number[] {
  const guessing = Math.log(classes);
  return history
    .map((one, index) => ({ ...one, index }))
    .filter(
      ({ times, meanLoss, lastLoss }) => times >= LEAST_TIMES && Math.min(meanLoss, lastLoss) > guessing,
    )
    .sort((a, b) => b.meanLoss - a.meanLoss)
    .slice(0, MOST_PICTURES)
    .map(({ index }) => index);
}
