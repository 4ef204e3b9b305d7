/** The labels of some rows, and their class names. */
import type { Vector } from 'apache-arrow';
import type { SourceLabel } from '../part.ts';

/** A column with more values than this does not hold classes. */
const LABEL_LIMIT = 10_000;

export interface LabelColumn {
  name: string;
  /** Class names by number. */
  classNames?: string[];
  values: Vector | null;
  /** Where each image was before it was packed. */
  paths?: Vector | null;
}

/** @returns the index in `values` of each row's label, -1 for rows without a label */
export function labelsOf(
  { name, classNames, values: column, paths }: LabelColumn,
  rows: number,
): { labels: Int32Array; values: SourceLabel[] } {
  const labels = new Int32Array(rows).fill(-1);
  const found = new Map<string, { label: SourceLabel; index: number }>();
  for (let row = 0; row < rows; row++) {
    const raw: unknown = column?.get(row);
    if (raw === null || raw === undefined) continue;
    const value = String(raw);
    const folder = paths ? folderOf(paths.get(row)) : undefined;
    let known = found.get(value);
    if (!known) {
      if (found.size === LABEL_LIMIT)
        throw new Error(`column "${name}" has more than ${LABEL_LIMIT} different values; expected classes`);
      known = { label: { value, name: nameOf(value, classNames), folder }, index: found.size };
      found.set(value, known);
    } else if (known.label.folder !== folder) known.label.folder = undefined;
    labels[row] = known.index;
  }
  return { labels, values: [...found.values()].map(({ label }) => label) };
}

function nameOf(value: string, classNames: string[] | undefined): string | undefined {
  if (classNames && /^\d+$/.test(value)) return classNames[Number(value)];
  return /^-?\d+$/.test(value) ? undefined : value;
}

function folderOf(path: unknown): string | undefined {
  return typeof path === 'string' ? path.split(/[\\/]/).at(-2) : undefined;
}
