/** Line charts as SVG: no script, colours by style sheet, gaps at NaN. */
import { type Html, html } from '../page/html.ts';

export type Point = [x: number, y: number];

export interface Series {
  name: string;
  points: Point[];
  /** Of the colour; `faint` lies behind the others, `p0` to `p5` are equals. */
  look: 'first' | 'second' | 'faint' | `p${0 | 1 | 2 | 3 | 4 | 5}`;
}

export interface Chart {
  title: string;
  series: Series[];
  /** Of a number on the y axis. */
  format: (value: number) => string;
  xLabel?: string;
  xFormat?: (value: number) => string;
  /** Shown in any case, and not left: of y, and of x. */
  limits?: { low?: number; high?: number };
  xLimits?: { low: number; high: number };
  log?: { x?: boolean; y?: boolean };
  /** A vertical line. */
  mark?: { x: number; label: string };
}

/** In units of the drawing; it is as wide as a phone, so that its letters are readable there. */
const SIZE = { width: 400, height: 230 };
const MARGIN = { left: 46, right: 12, top: 18, bottom: 34 };
const INNER = {
  width: SIZE.width - MARGIN.left - MARGIN.right,
  height: SIZE.height - MARGIN.top - MARGIN.bottom,
};
/** More points than this can't be distinguished. */
const MOST_POINTS = 300;

/** A figure with its legend. Where no series has a finite number it says so. */
export function lineChart(chart: Chart): Html {
  const series = chart.series.map((one) => ({ ...one, points: thin(one.points, MOST_POINTS) }));
  const shown = series.filter(({ points }) => points.some(isFinitePoint));
  const body = shown.length === 0 ? html`<p class="none">No numbers yet.</p>` : drawing(chart, shown);
  const legend =
    shown.length > 1 &&
    html`<ul class="legend">${shown.map(({ name, look }) => html`<li class="${look}">${name}</li>`)}</ul>`;
  return html`<figure class="chart"><figcaption>${chart.title}${legend}</figcaption>${body}</figure>`;
}

function drawing(chart: Chart, series: Series[]): Html {
  const xs = series.flatMap(({ points }) => points.map(([value]) => value)).filter(Number.isFinite);
  const [left, right] = [MARGIN.left, MARGIN.left + INNER.width];
  const last = xs.reduce((a, b) => Math.max(a, b));
  const limits = chart.log?.x ? { log: true } : (chart.xLimits ?? { low: 0, high: last });
  const x = axis(xs, { ...limits, from: left, to: right });
  const [top, bottom] = [MARGIN.top, MARGIN.top + INNER.height];
  const y = axis(robust(series, chart.log?.y), { ...chart.limits, log: chart.log?.y, from: bottom, to: top });
  const { xLabel = 'epoch', xFormat = tidy, format } = chart;
  const order = [...series].sort((a, b) => Number(b.look === 'faint') - Number(a.look === 'faint'));
  return html`<svg viewBox="0 0 ${SIZE.width} ${SIZE.height}" role="img" aria-label="${describe(chart, series)}">
${y.ticks.map((value) => {
  const at = round(y.place(value));
  return html`<path class="grid" d="M${MARGIN.left} ${at}H${SIZE.width - MARGIN.right}"/><text class="y" x="${MARGIN.left - 6}" y="${at + 4}">${format(value)}</text>`;
})}${x.ticks.map((value) => html`<text class="x" x="${round(x.place(value))}" y="${bottom + 16}">${xFormat(value)}</text>`)}
<text class="x label" x="${SIZE.width - MARGIN.right}" y="${SIZE.height - 3}">${xLabel}</text>
${chart.mark && mark(chart.mark, x.place(chart.mark.x))}${order.map((one) => curve(one, x.place, y.place, format, xLabel))}
</svg>`;
}

function mark({ label }: { label: string }, at: number): Html {
  const anchor = at > SIZE.width * 0.8 ? 'end' : at < SIZE.width * 0.2 ? 'start' : 'middle';
  return html`<path class="mark" d="M${round(at)} ${MARGIN.top}V${MARGIN.top + INNER.height}"/><text class="mark ${anchor}" x="${round(at)}" y="${MARGIN.top - 5}">${label}</text>`;
}

/** Text alternative of the chart. */
function describe({ title, format, xLabel = 'epoch' }: Chart, series: Series[]): string {
  const parts = series.map(({ name, points }) => {
    const finite = points.filter(isFinitePoint);
    const [first, last] = [finite[0]!, finite.at(-1)!];
    return `${name}: from ${format(first[1])} to ${format(last[1])}`;
  });
  return `${title} by ${xLabel}. ${parts.join('; ')}.`;
}

/** Epochs get a dot each, with its value as a tip, while there are few. */
const MOST_DOTS = 40;

