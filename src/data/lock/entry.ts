/** What the lock holds of one source: its files, and one hash over all of them. */
import { createHash } from 'node:crypto';
import type { Pin, Source } from '../sources/part.ts';

export interface LockEntry {
  /** The source text; paths are relative to the folder of the lock. */
  source: string;
  /** What it is used as; other images of it may be in use under another role. */
  as: 'data' | 'birds' | 'not-birds';
  kind: Source['kind'];
  /** Of all files, where they have one and the same. */
  revision?: string;
  /** Sorted by name, each name once. */
  files: Pin[];
}

/** An entry of files in any order. */
export function makeEntry(head: Omit<LockEntry, 'files' | 'revision'>, pins: Pin[]): LockEntry {
  const byName = new Map(pins.map((pin) => [pin.name, pin]));
  const files = [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const [revision, ...others] = new Set(files.map((file) => file.revision));
  return revision !== undefined && others.length === 0 ? { ...head, revision, files } : { ...head, files };
}

/** Lines at a time; a hash a line would be slow, one long text large. */
const LINES = 4096;

/**
 * sha256 (hex) over the head and one line a file: name, size, sha256 and revision (empty if there is none), with a zero
 * byte between them and a line feed at the end.
 */
export function entryHash({ source, as, kind, revision = '', files }: LockEntry): string {
  const hash = createHash('sha256').update(`${source}\0${as}\0${kind}\0${revision}\n`);
  for (let begin = 0; begin < files.length; begin += LINES) {
    const lines = files
      .slice(begin, begin + LINES)
      .map((file) => `${file.name}\0${file.size}\0${file.sha256}\0${file.revision ?? ''}\n`);
    hash.update(lines.join(''));
  }
  return hash.digest('hex');
}

/** sha256 (hex) over the hashes of the entries, a line each, in the order of source and role. */
export function rootHash(entries: LockEntry[]): string {
  const lines = sortEntries(entries).map((entry) => `${entryHash(entry)}\n`);
  return createHash('sha256').update(lines.join('')).digest('hex');
}

export function sortEntries(entries: LockEntry[]): LockEntry[] {
  const key = ({ source, as }: LockEntry) => `${source}\0${as}`;
  return [...entries].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

/**
 * What differs, by name: "bird/a.jpg (other bytes)".
 * @param whole whether a file without a sha256 could not be read; else it was not read yet, and is taken as it is
 */
export function differences(expected: LockEntry, found: LockEntry, whole: boolean): string[] {
  const before = new Map(expected.files.map((file) => [file.name, file]));
  const said: string[] = [];
  for (const file of found.files) {
    const locked = before.get(file.name);
    before.delete(file.name);
    if (!locked) said.push(`${file.name} (new)`);
    else if (file.sha256 === '' && whole) said.push(`${file.name} (can't be read)`);
    else if (file.sha256 !== '' && file.sha256 !== locked.sha256) said.push(`${file.name} (other bytes)`);
  }
  for (const name of before.keys()) said.push(`${name} (gone)`);
  return said;
}
