/** Folders with sides of a split, and what is at the top of a tree. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { UserError } from '../../src/base/errors.ts';
import { treePart } from '../../src/data/file_tree.ts';
import type { SourceContext } from '../../src/data/part.ts';
import { parseSource, partsOf } from '../../src/data/sources/source.ts';
import { outcome, testFolder, write } from './made.ts';

async function list(text: string, given: Partial<SourceContext> = {}) {
  const context = { role: 'data', labelled: true, size: 8, cacheDir: testFolder(), ...given } as const;
  const [part] = await partsOf(await parseSource(text), context);
  return part!.list();
}

test('?split= enters the folder of that side', async () => {
  const folder = testFolder();
  const names = [
    'Train/bird/a.png',
    'Train/not-bird/b.png',
    'val/bird/c.png',
    'val/not-bird/d.png',
    'val/stray.png',
  ];
  write(folder, Object.fromEntries(names.map((name) => [name, name])));
  expect((await list(`${folder}?split=train`)).names).toEqual(names.slice(0, 2));
  const held = await list(`${folder}?split=test`);
  expect(held.names).toEqual(names.slice(2, 4));
  expect(held.labelNames.map(({ value }) => value)).toEqual(['bird', 'not-bird']);
  expect(held.skipped).toEqual([
    { name: join(folder, 'val/stray.png'), reason: 'lies outside the class folders' },
  ]);
  expect((await list(`${folder}?split=test`, { role: 'birds', labelled: false })).names).toEqual(
    names.slice(2),
  );
  expect(await outcome(list(folder))).toBe(
    `UserError: Expected a folder for each class in "${folder}", but found Train and val; say "${folder}?split=train", and ?split=test after --val`,
  );
  expect(await outcome(list(`${join(folder, 'val')}?split=train`))).toBe(
    `UserError: Expected a folder "train" in "${join(folder, 'val')}", as ?split=train says, but there is none; check its folders`,
  );
});

test.each([
  ['x/bird/a.png x/not-bird/b.png', 'bird not-bird'],
  ['x/y/bird/a.png x/y/not-bird/b.png', 'bird not-bird'],
  // The last folder is a class, not a place of classes.
  ['bird/a.png bird/b.png', 'bird bird'],
  ['x/bird/a.png x/bird/b.png', 'bird bird'],
  ['x/bird/a.png x/bird/more/b.png', 'bird bird'],
  // Two or more folders are, whatever lies beside them.
  ['x/cover.png x/bird/a.png x/owl/b.png', 'bird owl'],
  ['cover.png x/bird/a.png x/owl/b.png', 'bird owl'],
  ['bird/robin/a.png bird/wren/b.png', 'robin wren'],
])('the classes of %s', async (names, classes) => {
  const files = names.split(' ').map((name) => ({ name, stamp: '' }));
  const part = treePart({
    ...{ key: 'x', name: 'x.zip', labelled: true, enters: true },
    list: async () => ({ files, skipped: [], ignored: 0 }),
    read: async () => new Uint8Array(),
    onEmpty: () => new UserError('empty'),
  });
  const { labels, labelNames, skipped, count } = await part.list();
  expect([...labels].map((label) => labelNames[label]!.value).join(' ')).toBe(classes);
  expect(count + skipped.length).toBe(files.length);
});
