/** Names that do not end as an image does: the first bytes decide, and what is passed over is named. */
import { join } from 'node:path';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { loadDataset } from '../../src/data/dataset.ts';
import { FACTS } from '../../src/data/inventory.ts';
import { options, plain, testFolder, write } from './made.ts';
import { tarOf, zipOf } from './made_archives.ts';

const TAILS = [
  'x.jpg?w=500',
  'x.jpg?w=500&h=300.5',
  'x.jpg_large',
  'x.jpg.1',
  'x.jpg!d',
  'x.jpg:large',
  'x.JPG~',
  'x.jpg (1)',
  'x.png@2x',
  'image.php?id=3',
  'x.webp-original',
  'x.download',
  'IMG.2023',
];
const OTHERS: Record<string, string> = {
  'bird/x.jpg.txt': 'a caption',
  'bird/x.jpg.json': '{}',
  'bird/page.php?id=1': '<!doctype html>',
  'bird/x.jpg_large.part': 'nothing yet',
  'bird/Thumbs.db': 'x',
};

async function files(): Promise<Record<string, Uint8Array | string>> {
  const made: Record<string, Uint8Array | string> = { ...OTHERS };
  for (const [i, tail] of TAILS.entries()) {
    const image = sharp(await plain(i)).resize(16, 16);
    made[`${i % 2 ? 'bird' : 'not-bird'}/${tail}`] = await (i % 3 ? image.png() : image.jpeg()).toBuffer();
  }
  // Of an image that is none of ours it is said why.
  made['bird/x.heic_large'] = Buffer.from('\0\0\0\x1cftypheic\0\0\0\0mif1heic', 'latin1');
  return made;
}

test.each(['a', 'a.tar', 'a.zip'])('%s', async (name) => {
  const folder = testFolder();
  const made = await files();
  const path = join(folder, name);
  if (name === 'a') write(path, made);
  else write(folder, { [name]: await (name === 'a.tar' ? tarOf : zipOf)(Object.entries(made)) });
  const given = options(folder, { data: [path] });
  const dataset = await loadDataset(given);
  expect(dataset.sources).toEqual([
    { source: path, images: 13, counts: { bird: 6, 'not-bird': 7 }, ignored: 5 },
  ]);
  expect(dataset.ignored).toEqual(
    Object.keys(OTHERS)
      .map((other) => `${path}/${other}`)
      .sort(),
  );
  expect(dataset.skipped).toEqual([
    { name: `${path}/bird/x.heic_large`, reason: expect.stringContaining('convert it with: ') },
  ]);
  // `data --json` prints these.
  expect(FACTS).toContain('ignored');
  expect((await loadDataset(given)).ignored).toEqual(dataset.ignored);
});
