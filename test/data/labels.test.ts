/** Labels of several files and of none: joined by name, whatever the numbers; and names that differ in no letter. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkSources } from '../../src/check/check_dataset.ts';
import { loadDataset } from '../../src/data/dataset.ts';
import { healthLines } from '../../src/data/inventory.ts';
import { options, outcome, type ParquetContent, parquet, plain, testFolder, write } from './made.ts';

/** Files of two pictures a label, each picture another. */
async function files(contents: Record<string, Omit<ParquetContent, 'images'>>): Promise<string> {
  const folder = testFolder();
  let number = 0;
  for (const [name, content] of Object.entries(contents)) {
    const labels = content.labels!.flatMap((label) => [label, label]);
    const images = await Promise.all(labels.map(() => plain(++number)));
    write(folder, { [`${name}.parquet`]: parquet({ ...content, labels, images }) });
  }
  return folder;
}

const load = (folder: string, query = '', given = {}) =>
  loadDataset(options(folder, { data: [join(folder, `*.parquet${query}`)], ...given }));

/** Images of each class, and what was skipped: "file#row reason". */
async function found(folder: string, query = '') {
  const { sources, skipped } = await load(folder, query);
  const reasons = skipped.map(({ name, reason }) => `${name.slice(folder.length + 1)} ${reason}`);
  return { ...sources[0]!.counts, skipped: reasons };
}

const said = async (folder: string, query = '') =>
  (await outcome(load(folder, query).then(String))).replaceAll(`${folder}/`, '');

describe('parquet files that number their labels', () => {
  const abc = ['bird', 'cat', 'owl'];

  test('each as its own names say: they are joined by name', async () => {
    const folder = await files({
      test: { labels: [0n, 1n, 1n], classNames: ['owl', 'bird'] },
      train: { labels: [0n, 1n, 2n], classNames: abc },
    });
    expect(await found(folder)).toEqual({ bird: 6, cat: 2, owl: 4, skipped: [] });
    expect(await found(folder, '?label=owl')).toEqual({ owl: 4, 'not-owl': 8, skipped: [] });
    expect(await found(folder, '?label=2')).toEqual({ owl: 4, 'not-owl': 8, skipped: [] });
    expect(await said(folder, '?label=0')).toBe(
      'UserError: Expected a name after ?label= in "*.parquet?label=0", as its files number their labels differently: "0" is owl or bird; say which',
    );
    // Remembered, it is the same.
    expect(await found(folder)).toEqual({ bird: 6, cat: 2, owl: 4, skipped: [] });
  });

  test('names as text and names of numbers are one', async () => {
    const folder = await files({
      a: { labels: ['bird', 'owl'] },
      b: { labels: [0n, 1n, 2n], classNames: abc },
    });
    expect(await found(folder)).toEqual({ bird: 4, cat: 2, owl: 4, skipped: [] });
  });

  test('a file without names borrows those that all others have', async () => {
    const folder = await files({
      a: { labels: [0n, 2n], classNames: abc },
      b: { labels: [1n, 2n] },
      c: { labels: [0n], classNames: ['bird', 'cat'] },
      d: { labels: ['1', '0'] },
    });
    expect(await found(folder)).toEqual({ bird: 6, cat: 4, owl: 4, skipped: [] });
  });

  test.each<[string, Record<string, Omit<ParquetContent, 'images'>>, string]>([
    [
      'that differ',
      {
        a: { labels: [0n, 1n], classNames: ['bird', 'owl'] },
        b: { labels: [0n, 1n] },
        c: { labels: [0n, 1n], classNames: ['owl', 'bird'] },
      },
      'Expected names for the labels 0 to 1 of "b.parquet" in "*.parquet", but it has none, and "a.parquet" has 0 bird, 1 owl, "c.parquet" has 0 owl, 1 bird',
    ],
    [
      'that are too few',
      { a: { labels: [0n, 1n], classNames: ['bird', 'owl'] }, b: { labels: [0n, 2n] } },
      'Expected names for the labels 0 to 2 of "b.parquet" in "*.parquet", but it has none, and "a.parquet" has 0 bird, 1 owl',
    ],
    [
      'that are no numbers',
      { a: { labels: ['bird', 'owl'] }, b: { labels: [0n, 1n] } },
      'Expected names for the labels 0 to 1 of "b.parquet" in "*.parquet", but it has none, and "a.parquet" has bird, owl',
    ],
  ])('it borrows none %s', async (_, contents, message) => {
    expect(await said(await files(contents))).toBe(
      `UserError: ${message}; give it names of its own, or leave it out`,
    );
  });

  test('numbers that have no name are no label: skipped, counted and named', async () => {
    const folder = await files({
      a: { labels: [0n, -1n, 1n, 7n, null], classNames: ['bird', 'owl'] },
      b: { labels: [0n, -1n] },
    });
    const reasons = [
      ...[2, 3].map((row) => `a.parquet#${row} has the label -1, but only 0 to 1 have names`),
      ...[6, 7].map((row) => `a.parquet#${row} has the label 7, but only 0 to 1 have names`),
      ...[8, 9].map((row) => `a.parquet#${row} has no label`),
      ...[2, 3].map((row) => `b.parquet#${row} has the label -1, but only 0 to 1 have names`),
    ];
    expect(await found(folder)).toEqual({ bird: 4, owl: 2, skipped: reasons });
    const { report } = await checkSources(options(folder, { data: [join(folder, '*.parquet')] }));
    expect([report.images, report.readable]).toEqual([14, 6]);
    // Of one kind, others are passed over.
    const { sources, skipped } = await load(folder, '', {
      data: [],
      birds: [join(folder, '*.parquet?label=bird')],
      notBirds: [join(folder, '*.parquet?label=owl')],
    });
    expect(sources.map(({ images }) => images)).toEqual([4, 2]);
    expect(skipped).toEqual([]);
  });

  test('without any names they are what they are', async () => {
    const folder = await files({
      a: { labels: [0n, -1n] },
      b: { labels: [1n, 0n] },
      c: { labels: ['x747'] },
    });
    expect(await said(folder)).toMatch(/^UserError: Expected names for the labels 0 to 1 of "a.parquet"/);
    expect(await found(await files({ a: { labels: [0n, -1n] }, b: { labels: [1n, 0n] } }))).toEqual({
      ...{ '-1': 2, '0': 4, '1': 2 },
      skipped: [],
    });
    // A name of digits among names.
    expect(await found(await files({ a: { labels: ['airbus', '747'] }, b: { labels: ['747'] } }))).toEqual({
      ...{ '747': 4, airbus: 2 },
      skipped: [],
    });
  });

  test('numbers in one source and names in another', async () => {
    const folder = await files({
      a: { labels: [0n, 1n], classNames: ['bird', 'owl'] },
      b: { labels: [0n, 1n] },
      c: { labels: ['0', '1'] },
    });
    const [a, b, c] = ['a', 'b', 'c'].map((name) => join(folder, `${name}.parquet`)) as [
      string,
      string,
      string,
    ];
    const loadAll = async (given: object) => outcome(loadDataset(options(folder, given)).then(String));
    const message = `UserError: Expected names for the labels of "${b}", as "${a}" has them (bird, owl), but found only numbers (0, 1); use a file with names, or ?label=NUMBER for both`;
    expect(await loadAll({ data: [a, b] })).toBe(message);
    expect(await loadAll({ data: [a], validation: [b] })).toBe(message);
    expect((await loadDataset(options(folder, { data: [b, c] }))).classNames).toEqual(['0', '1']);
  });

  test('the column that was taken is said where it is not "label"', async () => {
    const folder = await files({ a: { labels: [0n, 1n], labelName: 'species', classNames: ['a', 'b'] } });
    for (let run = 0; run < 2; run++) {
      expect((await load(folder)).notes).toEqual([
        `${join(folder, '*.parquet')}: labels from the column "species"`,
      ]);
    }
  });
});

