/** What the dashboard shows below its head, one view at a time, as lines. */

import { count, duration, percent } from '../base/words.ts';
import { type DashboardState, type Message, recallsOf } from './live_state.ts';
import { stageBar } from './stages.ts';
import { chartLines } from './terminal_chart.ts';
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
  if (!state.start) return preparing(state, room);
  if (view === 'classes') return classLines(state, room);
  return view === 'time' ? timeLines(state, room) : curveLines(state, room);
}

/** Stages that are shown at once. */
const MOST_STAGES = 6;

function preparing({ reading, messages }: DashboardState, { columns, rows }: Room): string[] {
  const stages = [...reading.values()].slice(-MOST_STAGES).map((event) => ` ${stageBar(event, columns - 2)}`);
  const bars = stages.length > 0 ? stages : [' Preparing ...'];
  const below = rows - bars.length - 1;
  return [...bars, '', ...lastMessages(messages, { columns, rows: below })];
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

function chartRows({ loss, accuracy, start, step }: DashboardState, { columns, rows }: Room): string[] {
  const width = Math.floor(columns / 2);
  const shape = { height: rows, last: lastStep(start!, step) };
  const tell = (value: number, decimals: number) => (Number.isFinite(value) ? value.toFixed(decimals) : '–');
  const left = chartLines({
    ...{ ...shape, width, title: 'loss', limits: [0, Number.POSITIVE_INFINITY] },
    label: (value, span) => tell(value, span < 0.2 ? 3 : 2),
    curves: [
      { points: loss.train.points, told: tell(loss.train.last, 3) },
      { points: loss.validation.points, told: tell(loss.validation.last, 3), marked: true },
    ],
  });
  const right = chartLines({
    ...{ ...shape, width: columns - width, title: 'balanced accuracy', limits: [0, 1] },
    label: (value, span) => percent(value, span < 0.04 ? 1 : 0),
    curves: [
      { points: accuracy.train.points, told: percent(accuracy.train.last, 0) },
      { points: accuracy.validation.points, told: percent(accuracy.validation.last), marked: true },
    ],
  });
  return left.map((line, row) => line + right[row]!);
}

/** Steps that the axis has at first. */
const FIRST_STEPS = 32;

/** The right edge: doubled as often as needed, up to the end of the run where that is known. */
function lastStep(start: NonNullable<DashboardState['start']>, step: number): number {
  const { epochs, stepsPerEpoch } = start;
  const whole = epochs === null ? Number.POSITIVE_INFINITY : epochs * stepsPerEpoch;
  return Math.min(whole, 2 ** Math.ceil(Math.log2(Math.max(FIRST_STEPS, step))));
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

function classLines(state: DashboardState, { columns, rows }: Room): string[] {
  const { classNames, confusion } = state;
  const recalls = recallsOf(state);
  if (recalls.length === 0) return [' After the first epoch: how many of each class are recognised.'];
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
  return [styled('bold', head), ...lines, ...(more > 0 ? [` and ${more} with higher recalls`] : [])];
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

function timeLines({ time, ended, start }: DashboardState, { columns }: Room): string[] {
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
  return [styled('bold', ` Where the time went since ${since}`), ...lines, '', ...advice];
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
    ['p', 'pause, and go on'],
    ['v', `next view: ${views.join(', ')}`],
    ['?', 'this, and back'],
  ] as const;
  const about = [
    'Dim curves are training: means of the batches, with dropout and augmentation; their accuracy is the plain one.',
    'Bright curves are validation: a point an epoch.',
    'Ctrl-C is q. Closing the terminal is q as well.',
  ];
  return [
    ...keys.map(([key, what]) => ` ${styled('bold', key)}   ${what}`),
    ...about.flatMap((text) => ['', ...folded(text, columns - 2).map((line) => ` ${line}`)]),
  ];
}
