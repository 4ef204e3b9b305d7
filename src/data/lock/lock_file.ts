/** `birbs.lock.json`: a line a file, so that a change can be read in version control. */
import { readFile } from 'node:fs/promises';
import { UserError } from '../../base/errors.ts';
import { saveFile } from '../../base/files.ts';
import type { Pin } from '../part.ts';
import { entryHash, type LockEntry, makeEntry, rootHash, sortEntries } from './lock_entry.ts';

const FORMAT = 'birbs-lock';
const VERSION = 1;

/**
 * The entries of a lock; none when there is no file.
 * @throws UserError when the file is damaged, of a newer version or can't be read
 */
export async function readLock(path: string): Promise<LockEntry[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new UserError(`The lock ${path} can't be read (${error.code}); choose another with --lock`);
  });
  if (text === undefined) return [];
  const json = parseJson(text, path);
  if (json?.format !== FORMAT) throw damaged(path, 'it is no lock of birbs-metal');
  if (json.version !== VERSION) {
    throw new UserError(
      `The lock ${path} is of version ${json.version}, but this birbs-metal reads version ${VERSION}; update birbs-metal, or choose another with --lock`,
    );
  }
  try {
    const entries = (json.sources as JsonEntry[]).map(readEntry);
    if (rootHash(entries) === json.root) return entries;
  } catch {
    throw damaged(path, 'its entries are not complete');
  }
  throw damaged(path, 'its root hash does not fit its entries');
}

// biome-ignore lint/suspicious/noExplicitAny: anything may be in the file
function parseJson(text: string, path: string): any {
  try {
    return JSON.parse(text);
  } catch {
    throw damaged(path, 'it is not JSON');
  }
}

function damaged(path: string, reason: string): UserError {
  return new UserError(
    `The lock ${path} is damaged: ${reason}; restore it from version control, or delete it so that it is written again`,
  );
}

/** Name, size, sha256; the revision where it is not that of the entry. */
type JsonFile = [string, number, string, string?];
type JsonEntry = Omit<LockEntry, 'files'> & { hash: string; files: JsonFile[] };

function readEntry({ source, as, kind, revision, files }: JsonEntry): LockEntry {
  const pins = files.map(([name, size, sha256, own = revision]): Pin => {
    const right = typeof name === 'string' && Number.isSafeInteger(size) && typeof sha256 === 'string';
    if (!right) throw new TypeError('no file');
    return own === undefined ? { name, size, sha256 } : { name, size, sha256, revision: own };
  });
  return makeEntry({ source, as, kind }, pins);
}

/**
 * Writes all entries, whole or not at all.
 * @throws UserError whose cause says why it can't be written
 */
export async function writeLock(path: string, entries: LockEntry[]): Promise<void> {
  const sources = sortEntries(entries).map(entryText).join(',\n');
  const head = `{\n  "format": "${FORMAT}",\n  "version": ${VERSION},\n  "root": "${rootHash(entries)}",\n`;
  await saveFile(path, `${head}  "sources": [\n${sources}\n  ]\n}\n`);
}

/** Those of one process, one after the other. */
let writing: Promise<unknown> = Promise.resolve();

/**
 * Puts entries in the place of those of the same source and role, into what is in the file by now: another run may have
 * been there.
 * @throws as {@link readLock} and {@link writeLock}
 */
export async function addToLock(path: string, entries: LockEntry[]): Promise<void> {
  const turn = writing.then(async () => {
    const others = await readLock(path);
    const kept = others.filter((other) => !entries.some((entry) => isSame(other, entry)));
    await writeLock(path, [...kept, ...entries]);
  });
  writing = turn.catch(() => {});
  return turn;
}

/** Whether two entries are of the same source in the same role. */
export function isSame(a: Pick<LockEntry, 'source' | 'as'>, b: Pick<LockEntry, 'source' | 'as'>): boolean {
  return a.source === b.source && a.as === b.as;
}

function entryText(entry: LockEntry): string {
  const { source, as, kind, revision, files } = entry;
  const head = Object.entries({ source, as, kind, revision, hash: entryHash(entry) })
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `      ${JSON.stringify(key)}: ${JSON.stringify(value)},\n`);
  const lines = files.map(({ name, size, sha256, revision: own }) => {
    const more = own === revision ? [] : [own];
    return `        ${JSON.stringify([name, size, sha256, ...more])}`;
  });
  return `    {\n${head.join('')}      "files": [\n${lines.join(',\n')}\n      ]\n    }`;
}
