/** The NABirds set of the Cornell Lab of Ornithology: its archive, or its folder. */
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { UserError } from '../../base/errors.ts';
import { fileSum } from '../cache/checksums.ts';
import { readFiles, type TreeFiles } from '../file_tree.ts';
import { pathUp } from '../hierarchy_file.ts';
import type { Listing, Part, Skipped, Source, SourceContext, SourceLabel } from '../part.ts';
import { sideOf } from '../split_names.ts';
import { filesOf, openOnce } from './archive_source.ts';
import { filesBelow } from './folder_source.ts';
import { descendants, LISTS, type NabirdsLists, readLists } from './nabirds_lists.ts';

const PAGE = 'https://dl.allaboutbirds.org/nabirds';

/** Of the archive as it has been given out so far. */
const KNOWN_MD5 = 'df21a9e4db349a14e2b08adfd45873bd';

/** Bytes; the largest of the true lists has 5 MB. */
const LIST_SIZE_LIMIT = 64 * 2 ** 20;

/** The files of the set, wherever they are. */
interface NabirdsFiles extends Pick<Part, 'pins' | 'close'> {
  /** The folder that the lists are in, with a slash at its end; nothing for the top. */
  place(): Promise<string | undefined>;
  files(): Promise<TreeFiles>;
  text(name: string): Promise<string | undefined>;
  read(name: string): Promise<Uint8Array>;
}

/**
 * The parts of the source: all images are birds, their labels the visual categories ("Barn Owl").
 * @throws UserError, for a missing file with where to get it
 */
export async function nabirdsParts(source: Source, context: SourceContext): Promise<Part[]> {
  const { text, path, label, split } = source;
  if (context.role === 'notBirds') {
    throw new UserError(
      `Expected images without birds after --not-birds, but "${text}" has birds only; use --birds`,
      2,
    );
  }
  const found = path === '' ? null : await stat(path).catch(() => null);
  if (!found) throw missing(path);
  const set = found.isDirectory() ? folderFiles(path, context) : archiveFiles(path, context);
  const part: Part = {
    key: ['nabirds', await realpath(path), split ?? '', label ?? ''].join(' '),
    nameOf: (name) => join(path, name),
    list: () => list(set, source),
    read: (listing, wanted, signal) => readFiles(set, listing, wanted, signal),
    pins: set.pins,
    isCached: !found.isDirectory(),
    looseImages: found.isDirectory(),
    close: set.close,
  };
  return [part];
}

function missing(path: string): UserError {
  const what = path === '' ? 'Expected a path after "nabirds:"' : `No such file: "${path}"`;
  return new UserError(
    `${what}; accept Cornell's terms at ${PAGE}, save nabirds.tar.gz from the link that they send, and say ` +
      'nabirds:PATH-TO-NABIRDS.TAR.GZ, or the path of its unpacked folder',
  );
}

function folderFiles(folder: string, { cacheDir }: SourceContext): NabirdsFiles {
  const isFile = async (name: string) =>
    (await stat(join(folder, name)).catch(() => null))?.isFile() ?? false;
  const place = async () => {
    const folders = (await readdir(folder, { withFileTypes: true })).filter((entry) => !entry.isFile());
    for (const one of ['', ...folders.map(({ name }) => `${name}/`).sort()]) {
      if (await isFile(`${one}images.txt`)) return one;
    }
    return undefined;
  };
  return {
    place,
    files: () => filesBelow(folder),
    text: async (name) => {
      if (!(await isFile(name))) return undefined;
      const { size } = await stat(join(folder, name));
      if (size <= LIST_SIZE_LIMIT) return readFile(join(folder, name), 'utf8');
      throw new UserError(`"${join(folder, name)}" is too large for a list of NABirds; fetch NABirds again`);
    },
    read: (name) => readFile(join(folder, name)),
    pins: async (options) => {
      const names = LISTS.map((name) => `${name}.txt`);
      const where = join(folder, (await place()) ?? '');
      return Promise.all(
        names.map(async (name) => ({ name, ...(await fileSum(join(where, name), cacheDir, options)) })),
      );
    },
  };
}

