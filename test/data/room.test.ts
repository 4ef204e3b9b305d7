/** One limit for all that the cache holds: what gives way to what, what stays, what is refused. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { expect, onTestFinished, test } from 'vitest';
import { ownerTag } from '../../src/base/file_owner.ts';
import { Room } from '../../src/data/cache/cache_budget.ts';
import { piecesOf } from '../../src/data/cache/cache_entries.ts';
import { type DatasetOptions, type DatasetProgress, loadDataset } from '../../src/data/dataset.ts';
import { openImages } from '../../src/data/loader.ts';
import type { SourceContext } from '../../src/data/part.ts';
import { archiveParts } from '../../src/data/sources/archive_source.ts';
import { fileOf, noise, openDataset } from './hub_opened.ts';
import { options, outcome, testFolder, write } from './made.ts';
import { tarGzOf, tarOf, zipOf } from './made_archives.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Of an image in its archive, about; its pixels have an eighth of that. */
const FILE_BYTES = 12_500;
const SIZE = 24;

/** Writes an archive of `count` images, all different, in two classes. */
async function pack(folder: string, name: string, count: number, seed: number): Promise<string> {
  const entries = Array.from({ length: count }, async (_, i): Promise<[string, Buffer]> => {
    const raw = { width: 64, height: 64, channels: 3 } as const;
    const image = sharp(noise(64 * 64 * 3, seed * 1000 + i), { raw }).png();
    return [`${i % 2 ? 'a' : 'b'}/${i}.png`, await image.toBuffer()];
  });
  write(folder, { [name]: await tarOf(await Promise.all(entries)) });
  return join(folder, name);
}

/** Loads one source; what was said meanwhile. */
async function load(folder: string, path: string, limit: number, given: Partial<DatasetOptions> = {}) {
  const told: DatasetProgress[] = [];
  const dataset = await loadDataset({
    ...options(folder, { data: [path], imageSize: SIZE, cacheLimit: limit / 1e9 }),
    ...given,
    onProgress: (progress) => told.push(progress),
  });
  const did = (stage: DatasetProgress['stage']) => told.some((one) => one.stage === stage && !one.note);
  return { dataset, did, notes: told.flatMap(({ note }) => note ?? []) };
}

const bytesIn = async (folder: string) =>
  (await piecesOf(join(folder, 'cache'))).reduce((sum, { bytes }) => sum + bytes, 0);
const archives = (folder: string) => readdirSync(join(folder, 'cache/archives'));

/** Some seconds into the past, so that it was not used since a run began. */
function age(path: string, seconds: number): void {
  const time = statSync(path).mtimeMs / 1000 - seconds;
  utimesSync(path, time, time);
}

test('unpacked archives count: what was unused for longest gives way, and is not missed while the pixels are there', async () => {
  const folder = testFolder();
  const [one, two] = [await pack(folder, 'one.tar', 20, 1), await pack(folder, 'two.tar', 20, 2)];
  const limit = 30 * FILE_BYTES;
  expect((await load(folder, one, limit)).did('unpack')).toBe(true);
  const [first] = archives(folder);
  expect((await load(folder, two, limit)).did('unpack')).toBe(true);
  expect(await bytesIn(folder)).toBeLessThanOrEqual(limit);
  expect(archives(folder)).toHaveLength(1);
  expect(archives(folder)).not.toContain(first);
  const again = await load(folder, one, limit);
  expect([again.did('unpack'), again.did('decode'), again.dataset.names.length]).toEqual([false, false, 20]);
  // Its pixels at another size: it is unpacked again, the other one goes.
  const larger = await load(folder, one, limit, { imageSize: 8 });
  expect([larger.did('unpack'), archives(folder)]).toEqual([true, [first]]);
});

test('what a process holds stays until it lets go or is killed', async () => {
  const folder = testFolder();
  const [one, two] = [await pack(folder, 'one.tar', 20, 1), await pack(folder, 'two.tar', 20, 2)];
  await load(folder, one, 1e9);
  const [first] = archives(folder);
  age(join(folder, 'cache/archives', first!), 60);
  const child = holder(join(folder, 'cache'), join(folder, 'cache/archives', first!));
  expect(await child.said).toBe('held\n');
  const { notes } = await load(folder, two, 30 * FILE_BYTES);
  expect(archives(folder)).toContain(first);
  expect(notes.join()).toMatch(
    /^\S+cache has 0\.000\d* GB more than --cache-limit \(0\.000375 GB\), as the images and what they are read from are needed at once$/,
  );
  child.kill();
  await child.ended;
  // What it had in its hands when it was killed.
  const unfinished = `archives/.x-0-${ownerTag(child.pid)}.tmp`;
  write(join(folder, 'cache'), { [`${unfinished}/images`]: 'x' });
  const { dataset } = await load(folder, two, 30 * FILE_BYTES, { imageSize: 8 });
  expect(archives(folder)).not.toContain(first);
  expect(await bytesIn(folder)).toBeLessThanOrEqual(30 * FILE_BYTES);
  await dataset.supply.close();
  expect(readdirSync(join(folder, 'cache/held'))).toEqual([]);
  expect(existsSync(join(folder, 'cache', unfinished))).toBe(false);
});

