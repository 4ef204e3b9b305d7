/** What differs between runs, from what they have kept. */
import { isDeepStrictEqual } from 'node:util';
import { digits } from '../base/words.ts';
import { kebab } from '../options.ts';
import type { FinishedRun } from './finished_run.ts';

/** An option and its value in each run. */
export interface OptionDifference {
  option: string;
  values: string[];
}

/** Where a run is kept and how it is shown: no reason for another result. */
const NO_REASON = new Set(
  'run resume force ui page pageFrom pageCommand cache cacheLimit lock updateLock verify checkpointMinutes rateGiven timed'.split(
    ' ',
  ),
);

/** Options that are not the same in all runs. */
export function differingOptions(runs: FinishedRun[]): OptionDifference[] {
  const names = new Set(runs.flatMap(({ description }) => Object.keys(description.options)));
  return [...names]
    .filter((name) => !NO_REASON.has(name))
    .map((name) => ({ name, values: runs.map(({ description }) => description.options[name]) }))
    .filter(({ values }) => values.some((value) => !isDeepStrictEqual(value, values[0])))
    .map(({ name, values }) => ({ option: `--${kebab(name)}`, values: values.map(words) }));
}

function words(value: unknown): string {
  if (value === undefined || value === null) return '–';
  if (Array.isArray(value)) return value.length === 0 ? '–' : value.join(', ');
  return typeof value === 'number' ? digits(value) : String(value);
}

/** What makes figures of runs hard to compare, as sentences. */
export function comparisonRemarks(runs: FinishedRun[]): string[] {
  const remarks: string[] = [];
  if (new Set(runs.map(({ results }) => results.classNames.join('\0'))).size > 1)
    remarks.push('They have different classes: their figures answer different questions.');
  else if (!haveSameValidation(runs))
    remarks.push(
      'They were validated on different images: differences of a few images may be luck of the draw.',
    );
  const unfinished = runs.filter(({ results }) => results.status !== 'done').map(({ name }) => name);
  if (unfinished.length > 0) remarks.push(`Not ended by themselves: ${unfinished.join(', ')}.`);
  return remarks;
}

const SPLIT = ['data', 'birds', 'notBirds', 'val', 'valFraction', 'seed'];

/** Whether the same images were held out, as far as options and data tell. */
export function haveSameValidation(runs: FinishedRun[]): boolean {
  const splits = runs.map(({ description: { options, data } }) => [
    data?.hash,
    ...SPLIT.map((name) => options[name]),
  ]);
  return splits.every((split) => isDeepStrictEqual(split, splits[0]));
}

/**
 * How likely it is that two models that are equally good differ as much on the images of which one is right and the
 * other wrong: the exact test of McNemar.
 * @param a images on which only the first is right; `b`: only the second
 */
export function chanceOfDifference(a: number, b: number): number {
  const all = a + b;
  if (all === 0) return 1;
  let probability = 0;
  for (let k = 0; k <= Math.min(a, b); k++) probability += Math.exp(logChoose(all, k) - all * Math.LN2);
  return Math.min(1, 2 * probability);
}

function logChoose(n: number, k: number): number {
  let sum = 0;
  for (let i = 1; i <= k; i++) sum += Math.log(n - k + i) - Math.log(i);
  return sum;
}
