/** What the dashboard shows below its head, one view at a time, as lines. */
import { classLines } from './class_view.ts';
import { curveLines } from './curve_view.ts';
import type { DashboardState } from './live_state.ts';
import { stageBar } from './stages.ts';
import { folded, styled } from './terminal_text.ts';
import { timeLines } from './time_view.ts';
import { allMessages, filled, type Room } from './view_space.ts';

export const views = ['curves', 'classes', 'time', 'messages'] as const;

export type View = (typeof views)[number];

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

export function helpLines({ columns }: Room): string[] {
  const keys = [
    ['q', 'save and stop; --resume continues. Twice: stop at once'],
    ['p', 'pause, and resume'],
    ['v', `next view: ${views.join(', ')}`],
    ['?', 'this help, and back'],
  ] as const;
  const about = [
    'Dim curves are training: means over batches, with dropout and augmentation, and plain accuracy.',
    'Bright curves are validation: one point per epoch.',
    '"CPU 90% busy" (or GPU): in 90% of the last seconds it computed, in the others it waited for images or for us.',
    'Ctrl-C is q. Closing the terminal is q as well.',
  ];
  return [
    ...keys.map(([key, what]) => ` ${styled('bold', key)}   ${what}`),
    ...about.flatMap((text) => ['', ...folded(text, columns - 2).map((line) => ` ${line}`)]),
  ];
}