test('an archive and its pixels may pass the limit together: told, and over when the images are decoded', async () => {
  const folder = testFolder();
  const path = await pack(folder, 'set.tar', 20, 1);
  const { dataset, notes } = await load(folder, path, 30 * FILE_BYTES, { imageSize: 64 });
  expect([dataset.stream, dataset.names.length, notes.length]).toEqual([undefined, 20, 1]);
  expect(await bytesIn(folder)).toBeLessThanOrEqual(30 * FILE_BYTES);
  expect(archives(folder)).toEqual([]);
  const images = await openImages(dataset, { threads: 1, seed: 1 });
  onTestFinished(() => images.dispose());
  await images.assemble(Uint32Array.of(0, 19), new Uint8Array(2 * 64 * 64 * 3));
});

test.each([
  ['a.tar', 'at once'],
  ['a.tar.gz', 'when it is found out'],
  ['a.zip', 'at once'],
])('%s: an archive larger than the limit is refused %s', async (name, when) => {
  const folder = testFolder();
  // Zeros, of which a packed archive does not tell how many there are.
  const entries = [0, 1, 2].map((i): [string, Buffer] => [`bird/${i}.png`, Buffer.alloc(400_000)]);
  const bytes = name === 'a.zip' ? zipOf(entries) : await (name === 'a.tar' ? tarOf : tarGzOf)(entries);
  write(folder, { [name]: bytes });
  const [path, cacheDir] = [join(folder, name), join(folder, 'cache')];
  let isRead = false;
  const context: SourceContext = {
    ...{ role: 'data', labelled: true, size: 8, cacheDir, room: new Room(cacheDir, 1e6) },
    onProgress: () => (isRead = true),
  };
  const [part] = await archiveParts({ text: path, kind: 'archive', path }, context);
  expect(await outcome(part!.list())).toMatch(
    /^UserError: Expected at most 0\.01 GB in the cache \(--cache-limit\), but ".*a\.(tar|tar\.gz|zip)", unpacked, takes 0\.01 GB or more; allow more, or unpack it elsewhere and name that folder$/,
  );
  expect(isRead).toBe(when !== 'at once');
  expect([archives(folder), readdirSync(join(cacheDir, 'held'))]).toEqual([[], []]);
});

test('a set that comes in windows leaves room for the archive that it is read from', async () => {
  const folder = testFolder();
  const path = await pack(folder, 'set.tar', 40, 1);
  const whole = await load(folder, path, 1e9, { imageSize: 96, cacheDir: join(folder, 'whole') });
  const bytes = 96 * 96 * 3;
  const limit = 38 * bytes;
  const { dataset } = await load(folder, path, limit, { imageSize: 96 });
  const left = Math.floor((limit - readFileSync(path).length) / 3 / bytes);
  // A tar has a header of 512 bytes and some filling for each image.
  expect(dataset.stream!.windowImages).toBeGreaterThanOrEqual(left);
  expect(dataset.stream!.windowImages).toBeLessThanOrEqual(left + 1);
  const images = await openImages(dataset, { threads: 1, seed: 1 });
  const order = await images.arrange(
    Uint32Array.from({ length: 40 }, (_, i) => i),
    1,
  );
  const sizes: number[] = [];
  for await (const _ of images.batches(order, { batchSize: 4 })) sizes.push(await bytesIn(folder));
  expect(archives(folder)).toHaveLength(1);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(limit);
  await images.dispose();
  expect(dataset.hash).toBe(whole.dataset.hash);
});

