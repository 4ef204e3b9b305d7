/** The view of classes: the recall of each, what it is taken for, and how recalls went. */
import { count, percent } from '../base/words.ts';
import { type ConfusedPair, classCounts, confusedPairs } from '../metrics/metrics.ts';
import { type DashboardState, recallsOf } from './live_state.ts';
import { axisOf } from './step_axis.ts';
import { chartLines, type NamedCurve } from './terminal_chart.ts';
import { bar, styled, toWidth } from './terminal_text.ts';
import { filled, longest, lowestFirst, NAME_WIDTH, type Room, shareLabel, withChart } from './view_space.ts';

export function classLines(state: DashboardState, room: Room): string[] {
  const { columns, rows } = room;
  const { classNames, validation } = state;
  const recalls = recallsOf(state);
  if (!validation || recalls.length === 0)
    return filled([' After the first epoch: how many of each class are recognised.'], state, room);
  const width = Math.min(24, longest(classNames, 5));
  const shown = lowestFirst(recalls, recalls.length < rows ? rows : rows - 2);
  const barWidth = Math.max(6, Math.min(24, columns - width - 54));
  const head = ` ${'class'.padEnd(width)}   images  recall  ${' '.repeat(barWidth)}  taken for`;
  const pairs = confusedPairs(validation);
  const lines = shown.map((k) => {
    const images = count(classCounts(validation, k).images).padStart(7);
    const left = ` ${toWidth(classNames[k]!, width)}  ${images}  ${percent(recalls[k]!).padStart(6)}  `;
    const rest = takenFor(pairs, k, classNames);
    const cut = toWidth(rest, columns - left.length - barWidth - 2).trimEnd();
    return `${left}${styled('cyan', bar(recalls[k]!, barWidth))}  ${cut}`;
  });
  const more = recalls.length - shown.length;
  const all = [styled('bold', head), ...lines, ...(more > 0 ? [` and ${more} with higher recalls`] : [])];
  // A single point is no curve.
  if (state.recalls[0].points.length < 2) return filled(all, state, room);
  return withChart(all, (height) => recallChart(state, { columns, rows: height }), state, room);
}

/** How the recalls went, epoch by epoch. */
function recallChart(state: DashboardState, { columns, rows }: Room): string[] {
  const names = state.classNames.length === 2 ? state.classNames : ['lowest', 'mean of all'];
  const curves = state.recalls.map(({ points, last }, i): NamedCurve => {
    const name = toWidth(names[i]!, Math.min(NAME_WIDTH, names[i]!.length));
    return { points, name, value: percent(last), marked: true };
  });
  return chartLines({
    ...axisOf(state),
    width: columns,
    height: rows,
    title: 'recall',
    limits: [0, 1],
    label: shareLabel,
    curves,
  });
}

/** What the others of a class were taken for, the most frequent first. */
function takenFor(pairs: ConfusedPair[], own: number, names: string[]): string {
  const others = pairs.filter(({ truth }) => truth === own);
  const shown = others.slice(0, 3).map(({ guess, images }) => `${names[guess]} ${count(images)}`);
  return shown.join(', ') || '–';
}
