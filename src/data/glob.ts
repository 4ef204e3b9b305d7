/** Files by pattern: `*`, `?`, `[abc]`, `{a,b}` within a name, `**` for any folders. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

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

/** The files that match, sorted; folders that can't be read hold none. */
export async function glob(pattern: string): Promise<string[]> {
  const found = await Promise.all(braces(pattern).map((one) => walk(one)));
  return [...new Set(found.flat())].sort();
}

/** Those of the paths, with slashes, that match; in the order in which they came. */
export function globPaths(pattern: string, paths: string[]): string[] {
  const all = braces(pattern).map((one) =>
    one.split('/').map((name) => (name === '**' ? undefined : matcher(name))),
  );
  return paths.filter((path) => all.some((matchers) => matchesNames(matchers, path.split('/'))));
}

/** `undefined` stands for any folders, none of them hidden. */
function matchesNames([first, ...rest]: (RegExp | undefined)[], names: string[]): boolean {
  const [name, ...others] = names;
  if (name === undefined) return false;
  if (first)
    return first.test(name) && (rest.length === 0 ? others.length === 0 : matchesNames(rest, others));
  if (rest.length === 0) return false;
  return matchesNames(rest, names) || (!name.startsWith('.') && matchesNames([first, ...rest], others));
}

async function walk(pattern: string): Promise<string[]> {
  const [, root = '', rest = ''] = /^(\/*)(.*)$/s.exec(pattern)!;
  let folders = [root === '' ? '' : '/'];
  const names = rest.split('/').filter((name) => name !== '');
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

function matcher(name: string): RegExp {
  const source = name.replace(/\[!?[^\]]+\]|[\s\S]/g, (part) => {
    if (part === '*') return '[^/]*';
    if (part === '?') return '[^/]';
    if (part.length > 1) return `[${part.slice(1, -1).replace(/^!/, '^').replace(/[\\[]/g, '\\$&')}]`;
    return part.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
  });
  // As in a shell, a star does not stand for the dot of a hidden name.
  return new RegExp(`^${/^[*?[]/.test(name) ? '(?!\\.)' : ''}${source}$`, 's');
}

/** `a{b,c}` to `ab` and `ac`. */
function braces(pattern: string): string[] {
  const group = /\{([^{}]*,[^{}]*)\}/.exec(pattern);
  if (!group) return [pattern];
  const [before, after] = [pattern.slice(0, group.index), pattern.slice(group.index + group[0].length)];
  return group[1]!.split(',').flatMap((choice) => braces(before + choice + after));
}
