/** Images put into a folder for each class, and taken out again: nothing is ever overwritten. */
import { createHash } from 'node:crypto';
import {
  constants,
  copyFile,
  link,
  lstat,
  mkdir,
  readlink,
  rename,
  rm,
  rmdir,
  stat,
  symlink,
} from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { UserError } from '../base/errors.ts';
import { newName, removeLeftovers } from '../base/file_owner.ts';
import { SaveError, temporaryPath, writeFileWhole } from '../base/files.ts';
import { checkFolderName, imageFileName, numbered } from './file_names.ts';
import { forget, type Placed, type PlacedFiles, readJournal, remember, writeJournal } from './journal.ts';

/** What became of an image. */
export interface Filed {
  /** Relative to the folder: "bird/photo.jpg". */
  file: string;
  /** False where the same image was there under this label already. */
  isNew: boolean;
}

/** A folder of class folders with a journal. One process at a time writes to it; its calls go one after the other. */
export class ClassFolders {
  readonly folder: string;
  readonly #journal: string;
  readonly #placed: PlacedFiles;
  /** Those of this process: what one call of {@link undo} takes back. */
  readonly #mine: Placed[] = [];
  #sources: Map<string, Placed> | undefined;
  /** Labels whose folders are there. */
  readonly #opened = new Set<string>();
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(folder: string, journal: string, placed: PlacedFiles) {
    this.folder = folder;
    this.#journal = join(folder, journal);
    this.#placed = placed;
  }

  /** Nothing is written before the first image. @param journal name of the file that says what was put there */
  static async open(folder: string, journal: string): Promise<ClassFolders> {
    const found = await stat(folder).catch(() => undefined);
    if (found && !found.isDirectory())
      throw new UserError(`Expected a folder for images, but ${folder} is a file; choose another`, 2);
    return new ClassFolders(folder, journal, await readJournal(join(folder, journal)));
  }

  /** Images that are there. */
  get count(): number {
    return this.#placed.size;
  }

