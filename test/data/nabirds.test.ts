/** NABirds, made small in its true layout: lists, labels, split, and what is wrong with a copy. */
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { loadDataset } from '../../src/data/dataset.ts';
import type { Listing, Part, SourceContext } from '../../src/data/part.ts';
import { parseSource, partsOf } from '../../src/data/sources/source.ts';
import { options, outcome, plain, testFolder, write } from './made.ts';
import { tarGzOf, tarOf } from './made_archives.ts';

const KNOWN = 'df21a9e4db349a14e2b08adfd45873bd';
const PAGE = 'https://dl.allaboutbirds.org/nabirds';

/** Birds > Owls > Barn Owl; Birds > House Sparrow > House Sparrow, House Sparrow (Male). */
const CLASSES =
  '796 House Sparrow\n0 Birds\n1 Owls\n37 Barn Owl\n2 House Sparrow\n795 House Sparrow (Male)\n';
const HIERARCHY = '1 0\n37 1\n2 0\n795 2\n796 2\n';

const id = (i: number) => `0000139e-21dc-4d0c-bfe1-${String(i).padStart(12, '0')}`;
const OF = ['37', '795', '796', '37', '795', '796'];
const folderOf = (i: number) => `${OF[i]!.padStart(4, '0')}/${id(i).replaceAll('-', '')}.jpg`;
const lines = (of: (i: number) => string) => OF.map((_, i) => `${id(i)} ${of(i)}\n`).join('');

type Files = Record<string, string | Uint8Array>;

async function files(changed: Files = {}): Promise<Files> {
  const all: Files = {
    'images.txt': lines(folderOf),
    'image_class_labels.txt': lines((i) => OF[i]!),
    'classes.txt': CLASSES,
    'hierarchy.txt': HIERARCHY,
    'train_test_split.txt': lines((i) => (i < 4 ? '1' : '0')),
    'photographers.txt': lines((i) => `Ann Other ${i}`),
    'bounding_boxes.txt': lines(() => '1 2 3 4'),
    README: 'text',
  };
  for (const i of OF.keys()) all[`images/${folderOf(i)}`] = await plain(i);
  return { ...all, ...changed };
}

async function open(text: string, given: Partial<SourceContext> = {}): Promise<Part> {
  const context = {
    role: 'data',
    labelled: true,
    size: 8,
    cacheDir: join(testFolder(), 'cache'),
    ...given,
  } as const;
  const [part] = await partsOf(await parseSource(text), context);
  onTestFinished(() => part!.close?.());
  return part!;
}

const labels = ({ labels, labelNames }: Listing) =>
  [...labels].map((label) => labelNames[label]?.name ?? '-');

