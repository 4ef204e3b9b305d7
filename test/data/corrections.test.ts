/** What a person has put right holds against the labels of other sources, and the training says so. */
import { cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { correctionNotes } from '../../src/data/correction_notes.ts';
import { CORRECTIONS_FILE } from '../../src/data/corrections_mark.ts';
import { type Dataset, loadDataset } from '../../src/data/dataset.ts';
import { splitDataset } from '../../src/data/split.ts';
import { ClassFolders } from '../../src/filing/class_folders.ts';
import { pictureFolder, temporaryFolder } from '../images.ts';

let folder: string;
let photos: string;
let corrections: string;
beforeEach(async () => {
  folder = temporaryFolder('corrections');
  photos = await pictureFolder(join(folder, 'photos'), 10, 10);
  corrections = join(folder, 'corrections');
});
afterEach(() => rmSync(folder, { recursive: true }));

const load = (data: string[]) =>
  loadDataset({
    ...{ data, birds: [], notBirds: [], validation: [], imageSize: 16, fit: 'cover' },
    cacheDir: join(folder, 'cache'),
  });
const bird = (i: number) => readFileSync(join(photos, 'bird', `${i}.png`));
const labelOf = ({ names, labels, classNames }: Dataset, end: string) =>
  names.flatMap((name, i) =>
    name.endsWith(end) ? [`${name.slice(folder.length + 1)}: ${classNames[labels[i]!]}`] : [],
  );

test('a correction replaces the label that the picture has elsewhere', async () => {
  const folders = await ClassFolders.open(corrections, CORRECTIONS_FILE);
  await folders.save('not-bird', 'wrong.png', bird(3));
  await folders.save('bird', 'right.png', bird(4));
  const dataset = await load([photos, corrections]);
  expect(labelOf(dataset, '/wrong.png')).toEqual(['corrections/not-bird/wrong.png: not-bird']);
  expect(dataset.names.filter((name) => name.endsWith('bird/3.png') && !name.includes('not-bird'))).toEqual(
    [],
  );
  expect(dataset.filtered).toEqual([
    {
      name: join(photos, 'bird/3.png'),
      reason: `is not-bird, as ${join(corrections, 'not-bird/wrong.png')} says`,
    },
  ]);
  expect(dataset.skipped).toEqual([]);
  const split = await splitDataset(dataset, { fraction: 0.2, seed: 1 });
  const [note = ''] = correctionNotes(dataset, split);
  const held = split.val.filter((position) => dataset.corrected![position] === 1).length;
  expect(note.startsWith(`Learns from ${2 - held} correction`)).toBe(true);
  expect(note).toMatch(/; 1 wrong label of other sources replaced$/);
});

test('the same folder without its journal is a source like any other: both labels are left out', async () => {
  mkdirSync(join(folder, 'plain/not-bird'), { recursive: true });
  cpSync(join(photos, 'bird/3.png'), join(folder, 'plain/not-bird/3.png'));
  const dataset = await load([photos, join(folder, 'plain')]);
  expect(dataset.skipped.map(({ reason }) => reason)).toEqual([
    expect.stringMatching(/^is the same picture under two labels/),
    expect.stringMatching(/^is the same picture under two labels/),
  ]);
  expect(correctionNotes(dataset, await splitDataset(dataset, { fraction: 0.2, seed: 1 }))).toEqual([]);
});
