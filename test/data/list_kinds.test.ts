/** Lists as people have them: which column is what, which rows validate, and how their files are found. */
import { execFileSync } from 'node:child_process';
import { readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkSources } from '../../src/check/check_dataset.ts';
import { reportLines } from '../../src/check/check_lines.ts';
import { loadDataset } from '../../src/data/dataset.ts';
import type { Listing, SourceContext } from '../../src/data/part.ts';
import { parseSource, partsOf } from '../../src/data/sources/source.ts';
import { splitDataset } from '../../src/data/split.ts';
import { options, outcome, plain, testFolder, write } from './made.ts';

const IMAGE = 'GIF89a ';

/** A list and files beside it, all of them images by their first bytes. */
function listed(text: string | Uint8Array, names: string[]): string {
  const folder = testFolder();
  write(folder, { ...Object.fromEntries(names.map((name) => [name, IMAGE + name])), 'list.csv': text });
  return folder;
}

async function list(folder: string, query = '', given: Partial<SourceContext> = {}): Promise<Listing> {
  const context = { role: 'data', labelled: true, size: 8, cacheDir: testFolder(), ...given } as const;
  const [part] = await partsOf(await parseSource(join(folder, `list.csv${query}`)), context);
  return part!.list();
}

/** "name label" of each image. */
function pairs({ names, labels, labelNames }: Listing): string[] {
  return names!.map((name, i) => `${name} ${labelNames[labels[i]!]?.value ?? '-'}`);
}

const four = ['img/b0.jpg', 'img/b1.jpg', 'img/n0.jpg', 'img/n1.jpg'];
/** Rows of a list of these four; each cell may ask for the number of its row. */
const rows = (header: string, cells: (name: string, label: string, i: number) => string, names = four) =>
  [header, ...names.map((name, i) => cells(name, i < 2 ? 'bird' : 'not-bird', i))].join('\n');
const right = (names = four) => names.map((name, i) => `${name} ${i < 2 ? 'bird' : 'not-bird'}`);

describe('columns', () => {
  test.each<[string, string, string]>([
    [
      'one of each',
      rows('image_id,label', (name, label) => `${name},${label}`),
      '"image_id", labels from "label"',
    ],
    [
      'numbers before words',
      rows('class,filename,label', (name, label, i) => `${i},${name},${label}`),
      '"filename", labels from "label"',
    ],
    [
      'words of another name before numbers called "label"',
      rows('filename,label,species', (name, label, i) => `${name},${i % 3},${label}`),
      '"filename", labels from "species"',
    ],
    [
      'target and category',
      rows('filename,target,category', (name, label, i) => `${name},${i}.0,${label}`),
      '"filename", labels from "category"',
    ],
    [
      'as on Kaggle',
      rows(
        'class id,filepaths,labels,scientific name',
        (name, label, i) => `${i % 2}.0,${name},${label},X y`,
      ),
      '"filepaths", labels from "labels"',
    ],
    [
      'as on Kaggle, by id',
      rows('id,breed', (name, label) => `${name},${label}`),
      '"id", labels from "breed"',
    ],
    [
      'two that say the same',
      rows('image,class,species', (name, label) => `${name},${label.length},${label}`),
      '"image", labels from "species"',
    ],
    [
      'two that part the images alike',
      rows('image,species,category', (name, label) => `${name},the ${label},${label}`).replaceAll('the ', ''),
      '"image", labels from "category"',
    ],
    [
      'two of names, one of which names files',
      rows('image,path,label', (name, label, i) => `picture ${i},${name},${label}`),
      '"path", labels from "label"',
    ],
  ])('%s', async (_, text, columns) => {
    const listing = await list(listed(text, four));
    expect(pairs(listing)).toEqual(right());
    expect(listing.notes).toEqual([`paths from the column ${columns}`]);
  });

  test('without a header, and without labels', async () => {
    const listing = await list(listed('bird,img/b0.jpg\nnot-bird,img/n0.jpg\n', four));
    expect(listing.notes).toEqual(['no header: paths from column 2, labels from column 1']);
    const birds = await list(listed('path,label\nimg/b0.jpg,bird\n', four), '', {
      labelled: false,
      role: 'birds',
    });
    expect(birds.notes).toEqual(['paths from the column "path"']);
    expect(pairs(birds)).toEqual(['img/b0.jpg -']);
  });

  test('where it stays open, the candidates are named', async () => {
    const text = rows('image,class,species', (name, label, i) => `${name},${label},kind ${i}`);
    const folder = listed(text, four);
    expect(await outcome(list(folder))).toBe(
      `UserError: Expected one column of labels in "${join(folder, 'list.csv')}", but "class" and "species" could both be it; keep one of them, or name it "label"`,
    );
  });

  test('a header is one, though files are called as its columns are; only used columns count', async () => {
    const names = [...four, 'image.png', 'breed.jpg', 'foto.jpg', 'label'];
    const text = rows('a,image,b,breed,c', (name, label) => `x,${name},"",${label},z`);
    expect(pairs(await list(listed(text, names)))).toEqual(right());
    const two = rows('image,label', (name, label) => `${name},${label}`);
    expect(pairs(await list(listed(two, names)))).toEqual(right());
    expect(await outcome(list(listed('foto,vogel\nimg/b0.jpg,bird\n', names)))).toMatch(
      /found "foto", "vogel"/,
    );
  });

  test('a header of unknown names is never taken for an image', async () => {
    for (const header of ['id_code,diagnosis', 'foto,vogel', 'uuid']) {
      const folder = listed(`${header}\nimg/b0.jpg,bird\n`, four);
      const shown = header.split(',').map((name) => JSON.stringify(name));
      expect(await outcome(list(folder))).toMatch(
        new RegExp(
          `^UserError: Expected a column .*, but found ${shown.join(', ')}; (name them so|add it, or)`,
        ),
      );
    }
  });
});

