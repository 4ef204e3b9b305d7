// Keeps the arrows between the rooms of src one way (docs/architecture.md): run by `npm run lint`.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const src = join(dirname(dirname(fileURLToPath(import.meta.url))), 'src');

/** From the bottom up: a file imports from its own room and from rooms before it. Files of src itself are commands. */
const rooms = [
  'setup',
  'base',
  'page',
  'metrics',
  'model',
  'ranks',
  'data',
  'filing',
  'export',
  'training',
  'alerts',
];
const upperRooms = ['run', 'predictor', 'check', 'report', 'server', 'review', 'compare', 'ui'];
/** The folders of src/data, likewise; the files directly in src/data are used by all of them. */
const dataRooms = ['cache', 'archive', 'hub', 'kaggle', 'parquet', 'lock', 'sources'];
const order = [...rooms, 'options.ts', ...upperRooms];

/** @param {string} folder @returns {string[]} */
function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesBelow(path);
    return /\.(ts|js|mjs)$/.test(entry.name) ? [path] : [];
  });
}

/** What a file imports of src, by name, without the imports of types inside comments. @param {string} file */
function importsOf(file) {
  const text = readFileSync(file, 'utf8').replaceAll(/^\s*(\*|\/\/|\/\*\*).*$/gm, '');
  const found = [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'(\.[^']+)'/g)];
  return found.map((match) => relative(src, join(dirname(file), match[1] ?? '')));
}

const files = filesBelow(src).sort();
const imports = new Map(
  files.map((file) => [relative(src, file), importsOf(file).filter((name) => !name.startsWith('..'))]),
);
/** @type {string[]} */
const problems = [];

/** @param {string} name */
function rankOf(name) {
  const rank = order.indexOf(name.split('/')[0] ?? '');
  return rank < 0 && !name.includes('/') ? order.length : rank;
}

for (const [name, targets] of imports) {
  if (rankOf(name) < 0) problems.push(`src/${name}: its room is not in the list of test/rooms.mjs`);
  for (const target of targets) {
    if (rankOf(target) > rankOf(name))
      problems.push(`src/${name} imports src/${target}, a room above its own`);
    const [from, to] = [name, target].map((path) => dataRooms.indexOf(path.split('/').at(-2) ?? ''));
    if (name.startsWith('data/') && target.startsWith('data/') && from !== undefined && from >= 0)
      if ((to ?? -1) > from) problems.push(`src/${name} imports src/${target}, a room of data above its own`);
  }
}

/** Files that reach themselves through imports. @param {string} name @param {string[]} path */
function visit(name, path) {
  const at = path.indexOf(name);
  if (at >= 0) problems.push(`a circle: ${[...path.slice(at), name].join(' -> ')}`);
  if (at >= 0 || done.has(name)) return;
  for (const target of imports.get(name) ?? []) visit(target, [...path, name]);
  done.add(name);
}
const done = new Set();
for (const name of imports.keys()) visit(name, []);

const seen = new Map();
for (const name of imports.keys()) {
  const twin = seen.get(basename(name));
  if (twin) problems.push(`src/${twin} and src/${name} have the same base name`);
  seen.set(basename(name), name);
  if (!/^[a-z0-9_]+\.(ts|js|mjs)$/.test(basename(name))) problems.push(`src/${name}: not in snake_case`);
}

for (const problem of problems) process.stderr.write(`rooms: ${problem}\n`);
process.exitCode = problems.length > 0 ? 1 : 0;
