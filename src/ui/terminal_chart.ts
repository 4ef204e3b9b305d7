/** One or two curves with their title and axes, as lines. */
import { type Cell, type Curve, drawChart } from './curve.ts';
import { styled, toWidth } from './terminal_text.ts';

/** Styles that distinguish curves on dark and light backgrounds. */
const STYLES = ['dim', 'cyan'] as const;

/** Of the numbers at the left. */
const LABEL_WIDTH = 5;

export interface NamedCurve extends Curve {
  name: string;
  value: string;
}

export interface ChartOptions {
  title: string;
  /** With their names and their last values; the last one stands out. */
  curves: NamedCurve[];
  /** In characters, all included. */
  width: number;
  height: number;
  /** x at the right, where the left is 0; and what is said there, as much as there is room for. */
  last: number;
  ends: string[];
  limits: [number, number];
  /** A number beside the axis; `span` is what the axis spans. */
  label: (value: number, span: number) => string;
}

/** Lines of exactly `width` characters, colours aside. */
export function chartLines(options: ChartOptions): string[] {
  const { curves, width, height, last, limits, label, ends } = options;
  const inner = { width: width - LABEL_WIDTH - 3, height: Math.max(1, height - 2) };
  const { rows, low, high } = drawChart(curves, { ...inner, first: 0, last, limits });
  const labelOf = (row: number) => {
    if (row === rows.length - 1) return label(low, high - low);
    if (row === (rows.length - 1) / 2) return label((low + high) / 2, high - low);
    return row === 0 ? label(high, high - low) : '';
  };
  return [
    titleLine(options),
    ...rows.map((cells, row) => `${axis(labelOf(row))}${cellsLine(cells, stylesOf(curves))} `),
    footLine(ends, inner.width),
  ];
}

function stylesOf(curves: NamedCurve[]): readonly ('dim' | 'cyan')[] {
  return STYLES.slice(-curves.length);
}

/** As much of words and blanks as there is room for. */
function titleLine({ title, curves, width }: ChartOptions): string {
  const named = (gap: string) =>
    curves.map(({ name, value }, i) => `${i === 0 ? '  ' : gap}${name} ${value}`);
  const bare = (gap: string) => curves.map(({ value }) => `${gap}${value}`);
  const choices = [named('  '), named(' '), bare('  '), bare(' ')];
  const values = choices.find((parts) => title.length + 1 + parts.join('').length <= width) ?? [];
  const name = toWidth(` ${title}`, Math.min(width, title.length + 1));
  const styles = stylesOf(curves);
  const rest = ' '.repeat(width - name.length - values.join('').length);
  return styled('bold', name) + values.map((value, i) => styled(styles[i]!, value)).join('') + rest;
}

function axis(label: string): string {
  return styled('dim', ` ${label.padStart(LABEL_WIDTH)}${label === '' ? '│' : '┤'}`);
}

/** Neighbours of one colour are coloured at once; a blank has none. */
function cellsLine(cells: Cell[], styles: readonly ('dim' | 'cyan')[]): string {
  const pieces: Cell[] = [];
  for (const { text, curve } of cells) {
    const piece = pieces.at(-1);
    if (piece && (piece.curve === curve || curve === -1)) piece.text += text;
    else pieces.push({ text, curve });
  }
  return pieces.map(({ text, curve }) => (curve === -1 ? text : styled(styles[curve]!, text))).join('');
}

function footLine(ends: string[], width: number): string {
  const right = ends.find((end) => end.length + 6 <= width) ?? ends.at(-1)!;
  const line = '─'.repeat(Math.max(0, width - right.length - 3));
  return styled('dim', `${' '.repeat(LABEL_WIDTH + 1)}└0 ${line} ${right} `);
}
