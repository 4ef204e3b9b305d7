/** The data sets that the recipes and the README name: the documented files under their names, with few images. */
import { createHash } from 'node:crypto';
import {
  Binary,
  type DataType,
  Field,
  List,
  Struct,
  Table,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';
import { Table as ParquetTable, writeParquet } from 'parquet-wasm';
import sharp from 'sharp';
import { publishedFiles } from '../../src/data/recipes.ts';
import { type Hub, type HubFiles, openHub } from './hub_server.ts';
import { parquet } from './made.ts';
import { tarGzOf } from './made_archives.ts';

const CIFAR = 'airplane automobile bird cat deer dog frog horse ship truck'.split(' ');
const STL = 'airplane bird car cat deer dog horse monkey ship truck'.split(' ');

/** A picture of its own for each number: birds are bright above, all others below. */
export async function picture(number: number, isBird: boolean, side = 32): Promise<Buffer> {
  const bytes = createHash('sha512').update(`${number}`).digest();
  const raw = Buffer.alloc(side * side * 3);
  for (let i = 0; i < raw.length; i++) {
    const isAbove = i < raw.length / 2;
    raw[i] = (isAbove === isBird ? 150 : 20) + (bytes[i % 60]! % 80);
  }
  return sharp(raw, { raw: { width: side, height: side, channels: 3 } })
    .png()
    .toBuffer();
}

/** So many images of each class, in turn. */
async function labelled(
  names: string[],
  each: number,
  first: number,
  imageName: string,
): Promise<Uint8Array> {
  const labels = Array.from({ length: each * names.length }, (_, i) => i % names.length);
  const images = await Promise.all(labels.map((label, i) => picture(first + i, names[label] === 'bird')));
  return parquet({ images, labels: labels.map(BigInt), imageName, classNames: names });
}

const imageType = new Struct<{ bytes: Binary; path: Utf8 }>([
  new Field('bytes', new Binary(), true),
  new Field('path', new Utf8(), true),
]);
const talkType = new List(
  new Field(
    'item',
    new Struct<{ from: Utf8; value: Utf8 }>([
      new Field('from', new Utf8(), true),
      new Field('value', new Utf8(), true),
    ]),
    true,
  ),
);

/** Honey's layout: images in a list, and what was said of them; one in ten speaks of a bird. */
async function honey(count: number): Promise<Uint8Array> {
  const rows = await Promise.all(
    Array.from({ length: count }, async (_, i) => [
      { bytes: await picture(90_000 + i, i % 10 === 3), path: null },
    ]),
  );
  const talks = rows.map((_, i) => [
    { from: 'human', value: '<image>\nWhat is this?' },
    { from: 'gpt', value: i % 10 === 3 ? 'A barn owl on a fence.' : 'A bowl on a table.' },
  ]);
  const table = new Table({
    id: vectorFromArray(
      rows.map((_, i) => `honey-${i}`),
      new Utf8(),
    ),
    images: vectorFromArray(rows, new List(new Field('item', imageType, true)) as DataType),
    conversations: vectorFromArray(talks, talkType as DataType),
  });
  return writeParquet(ParquetTable.fromIPCStream(tableToIPC(table, 'stream')));
}

/** The archive of NABirds in its true layout: so many photos of two classes, every fourth of the test set. */
async function nabirds(count: number): Promise<Buffer> {
  const all = await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const id = `0000139e-21dc-4d0c-bfe1-${String(i).padStart(12, '0')}`;
      const kind = i % 2 ? '817' : '37';
      const path = `${kind.padStart(4, '0')}/${id.replaceAll('-', '')}.jpg`;
      return { id, kind, path, side: Number(i % 4 !== 3), bytes: await picture(50_000 + i, true) };
    }),
  );
  const lines = (of: (one: (typeof all)[number]) => string | number) =>
    all.map((one) => `${one.id} ${of(one)}\n`).join('');
  return tarGzOf([
    ['nabirds/README', 'NABirds'],
    ['nabirds/images.txt', lines(({ path }) => path)],
    ['nabirds/image_class_labels.txt', lines(({ kind }) => kind)],
    ['nabirds/classes.txt', '0 Birds\n37 Barn Owl\n817 Blue Jay\n'],
    ['nabirds/hierarchy.txt', '37 0\n817 0\n'],
    ['nabirds/train_test_split.txt', lines(({ side }) => side)],
    ...all.map(({ path, bytes }) => [`nabirds/images/${path}`, bytes] as [string, Buffer]),
  ]);
}

export interface DocumentedHub extends Hub {
  /** `data/nabirds.tar.gz`, which the user brings. */
  nabirds: Buffer;
  /** What `publishedFiles` would be if these were the true files. */
  published: typeof publishedFiles;
}

/** To be ended by `close`. */
export async function documentedHub(): Promise<DocumentedHub> {
  const card = { 'README.md': '# A card', '.gitattributes': '*.parquet filter=lfs' };
  const [train, test] = ['train-00000-of-00001.parquet', 'test-00000-of-00001.parquet'];
  const sets: Record<string, Record<string, Uint8Array>> = {
    'uoft-cs/cifar10': {
      [`plain_text/${train}`]: await labelled(CIFAR, 12, 0, 'img'),
      [`plain_text/${test}`]: await labelled(CIFAR, 6, 10_000, 'img'),
    },
    'tanganke/stl10': {
      [`data/${train}`]: await labelled(STL, 12, 20_000, 'image'),
      [`data/${test}`]: await labelled(STL, 6, 30_000, 'image'),
    },
    'Open-Bee/Honey-Data-15M': {
      [`General/Objects365/${train}`]: await honey(60),
      [`Chart/LRV_Chart/${train}`]: await honey(10),
    },
  };
  const hub = await openHub(Object.fromEntries(Object.keys(sets).map((name) => [name, { files: card }])));
  const published: typeof publishedFiles = {};
  for (const [name, files] of Object.entries(sets)) {
    const all: HubFiles = { ...card, ...files, 'General/Objects365/.success': 'Rows: 60' };
    hub.publish(name, all);
    const pinned = Object.keys(publishedFiles).find((key) => key.startsWith(`${name}@`));
    if (!pinned) continue;
    hub.publish(name, all, pinned.slice(name.length + 1));
    published[pinned] = Object.fromEntries(
      Object.entries(files).map(([path, bytes]) => [path, createHash('sha256').update(bytes).digest('hex')]),
    );
  }
  return Object.assign(hub, { nabirds: await nabirds(50), published });
}
