/** Folders with sides of a split, and what is at the top of a tree. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { UserError } from '../../src/base/errors.ts';
import { treePart } from '../../src/data/file_tree.ts';
import type { SourceContext } from '../../src/data/part.ts';
import { parseSource, partsOf } from '../../src/data/sources/source.ts';
import { outcome, testFolder, write } from './made.ts';
import { zipOf } from './made_archives.ts';

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

/** The listing of a tree of empty files: of a folder on disk, or of an archive or a data set of the hub. */
async function listTree(
  names: string[],
  given: { name?: string; split?: string; label?: string; enters?: boolean } = {},
) {
  const part = treePart({
    ...{ key: 'x', name: 'x', labelled: true, enters: false, ...given },
    list: async () => ({
      files: [...names].sort().map((name) => ({ name, stamp: '' })),
      skipped: [],
      ignored: 0,
    }),
    read: async () => new Uint8Array(),
    onEmpty: () => new UserError('empty'),
  });
  return part.list();
}

/** Two images in each folder. */
const inFolders = (...folders: string[]) =>
  folders.flatMap((folder) => [`${folder}/1.png`, `${folder}/2.png`]);
const within = (sides: string[], classes: string[]) =>
  inFolders(...sides.flatMap((side) => classes.map((name) => `${side}/${name}`)));
const classesIn = async (names: string[], given: Parameters<typeof listTree>[1]) => {
  const { labelNames, count } = await listTree(names, given);
  return `${count} ${labelNames.map(({ value }) => value).join(' ')}`;
};

