/** Lines of a view in the space that there is: what is left below them goes to a chart and to the last messages. */
import { percent } from '../base/words.ts';
import type { DashboardState, Message } from './live_state.ts';
import { clock, folded, styled, toWidth } from './terminal_text.ts';

/** Of the view, in characters. */
export interface Room {
  columns: number;
  rows: number;
}

/** Below lines that leave room: the last messages, in full where they fit. */
export function filled(lines: string[], { messages }: DashboardState, { columns, rows }: Room): string[] {
  const below = rows - lines.length - 1;
  if (below <= 0) return lines;
  const whole = allMessages(messages, { columns, rows: below });
  return [...lines, '', ...Array<string>(below - whole.length).fill(''), ...whole];
}

/** Rows of messages below a chart, and the fewest rows of a chart. */
const BELOW = 3;

const LEAST_CHART = 7;

/** Below lines that leave room for it a chart, and below that the last messages. */
export function withChart(
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

/** The last ones, a line each, with the time of the day; at the bottom. */
export function lastMessages(messages: Message[], { columns, rows }: Room): string[] {
  const shown = rows > 0 ? messages.slice(-rows) : [];
  const lines = shown.map(
    ({ at, text }) => styled('dim', ` ${clock(at)} `) + toWidth(text, columns - 8).trimEnd(),
  );
  return [...Array(Math.max(0, rows - lines.length)).fill(''), ...lines];
}

/** The last ones in full. */
export function allMessages(messages: Message[], { columns, rows }: Room): string[] {
  const lines = messages
    .slice(-rows)
    .flatMap(({ at, text }) =>
      folded(text, columns - 8).map((line, i) =>
        i === 0 ? styled('dim', ` ${clock(at)} `) + line : ' '.repeat(7) + line,
      ),
    );
  return lines.slice(-rows);
}

export function shareLabel(value: number, span: number): string {
  return percent(value, span < 0.04 ? 1 : 0);
}

/** The places of all values in their order, or of the lowest that there is room for. */
export function lowestFirst(values: number[], room: number): number[] {
  const places = [...values.keys()];
  if (places.length <= room) return places;
  return places.sort((a, b) => values[a]! - values[b]!).slice(0, room);
}

/** Characters of the longest text, `least` at least. */
export function longest(texts: string[], least = 0): number {
  return texts.reduce((most, { length }) => Math.max(most, length), least);
}

/** The longest name of a class that is shown in full beside the curves. */
export const NAME_WIDTH = 16;
