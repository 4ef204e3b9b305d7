/** Groups of classes: from a CSV of classes and their groups, from lines of child and parent, or from the data. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UserError } from '../base/errors.ts';
import type { Hierarchy, Level } from '../metrics/hierarchy.ts';
import { rowsOf } from './sources/list_rows.ts';

/** Of each class the groups that it is in, the nearest first; and how a person calls these levels, where they do. */
export interface Ancestors {
  above: Map<string, string[]>;
  levelNames?: string[];
}

/** Heads of the first column of a CSV. */
const CLASS_HEADS = ['class', 'classname', 'label', 'name', 'species'];
/** A class of its own beside the others, which no list of species has. */
const BESIDE = /^not-/;
const SHOWN = 5;

/**
 * Reads a CSV with the columns class, genus, family (any groups, the nearest first) or lines of child and parent, as
 * NABirds' hierarchy.txt has them; of numbers the names are in a classes.txt beside it.
 * @throws UserError when it can't be read or does not have all classes
 */
export async function readHierarchy(path: string, classNames: string[]): Promise<Hierarchy> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`Expected a readable file for --hierarchy, but found ${path} (${error.code})`, 2);
  });
  const [head = ''] = text.replace(/^\ufeff/, '').split(/\r?\n/);
  const first = head
    .split(/[,;\t]/)[0]!
    .trim()
    .replaceAll('"', '')
    .toLowerCase();
  const found = CLASS_HEADS.includes(first) ? await fromTable(path) : await fromTree(path, text);
  const missing = classNames.filter((name) => !found.above.has(name) && !BESIDE.test(name));
  if (missing.length > 0) {
    const shown = missing.slice(0, SHOWN).join(', ') + (missing.length > SHOWN ? ', ...' : '');
    throw new UserError(
      `Expected a line for each class in ${path}, but ${missing.length} of ${classNames.length} have none: ${shown}; add them under the names that the images have`,
      2,
    );
  }
  return hierarchyOf(classNames, found);
}

async function fromTable(path: string): Promise<Ancestors> {
  const above = new Map<string, string[]>();
  let levelNames: string[] | undefined;
  for await (const { row, line } of rowsOf(path)) {
    const [name = '', ...groups] = row.map((cell) => cell.trim().normalize('NFC'));
    if (levelNames === undefined) {
      levelNames = groups;
      if (groups.length === 0)
        throw new UserError(`Expected columns of groups behind the classes of ${path}, but found none`, 2);
      continue;
    }
    if (groups.length < levelNames.length || groups.some((group) => group === ''))
      throw new UserError(
        `"${path}", line ${line}: expected ${levelNames.length} groups for "${name}", but found ${groups.filter((group) => group !== '').length}; fill them in`,
        2,
      );
    above.set(name, groups.slice(0, levelNames.length));
  }
  return { above, levelNames: levelNames ?? [] };
}

async function fromTree(path: string, text: string): Promise<Ancestors> {
  const parents = new Map<string, string>();
  for (const [i, raw] of text
    .replace(/^\ufeff/, '')
    .split('\n')
    .entries()) {
    const line = raw.trim();
    if (line === '') continue;
    const [child, parent, ...rest] = line
      .split(line.includes('\t') ? '\t' : /\s+/)
      .map((word) => word.trim());
    if (!child || !parent || rest.length > 0)
      throw new UserError(
        `"${path}", line ${i + 1}: expected a class and the group that it is in, parted by a tab, or a CSV with the columns class, genus, ..., but found ${JSON.stringify(line.slice(0, 80))}`,
        2,
      );
    parents.set(child.normalize('NFC'), parent.normalize('NFC'));
  }
  const names = await readNames(join(dirname(path), 'classes.txt'));
  const above = new Map<string, string[]>();
  for (const child of parents.keys()) above.set(names.get(child) ?? child, pathUp(child, parents, names));
  return { above };
}

/** "817 Northern Cardinal"; none where there is no such file. */
async function readNames(path: string): Promise<Map<string, string>> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const found = [...text.matchAll(/^\ufeff?(\d+)[ \t]+(\S.*?)\s*$/gm)].map(
    ([, id, name]) => [id!, name!.normalize('NFC')] as const,
  );
  const counts = new Map<string, number>();
  for (const [, name] of found) counts.set(name, (counts.get(name) ?? 0) + 1);
  // As the source names classes of one name.
  return new Map(found.map(([id, name]) => [id, counts.get(name) === 1 ? name : `${name} (${id})`]));
}

/** What a node is part of, the nearest first; a circle ends. */
export function pathUp(child: string, parents: Map<string, string>, names: Map<string, string>): string[] {
  const seen = new Set([child]);
  const path: string[] = [];
  for (let at = parents.get(child); at !== undefined && !seen.has(at); at = parents.get(at)) {
    seen.add(at);
    path.push(names.get(at) ?? at);
  }
  return path;
}

/** Levels that say something: not all classes in one group, nor each in its own. */
export function hierarchyOf(classNames: string[], { above, levelNames }: Ancestors): Hierarchy {
  const paths = classNames.map((name) => above.get(name) ?? []);
  const depth = paths.reduce((most, { length }) => Math.max(most, length), 0);
  const levels: Level[] = [];
  for (let level = 0; level < depth; level++) {
    const found = classNames.map((name, k) => groupAt(name, paths[k]!, level, depth, levelNames));
    const groups = [...new Set(found)];
    if (groups.length < 2 || groups.length === classNames.length) continue;
    const numbers = new Map(groups.map((group, i) => [group, i]));
    levels.push({
      name: levelNames?.[level] ?? `${groups.length} groups`,
      groups,
      groupOf: found.map((group) => numbers.get(group)!),
    });
  }
  return levels;
}

/** Of named levels the one of that name; else counted from the top, as a tree may be deeper in places. */
function groupAt(name: string, path: string[], level: number, depth: number, levelNames?: string[]): string {
  const at = levelNames ? level : path.length - (depth - level);
  return path[at] ?? name;
}
