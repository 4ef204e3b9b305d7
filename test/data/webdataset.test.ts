/** Tars as WebDataset has them: an image and what is known of it, side by side, in many shards. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Dataset, type DatasetOptions, loadDataset } from '../../src/data/dataset.ts';
import { glob } from '../../src/data/glob.ts';
import { options, outcome, plain, testFolder, write } from './made.ts';
import { type Content, tarOf, zipOf } from './made_archives.ts';

type Sample = Record<string, Content>;

/** Samples one after the other, each file in the order of names. */
async function shard(samples: Sample[], { first = 0, folder = '' } = {}): Promise<Buffer> {
  const entries: [string, Content][] = [];
  for (const [i, sample] of samples.entries()) {
    const key = `${folder}${String(first + i).padStart(6, '0')}`;
    const image: Sample = { jpg: await plain(first + i) };
    for (const [ending, content] of Object.entries({ ...image, ...sample }).sort())
      entries.push([`${key}.${ending}`, content]);
  }
  return tarOf(entries);
}

async function load(
  source: (folder: string) => string,
  files: Record<string, Buffer>,
  given: Partial<DatasetOptions> = {},
) {
  const folder = testFolder();
  write(folder, files);
  const asked = options(folder, { data: [source(folder)], ...given });
  const dataset = await outcome(loadDataset(asked));
  if (typeof dataset === 'string') return dataset.replaceAll(`${folder}/`, '');
  // What is remembered is the same.
  expect((await loadDataset(asked)).sources).toEqual(dataset.sources);
  return dataset;
}
const countsOf = (dataset: Dataset | string) =>
  typeof dataset === 'string'
    ? dataset
    : dataset.sources.map(({ counts, ignored }) => ({ ...counts, ignored }));
/** So many samples with something of each in turn. */
const many = (count: number, sample: (i: number) => Sample) =>
  Array.from({ length: count }, (_, i) => sample(i));

test.each<[string, (i: number) => Sample, object]>([
  ['.cls of numbers', (i) => ({ cls: `${i % 3}` }), { 0: 3, 1: 3, 2: 2, ignored: 0 }],
  ['.cls of names', (i) => ({ cls: i % 2 ? 'owl\n' : 'wren' }), { owl: 4, wren: 4, ignored: 0 }],
  [
    '.cls beside .json and .txt',
    (i) => ({ cls: `${i % 2}`, json: '{"label":"x"}', txt: 'a' }),
    { 0: 4, 1: 4, ignored: 0 },
  ],
  [
    '.json with a label',
    (i) => ({ json: JSON.stringify({ id: i, label: i % 2 ? 'owl' : 'wren' }) }),
    { owl: 4, wren: 4, ignored: 0 },
  ],
  [
    '.json with a number and a name',
    (i) => ({ json: JSON.stringify({ label: i % 2, species: i % 2 ? 'owl' : 'wren' }), txt: `caption ${i}` }),
    { owl: 4, wren: 4, ignored: 0 },
  ],
  ['.txt', (i) => ({ txt: i % 2 ? 'owl' : 'wren' }), { owl: 4, wren: 4, ignored: 0 }],
  [
    'two images a sample',
    (i) => ({ cls: `${i % 2}`, 'left.png': Buffer.from(PNG, 'base64') }),
    { 0: 4, 1: 4, ignored: 0 },
  ],
])('%s', async (_, sample, counts) => {
  for (const folder of ['', 'shard/', './']) {
    const dataset = await load((root) => join(root, 'a.tar'), {
      'a.tar': await shard(many(8, sample), { folder }),
    });
    expect(countsOf(dataset)).toEqual([counts]);
  }
});

/** Of one pixel: always the same. */
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNgYGAAAAAEAAH2FzhVAAAAAElFTkSuQmCC';

test('folders inside, each with its own samples: .cls counts, not the folders', async () => {
  const [a, b] = [
    await shard(
      many(4, (i) => ({ cls: `${i % 2}` })),
      { folder: 'a/' },
    ),
    await shard(
      many(4, () => ({ cls: '2' })),
      { folder: 'b/', first: 10 },
    ),
  ];
  // A tar without its end, and another.
  const both = Buffer.concat([a.subarray(0, a.length - 1024), b]);
  expect(countsOf(await load((root) => join(root, 'a.tar'), { 'a.tar': both }))).toEqual([
    { 0: 2, 1: 2, 2: 4, ignored: 0 },
  ]);
});

test('class folders stay classes, whatever stands beside the images; that is passed over by name', async () => {
  const entries = async () =>
    [
      ['bird/0.png', await plain(0)],
      ['bird/0.txt', 'a caption'],
      ['other/1.png', await plain(1)],
      ['other/1.json', '{"label":"x"}'],
    ] as [string, Content][];
  for (const [name, pack] of [
    ['a.tar', tarOf],
    ['a.zip', zipOf],
  ] as const) {
    const dataset = (await load((root) => join(root, name), {
      [name]: await pack(await entries()),
    })) as Dataset;
    expect(countsOf(dataset)).toEqual([{ bird: 1, other: 1, ignored: 2 }]);
    expect(dataset.ignored.map((path) => path.split('/').slice(-2).join('/'))).toEqual([
      'bird/0.txt',
      'other/1.json',
    ]);
  }
});