describe('a split of its own', () => {
  const names = Array.from({ length: 8 }, (_, i) => `img/${i}.png`);
  const label = (i: number) => (i % 2 ? 'bird' : 'not-bird');
  const table = (header: string, cells: string[]) =>
    [`path,label,${header}`, ...names.map((name, i) => `${name},${label(i)},${cells[i]}`)].join('\n');
  /** Numbers of the images that train, those that validate, and the note. */
  async function sides(header: string, cells: string, given: Partial<SourceContext> = {}) {
    const {
      names: kept,
      heldOut,
      notes,
    } = await list(listed(table(header, cells.split(' ')), names), '', given);
    const numbers = (held: number) =>
      kept!.filter((_, i) => (heldOut?.[i] ?? 0) === held).map((name) => name.replace(/\D/g, ''));
    return [numbers(0).join(''), numbers(1).join(''), notes![1]];
  }

  test.each<[string, string, string, string, string | undefined]>([
    [
      'split',
      'train train train train train train dev dev',
      '012345',
      '67',
      '"split" (6 train, 2 dev) is used: 6 rows train, 2 validate',
    ],
    [
      'data set',
      'train Train train train valid valid test test',
      '0123',
      '45',
      '"data set" (3 train, 1 Train, 2 valid, 2 test) is used: 4 rows train, 2 validate, 2 are left out',
    ],
    [
      'is_valid',
      'True False FALSE 0 False no 1 true',
      '12345',
      '067',
      '"is_valid" (3 val, 5 train) is used: 5 rows train, 3 validate',
    ],
    [
      'is_training_image',
      '1 1 1 1 0 0 1 1',
      '012367',
      '45',
      '"is_training_image" (6 train, 2 test) is used: 6 rows train, 2 validate',
    ],
    [
      'subset',
      'train2017 train2017 val2017 val2017 extra extra train2017 train2017',
      '0167',
      '23',
      '"subset" (4 train2017, 2 val2017, 2 extra) is used: 4 rows train, 2 validate, 2 are left out',
    ],
    ['set', 'A A B B A A B B', '01234567', '', '"set" (4 A, 4 B) is not used'],
    ['fold', '0 1 2 3 0 1 2 3', '01234567', '', '"fold" (2 0, 2 1, 2 2, 2 3) is not used'],
    ['split', 'train train train train train train train train', '01234567', '', undefined],
  ])('%s: %s', async (header, cells, train, held, note) => {
    expect(await sides(header, cells)).toEqual([train, held, note && `its column ${note}`]);
  });

  test('?split= takes the names in it; --val comes first, and takes all rows of a list', async () => {
    const cells = 'train train train dev dev test Test test'.split(' ');
    const folder = listed(table('split', cells), names);
    const chosen = async (query: string) =>
      (await list(folder, query)).names!.map((name) => name.replace(/\D/g, '')).join('');
    expect(await chosen('?split=train')).toBe('012');
    expect(await chosen('?split=dev')).toBe('34');
    expect(await chosen('?split=validation')).toBe('34');
    expect(await chosen('?split=test')).toBe('567');
    expect(await outcome(list(folder, '?split=fold1'))).toBe(
      `UserError: Expected rows of "${join(folder, 'list.csv')}" whose column "split" says "fold1", but it says 3 train, 2 dev, 2 test, 1 Test`,
    );
    expect(await sides('split', cells.join(' '), { isValidated: true })).toEqual([
      ...['012', ''],
      'its column "split" (3 train, 2 dev, 2 test, 1 Test) is used: 3 rows train, 5 are left out',
    ]);
    expect(await sides('split', cells.join(' '), { role: 'validation', isValidated: true })).toEqual([
      ...['01234567', ''],
      'its column "split" (3 train, 2 dev, 2 test, 1 Test) is not used',
    ]);
  });

  test('what it holds out is validated on, and shown so', async () => {
    const folder = testFolder();
    const pictures = await Promise.all(names.map(async (name, i) => [name, await plain(i)] as const));
    write(folder, {
      ...Object.fromEntries(pictures),
      'list.csv': table('split', 'train train train train train valid valid train'.split(' ')),
    });
    const given = options(folder, { data: [join(folder, 'list.csv')] });
    const dataset = await loadDataset(given);
    const { train, val } = await splitDataset(dataset, { fraction: 0.5, seed: 1 });
    expect([[...train], [...val]]).toEqual([
      [0, 1, 2, 3, 4, 7],
      [5, 6],
    ]);
    expect(dataset.notes).toEqual([
      `${join(folder, 'list.csv')}: paths from the column "path", labels from "label"`,
      `${join(folder, 'list.csv')}: its column "split" (6 train, 2 valid) is used: 6 rows train, 2 validate`,
    ]);
    const { report } = await checkSources(given);
    expect(reportLines(report)).toEqual(expect.arrayContaining(dataset.notes!));
    expect(report.classes).toEqual([
      { name: 'bird', training: 3, validation: 1 },
      { name: 'not-bird', training: 3, validation: 1 },
    ]);
    write(folder, {
      'list.csv': table('split', 'train train train train train valid valid train'.split(' ')).replace(
        '5.png,bird',
        '5.png,owl',
      ),
    });
    expect(await outcome(loadDataset(given))).toBe(
      'UserError: Expected the classes of the training images (bird, not-bird) in what is held out, but found "owl"; train on images of it, too, or leave it out',
    );
  });
});

