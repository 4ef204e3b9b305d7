/** All of the screen as lines: head, view, keys. */
import { count, duration, percent } from '../base/words.ts';
import { type DashboardState, elapsedSeconds } from './live_state.ts';
import { LEAST } from './terminal_fits.ts';
import { bar, clock, styled, toWidth } from './terminal_text.ts';
import { helpLines, type View, viewLines } from './views.ts';

export interface Frame {
  state: DashboardState;
  view: View;
  help: boolean;
  paused: boolean;
  stopping: boolean;
  /** Milliseconds since 1970. */
  now: number;
  /** Of the terminal, in characters. */
  columns: number;
  rows: number;
}

/** Rows of the head and of the keys. */
const HEAD_ROWS = 3;
const KEY_ROWS = 1;
/** Rows from which a blank one is left below the head and above the keys. */
const ROOMY = 20;

/** @returns exactly `rows` lines, none wider than `columns` */
export function frameLines(frame: Frame): string[] {
  const { state, view, help, columns, rows } = frame;
  if (columns < LEAST.columns || rows < LEAST.rows) return smallLines(frame);
  const blank = rows >= ROOMY ? [''] : [];
  const room = { columns, rows: rows - HEAD_ROWS - KEY_ROWS - 2 * blank.length };
  const body = help ? helpLines(room) : viewLines(view, state, room);
  const rest = Array<string>(Math.max(0, room.rows - body.length)).fill('');
  return [
    ...[titleLine(frame), deviceLine(frame), progressLine(frame)],
    ...[...blank, ...body.slice(0, room.rows), ...rest, ...blank],
    keyLine(frame),
  ];
}

function smallLines({ columns, rows, state }: Frame): string[] {
  const { epoch, progress, ended } = state;
  const lines = [
    ended?.status ?? `Epoch ${epoch} ${percent(progress, 0)}`,
    `${LEAST.columns} x ${LEAST.rows} shows all; q stops`,
  ];
  return Array.from({ length: rows }, (_, row) => toWidth(lines[row] ?? '', columns));
}

const HELD = ['paused', 'stopping', 'interrupted'];
/** Of a run that is done: what it came to. */
export const GRADE_COLORS = { good: 'green', fair: 'yellow', poor: 'red' } as const;

function titleLine({ state, columns, paused, stopping, now }: Frame): string {
  const { start, ended, sources } = state;
  const status =
    ended?.status ?? (stopping ? 'stopping' : paused ? 'paused' : start ? 'training' : 'preparing');
  const right = `${status}  ${duration(elapsedSeconds(state, now))}`;
  const left = toWidth(` birbs-metal  ${start?.run ?? sources}`, columns - right.length - 2);
  const grade = status === 'done' ? ended?.grade : undefined;
  const color = grade ? GRADE_COLORS[grade] : HELD.includes(status) ? 'yellow' : undefined;
  return styled(color ? [color, 'inverse'] : 'inverse', `${left} ${right} `);
}

function deviceLine({ state: { start, device, deviceName, recent, best }, columns }: Frame): string {
  const network = start ? [`${start.network}, ${start.imageSize} px`] : [];
  const share = percent(Math.min(1, recent.device / recent.all), 0);
  const busy = recent.all > 0 ? `, ${deviceName === 'metal' ? 'GPU' : 'CPU'} ${share} busy` : '';
  const right = best ? `best ${percent(best.balancedAccuracy)} in epoch ${best.epoch} ` : '';
  const room = columns - right.length - 1 - busy.length;
  const choices = [[...network, device], [...network, deviceName], network].map(
    (parts) => ` ${parts.join(' on ')}`,
  );
  const left = choices.find((one) => one.length <= room) ?? toWidth(choices.at(-1)!, room);
  return `${(left + busy).padEnd(room + busy.length)} ${styled('bold', right)}`;
}

function progressLine({ state, columns }: Frame): string {
  const { start, epoch, progress, imagesPerSecond, secondsLeft, ended, learningRate, steps } = state;
  if (!start) return '';
  const head = ` Epoch ${epoch}${start.epochs === null ? '' : `/${start.epochs}`} `;
  if (steps === 0) return toWidth(head, columns);
  const facts = [
    percent(progress, 0).padStart(4),
    `${count(imagesPerSecond).padStart(6)} images/s`,
    ...(columns >= 100 ? [`learning rate ${learningRate.toPrecision(2)}`] : []),
    ...(secondsLeft === undefined || ended ? [] : [`${duration(secondsLeft).padStart(12)} left`]),
  ].join('  ');
  return toWidth(`${head}${bar(progress, columns - head.length - facts.length - 2)} ${facts}`, columns);
}

function keyLine({ state: { ended, saved }, stopping, paused, columns }: Frame): string {
  const keys = ended
    ? ' v next view   any other key leaves'
    : stopping
      ? ' Saving, then stopping; q or Ctrl-C again stops at once'
      : ` q stop and save   p ${paused ? 'resume' : 'pause'}   v next view   ? help`;
  const kept = saved ? `saved at step ${count(saved.step)}, ${clock(saved.at)} ` : '';
  const room = columns - keys.length - kept.length;
  return styled('dim', room >= 2 ? keys + ' '.repeat(room) + kept : keys);
}