test('shards by pattern are joined by label; each is pinned by name', async () => {
  const names = [
    ['wren', 'owl'],
    ['owl', 'heron'],
    ['wren', 'heron'],
    ['x', 'y'],
  ];
  const files: Record<string, Buffer> = {};
  for (const [k, [one, two]] of names.entries()) {
    files[`set/shards-00${k}.tar`] = await shard(
      many(4, (i) => ({ cls: (i % 2 ? two : one)! })),
      { first: 10 * k },
    );
  }
  const counted = async (pattern: string) => countsOf(await load((root) => join(root, pattern), files));
  const three = { heron: 4, owl: 4, wren: 4, ignored: 0 };
  expect(await counted('set/shards-{000..002}.tar')).toEqual([three]);
  expect(await counted('set/shards-00[0-2].tar')).toEqual([three]);
  expect(await counted('s*/*.tar')).toEqual([{ ...three, x: 2, y: 2 }]);
  expect(await counted('set/shards-{000..001}.tar?label=owl')).toEqual([
    { owl: 4, 'not-owl': 4, ignored: 0 },
  ]);
  expect(await counted('set/shards-{4..9}.tar')).toBe(
    'UserError: No archive matches "set/shards-{4..9}.tar"; check the path',
  );
  const folder = testFolder();
  write(folder, files);
  const lock = join(folder, 'lock.json');
  const dataset = await loadDataset(options(folder, { data: [join(folder, 'set/*.tar')], lock }));
  expect(dataset.lock!.sources[0]!.files).toBe(4);
  expect(dataset.notes).toEqual([
    `${join(folder, 'set/*.tar')}: labels from .cls`,
    '5 classes have fewer than 10 images, too few to train on and to evaluate: x (2), y (2), heron (4), owl (4), wren (4)',
  ]);
});

test('?split= by the names of shards', async () => {
  const files = {
    'train-0.tar': await shard(many(4, (i) => ({ cls: `${i % 2}` }))),
    'val-0.tar': await shard(
      many(2, (i) => ({ cls: `${i % 2}` })),
      { first: 10 },
    ),
  };
  expect(countsOf(await load((root) => join(root, '*.tar?split=val'), files))).toEqual([
    { 0: 1, 1: 1, ignored: 0 },
  ]);
});

test('images without a label are skipped by name, captions are no labels, and negatives are free of birds', async () => {
  const odd = [{ cls: '-1' }, {}, { cls: '' }, { cls: '1' }, { cls: '0' }] as Sample[];
  const dataset = (await load((root) => join(root, 'a.tar'), { 'a.tar': await shard(odd) })) as Dataset;
  expect(countsOf(dataset)).toEqual([{ 0: 1, 1: 1, ignored: 0 }]);
  expect(dataset.skipped.map(({ reason }) => reason)).toEqual([
    'has the label -1, which means none',
    'has no .cls beside it',
    'has no label in the .cls beside it',
  ]);
  const captions = await shard(
    many(6, (i) => ({ txt: `picture ${i} of ${i === 2 ? 'an owl in a tree' : 'a car'}` })),
  );
  expect(await load((root) => join(root, 'a.tar'), { 'a.tar': captions })).toBe(
    'UserError: Expected a folder for each class in "a.tar", or a label beside each image (.cls, "label" in .json, or .txt), ' +
      'but found 6 images with texts that are no labels; use --birds and --not-birds',
  );
  const folder = testFolder();
  write(folder, {
    'a.tar': captions,
    'b.tar': await shard(
      many(2, () => ({})),
      { first: 20 },
    ),
  });
  const both = await loadDataset(
    options(folder, { birds: [join(folder, 'b.tar')], notBirds: [join(folder, 'a.tar')] }),
  );
  expect(both.sources.map(({ counts }) => counts)).toEqual([{ bird: 2 }, { 'not-bird': 5 }]);
  expect(both.filtered).toEqual([
    { name: join(folder, 'a.tar/000002.jpg'), reason: 'its text speaks of birds: "owl"' },
  ]);
});

test('a folder of the very name of a pattern is that folder', async () => {
  const folder = testFolder();
  const names = [
    'data [v2]/train-0.tar',
    'data [v2]/train-1.tar',
    'data v/train-2.tar',
    'a{b,c}/x.tar',
    'ab/x.tar',
  ];
  write(folder, Object.fromEntries(names.map((name) => [name, ''])));
  const found = async (pattern: string) =>
    (await glob(join(folder, pattern))).map((path) => path.slice(folder.length + 1));
  expect(await found('data [v2]/train-*.tar')).toEqual(names.slice(0, 2));
  expect(await found('data [v3]/train-*.tar')).toEqual(['data v/train-2.tar']);
  expect(await found('*/train-{0..2}.tar')).toEqual(names.slice(0, 3));
  expect(await found('a{b,c}/*.tar')).toEqual(['a{b,c}/x.tar']);
  expect(await found('a{b,d}/*.tar')).toEqual(['ab/x.tar']);
});
