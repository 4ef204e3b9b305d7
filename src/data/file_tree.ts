/** Files in folders, on disk or in an archive, as a part of a source: of one folder a class, or all alike. */
import { UserError } from '../base/errors.ts';
import type { Listing, Part, Skipped, SourceImage } from './part.ts';
import { classRoot, sideRoot, under } from './tree_root.ts';

export interface TreeFile {
  /** Relative to the root, with slashes. */
  name: string;
  stamp: string;
}

/** All files of a tree, sorted by name. */
export interface TreeFiles {
  files: TreeFile[];
  skipped: Skipped[];
  /** Files that are no images by their names or first bytes. */
  ignored: number;
  /** The first of them. */
  ignoredNames?: string[];
}

export interface Tree extends Pick<Part, 'key' | 'pins' | 'close'> {
  /** What stands before the names of its files for a person. */
  name: string;
  /** Each folder at the top is a class; else all images are alike. */
  labelled: boolean;
  /** From `?split=` and `?label=`. */
  split?: string;
  label?: string;
  /** Whether a single folder that holds all others is entered. */
  enters: boolean;
  list(signal?: AbortSignal): Promise<TreeFiles>;
  read(name: string): Promise<Uint8Array>;
  /** What to say when there is no image in it. */
  onEmpty(found: TreeFiles): UserError;
}

/** The tree as a part. */
export function treePart(tree: Tree): Part {
  const { key, labelled, split, name: root } = tree;
  return {
    key: `${key} ${labelled} ${split ?? ''}`,
    nameOf: (name) => under(root, name),
    list: async (signal) => listing(tree, await tree.list(signal)),
    read: (listing, wanted, signal) => readFiles(tree, listing, wanted, signal),
    pins: tree.pins,
    close: tree.close,
  };
}

function listing(tree: Tree, found: TreeFiles): Listing {
  if (found.files.length === 0) throw tree.onEmpty(found);
  const root = rootOf(tree, found.files);
  // The other side of a split is left out in silence, a stray image is not.
  const inside = found.files.filter(({ name }) => tree.split === undefined || name.startsWith(root));
  const classOf = ({ name }: TreeFile) =>
    name.startsWith(root) ? (/^[^/]+(?=\/)/.exec(name.slice(root.length))?.[0] ?? '') : '';
  const files = tree.labelled ? inside.filter((file) => classOf(file) !== '') : inside;
  const outside = tree.labelled ? inside.filter((file) => classOf(file) === '') : [];
  if (files.length === 0) throw noClasses(under(tree.name, root), outside.length);
  const values = [...new Set(files.map((file) => (tree.labelled ? classOf(file) : '')))].sort();
  const numbers = new Map(values.map((value, i) => [value, i]));
  const reason = 'lies outside the class folders';
  const skipped = [...found.skipped, ...outside.map(({ name }) => ({ name, reason }))];
  return {
    count: files.length,
    names: files.map(({ name }) => name),
    labels: Int32Array.from(files, (file) => numbers.get(tree.labelled ? classOf(file) : '')!),
    labelNames: values.map((value) => ({ value, name: value })),
    stamps: files.map(({ stamp }) => stamp),
    skipped: skipped.map(({ name, reason }) => ({ name: under(tree.name, name), reason })),
    ignored: found.ignored,
    ignoredNames: found.ignoredNames?.map((name) => under(tree.name, name)),
  };
}

function rootOf({ labelled, split, ...options }: Tree, files: TreeFile[]): string {
  const names = files.map(({ name }) => name);
  if (labelled) return classRoot(names, { ...options, split });
  return split === undefined ? '' : sideRoot(names, { ...options, split });
}

function noClasses(where: string, count: number): UserError {
  return new UserError(
    `Expected a folder for each class in "${where}", but its ${count} images lie in it directly; ` +
      `move them to ${under(where, 'bird')} and ${under(where, 'not-bird')}, or use --birds and --not-birds`,
  );
}

/** Files asked for ahead, as a disk answers late, and what they may have together; a larger one is not read ahead. */
const AHEAD = 4;
const AHEAD_BYTES = 16 * 2 ** 20;

/** The bytes of the files for which `wanted` holds; some are read ahead. */
export async function* readFiles(
  tree: Pick<Tree, 'read'>,
  { names, stamps }: Listing,
  wanted: (index: number) => boolean,
  signal?: AbortSignal,
): AsyncGenerator<SourceImage> {
  const ahead: { image: Promise<SourceImage>; size: number }[] = [];
  let bytes = 0;
  const next = () => {
    const { image, size } = ahead.shift()!;
    bytes -= size;
    return image;
  };
  for (const [index, name] of names!.entries()) {
    if (!wanted(index)) continue;
    signal?.throwIfAborted();
    // A stamp begins with the size.
    const size = Number.parseInt(stamps?.[index] ?? '', 10) || 0;
    while (ahead.length >= AHEAD || (ahead.length > 0 && bytes + size > AHEAD_BYTES)) yield next();
    const image = readOne(tree, index, name);
    image.catch(() => {});
    ahead.push({ image, size });
    bytes += size;
    if (size > AHEAD_BYTES) yield next();
  }
  while (ahead.length > 0) yield next();
}

async function readOne(tree: Pick<Tree, 'read'>, index: number, name: string): Promise<SourceImage> {
  try {
    return { index, bytes: await tree.read(name) };
  } catch (error) {
    if (error instanceof UserError) throw error;
    return { index, problem: `could not be read (${codeOf(error)})`, lasting: false };
  }
}

/** What the system calls an error. */
export function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
