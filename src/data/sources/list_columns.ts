/** What the columns of a list mean. */
import { UserError } from '../../base/errors.ts';
import { IMAGE_NAMES } from '../image_names.ts';
import type { Source } from '../part.ts';

const PATH_COLUMNS = [
  'path',
  'file',
  'filename',
  'file_name',
  'filepath',
  'file_path',
  'image',
  'image_path',
  'img',
];
const LABEL_COLUMNS = ['label', 'class', 'class_name', 'classname', 'category', 'target', 'species'];
const SPLIT_COLUMNS = ['split', 'set', 'subset', 'partition'];

/** Which column is what, -1: none. */
export interface Columns {
  path: number;
  label: number;
  split: number;
  /** Whether the first row names the columns. */
  header: boolean;
}

/**
 * Read from the first row, which may be a header or already an image.
 * @throws UserError that names the columns that were found
 */
export function columnsOf(
  path: string,
  first: string[],
  { labelled, split }: { labelled: boolean; split?: Source['split'] },
): Columns {
  const names = first.map((name) => name.trim().toLowerCase().replaceAll(/[ -]/g, '_'));
  const find = (known: string[]) => names.findIndex((name) => known.includes(name));
  const columns = {
    path: find(PATH_COLUMNS),
    label: find(LABEL_COLUMNS),
    split: find(SPLIT_COLUMNS),
    header: true,
  };
  if (columns.path < 0) {
    if (split === undefined && first.length <= 2) return bareColumns(path, first, labelled);
    throw new UserError(
      `Expected a column "path" and a column "label" in "${path}", but found ${shown(first)}; name them so`,
    );
  }
  if (labelled && columns.label < 0) {
    throw new UserError(
      `Expected a column "label" in "${path}", but found ${shown(first)}; add it, or use --birds and --not-birds`,
    );
  }
  if (split !== undefined && columns.split < 0) {
    throw new UserError(
      `Expected a column "split" in "${path}", as ?split=${split} says, but found ${shown(first)}`,
    );
  }
  return columns;
}

/** Path and label without a header, in either order. */
function bareColumns(path: string, first: string[], labelled: boolean): Columns {
  const [one = '', two = ''] = first.map((cell) => cell.trim());
  const swapped = !IMAGE_NAMES.test(one) && IMAGE_NAMES.test(two);
  if (labelled && first.length < 2) {
    throw new UserError(
      `Expected a path and a label in each row of "${path}", but found ${shown(first)}; add the labels`,
    );
  }
  return { path: Number(swapped), label: Number(!swapped), split: -1, header: false };
}

function shown(cells: string[]): string {
  const text = cells.slice(0, 10).map((cell) => JSON.stringify(cell.slice(0, 60)));
  return text.join(', ') + (cells.length > 10 ? ', ...' : '');
}

/** Which side of a split a cell says. */
export function sideOf(cell: string | undefined): Source['split'] {
  const side = cell?.trim().toLowerCase() ?? '';
  if (/^train(ing)?$/.test(side)) return 'train';
  return /^(test|testing|val|valid|validation)$/.test(side) ? 'test' : undefined;
}
