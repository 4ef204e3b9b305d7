/**
 * What the dashboard shows below its head, one view at a time.
 * @jsxRuntime automatic
 */
import { Box, Text } from 'ink';
import { stageBar } from '../run/stages.ts';
import { count, duration, percent } from '../run/words.ts';
import { chartLines } from './chart.ts';
import { type DashboardState, type Message, recallsOf } from './state.ts';

export const views = ['curves', 'classes', 'time', 'messages'] as const;
export type View = (typeof views)[number];

export interface ViewProps {
  state: DashboardState;
  /** Of the view, in characters. */
  columns: number;
  rows: number;
}

export function Body({ view, ...props }: ViewProps & { view: View }) {
  if (view === 'messages') return <Messages {...props} wrap="wrap" />;
  if (!props.state.start) return <Preparing {...props} />;
  if (view === 'classes') return <Classes {...props} />;
  return view === 'time' ? <Times {...props} /> : <Curves {...props} />;
}

/** Stages that are shown at once. */
const MOST_STAGES = 6;

function Preparing({ state, columns, rows }: ViewProps) {
  const stages = [...state.reading.values()].slice(-Math.min(MOST_STAGES, rows - 2));
  const bars = stages.length > 0 ? stages.map((event) => stageBar(event, columns - 2)) : ['Preparing ...'];
  return (
    <Box flexDirection="column">
      {bars.map((bar) => (
        <Text key={bar} wrap="truncate">{` ${bar}`}</Text>
      ))}
      <Text> </Text>
      <Messages state={state} columns={columns} rows={rows - bars.length - 1} />
    </Box>
  );
}

/** Above so many rows there is room for blank lines and more of everything. */
const ROOMY = { some: 16, much: 28 };

function Curves({ state, columns, rows }: ViewProps) {
  const blank = rows >= ROOMY.some ? 1 : 0;
  const recalls = recallLines(state, columns, rows >= ROOMY.much ? 4 : rows >= ROOMY.some ? 2 : 1);
  const messages = rows >= ROOMY.much ? 6 : rows >= ROOMY.some ? 3 : 2;
  const height = rows - recalls.length - messages - 2 * blank;
  return (
    <Box flexDirection="column">
      <Charts state={state} columns={columns} rows={height} />
      <Box flexDirection="column" marginTop={blank} marginBottom={blank}>
        {recalls.map((line) => (
          <Text key={line} wrap="truncate">
            {line}
          </Text>
        ))}
      </Box>
      <Messages state={state} columns={columns} rows={messages} />
    </Box>
  );
}

function Charts({ state, columns, rows }: ViewProps) {
  const { loss, accuracy, start } = state;
  const width = Math.floor(columns / 2);
  const shape = { height: rows, first: start!.resumed?.step ?? 0, last: lastStep(state) };
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
  return <Text wrap="truncate">{left.map((line, row) => line + right[row]!).join('\n')}</Text>;
}

/** Steps that the axis has at first. */
const FIRST_STEPS = 32;

/** The right edge: doubled as often as needed, up to the end of the run where that is known. */
function lastStep({ start, step }: DashboardState): number {
  const { epochs, stepsPerEpoch, resumed } = start!;
  const first = resumed?.step ?? 0;
  const whole = epochs === null ? Number.POSITIVE_INFINITY : epochs * stepsPerEpoch;
  return Math.min(whole, first + 2 ** Math.ceil(Math.log2(Math.max(FIRST_STEPS, step - first))));
}

/** The longest name of a class that is shown in full. */
const NAME_WIDTH = 16;

/** The recall of each class, as many as there is room for: else the lowest. */
function recallLines(state: DashboardState, columns: number, rows: number): string[] {
  const recalls = recallsOf(state);
  if (recalls.length === 0) return [' recall  after the first epoch'];
  const width = Math.min(NAME_WIDTH, Math.max(...state.classNames.map((name) => name.length)));
  const across = Math.max(1, Math.floor((columns - 9) / (width + 9)));
  const places = [...recalls.keys()];
  const all = places.length <= across * rows;
  if (!all) places.sort((a, b) => recalls[a]! - recalls[b]!);
  const items = places
    .slice(0, across * rows)
    .map((k) => `${toWidth(state.classNames[k]!, width)} ${percent(recalls[k]!).padStart(6)}  `);
  return Array.from({ length: Math.ceil(items.length / across) }, (_, row) => {
    const head = row > 0 ? '         ' : all ? ' recall  ' : ' lowest  ';
    return head + items.slice(row * across, (row + 1) * across).join('');
  });
}

/** Cut or filled to a width. */
export function toWidth(text: string, width: number): string {
  const room = Math.max(0, width);
  return text.length > room ? `${text.slice(0, Math.max(0, room - 1))}…` : text.padEnd(room);
}

