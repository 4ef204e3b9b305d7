/** The lock of a run: what its sources consist of must be what they consisted of when they were first used. */
import { dirname, relative, resolve, sep } from 'node:path';
import { UserError } from '../../base/errors.ts';
import type { OpenSource } from '../assemble.ts';
import type { PreparedPart } from '../fill.ts';
import type { ClassOf } from '../labels.ts';
import type { Pin, Role, Source } from '../part.ts';
import { publishedFiles } from '../recipes.ts';
import { differences, entryHash, type LockEntry, makeEntry, rootHash } from './lock_entry.ts';
import { addToLock, isSame, readLock } from './lock_file.ts';

/** Default path of the lock file. */
export const LOCK_FILE = 'birbs.lock.json';

/** Sources of more files are not locked: a lock is read whole. */
const FILE_LIMIT = 1_000_000;
const NAMES_TOLD = 5;

/** What a run reports about its lock. */
export interface LockFacts {
  file: string;
  /** Over the sources of this run: the same files under the same texts, the same root, on any machine. */
  root: string;
  /** In the order of the options. */
  sources: (Omit<LockEntry, 'files'> & { hash: string; files: number; bytes: number })[];
  /** Whether the file was written. */
  written: boolean;
  /** Why something is not locked. */
  notice?: string;
}

export interface LockOptions {
  /** Take what is found, whatever the lock says. */
  update: boolean;
  /** Read every byte again, whatever sizes and times say. */
  verify: boolean;
  signal?: AbortSignal;
}

export class Lock {
  readonly #path: string;
  readonly #options: LockOptions;
  readonly #entries: LockEntry[];
  /** Of this run. */
  readonly #found: LockEntry[] = [];
  readonly #pins = new Map<OpenSource, Pin[]>();
  /** To be written. */
  readonly #changed: LockEntry[] = [];
  #notice: string | undefined;

  private constructor(path: string, options: LockOptions, entries: LockEntry[]) {
    this.#path = path;
    this.#options = options;
    this.#entries = entries;
  }

  /** @throws UserError when the file is there and no lock that can be read */
  static async open(path: string, options: LockOptions): Promise<Lock> {
    return new Lock(path, options, await readLock(path));
  }

  /** The revision that a source has to stay on. */
  revisionOf(role: Role, source: Source): string | undefined {
    return this.#options.update ? undefined : this.#entryOf(this.#headOf(role, source))?.revision;
  }

