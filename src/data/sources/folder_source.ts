/** Folders of images: of one folder a class, or simply full of them. */
import { type Dirent, readdirSync, statSync } from 'node:fs';
import { readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../base/errors.ts';
import { codeOf, type TreeFiles, treePart } from '../file_tree.ts';
import { kindOf, whyNoImage } from '../first_bytes.ts';
import { IGNORED_NAMES, IMAGE_SIZE_LIMIT, isPassedOver, kindOfName } from '../image_names.ts';
import type { Part, Skipped, Source } from '../part.ts';
import { isImage } from '../sniff.ts';

/** A walk yields to the event loop after this many entries. */
const ENTRIES_A_TURN = 256;

/**
 * All image files below a folder, sorted; hidden ones and links in circles left out.
 * @returns paths that begin with `folder`; those of other files are only counted
 */
export async function listImageFiles(
  folder: string,
): Promise<{ files: string[]; skipped: Skipped[]; ignored: number }> {
  const { files, skipped, ignored } = await walk(folder, false);
  const full = (name: string) => join(folder, name);
  return {
    files: files.map(({ name }) => full(name)),
    skipped: skipped.map(({ name, reason }) => ({ name: full(name), reason })),
    ignored,
  };
}

/** All image files below a folder; their names are relative to it. */
export function filesBelow(folder: string): Promise<TreeFiles> {
  return walk(folder, false);
}

/**
 * The folder as a part of a source.
 * @param labelled each direct subfolder is a class; else all images are alike
 * @param query `split`: only the images below its folder of that name, or of that side; `label`: the class that is asked for
 */
export async function folderPart(
  folder: string,
  labelled: boolean,
  { split, label }: Pick<Source, 'split' | 'label'> = {},
): Promise<Part> {
  return treePart({
    key: `folder ${await realpath(folder)}`,
    name: folder,
    labelled,
    split,
    label,
    enters: false,
    list: () => walk(folder, labelled || split !== undefined),
    read: (name) => readFile(join(folder, name)),
    onEmpty: (found) => emptyFolder(folder, found),
  });
}

function emptyFolder(folder: string, { ignored, skipped }: TreeFiles): UserError {
  const names = readdirSync(folder);
  for (const [what, ending] of [
    ['parquet', '.parquet'],
    ['Arrow', '.arrow'],
    ['tar', '.tar'],
    ['zip', '.zip'],
  ]) {
    if (!names.some((name) => name.toLowerCase().endsWith(ending!))) continue;
    return new UserError(
      `Expected images in "${folder}", but found ${what} files; say '${join(folder, `*${ending}`)}'`,
    );
  }
  const others = ignored + skipped.length;
  return new UserError(
    `Expected images in "${folder}", but found ${others === 0 ? 'nothing' : `none among ${others} files`}; ` +
      'put one folder of images a class in it',
  );
}

type Found = TreeFiles & { ignoredNames: string[] };

/** Each folder is entered once, however many links lead to it; once a class if there are classes. */
async function walk(root: string, labelled: boolean): Promise<Found> {
  const found: Found = { files: [], skipped: [], ignored: 0, ignoredNames: [] };
  const { dev, ino } = statSync(root);
  const rootId = `${dev}:${ino}`;
  const entered = new Set<string>();
  const queue: { name: string; top: string }[] = [{ name: '', top: '' }];
  let seen = 0;
  for (let folder = queue.pop(); folder; folder = queue.pop()) {
    for (const entry of entriesOf(root, folder.name, found)) {
      if (++seen % ENTRIES_A_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
      const name = folder.name === '' ? entry.name : `${folder.name}/${entry.name}`;
      const inner = visit(root, name, entry, found);
      if (inner === undefined || inner === rootId) continue;
      const top = labelled ? folder.top || entry.name : '';
      if (entered.has(`${top} ${inner}`)) continue;
      entered.add(`${top} ${inner}`);
      queue.push({ name, top });
    }
  }
  found.files.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  found.ignoredNames.sort();
  return found;
}

function entriesOf(root: string, name: string, found: TreeFiles): Dirent[] {
  try {
    const entries = readdirSync(join(root, name), { withFileTypes: true });
    return entries.filter((entry) => !isPassedOver(entry.name));
  } catch (error) {
    const reason = `could not be opened (${codeOf(error)})`;
    if (name === '') throw new UserError(`The folder "${root}" ${reason}; check its permissions`);
    found.skipped.push({ name, reason });
    return [];
  }
}

/** Notes a file; of a folder, returns what it is known by. */
function visit(root: string, name: string, entry: Dirent, found: Found): string | undefined {
  const kind = kindOfName(name);
  if (entry.isFile() && kind === 'other') return ignore(name, found);
  try {
    const stats = statSync(join(root, name));
    if (stats.isDirectory()) return `${stats.dev}:${stats.ino}`;
    const isLink = entry.isSymbolicLink() && kind === 'image' && stats.isFile();
    const reason = isLink ? whyNoTarget(join(root, name)) : undefined;
    const isOther = kind === 'other' || !stats.isFile();
    if (kind !== 'image' && (isOther || !looksLikeImage(join(root, name), stats.size))) {
      ignore(name, found);
    } else if (reason !== undefined) {
      found.skipped.push({ name, reason });
    } else if (!stats.isFile()) {
      found.skipped.push({ name, reason: 'is not a file' });
    } else if (stats.size > IMAGE_SIZE_LIMIT) {
      found.skipped.push({ name, reason: `is larger than ${IMAGE_SIZE_LIMIT / 2 ** 20} MB` });
    } else {
      found.files.push({ name, stamp: `${stats.size}:${stats.mtimeMs}:${stats.ino}` });
    }
  } catch (error) {
    if (kind !== 'image') return ignore(name, found);
    found.skipped.push({ name, reason: `could not be opened (${codeOf(error)})` });
  }
  return undefined;
}

function ignore(name: string, found: Found): undefined {
  found.ignored += 1;
  if (found.ignoredNames.length < IGNORED_NAMES) found.ignoredNames.push(name);
}

/** What a link leads to may be anything, whatever the link is called. */
function whyNoTarget(path: string): string | undefined {
  try {
    return whyNoImage(path);
  } catch {
    // That is reported when it is read.
    return undefined;
  }
}

function looksLikeImage(path: string, size: number): boolean {
  return size > 0 && isImage(kindOf(path));
}
