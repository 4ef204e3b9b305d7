/**
 * The live view of a training: what it looks like.
 * @jsxRuntime automatic
 */
import { Box, Text, useInput } from 'ink';
import { count, duration, percent } from '../run/words.ts';
import { LEAST } from './fits.ts';
import type { DashboardState } from './state.ts';
import { Body, bar, clock, Help, toWidth, type View } from './views.tsx';

export interface DashboardProps {
  state: DashboardState;
  view: View;
  help: boolean;
  paused: boolean;
  stopping: boolean;
  /** Of the terminal, in characters. */
  columns: number;
  rows: number;
  onKey: (key: string) => void;
}

/** Rows of the head and of the keys. */
const HEAD_ROWS = 3;
const KEY_ROWS = 1;
/** From so many rows on, a blank one is left below the head and above the keys. */
const ROOMY = 20;

/** All of the screen. */
export function Dashboard(props: DashboardProps) {
  const { state, view, help, columns, rows, onKey } = props;
  useInput((input, key) => {
    // What is typed fast comes at once.
    for (const one of key.ctrl && input === 'c' ? ['\x03'] : input === '' ? ['other'] : input) onKey(one);
  });
  if (columns < LEAST.columns || rows < LEAST.rows) return <Small {...props} />;
  const blank = rows >= ROOMY ? 1 : 0;
  const body = rows - HEAD_ROWS - KEY_ROWS - 2 * blank;
  return (
    <Box flexDirection="column" width={columns} height={rows}>
      <Head {...props} />
      <Box height={body} marginTop={blank} marginBottom={blank} flexDirection="column">
        {help ? <Help /> : <Body {...{ state, view, columns, rows: body }} />}
      </Box>
      <Keys {...props} />
    </Box>
  );
}

function Small({ columns, rows, state }: DashboardProps) {
  const { epoch, progress, ended } = state;
  return (
    <Box width={columns} height={rows} flexDirection="column">
      <Text wrap="truncate">{ended?.status ?? `Epoch ${epoch} ${percent(progress, 0)}`}</Text>
      <Text wrap="truncate">{`${LEAST.columns} x ${LEAST.rows} shows all; q stops`}</Text>
    </Box>
  );
}

const STATUS_COLORS = { paused: 'yellow', stopping: 'yellow', done: 'green', interrupted: 'yellow' } as const;

function Head({ state, columns, paused, stopping }: DashboardProps) {
  const { start, ended, device, best, recent, sources } = state;
  const status =
    ended?.status ?? (stopping ? 'stopping' : paused ? 'paused' : start ? 'training' : 'preparing');
  const color = STATUS_COLORS[status as keyof typeof STATUS_COLORS];
  const name = ` birbs-metal  ${start?.run ?? sources}`;
  const network = start ? `${start.network}, ${start.imageSize} px, on ` : '';
  const busy = recent.all > 0 ? `, ${percent(Math.min(1, recent.device / recent.all), 0)} busy` : '';
  const top = best ? `best ${percent(best.balancedAccuracy)} in epoch ${best.epoch} ` : '';
  return (
    <Box flexDirection="column" height={HEAD_ROWS}>
      <Text inverse wrap="truncate" {...(color ? { color } : {})}>
        {toWidth(name, columns - status.length - 3)} {status}
        {' '.repeat(2)}
      </Text>
      <Text wrap="truncate">
        {toWidth(
          ` ${network}${device}`,
          Math.min(columns - top.length - busy.length - 1, 1 + network.length + device.length),
        )}
        {busy}
        {' '.repeat(Math.max(1, columns - 1 - network.length - device.length - busy.length - top.length))}
        <Text bold>{top}</Text>
      </Text>
      <Text wrap="truncate">{progressLine(state, columns)}</Text>
    </Box>
  );
}

function progressLine(state: DashboardState, columns: number): string {
  const { start, epoch, progress, imagesPerSecond, secondsLeft, ended, learningRate } = state;
  if (!start) return '';
  const head = ` Epoch ${epoch}${start.epochs === null ? '' : `/${start.epochs}`} `;
  const facts = [
    `${percent(progress, 0).padStart(4)}`,
    `${count(imagesPerSecond).padStart(6)} images/s`,
    ...(columns >= 100 ? [`learning rate ${learningRate.toPrecision(2)}`] : []),
    ...(secondsLeft === undefined || ended ? [] : [`${duration(secondsLeft).padStart(12)} left`]),
  ].join('  ');
  return `${head}${bar(progress, columns - head.length - facts.length - 2)} ${facts}`;
}

function Keys({ state, stopping, paused, columns }: DashboardProps) {
  const { ended, saved } = state;
  const keys = ended
    ? ' v next view   any other key leaves'
    : stopping
      ? ' Saving, then it ends; q or Ctrl-C once more ends at once'
      : ` q stop and save   p ${paused ? 'go on' : 'pause'}   v next view   ? help`;
  const kept = saved ? `saved at step ${count(saved.step)}, ${clock(saved.at)} ` : '';
  const room = columns - keys.length - kept.length;
  return (
    <Text dimColor wrap="truncate">
      {room >= 2 ? keys + ' '.repeat(room) + kept : keys}
    </Text>
  );
}
