/** What a validation shows besides its metrics: how sure to be of answers, and which images are worth a look. */

import {
  answer,
  type Calibration,
  type CalibrationReport,
  calibrate,
  probabilitiesOf,
} from '../metrics/calibration.ts';
import type { ImageLosses } from '../metrics/image_losses.ts';
import { softmax } from '../metrics/metrics.ts';
import { type RankingCurve, rankingCurve, thinCurve } from '../metrics/ranking_curve.ts';
import type { EvaluatedEvent } from './training_events.ts';

/** An answer to an image. */
export interface Chosen {
  /** In the data set. */
  position: number;
  /** Indexes into `classNames`. */
  truth: number;
  guess: number;
  certainty: number;
}

/** A line of the log: kept of the best epoch and of the last. */
export interface Findings {
  type: 'findings';
  epoch: number;
  step: number;
  isBest: boolean;
  calibration: CalibrationReport;
  /** Of the class in question: of two the first, of more the one that is found least. */
  ranking: RankingCurve;
  /** The wrong answers that were most certain, and the answers that were least. */
  mistakes: Chosen[];
  unsure: Chosen[];
  /** Images whose labels may be wrong, of training and validation. */
  suspects: ImageLosses[];
}

/** Images of each kind; a gallery that goes on for ever is not looked at. */
export const MOST_PICTURES = 24;

/** Looks into a validation. */
export async function examine(event: EvaluatedEvent, classes: number): Promise<Findings> {
  const { epoch, step, isBest, logits, labels, history } = event;
  const calibration = await calibrate(logits, labels, classes);
  const probabilities = softmax(logits, classes);
  const asked = classes === 2 ? 0 : leastFound(probabilities, labels, classes);
  return {
    ...{ type: 'findings', epoch, step, isBest, calibration },
    ranking: thinCurve(rankingCurve(probabilities, labels, classes, asked)),
    ...(await choosePictures(event, classes, calibration)),
    suspects: await history.suspects(MOST_PICTURES),
  };
}

/** The class with the lowest recall. */
function leastFound(probabilities: Float64Array, labels: Int32Array, classes: number): number {
  const [images, found] = [new Float64Array(classes), new Float64Array(classes)];
  for (const [row, label] of labels.entries()) {
    const scores = probabilities.subarray(row * classes, (row + 1) * classes);
    images[label]! += 1;
    if (scores.indexOf(Math.max(...scores)) === label) found[label]! += 1;
  }
  const present = [...images.keys()].filter((k) => images[k]! > 0);
  return present.reduce((a, b) => (found[b]! / images[b]! < found[a]! / images[a]! ? b : a));
}

/** @see Findings */
export async function choosePictures(
  { positions, logits, labels }: Pick<EvaluatedEvent, 'positions' | 'logits' | 'labels'>,
  classes: number,
  calibration: Pick<Calibration, 'temperature' | 'threshold'>,
): Promise<Pick<Findings, 'mistakes' | 'unsure'>> {
  const probabilities = await probabilitiesOf(logits, classes, calibration.temperature);
  const all = Array.from(labels, (truth, row): Chosen => {
    const { label, certainty } = answer(probabilities, classes, row, calibration);
    return { position: positions[row]!, truth, guess: label, certainty };
  });
  const wrong = all.filter(({ truth, guess }) => truth !== guess);
  return {
    mistakes: wrong.sort((a, b) => b.certainty - a.certainty).slice(0, MOST_PICTURES),
    unsure: all.sort((a, b) => a.certainty - b.certainty).slice(0, MOST_PICTURES),
  };
}
