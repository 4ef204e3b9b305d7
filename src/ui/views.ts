/** What the dashboard shows below its head, one view at a time, as lines. */

import { count, duration, percent } from '../base/words.ts';
import { type DashboardState, type Message, recallsOf } from './live_state.ts';
import { stageBar } from './stages.ts';
import { axisOf } from './step_axis.ts';
import { chartLines, type NamedCurve } from './terminal_chart.ts';
import { bar, clock, folded, styled, toWidth } from './terminal_text.ts';

export const views = ['curves', 'classes', 'time', 'messages'] as const;
export type View = (typeof views)[number];

/** Of the view, in characters. */
interface Room {
  columns: number;
  rows: number;
}

/** At most `rows` lines. */
export function viewLines(view: View, state: DashboardState, room: Room): string[] {
  if (view === 'messages') return allMessages(state.messages, room);
  if (state.loss.train.points.length === 0) return preparing(state, room);
  if (view === 'classes') return classLines(state, room);
  return view === 'time' ? timeLines(state, room) : curveLines(state, room);
}

/** Stages that are shown at once. */
const MOST_STAGES = 6;

function preparing(state: DashboardState, room: Room): string[] {
  const stages = [...state.reading.values()].slice(-MOST_STAGES);
  const bars = stages.map((event) => ` ${stageBar(event, room.columns - 2)}`);
  const waiting = state.start ? ' Waiting for the first step ...' : ' Preparing ...';
  return filled(bars.length > 0 ? bars : [waiting], state, room);
}

/** Below lines that leave room: the last messages, in full where they fit. */
function filled(lines: string[], { messages }: DashboardState, { columns, rows }: Room): string[] {
  const below = rows - lines.length - 1;
  if (below <= 0) return lines;
  const whole = allMessages(messages, { columns, rows: below });
  return [...lines, '', ...Array<string>(below - whole.length).fill(''), ...whole];
}

/** Rows of messages and of a chart below the lines of a view; a chart has at least so many. */
const BELOW = 3;
const LEAST_CHART = 7;

/** Below lines that leave room for it a chart, and below that the last messages. */
function withChart(
  lines: string[],
  chart: (height: number) => string[],
  state: DashboardState,
  room: Room,
): string[] {
  const height = room.rows - lines.length - BELOW - 2;
  if (height < LEAST_CHART) return filled(lines, state, room);
  const messages = lastMessages(state.messages, { columns: room.columns, rows: BELOW });
  return [...lines, '', ...chart(height), '', ...messages];
}

/** From so many rows on there is room for blank lines and for more of everything. */
const ROOMY = { some: 16, much: 28 };

function curveLines(state: DashboardState, { columns, rows }: Room): string[] {
  const blank = rows >= ROOMY.some ? [''] : [];
  const recalls = recallLines(state, { columns, rows: rows >= ROOMY.much ? 4 : rows >= ROOMY.some ? 2 : 1 });
  const below = rows >= ROOMY.much ? 6 : rows >= ROOMY.some ? 3 : 2;
  const charts = chartRows(state, { columns, rows: rows - recalls.length - below - 2 * blank.length });
  return [
    ...charts,
    ...blank,
    ...recalls,
    ...blank,
    ...lastMessages(state.messages, { columns, rows: below }),
  ];
}

function chartRows(state: DashboardState, { columns, rows }: Room): string[] {
  const { loss, accuracy } = state;
  const width = Math.floor(columns / 2);
  const shape = { height: rows, ...axisOf(state) };
  const left = chartLines({
    ...{ ...shape, width, title: 'loss', limits: [0, Number.POSITIVE_INFINITY] },
    label: (value, span) => fixed(value, span < 0.2 ? 3 : 2),
    curves: [
      { points: loss.train.points, name: 'train', told: fixed(loss.train.last, 3) },
      { points: loss.validation.points, name: 'val', told: fixed(loss.validation.last, 3), marked: true },
    ],
  });
  const right = chartLines({
    ...{ ...shape, width: columns - width, title: 'balanced accuracy', limits: [0, 1] },
    label: shareLabel,
    curves: [
      { points: accuracy.train.points, name: 'train', told: percent(accuracy.train.last, 0) },
      {
        ...{ points: accuracy.validation.points, name: 'val' },
        ...{ told: percent(accuracy.validation.last), marked: true },
      },
    ],
  });
  return left.map((line, row) => line + right[row]!);
}

function fixed(value: number, decimals: number): string {
  return Number.isFinite(value) ? value.toFixed(decimals) : '–';
}

function shareLabel(value: number, span: number): string {
  return percent(value, span < 0.04 ? 1 : 0);
}

/** The longest name of a class that is shown in full beside the curves. */
const NAME_WIDTH = 16;

/** The recall of each class, as many as there is room for: else the lowest. */
function recallLines(state: DashboardState, { columns, rows }: Room): string[] {
  const recalls = recallsOf(state);
  if (recalls.length === 0) return [' recall  after the first epoch'];
  const { classNames } = state;
  const width = Math.min(NAME_WIDTH, Math.max(...classNames.map((name) => name.length)));
  const across = Math.max(1, Math.floor((columns - 9) / (width + 9)));
  const all = recalls.length <= across * rows;
  const shown = lowestFirst(recalls, across * rows).map(
    (k) => `${toWidth(classNames[k]!, width)} ${percent(recalls[k]!).padStart(6)}  `,
  );
  return Array.from({ length: Math.ceil(shown.length / across) }, (_, row) => {
    const head = row > 0 ? '' : all ? ' recall' : ' lowest';
    return head.padEnd(9) + shown.slice(row * across, (row + 1) * across).join('');
  });
}