describe('the set as it is given out', () => {
  const below = (place: string, all: Files) =>
    Object.entries(all).map(([name, content]): [string, string | Uint8Array] => [place + name, content]);

  test.each([
    ['nabirds.tar.gz', 'nabirds/', tarGzOf],
    ['birds.tgz', '', tarGzOf],
    ['nabirds.tar', './nabirds/', tarOf],
    ['folder', '', undefined],
    ['folder', 'nabirds/', undefined],
  ])('%s, with its files in "%s"', async (name, place, pack) => {
    const folder = testFolder();
    const entries = below(place, await files());
    if (pack) write(folder, { [name]: await pack(entries) });
    else write(join(folder, name), Object.fromEntries(entries));
    const path = join(folder, name);
    const notes: (string | undefined)[] = [];
    const onProgress: SourceContext['onProgress'] = ({ note }) => {
      if (note) notes.push(note);
    };
    const part = await open(`nabirds:${path}`, { onProgress });
    const listing = await part.list();
    const root = place.replace('./', '');
    expect(listing.names).toEqual(OF.map((_, i) => `${root}images/${folderOf(i)}`));
    expect(part.nameOf(listing.names![0]!)).toBe(`${path}/${root}images/${folderOf(0)}`);
    expect(labels(listing)).toEqual([
      ...['Barn Owl', 'House Sparrow (Male)', 'House Sparrow'],
      ...['Barn Owl', 'House Sparrow (Male)', 'House Sparrow'],
    ]);
    expect(listing.skipped).toEqual([]);
    const sizes: number[] = [];
    for await (const image of part.read(listing, () => true))
      sizes.push('bytes' in image ? image.bytes.length : 0);
    expect(sizes).toEqual(await Promise.all(OF.map(async (_, i) => (await plain(i)).length)));
    // Another archive than the known one is told, and taken.
    expect(notes.length).toBe(pack ? 1 : 0);
    if (pack)
      expect(notes[0]).toMatch(
        new RegExp(
          `^"${path}" is another archive than the one known as NABirds \\(md5 [0-9a-f]{32}, not ${KNOWN}\\)$`,
        ),
      );
    expect((await part.pins!({ verify: false })).length).toBe(pack ? 1 : 5);
    expect(part.looseImages).toBe(!pack);
  });

  test('its groups are levels of the classes', async () => {
    const folder = testFolder();
    write(join(folder, 'set'), await files());
    const { classNames, hierarchy } = await loadDataset(
      options(folder, { data: [`nabirds:${join(folder, 'set')}`] }),
    );
    expect(classNames).toEqual(['Barn Owl', 'House Sparrow', 'House Sparrow (Male)']);
    expect(hierarchy).toEqual([{ name: '2 groups', groups: ['Owls', 'House Sparrow'], groupOf: [0, 1, 1] }]);
  });

  test('its own split, on request', async () => {
    const folder = testFolder();
    write(folder, await files());
    const sides = async (split: string) =>
      labels(await (await open(`nabirds:${folder}${split}`)).list()).length;
    expect([await sides('?split=train'), await sides('?split=test'), await sides('')]).toEqual([4, 2, 6]);
    const test = await (await open(`nabirds:${folder}?split=test`)).list();
    expect(test.names).toEqual([4, 5].map((i) => `images/${folderOf(i)}`));
  });

  test('a class by its name or number, a group with all that is in it', async () => {
    const folder = testFolder();
    write(folder, await files());
    const classes = async (label: string) => {
      const { classNames, labels } = await loadDataset(
        options(testFolder(), { data: [`nabirds:${folder}?label=${label}`] }),
      );
      return [classNames, labels.filter((one) => classNames[one] === classNames[0]).length];
    };
    expect(await classes('Barn Owl')).toEqual([['Barn Owl', 'not-Barn Owl'], 2]);
    expect(await classes('barn owl')).toEqual([['Barn Owl', 'not-Barn Owl'], 2]);
    expect(await classes('37')).toEqual([['Barn Owl', 'not-Barn Owl'], 2]);
    expect(await classes('House Sparrow')).toEqual([['House Sparrow', 'not-House Sparrow'], 4]);
    expect(await classes('796')).toEqual([['House Sparrow', 'not-House Sparrow'], 2]);
    expect(await classes('Owls')).toEqual([['Owls', 'not-Owls'], 2]);
    expect(await outcome(classes('Dodo'))).toMatch(
      /^UserError: Expected a label of .*, but it has no "Dodo"; its labels are Barn Owl, House/,
    );
  });

  test('all of them are birds', async () => {
    const folder = testFolder();
    write(folder, await files());
    write(join(folder, 'others'), { 'a.png': await plain(100), 'b.png': await plain(101) });
    const given = { birds: [`nabirds:${folder}?split=train`], notBirds: [join(folder, 'others')] };
    const { classNames, labels } = await loadDataset(options(testFolder(), given));
    expect(classNames).toEqual(['bird', 'not-bird']);
    expect([...labels]).toEqual([0, 0, 0, 0, 1, 1]);
    expect(await outcome(open(`nabirds:${folder}`, { role: 'notBirds', labelled: false }))).toBe(
      `UserError: Expected images without birds after --not-birds, but "nabirds:${folder}" has birds only; use --birds`,
    );
  });
});