describe('files', () => {
  test.each<[string, string, string[], string[]]>([
    [
      'backslashes',
      rows('path,label', (name, label) => `${name.replace('/', '\\')},${label}`),
      four,
      right(four.map((name) => name.replace('/', '\\'))),
    ],
    [
      'without their ending, beside the list',
      rows('id,breed', (name, label) => `${name},${label}`, ['b0', 'b1', 'n0', 'n1']),
      ['b0.jpg', 'b1.PNG', 'n0.jpeg', 'n1.webp'],
      right(['b0', 'b1', 'n0', 'n1']),
    ],
    [
      'in Unicode as another system writes it',
      rows('path,label', (name, label) => `${name},${label}`, [
        'B\u00e4r/1.jpg',
        'B\u00e4r/K\u00f6.jpg',
        'o/1.jpg',
        'o/2.jpg',
      ]),
      ['Ba\u0308r/1.jpg', 'Ba\u0308r/Ko\u0308.jpg', 'o/1.jpg', 'o/2.jpg'],
      right(['B\u00e4r/1.jpg', 'B\u00e4r/K\u00f6.jpg', 'o/1.jpg', 'o/2.jpg']),
    ],
  ])('%s', async (_, text, names, expected) => {
    const folder = listed(text, names);
    const listing = await list(folder);
    expect(pairs(listing)).toEqual(expected);
    expect(listing.skipped).toEqual([]);
    const [part] = await partsOf(await parseSource(join(folder, 'list.csv')), {
      ...{ role: 'data', labelled: true, size: 8, cacheDir: testFolder() },
    });
    const read: string[] = [];
    for await (const image of part!.read(await part!.list(), () => true)) {
      read.push('bytes' in image ? Buffer.from(image.bytes).toString() : image.problem);
    }
    // What is read is what is there, and named as it is there.
    expect(read).toEqual(names.map((name) => IMAGE + name));
    expect(listing.names!.map((name) => part!.nameOf(name))).toEqual(names.map((name) => join(folder, name)));
  });

  test('in a folder beside the list, which is said; in one of two it is asked', async () => {
    const text = rows('id,breed', (name, label) => `${name},${label}`, ['b0', 'b1', 'n0', 'n1']);
    const folder = listed(text, [
      'images/train/b0.jpg',
      'images/train/b1.jpg',
      'images/train/n0.jpg',
      'images/train/n1.jpg',
      'images/test/t0.jpg',
    ]);
    const listing = await list(folder);
    expect(pairs(listing)).toEqual(right(['b0', 'b1', 'n0', 'n1']));
    expect(listing.notes).toEqual([
      'paths from the column "id", labels from "breed"',
      'images from the folder "images/train"',
    ]);
    const two = listed(text, ['train/b0.jpg', 'test/b0.jpg']);
    expect(await outcome(list(two))).toBe(
      `UserError: Expected the images of a list in one folder beside it, but "b0" may be in "test" or "train" of "${two}"; write the folder before each name`,
    );
    const several = listed(text, ['b0.jpg', 'b0.png', 'b1.jpg', 'n0.jpg']);
    const { skipped } = await list(several);
    expect(skipped).toEqual([
      { name: join(several, 'b0'), reason: 'is in the list, but may be b0.jpg or b0.png' },
      { name: join(several, 'n1'), reason: 'is in the list, but there is no such file' },
    ]);
  });

  test('Latin-1, as Windows writes it, line by line', async () => {
    const text = Buffer.concat([
      Buffer.from('path,label\nimg/b0.jpg,Zaunk\u00f6nig\n'),
      Buffer.from('img/b1.jpg,Zaunk\u00f6nig\r\n"img/\u00df.jpg","Gr\u00fcn\u009eling"\n', 'latin1'),
      Buffer.from('img/n0.jpg,\u732b\n'),
    ]);
    const listing = await list(listed(text, [...four, 'img/\u00df.jpg']));
    expect(pairs(listing)).toEqual([
      'img/b0.jpg Zaunk\u00f6nig',
      'img/b1.jpg Zaunk\u00f6nig',
      'img/\u00df.jpg Gr\u00fcn\u017eling',
      'img/n0.jpg \u732b',
    ]);
    expect(listing.notes).toContain('read as Latin-1 where it is not UTF-8');
    // Pieces of a large file are cut at the ends of lines.
    const long = `path,label\n${'img/b0.jpg,\u00f6\n'.repeat(20_000)}img/b1.jpg,\u00f6`;
    const { labelNames, notes } = await list(listed(long, four));
    expect([labelNames.map(({ value }) => value), notes!.length]).toEqual([['\u00f6'], 1]);
  });

  test('what is no image is neither read nor kept in the lock, wherever it lies', async () => {
    const [folder, elsewhere] = [testFolder(), testFolder()];
    write(elsewhere, { 'secret.png': 'a secret', 'far.png': await plain(3), empty: '' });
    write(folder, {
      'a.png': await plain(1),
      'b.png': await plain(2),
      'notes.txt': 'text',
      'key.pem': 'text',
    });
    symlinkSync(join(elsewhere, 'secret.png'), join(folder, 'link.png'));
    symlinkSync(elsewhere, join(folder, 'linked'));
    symlinkSync('/dev/zero', join(folder, 'zero.png'));
    execFileSync('mkfifo', [join(folder, 'pipe.png')]);
    const others = [
      ...[
        '/etc/passwd',
        '/proc/self/environ',
        '/proc/self/maps',
        '/dev/zero',
        '/dev/null',
        '/etc',
        '../../../etc/hostname',
      ],
      ...['notes.txt', 'key.pem', 'link.png', 'linked/secret.png', 'zero.png', 'pipe.png'],
      ...[join(elsewhere, 'secret.png'), join(elsewhere, 'empty')],
    ];
    const rows = [
      'a.png,bird',
      'b.png,owl',
      `${elsewhere}/far.png,owl`,
      ...others.map((name) => `${name},bird`),
    ];
    write(folder, { 'list.csv': `path,label\n${rows.join('\n')}` });
    const lock = join(folder, 'birbs.lock.json');
    const given = options(folder, { data: [join(folder, 'list.csv')], lock });
    const { skipped, labels } = await loadDataset(given);
    expect(labels.length).toBe(3);
    expect(skipped.length).toBe(others.length);
    for (const { reason } of skipped)
      expect(reason).toMatch(
        /^(is (text|of an unknown type), not an image|is empty|is not a file|is in the list, but)/,
      );
    const { sources } = JSON.parse(readFileSync(lock, 'utf8'));
    expect(sources[0].files.map(([name]: string[]) => name)).toEqual([
      ...[`${elsewhere}/far.png`, 'a.png', 'b.png', 'list.csv'],
    ]);
    // A second time all is as locked.
    expect((await loadDataset(given)).lock!.written).toBe(false);
    // The same of a link in a folder of classes.
    write(folder, { 'photos/bird/1.png': await plain(1), 'photos/owl/2.png': await plain(2) });
    symlinkSync(join(elsewhere, 'secret.png'), join(folder, 'photos/bird/link.png'));
    const photos = await loadDataset(options(folder, { data: [join(folder, 'photos')] }));
    expect(photos.skipped).toEqual([
      { name: join(folder, 'photos/bird/link.png'), reason: 'is text, not an image' },
    ]);
  });
});
