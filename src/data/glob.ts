/** Files by pattern: `*`, `?`, `[abc]`, `{a,b}`, `{000..010}` within a name, `**` for any folders. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

type Matcher = Pick<RegExp, 'test'>;

/** Whether a text is a pattern at all. */
export function isGlob(text: string): boolean {
  return /[*?[\]{}]/.test(text);
}

/** The folder that all matches lie in: what stands before the first name that is a pattern. */
export function fixedFolder(pattern: string): string {
  const names = pattern.split('/');
  const first = names.findIndex(isGlob);
  return names.slice(0, first === -1 ? -1 : first).join('/') || (pattern.startsWith('/') ? '/' : '.');
}

/** The same on this disk, where a folder of the very name of a pattern is that folder, such as "data [v2]". */
export async function fixedFolderOnDisk(pattern: string): Promise<string> {
  const { folder, rest } = await split(pattern);
  const more = fixedFolder(rest);
  return more === '.' ? folder || '.' : join(folder, more);
}

/** The files that match, sorted; folders that can't be read hold none. */
export async function glob(pattern: string): Promise<string[]> {
  const { folder, rest } = await split(pattern);
  const found = await Promise.all(braces(rest).map((one) => walk(folder, one)));
  return [...new Set(found.flat())].sort();
}

/** The folders of a pattern that are there as they stand, and what follows them. */
async function split(pattern: string): Promise<{ folder: string; rest: string }> {
  const [, root = '', path = ''] = /^(\/*)(.*)$/s.exec(pattern)!;
  const names = path.split('/').filter((name) => name !== '');
  let folder = root === '' ? '' : '/';
  while (names.length > 1) {
    const next = join(folder, names[0]!);
    const isThere = (await stat(next).catch(() => null))?.isDirectory();
    if (!isThere) break;
    folder = next;
    names.shift();
  }
  return { folder, rest: names.join('/') };
}

/** Those of the paths, with slashes, that match; in the order in which they came. */
export function globPaths(pattern: string, paths: string[]): string[] {
  const all = braces(pattern).map((one) =>
    one.split('/').map((name) => (name === '**' ? undefined : matcher(name))),
  );
  return paths.filter((path) => all.some((matchers) => matchesNames(matchers, path.split('/'))));
}

/** `undefined` matches any number of folders that are not hidden. */
function matchesNames([first, ...rest]: (Matcher | undefined)[], names: string[]): boolean {
  const [name, ...others] = names;
  if (name === undefined) return false;
  if (first)
    return first.test(name) && (rest.length === 0 ? others.length === 0 : matchesNames(rest, others));
  if (rest.length === 0) return false;
  return matchesNames(rest, names) || (!name.startsWith('.') && matchesNames([first, ...rest], others));
}

async function walk(root: string, pattern: string): Promise<string[]> {
  let folders = [root];
  const names = pattern.split('/').filter((name) => name !== '');
  const last = names.pop();
  for (const name of names) folders = (await Promise.all(folders.map((folder) => step(folder, name)))).flat();
  if (last === undefined) return [];
  const matches = matcher(last);
  const files = await Promise.all(
    folders.map(async (folder) =>
      (await entries(folder))
        .filter((entry) => !entry.isDirectory() && matches.test(entry.name))
        .map((entry) => join(folder, entry.name)),
    ),
  );
  return files.flat();
}

/** The folders that one name of the pattern leads to. */
async function step(folder: string, name: string): Promise<string[]> {
  if (name === '**') return below(folder);
  if (!isGlob(name)) return [folder === '' ? name : join(folder, name)];
  const matches = matcher(name);
  return (await entries(folder))
    .filter((entry) => !entry.isFile() && matches.test(entry.name))
    .map((entry) => join(folder, entry.name));
}

/** The folder and all folders in it; links are not followed, so that it ends. */
async function below(folder: string): Promise<string[]> {
  const inner = (await entries(folder)).filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'));
  return [folder, ...(await Promise.all(inner.map((entry) => below(join(folder, entry.name))))).flat()];
}

async function entries(folder: string) {
  return readdir(folder === '' ? '.' : folder, { withFileTypes: true }).catch(() => []);
}

function matcher(name: string): Matcher {
  const source = name.replace(/\[!?[^\]]+\]|[\s\S]/g, (part) => {
    if (part === '*') return '[^/]*';
    if (part === '?') return '[^/]';
    if (part.length > 1) return `[${part.slice(1, -1).replace(/^!/, '^').replace(/[\\[]/g, '\\$&')}]`;
    return part.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
  });
  // As in a shell, a star does not match the dot of a hidden name.
  const pattern = new RegExp(`^${/^[*?[]/.test(name) ? '(?!\\.)' : ''}${source}$`, 's');
  // The very name of a file or folder is that one.
  return { test: (text) => text === name || pattern.test(text) };
}

/** More numbers than this are no shards. */
const MOST_NUMBERS = 100_000;

/** `a{b,c}` to `ab` and `ac`, `a{08..10}` to `a08`, `a09` and `a10`. */
function braces(pattern: string): string[] {
  const group = /\{([^{}]*,[^{}]*|\d+\.\.\d+)\}/.exec(pattern);
  if (!group) return [pattern];
  const [before, after] = [pattern.slice(0, group.index), pattern.slice(group.index + group[0].length)];
  const text = group[1]!;
  const choices = text.includes(',') ? text.split(',') : numbersOf(text);
  return choices.flatMap((choice) => braces(before + choice + after));
}

/** Padded with zeros if one of the ends is. */
function numbersOf(range: string): string[] {
  const [first = '', last = ''] = range.split('..');
  const [from, to] = [Number(first), Number(last)];
  if (Math.abs(to - from) > MOST_NUMBERS) return [];
  const isPadded = [first, last].some((text) => /^0\d/.test(text));
  const digits = isPadded ? Math.max(first.length, last.length) : 0;
  const step = Math.sign(to - from) || 1;
  return Array.from({ length: Math.abs(to - from) + 1 }, (_, i) =>
    String(from + i * step).padStart(digits, '0'),
  );
}