  /**
   * To be called when a source is listed and nothing fetched: files that are known by then are compared. `onBytes` is
   * called with the bytes that are read for it.
   * @throws UserError that names what changed
   */
  async begin(opened: OpenSource, onBytes?: (bytes: number) => void): Promise<void> {
    const pins: Pin[] = [];
    for (const { part } of opened.parts)
      pins.push(...((await part.pins?.({ ...this.#options, onBytes })) ?? []));
    this.#pins.set(opened, pins);
    this.#compare(opened, false);
  }

  /**
   * To be called when all of a source was read: it equals its entry, or gets one.
   * @throws UserError that names what changed
   */
  end(opened: OpenSource): void {
    const found = this.#compare(opened, true);
    const isKnown = this.#found.some((other) => isSame(other, found));
    this.#found.push(found);
    if (isKnown) return;
    const known = this.#entryOf(found);
    // The demo is held by the versions of its packages.
    if (found.kind === 'demo' || (known && entryHash(known) === entryHash(found))) return;
    if (found.files.length > FILE_LIMIT) {
      this.#notice = `${opened.source.text} is not locked: a lock holds ${FILE_LIMIT} files, but it has ${found.files.length}`;
      return;
    }
    this.#changed.push(found);
  }

  /** Writes new entries and reports on this run. A lock that can't be written is a notice, not an error. */
  async save(): Promise<LockFacts> {
    const written = this.#changed.length > 0 && (await this.#write());
    const notice = this.#notice === undefined ? {} : { notice: this.#notice };
    const sources = this.#found.map((entry) => {
      const { files, ...head } = entry;
      const bytes = files.reduce((sum, { size }) => sum + size, 0);
      return { ...head, hash: entryHash(entry), files: files.length, bytes };
    });
    const root = rootHash(this.#found.filter((a, i) => this.#found.findIndex((b) => isSame(a, b)) === i));
    return { file: this.#path, root, sources, written, ...notice };
  }

  async #write(): Promise<boolean> {
    try {
      await addToLock(this.#path, this.#changed);
      return true;
    } catch (error) {
      const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
      const code = cause?.code ?? (error as Error).message;
      this.#notice = `${this.#path} could not be written (${code}): the files of this run are not locked`;
      return false;
    }
  }

  #compare(opened: OpenSource, whole: boolean): LockEntry {
    const { text } = opened.source;
    const all = [
      ...this.#pins.get(opened)!,
      ...opened.parts.flatMap((part) => imagePins(part, opened.classOf)),
    ];
    const found = makeEntry(this.#headOf(opened.role, opened.source), all);
    // Corrections are made from one training to the next: what is there now is locked.
    const isFree = this.#options.update || opened.corrects;
    const expected = isFree ? undefined : this.#entryOf(found);
    const changes = expected ? differences(expected, found, whole) : [];
    if (changes.length > 0) throw changed(text, changes, this.#path);
    const others = isFree || expected ? [] : unlikePublished(opened.source, found.files);
    if (others.length > 0) throw notAsPublished(others);
    // The same files under names of another Unicode form stay as they are in the lock.
    if (whole && expected?.files.some(({ name }, i) => name !== found.files[i]?.name)) return expected;
    return found;
  }

  #entryOf(head: Pick<LockEntry, 'source' | 'as'>): LockEntry | undefined {
    return this.#entries.find((entry) => isSame(entry, head));
  }

  #headOf(role: Role, { kind, path, label, limit, split }: Source) {
    const query = Object.entries({ label, limit, split })
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `${key}=${value}`);
    const bare = `${SCHEMES[kind] ?? ''}${isLocal(kind) ? this.#relative(path) : path}`;
    const source = (query.length > 0 ? `${bare}?${query.join('&')}` : bare).normalize('NFC');
    return { source, as: ROLES[role], kind };
  }

  #relative(path: string): string {
    return relative(dirname(resolve(this.#path)), resolve(path)).replaceAll(sep, '/') || '.';
  }
}

const ROLES = { data: 'data', validation: 'data', birds: 'birds', notBirds: 'not-birds' } as const;
const SCHEMES: Partial<Record<Source['kind'], string>> = {
  hub: 'hf:',
  nabirds: 'nabirds:',
  kaggle: 'kaggle:',
};

function isLocal(kind: Source['kind']): boolean {
  return kind !== 'demo' && kind !== 'hub' && kind !== 'kaggle';
}

/** The images in use that are files of their own; those not read yet without a sha256. */
function imagePins(prepared: PreparedPart, classOf: ClassOf): Pin[] {
  const { part, listing, contents, sizes } = prepared;
  if (part.pins && !part.looseImages) return [];
  const pins: Pin[] = [];
  for (let i = 0; i < listing.count; i++) {
    if (classOf(prepared, i) === undefined) continue;
    pins.push({ name: listing.names?.[i] ?? String(i), size: sizes[i]!, sha256: contents[i]! });
  }
  return pins;
}

/** Files of a recipe's revision that are others than those the recipe knows. */
function unlikePublished({ kind, path }: Source, files: Pin[]): string[] {
  if (kind !== 'hub') return [];
  const [repository] = path.split(/[@:]/);
  const isOther = ({ name, sha256, revision }: Pin) => {
    const known = new Map(Object.entries(publishedFiles[`${repository}@${revision}`] ?? {}));
    const published = known.get(name.replace(`hf:${repository}:`, ''));
    return published !== undefined && published !== sha256;
  };
  return files.filter(isOther).map(({ name }) => name);
}

function changed(text: string, changes: string[], path: string): UserError {
  const one = changes.length === 1 ? '1 file' : `${changes.length} files`;
  return new UserError(
    `${one} of ${text} changed since ${path} was written: ${shortList(changes)}; run again with --update-lock to accept`,
  );
}

function notAsPublished(names: string[]): UserError {
  return new UserError(
    `Expected the bytes that were published, but ${shortList(names)} has others; run again with --update-lock to accept`,
  );
}

function shortList(names: string[]): string {
  return names.slice(0, NAMES_TOLD).join(', ') + (names.length > NAMES_TOLD ? ', ...' : '');
}
