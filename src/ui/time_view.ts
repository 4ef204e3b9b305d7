/** The view of time: where it went, and how many images a second. */
import { count, duration, percent } from '../base/words.ts';
import type { DashboardState } from './live_state.ts';
import { axisOf } from './step_axis.ts';
import { chartLines } from './terminal_chart.ts';
import { bar, folded, styled } from './terminal_text.ts';
import { type Room, withChart } from './view_space.ts';

const ACTIVITIES = {
  device: 'waiting for the device (as it should)',
  data: 'waiting for images',
  host: 'everything else',
  validation: 'validation',
  saving: 'saving',
  reading: 'reading',
  paused: 'paused',
} as const;

export function timeLines(state: DashboardState, room: Room): string[] {
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
    ...axisOf(state),
    width: columns,
    height: rows,
    title: 'images a second',
    limits: [0, Number.POSITIVE_INFINITY],
    label: (value) => count(value),
    curves: [{ points, name: 'now', value: count(last) }],
  });
}