/** A bar of so many characters. */
export function bar(share: number, width: number): string {
  const whole = Math.max(0, width);
  const full = Number.isFinite(share) ? Math.round(Math.min(1, Math.max(0, share)) * whole) : 0;
  return '█'.repeat(full) + '░'.repeat(whole - full);
}

/** The lowest recalls first where not all classes can be shown. */
function Classes({ state, columns, rows }: ViewProps) {
  const { classNames, confusion } = state;
  const recalls = recallsOf(state);
  if (recalls.length === 0)
    return <Text> After the first epoch: how many of each class are recognised.</Text>;
  const width = Math.min(24, Math.max(5, ...classNames.map((name) => name.length)));
  const places = [...recalls.keys()];
  const room = rows - 1;
  if (places.length > room) places.sort((a, b) => recalls[a]! - recalls[b]!).splice(room - 1);
  const barWidth = Math.max(6, Math.min(24, columns - width - 54));
  return (
    <Box flexDirection="column">
      <Text bold wrap="truncate">
        {` ${'class'.padEnd(width)}   images  recall  ${' '.repeat(barWidth)}  taken for`}
      </Text>
      {places.map((k) => (
        <Text key={k} wrap="truncate">
          {` ${toWidth(classNames[k]!, width)}  ${count(sum(confusion[k]!)).padStart(7)}  ${percent(recalls[k]!).padStart(6)}  `}
          <Text color="cyan">{bar(recalls[k]!, barWidth)}</Text>
          {`  ${takenFor(confusion[k]!, k, classNames)}`}
        </Text>
      ))}
      {places.length < classNames.length ? (
        <Text dimColor>{` and ${classNames.length - places.length} with higher recalls`}</Text>
      ) : null}
    </Box>
  );
}

function sum(values: number[]): number {
  return values.reduce((a, b) => a + b, 0);
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

function Times({ state, columns }: ViewProps) {
  const activities = Object.keys(ACTIVITIES) as (keyof typeof ACTIVITIES)[];
  const shown = activities.filter((activity) => state.time[activity] > 0);
  const total = sum(shown.map((activity) => state.time[activity]));
  const width = Math.min(40, columns - 66);
  return (
    <Box flexDirection="column">
      <Text bold> Where the time went since the first step</Text>
      {shown.map((activity) => (
        <Text key={activity} wrap="truncate">
          {` ${ACTIVITIES[activity].padEnd(37)} ${percent(state.time[activity] / total).padStart(6)}  `}
          <Text color="cyan">{bar(state.time[activity] / total, width)}</Text>
          {`  ${duration(state.time[activity])}`}
        </Text>
      ))}
      <Text> </Text>
      <Text wrap="wrap">{state.ended ? ` ${state.ended.advice}` : ''}</Text>
    </Box>
  );
}

/** The last ones, with the time of the day. */
function Messages({ state, columns, rows, wrap = 'truncate' }: ViewProps & { wrap?: 'truncate' | 'wrap' }) {
  return (
    <Box flexDirection="column" justifyContent="flex-end" height={Math.max(0, rows)} overflow="hidden">
      {state.messages.slice(-Math.max(1, rows)).map(({ at, text }, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: messages may repeat
        <Box key={i} flexShrink={0}>
          <Text dimColor>{` ${clock(at)} `}</Text>
          <Box width={columns - 8}>
            <Text wrap={wrap}>{text}</Text>
          </Box>
        </Box>
      ))}
    </Box>
  );
}

/** "03:12", in the time zone of this machine. */
export function clock(at: Message['at']): string {
  const date = new Date(at);
  return `${String(date.getHours()).padStart(2, '0')}:${String(date.getMinutes()).padStart(2, '0')}`;
}

const KEYS = [
  ['q', 'save and stop; --resume goes on. Twice: end at once'],
  ['p', 'pause, and go on'],
  ['v', `next view: ${views.join(', ')}`],
  ['?', 'this, and back'],
] as const;

export function Help() {
  return (
    <Box flexDirection="column" paddingX={1}>
      {KEYS.map(([key, what]) => (
        <Box key={key} gap={3}>
          <Text bold>{key}</Text>
          <Text>{what}</Text>
        </Box>
      ))}
      <Text> </Text>
      <Text>
        <Text dimColor>Dim</Text> is training: means of the batches, with dropout and augmentation; of their
        plain accuracy. <Text color="cyan">Bright</Text> is validation: a point an epoch.
      </Text>
      <Text> </Text>
      <Text>Ctrl-C is q. Closing the terminal is q as well.</Text>
    </Box>
  );
}
