/** Folders of images: of one folder a class, or simply full of them. */
import { closeSync, type Dirent, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { readFile, realpath } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { UserError } from '../../run/errors.ts';
import { sniff } from '../sniff.ts';
import type { Listing, Part, Skipped, SourceImage } from './part.ts';

/** Names of images. Those that can't be decoded are skipped with a reason, not passed over. */
const IMAGE_NAMES = /\.(jpe?g|jpe|jfif|png|webp|gif|avif|tiff?|bmp|hei[cf]|svg|jxl|jp2|ico|psd)$/i;

/** Larger files are not read into memory. */
const FILE_LIMIT = 512 * 2 ** 20;

/** After so many entries a walk lets other work go on. */
const ENTRIES_A_TURN = 256;

interface FoundFile {
  /** Relative to the root, with slashes. */
  name: string;
  stamp: string;
}

interface Found {
  files: FoundFile[];
  skipped: Skipped[];
  ignored: number;
}

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

/**
 * The folder as a part of a source.
 * @param labelled each direct subfolder is a class; else all images are alike
 */
export async function folderPart(folder: string, labelled: boolean): Promise<Part> {
  const key = await realpath(folder);
  return {
    key: `folder ${labelled} ${key}`,
    nameOf: (name) => join(folder, name),
    list: async () => listing(folder, await walk(folder, labelled), labelled),
    read: (listing, wanted, signal) => readFiles(folder, listing, wanted, signal),
  };
}

function listing(folder: string, found: Found, labelled: boolean): Listing {
  const classOf = ({ name }: FoundFile) => (labelled ? name.slice(0, Math.max(0, name.indexOf('/'))) : '');
  const files = labelled ? found.files.filter((file) => classOf(file) !== '') : found.files;
  const outside = labelled ? found.files.filter((file) => classOf(file) === '') : [];
  if (found.files.length === 0) throw emptyFolder(folder, found);
  if (files.length === 0) {
    throw new UserError(
      `Expected a folder for each class in "${folder}", but its ${outside.length} images lie in it directly; ` +
        `move them to ${join(folder, 'bird')} and ${join(folder, 'not-bird')}, or use --birds and --not-birds`,
    );
  }
  const values = [...new Set(files.map(classOf))].sort();
  const numbers = new Map(values.map((value, i) => [value, i]));
  const reason = 'lies outside the class folders';
  return {
    count: files.length,
    names: files.map(({ name }) => name),
    labels: Int32Array.from(files, (file) => numbers.get(classOf(file))!),
    labelNames: values.map((value) => ({ value, name: value })),
    stamps: files.map(({ stamp }) => stamp),
    skipped: [...found.skipped, ...outside.map(({ name }) => ({ name, reason }))].map(({ name, reason }) => ({
      name: join(folder, name),
      reason,
    })),
    ignored: found.ignored,
  };
}

function emptyFolder(folder: string, { ignored, skipped }: Found): UserError {
  const parquet = readdirSync(folder).some((name) => /\.parquet$/i.test(name));
  if (parquet) {
    return new UserError(
      `Expected images in "${folder}", but found parquet files; say '${join(folder, '*.parquet')}'`,
    );
  }
  const others = ignored + skipped.length;
  return new UserError(
    `Expected images in "${folder}", but found ${others === 0 ? 'nothing' : `none among ${others} files`}; ` +
      'put one folder of images a class in it',
  );
}

/** Each folder is entered once, however many links lead to it; once a class if there are classes. */
async function walk(root: string, labelled: boolean): Promise<Found> {
  const found: Found = { files: [], skipped: [], ignored: 0 };
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
  return found;
}

function entriesOf(root: string, name: string, found: Found): Dirent[] {
  try {
    const entries = readdirSync(join(root, name), { withFileTypes: true });
    return entries.filter((entry) => !entry.name.startsWith('.') && entry.name !== '__MACOSX');
  } catch (error) {
    const reason = `could not be opened (${codeOf(error)})`;
    if (name === '') throw new UserError(`The folder "${root}" ${reason}; check its permissions`);
    found.skipped.push({ name, reason });
    return [];
  }
}

/** Notes a file; of a folder, returns what it is known by. */
function visit(root: string, name: string, entry: Dirent, found: Found): string | undefined {
  const isImage = IMAGE_NAMES.test(name);
  const extension = extname(name);
  if (entry.isFile() && !isImage && extension !== '') {
    found.ignored += 1;
    return undefined;
  }
  try {
    const stats = statSync(join(root, name));
    if (stats.isDirectory()) return `${stats.dev}:${stats.ino}`;
    if (!isImage && (extension !== '' || !stats.isFile() || !looksLikeImage(join(root, name)))) {
      found.ignored += 1;
    } else if (!stats.isFile()) {
      found.skipped.push({ name, reason: 'is not a file' });
    } else if (stats.size > FILE_LIMIT) {
      found.skipped.push({ name, reason: `is larger than ${FILE_LIMIT / 2 ** 20} MB` });
    } else {
      found.files.push({ name, stamp: `${stats.size}:${stats.mtimeMs}:${stats.ino}` });
    }
  } catch (error) {
    if (isImage) found.skipped.push({ name, reason: `could not be opened (${codeOf(error)})` });
    else found.ignored += 1;
  }
  return undefined;
}

function looksLikeImage(path: string): boolean {
  const file = openSync(path, 'r');
  try {
    const head = Buffer.alloc(64);
    return sniff(head.subarray(0, readSync(file, head))).readable;
  } finally {
    closeSync(file);
  }
}

async function* readFiles(
  folder: string,
  { names }: Listing,
  wanted: (index: number) => boolean,
  signal?: AbortSignal,
): AsyncGenerator<SourceImage> {
  // Asked for ahead, as a disk answers late.
  const ahead: Promise<SourceImage>[] = [];
  for (const [index, name] of names!.entries()) {
    if (!wanted(index)) continue;
    signal?.throwIfAborted();
    ahead.push(readOne(index, join(folder, name)));
    if (ahead.length >= 4) yield ahead.shift()!;
  }
  for (const image of ahead) yield image;
}

async function readOne(index: number, path: string): Promise<SourceImage> {
  try {
    return { index, bytes: await readFile(path) };
  } catch (error) {
    return { index, problem: `could not be read (${codeOf(error)})`, lasting: false };
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
