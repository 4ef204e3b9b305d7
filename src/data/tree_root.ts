/** Which folder of a tree has a folder for each class in it: its top, the only folder there, or one side of a split. */
import { UserError } from '../base/errors.ts';
import { isSplitName, namesOfSide, splitFolders } from './split_names.ts';

/** A folder with images in it, at any depth. */
interface Folder {
  /** From the top of the tree, with a slash at its end; nothing for the top. */
  path: string;
  folders: Map<string, Folder>;
  hasImages: boolean;
}

export interface RootOptions {
  /** What stands before the names of its files for a person. */
  name: string;
  /** Whether a single folder that holds all others is entered. */
  enters: boolean;
  /** From `?split=`. */
  split?: string;
  /** From `?label=`: naming a class says that the folders are classes. */
  label?: string;
}

/** A path as a person finds it. */
export function under(root: string, name: string): string {
  return `${root.replace(/\/+$/, '')}/${name}`.replace(/(.)\/+$/, '$1');
}

/**
 * The folder whose folders are the classes, with a slash at its end; nothing for the top.
 * @param names of all images
 * @throws UserError that names the folder to give instead, if the folders are not classes or none of them is `split`
 */
export function classRoot(names: string[], options: RootOptions): string {
  const { split, enters } = options;
  const top = treeOf(names);
  const root = split === undefined ? (enters ? entered(top) : top) : sideFolder(top, split, options);
  expectClasses(root, top, options);
  return root.path;
}

/** The folder of a side, where all images are alike. */
export function sideRoot(names: string[], options: RootOptions & { split: string }): string {
  return sideFolder(treeOf(names), options.split, options).path;
}

/** A deeper folder that holds several, where all images lie in one: perhaps those are the classes that were meant. */
export function deeperRoot(names: string[]): { path: string; folders: string } | undefined {
  const { path, folders } = entered(treeOf(names));
  if (path === '' || folders.size < 2) return undefined;
  return { path: path.slice(0, -1), folders: listOf([...folders.keys()]) };
}

function treeOf(names: string[]): Folder {
  const top: Folder = { path: '', folders: new Map(), hasImages: false };
  let [before, folder] = ['', top];
  for (const name of names) {
    const path = name.slice(0, name.lastIndexOf('/') + 1);
    if (path !== before) [before, folder] = [path, folderAt(top, path)];
    folder.hasImages = true;
  }
  return top;
}

function folderAt(top: Folder, path: string): Folder {
  let folder = top;
  for (const name of path.split('/').slice(0, -1)) {
    const inner = folder.folders.get(name) ?? {
      path: `${folder.path}${name}/`,
      folders: new Map(),
      hasImages: false,
    };
    folder.folders.set(name, inner);
    folder = inner;
  }
  return folder;
}

/** Goes down for as long as all images lie in one folder, but never into the last one. */
function entered(folder: Folder): Folder {
  const next = onlyFolder(folder);
  if (!next || next.folders.size === 0 || (next.hasImages && next.folders.size < 2)) return folder;
  return entered(next);
}

/** A folder, and each single folder below it to the last. */
function downTo(first: Folder, last: Folder): Folder[] {
  return first === last ? [first] : [first, ...downTo(onlyFolder(first)!, last)];
}

function onlyFolder({ folders }: Folder): Folder | undefined {
  return folders.size === 1 ? [...folders.values()][0] : undefined;
}

/** The folders that `?split=` means; several when it could be any of them. It may be a path: "photos/fold1". */
function sidesIn(top: Folder, split: string, enters: boolean): Folder[] {
  const path = split.split('/').filter((part) => part !== '');
  for (const place of new Set([enters ? entered(top) : top, top, entered(top)])) {
    const inner = path.slice(0, -1).reduce<Folder | undefined>((at, part) => at?.folders.get(part), place);
    const found = inner ? namesOfSide([...inner.folders.keys()], path.at(-1) ?? '') : [];
    if (found.length > 0) return found.map((name) => inner!.folders.get(name)!);
  }
  return [];
}

function sideFolder(top: Folder, split: string, { name, enters }: RootOptions): Folder {
  const [side, ...others] = sidesIn(top, split, enters);
  if (side === undefined) {
    throw new UserError(
      `Expected a folder "${split}" in "${name}", as ?split=${split} says, but there is none; check its folders`,
    );
  }
  if (others.length > 0) {
    const paths = [side, ...others].map(pathOf);
    throw new UserError(
      `Expected one folder for ?split=${split} in "${name}", but found ${listOf(paths)}; name one of them, as in ?split=${paths[0]}`,
    );
  }
  return enters ? entered(side) : unwrapped(side);
}