describe('splits that lie where classes should', () => {
  const pair = ['bird', 'cat'];
  const stray = 'images to test';
  test.each<[string, string[], string, string]>([
    // What lies there, what is found, and the two sides to say.
    ['train/dev', within(['train', 'dev'], pair), 'found dev and train', 'train test'],
    ['train/validate', within(['train', 'validate'], pair), 'found train and validate', 'train test'],
    ['train/eval', within(['train', 'eval'], pair), 'found eval and train', 'train test'],
    ['with years', within(['train2017', 'val2017'], pair), 'found train2017 and val2017', 'train test'],
    ['holdout', within(['Training', 'hold-out'], pair), 'found Training and hold-out', 'train test'],
    ['sets', within(['trainset', 'testset'], pair), 'found testset and trainset', 'train test'],
    [
      'a side packed twice, and images without a label',
      [...within(['seg_train/seg_train', 'seg_test/seg_test'], pair), ...inFolders('seg_pred/seg_pred')],
      'found seg_pred, seg_test and seg_train',
      'train test',
    ],
    [
      'a stray folder beside three sides',
      [...within(['train', 'valid', 'test'], pair), ...inFolders(`${stray}/a`)],
      'found images to test, test, train and valid',
      'train test',
    ],
    [
      'a folder that is no side',
      [...within(['train', 'test'], pair), ...inFolders('models', 'notebooks', 'docs')],
      'found test and train',
      'train test',
    ],
    ['two to hold out', within(['dev', 'eval'], pair), 'found dev and eval', 'dev eval'],
    ['two of a side', within(['test1', 'test2'], pair), 'found test1 and test2', 'test1 test2'],
    ['folds', within(['fold1', 'fold2'], pair), 'found fold1 and fold2', 'fold1 fold2'],
    ['folds of other classes', inFolders('fold_1/a', 'fold_2/b'), 'found fold_1 and fold_2', 'fold_1 fold_2'],
    [
      'more than one of a side',
      inFolders('trainA/a', 'trainB/b', 'testA/a', 'testB/b'),
      'found testA, testB, trainA and trainB',
      'trainA testA',
    ],
    [
      'places with the same classes',
      within(['amazon/images', 'webcam/images', 'dslr/images'], ['bike', 'mug', 'pen']),
      'its folders amazon, dslr and webcam hold the same folders (bike, mug, pen)',
      'amazon dslr',
    ],
    [
      'images and their masks',
      within(['images', 'masks'], pair),
      'its folders images and masks hold the same folders (bird, cat)',
      'images masks',
    ],
    [
      'numbers as classes',
      within(['a', 'b'], ['0', '1', '2']),
      'its folders a and b hold the same folders (0, 1, 2)',
      'a b',
    ],
  ])('%s', async (_, names, found, sides) => {
    const [first, second] = sides.split(' ');
    const message = (where: string, name: string, prefix = '') =>
      `UserError: Expected a folder for each class in "${where}", but ${found}; ` +
      `say "${name}?split=${prefix}${first}", and ?split=${prefix}${second} after --val`;
    for (const enters of [false, true]) {
      expect(await outcome(listTree(names, { enters }))).toContain(message('x', 'x'));
      // Packed in one more folder, as archives often are: the short name is enough, a path does as well.
      const packed = names.map((name) => `photos/${name}`);
      const short = ['train', 'test'].includes(first!) ? '' : 'photos/';
      if (enters || found.startsWith('found')) {
        expect(await outcome(listTree(packed, { enters }))).toContain(message('x/photos', 'x', short));
      }
      // What is advised works.
      for (const split of [first!, second!, `photos/${first}`]) {
        const { count } = await listTree(split.includes('/') ? packed : names, { enters, split });
        expect(count).toBeGreaterThan(1);
      }
    }
  });

  test('?split= takes the names of folders, of their sides, and paths', async () => {
    const names = [
      ...within(['train2017', 'val2017', 'images to test'], pair),
      ...within(['seg_pred/seg_pred'], ['a', 'b']),
    ];
    for (const enters of [false, true]) {
      for (const [split, expected] of [
        ['train', 'train2017'],
        ['train2017', 'train2017'],
        ['TRAIN2017', 'train2017'],
        ['val', 'val2017'],
        ['validation', 'val2017'],
        ['test', 'images to test'],
        ['images to test', 'images to test'],
        ['seg_pred', 'seg_pred/seg_pred'],
      ] as const) {
        const { names: found, labelNames } = await listTree(names, { enters, split });
        expect([split, found!.every((name) => name.startsWith(`${expected}/`)), labelNames.length]).toEqual([
          split,
          true,
          2,
        ]);
      }
    }
    // Sides without classes are none either, whatever lies in them.
    expect(await outcome(listTree(inFolders('train', 'test1')))).toMatch(/but found test1 and train; say/);
    expect(await outcome(listTree(inFolders('trainA', 'trainB', 'testA'), { split: 'train' }))).toBe(
      'UserError: Expected one folder for ?split=train in "x", but found trainA and trainB; name one of them, as in ?split=trainA',
    );
    expect(await outcome(listTree(inFolders('train', 'test'), { split: 'fold1' }))).toBe(
      'UserError: Expected a folder "fold1" in "x", as ?split=fold1 says, but there is none; check its folders',
    );
  });

  test('only one side: the folder to name', async () => {
    const names = within(['train'], pair);
    expect(await outcome(listTree(names))).toBe(
      'UserError: Expected a folder for each class in "x", but found only "train"; name "x/train" instead',
    );
    expect(await outcome(listTree(names.map((name) => `photos/${name}`)))).toBe(
      'UserError: Expected a folder for each class in "x/photos", but found only "train"; name "x/photos/train" instead',
    );
    expect(await classesIn(names, { split: 'train' })).toBe('4 bird cat');
    expect(await classesIn(names, { enters: true })).toBe('4 bird cat');
    // Images of trains, whose others come from another source.
    expect(await classesIn(inFolders('train'), {})).toBe('2 train');
  });

  test.each<[string, string[], string]>([
    ['one class is called as a side is', inFolders('bus', 'car', 'train'), '6 bus car train'],
    ['two kinds of one', inFolders('steam train', 'bullet_train', 'bus'), '6 bullet_train bus steam train'],
    ['valid and invalid', inFolders('valid', 'invalid'), '4 invalid valid'],
    ['words that begin so', inFolders('testudo', 'trainbearer', 'valley'), '6 testudo trainbearer valley'],
    [
      'two among many classes',
      inFolders('bullet_train', 'test_tube', 'a', 'b', 'c'),
      '10 a b bullet_train c test_tube',
    ],
    ['sides in each class', within(pair, ['train', 'test']), '8 bird cat'],
    ['years in each class', within(pair, ['2019', '2020', '2021-05']), '12 bird cat'],
    ['folders of a camera', within(pair, ['100CANON', '101CANON']), '8 bird cat'],
    ['one folder in each class', within(pair, ['images']), '4 bird cat'],
    [
      'other kinds in each class',
      within(['bird'], ['owl', 'wren']).concat(within(['not'], ['cat', 'owl'])),
      '8 bird not',
    ],
    [
      'a few with the same folders',
      within(pair, ['male', 'female']).concat(inFolders('cow', 'dog', 'eel')),
      '14 bird cat cow dog eel',
    ],
  ])('classes they are: %s', async (_, names, classes) => {
    expect(await classesIn(names, {})).toBe(classes);
    expect(
      await classesIn(
        names.map((name) => `x/${name}`),
        { enters: true },
      ),
    ).toBe(classes);
  });

  test('who asks for one of the folders as a class has said that they are classes', async () => {
    const names = within(pair, ['male', 'female']);
    expect(await outcome(listTree(names))).toMatch(
      /but its folders bird and cat hold the same folders \(female, male\); say .*; if they are the classes, list the images in a \.csv file of path and label$/,
    );
    expect(await classesIn(names, { label: 'Bird' })).toBe('8 bird cat');
  });

  test('in a folder on disk and as images of one kind', async () => {
    const folder = testFolder();
    write(folder, Object.fromEntries(within(['seg_train', 'seg_test'], pair).map((name) => [name, name])));
    expect(await outcome(list(folder))).toMatch(/but found seg_test and seg_train; say ".*\?split=train"/);
    expect((await list(`${folder}?split=train`)).count).toBe(4);
    const birds = { role: 'birds', labelled: false } as const;
    expect((await list(folder, birds)).count).toBe(8);
    expect((await list(`${folder}?split=seg_test`, birds)).count).toBe(4);
  });
});

test('folders that systems make are passed over', async () => {
  const folder = testFolder();
  const made = ['@eaDir', '$RECYCLE.BIN', 'System Volume Information', 'lost+found', '.Trashes', '#recycle'];
  const names = [
    ...['bird/a.png', 'cat/b.png'],
    ...made.flatMap((name) => [`${name}/c.png`, `bird/${name}/d.png`, `bird/${name.toUpperCase()}/e.png`]),
  ];
  write(folder, { ...Object.fromEntries(names.map((name) => [name, name])) });
  expect((await list(folder)).names).toEqual(['bird/a.png', 'cat/b.png']);
  const zip = join(folder, 'a.zip');
  writeFileSync(zip, zipOf(names.map((name) => [name, name])));
  expect((await list(zip)).names).toEqual(['bird/a.png', 'cat/b.png']);
});