function archiveFiles(path: string, context: SourceContext): NabirdsFiles {
  const archive = openOnce(path, { ...context, md5: true });
  return {
    place: async () => {
      const { files, md5 } = await archive.open();
      if (md5 !== undefined && md5 !== KNOWN_MD5) {
        const note = `"${path}" is another archive than the one known as NABirds (md5 ${md5}, not ${KNOWN_MD5})`;
        context.onProgress?.({ stage: 'list', file: path, note });
      }
      const lists = [...files.keys()].filter((name) => /^([^/]+\/)?images\.txt$/.test(name)).sort();
      return lists.sort((a, b) => a.split('/').length - b.split('/').length)[0]?.replace(/images\.txt$/, '');
    },
    files: async () => filesOf(await archive.open()),
    text: async (name) => {
      const unpacked = await archive.open();
      if (!unpacked.files.has(name)) return undefined;
      return Buffer.from(await unpacked.read(name)).toString();
    },
    read: async (name) => (await archive.open()).read(name),
    pins: async (options) => [{ name: basename(path), ...(await fileSum(path, context.cacheDir, options)) }],
    close: archive.close,
  };
}

async function list(set: NabirdsFiles, { path, label, split }: Source): Promise<Listing> {
  const side = split === undefined ? undefined : sideOf(split);
  if (split !== undefined && side === undefined)
    throw new UserError(`Expected ?split=train or ?split=test of NABirds, but found ?split=${split}`, 2);
  const place = await set.place();
  if (place === undefined) {
    throw new UserError(
      `Expected the lists of NABirds (images.txt and others) in "${path}", but found none; name the archive or folder ` +
        `from ${PAGE}, or leave "nabirds:" away`,
    );
  }
  const lists = await readLists(join(path, place), (name) => set.text(`${place}${name}`));
  const { files, skipped: unreadable, ignored, ignoredNames } = await set.files();
  const stamps = new Map(files.map(({ name, stamp }) => [name, stamp]));
  const skipped: Skipped[] = unreadable.map(({ name, reason }) => ({ name: join(path, name), reason }));
  const images: { id: string; name: string }[] = [];
  for (const [id, file] of lists.paths) {
    if (side !== undefined && lists.training.get(id) !== (side === 'train')) continue;
    const name = `${place}images/${file}`;
    if (stamps.has(name)) images.push({ id, name });
    else skipped.push({ name: join(path, name), reason: 'is in images.txt, but is missing' });
  }
  if (images.length === 0) throw noImages(path, skipped.length);
  return {
    count: images.length,
    names: images.map(({ name }) => name),
    ...labelsOf(
      lists,
      images.map(({ id }) => id),
      label,
    ),
    stamps: images.map(({ name }) => stamps.get(name)!),
    skipped,
    ignored,
    ignoredNames: ignoredNames?.map((name) => join(path, name)),
  };
}

function noImages(path: string, missing: number): UserError {
  return new UserError(
    `Expected the images of NABirds in "${path}", but all ${missing} of its list are missing; fetch NABirds again`,
  );
}

/**
 * The class of each image. A label that is a larger group ("Owls") takes in all classes of that group.
 * @param ids of the images
 */
function labelsOf(
  lists: NabirdsLists,
  ids: string[],
  label: string | undefined,
): Pick<Listing, 'labels' | 'labelNames'> {
  const { classes, names } = lists;
  const group = label === undefined ? undefined : groupOf(lists, label);
  const merge = (id: string | undefined) => (id !== undefined && group?.members.has(id) ? group.id : id);
  const values = ids.map((id) => merge(classes.get(id)));
  const used = [...new Set(values.filter((value) => value !== undefined))].sort(
    (a, b) => Number(a) - Number(b),
  );
  const numbers = new Map(used.map((value, i) => [value, i]));
  const counts = new Map<string, number>();
  for (const value of used) {
    const name = names.get(value)!;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const labelNames = used.map((value): SourceLabel => {
    const name = names.get(value)!;
    const above = group === undefined ? pathUp(value, lists.parents, names) : [];
    return {
      value,
      name: counts.get(name) === 1 ? name : `${name} (${value})`,
      ...(above.length > 0 ? { above } : {}),
    };
  });
  return {
    labels: Int32Array.from(values, (value) => (value === undefined ? -1 : numbers.get(value)!)),
    labelNames,
  };
}

/** The class of that number or name; of several with the name the one with most in it. */
function groupOf(
  { names, parents }: NabirdsLists,
  label: string,
): { id: string; members: Set<string> } | undefined {
  const lower = label.toLowerCase();
  const ids = names.has(label)
    ? [label]
    : [...names.keys()].filter((id) => names.get(id)!.toLowerCase() === lower);
  const groups = ids.map((id) => ({ id, members: descendants(parents, id) }));
  return groups.sort((a, b) => b.members.size - a.members.size)[0];
}
