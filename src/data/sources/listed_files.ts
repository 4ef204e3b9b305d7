/** The files that the cells of a list name, as they are written on another machine, too. */
import { type Dirent, lstatSync, readdirSync, realpathSync, type Stats, statSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { UserError } from '../../base/errors.ts';
import { codeOf } from '../file_tree.ts';
import { whyNoImage } from '../first_bytes.ts';
import { IMAGE_NAMES, IMAGE_SIZE_LIMIT, isPassedOver } from '../image_names.ts';
import { stampOf } from './local_file.ts';

/** A file that can be used, or why not. */
export type Looked = { path: string; stamp: string } | { path: string; reason: string };

/** What is in a folder, by names in NFC; of images also without their endings. */
interface Names {
  whole: Map<string, string>;
  stems: Map<string, string[]>;
}

/** Depth and number of folders below a list's folder in which its images are searched. */
const DEPTH = 2;
const FOLDER_LIMIT = 500;

export class ListedFiles {
  /** Where paths begin: the folder of the list, or one below it. */
  #base: string;
  readonly #folder: string;
  readonly #names = new Map<string, Names>();
  /** Of the cells that are written in another way than their files. */
  readonly #paths = new Map<string, string>();
  /** Of the cells without an ending that several files have. */
  readonly #several = new Map<string, string[]>();
  readonly #isInside = new Map<string, boolean>();

  /** @param folder of the list */
  constructor(folder: string) {
    [this.#folder, this.#base] = [folder, folder];
  }

  /** The path of a cell that was looked at; of another, where it would be. */
  pathOf(cell: string): string {
    return this.#paths.get(cell) ?? (isAbsolute(cell) ? cell : join(this.#base, cell));
  }

  /** Whether there is a file of exactly this name. */
  isThere(cell: string): boolean {
    try {
      return statsOf(this.pathOf(cell))?.isFile() ?? false;
    } catch {
      return false;
    }
  }

  /** Whether there is a file that is meant by it. */
  has(cell: string): boolean {
    try {
      return this.#stats(cell)?.isFile() ?? false;
    } catch {
      return false;
    }
  }

  /**
   * If none of the cells is found below the list's folder, the one subfolder that contains them becomes the base.
   * @returns its name, if there is one
   * @throws UserError when there are several
   */
  rebase(cells: string[]): string | undefined {
    const countIn = (folder: string) => {
      this.#setBase(folder);
      return cells.filter((cell) => this.has(cell)).length;
    };
    if (countIn('') > 0) return undefined;
    const found = foldersBelow(this.#folder).map((folder) => ({ folder, count: countIn(folder) }));
    const most = Math.max(0, ...found.map(({ count }) => count));
    const [best, other] = found.filter(({ count }) => count === most);
    this.#setBase('');
    if (!best || most === 0) return undefined;
    if (other) {
      throw new UserError(
        `Expected the images of a list in one folder beside it, but "${cells[0]}" may be in "${best.folder}" or "${other.folder}" of "${this.#folder}"; write the folder before each name`,
      );
    }
    this.#setBase(best.folder);
    return best.folder;
  }

  #setBase(folder: string): void {
    this.#base = join(this.#folder, folder);
    this.#paths.clear();
    this.#several.clear();
  }

  look(cell: string): Looked {
    try {
      const stats = this.#stats(cell);
      const path = this.pathOf(cell);
      if (!stats) return { path, reason: this.#whyMissing(cell) };
      const reason = this.#whyNot(path, stats);
      return reason === undefined ? { path, stamp: stampOf(stats) } : { path, reason };
    } catch (error) {
      return { path: this.pathOf(cell), reason: `could not be opened (${codeOf(error)})` };
    }
  }

  #whyMissing(cell: string): string {
    const several = this.#several.get(cell);
    if (several) return `is in the list, but may be ${several.join(' or ')}`;
    return 'is in the list, but there is no such file';
  }

  #whyNot(path: string, stats: Stats): string | undefined {
    if (!stats.isFile()) return 'is not a file';
    if (stats.size > IMAGE_SIZE_LIMIT) return `is larger than ${IMAGE_SIZE_LIMIT / 2 ** 20} MB`;
    // Image names in a list are taken as they are; other files are examined before they are read and hashed.
    const isOwn = IMAGE_NAMES.test(path) && this.#isBelow(dirname(path)) && !lstatSync(path).isSymbolicLink();
    if (isOwn) return undefined;
    // What the system shows of itself, in /proc, has no size: it is not even opened.
    return stats.size === 0 ? 'is empty' : whyNoImage(path);
  }

  /** Whether a folder is below that of the list, wherever links lead. */
  #isBelow(folder: string): boolean {
    const known = this.#isInside.get(folder);
    if (known !== undefined) return known;
    const isBelow = `${realpathSync(folder)}/`.startsWith(`${realpathSync(this.#folder)}/`);
    this.#isInside.set(folder, isBelow);
    return isBelow;
  }

  #stats(cell: string): Stats | undefined {
    const stats = statsOf(this.pathOf(cell));
    if (stats) return stats;
    const path = this.#findNamed(cell);
    if (path !== undefined) this.#paths.set(cell, path);
    return path === undefined ? undefined : statsOf(path);
  }

  /** The file of a name with other slashes, in another Unicode form, or without its ending. */
  #findNamed(cell: string): string | undefined {
    const names = cell.replaceAll('\\', '/').split('/');
    let path = isAbsolute(cell) ? '/' : this.#base;
    for (const [i, name] of names.entries()) {
      if (name === '' || name === '.') continue;
      const { whole, stems }: Names = this.#namesIn(path);
      const plain = name.normalize('NFC');
      const stem: string[] = i === names.length - 1 ? (stems.get(plain) ?? []) : [];
      if (stem.length > 1) this.#several.set(cell, stem);
      const found = name === '..' ? name : (whole.get(plain) ?? (stem.length === 1 ? stem[0] : undefined));
      if (found === undefined) return undefined;
      path = join(path, found);
    }
    return path;
  }

  #namesIn(folder: string): Names {
    const known = this.#names.get(folder);
    if (known) return known;
    const names: Names = { whole: new Map(), stems: new Map() };
    for (const { name } of entriesOf(folder)) {
      const plain = name.normalize('NFC');
      names.whole.set(plain, name);
      const stem = plain.replace(IMAGE_NAMES, '');
      if (stem !== plain) names.stems.set(stem, [...(names.stems.get(stem) ?? []), name]);
    }
    this.#names.set(folder, names);
    return names;
  }
}

function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error))) return undefined;
    throw error;
  }
}

/** Relative to the folder, those above first. */
function foldersBelow(folder: string): string[] {
  const found: string[] = [];
  let level = [''];
  for (let depth = 0; depth < DEPTH; depth++) {
    level = level.flatMap((name) =>
      entriesOf(join(folder, name))
        .filter((entry) => entry.isDirectory() && !isPassedOver(entry.name))
        .map((entry) => join(name, entry.name)),
    );
    found.push(...level);
    if (found.length > FOLDER_LIMIT) break;
  }
  return found.slice(0, FOLDER_LIMIT);
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}
