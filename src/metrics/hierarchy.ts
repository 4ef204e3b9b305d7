/** Groups of classes, level above level: which group an image is of when its class can't be told. Pure functions. */
import { breather } from '../base/event_loop.ts';
import { type Interval, wilson } from './intervals.ts';

/** One level of groups: "genus". */
export interface Level {
  name: string;
  /** Names of the groups. */
  groups: string[];
  /** Of each class its group. */
  groupOf: number[];
}

/** From the finest level to the coarsest; each class is in one group of each. */
export type Hierarchy = Level[];

/** The group that an image is of. */
export interface GroupAnswer {
  level: number;
  group: number;
  /** The sum over its classes. */
  probability: number;
}

/** How often the likeliest group of a level is the right one. */
export interface LevelScore {
  name: string;
  groups: number;
  accuracy: number;
  /** 95%. */
  interval: Interval;
}

/** The likeliest group of a level. */
export function likeliestGroup({ groups, groupOf }: Level, shares: Float64Array): Omit<GroupAnswer, 'level'> {
  const sums = new Float64Array(groups.length);
  for (const [k, share] of shares.entries()) sums[groupOf[k]!]! += share;
  let group = 0;
  for (let g = 1; g < sums.length; g++) if (sums[g]! > sums[group]!) group = g;
  return { group, probability: sums[group]! };
}

/**
 * The answer at the lowest level whose likeliest group has at least the probability `from`; undefined where none has.
 * @param shares calibrated probabilities of the classes
 */
export function lowestSure(
  hierarchy: Hierarchy,
  shares: Float64Array,
  from: number,
): GroupAnswer | undefined {
  for (const [level, groups] of hierarchy.entries()) {
    const answer = likeliestGroup(groups, shares);
    if (answer.probability >= from) return { level, ...answer };
  }
  return undefined;
}

/**
 * How good the groups of a validation are, level by level.
 * @param probabilities [count, classes], calibrated
 */
export async function levelScores(
  hierarchy: Hierarchy,
  probabilities: Float64Array,
  labels: Int32Array,
  classes: number,
): Promise<LevelScore[]> {
  const breathe = breather();
  const right = hierarchy.map(() => 0);
  for (const [row, label] of labels.entries()) {
    const shares = probabilities.subarray(row * classes, (row + 1) * classes);
    for (const [level, one] of hierarchy.entries())
      if (likeliestGroup(one, shares).group === one.groupOf[label]) right[level]! += 1;
    if (row % 64 === 0) await breathe();
  }
  return hierarchy.map(({ name, groups }, level) => {
    const accuracy = right[level]! / labels.length;
    return { name, groups: groups.length, accuracy, interval: wilson(accuracy, labels.length) };
  });
}

/** Bounds that are tried; answers need not be surer than the last. */
const BOUNDS = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98];

/**
 * The lowest probability from which on an answer, of a class or else of its groups, is right as often as wanted.
 * @param wanted share of right answers
 */
export async function fitSureFrom(
  hierarchy: Hierarchy,
  probabilities: Float64Array,
  labels: Int32Array,
  { classes, wanted }: { classes: number; wanted: number },
): Promise<number> {
  const breathe = breather();
  const right = new Float64Array(BOUNDS.length);
  const answered = new Float64Array(BOUNDS.length);
  const levels = [classLevel(classes), ...hierarchy];
  for (const [row, label] of labels.entries()) {
    const shares = probabilities.subarray(row * classes, (row + 1) * classes);
    const answers = levels.map((level) => likeliestGroup(level, shares));
    const places = levels.map(({ groupOf }, i) => groupOf[label] === answers[i]!.group);
    for (const [i, from] of BOUNDS.entries()) {
      const level = answers.findIndex(({ probability }) => probability >= from);
      if (level < 0) continue;
      answered[i]! += 1;
      right[i]! += Number(places[level]);
    }
    if (row % 64 === 0) await breathe();
  }
  const found = BOUNDS.find((_, i) => right[i]! >= wanted * answered[i]! && answered[i]! > 0);
  return found ?? BOUNDS.at(-1)!;
}

function classLevel(classes: number): Level {
  const all = Array.from({ length: classes }, (_, k) => k);
  return { name: 'class', groups: all.map(String), groupOf: all };
}

/** What metadata say of a hierarchy; undefined where they say nothing that fits. */
export function parseHierarchy(text: string | undefined, classes: number): Hierarchy | undefined {
  if (text === undefined) return undefined;
  try {
    const found = JSON.parse(text) as Hierarchy;
    const fits = ({ name, groups, groupOf }: Level) =>
      typeof name === 'string' &&
      groups.every((group) => typeof group === 'string') &&
      groupOf.length === classes &&
      groupOf.every((group) => Number.isInteger(group) && group >= 0 && group < groups.length);
    return found.length > 0 && found.every(fits) ? found : undefined;
  } catch {
    return undefined;
  }
}
