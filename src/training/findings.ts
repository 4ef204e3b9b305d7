/** What a validation shows besides its metrics: how sure to be of answers, and which images are worth a look. */

import {
  answer,
  type Calibration,
  type CalibrationReport,
  calibrate,
  probabilitiesOf,
  WANTED_RIGHT,
} from '../metrics/calibration.ts';
import { fitSureFrom, type Hierarchy, type LevelScore, levelScores } from '../metrics/hierarchy.ts';
import type { ImageLosses } from '../metrics/image_losses.ts';
import { softmax } from '../metrics/metrics.ts';
import { type RankingCurve, rankingCurve, thinCurve } from '../metrics/ranking_curve.ts';
import type { Neighbour } from './nearest.ts';
import type { EvaluatedEvent } from './training_events.ts';

/** An answer to an image. */
export interface Chosen {
  /** In the data set. */
  position: number;
  /** Indexes into `classNames`. */
  truth: number;
  guess: number;
  certainty: number;
  /** Of a mistake: what spoke for the guess, in logits at each place, and the class that it was compared with. */
  heat?: { height: number; width: number; values: number[] };
  other?: number;
  /** The training images most like it. */
  nearest?: Neighbour[];
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
  /** Of many classes: those that are confused most often. */
  pairs?: PairPictures[];
  /** Of classes in groups: how often the likeliest group is the right one, the finest level first. */
  levels?: LevelScore[];
  /** Images whose labels may be wrong, of training and validation. */
  suspects: ImageLosses[];
}

/** Two classes that are confused, with images. */
export interface PairPictures {
  /** Indexes into `classNames`. */
  truth: number;
  guess: number;
  /** Images of `truth` that were taken for `guess`. */
  images: number;
  /** Positions of some of them in the data set, the most certain first. */
  mistaken: number[];
  /** An image of `guess` that was recognised; null where there is none. */
  example: number | null;
}

/** Of fewer classes the whole matrix is shown. */
const MANY_CLASSES = 20;
const MOST_PAIRS = 20;
const PICTURES_A_PAIR = 3;

/** Images of each kind; a gallery that goes on for ever is not looked at. */
export const MOST_PICTURES = 24;

/** Looks into a validation. */
export async function examine(
  evaluated: EvaluatedEvent,
  classes: number,
  hierarchy?: Hierarchy,
): Promise<Findings> {
  const event = thinned(evaluated, classes);
  const { epoch, step, isBest, logits, labels, history } = event;
  const calibration = await calibrate(logits, labels, classes);
  const levels = hierarchy && (await examineLevels(event, classes, hierarchy, calibration.temperature));
  if (levels) calibration.sureFrom = levels.sureFrom;
  const probabilities = softmax(logits, classes);
  const asked = classes === 2 ? 0 : leastFound(probabilities, labels, classes);
  return {
    type: 'findings',
    epoch,
    step,
    isBest,
    calibration,
    ranking: thinCurve(rankingCurve(probabilities, labels, classes, asked)),
    ...(await choosePictures(event, classes, calibration)),
    ...(levels ? { levels: levels.scores } : {}),
    suspects: await history.suspects(MOST_PICTURES),
  };
}

/** Probabilities at a time: of more rows than that some are looked at, at even distances. */
const MOST_PROBABILITIES = 2 ** 25;

function thinned(event: EvaluatedEvent, classes: number): EvaluatedEvent {
  const every = Math.ceil(event.logits.length / MOST_PROBABILITIES);
  if (every === 1) return event;
  const rows = [...event.labels.keys()].filter((row) => row % every === 0);
  const logits = new Float32Array(rows.length * classes);
  for (const [i, row] of rows.entries())
    logits.set(event.logits.subarray(row * classes, (row + 1) * classes), i * classes);
  return {
    ...event,
    logits,
    labels: Int32Array.from(rows, (row) => event.labels[row]!),
    positions: Uint32Array.from(rows, (row) => event.positions[row]!),
  };
}

async function examineLevels(
  { logits, labels }: EvaluatedEvent,
  classes: number,
  hierarchy: Hierarchy,
  temperature: number,
): Promise<{ scores: LevelScore[]; sureFrom: number }> {
  const probabilities = await probabilitiesOf(logits, classes, temperature);
  return {
    scores: await levelScores(hierarchy, probabilities, labels, classes),
    sureFrom: await fitSureFrom(hierarchy, probabilities, labels, { classes, wanted: WANTED_RIGHT }),
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
): Promise<Pick<Findings, 'mistakes' | 'unsure' | 'pairs'>> {
  const probabilities = await probabilitiesOf(logits, classes, calibration.temperature);
  const all = Array.from(labels, (truth, row): Chosen => {
    const { label, certainty } = answer(probabilities, classes, row, calibration);
    return { position: positions[row]!, truth, guess: label, certainty };
  });
  const wrong = all.filter(({ truth, guess }) => truth !== guess);
  return {
    mistakes: wrong.sort((a, b) => b.certainty - a.certainty).slice(0, MOST_PICTURES),
    ...(classes > MANY_CLASSES ? { pairs: pairPictures(wrong, all) } : {}),
    unsure: all.sort((a, b) => a.certainty - b.certainty).slice(0, MOST_PICTURES),
  };
}

/** @param wrong the most certain first */
function pairPictures(wrong: Chosen[], all: Chosen[]): PairPictures[] {
  const pairs = new Map<string, Chosen[]>();
  for (const one of wrong) {
    const key = `${one.truth} ${one.guess}`;
    const list = pairs.get(key);
    if (list) list.push(one);
    else pairs.set(key, [one]);
  }
  const surest = new Map<number, Chosen>();
  for (const one of all) {
    if (one.truth === one.guess && one.certainty > (surest.get(one.truth)?.certainty ?? 0))
      surest.set(one.truth, one);
  }
  return [...pairs.values()]
    .sort((a, b) => b.length - a.length)
    .slice(0, MOST_PAIRS)
    .map((images) => {
      const { truth, guess } = images[0]!;
      const mistaken = images.slice(0, PICTURES_A_PAIR).map(({ position }) => position);
      return { truth, guess, images: images.length, mistaken, example: surest.get(guess)?.position ?? null };
    });
}
