/** Curves in braille: each character has two dots across and four down. */
import type { Point } from './series.ts';

export interface Curve {
  points: Point[];
  /** Each point is shown as such, where there is room for it; else the curve is smoothed. */
  marked?: boolean;
}

/** A character of a chart, and the curve that it shows; -1: none. */
export interface Cell {
  text: string;
  curve: number;
}

export interface Chart {
  /** Top to bottom, left to right. */
  rows: Cell[][];
  /** Values of the lowest and the highest row of dots. */
  low: number;
  high: number;
}

export interface Frame {
  /** In characters. */
  width: number;
  height: number;
  /** x of the left and the right edge. */
  first: number;
  last: number;
  /** What y can be at all. */
  limits: [number, number];
}

/** Bits of the dots of a character, by row and column (Unicode, Braille Patterns). */
const DOTS = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const;
const MARK = '•';
/** Characters a mark must have at least, on average. */
const ROOM_OF_MARK = 3;

/** A column of dots, with the mean of its points or its row of dots, from the bottom. */
type Mean = [column: number, y: number];
type Dot = [column: number, level: number];

/** Draws curves over one another, the later ones on top. */
export function drawChart(curves: Curve[], frame: Frame): Chart {
  const { width, height, limits } = frame;
  const means = curves.map((curve) => meansOf(curve, frame));
  const values = means.flatMap((all) => all.map(([, y]) => y));
  const [low, high] = niceRange(values, limits);
  const levelOf = (y: number) =>
    Math.round(Math.min(1, Math.max(0, (y - low) / (high - low))) * (4 * height - 1));
  const cells = Array.from({ length: width * height }, (): Cell => ({ text: ' ', curve: -1 }));
  for (const [curve, { marked }] of curves.entries()) {
    const dots = means[curve]!.map(([column, y]): Dot => [column, levelOf(y)]);
    for (const [place, bits] of drawLine(dots, frame).entries())
      if (bits > 0) cells[place] = { text: String.fromCharCode(0x2800 + bits), curve };
    if (!marked || dots.length * ROOM_OF_MARK > width) continue;
    for (const dot of dots) cells[placeOf(dot, frame)] = { text: MARK, curve };
  }
  const rows = Array.from({ length: height }, (_, row) => cells.slice(row * width, (row + 1) * width));
  return { rows, low, high };
}

/** Columns at each side that a smoothed curve takes the mean with. */
const SMOOTHING = 2;

function meansOf({ points, marked }: Curve, { width, first, last }: Frame): Mean[] {
  const columns = 2 * width;
  const sums = new Float64Array(columns);
  const counts = new Float64Array(columns);
  for (const { x, y } of points) {
    const share = (x - first) / Math.max(1, last - first);
    const column = Math.min(columns - 1, Math.max(0, Math.floor(share * columns)));
    sums[column]! += y;
    counts[column]! += 1;
  }
  const reach = marked ? 0 : SMOOTHING;
  const near = (all: Float64Array, k: number) =>
    all.subarray(Math.max(0, k - reach), k + reach + 1).reduce((a, b) => a + b, 0);
  return [...counts.keys()].filter((k) => counts[k]! > 0).map((k) => [k, near(sums, k) / near(counts, k)]);
}

/** Bits of each character: the dots, joined by straight lines without gaps. */
function drawLine(dots: Dot[], frame: Frame): Uint8Array {
  const bits = new Uint8Array(frame.width * frame.height);
  const set = (column: number, level: number) => {
    bits[placeOf([column, level], frame)]! |= DOTS[3 - (level % 4)]![column % 2]!;
  };
  for (const [i, [column, level]] of dots.entries()) {
    const [from, start] = dots[i - 1] ?? [column - 1, level];
    let last = start;
    for (let at = from + 1; at <= column; at++) {
      const next = Math.round(start + ((level - start) * (at - from)) / (column - from));
      const [bottom, top] = next > last ? [last + 1, next] : [next, Math.max(next, last - 1)];
      for (let dot = bottom; dot <= top; dot++) set(at, dot);
      last = next;
    }
  }
  return bits;
}

/** Of the character that a dot is in. */
function placeOf([column, level]: Dot, { width, height }: Frame): number {
  return (height - 1 - Math.floor(level / 4)) * width + Math.floor(column / 2);
}

/** Steps that are easily read, times powers of ten; both ends of an axis are multiples. */
const STEPS = [1, 2, 5, 10];
/** Of them at least are in the range of the values. */
const LEAST_STEPS = 8;
/** Above this many values the largest fiftieth may leave the chart: it would flatten all others. */
const MANY_VALUES = 50;

/** A round range that holds the values. */
function niceRange(values: number[], [least, most]: [number, number]): [number, number] {
  if (values.length === 0) return [Math.max(least, 0), Math.min(most, 1)];
  const sorted = Float64Array.from(values).sort();
  const low = sorted[0]!;
  const high = sorted[Math.ceil(sorted.length * (sorted.length > MANY_VALUES ? 0.98 : 1)) - 1]!;
  const span = Math.max(high - low, Math.abs(high) / 100, 1e-6);
  const power = 10 ** Math.floor(Math.log10(span / LEAST_STEPS));
  const step = power * STEPS.find((size) => size * power >= span / LEAST_STEPS)!;
  let bottom = Math.floor(low / step);
  let top = Math.max(bottom + 1, Math.ceil(high / step));
  // So that the middle is round as well.
  if ((top - bottom) % 2 === 1) [bottom, top] = top * step < most ? [bottom, top + 1] : [bottom - 1, top];
  return [Math.max(least, bottom * step), Math.min(most, top * step)];
}
