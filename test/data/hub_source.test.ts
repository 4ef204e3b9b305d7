/** Data sets of the hub as sources: what is chosen, what is fetched, and what is said when it can't be. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer as createNetServer } from 'node:net';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import type { Part, SourceContext, SourceProgress } from '../../src/data/part.ts';
import { parseSource, partsOf } from '../../src/data/sources/source.ts';
import { noise, sha256 } from './hub_opened.ts';
import {
  type Fault,
  type Hub,
  type HubFiles,
  type HubOptions,
  type ServedRepository,
  startHub,
} from './hub_server.ts';
import { outcome, parquet, plain, testFolder, write } from './made.ts';
import { tarOf } from './made_archives.ts';

let folder: string;

beforeEach(() => {
  vi.unstubAllEnvs();
  folder = testFolder();
  vi.stubEnv('HF_HOME', join(folder, 'home'));
  for (const name of [
    'HF_TOKEN',
    'HF_TOKEN_PATH',
    'HF_HUB_CACHE',
    'HUGGINGFACE_HUB_CACHE',
    'HF_HUB_OFFLINE',
  ]) {
    vi.stubEnv(name, undefined);
  }
  vi.stubEnv('HF_HUB_DOWNLOAD_TIMEOUT', '20');
});

async function hubOf(files: HubFiles, rest: Partial<ServedRepository & HubOptions> = {}): Promise<Hub> {
  const hub = await startHub({ 'owner/birds': { ...rest, files } }, rest);
  vi.stubEnv('HF_ENDPOINT', `${hub.endpoint}/`);
  return hub;
}

/** Two row groups of five images, birds and others in turn. */
async function shard(first: number, count = 10): Promise<Uint8Array> {
  const images = await Promise.all(Array.from({ length: count }, (_, i) => plain(first + i)));
  const labels = images.map((_, i) => BigInt(i % 2));
  return parquet({ images, labels, rowsAGroup: 5, classNames: ['bird', 'other'] });
}

/** Two birds and a cat, in folders: quicker to read than a shard. */
const pictures = async () => ({
  'bird/1.png': await plain(1),
  'bird/2.png': await plain(2),
  'cat/1.png': await plain(3),
});

const open = async (text: string, context: Partial<SourceContext> = {}) =>
  partsOf(await parseSource(text), {
    ...{ role: 'data', labelled: true, size: 8, cacheDir: join(folder, 'own'), ...context },
  });

interface Image {
  name: string;
  label: string;
  sha256: string;
}

async function readPart(part: Part): Promise<Image[]> {
  const listing = await part.list();
  const images: Image[] = [];
  for await (const image of part.read(listing, () => true)) {
    if ('problem' in image) throw new Error(image.problem);
    const { value, name } = listing.labelNames[listing.labels[image.index]!] ?? { value: '' };
    images.push({
      name: part.nameOf(listing.names?.[image.index] ?? `${image.index}`),
      label: name ?? value,
      sha256: sha256(image.bytes),
    });
  }
  await part.close?.();
  return images;
}

async function readAll(text: string, context: Partial<SourceContext> = {}): Promise<Image[]> {
  const parts = await open(text, context);
  const images: Image[] = [];
  for (const part of parts) images.push(...(await readPart(part)));
  return images;
}

const said = (text: string, context: Partial<SourceContext> = {}) =>
  outcome(readAll(text, context).then(String));

test('shards are read image by image, with their classes', async () => {
  const hub = await hubOf({
    'data/train-0.parquet': await shard(0),
    'README.md': '# x',
    'data/.success': 'Rows: 1',
  });
  const images = await readAll('hf:owner/birds');
  expect(images).toHaveLength(10);
  expect(images[3]!.name).toBe('hf:owner/birds:data/train-0.parquet#3');
  expect(images.map(({ label }) => label).slice(0, 4)).toEqual(['bird', 'other', 'bird', 'other']);
  expect(images[3]!.sha256).toBe(sha256(await plain(3)));
  expect(Object.keys(hub.sent)).toEqual(['data/train-0.parquet']);
});