/** The places of all values in their order, or of the lowest that there is room for. */
function lowestFirst(values: number[], room: number): number[] {
  const places = [...values.keys()];
  if (places.length <= room) return places;
  return places.sort((a, b) => values[a]! - values[b]!).slice(0, room);
}

function classLines(state: DashboardState, room: Room): string[] {
  const { columns, rows } = room;
  const { classNames, confusion } = state;
  const recalls = recallsOf(state);
  if (recalls.length === 0)
    return filled([' After the first epoch: how many of each class are recognised.'], state, room);
  const width = Math.min(24, Math.max(5, ...classNames.map((name) => name.length)));
  const shown = lowestFirst(recalls, recalls.length < rows ? rows : rows - 2);
  const barWidth = Math.max(6, Math.min(24, columns - width - 54));
  const head = ` ${'class'.padEnd(width)}   images  recall  ${' '.repeat(barWidth)}  taken for`;
  const lines = shown.map((k) => {
    const images = count(confusion[k]!.reduce((a, b) => a + b, 0)).padStart(7);
    const left = ` ${toWidth(classNames[k]!, width)}  ${images}  ${percent(recalls[k]!).padStart(6)}  `;
    const rest = takenFor(confusion[k]!, k, classNames);
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
    return { points, name, told: percent(last), marked: true };
  });
  return chartLines({
    ...{ ...axisOf(state), width: columns, height: rows, title: 'recall', limits: [0, 1] },
    ...{ label: shareLabel, curves },
  });
}

/** What the others of a class were taken for, the most frequent first. */
function takenFor(row: number[], own: number, names: string[]): string {
  const others = [...row.keys()].filter((k) => k !== own && row[k]! > 0).sort((a, b) => row[b]! - row[a]!);
  const told = others.slice(0, 3).map((k) => `${names[k]} ${count(row[k]!)}`);
  return told.join(', ') || '–';
}

const ACTIVITIES = {
  device: 'waiting for the device, as it should',
  data: 'waiting for images',
  host: 'everything between',
  validation: 'validation',
  saving: 'saving',
  reading: 'reading',
  paused: 'paused',
} as const;

function timeLines(state: DashboardState, room: Room): string[] {
  const { time, ended, start } = state;
  const { columns } = room;
  const activities = Object.keys(ACTIVITIES) as (keyof typeof ACTIVITIES)[];
  const shown = activities.filter((activity) => time[activity] > 0);
  const total = shown.reduce((sum, activity) => sum + time[activity], 0);
  const width = Math.min(40, columns - 66);
  const lines = shown.map((activity) => {
    const share = time[activity] / total;
    const left = ` ${ACTIVITIES[activity].padEnd(37)} ${percent(share).padStart(6)}  `;
    return `${left}${styled('cyan', bar(share, width))}  ${duration(time[activity])}`;
  });
  const advice = folded(ended?.advice ?? '', columns - 2).map((line) => ` ${line}`);
  const since = start?.resumed ? `step ${count(start.resumed.step)}` : 'the first step';
  const all = [styled('bold', ` Where the time went since ${since}`), ...lines, ...advice];
  return withChart(all, (height) => rateChart(state, { columns, rows: height }), state, room);
}

function rateChart(state: DashboardState, { columns, rows }: Room): string[] {
  const { points, last } = state.imageRate;
  return chartLines({
    ...{ ...axisOf(state), width: columns, height: rows, title: 'images a second' },
    ...{ limits: [0, Number.POSITIVE_INFINITY], label: (value) => count(value) },
    curves: [{ points, name: 'now', told: count(last) }],
  });
}

/** The last ones, a line each, with the time of the day; at the bottom. */
function lastMessages(messages: Message[], { columns, rows }: Room): string[] {
  const shown = rows > 0 ? messages.slice(-rows) : [];
  const lines = shown.map(
    ({ at, text }) => styled('dim', ` ${clock(at)} `) + toWidth(text, columns - 8).trimEnd(),
  );
  return [...Array(Math.max(0, rows - lines.length)).fill(''), ...lines];
}

/** The last ones in full. */
function allMessages(messages: Message[], { columns, rows }: Room): string[] {
  const lines = messages
    .slice(-rows)
    .flatMap(({ at, text }) =>
      folded(text, columns - 8).map((line, i) =>
        i === 0 ? styled('dim', ` ${clock(at)} `) + line : ' '.repeat(7) + line,
      ),
    );
  return lines.slice(-rows);
}

export function helpLines({ columns }: Room): string[] {
  const keys = [
    ['q', 'save and stop; --resume goes on. Twice: end at once'],
    ['p', 'pause, and resume'],
    ['v', `next view: ${views.join(', ')}`],
    ['?', 'this, and back'],
  ] as const;
  const about = [
    'Dim curves are training: means of the batches, with dropout and augmentation; their accuracy is the plain one.',
    'Bright curves are validation: a point an epoch.',
    '"CPU 90% busy" (or GPU): in 90% of the last seconds it computed, in the others it waited for images or for us.',
    'Ctrl-C is q. Closing the terminal is q as well.',
  ];
  return [
    ...keys.map(([key, what]) => ` ${styled('bold', key)}   ${what}`),
    ...about.flatMap((text) => ['', ...folded(text, columns - 2).map((line) => ` ${line}`)]),
  ];
}
