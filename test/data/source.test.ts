/** Source texts, patterns, folders and labels. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { glob } from '../../src/data/glob.ts';
import { nameLabels } from '../../src/data/label_meaning.ts';
import type { Listing, SourceLabel } from '../../src/data/part.ts';
import { folderPart, listImageFiles } from '../../src/data/sources/folder_source.ts';
import { parseSource } from '../../src/data/sources/source.ts';
import { outcome, plain, testFolder, write } from './made.ts';

describe('source texts', () => {
  test('what they mean', async () => {
    const folder = testFolder();
    expect(await parseSource('demo')).toEqual({ text: 'demo', kind: 'demo', path: 'demo' });
    expect(await parseSource('demo?label=bird')).toMatchObject({ kind: 'demo', label: 'bird' });
    expect(await parseSource(folder)).toMatchObject({ kind: 'folder', path: folder });
    expect(await parseSource('a/b-*.parquet?label=not bird')).toMatchObject({
      kind: 'parquet',
      path: 'a/b-*.parquet',
      label: 'not bird',
    });
    expect(await parseSource('hf:a/b@main:x/*.parquet?limit=30&label=R&B&split=test')).toMatchObject({
      kind: 'hub',
      path: 'a/b@main:x/*.parquet',
      label: 'R&B',
      limit: 30,
      split: 'test',
    });
    expect(await parseSource('x.zip?split=images to test&limit=3')).toMatchObject({
      split: 'images to test',
      limit: 3,
    });
    // A question mark alone belongs to the pattern.
    expect(await parseSource('a/?.parquet')).toMatchObject({ kind: 'parquet', path: 'a/?.parquet' });
  });

  const FORMS =
    'a folder, a .parquet file or glob, a .zip or .tar archive, a .csv list, hf:OWNER/NAME, nabirds:PATH, kaggle:OWNER/NAME, or demo';
  test.each([
    [
      'https://example.org/a.parquet',
      2,
      `Expected ${FORMS}, but found the unknown scheme "https:" in "https://example.org/a.parquet"; write ./https://example.org/a.parquet if it is a path`,
    ],
    [
      'demo?lable=bird',
      2,
      'Expected ?label=NAME, ?limit=N or ?split=SIDE after the source, but found ?lable= in "demo?lable=bird"',
    ],
    ['demo?limit=0', 2, 'Expected a number of images after ?limit= in "demo?limit=0"'],
    [
      'x.zip?split=',
      2,
      'Expected the name of a side, such as train or test, after ?split= in "x.zip?split="',
    ],
    ['demo?label=', 2, 'Expected a name after ?label= in "demo?label="'],
    [
      'demo?split=train',
      2,
      'Expected ?label= or ?limit= after demo, which has no train and test split, but found "demo?split=train"; leave ?split= out',
    ],
    ['', 2, `Expected a source (${FORMS}), but found ""`],
    ['package.json', 2, `Expected ${FORMS}, but found "package.json"`],
    ['no/such/folder', 1, `No such folder: "no/such/folder" (a source is ${FORMS}); check the path`],
  ])('%j is refused with %i', async (text, exitCode, message) => {
    await expect(parseSource(text)).rejects.toMatchObject({ name: 'UserError', exitCode, message });
  });
});

test('patterns find what a shell would', async () => {
  const folder = testFolder();
  const names = [
    'a-1.parquet',
    'a-2.parquet',
    'b.txt',
    '.hidden.parquet',
    'x/c.parquet',
    'x/y/d.parquet',
    'z[1].parquet',
  ];
  write(folder, Object.fromEntries(names.map((name) => [name, ''])));
  // Names come back below the folder, sorted; `bash` with globstar is the judge.
  for (const pattern of [
    '*.parquet',
    'a-?.parquet',
    'a-[13-9].parquet',
    'a-[!1].parquet',
    '{b,a-1}.*',
    '**/*.parquet',
    'x/**/d.parquet',
    '*/c.parquet',
    'none*',
  ]) {
    const judge = execFileSync(
      'bash',
      [
        '-O',
        'globstar',
        '-O',
        'nullglob',
        '-c',
        `LC_ALL=C; for f in ${pattern}; do [ -f "$f" ] && echo "$f"; done; true`,
      ],
      { cwd: folder, encoding: 'utf8' },
    );
    const expected = judge.split('\n').filter((line) => line !== '');
    const found = (await glob(join(folder, pattern))).map((path) => path.slice(folder.length + 1));
    expect([pattern, found]).toEqual([pattern, expected.sort()]);
  }
});