/** seg_train/seg_train: a side packed in a folder of its own name. */
function unwrapped(folder: Folder): Folder {
  const inner = folder.hasImages ? undefined : onlyFolder(folder);
  return inner && inner.folders.size > 0 && nameOf(inner) === nameOf(folder) ? unwrapped(inner) : folder;
}

function pathOf({ path }: Folder): string {
  return path.slice(0, -1);
}

function nameOf({ path }: Folder): string {
  return path.split('/').at(-2) ?? '';
}

/** @throws UserError when the folders in it are sides of a split, or hold one set of classes several times */
function expectClasses(root: Folder, top: Folder, options: RootOptions): void {
  // A single folder that is not entered may be the only class of this source; a split in it is ignored.
  for (const folder of downTo(root, entered(root))) {
    const names = [...folder.folders.keys()];
    const hasFolders = (name: string) => folder.folders.get(name)!.folders.size > 0;
    if (names.length === 1 && isSplitName(names[0]!) && hasFolders(names[0]!) && !options.enters)
      throw onlySide(folder, names[0]!, options);
    const sides = splitFolders(names, hasFolders);
    if (sides.length > 0) throw noClasses(folder, top, { sides, found: `found ${listOf(sides)}` }, options);
  }
  const repeated = repeatedIn(root);
  if (repeated === undefined || isNamed(root, options.label)) return;
  const { sides, inner } = repeated;
  const found = `its folders ${listOf(sides)} hold the same folders (${shortList(inner)})`;
  const advice = '; if they are the classes, list the images in a .csv file of path and label';
  throw noClasses(root, top, { sides, found, advice }, options);
}

function isNamed({ folders }: Folder, label: string | undefined): boolean {
  return label !== undefined && [...folders.keys()].some((name) => plain(name) === plain(label));
}

function plain(name: string): string {
  return name.normalize('NFC').toLowerCase();
}

/** Names of folders that divide the images of one class: sides, years, camera folders. */
const NO_CLASSES = /^((19|20)\d\d([-_.]?\d\d){0,2}|\d{3}[A-Z_\d]{5})$/;

/** The folders of which most hold what others of them hold, too; and what that is. */
function repeatedIn({ folders }: Folder): { sides: string[]; inner: string[] } | undefined {
  const counts = new Map<string, number>();
  const all = [...folders].map(([name, folder]) => {
    const inner = [...entered(folder).folders.keys()]
      .filter((one) => !isSplitName(one) && !NO_CLASSES.test(one))
      .map(plain);
    for (const one of inner) counts.set(one, (counts.get(one) ?? 0) + 1);
    return { name, inner };
  });
  const shared = (inner: string[]) => inner.filter((one) => counts.get(one)! > 1);
  const repeating = all.filter(({ inner }) => shared(inner).length >= Math.max(2, inner.length / 2));
  if (repeating.length < 2 || repeating.length * 2 <= all.length) return undefined;
  return { sides: repeating.map(({ name }) => name), inner: shared(repeating[0]!.inner) };
}

function onlySide(folder: Folder, side: string, { name }: RootOptions): UserError {
  const where = under(name, folder.path);
  return new UserError(
    `Expected a folder for each class in "${where}", but found only "${side}"; name "${under(where, side)}" instead`,
  );
}

interface Found {
  sides: string[];
  /** In words. */
  found: string;
  advice?: string;
}

function noClasses(
  folder: Folder,
  top: Folder,
  { sides, found, advice = '' }: Found,
  { name, enters }: RootOptions,
): UserError {
  const all = sides.map((side) => folder.folders.get(side)!);
  const [train, test] = ['train', 'test'].map((side) =>
    sidesIn(top, side, enters).filter((one) => all.includes(one)),
  ) as [Folder[], Folder[]];
  // The short name of a side where it says which, else its path.
  const sayings =
    train.length > 0 && test.length > 0
      ? [train.length > 1 ? pathOf(train[0]!) : 'train', test.length > 1 ? pathOf(test[0]!) : 'test']
      : all.map(pathOf);
  return new UserError(
    `Expected a folder for each class in "${under(name, folder.path)}", but ${found}; ` +
      `say "${name}?split=${sayings[0]}", and ?split=${sayings[1]} after --val${advice}`,
  );
}

const SHOWN = 5;

function shortList(names: string[]): string {
  return names.slice(0, SHOWN).join(', ') + (names.length > SHOWN ? ', ...' : '');
}

function listOf(names: string[]): string {
  if (names.length > SHOWN) return `${names.slice(0, SHOWN).join(', ')} and ${names.length - SHOWN} more`;
  return [names.slice(0, -1).join(', '), names.at(-1)!].filter((part) => part !== '').join(' and ');
}