describe('what is wrong with a copy', () => {
  test.each([
    ['nabirds:', 'Expected a path after "nabirds:"'],
    ['nabirds:no/such.tar.gz', 'No such file: "no/such.tar.gz"'],
  ])('%s: says where to get it', async (text, begin) => {
    expect(await outcome(open(text))).toBe(
      `UserError: ${begin}; accept Cornell's terms at ${PAGE}, save nabirds.tar.gz from the link that they send, and say nabirds:PATH-TO-NABIRDS.TAR.GZ, or the path of its unpacked folder`,
    );
  });

  test.each<[string, Files, string]>([
    [
      'a path is missing',
      { 'images.txt': `${id(0)} ${folderOf(0)}\n${id(1)}\n` },
      `"WHERE/images.txt", line 2: expected an image id and a path, but found "${id(1)}"; fetch NABirds again`,
    ],
    [
      'an id twice',
      { 'images.txt': `${id(0)} a.jpg\n\n${id(0)} b.jpg\n` },
      `"WHERE/images.txt", line 3: expected each id once, but ${id(0)} comes again; fetch NABirds again`,
    ],
    [
      'a class that is no number',
      { 'image_class_labels.txt': `${id(0)} owl\n` },
      `"WHERE/image_class_labels.txt", line 1: expected an image id and a class number, but found "${id(0)} owl"; fetch NABirds again`,
    ],
    [
      'a class without a name',
      { 'classes.txt': '37\n' },
      '"WHERE/classes.txt", line 1: expected a class number and a name, but found "37"; fetch NABirds again',
    ],
    [
      'a side that is neither',
      { 'train_test_split.txt': `${id(0)} 2\n` },
      `"WHERE/train_test_split.txt", line 1: expected an image id, and 1 or 0, but found "${id(0)} 2"; fetch NABirds again`,
    ],
    [
      'a parent too many',
      { 'hierarchy.txt': '1 0 0\n' },
      '"WHERE/hierarchy.txt", line 1: expected two class numbers, but found "1 0 0"; fetch NABirds again',
    ],
    [
      'an empty list',
      { 'classes.txt': '\n' },
      'Expected lines of a class number and a name in "WHERE/classes.txt", but it is empty; fetch NABirds again',
    ],
    [
      'a class that has no name',
      { 'classes.txt': '37 Barn Owl\n' },
      'Expected a name for each class of "WHERE/image_class_labels.txt" in classes.txt, but 795 has none; fetch NABirds again',
    ],
    [
      'paths that lead elsewhere',
      { 'images.txt': lines(() => '../../secret.jpg') },
      'Expected the images of NABirds in "WHERE", but all 6 of its list are missing; fetch NABirds again',
    ],
  ])('%s', async (_, changed, message) => {
    const folder = testFolder();
    write(folder, { 'set/x/y.txt': '', 'secret.jpg': await plain(1) });
    const where = join(folder, 'set');
    write(where, await files(changed));
    expect(await outcome(open(`nabirds:${where}`).then((part) => part.list()))).toBe(
      `UserError: ${message.replaceAll('WHERE', where)}`,
    );
  });

  test('lists that are not there, images that are not there', async () => {
    const folder = testFolder();
    const { 'classes.txt': _, ...rest } = await files();
    write(join(folder, 'a'), rest);
    const list = (path: string) => outcome(open(`nabirds:${join(folder, path)}`).then((part) => part.list()));
    expect(await list('a')).toBe(
      `UserError: Expected the list classes.txt of NABirds in "${folder}/a", but there is none; fetch NABirds again`,
    );
    write(join(folder, 'b'), { 'x.jpg': 'x' });
    expect(await list('b')).toMatch(
      `Expected the lists of NABirds (images.txt and others) in "${folder}/b", but found none`,
    );
    const { [`images/${folderOf(2)}`]: __, ...most } = await files();
    write(join(folder, 'c'), most);
    const { skipped, count } = (await list('c')) as Listing;
    expect([count, skipped]).toEqual([
      5,
      [{ name: `${folder}/c/images/${folderOf(2)}`, reason: 'is in images.txt, but is missing' }],
    ]);
  });

  test('a hierarchy that goes in circles ends', async () => {
    const folder = testFolder();
    write(folder, await files({ 'hierarchy.txt': '1 37\n37 1\n' }));
    expect(labels(await (await open(`nabirds:${folder}?label=Owls`)).list())[0]).toBe('Owls');
  });
});