function curve(
  { name, points, look }: Series,
  placeX: (value: number) => number,
  placeY: (value: number) => number,
  format: (value: number) => string,
  xLabel: string,
): Html {
  const runs = unbroken(points).map((run) =>
    run.map(([x, y]) => [round(placeX(x)), round(placeY(y))] as const),
  );
  const path = runs
    .filter((run) => run.length > 1)
    .map((run) => `M${run.map(([x, y]) => `${x} ${y}`).join('L')}`)
    .join('');
  const finite = points.filter(isFinitePoint);
  const dotted = look !== 'faint' && finite.length <= MOST_DOTS && finite.every(([x]) => Number.isInteger(x));
  const lone = runs.filter((run) => run.length === 1).flat();
  const dots = dotted
    ? finite.map(
        ([x, y]) =>
          html`<circle class="${look}" cx="${round(placeX(x))}" cy="${round(placeY(y))}" r="2.6"><title>${name}, ${xLabel} ${x}: ${format(y)}</title></circle>`,
      )
    : lone.map(
        ([x, y]) => html`<circle class="${look}" cx="${x}" cy="${y}" r="${finite.length === 1 ? 4.5 : 2}"/>`,
      );
  return html`${path && html`<path class="line ${look}" d="${path}"/>`}${dots}`;
}

/** Merges neighbouring points into their mean; a NaN makes the whole group NaN. */
export function thin(points: Point[], most: number): Point[] {
  if (points.length <= most) return points;
  const result: Point[] = [];
  for (let i = 0; i < most; i++) {
    const group = points.slice(
      Math.floor((i * points.length) / most),
      Math.floor(((i + 1) * points.length) / most),
    );
    const mean = (which: 0 | 1) => group.reduce((sum, point) => sum + point[which], 0) / group.length;
    result.push([mean(0), mean(1)]);
  }
  return result;
}

/** Pieces between the gaps. */
function unbroken(points: Point[]): Point[][] {
  const runs: Point[][] = [[]];
  for (const point of points) {
    if (isFinitePoint(point)) runs.at(-1)!.push(point);
    else if (runs.at(-1)!.length > 0) runs.push([]);
  }
  return runs.filter((run) => run.length > 0);
}

function isFinitePoint([x, y]: Point): boolean {
  return Number.isFinite(x) && Number.isFinite(y);
}

/** Values that the y axis has to show: all but the highest of the faint series, which would flatten the rest. */
function robust(series: Series[], log = false): number[] {
  return series.flatMap(({ points, look }) => {
    const values = points
      .filter(isFinitePoint)
      .map(([, y]) => y)
      .sort((a, b) => a - b);
    return look === 'faint' && !log ? values.slice(0, Math.ceil(values.length * 0.97)) : values;
  });
}

interface AxisOptions {
  low?: number;
  high?: number;
  log?: boolean;
  from: number;
  to: number;
}

/** From values to places and round ticks. Places are kept within the axis. */
function axis(values: number[], { low, high, log = false, from, to }: AxisOptions) {
  const usable = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
  const all = [...usable, low ?? usable[0] ?? 0, high ?? usable[0] ?? 1];
  let [least, most] = [all.reduce((a, b) => Math.min(a, b)), all.reduce((a, b) => Math.max(a, b))];
  if (log)
    [least, most] = [10 ** Math.floor(Math.log10(least) + 1e-9), 10 ** Math.ceil(Math.log10(most) - 1e-9)];
  if (least === most)
    [least, most] = log ? [least / 10, most * 10] : [least - Math.abs(least) / 2, most + Math.abs(most) / 2];
  if (least === most) most = least + 1;
  const ticks = log ? powers(least, most) : niceTicks(least, most);
  if (!log) [least, most] = [Math.min(least, low ?? ticks.low), Math.max(most, high ?? ticks.high)];
  const scale = (value: number) => (log ? Math.log10(value) : value);
  const place = (value: number) => {
    const share = (scale(value) - scale(least)) / (scale(most) - scale(least));
    return from + (to - from) * Math.min(1, Math.max(0, share));
  };
  return {
    place,
    ticks: ticks.values.filter(
      (value) => value >= least * (1 - 1e-9) - 1e-12 && value <= most * (1 + 1e-9) + 1e-12,
    ),
  };
}

function niceTicks(least: number, most: number) {
  const rough = (most - least) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10);
  const first = Math.floor(least / step + 1e-9);
  const last = Math.ceil(most / step - 1e-9);
  const values = Array.from({ length: last - first + 1 }, (_, i) =>
    Number(((first + i) * step).toPrecision(12)),
  );
  return { values, low: first * step, high: last * step };
}

function powers(least: number, most: number) {
  const [first, last] = [Math.round(Math.log10(least)), Math.round(Math.log10(most))];
  const every = Math.max(1, Math.ceil((last - first) / 5));
  const values: number[] = [];
  for (let power = first; power <= last; power += every) values.push(10 ** power);
  return { values, low: least, high: most };
}

function tidy(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
