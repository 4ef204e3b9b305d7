/** Groups of classes from files. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadDataset } from '../../src/data/dataset.ts';
import { readHierarchy } from '../../src/data/hierarchy_file.ts';
import { options, plain, testFolder, write } from './made.ts';

const NAMES = ['Barn_Owl', 'Robin', 'Snowy_Owl', 'not-bird'];

async function read(files: Record<string, string>, name: string, classNames = NAMES) {
  const folder = testFolder();
  write(folder, files);
  return readHierarchy(join(folder, name), classNames);
}

const CSV = 'class,genus,order\nBarn_Owl,Tyto,Owls\nSnowy_Owl,Bubo,Owls\nRobin,Turdus,"Perching, birds"\n';

test('a CSV: its columns are the levels, the finest first; what is in groups of one each says nothing', async () => {
  expect(await read({ 'h.csv': CSV }, 'h.csv')).toEqual([
    { name: 'order', groups: ['Owls', 'Perching, birds', 'not-bird'], groupOf: [0, 1, 0, 2] },
  ]);
});

test('lines of child and parent, deeper in places, with names beside them', async () => {
  const hierarchy = '1 0\n2 1\n3 1\n4 0\n5 2\n6 2\n';
  const classes = '0 Birds\n1 Raptors\n2 Owls\n3 Hawk\n4 Wren\n5 Barn Owl\n6 Snowy Owl\n';
  const names = ['Barn Owl', 'Hawk', 'Snowy Owl', 'Wren'];
  expect(await read({ 'hierarchy.txt': hierarchy, 'classes.txt': classes }, 'hierarchy.txt', names)).toEqual([
    { name: '3 groups', groups: ['Owls', 'Hawk', 'Wren'], groupOf: [0, 1, 0, 2] },
    { name: '2 groups', groups: ['Raptors', 'Wren'], groupOf: [0, 0, 0, 1] },
  ]);
});

describe('what can not be used is named', () => {
  test.each([
    ['a class without a line', CSV.replace('Robin', 'Robbin'), /1 of 4 have none: Robin/],
    ['a group that is missing', CSV.replace(',Tyto,', ',,'), /line 2: expected 2 groups for "Barn_Owl"/],
    ['lines of something else', 'Barn Owl is an owl\n', /line 1: expected a class and the group/],
  ])('%s', async (_, text, message) => {
    await expect(read({ 'h.csv': text }, 'h.csv')).rejects.toThrow(message);
  });

  test('a circle ends', async () => {
    const tree = 'Barn_Owl\ta\na\tb\nb\ta\nRobin\tb\nSnowy_Owl\ta\n';
    expect((await read({ 'h.txt': tree }, 'h.txt')).length).toBeGreaterThan(0);
  });
});

test('classes of few images are named, and images of anything else are at most a quarter', async () => {
  const folder = testFolder();
  const files: Record<string, Uint8Array> = {};
  for (const [name, count] of [
    ['01.Red_Kite', 12],
    ['02.Wren', 3],
    ['03.Robin', 12],
  ] as const)
    for (let i = 0; i < count; i++) files[`birds/${name}/${i}.png`] = await plain(Object.keys(files).length);
  for (let i = 0; i < 20; i++) files[`others/${i}.png`] = await plain(100 + i);
  write(folder, files);
  const dataset = await loadDataset(
    options(folder, { data: [join(folder, 'birds')], notBirds: [join(folder, 'others')] }),
  );
  expect(dataset.classNames).toEqual(['01.Red_Kite', '02.Wren', '03.Robin', 'not-bird']);
  expect(dataset.labels.filter((label) => label === 3)).toHaveLength(9);
  expect(dataset.notes).toEqual([
    'Of the 20 images of --not-birds 9 are used, so that they are a quarter of all',
    '2 classes have fewer than 10 images, too few to train on and to evaluate: Wren (3), not-bird (9)',
  ]);
});
