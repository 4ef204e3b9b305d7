/** What the columns of a list mean. */
import { UserError } from '../../base/errors.ts';
import { IMAGE_NAMES } from '../image_names.ts';

/** Names are compared in small letters, without spaces and what else parts words. */
const PATHS = [
  ...['path', 'paths', 'file', 'files', 'filename', 'filenames', 'filepath', 'filepaths'],
  ...['image', 'images', 'imagepath', 'imagepaths', 'imagefile', 'imagefilename', 'imagename'],
  ...['img', 'imgpath', 'imgname', 'imgfile', 'fname', 'picture', 'photo'],
];
/** Of images where no other column is; else they may be anything. */
const IDS = ['imageid', 'imgid', 'photoid', 'id', 'name', 'idcode'];
/** Best first, where several hold words. */
const LABELS = [
  ...['label', 'labels', 'class', 'classname', 'category', 'categoryname', 'species', 'breed'],
  ...['labelname', 'speciesname', 'target'],
];
const SPLITS = ['split', 'datasplit', 'set', 'subset', 'partition', 'dataset', 'phase', 'fold'];
/** Columns of true and false, and the side that is meant by either. */
const FLAGS = new Map([
  ...['isvalid', 'isval', 'isvalidation'].map((name) => [name, { true: 'val', false: 'train' }] as const),
  ...['istrain', 'istraining', 'istrainingimage'].map(
    (name) => [name, { true: 'train', false: 'test' }] as const,
  ),
  ['istest', { true: 'test', false: 'train' }],
]);

/** Which columns may be what. */
export interface Columns {
  /** Whether the first row names the columns; else they have numbers. */
  header: boolean;
  names: string[];
  paths: number[];
  labels: number[];
  split?: number;
}

interface Asked {
  labelled: boolean;
  split?: string;
  /** Whether a cell names a file that is there. */
  isFile: (cell: string) => boolean;
}

/**
 * Read from the first row, which may be a header or already an image.
 * @throws UserError that names the columns that were found
 */
export function columnsOf(path: string, first: string[], asked: Asked): Columns {
  const keys = first.map(keyOf);
  const find = (known: string[]) => keys.flatMap((key, i) => (known.includes(key) ? [i] : []));
  const strong = find(PATHS);
  const paths = strong.length > 0 ? strong : find(IDS);
  if (paths.length === 0) return withoutHeader(path, first, asked);
  const labels = find(LABELS).filter((column) => !paths.includes(column));
  const [split] = [...find(SPLITS), ...find([...FLAGS.keys()])];
  if (asked.labelled && labels.length === 0) {
    throw new UserError(
      `Expected a column "label" in "${path}", but found ${shown(first)}; add it, or use --birds and --not-birds`,
    );
  }
  if (asked.split !== undefined && split === undefined) {
    throw new UserError(
      `Expected a column "split" in "${path}", as ?split=${asked.split} says, but found ${shown(first)}`,
    );
  }
  const names = first.map((name) => name.trim());
  return { header: true, names, paths, labels: asked.labelled ? labels : [], split };
}

function keyOf(name: string): string {
  return name.toLowerCase().replace(/[\s_.-]/g, '');
}

function isImage(row: string[], { isFile }: Asked): boolean {
  return row.length <= 2 && row.some((cell) => IMAGE_NAMES.test(cell.trim()) || isFile(cell.trim()));
}

/** Path and label without a header, in either order. */
function withoutHeader(path: string, first: string[], asked: Asked): Columns {
  if (asked.split !== undefined || !isImage(first, asked)) {
    throw new UserError(
      `Expected a column "path" and a column "label" in "${path}", but found ${shown(first)}; name them so`,
    );
  }
  if (asked.labelled && first.length < 2) {
    throw new UserError(
      `Expected a path and a label in each row of "${path}", but found ${shown(first)}; add the labels`,
    );
  }
  const [one = '', two = ''] = first.map((cell) => cell.trim());
  const swapped =
    !IMAGE_NAMES.test(one) && (IMAGE_NAMES.test(two) || (!asked.isFile(one) && asked.isFile(two)));
  const labels = asked.labelled ? [Number(!swapped)] : [];
  return { header: false, names: ['1', '2'], paths: [Number(swapped)], labels };
}

/** The columns that may be of use, alone: lists of a hundred others are not kept. */
export function onlyUsed({ header, names, paths, labels, split }: Columns): {
  columns: Columns;
  used: number[];
} {
  const used = [...new Set([...paths, ...labels, ...(split === undefined ? [] : [split])])];
  const placeOf = (column: number) => used.indexOf(column);
  const columns = {
    header,
    names: used.map((column) => names[column]!),
    paths: paths.map(placeOf),
    labels: labels.map(placeOf),
    split: split === undefined ? undefined : placeOf(split),
  };
  return { columns, used };
}

function shown(cells: string[]): string {
  const text = cells.slice(0, 10).map((cell) => JSON.stringify(cell.slice(0, 60)));
  return text.join(', ') + (cells.length > 10 ? ', ...' : '');
}

/** Of several columns the one whose cells name the most files. */
export function pathColumn({ paths }: Columns, rows: string[][], isFile: (cell: string) => boolean): number {
  const score = (cell: string) => (isFile(cell) ? 2 : Number(IMAGE_NAMES.test(cell)));
  const counts = paths.map((column) =>
    paths.length === 1 ? 0 : rows.reduce((sum, row) => sum + score(row[column]!.trim()), 0),
  );
  return paths[counts.indexOf(Math.max(...counts))]!;
}

/**
 * Of several columns the one that holds words, not numbers; "label" before others.
 * @throws UserError that names the columns where it stays open
 */
export function labelColumn(path: string, { labels, names }: Columns, rows: string[][]): number {
  if (labels.length < 2) return labels[0] ?? -1;
  const best = [...labels].sort((a, b) => rank(names[a]!) - rank(names[b]!));
  const words = best.filter((column) => rows.some((row) => isWord(row[column] ?? '')));
  const [first, ...others] = words.length > 0 ? words : best;
  const isPlain = /^labels?$/.test(keyOf(names[first!]!));
  if (isPlain || others.every((other) => isSame(rows, first!, other))) return first!;
  throw new UserError(
    `Expected one column of labels in "${path}", but ${[first!, ...others].map((column) => JSON.stringify(names[column])).join(' and ')} could both be it; keep one of them, or name it "label"`,
  );
}

function rank(name: string): number {
  return LABELS.indexOf(keyOf(name));
}

function isWord(cell: string): boolean {
  return cell.trim() !== '' && Number.isNaN(Number(cell));
}

/** Whether two columns part the rows in the same way. */
function isSame(rows: string[][], one: number, other: number): boolean {
  const [there, back] = [new Map<string, string>(), new Map<string, string>()];
  return rows.every((row) => {
    const [a = '', b = ''] = [row[one], row[other]];
    if (!there.has(a)) there.set(a, b);
    if (!back.has(b)) back.set(b, a);
    return there.get(a) === b && back.get(b) === a;
  });
}

/** What a cell of a column says of the split, as a word: "train"; nothing for an empty cell. */
export function splitWord(column: string, cell: string): string {
  const flag = FLAGS.get(keyOf(column));
  const word = cell.trim();
  if (!flag || word === '') return word;
  return /^(true|t|yes|y|1(\.0*)?)$/i.test(word) ? flag.true : flag.false;
}