describe('names that are one', () => {
  const NFC = 'Zaunk\u00f6nig';
  const NFD = 'Zaunko\u0308nig';

  test('composed or not, a label is one class, in folders, files and ?label=', async () => {
    const folder = await files({ a: { labels: [NFC, NFD, 'owl'] } });
    expect(await found(folder)).toEqual({ [NFC]: 4, owl: 2, skipped: [] });
    expect(await found(folder, `?label=${NFD}`)).toEqual({ [NFC]: 4, [`not-${NFC}`]: 2, skipped: [] });
    write(folder, {
      [`photos/${NFC}/1.png`]: await plain(91),
      [`photos/${NFD}/2.png`]: await plain(92),
      'photos/owl/3.png': await plain(93),
    });
    const { sources, notes } = await load(folder, '', {
      data: [join(folder, 'photos'), join(folder, '*.parquet')],
    });
    expect(sources.map(({ counts }) => counts)).toEqual([
      { [NFC]: 2, owl: 1 },
      { [NFC]: 4, owl: 2 },
    ]);
    expect(notes).toBeUndefined();
  });

  test('in case or spaces only: a line says so, also where ?label= takes but one of them', async () => {
    const folder = await files({
      a: { labels: ['Bird', 'bird', 'barn owl', 'Barn  Owl', 'barnowl\u200b', 'cat'] },
    });
    const line =
      'Labels that differ in case or spaces only: "Bird" and "bird", "barn owl" and "Barn  Owl" and "barnowl\u200b"; if they are one class, give them one name';
    const dataset = await load(folder);
    expect(dataset.notes?.filter((note) => !/ fewer than 10 images/.test(note))).toEqual([line]);
    expect(healthLines(dataset)).toContain(line);
    expect((await load(folder, '?label=bird')).notes).toEqual([line]);
  });
});
