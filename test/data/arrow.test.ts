/** Folders of `save_to_disk`: what the datasets library saved comes back; what is damaged is refused. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  Binary,
  Field,
  Int64,
  LargeUtf8,
  List,
  RecordBatch,
  Schema,
  Struct,
  Table,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { type Dataset, type DatasetOptions, loadDataset } from '../../src/data/dataset.ts';
import { openImages } from '../../src/data/loader.ts';
import { options, outcome, plain, testFolder, write } from './made.ts';

const SAVED = fileURLToPath(new URL('../fixtures/saved', import.meta.url));

async function load(folder: string, given: Partial<DatasetOptions>): Promise<Dataset | string> {
  const dataset = await outcome(loadDataset(options(folder, { imageSize: 4, ...given })));
  return typeof dataset === 'string'
    ? dataset.replaceAll(`${folder}/`, '').replaceAll(SAVED, 'saved')
    : dataset;
}

describe('saved by the datasets library', () => {
  test('splits, shards, names of classes, pixels; no label is no class', async () => {
    const folder = testFolder();
    const given = {
      data: [`${SAVED}?split=train`],
      validation: [`${SAVED}?split=test`],
      lock: join(folder, 'lock.json'),
    };
    const dataset = (await load(folder, given)) as Dataset;
    expect(dataset.classNames).toEqual(['heron', 'owl', 'wren']);
    expect(dataset.sources.map(({ counts }) => counts)).toEqual([
      { wren: 3, owl: 1, heron: 2 },
      { owl: 1, heron: 1, wren: 1 },
    ]);
    expect(dataset.skipped).toEqual([
      { name: join(SAVED, 'train/data-00001-of-00002.arrow#0'), reason: 'has no label' },
    ]);
    expect(dataset.names[4]).toBe(join(SAVED, 'train/data-00001-of-00002.arrow#1'));
    expect(dataset.lock!.sources.map(({ kind, files }) => [kind, files])).toEqual([
      ['arrow', 2],
      ['arrow', 1],
    ]);
    const images = await openImages(dataset, { threads: 1, seed: 1 });
    const pixels = new Uint8Array(9 * 48);
    await images.assemble(
      Uint32Array.from({ length: 9 }, (_, i) => i),
      pixels,
    );
    await images.dispose();
    const numbers = [0, 1, 2, 3, 5, 6, 7, 8, 9];
    expect([...pixels.filter((_, i) => i % 48 < 3)]).toEqual(
      numbers.flatMap((i) => [i * 20, 255 - i * 20, i]),
    );
  });

  test('one split, a pattern, one class against the others, negatives free of birds', async () => {
    const folder = testFolder();
    const counts = async (given: Partial<DatasetOptions>) => {
      const dataset = await load(folder, given);
      return typeof dataset === 'string' ? dataset : dataset.sources.map(({ counts }) => counts);
    };
    expect(await counts({ data: [join(SAVED, 'test')] })).toEqual([{ owl: 1, heron: 1, wren: 1 }]);
    expect(await counts({ data: [join(SAVED, 't*/*.arrow')] })).toEqual([{ owl: 2, heron: 3, wren: 4 }]);
    expect(await counts({ data: [`${join(SAVED, 'train')}?label=wren&limit=4`] })).toEqual([
      { wren: 1, 'not-wren': 3 },
    ]);
    const both = (await load(folder, {
      birds: [join(SAVED, 'test')],
      notBirds: [join(SAVED, 'train')],
    })) as Dataset;
    expect(both.sources.map(({ counts }) => counts)).toEqual([{ bird: 3 }, { 'not-bird': 6 }]);
    expect(both.filtered).toEqual([
      { name: join(SAVED, 'train/data-00000-of-00002.arrow#2'), reason: 'its text speaks of birds: "owl"' },
    ]);
  });

  test('what is not certain is refused with what to say instead', async () => {
    const folder = testFolder();
    const said = (data: string) => load(folder, { data: [data] });
    expect(await said(SAVED)).toBe(
      'UserError: Expected one split of "saved", but it has train, test; say "saved?split=train"',
    );
    expect(await said(`${SAVED}?split=night`)).toBe(
      'UserError: Expected a split "night" in "saved", but it has train, test; name one of them',
    );
    expect(await said(`${join(SAVED, 'test')}?split=test`)).toBe(
      'UserError: Expected splits in "saved/test", as ?split=test says, but it was saved without; leave ?split= out',
    );
    cpSync(join(SAVED, 'test'), join(folder, 'old'), { recursive: true });
    const state = JSON.parse(readFileSync(join(folder, 'old/state.json'), 'utf8'));
    const change = (more: object) =>
      write(folder, { 'old/state.json': JSON.stringify({ ...state, ...more }) });
    change({ _indices_data_files: [{ filename: 'indices.arrow' }] });
    expect(await said(join(folder, 'old'))).toContain('save it again with flatten_indices()');
    change({ _data_files: [{ filename: '../../secret.arrow' }] });
    expect(await said(join(folder, 'old'))).toBe(
      'UserError: Expected images in "old", but state.json names no files',
    );
    change({ _data_files: [{ filename: 'gone.arrow' }] });
    expect(await said(join(folder, 'old'))).toBe(
      'UserError: No such file: "old/gone.arrow"; fetch the data set again',
    );
    write(folder, { 'only/bird/a.arrow': readFileSync(join(SAVED, 'test/data-00000-of-00001.arrow')) });
    expect(await said(join(folder, 'only/bird'))).toBe(
      `UserError: Expected images in "only/bird", but found Arrow files; say 'only/bird/*.arrow'`,
    );
  });
});