test('a second run asks the hub for the commit alone, and one that knows the commit for nothing', async () => {
  const hub = await hubOf(await pictures());
  const first = await readAll('hf:owner/birds');
  hub.requests.length = 0;
  expect(await readAll('hf:owner/birds')).toEqual(first);
  expect(hub.requests.map(({ url }) => url.split('?')[0])).toEqual([
    '/api/datasets/owner/birds/revision/main',
  ]);
  const revision = hub.commit('owner/birds');
  hub.publish('owner/birds', {});
  expect(await readAll('hf:owner/birds', { revision })).toEqual(first);
  expect(hub.requests).toHaveLength(1);
});

test.each([
  ['a.parquet', async () => shard(0)],
  ['bird/a.png', async () => plain(1)],
])('%s can be read again after it was closed, without being fetched again', async (path, content) => {
  const hub = await hubOf({ [path]: await content() });
  const [part] = await open('hf:owner/birds', { role: 'birds', labelled: false });
  const first = await readPart(part!);
  const sent = hub.sent[path];
  expect(await readPart(part!)).toEqual(first);
  expect(hub.sent[path]).toBe(sent);
});

test("pins tell commit, size and the hub's sha256 without fetching anything", async () => {
  const bytes = await shard(0);
  const hub = await hubOf({ 'data/train-0.parquet': bytes });
  const [part] = await open('hf:owner/birds');
  expect(await part!.pins!({ verify: true })).toEqual([
    {
      name: 'hf:owner/birds:data/train-0.parquet',
      size: bytes.length,
      sha256: sha256(bytes),
      revision: hub.commit('owner/birds'),
    },
  ]);
  expect(hub.sent).toEqual({});
});

