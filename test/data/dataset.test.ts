/** From sources to positions, rows and groups; what a second start does not do again; what is refused. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { assemble, type OpenSource } from '../../src/data/assemble.ts';
import { type Dataset, type DatasetOptions, loadDataset } from '../../src/data/dataset.ts';
import type { PreparedPart } from '../../src/data/fill.ts';
import type { Source } from '../../src/data/part.ts';
import { options, outcome, parquet, plain, testFolder, write } from './made.ts';

/** `bird` and `not-bird`, every image another. */
async function classFolder(folder: string, birds: number, others: number, first = 0): Promise<string> {
  const files: Record<string, Uint8Array> = {};
  for (let i = 0; i < birds; i++) files[`bird/${i}.png`] = await plain(first + i);
  for (let i = 0; i < others; i++) files[`not-bird/${i}.png`] = await plain(first + birds + i);
  write(folder, files);
  return folder;
}

/** The names without their endings, each once. */
function stems(names: string[]): string[] {
  return [...new Set(names.map((name) => name.replace(/\.\w+$/, '')))].sort();
}

/** Loads, and counts what had to be decoded. */
async function load(given: DatasetOptions): Promise<{ dataset: Dataset; decoded: number }> {
  const totals = new Map<string, number>();
  const dataset = await loadDataset({
    ...given,
    onProgress: ({ source, stage, done }) => {
      if (stage === 'decode') totals.set(source, done!);
    },
  });
  return { dataset, decoded: [...totals.values()].reduce((sum, done) => sum + done, 0) };
}

/** The pixels of a position, read from the file as the format says. */
function pixelsOf(dataset: Dataset, position: number, size: number): Buffer {
  let row = dataset.rows[position]!;
  for (const path of dataset.pixelFiles) {
    const bytes = readFileSync(path);
    expect(bytes.toString('latin1', 0, 8)).toBe('BIRBSPIX');
    expect([8, 12, 16, 20].map((at) => bytes.readUInt32LE(at))).toEqual([1, size, size, 3]);
    const count = Number(bytes.readBigUInt64LE(24));
    expect(bytes.length).toBe(4096 + count * size * size * 3);
    if (row < count) return bytes.subarray(4096 + row * size * size * 3, 4096 + (row + 1) * size * size * 3);
    row -= count;
  }
  throw new Error(`row ${row} is beyond the files`);
}