/** A table in batches of two rows. */
async function made({ label = true } = {}): Promise<Uint8Array> {
  const image = new Struct<{ bytes: Binary; path: Utf8 }>([
    new Field('bytes', new Binary(), true),
    new Field('path', new Utf8(), true),
  ]);
  const turn = new Struct<{ from: Utf8; value: LargeUtf8 }>([
    new Field('from', new Utf8(), true),
    new Field('value', new LargeUtf8(), true),
  ]);
  const rows = [...(await Promise.all([0, 1, 2].map((i) => plain(i)))), null, await plain(4)];
  const said = ['a car', 'two robins', null, 'a gull', 'a boat'];
  const table = new Table({
    tags: vectorFromArray(
      rows.map((_, i) => (i === 1 ? null : [i, i + 1].map(BigInt))),
      new List(new Field('item', new Int64(), true)),
    ),
    image: vectorFromArray(
      rows.map((bytes, i) => ({ bytes, path: `${i}.png` })),
      image,
    ),
    ...(label ? { kind: vectorFromArray(['owl', 'cat', null, 'owl', 'cat'], new Utf8()) } : {}),
    conversations: vectorFromArray(
      said.map((value) => [{ from: 'robin', value }]),
      new List(new Field('item', turn, true)),
    ),
  });
  const schema = new Schema(table.schema.fields);
  const batches = [0, 2, 4].flatMap((first) => table.slice(first, first + 2).batches);
  return tableToIPC(
    new Table(
      schema,
      batches.map((batch) => new RecordBatch(schema, batch.data)),
    ),
    'stream',
  );
}

/** As pyarrow writes it: a stream between a head and a footer, which is not looked into. */
function asFile(stream: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from('ARROW1\0\0'), stream, Buffer.from('footer\x06\0\0\0ARROW1')]);
}

test.each(['stream', 'file'] as const)('an Arrow %s of another writer', async (format) => {
  const folder = testFolder();
  const stream = await made();
  write(folder, { 'a.arrow': format === 'stream' ? stream : asFile(stream) });
  const dataset = (await load(folder, { data: [join(folder, 'a.arrow')] })) as Dataset;
  expect(dataset).toBeTypeOf('object');
  expect(dataset.sources[0]!.counts).toEqual({ cat: 2, owl: 1 });
  expect(dataset.skipped).toEqual([
    { name: join(folder, 'a.arrow#2'), reason: 'has no label' },
    { name: join(folder, 'a.arrow#3'), reason: 'has no image bytes, only the path "3.png"' },
  ]);
  expect(dataset.notes).toEqual([`${join(folder, 'a.arrow')}: labels from the column "kind"`]);
  const negatives = await load(folder, {
    data: [join(folder, 'a.arrow')],
    notBirds: [join(folder, 'a.arrow')],
  });
  expect((negatives as Dataset).filtered.map(({ reason }) => reason)).toEqual([
    'its text speaks of birds: "robin"',
    'its text speaks of birds: "gull"',
  ]);
});

test('cut short or with any of its bytes changed, it is refused or read, and nothing else happens', async () => {
  const folder = testFolder();
  const bytes = Buffer.from(await made());
  const path = join(folder, 'a.arrow');
  const { arrowParts } = await import('../../src/data/sources/arrow_source.ts');
  const all = async () => {
    const source = { text: path, kind: 'arrow', path } as const;
    const [part] = await arrowParts(source, { role: 'data', labelled: true, size: 4, cacheDir: folder });
    const listing = await part!.list();
    for await (const image of part!.read(listing, () => true))
      expect(image.index).toBeLessThan(listing.count);
    return 'read';
  };
  const said = new Set<string>();
  for (let i = 0; i < 80; i++) {
    const copy = Buffer.from(bytes);
    const at = (i * 7919) % bytes.length;
    if (i % 5 === 0) writeFileSync(path, copy.subarray(0, at));
    else {
      copy[at]! ^= 1 << (i % 8);
      copy[(at * 31) % 1200] = [255, 127, 0, 128][i % 4]!;
      writeFileSync(path, copy);
    }
    const got = String(await outcome(all()));
    expect(got).toMatch(/^(read$|UserError: )/);
    said.add(got.replace(/.*", but |;.*/g, ''));
  }
  expect(said).toContain('it is not one, or it is damaged');
  expect(said).toContain('it ends too early');
});

test('a picture made by sharp comes through as it is', async () => {
  const folder = testFolder();
  write(folder, { 'a.arrow': await made({ label: false }) });
  const dataset = (await load(folder, {
    birds: [join(folder, 'a.arrow')],
    notBirds: [SAVED].map((path) => join(path, 'train')),
  })) as Dataset;
  const images = await openImages(dataset, { threads: 1, seed: 1 });
  const pixels = new Uint8Array(48);
  await images.assemble(Uint32Array.of(1), pixels);
  await images.dispose();
  expect(Buffer.from(pixels)).toEqual(
    await sharp(await plain(1))
      .resize(4, 4)
      .raw()
      .toBuffer(),
  );
});
