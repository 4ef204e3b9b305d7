/** Which rows of a parquet file are read together. */
import type { RowGroup, Shape, Window } from './parquet_reader.ts';

/** More than this of a column is read in windows of it; in memory each is several times, packed, unpacked and copied. */
const WINDOW_BYTES = 8 * 2 ** 20;

/** Rows between two wanted ones that have more than this are not read along. */
const GAP_BYTES = 2 * 2 ** 20;

/** Of one row group there are no more windows, however large it says it is. */
const WINDOWS = 10_000;

/** A window, and where it begins in the file. */
export interface Span extends Window {
  /** Row in the file. */
  first: number;
}

/**
 * Whole row groups, and even windows of those that have more than `windowBytes`. Large ones of which no page can be
 * read alone go by in passes.
 */
export function windowsOf(
  groups: RowGroup[],
  bytesOf: (group: RowGroup) => number,
  windowBytes = WINDOW_BYTES,
): Span[] {
  const windows: Span[] = [];
  let begin = 0;
  for (const [group, row] of groups.entries()) {
    const { rows } = row;
    const count = Math.min(WINDOWS, Math.max(1, Math.ceil(bytesOf(row) / windowBytes)));
    const step = Math.max(1, Math.ceil(rows / count));
    for (let offset = 0; offset < rows; offset += step) {
      windows.push({ group, offset, limit: Math.min(step, rows - offset), first: begin + offset });
    }
    begin += rows;
  }
  return windows;
}

/**
 * Windows over the image bytes of the wanted rows; larger gaps are left out where they need not be read, or are read
 * in passing.
 * @param isWanted by row in the file
 */
export function neededWindows({ groups }: Shape, isWanted: (row: number) => boolean): Span[] {
  return windowsOf(groups, ({ bytes }) => bytes).flatMap((span) => {
    const { rows, bytes, inPages } = groups[span.group]!;
    const canLeaveOut = inPages || bytes > WINDOW_BYTES;
    const gap = canLeaveOut ? Math.ceil((GAP_BYTES * rows) / Math.max(1, bytes)) : Number.POSITIVE_INFINITY;
    return wantedRuns(span, isWanted, gap);
  });
}

function wantedRuns(span: Span, isWanted: (row: number) => boolean, gap: number): Span[] {
  const runs: Span[] = [];
  for (let row = span.first; row < span.first + span.limit; row++) {
    if (!isWanted(row)) continue;
    const run = runs.at(-1);
    const offset = span.offset + row - span.first;
    if (run && row - (run.first + run.limit) < gap) run.limit = offset - run.offset + 1;
    else runs.push({ ...span, offset, limit: 1, first: row });
  }
  return runs;
}

/** A window in eighths. */
export function eighths(span: Span): Span[] {
  const { offset, limit, first } = span;
  const step = Math.ceil(limit / 8);
  return Array.from({ length: Math.ceil(limit / step) }, (_, i) => ({
    ...span,
    offset: offset + i * step,
    limit: Math.min(step, limit - i * step),
    first: first + i * step,
  }));
}
