/** What the lock holds of one source: its files, and one hash over all of them. */
import { createHash } from 'node:crypto';
import type { Pin, Source } from '../part.ts';

export interface LockEntry {
  /** The source text; paths are relative to the folder of the lock. */
  source: string;
  /** What it is used as; other images of it may be in use under another role. */
  as: 'data' | 'birds' | 'not-birds' | 'weights';
  kind: Source['kind'];
  /** Of all files, where they have one and the same. */
  revision?: string;
  /** Sorted by name, each name once. */
  files: Pin[];
}

/** An entry of files in any order. */
export function makeEntry(head: Omit<LockEntry, 'files' | 'revision'>, pins: Pin[]): LockEntry {
  const files = sorted(pins, ({ name }) => name).filter(({ name }, i, all) => name !== all[i - 1]?.name);
  const [revision, ...others] = new Set(files.map((file) => file.revision));
  return revision !== undefined && others.length === 0 ? { ...head, revision, files } : { ...head, files };
}

/** In the order of code units; what is in order already is not sorted again. */
function sorted<T>(items: T[], keyOf: (item: T) => string): T[] {
  const isSorted = items.every((item, i) => i === 0 || keyOf(items[i - 1]!) <= keyOf(item));
  return isSorted ? items : [...items].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

/** Lines at a time; a hash a line would be slow, one long text large. */
const LINES = 4096;

const hashes = new WeakMap<LockEntry, string>();

/**
 * sha256 (hex) over the head and one line per file: name, size, sha256 and revision (empty if none), with a zero
 * byte between them and a line feed at the end.
 */
export function entryHash(entry: LockEntry): string {
  const known = hashes.get(entry);
  if (known !== undefined) return known;
  const { source, as, kind, revision = '', files } = entry;
  const hash = createHash('sha256').update(`${source}\0${as}\0${kind}\0${revision}\n`);
  for (let begin = 0; begin < files.length; begin += LINES) {
    const lines = files
      .slice(begin, begin + LINES)
      .map((file) => `${file.name}\0${file.size}\0${file.sha256}\0${file.revision ?? ''}\n`);
    hash.update(lines.join(''));
  }
  const digest = hash.digest('hex');
  hashes.set(entry, digest);
  return digest;
}

/** sha256 (hex) over the hashes of the entries, one per line, ordered by source and role. */
export function rootHash(entries: LockEntry[]): string {
  const lines = sortEntries(entries).map((entry) => `${entryHash(entry)}\n`);
  return createHash('sha256').update(lines.join('')).digest('hex');
}

export function sortEntries(entries: LockEntry[]): LockEntry[] {
  return sorted(entries, ({ source, as }) => `${source}\0${as}`);
}

/** With names in NFC: one machine hands out the composed form of a name, another the decomposed one. */
function composed(files: Pin[]): Pin[] {
  const named = files.map((file) => ({ ...file, name: file.name.normalize('NFC') }));
  return named.every(({ name }, i) => name === files[i]!.name) ? files : sorted(named, ({ name }) => name);
}

/**
 * What differs, by name: "bird/a.jpg (other bytes)".
 * @param whole whether a found file without a sha256 could not be read; else it was not read yet, and is taken as it is
 */
export function differences(expected: LockEntry, found: LockEntry, whole: boolean): string[] {
  const said: string[] = [];
  // Both are sorted.
  const all = composed(expected.files);
  let at = 0;
  for (const file of composed(found.files)) {
    for (; at < all.length && all[at]!.name < file.name; at++) {
      said.push(`${all[at]!.name} (gone)`);
    }
    const locked = all[at];
    if (locked?.name !== file.name) {
      said.push(`${file.name} (new)`);
      continue;
    }
    at += 1;
    if (file.sha256 === locked.sha256) continue;
    if (file.sha256 !== '') said.push(`${file.name} (other bytes)`);
    else if (whole) said.push(`${file.name} (can't be read)`);
  }
  for (const { name } of all.slice(at)) said.push(`${name} (gone)`);
  return said;
}
