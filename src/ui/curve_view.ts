/** The view of curves: loss and balanced accuracy, recalls, the last messages. */
import { percent } from '../base/words.ts';
import { type DashboardState, recallsOf } from './live_state.ts';
import { axisOf } from './step_axis.ts';
import { chartLines } from './terminal_chart.ts';
import { toWidth } from './terminal_text.ts';
import { lastMessages, longest, lowestFirst, NAME_WIDTH, type Room, shareLabel } from './view_space.ts';

/** Rows from which there is room for blank lines, and for more of everything. */
const ROOMY = { some: 16, much: 28 };

export function curveLines(state: DashboardState, { columns, rows }: Room): string[] {
  const blank = rows >= ROOMY.some ? [''] : [];
  const recalls = recallLines(state, { columns, rows: rows >= ROOMY.much ? 4 : rows >= ROOMY.some ? 2 : 1 });
  const below = rows >= ROOMY.much ? 6 : rows >= ROOMY.some ? 3 : 2;
  const charts = chartRows(state, { columns, rows: rows - recalls.length - below - 2 * blank.length });
  return [
    ...charts,
    ...blank,
    ...recalls,
    ...blank,
    ...lastMessages(state.messages, { columns, rows: below }),
  ];
}

function chartRows(state: DashboardState, { columns, rows }: Room): string[] {
  const { loss, accuracy } = state;
  const width = Math.floor(columns / 2);
  const shape = { height: rows, ...axisOf(state) };
  const left = chartLines({
    ...shape,
    width,
    title: 'loss',
    limits: [0, Number.POSITIVE_INFINITY],
    label: (value, span) => fixed(value, span < 0.2 ? 3 : 2),
    curves: [
      { points: loss.train.points, name: 'train', value: fixed(loss.train.last, 3) },
      { points: loss.validation.points, name: 'val', value: fixed(loss.validation.last, 3), marked: true },
    ],
  });
  const right = chartLines({
    ...shape,
    width: columns - width,
    title: 'balanced accuracy',
    limits: [0, 1],
    label: shareLabel,
    curves: [
      { points: accuracy.train.points, name: 'train', value: percent(accuracy.train.last, 0) },
      {
        points: accuracy.validation.points,
        name: 'val',
        value: percent(accuracy.validation.last),
        marked: true,
      },
    ],
  });
  return left.map((line, row) => line + right[row]!);
}

function fixed(value: number, decimals: number): string {
  return Number.isFinite(value) ? value.toFixed(decimals) : '–';
}

/** The recall of each class, as many as there is room for: else the lowest. */
function recallLines(state: DashboardState, { columns, rows }: Room): string[] {
  const recalls = recallsOf(state);
  if (recalls.length === 0) return [' recall  after the first epoch'];
  const { classNames } = state;
  const width = Math.min(NAME_WIDTH, longest(classNames));
  const across = Math.max(1, Math.floor((columns - 9) / (width + 9)));
  const all = recalls.length <= across * rows;
  const shown = lowestFirst(recalls, across * rows).map(
    (k) => `${toWidth(classNames[k]!, width)} ${percent(recalls[k]!).padStart(6)}  `,
  );
  return Array.from({ length: Math.ceil(shown.length / across) }, (_, row) => {
    const head = row > 0 ? '' : all ? ' recall' : ' lowest';
    return head.padEnd(9) + shown.slice(row * across, (row + 1) * across).join('');
  });
}