test('a branch that moves between two questions does not mix two commits', async () => {
  const hub = await hubOf(await pictures(), { pageSize: 1 });
  const [other, sha] = [await plain(50), hub.commit('owner/birds')];
  for (const on of ['tree', 'resolve'] as const) {
    hub.faults.push({
      on,
      kind: 'call',
      call: () => hub.publish('owner/birds', { 'bird/1.png': other }),
      times: 1,
    });
  }
  const images = await readAll('hf:owner/birds');
  expect(images[0]!.sha256).toBe(sha256(await plain(1)));
  expect(images).toHaveLength(3);
  const asked = hub.requests.filter(({ url }) => /\/(tree|resolve)\//.test(url));
  expect(asked.every(({ url }) => url.includes(sha))).toBe(true);
});

test('a revision may have slashes, and is kept apart', async () => {
  const hub = await hubOf({ 'script.py': 'x' });
  const branch = 'refs/convert/parquet';
  hub.publish('owner/birds', { 'default/train/0000.parquet': await shard(0) }, branch);
  const images = await readAll(`hf:owner/birds@${branch}:default/train/*.parquet`);
  expect(images).toHaveLength(10);
  expect(hub.requests[0]!.url).toContain('/revision/refs%2Fconvert%2Fparquet?');
  const ref = join(folder, 'home', 'hub', 'datasets--owner--birds', 'refs', branch);
  expect(readFileSync(ref, 'utf8')).toBe(hub.commit('owner/birds', branch));
});

test.each<[string, string[]]>([
  ['', ['x/a.parquet', 'x/b.parquet', 'y/c.parquet']],
  [':x/*.parquet', ['x/a.parquet', 'x/b.parquet']],
  [':**/[bc].parquet', ['x/b.parquet', 'y/c.parquet']],
  [':{x/a,y/c}.parquet', ['x/a.parquet', 'y/c.parquet']],
  [':x', ['x/a.parquet', 'x/b.parquet']],
  [':x/', ['x/a.parquet', 'x/b.parquet']],
  [':y/c.parquet', ['y/c.parquet']],
])('the files named by "%s"', async (pattern, paths) => {
  const bytes = await shard(0);
  await hubOf({
    'x/a.parquet': bytes,
    'x/b.parquet': bytes,
    'y/c.parquet': bytes,
    'z.txt': 'z',
    'm.png': noise(9),
  });
  const parts = await open(`hf:owner/birds${pattern}`);
  const pins = await Promise.all(parts.map((part) => part.pins!({ verify: false })));
  expect(pins.flat().map(({ name }) => name)).toEqual(paths.map((path) => `hf:owner/birds:${path}`));
});

test.each<[string[], string, string[]]>([
  [
    ['plain_text/train-0-of-1.parquet', 'plain_text/test-0-of-1.parquet'],
    'train',
    ['plain_text/train-0-of-1.parquet'],
  ],
  [
    ['plain_text/train-0-of-1.parquet', 'plain_text/test-0-of-1.parquet'],
    'test',
    ['plain_text/test-0-of-1.parquet'],
  ],
  [['data/train-0.parquet', 'data/valid-0.parquet'], 'test', ['data/valid-0.parquet']],
  [['data/train-0.parquet', 'data/valid-0.parquet', 'data/test-0.parquet'], 'test', ['data/test-0.parquet']],
  [
    ['default/train/0000.parquet', 'default/validation/0000.parquet'],
    'train',
    ['default/train/0000.parquet'],
  ],
  [['test/training-0.parquet', 'latest.parquet'], 'train', ['test/training-0.parquet']],
  [['train-0.parquet', 'dev-0.parquet'], 'test', ['dev-0.parquet']],
  [['train-0.parquet', 'val-0.parquet', 'test-0.parquet'], 'validation', ['val-0.parquet']],
  [['fold1-0.parquet', 'fold2-0.parquet'], 'fold2', ['fold2-0.parquet']],
  [['extra/0.parquet', 'train/0.parquet'], 'extra', ['extra/0.parquet']],
])('of %o, ?split=%s are %o', async (paths, split, chosen) => {
  await hubOf(Object.fromEntries(paths.map((path) => [path, noise(50)])));
  const parts = await open(`hf:owner/birds?split=${split}`);
  const pins = await Promise.all(parts.map((part) => part.pins!({ verify: false })));
  expect(pins.flat().map(({ name }) => name)).toEqual(chosen.map((path) => `hf:owner/birds:${path}`));
});

test('pictures in folders: a class each, and only those that are wanted are fetched', async () => {
  const names = [
    'train/bird/1.png',
    'train/bird/2.png',
    'train/cat/1.png',
    'train/cat/2.png',
    'test/bird/3.png',
  ];
  const files = Object.fromEntries(
    await Promise.all(names.map(async (name, i) => [name, await plain(i)] as const)),
  );
  const hub = await hubOf({
    ...files,
    'README.md': 'x',
    'train/metadata.csv': 'x',
    'train/cat/2.png': { git: files['train/cat/2.png']! },
  });
  const [part] = await open('hf:owner/birds?split=train');
  const listing = await part!.list();
  expect(hub.sent).toEqual({});
  expect(listing.labelNames.map(({ value }) => value)).toEqual(['bird', 'cat']);
  const read: string[] = [];
  for await (const image of part!.read(listing, (i) => i !== 1)) {
    if ('problem' in image) throw new Error(image.problem);
    const name = listing.names![image.index]!;
    expect(sha256(image.bytes)).toBe(sha256(files[name]!));
    read.push(part!.nameOf(name));
  }
  expect(read).toEqual(
    ['train/bird/1.png', 'train/cat/1.png', 'train/cat/2.png'].map((name) => `hf:owner/birds/${name}`),
  );
  expect(Object.keys(hub.sent).sort()).toEqual(['train/bird/1.png', 'train/cat/1.png', 'train/cat/2.png']);
  expect(await part!.pins!({ verify: false })).toMatchObject([{ revision: hub.commit('owner/birds') }]);
});

test('pictures in the folders of a split are no classes; folders of systems are none either', async () => {
  const names = ['seg_train', 'seg_test', 'seg_pred'].flatMap((side) => [
    `${side}/${side}/bird/1.png`,
    `${side}/${side}/cat/1.png`,
    `${side}/@eaDir/1.png`,
  ]);
  await hubOf(Object.fromEntries(names.map((name) => [name, name])));
  const message = 'found seg_pred, seg_test and seg_train; say "hf:owner/birds?split=train"';
  expect(await said('hf:owner/birds')).toContain(message);
  expect(
    (await readAll('hf:owner/birds?split=seg_test')).map(({ name, label }) => `${name} ${label}`),
  ).toEqual([
    'hf:owner/birds/seg_test/seg_test/bird/1.png bird',
    'hf:owner/birds/seg_test/seg_test/cat/1.png cat',
  ]);
});

test('shards of WebDataset by pattern, with the labels beside the images', async () => {
  const files: Record<string, Buffer> = {};
  for (const k of [0, 1, 2]) {
    files[`train/shard-00${k}.tar`] = await tarOf([
      [`00000${k}.cls`, k === 0 ? 'wren' : 'owl'],
      [`00000${k}.png`, await plain(k)],
    ]);
  }
  // A picture beside them is for show.
  const hub = await hubOf({ ...files, 'assets/logo.png': await plain(9) });
  expect((await open('hf:owner/birds')).length).toBe(3);
  const all = await readAll('hf:owner/birds:train/shard-{000..001}.tar');
  expect(all.map(({ name, label }) => `${name} ${label}`)).toEqual([
    'hf:owner/birds:train/shard-000.tar/000000.png wren',
    'hf:owner/birds:train/shard-001.tar/000001.png owl',
  ]);
  expect(Object.keys(hub.sent).sort()).toEqual(['train/shard-000.tar', 'train/shard-001.tar']);
});

test('an archive is fetched whole and unpacked', async () => {
  const root = join(folder, 'pictures');
  for (const name of ['bird', 'cat']) mkdirSync(join(root, name), { recursive: true });
  const [bird, cat] = [await plain(1), await plain(2)];
  writeFileSync(join(root, 'bird', '1.png'), bird);
  writeFileSync(join(root, 'cat', '1.png'), cat);
  execFileSync('tar', ['-czf', join(folder, 'all.tar.gz'), '-C', root, 'bird', 'cat']);
  const hub = await hubOf({ 'all.tar.gz': readFileSync(join(folder, 'all.tar.gz')) });
  const parts = await open('hf:owner/birds');
  expect(hub.sent).toEqual({});
  const images = await readPart(parts[0]!);
  expect(images).toEqual([
    { name: 'hf:owner/birds:all.tar.gz/bird/1.png', label: 'bird', sha256: sha256(bird) },
    { name: 'hf:owner/birds:all.tar.gz/cat/1.png', label: 'cat', sha256: sha256(cat) },
  ]);
  expect(await parts[0]!.pins!({ verify: false })).toMatchObject([{ name: 'hf:owner/birds:all.tar.gz' }]);
});

test('of large files with a limit, little more than the images is fetched', async () => {
  const images = Array.from({ length: 240 }, (_, i) => noise(100_000, i));
  const bytes = parquet({ images, rowsAGroup: 10 });
  const hub = await hubOf({ 'a.parquet': bytes, 'b.parquet': bytes.slice(), 'c.parquet': bytes.slice() });
  const negatives = { role: 'notBirds', labelled: false } as const;
  const read = await readAll('hf:owner/birds?limit=60', negatives);
  expect(read).toHaveLength(60);
  const sent = () => Object.values(hub.sent).reduce((a, b) => a + b);
  const before = sent();
  expect(before).toBeLessThan(60 * 100_000 * 1.15 + 3 * 65_536);
  expect(await readAll('hf:owner/birds?limit=60', negatives)).toEqual(read);
  expect(sent()).toBe(before);
  // Of a file that is here whole, nothing is fetched.
  rmSync(join(folder, 'own'), { recursive: true });
  write(join(folder, 'home', 'hub', 'datasets--owner--birds', 'blobs'), { [sha256(bytes)]: bytes });
  expect(await readAll('hf:owner/birds?limit=60', negatives)).toEqual(read);
  expect(sent()).toBe(before);
});

test('progress tells of bytes, and of how many there will be', async () => {
  const bytes = [await shard(0, 40), await shard(40, 40)];
  await hubOf({ 'a.parquet': bytes[0]!, 'b.parquet': bytes[1]! });
  const told: SourceProgress[] = [];
  await readAll('hf:owner/birds', { onProgress: (progress) => told.push(progress) });
  expect(told[0]).toEqual({ stage: 'resolve' });
  const total = bytes[0]!.length + bytes[1]!.length;
  const download = told.filter(({ stage }) => stage === 'download');
  expect(download.at(-1)).toEqual({ stage: 'download', bytes: total, totalBytes: total });
});

test('links that speak of the hub itself lead to the mirror', async () => {
  const bytes = await shard(0);
  const files = Object.fromEntries(['a', 'b', 'c', 'd'].map((name) => [`${name}.parquet`, bytes]));
  const hub = await hubOf(files, { pageSize: 2, linkEndpoint: 'https://huggingface.co' });
  expect(await open('hf:owner/birds')).toHaveLength(4);
  expect(hub.requests.filter(({ url }) => url.includes('/tree/'))).toHaveLength(2);
});

test('a token comes from the environment or from where Hugging Face keeps it', async () => {
  const files = await pictures();
  const hub = await hubOf(files, { gated: 'auto', accepted: ['hf_mine', 'my own'.replace(' ', '-')] });
  vi.stubEnv('HF_TOKEN', 'hf_mine');
  expect(await readAll('hf:owner/birds')).toHaveLength(3);
  vi.stubEnv('HF_TOKEN', undefined);
  rmSync(join(folder, 'own'), { recursive: true });
  mkdirSync(join(folder, 'home'), { recursive: true });
  writeFileSync(join(folder, 'home', 'token'), 'my-own\n');
  expect(await readAll('hf:owner/birds')).toHaveLength(3);
  const leaked = hub.requests.filter(({ host, headers }) => host === 'cdn' && headers.authorization);
  expect(leaked).toEqual([]);
});

test.each<[string, Partial<ServedRepository>, string | undefined, RegExp]>([
  [
    'hf:owner/birds',
    { gated: 'manual' },
    undefined,
    /hf:owner\/birds is gated: accept its terms on http:.*\/datasets\/owner\/birds, make a token under .*\/settings\/tokens and set HF_TOKEN/,
  ],
  [
    'hf:owner/birds',
    { gated: 'manual' },
    'hf_other',
    /is gated, and the account of your HF_TOKEN has not been let in; accept its terms on http:.*\/datasets\/owner\/birds/,
  ],
  [
    'hf:owner/birds',
    { private: true },
    undefined,
    /Expected the data set "owner\/birds" on .*, but it is not there or is private; .* set HF_TOKEN/,
  ],
  [
    'hf:owner/brids',
    {},
    'hf_other',
    /"owner\/brids" .* is not there or is private; .* that your HF_TOKEN may read it/,
  ],
  [
    'hf:owner/birds',
    {},
    'hf_expired',
    /does not know your HF_TOKEN; make a new one under .*\/settings\/tokens/,
  ],
  [
    'hf:owner/birds@v9',
    {},
    undefined,
    /Expected the revision "v9" of hf:owner\/birds, but the hub has none of that name/,
  ],
  [`hf:owner/birds@${'0'.repeat(40)}`, {}, undefined, /Expected the revision "0{40}"/],
  [
    'hf:owner/birds:none/*.parquet',
    {},
    undefined,
    /Expected files that match "none\/\*\.parquet" in hf:owner\/birds, but there are none; it has a\.parquet, b\.txt/,
  ],
  ['hf:owner/birds:a.txt', {}, undefined, /match "a\.txt" .* it has a\.parquet, b\.txt/],
  [
    'hf:owner/birds:b.txt',
    {},
    undefined,
    /Expected parquet files, images or archives in "hf:owner\/birds:b\.txt", but found b\.txt; try .*@refs\/convert\/parquet/,
  ],
  [
    'hf:owner/birds?split=test',
    {},
    undefined,
    /Expected parquet files of the split "test" .* no name says so among a\.parquet/,
  ],
  ['hf:owner', {}, undefined, /Expected hf:OWNER\/NAME/],
  ['hf:owner/..', {}, undefined, /Expected hf:OWNER\/NAME/],
  ['hf:owner/birds@../x', {}, undefined, /Expected hf:OWNER\/NAME/],
])('%s (%o, token %s) is told', async (text, rest, token, problem) => {
  await hubOf({ 'a.parquet': noise(20), 'b.txt': 'b' }, rest);
  vi.stubEnv('HF_TOKEN', token);
  expect(await said(text)).toMatch(problem);
});

test.each<[string, string, RegExp]>([
  [
    'HF_ENDPOINT',
    'huggingface.co',
    /Expected an address such as .* in HF_ENDPOINT, but found "huggingface\.co"/,
  ],
  ['HF_ENDPOINT', 'ftp://huggingface.co', /in HF_ENDPOINT/],
  ['HF_TOKEN', 'two words', /Expected one word such as hf_\.\.\. in HF_TOKEN, but found something else/],
  [
    'HF_HUB_DOWNLOAD_TIMEOUT',
    'long',
    /Expected seconds, up to 3600, in HF_HUB_DOWNLOAD_TIMEOUT, but found "long"/,
  ],
])('%s=%s is told', async (name, value, problem) => {
  vi.stubEnv(name, value);
  expect(await said('hf:owner/birds')).toMatch(problem);
});

test.each<[string, object | string, RegExp]>([
  [
    'a path that leaves',
    [{ type: 'file', path: '../../x.parquet', size: 1, oid: 'a'.repeat(40) }],
    /expected to return safe names of files, but returned "\.\.\/\.\.\/x/,
  ],
  ['an absolute path', [{ type: 'file', path: '/x.parquet', size: 1, oid: 'a'.repeat(40) }], /safe names/],
  [
    'a size that is none',
    [{ type: 'file', path: 'x.parquet', size: -1, oid: 'a'.repeat(40) }],
    /the size of x\.parquet/,
  ],
  [
    'a hash that is a path',
    [{ type: 'file', path: 'x.parquet', size: 1, oid: '../../../x' }],
    /the id of x\.parquet/,
  ],
  [
    'more than any disk holds',
    [
      {
        type: 'file',
        path: 'x.parquet',
        size: 9e15,
        oid: 'a'.repeat(40),
        lfs: { oid: 'b'.repeat(64), size: 9e15 },
      },
    ],
    /hf:owner\/birds needs 9000000\.0 GB more in .*incomplete, but only .* are free there; free some space, or set HF_HUB_CACHE/,
  ],
  ['something else', '<html>', /answers with something else than JSON/],
])(
  'a list of files with %s is refused',
  async (_, answer, problem) => {
    const { createServer } = await import('node:http');
    const server = createServer((request, response) => {
      const tree = typeof answer === 'string' ? answer : JSON.stringify(answer);
      response.end(request.url!.includes('/tree/') ? tree : JSON.stringify({ sha: 'b'.repeat(40) }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    vi.stubEnv('HF_ENDPOINT', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    expect(await said('hf:owner/birds')).toMatch(problem);
    server.close();
  },
  60_000,
);

test('without a network the cache is taken, by order or because there is no other way', async () => {
  const hub = await hubOf(await pictures());
  const alike = { role: 'birds', labelled: false } as const;
  const images = await readAll('hf:owner/birds', alike);
  await hub.close();
  const told: SourceProgress[] = [];
  expect(
    await readAll('hf:owner/birds', { ...alike, onProgress: (progress) => told.push(progress) }),
  ).toEqual(images);
  expect(told.find(({ note }) => note)!.note).toMatch(
    /can't be reached \(ECONNREFUSED\): hf:owner\/birds is taken as it was/,
  );
  vi.stubEnv('HF_HUB_OFFLINE', '1');
  expect(await readAll('hf:owner/birds', alike)).toEqual(images);
  expect(await said('hf:owner/birds@other')).toMatch(
    /hf:owner\/birds@other is not in .*datasets--owner--birds, and HF_HUB_OFFLINE/,
  );
  // Our own lists are gone: what other tools left is enough.
  rmSync(join(folder, 'own'), { recursive: true });
  expect(await readAll('hf:owner/birds', alike)).toEqual(images);
  expect(await readAll('hf:owner/birds:**/*.png', alike)).toEqual(images);
  expect(await readAll('hf:owner/birds:bird/1.png', alike)).toEqual([images[0]]);
  rmSync(join(folder, 'home', 'hub', 'datasets--owner--birds', 'blobs'), { recursive: true });
  expect(await said('hf:owner/birds')).toMatch(
    /is not in .*HF_HUB_OFFLINE keeps it from being fetched; unset it/,
  );
});

test('a hub that never answers is as good as none', async () => {
  await hubOf(await pictures());
  const images = await readAll('hf:owner/birds');
  const silent = createNetServer();
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void silent.close());
  vi.stubEnv('HF_ENDPOINT', `http://127.0.0.1:${(silent.address() as AddressInfo).port}`);
  vi.stubEnv('HF_HUB_DOWNLOAD_TIMEOUT', '0.2');
  const notes: (string | undefined)[] = [];
  expect(await readAll('hf:owner/birds', { onProgress: ({ note }) => notes.push(note) })).toEqual(images);
  expect(notes.find(Boolean)).toMatch(/sent nothing for 0\.2 s: hf:owner\/birds is taken as it was/);
});

test('what the tools of Hugging Face have fetched is not fetched again', async () => {
  const hub = await hubOf(await pictures());
  await readAll('hf:owner/birds');
  renameSync(join(folder, 'home', 'hub'), join(folder, 'elsewhere'));
  rmSync(join(folder, 'own'), { recursive: true });
  vi.stubEnv('HF_HUB_CACHE', join(folder, 'elsewhere'));
  const before = { ...hub.sent };
  expect(await readAll('hf:owner/birds')).toHaveLength(3);
  expect(hub.sent).toEqual(before);
  expect(existsSync(join(folder, 'home', 'hub'))).toBe(false);
});

test('several files come side by side, and an end is heeded', async () => {
  const files = Object.fromEntries(
    ['a', 'b', 'c', 'd', 'e', 'f'].map((name, i) => [`${name}.parquet`, noise(200_000, i)]),
  );
  const hub = await hubOf(files);
  const slow: Fault = { on: 'cdn', kind: 'drip', bytes: 1000, pauseMs: 50 };
  hub.faults.push(slow);
  const parts = await open('hf:owner/birds');
  const controller = new AbortController();
  const listing = parts[0]!.list(controller.signal);
  while (Object.keys(hub.sent).length < 4) await new Promise((resolve) => setTimeout(resolve, 20));
  controller.abort(new Error('enough'));
  await expect(listing).rejects.toThrow('enough');
  expect(Object.keys(hub.sent).sort()).toEqual(['a', 'b', 'c', 'd'].map((name) => `${name}.parquet`));
});
