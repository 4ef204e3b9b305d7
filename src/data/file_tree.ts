/** Files in folders, on disk or in an archive, as a part of a source: of one folder a class, or all alike. */
import { UserError } from '../base/errors.ts';
import type { Listing, Part, Skipped, SourceImage } from './part.ts';
import { classRoot, sideRoot, under } from './tree_root.ts';
import { type Beside, birdsBeside, labelsBeside } from './webdataset.ts';

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
  /** What else is known of the images; their labels may be there. */
  beside?(): Promise<Beside>;
  /** Whether images whose texts speak of birds are left out. */
  texts?: boolean;
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
  /** The error message if it contains no image. */
  onEmpty(found: TreeFiles): UserError;
}

/** The tree as a part. */
export function treePart(tree: Tree): Part {
  const { key, labelled, split, texts = false, name: root } = tree;
  return {
    key: `${key} ${labelled} ${split ?? ''}${texts ? ' texts' : ''}`,
    nameOf: (name) => under(root, name),
    list: async (signal) => listing(tree, await tree.list(signal)),
    read: (listing, wanted, signal) => readFiles(tree, listing, wanted, signal),
    pins: tree.pins,
    close: tree.close,
  };
}

/** The images that are used, each with its label; nothing for all where they are alike. */
interface Chosen extends Pick<Listing, 'skipped' | 'notes'> {
  files: TreeFile[];
  labelOf: (file: TreeFile) => string;
  /** Files that are no images, but of use. */
  used: string[];
}

async function listing(tree: Tree, found: TreeFiles): Promise<Listing> {
  if (found.files.length === 0) throw tree.onEmpty(found);
  const beside = await tree.beside?.();
  const chosen = (beside && (await byBeside(tree, found, beside))) ?? byFolders(tree, found, beside);
  const { labelOf, notes } = chosen;
  const used = new Set(chosen.used);
  const birds = beside && tree.texts ? await birdsBeside(namesOf(chosen.files), beside) : undefined;
  const files = chosen.files.filter(({ name }) => !birds?.has(name));
  const values = [...new Set(files.map(labelOf))].sort();
  const numbers = new Map(values.map((value, i) => [value, i]));
  const full = (name: string) => under(tree.name, name);
  const named = ({ name, reason }: Skipped) => ({ name: full(name), reason });
  return {
    count: files.length,
    names: namesOf(files),
    labels: Int32Array.from(files, (file) => numbers.get(labelOf(file))!),
    labelNames: values.map((value) => ({ value, name: value })),
    notes,
    stamps: files.map(({ stamp }) => stamp),
    skipped: [...found.skipped, ...chosen.skipped].map(named),
    filtered:
      birds &&
      [...birds].map(([name, word]) => named({ name, reason: `its text speaks of birds: "${word}"` })),
    ignored: found.ignored - used.size,
    ignoredNames: found.ignoredNames?.filter((name) => !used.has(name)).map(full),
  };
}

/** Each image by what stands beside it; undefined where nothing there is a label. */
async function byBeside(tree: Tree, { files }: TreeFiles, beside: Beside): Promise<Chosen | undefined> {
  if (!tree.labelled) return undefined;
  const side = tree.split === undefined ? '' : sideRoot(namesOf(files), { ...tree, split: tree.split });
  const inside = files.filter(({ name }) => name.startsWith(side));
  const found = await labelsBeside(namesOf(inside), beside);
  if (!found) return undefined;
  return {
    files: inside.filter(({ name }) => found.labels.has(name)),
    labelOf: ({ name }) => found.labels.get(name)!,
    skipped: [...found.reasons].map(([name, reason]) => ({ name, reason })),
    notes: [`labels from ${found.where}`],
    used: beside.names,
  };
}

function byFolders(tree: Tree, { files: all }: TreeFiles, beside?: Beside): Chosen {
  const root = rootOf(tree, all);
  // The other side of a split is left out in silence, a stray image is not.
  const inside = all.filter(({ name }) => tree.split === undefined || name.startsWith(root));
  if (!tree.labelled) return { files: inside, labelOf: () => '', skipped: [], used: [] };
  const labelOf = ({ name }: TreeFile) =>
    name.startsWith(root) ? (/^[^/]+(?=\/)/.exec(name.slice(root.length))?.[0] ?? '') : '';
  const files = inside.filter((file) => labelOf(file) !== '');
  const outside = inside.filter((file) => labelOf(file) === '');
  if (files.length === 0) throw noClasses(under(tree.name, root), outside.length, beside?.names.length ?? 0);
  const reason = 'lies outside the class folders';
  return { files, labelOf, skipped: outside.map(({ name }) => ({ name, reason })), used: [] };
}

function namesOf(files: TreeFile[]): string[] {
  return files.map(({ name }) => name);
}

function rootOf({ labelled, split, ...options }: Tree, files: TreeFile[]): string {
  const names = namesOf(files);
  if (labelled) return classRoot(names, { ...options, split });
  return split === undefined ? '' : sideRoot(names, { ...options, split });
}

function noClasses(where: string, count: number, texts: number): UserError {
  if (texts > 0) {
    return new UserError(
      `Expected a folder for each class in "${where}", or a label beside each image (.cls, "label" in .json, or .txt), ` +
        `but found ${count} images with texts that are no labels; use --birds and --not-birds`,
    );
  }
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