  /**
   * Saves an image under a label. The same image under another label is moved.
   * @param name as a person knows it; may be anything
   * @throws UserError when the label can't be the name of a folder, SaveError when it can't be written
   */
  save(label: string, name: string, bytes: Uint8Array): Promise<Filed> {
    return this.#oneByOne(async () => {
      checkFolderName(label);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      const before = await this.#find(sha256);
      if (before?.label === label) return { file: before.file, isNew: false };
      const wanted = before ? before.file.slice(before.file.indexOf('/') + 1) : imageFileName(name, bytes);
      const make = (path: string) =>
        before ? moveNew(join(this.folder, before.file), path) : writeNew(path, bytes);
      const file = await this.#make(label, wanted, make, bytes.length);
      await this.#note({ file, label, sha256, movedFrom: before?.file });
      return { file, isNew: true };
    });
  }

  /**
   * Puts a file of this machine under a label.
   * @param isLink a symbolic link to it instead of a copy
   */
  place(label: string, path: string, isLink: boolean): Promise<Filed> {
    return this.#oneByOne(async () => {
      checkFolderName(label);
      const source = resolve(path);
      const before = this.#bySource().get(source);
      if (before?.label === label && (await this.#isUnchanged(before)))
        return { file: before.file, isNew: false };
      const make = (target: string) => (isLink ? symlink(source, target) : copyNew(source, target));
      const file = await this.#make(label, basename(source), make, 0);
      await this.#note({ file, label, source, isLink });
      return { file, isNew: true };
    });
  }

  /** Takes the last image back that this process has put there; undefined when there is none. */
  undo(): Promise<string | undefined> {
    return this.#oneByOne(async () => {
      const last = this.#mine.at(-1);
      if (!last) return undefined;
      await this.#takeBack(last);
      this.#mine.pop();
      return last.file;
    });
  }

  /**
   * Takes back all that the journal knows, and removes it with the folders that are empty then.
   * @returns files that were changed since, and stay
   */
  undoAll(): Promise<{ removed: number; kept: string[] }> {
    return this.#oneByOne(async () => {
      const all = [...this.#placed.values()].reverse();
      const kept: string[] = [];
      for (const one of all) {
        if (await this.#isUnchanged(one)) await this.#takeBack(one);
        else if (await exists(join(this.folder, one.file))) kept.push(one.file);
      }
      if (kept.length === 0) await rm(this.#journal, { force: true });
      const folders = new Set([...all.map(({ label }) => join(this.folder, label)), this.folder]);
      for (const folder of folders) await rmdir(folder).catch(() => {});
      return { removed: all.length - kept.length, kept };
    });
  }

  #oneByOne<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }

  /** Where an image with these bytes is, if a person has not moved it since. */
  async #find(sha256: string): Promise<Placed | undefined> {
    const found = [...this.#placed.values()].findLast((one) => one.sha256 === sha256);
    return found && (await exists(join(this.folder, found.file))) ? found : undefined;
  }

  /** What was placed of each file. */
  #bySource(): Map<string, Placed> {
    this.#sources ??= new Map([...this.#placed.values()].map((one) => [one.source ?? '', one]));
    return this.#sources;
  }

  /** Under the first name that is free. @returns the name, relative to the folder */
  async #make(
    label: string,
    name: string,
    make: (path: string) => Promise<void>,
    bytes: number,
  ): Promise<string> {
    const folder = join(this.folder, label);
    try {
      if (!this.#opened.has(label)) {
        await mkdir(folder, { recursive: true });
        await removeLeftovers(folder);
        this.#opened.add(label);
      }
      for (let number = 1; ; number++) {
        const file = numbered(name, number);
        const isMade = await make(join(folder, file)).then(
          () => true,
          (error: NodeJS.ErrnoException) => {
            if (error.code !== 'EEXIST') throw error;
            return false;
          },
        );
        if (isMade) return `${label}/${file}`;
      }
    } catch (error) {
      throw new SaveError(join(folder, name), bytes, error);
    }
  }

  async #note(made: Omit<Placed, 'size' | 'modified'>): Promise<void> {
    const { size, mtimeMs } = await lstat(join(this.folder, made.file));
    const placed = { ...made, size, modified: mtimeMs };
    await writeJournal(this.#journal, 'place', placed).catch((error) => {
      throw new SaveError(this.#journal, 500, error);
    });
    remember(this.#placed, placed);
    if (made.source !== undefined) this.#bySource().set(made.source, placed);
    this.#mine.push(placed);
  }

  async #takeBack(one: Placed): Promise<void> {
    const path = join(this.folder, one.file);
    if (!(await this.#isUnchanged(one)))
      throw new UserError(
        `Expected ${path} as it was saved, but it has been changed or removed since; nothing was undone`,
      );
    if (one.movedFrom === undefined) await rm(path);
    else await moveNew(path, join(this.folder, one.movedFrom));
    forget(this.#placed, one);
    await writeJournal(this.#journal, 'undo', one);
  }

  async #isUnchanged({ file, isLink, source, size, modified }: Placed): Promise<boolean> {
    const path = join(this.folder, file);
    const found = await lstat(path).catch(() => undefined);
    if (!found) return false;
    if (!isLink) return found.size === size && found.mtimeMs === modified;
    const target = await readlink(path).catch(() => undefined);
    return target !== undefined && resolve(dirname(path), target) === source;
  }
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** @throws EEXIST, as all that follow do */
async function writeNew(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = temporaryPath(dirname(path), newName());
  await writeFileWhole(temporary, bytes);
  await publish(temporary, path);
}

async function copyNew(source: string, path: string): Promise<void> {
  const temporary = temporaryPath(dirname(path), newName());
  await copyFile(source, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  await publish(temporary, path);
}

async function moveNew(from: string, path: string): Promise<void> {
  await publish(from, path);
}

/** Gives a file its name unless there is one of that name: a rename would replace it. */
async function publish(from: string, path: string): Promise<void> {
  try {
    await link(from, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      if (from.endsWith('.tmp')) await rm(from, { force: true });
      throw error;
    }
    // A file system without hard links (exFAT).
    if (await exists(path)) throw Object.assign(new Error(`${path} is there`), { code: 'EEXIST' });
    return rename(from, path);
  }
  await rm(from);
}