test('ranges of a file of the hub count without their holes, and go when nobody has them open', async () => {
  const size = 4 * 2 ** 20;
  const content = noise(size);
  const opened = await openDataset({ files: { 'a.parquet': content, 'b.parquet': noise(size, 2) } });
  const own = join(opened.folder, 'own');
  const ranges = () => readdirSync(join(own, 'hub/ranges')).filter((name) => name.endsWith('.bytes')).length;
  const room = new Room(own, 2 * 2 ** 20);
  const open = async (path: string) =>
    opened.dataset.remote(await fileOf(opened.dataset, path), undefined, room);
  const first = await open('a.parquet');
  await first.read(size - 2 ** 20, size);
  const [piece] = (await piecesOf(own)).filter(({ name }) => name.includes('ranges'));
  expect(piece!.bytes).toBeGreaterThan(2 ** 20);
  expect(piece!.bytes).toBeLessThan(2 * 2 ** 20);
  const second = await open('b.parquet');
  await second.read(0, 2 ** 20);
  // Open, though there is too much.
  expect(ranges()).toBe(2);
  await first.close!();
  await second.read(2 ** 20, 2 ** 20 + 2 ** 19);
  expect(ranges()).toBe(1);
  const again = await open('a.parquet');
  const bytes = await again.read(size - 2 ** 20, size);
  expect(Buffer.compare(bytes, content.subarray(size - 2 ** 20))).toBe(0);
  await Promise.all([again.close!(), second.close!()]);
  await room.settle();
  expect((await piecesOf(own)).reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(room.limit);
});

test('what was found out stays for a month, and what is not ours for ever', async () => {
  const folder = testFolder();
  const path = await pack(folder, 'one.tar', 10, 1);
  await (await load(folder, path, 1e9)).dataset.supply.close();
  const cache = join(folder, 'cache');
  write(cache, { 'mine.txt': 'x'.repeat(100_000), 'photos/a.png': 'x'.repeat(100_000) });
  const memos = () =>
    readdirSync(join(cache, `pixels-${SIZE}-cover-v3`)).filter((name) => name.startsWith('memo-'));
  const before = memos();
  expect(before.length).toBeGreaterThan(0);
  const all = new Room(cache, 1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  await Promise.all([new Room(cache, 1).settle(), new Room(cache, 1).settle()]);
  expect([memos(), archives(folder)]).toEqual([before, []]);
  for (const name of before) age(join(cache, `pixels-${SIZE}-cover-v3`, name), 31 * 24 * 3600);
  await new Room(cache, 1).settle();
  expect(memos()).toEqual([]);
  expect([existsSync(join(cache, 'mine.txt')), existsSync(join(cache, 'photos/a.png'))]).toEqual([
    true,
    true,
  ]);
  expect(await all.excess()).toBe(0);
});

test('what a process decodes stays while it decodes more, whatever the room that others need', async () => {
  const folder = testFolder();
  const [one, two] = [await pack(folder, 'one.tar', 20, 1), await pack(folder, 'two.tar', 20, 2)];
  // Room for one archive: each process finds the cache too full all the time.
  const both = [one, two].map((path) => decoder(folder, path, 30 * FILE_BYTES));
  expect(await Promise.all(both)).toEqual(['20\n', '20\n']);
  // They ended without a word.
  expect(readdirSync(join(folder, 'cache/held'))).toEqual([]);
});

/** A process that decodes an archive; what it says. */
function decoder(folder: string, path: string, limit: number): Promise<string> {
  const script = `${path}.mts`;
  const module = new URL('../../src/data/dataset.ts', import.meta.url).href;
  const given = options(folder, { data: [path], imageSize: 64, cacheLimit: limit / 1e9 });
  writeFileSync(
    script,
    `import { loadDataset } from ${JSON.stringify(module)};
     await loadDataset(${JSON.stringify(given)}).then(
       ({ names }) => console.log(names.length),
       ({ message }) => console.log(message),
     );`,
  );
  const child = spawn(process.execPath, ['--import', 'tsx', script], { cwd: root });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (said += text));
  return new Promise((resolve) => child.once('close', () => resolve(said)));
}

/** A process that holds a piece of the cache. */
function holder(cache: string, name: string) {
  const script = join(cache, '..', 'hold.mts');
  const module = new URL('../../src/data/cache/cache_budget.ts', import.meta.url).href;
  writeFileSync(
    script,
    `import { Room } from ${JSON.stringify(module)};
     await new Room(${JSON.stringify(cache)}).hold(${JSON.stringify(name)});
     console.log('held');
     setInterval(() => {}, 1000);`,
  );
  const words = ['--import', 'tsx', script];
  const child = spawn(process.execPath, words, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  return {
    said: new Promise<string>((resolve) => child.stdout.setEncoding('utf8').once('data', resolve)),
    ended: new Promise((resolve) => child.once('close', resolve)),
    kill: () => child.kill('SIGKILL'),
    pid: child.pid,
  };
}