describe('sources to a data set', () => {
  test('class folders: names, labels, pixels, counts', async () => {
    const folder = testFolder();
    await classFolder(join(folder, 'a'), 3, 4);
    write(folder, { 'a/notes.txt': 'x' });
    const dataset = await loadDataset(options(folder, { data: [join(folder, 'a')] }));
    expect(dataset.classNames).toEqual(['bird', 'not-bird']);
    expect([...dataset.labels]).toEqual([0, 0, 0, 1, 1, 1, 1]);
    expect(dataset.names[3]).toBe(join(folder, 'a/not-bird/0.png'));
    expect(dataset.sources).toEqual([
      { source: join(folder, 'a'), images: 7, counts: { bird: 3, 'not-bird': 4 }, ignored: 1 },
    ]);
    expect([dataset.duplicates, dataset.skipped, new Set(dataset.groups).size]).toEqual([0, [], 7]);
    for (const [i, name] of dataset.names.entries()) {
      const expected = await sharp(name).raw().toBuffer();
      expect(pixelsOf(dataset, i, 8)).toEqual(expected);
    }
  });

  test('parquet with ?label=, folders of birds and of others, and validation of its own', async () => {
    const folder = testFolder();
    const images = await Promise.all(Array.from({ length: 9 }, (_, i) => plain(i)));
    const labels = images.map((_, i) => BigInt(i % 3));
    const content = { images, labels, classNames: ['cat', 'bird', 'frog'], rowsAGroup: 4 };
    write(folder, {
      'a.parquet': parquet(content),
      'birds/deep/x.png': await plain(100),
      'others/y.png': await plain(101),
      'val/bird/z.png': await plain(102),
      'val/not-bird/z.png': await plain(103),
    });
    const at = (name: string) => join(folder, name);
    const dataset = await loadDataset(
      options(folder, {
        data: [`${at('a.parquet')}?label=bird`],
        birds: [at('birds')],
        notBirds: [at('others'), `${at('a.parquet')}?label=2`],
        validation: [at('val')],
      }),
    );
    expect(dataset.classNames).toEqual(['bird', 'not-bird']);
    expect([...dataset.labels]).toEqual([1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 1, 1, 1, 1, 0, 1]);
    expect([...dataset.validation!]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
    expect(dataset.names[4]).toBe(`${at('a.parquet')}#4`);
    // The frogs came twice.
    expect(dataset.duplicates).toBe(3);
    expect([dataset.rows[11], dataset.groups[11]]).toEqual([dataset.rows[2], dataset.groups[2]]);
    for (const i of [0, 5, 8])
      expect(pixelsOf(dataset, i, 8)).toEqual(await sharp(images[i]).raw().toBuffer());
  });

  test('without a label every label is a class, sorted', async () => {
    const folder = testFolder();
    const images = await Promise.all([0, 1, 2].map((i) => plain(i)));
    write(folder, { 'a.parquet': parquet({ images, labels: ['owl', 'cat', 'owl'], labelName: 'kind' }) });
    const dataset = await loadDataset(options(folder, { data: [join(folder, '*.parquet')] }));
    expect([dataset.classNames, [...dataset.labels]]).toEqual([
      ['cat', 'owl'],
      [1, 0, 1],
    ]);
  });

  test('what repeats is one group; what is under two labels is left out', async () => {
    const folder = testFolder();
    await classFolder(join(folder, 'a'), 3, 3);
    const [same, twice] = [await plain(0), await plain(50)];
    // The same pixels in another file: the compression differs.
    const repacked = await sharp(same).png({ compressionLevel: 0 }).toBuffer();
    expect(repacked.equals(same)).toBe(false);
    write(folder, {
      'a/bird/bytes.png': same,
      'a/bird/pixels.png': repacked,
      'a/bird/odd.png': twice,
      'a/not-bird/odd.png': twice,
    });
    const dataset = await loadDataset(options(folder, { data: [join(folder, 'a')] }));
    const group = (name: string) => dataset.groups[dataset.names.indexOf(join(folder, 'a/bird', name))];
    expect(group('bytes.png')).toBe(group('0.png'));
    expect(group('pixels.png')).toBe(group('0.png'));
    expect([dataset.duplicates, dataset.labels.length]).toEqual([2, 8]);
    const [bird, other] = [join(folder, 'a/bird/odd.png'), join(folder, 'a/not-bird/odd.png')];
    const reason = `is the same picture under two labels: ${bird} is bird, ${other} is not-bird`;
    expect(dataset.skipped).toEqual([
      { name: bird, reason },
      { name: other, reason },
    ]);
  });

  test('images that lie, end early or are absent are skipped by name', async () => {
    const folder = testFolder();
    await classFolder(join(folder, 'a'), 2, 2);
    const whole = await plain(77);
    write(folder, {
      'a/bird/html.jpg': '<!doctype html>',
      'a/bird/half.png': whole.subarray(0, whole.length - 30),
      'a/bird/svg.png': '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
      'a/bird/really-png.jpg': whole,
    });
    const given = options(folder, { data: [join(folder, 'a')] });
    for (const { dataset, decoded } of [await load(given), await load(given)]) {
      expect(dataset.skipped.map(({ name, reason }) => [name.split('/').at(-1), reason])).toEqual([
        ['half.png', expect.stringMatching(/^is a PNG image that does not decode: /)],
        ['html.jpg', 'is an HTML page, not JPEG, PNG, WebP, GIF, AVIF, TIFF or BMP'],
        ['svg.png', 'is an SVG drawing, not JPEG, PNG, WebP, GIF, AVIF, TIFF or BMP'],
      ]);
      expect(dataset.names).toContain(join(folder, 'a/bird/really-png.jpg'));
      expect([8, 0]).toContain(decoded);
    }
  });
});

describe('images that the system gives no bytes of are named, and read again next time', () => {
  test('EIO', async () => {
    if (process.platform !== 'linux') {
      console.log('Only Linux has a file that gives EIO when it is read.');
      return;
    }
    const folder = testFolder();
    await classFolder(join(folder, 'a'), 2, 2);
    const path = join(folder, 'a/bird/broken.png');
    // Nothing is mapped at its beginning.
    symlinkSync('/proc/self/mem', path);
    const given = options(folder, { data: [join(folder, 'a')] });
    const reason = 'could not be read (EIO)';
    expect((await loadDataset(given)).skipped).toEqual([{ name: path, reason }]);
    expect((await loadDataset(given)).skipped).toEqual([{ name: path, reason }]);
    rmSync(path);
    write(folder, { 'a/bird/broken.png': await plain(99) });
    expect((await load(given)).dataset).toMatchObject({ skipped: [], labels: { length: 5 } });
  });

  test('EACCES', async () => {
    const folder = testFolder();
    await classFolder(join(folder, 'a'), 2, 2);
    write(folder, { 'a/bird/secret.png': await plain(99) });
    const path = join(folder, 'a/bird/secret.png');
    const given = options(folder, { data: [join(folder, 'a')] });
    chmodSync(path, 0);
    // Root may read everything: then it is somebody else who tries.
    const root = process.getuid?.() === 0;
    mkdirSync(given.cacheDir);
    chmodSync(given.cacheDir, 0o777);
    chmodSync(folder, 0o755);
    if (root) process.seteuid!(65534);
    try {
      expect((await loadDataset(given)).skipped).toEqual([
        { name: path, reason: 'could not be read (EACCES)' },
      ]);
    } finally {
      if (root) process.seteuid!(0);
    }
  });
});

describe('a second start', () => {
  test('decodes nothing, and gives the same data set; a changed image alone is decoded', async () => {
    const folder = testFolder();
    await classFolder(join(folder, 'a'), 3, 3);
    const given = options(folder, { data: [join(folder, 'a')] });
    const first = await load(given);
    const second = await load(given);
    expect([first.decoded, second.decoded]).toEqual([6, 0]);
    expect(second.dataset).toEqual(first.dataset);
    writeFileSync(join(folder, 'a/bird/1.png'), await plain(999));
    const third = await load(given);
    expect(third.decoded).toBe(1);
    expect(third.dataset.hash).not.toBe(first.dataset.hash);
    expect(pixelsOf(third.dataset, 1, 8)).toEqual(
      await sharp(await plain(999))
        .raw()
        .toBuffer(),
    );
    // Another size is another cache.
    expect((await load({ ...given, imageSize: 4 })).decoded).toBe(6);
    expect((await load({ ...given, fit: 'fill' })).decoded).toBe(6);
  });

  test('the same images from elsewhere are read, but not decoded again', async () => {
    const folder = testFolder();
    await classFolder(join(folder, 'a'), 2, 2);
    await load(options(folder, { data: [join(folder, 'a')] }));
    const pixelFiles = () =>
      readdirSync(join(folder, 'cache/pixels-8-cover-v3')).filter((name) => name.endsWith('.pixels'));
    expect(pixelFiles().length).toBe(1);
    const images = await Promise.all([0, 1, 2, 3].map((i) => plain(i)));
    write(folder, { 'a.parquet': parquet({ images, labels: ['bird', 'bird', 'x', 'x'] }) });
    await load(options(folder, { data: [join(folder, 'a.parquet')] }));
    expect(pixelFiles().length).toBe(1);
  });

  test('parquet is not opened again while it does not change', async () => {
    const folder = testFolder();
    const path = join(folder, 'a.parquet');
    // One row has no bytes: that is remembered too.
    const images = [await plain(0), await plain(1), null];
    write(folder, { 'a.parquet': parquet({ images, labels: ['a', 'b', 'a'] }) });
    const given = options(folder, { data: [path] });
    const time = new Date(1e12);
    utimesSync(path, time, time);
    const first = await load(given);
    expect(first.dataset.skipped).toEqual([{ name: `${path}#2`, reason: 'has no image bytes' }]);
    // Bytes that no reader would accept, with the size and time of before.
    writeFileSync(path, Buffer.alloc(statSync(path).size));
    utimesSync(path, time, time);
    expect((await load(given)).dataset).toEqual(first.dataset);
    utimesSync(path, new Date(0), new Date(0));
    expect(await outcome(load(given))).toContain('not a parquet file');
  });

  test.each([
    [
      'pixels without an index',
      (name: string) => name.endsWith('.json') && !name.startsWith('memo'),
      () => null,
      0,
    ],
    [
      'an index that is no JSON',
      (name: string) => name.endsWith('.json') && !name.startsWith('memo'),
      () => '{',
      1,
    ],
    [
      'an index of another form',
      (name: string) => name.endsWith('.json') && !name.startsWith('memo'),
      () => '{"format":1}',
      1,
    ],
    ['no pixels', (name: string) => name.endsWith('.pixels'), () => null, 0],
    ['foreign pixels', (name: string) => name.endsWith('.pixels'), (bytes: Buffer) => bytes.fill(1, 0, 8), 1],
    [
      'pixels cut short',
      (name: string) => name.endsWith('.pixels'),
      (bytes: Buffer) => bytes.subarray(0, -1),
      1,
    ],
    [
      'pixels of another count',
      (name: string) => name.endsWith('.pixels'),
      (bytes: Buffer) => bytes.fill(9, 24, 25),
      1,
    ],
    ['a memo that is no JSON', (name: string) => name.startsWith('memo'), () => 'x', 0],
    ['a memo of another form', (name: string) => name.startsWith('memo'), () => '{"version":1,"count":3}', 0],
  ])(
    'after damage to the cache (%s) all is as before, and nothing of it is left',
    async (_, which, change, damaged) => {
      const folder = testFolder();
      await classFolder(join(folder, 'a'), 2, 2);
      const given = options(folder, { data: [join(folder, 'a')] });
      const first = await load(given);
      const cache = join(folder, 'cache/pixels-8-cover-v3');
      const name = readdirSync(cache).find(which)!;
      const orphan = damaged === 0 && name.endsWith('.json') ? name.replace('json', 'pixels') : '';
      const changed = change(readFileSync(join(cache, name)));
      if (changed === null) rmSync(join(cache, name));
      else writeFileSync(join(cache, name), changed);
      const second = await load(given);
      // Where the pixels lie is another matter; that they are right comes next.
      const { pixelFiles: _1, rows: _2, damagedSegments: _3, ...same } = first.dataset;
      expect(second.dataset).toMatchObject(same);
      expect(second.dataset.damagedSegments).toBe(damaged);
      // Pixels without an index might be about to get one: their writer, this process, lives.
      const isLeft = (name: string) => !name.startsWith('memo') && name !== orphan;
      const names = readdirSync(cache).filter(isLeft);
      expect(names.sort()).toEqual(stems(names).flatMap((stem) => [`${stem}.json`, `${stem}.pixels`]));
      for (let i = 0; i < 4; i++) {
        expect(pixelsOf(second.dataset, i, 8)).toEqual(
          await sharp(second.dataset.names[i]!).raw().toBuffer(),
        );
      }
      expect((await load(given)).decoded).toBe(0);
    },
  );
});

test('aborted: the reason is thrown, and what was decoded is kept', async () => {
  const folder = testFolder();
  await classFolder(join(folder, 'a'), 40, 40);
  const controller = new AbortController();
  const given = options(folder, { data: [join(folder, 'a')] });
  const onProgress: DatasetOptions['onProgress'] = ({ stage, done }) => {
    if (stage === 'decode' && done! > 0) controller.abort(new Error('enough'));
  };
  expect(await outcome(loadDataset({ ...given, onProgress, signal: controller.signal }))).toBe(
    'Error: enough',
  );
  const { decoded, dataset } = await load(given);
  expect(dataset.labels.length).toBe(80);
  expect(
    readdirSync(join(folder, 'cache/pixels-8-cover-v3')).filter((name) => name.endsWith('.tmp')),
  ).toEqual([]);
  expect(decoded).toBeLessThan(80);
  const counts = dataset.pixelFiles.map((path) => (statSync(path).size - 4096) / (8 * 8 * 3));
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(80);
  expect(counts.length).toBe(2);
});

describe('?limit=', () => {
  test('takes images at even distances, after the labels', async () => {
    const folder = testFolder();
    await classFolder(join(folder, 'a'), 12, 6);
    const names = async (given: Partial<DatasetOptions>) => {
      const dataset = await loadDataset(options(folder, given));
      expect(dataset.skipped).toEqual([]);
      return dataset.names.map((name) => name.slice(folder.length + 3));
    };
    const all = await names({ data: [join(folder, 'a')] });
    expect(await names({ data: [`${join(folder, 'a')}?limit=6`] })).toEqual(
      all.filter((_, i) => i % 3 === 2),
    );
    expect(await names({ data: [`${join(folder, 'a')}?limit=18`] })).toEqual(all);
    const birds = all.filter((name) => name.startsWith('bird/'));
    const some = await names({
      birds: [`${join(folder, 'a')}?label=bird&limit=4`],
      notBirds: [`${join(folder, 'a/not-bird')}?limit=1`],
    });
    expect(some.slice(0, 4)).toEqual(birds.filter((_, i) => i % 3 === 2));
    expect(some.length).toBe(5);
  });
});

describe('refusals', () => {
  const said = async (folder: string, given: Partial<DatasetOptions>) =>
    String(await outcome(loadDataset(options(folder, given)))).replaceAll(`${folder}/`, '');

  test('nothing to train on', async () => {
    const folder = testFolder();
    const none = { exitCode: 2, message: expect.stringContaining('use --data, or --birds and --not-birds') };
    await expect(loadDataset(options(folder, {}))).rejects.toMatchObject(none);
    await expect(loadDataset(options(folder, { validation: ['demo'] }))).rejects.toMatchObject(none);
    await expect(loadDataset(options(folder, { birds: ['demo'] }))).rejects.toMatchObject({
      exitCode: 2,
      message: 'Expected images of one kind after --birds, but demo has both; use --data demo',
    });
  });

  test('one class only, named, with what a second source would be', async () => {
    const folder = testFolder();
    await classFolder(join(folder, 'a'), 2, 0);
    const one =
      'Expected images of at least two classes, but all of "a" are "bird"; add a second source with --not-birds FOLDER';
    expect(await said(folder, { data: [join(folder, 'a')] })).toBe(`UserError: ${one}`);
    expect(await said(folder, { birds: [join(folder, 'a')] })).toBe(`UserError: ${one}`);
    write(folder, { 'a/owl/1.jpg': 'text' });
    expect(await said(folder, { data: [join(folder, 'a')] })).toMatch(
      /^UserError: .*; add a second source with --not-birds FOLDER \(1 skipped; a\/owl\/1\.jpg is text, not/,
    );
  });

  test('classes may be called as what every object has', async () => {
    const folder = testFolder();
    const names = ['constructor', 'toString', '__proto__'];
    for (const [i, name] of names.entries())
      write(folder, { [`a/${name}/1.png`]: await plain(2 * i), [`a/${name}/2.png`]: await plain(2 * i + 1) });
    const { sources, labels } = await loadDataset(options(folder, { data: [join(folder, 'a')] }));
    expect(Object.entries(sources[0]!.counts).sort()).toEqual([...names].sort().map((name) => [name, 2]));
    expect([...labels]).toEqual([0, 0, 1, 1, 2, 2]);
  });

  test('one folder packed in another: the folder to name', async () => {
    const folder = testFolder();
    await classFolder(join(folder, 'a/photos/photos'), 1, 1);
    const all = 'Expected images of at least two classes, but all of "a" are "photos"';
    expect(await said(folder, { data: [join(folder, 'a')] })).toBe(
      `UserError: ${all}; add a second source with --data SOURCE, or name "a/photos/photos" if bird and not-bird are the classes`,
    );
    const { classNames } = await loadDataset(options(folder, { data: [join(folder, 'a/photos/photos')] }));
    expect(classNames).toEqual(['bird', 'not-bird']);
  });

  test('no image that can be decoded', async () => {
    const folder = testFolder();
    write(folder, { 'a/bird/x.jpg': 'text', 'a/not-bird/y.jpg': 'text' });
    expect(await said(folder, { data: [join(folder, 'a')] })).toBe(
      'UserError: Expected images in "a", but none of them can be used (2 skipped; a/bird/x.jpg is text, not JPEG, PNG, WebP, GIF, AVIF, TIFF or BMP)',
    );
  });

  test('a label that is not there lists those that are; letters may differ in case', async () => {
    const folder = testFolder();
    await classFolder(join(folder, 'a'), 1, 1);
    expect(await said(folder, { data: [`${join(folder, 'a')}?label=owl`] })).toBe(
      'UserError: Expected a label of "a?label=owl", but it has no "owl"; its labels are bird, not-bird',
    );
    const dataset = await loadDataset(options(folder, { data: [`${join(folder, 'a')}?label=Bird`] }));
    expect(dataset.classNames).toEqual(['bird', 'not-bird']);
  });

  test('validation of other classes', async () => {
    const folder = testFolder();
    await classFolder(join(folder, 'a'), 1, 1);
    write(folder, { 'v/owl/1.png': await plain(9), 'v/bird/2.png': await plain(10) });
    expect(await said(folder, { data: [join(folder, 'a')], validation: [join(folder, 'v')] })).toContain(
      'Expected the classes of the training images (bird, not-bird) in "v", but found "owl"',
    );
  });

  test('a cache folder that can not be made', async () => {
    const folder = testFolder();
    await classFolder(join(folder, 'a'), 1, 1);
    write(folder, { taken: 'a file' });
    expect(await said(folder, { data: [join(folder, 'a')], cacheDir: join(folder, 'taken') })).toMatch(
      /^UserError: The cache folder "taken" can't be used \((EEXIST|ENOTDIR)\)|^UserError: The cache folder ".*taken" can't be used/,
    );
  });
});

test('more that was skipped than a call takes arguments', async () => {
  const skipped = Array.from({ length: 300_000 }, (_, i) => ({ name: `${i}.png`, reason: 'is gone' }));
  const labelNames = [{ value: 'a' }, { value: 'b' }];
  const part: PreparedPart = {
    part: { key: 'x', nameOf: String, list: () => Promise.reject(), async *read() {} },
    listing: { count: 2, labels: Int32Array.of(0, 1), labelNames, skipped, ignored: 0 },
    ...{ contents: ['1', '2'], pixelHashes: ['1', '2'], looks: ['', ''], sizes: new Float64Array(2) },
    ...{ reasons: new Map(), passing: new Map(), remembered: true },
  };
  const source: Source = { text: 'x', kind: 'folder', path: 'x' };
  const classes = { classOf: (_: PreparedPart, i: number) => 'ab'[i], whyUnlabelled: () => undefined };
  const opened: OpenSource = { role: 'data', source, parts: [part], labelNames: ['a', 'b'], ...classes };
  const { facts } = await assemble([opened], { folder: testFolder(), size: 8 });
  expect([facts.labels.length, facts.skipped.length]).toEqual([2, 300_000]);
});

test('CIFAR: every label fits the folder its image came from', async () => {
  const shared = fileURLToPath(new URL('../../../shared/data/cifar10', import.meta.url));
  if (!existsSync(shared)) {
    console.log('../shared/data/cifar10 is not there: only made-up parquet was loaded.');
    return;
  }
  const folder = testFolder();
  const { classNames, labels, sources } = await loadDataset(
    options(folder, { data: [`${join(shared, 'test-*.parquet')}?label=bird`] }),
  );
  expect([classNames, labels.length]).toEqual([['bird', 'not-bird'], 5000]);
  expect(sources[0]!.counts).toEqual({ bird: 500, 'not-bird': 4500 });
});
