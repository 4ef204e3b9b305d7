/** docs/api.md is made from the doc comments: every public name has one, and the page is up to date. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { publicDeclarations, publicNames, renderApi } from '../docs/api.ts';
import * as all from '../src/index.ts';

const page = new URL('../docs/api.md', import.meta.url);

test('docs/api.md is up to date; if not, run `npm run api`', () => {
  expect(readFileSync(page, 'utf8')).toBe(renderApi());
});

test('every public name is in it, with a doc comment', () => {
  const { own, ops } = publicDeclarations();
  const names = publicNames().map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(Object.keys(all)));
  expect([...own.map(({ name }) => name), 'ops'].sort()).toEqual(names.sort());
  expect(ops.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(all.ops)));
  expect([...own, ...ops].filter(({ comment }) => comment === '').map(({ name }) => name)).toEqual([]);
});
