/** What is said of one image. */

import { displayName } from '../base/class_names.ts';
import { percent } from '../base/words.ts';
import { answer, type Calibration } from '../metrics/calibration.ts';
import { type Hierarchy, lowestSure } from '../metrics/hierarchy.ts';

/** The answer for one file, or the reason why there is none. */
export type Prediction = ({ file: string } & Verdict) | { file: string; error: string };

/** The answer for one image. */
export interface Verdict {
  /** The guess, or "unsure" where that was asked for (`unsure: true`) and the guess is. */
  label: string;
  /** The class that is most likely right. */
  guess: string;
  /** Of the guess: 1 / classes to 1; counted from the threshold where the model has one. */
  certainty: number;
  /** Whether guesses of this certainty are too often wrong; see `unsureBelow` of a calibration. */
  unsure: boolean;
  /** The same in three steps: `some` below 80% certainty, `much` where it is unsure. */
  doubt: 'none' | 'some' | 'much';
  /**
   * Of a model whose classes are in groups, where no class is sure enough: the finest group that is ("a warbler").
   */
  group?: { level: string; name: string; probability: number };
  /** By class. */
  probabilities: Record<string, number>;
  /** Where that was asked for (`top`): the likeliest classes, with the names that people read. */
  top?: { label: string; name: string; probability: number }[];
}

/** How probabilities become a verdict. */
export interface Reading {
  classNames: readonly string[];
  calibration: Calibration;
  /** Whether doubtful images are labelled {@link UNSURE}. */
  unsure: boolean;
  /** How many of the likeliest classes are listed; absent: none. */
  top?: number | undefined;
  hierarchy?: Hierarchy | undefined;
}

/** The label of an image that the model can't tell, if asked to say so. */
const UNSURE = 'unsure';

/** @param probabilities [count, classes], calibrated; the verdict is on its row `row` */
export function verdictOf(reading: Reading, probabilities: Float64Array, row: number): Verdict {
  const { classNames, calibration, unsure, top } = reading;
  const { label: best, certainty } = answer(probabilities, classNames.length, row, calibration);
  const shares = probabilities.subarray(row * classNames.length, (row + 1) * classNames.length);
  const guess = classNames[best]!;
  const isUnsure = certainty < calibration.unsureBelow;
  const doubt = isUnsure ? 'much' : certainty < 0.8 ? 'some' : 'none';
  return {
    label: unsure && isUnsure ? UNSURE : guess,
    guess,
    certainty,
    unsure: isUnsure,
    doubt,
    ...groupOf(reading, shares, certainty),
    probabilities: Object.fromEntries(classNames.map((name, k) => [name, shares[k]!])),
    ...(top === undefined ? {} : { top: likeliest(classNames, shares, top) }),
  };
}

/** Where nothing was fitted. */
const SURE_FROM = 0.8;

function groupOf(
  { hierarchy, calibration: { sureFrom = SURE_FROM } }: Reading,
  shares: Float64Array,
  certainty: number,
): Pick<Verdict, 'group'> {
  if (!hierarchy || certainty >= sureFrom) return {};
  const answer = lowestSure(hierarchy, shares, sureFrom);
  if (!answer) return {};
  const { name, groups } = hierarchy[answer.level]!;
  return { group: { level: name, name: groups[answer.group]!, probability: answer.probability } };
}

function likeliest(classNames: readonly string[], shares: Float64Array, most: number): Verdict['top'] {
  return [...shares.keys()]
    .sort((a, b) => shares[b]! - shares[a]!)
    .slice(0, most)
    .map((k) => ({ label: classNames[k]!, name: displayName(classNames[k]!), probability: shares[k]! }));
}

/** What to say after the label of a verdict: its doubt, and the threshold if the guess is the smaller probability. */
export function doubtWords({ classNames, calibration, unsure }: Reading, verdict: Verdict): string {
  const { guess, doubt, probabilities } = verdict;
  const name = displayName(guess);
  const words = {
    none: '',
    some: ', probably',
    much: unsure ? `, perhaps ${name}` : ', but not at all sure',
  };
  // Else the bars would seem to say another thing.
  const isBelow =
    calibration.threshold !== undefined && probabilities[guess]! < Math.max(...Object.values(probabilities));
  const line = isBelow ? ` (${classNames[0]} begins at ${percent(calibration.threshold!)})` : '';
  return `${words[doubt]}${line}`;
}
