/** Two curves with their title and axes, as lines: as text they cost a tenth of what elements do. */
import { count } from '../base/words.ts';
import { type Cell, type Curve, drawChart } from './curve.ts';
import { styled, toWidth } from './terminal_text.ts';

/** How a curve is told from the other, on dark and on light ground. */
const STYLES = ['dim', 'cyan'] as const;

/** Of the numbers at the left. */
const LABEL_WIDTH = 5;

export interface ChartOptions {
  title: string;
  /** Of training and of validation: the curve, and its last value as it is told. */
  curves: [Curve & { told: string }, Curve & { told: string }];
  /** In characters, all included. */
  width: number;
  height: number;
  /** The step at the right; the left is that of the begin. */
  last: number;
  limits: [number, number];
  /** A number beside the axis; `span` is what the axis spans. */
  label: (value: number, span: number) => string;
}

/** Lines of exactly `width` characters, colours aside. */
export function chartLines(options: ChartOptions): string[] {
  const { curves, width, height, last, limits, label } = options;
  const inner = { width: width - LABEL_WIDTH - 3, height: Math.max(1, height - 2) };
  const { rows, low, high } = drawChart(curves, { ...inner, first: 0, last, limits });
  const labelOf = (row: number) => {
    if (row === rows.length - 1) return label(low, high - low);
    if (row === (rows.length - 1) / 2) return label((low + high) / 2, high - low);
    return row === 0 ? label(high, high - low) : '';
  };
  return [
    titleLine(options),
    ...rows.map((cells, row) => `${axis(labelOf(row))}${cellsLine(cells)} `),
    footLine(last, inner.width),
  ];
}

/** As much of words and blanks as there is room for. */
function titleLine({ title, curves, width }: ChartOptions): string {
  const [train, validation] = curves.map(({ told }) => told);
  const [name, first, second] = [
    [` ${title}`, `  train ${train}`, `  val ${validation}`],
    [` ${title}`, `  train ${train}`, ` val ${validation}`],
    [` ${title}`, `  ${train}`, `  ${validation}`],
    [` ${title}`, ` ${train}`, ` ${validation}`],
  ].find((parts) => parts.join('').length <= width) ?? [toWidth(` ${title}`, width), '', ''];
  const rest = ' '.repeat(width - `${name}${first}${second}`.length);
  return styled('bold', name!) + styled('dim', first!) + styled('cyan', second!) + rest;
}

function axis(label: string): string {
  return styled('dim', ` ${label.padStart(LABEL_WIDTH)}${label === '' ? '│' : '┤'}`);
}

/** Neighbours of one colour are coloured at once; a blank has none. */
function cellsLine(cells: Cell[]): string {
  const pieces: Cell[] = [];
  for (const { text, curve } of cells) {
    const piece = pieces.at(-1);
    if (piece && (piece.curve === curve || curve === -1)) piece.text += text;
    else pieces.push({ text, curve });
  }
  return pieces.map(({ text, curve }) => (curve === -1 ? text : styled(STYLES[curve]!, text))).join('');
}

/** The axis of the steps. */
function footLine(last: number, width: number): string {
  const [left, right] = ['0', `step ${count(last)}`];
  const line = '─'.repeat(Math.max(0, width - left.length - right.length - 2));
  return styled('dim', `${' '.repeat(LABEL_WIDTH + 1)}└${left} ${line} ${right} `);
}