describe('folders', () => {
  test('classes are the folders at the top, images lie at any depth, and names are no proof', async () => {
    const folder = testFolder();
    const png = await plain(1);
    write(folder, {
      'bird/robin/a.jpg': png,
      'bird/b.PNG': png,
      'bird/no-extension': png,
      'bird/notes.txt': 'x',
      'bird/no-image': 'x',
      'bird/.hidden.jpg': png,
      'not-bird/c.jpeg': 'no image, but it says so: told when it is decoded',
      'not-bird/__MACOSX/d.jpg': png,
      'stray.png': png,
      'list.csv': 'x',
    });
    const listing = await (await folderPart(folder, true)).list();
    expect(listing.names).toEqual(['bird/b.PNG', 'bird/no-extension', 'bird/robin/a.jpg', 'not-bird/c.jpeg']);
    expect(listing.labelNames.map(({ value }) => value)).toEqual(['bird', 'not-bird']);
    expect([...listing.labels]).toEqual([0, 0, 0, 1]);
    expect(listing.ignored).toBe(3);
    expect(listing.skipped).toEqual([
      { name: join(folder, 'stray.png'), reason: 'lies outside the class folders' },
    ]);
    const all = await listImageFiles(folder);
    expect(all.files).toContain(join(folder, 'stray.png'));
    expect(all.files.length).toBe(5);
  });

  test('links are followed, those in circles once; broken ones and pipes are told', async () => {
    const folder = testFolder();
    write(folder, { 'bird/a.png': await plain(1), 'elsewhere/b.png': await plain(2) });
    symlinkSync('../elsewhere', join(folder, 'bird/linked'));
    symlinkSync('..', join(folder, 'bird/circle'));
    symlinkSync('.', join(folder, 'bird/self'));
    symlinkSync('nowhere.png', join(folder, 'bird/broken.png'));
    execFileSync('mkfifo', [join(folder, 'bird/pipe.png')]);
    const { files, skipped } = await listImageFiles(join(folder, 'bird'));
    expect(files.map((file) => file.slice(-5)).sort()).toEqual(['a.png', 'b.png']);
    expect(skipped).toContainEqual({
      name: join(folder, 'bird/broken.png'),
      reason: 'could not be opened (ENOENT)',
    });
    expect(skipped).toContainEqual({ name: join(folder, 'bird/pipe.png'), reason: 'is not a file' });
    // `circle` leads to the classes: it must not make birds of the others.
    write(folder, { 'not-bird/c.png': await plain(3) });
    const { names, labels } = await (await folderPart(folder, true)).list();
    expect(names!.filter((name) => name.endsWith('c.png'))).toEqual(['not-bird/c.png']);
    expect(names!.filter((_, i) => labels[i] === 0)).toEqual(['bird/a.png', 'bird/linked/b.png']);
  });

  test('nothing to train on', async () => {
    const folder = testFolder();
    const said = async (name: string) =>
      outcome(folderPart(join(folder, name), true).then((part) => part.list()));
    mkdirSync(join(folder, 'empty'));
    write(folder, { 'text/a/b.txt': 'x', 'flat/a.png': await plain(1), 'tables/a.parquet': 'x' });
    expect(await said('empty')).toContain('but found nothing; put one folder of images a class in it');
    expect(await said('text')).toContain('but found none among 1 files; put one folder');
    expect(await said('flat')).toMatch(
      /^UserError: Expected a folder for each class in ".*flat", but its 1 images lie/,
    );
    expect(await said('tables')).toMatch(/but found parquet files; say '.*tables\/\*\.parquet'$/);
  });
});

describe('names of labels', () => {
  const listing = (labelNames: SourceLabel[]): Listing => ({
    count: 0,
    labels: new Int32Array(),
    labelNames,
    skipped: [],
    ignored: 0,
  });
  const named = (...parts: SourceLabel[][]) => Object.fromEntries(nameLabels(parts.map(listing)));

  test('folders only where they go with the labels one to one over all files', () => {
    const cat = { value: '0', folder: 'cat' };
    expect(named([cat], [{ value: '1', folder: 'dog' }])).toEqual({ 0: 'cat', 1: 'dog' });
    expect(
      named(
        [cat],
        [
          { value: '0', folder: 'dog' },
          { value: '1', folder: 'cat' },
        ],
      ),
    ).toEqual({ 0: '0', 1: '1' });
    expect(named([cat, { value: '1', folder: 'cat' }])).toEqual({ 0: '0', 1: '1' });
    expect(named([cat, { value: '1' }])).toEqual({ 0: '0', 1: '1' });
    // All in one folder, "train" perhaps: that says nothing.
    expect(named([cat])).toEqual({ 0: '0' });
  });

  test('a name wins, also over files that lack it', () => {
    expect(named([{ value: '0', name: 'cat', folder: 'x' }], [{ value: '0' }, { value: '1' }])).toEqual({
      0: 'cat',
      1: '1',
    });
  });
});
