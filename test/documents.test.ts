/** The pages that contributors read: every path, link and command in them exists. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { slowFiles } from './slow_files.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
/** Folders of the repository that a path in a page begins with. */
const top = /^(src|native|binding|test|docs|npm|bench|examples|\.github)\//;

/** What is set as code: the words of code blocks, and text between backticks. */
function codeOf(text: string): string[] {
  const blocks = [...text.matchAll(/```[^\n]*\n(.*?)```/gs)].map(([, block]) => block!);
  const spans = [...text.replaceAll(/```.*?```/gs, '').matchAll(/`([^`]+)`/g)].map(([, span]) => span!);
  return [...blocks, ...spans];
}

/** NAME stands for a name of the reader's, * for any. */
function exists(path: string): boolean {
  if (path.includes('NAME')) return existsSync(join(root, dirname(path)));
  return path.includes('*') ? patterns(path) : existsSync(join(root, path));
}

function patterns(path: string): boolean {
  const [folder, pattern] = [dirname(path), path.slice(dirname(path).length + 1)];
  const name = new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '.*')}$`);
  return readdirSync(join(root, folder)).some((found) => name.test(found));
}

test.each(pages)('%s names only paths, links and scripts that exist', (page) => {
  const text = readFileSync(join(root, page), 'utf8');
  const code = codeOf(text);
  const paths = code.flatMap((words) => words.split(/[\s'"(),;]+/)).filter((word) => top.test(word));
  const links = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, link]) =>
    join(dirname(page), link!),
  );
  expect([...paths, ...links].filter((path) => !exists(path))).toEqual([]);
  const named = code.flatMap((words) =>
    [...words.matchAll(/npm (?:run )?([a-z]+(?::[a-z]+)*)/g)].map(([, name]) => name!),
  );
  const ofNpm = ['ci', 'install', 'pack', 'run'];
  expect(named.filter((name) => !ofNpm.includes(name) && !(name in scripts))).toEqual([]);
});

test('the rooms that docs/architecture.md lists are those of the repository', () => {
  const text = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
  const section = (title: string) => new RegExp(`\n## ${title}\n(.*?)\n## `, 's').exec(text)![1]!;
  const rows = (title: string) =>
    [...section(title).matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell]) =>
      [...cell!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!),
    );
  const found = readdirSync(join(root, 'src'), { withFileTypes: true });
  const rooms = found.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name));
  expect(rows('The rooms of src').sort()).toEqual(
    rooms.filter((name) => !/^(setup|start)\.mjs$/.test(name)).sort(),
  );
  const native = rows('The rooms of native').map((name) => `native/${name}`);
  expect(native.filter((path) => !exists(path))).toEqual([]);
  const steps = [...section('The way of one image').matchAll(/`([a-z_]+\/[a-z_/]*(?:\.ts)?)`/g)];
  expect(steps.map(([, path]) => path!).filter((path) => !existsSync(join(root, 'src', path)))).toEqual([]);
});

test('the slow test files are there', () => {
  expect(slowFiles.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});
