/**
 * Two curves with their title and axes.
 * @jsxRuntime automatic
 */
import { Box, Text } from 'ink';
import { count } from '../run/words.ts';
import { type Cell, type Curve, drawChart } from './curve.ts';

/** How a curve is told from the others, on dark and on light ground. */
export const COLORS = { train: { dimColor: true }, validation: { color: 'cyan', bold: true } } as const;
const STYLES = [COLORS.train, COLORS.validation];

/** Of the numbers at the left. */
const LABEL_WIDTH = 5;
/** The least width of a title that says which number is which. */
const WORDS_WIDTH = 38;

export interface ChartProps {
  title: string;
  /** Of training and of validation: the curve, and its last value as it is told. */
  curves: [Curve & { told: string }, Curve & { told: string }];
  /** In characters, all included. */
  width: number;
  height: number;
  /** Steps at the left and at the right. */
  first: number;
  last: number;
  limits: [number, number];
  /** A number beside the axis; `span` is what the axis spans. */
  label: (value: number, span: number) => string;
}

export function Chart(props: ChartProps) {
  const { curves, width, height, first, last, limits, label } = props;
  const inner = { width: width - LABEL_WIDTH - 3, height: Math.max(1, height - 2) };
  const { rows, low, high } = drawChart(curves, { ...inner, first, last, limits });
  const middle = (rows.length - 1) / 2;
  const labelOf = (row: number) => {
    if (row !== 0 && row !== middle && row !== rows.length - 1) return '';
    return label(high - ((high - low) * row) / Math.max(1, rows.length - 1), high - low);
  };
  return (
    <Box flexDirection="column" width={width} height={height}>
      <Title {...props} />
      {rows.map((cells, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: rows have no other name
        <Row key={row} label={labelOf(row)} cells={cells} />
      ))}
      <Text dimColor>{foot(first, last, inner.width)}</Text>
    </Box>
  );
}

function Title({ title, curves, width }: ChartProps) {
  const [train, validation] = curves;
  const words = width >= WORDS_WIDTH;
  return (
    <Text wrap="truncate">
      {' '}
      <Text bold>{title}</Text>
      <Text {...COLORS.train}>{`  ${words ? 'train ' : ''}${train.told}`}</Text>
      <Text {...COLORS.validation}>{`  ${words ? 'val ' : ''}${validation.told}`}</Text>
    </Text>
  );
}

function Row({ label, cells }: { label: string; cells: Cell[] }) {
  const pieces: Cell[] = [];
  for (const { text, curve } of cells) {
    const piece = pieces.at(-1);
    // A blank has no colour.
    if (piece && (piece.curve === curve || curve === -1)) piece.text += text;
    else pieces.push({ text, curve });
  }
  return (
    <Text>
      <Text dimColor>{` ${label.padStart(LABEL_WIDTH)}${label === '' ? '│' : '┤'}`}</Text>
      {pieces.map(({ text, curve }, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: pieces have no other name
        <Text key={i} {...STYLES[curve]}>
          {text}
        </Text>
      ))}
    </Text>
  );
}

/** The axis of the steps. */
function foot(first: number, last: number, width: number): string {
  const [left, right] = [count(first), `step ${count(last)}`];
  const line = '─'.repeat(Math.max(0, width - left.length - right.length - 2));
  return `${' '.repeat(LABEL_WIDTH + 1)}└${left} ${line} ${right}`;
}
