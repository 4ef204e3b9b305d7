/** A comparison as lines for a terminal, and the words that its page shares with them. */
import { count, duration, percent } from '../base/words.ts';
import { chanceOfDifference, comparisonRemarks, differingOptions } from './comparison.ts';
import type { FinishedRun } from './finished_run.ts';
import { rightCounts, type SameImages } from './same_images.ts';

/** A comparison of runs. */
export interface Comparison {
  runs: FinishedRun[];
  /** Absent where they can't be asked about the same images; `remark` says why. */
  same?: SameImages | undefined;
  remark?: string | undefined;
}

export const COLUMNS = [
  'run',
  'network',
  'epochs',
  'balanced accuracy',
  '95%',
  'accuracy',
  'AUROC',
  'F1',
  'time',
];

/** A row for each run, in the order of `COLUMNS`. */
export function figures({ name, description, results }: FinishedRun): string[] {
  const { best, intervals, epochs, seconds } = results;
  const range = intervals?.best?.balancedAccuracy;
  return [
    name,
    String(description.options.network),
    count(epochs),
    ...(best
      ? [percent(best.balancedAccuracy), range ? `${percent(range[0])} to ${percent(range[1])}` : '–']
      : ['–', '–']),
    ...(best ? [percent(best.accuracy), percent(best.auroc), percent(best.f1)] : ['–', '–', '–']),
    duration(seconds),
  ];
}

/** Position of the run with the best balanced accuracy. */
export function bestOf(runs: FinishedRun[]): number {
  const scores = runs.map(({ results }) => results.best?.balancedAccuracy ?? -1);
  return scores.indexOf(Math.max(...scores));
}

/** Sentences on the images that all were asked about: of each other run against the best on them. */
export function sameImageSentences({ runs, same, remark }: Comparison): string[] {
  if (!same) return [`They were not asked about the same images: ${remark}.`];
  const { right, onlyFirst } = rightCounts(same.images, runs.length);
  const best = right.indexOf(Math.max(...right));
  const asked = count(same.images.length);
  const of = same.total > same.images.length ? ` of ${count(same.total)}` : '';
  return [
    `Asked about the same ${asked}${of} validation images of ${runs[0]!.name}: ${runs.map(({ name }, i) => `${name} is right on ${count(right[i]!)}`).join(', ')}.`,
    ...runs.flatMap(({ name }, i) => {
      if (i === best) return [];
      const [more, less] = [onlyFirst[best]![i]!, onlyFirst[i]![best]!];
      const chance = chanceOfDifference(more, less);
      const verdict =
        more + less === 0
          ? 'they are right on the same images'
          : `only ${runs[best]!.name} is right on ${count(more)}, only ${name} on ${count(less)}: ${chance < 0.05 ? 'more than luck' : 'it may be luck'} (p = ${chance.toFixed(chance < 0.1 ? 3 : 2)})`;
      return [`${runs[best]!.name} against ${name}: ${verdict}.`];
    }),
  ];
}

export function compareLines(comparison: Comparison): string[] {
  const { runs } = comparison;
  const options = differingOptions(runs);
  return [
    ...table([COLUMNS, ...runs.map(figures)]),
    '',
    ...comparisonRemarks(runs),
    ...sameImageSentences(comparison),
    '',
    ...(options.length === 0
      ? ['Their options are the same.']
      : table([
          ['option', ...runs.map(({ name }) => name)],
          ...options.map(({ option, values }) => [option, ...values]),
        ])),
  ];
}

const WIDEST = 40;

function table(rows: string[][]): string[] {
  const cut = rows.map((row) =>
    row.map((cell) => (cell.length > WIDEST ? `${cell.slice(0, WIDEST - 1)}…` : cell)),
  );
  const widths = cut[0]!.map((_, column) => Math.max(...cut.map((row) => row[column]!.length)));
  return cut.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd(),
  );
}
