/** The lock: what a source was made of when it was first used is what it must be made of. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { type DatasetOptions, loadDataset } from '../../src/data/dataset.ts';
import { options, outcome, parquet, plain, testFolder, write } from './made.ts';

let folder: string;
let lock: string;
beforeEach(async () => {
  folder = testFolder();
  lock = join(folder, 'birbs.lock.json');
  await photos('photos');
});

/** Two classes of two images, and a file that is no image. */
async function photos(name: string): Promise<void> {
  const images = await Promise.all([1, 2, 3, 4].map((number) => plain(number)));
  write(join(folder, name), {
    'bird/a.png': images[0]!,
    'bird/b.png': images[1]!,
    'not-bird/c.png': images[2]!,
    'not-bird/d.png': images[3]!,
    'not-bird/text.jpg': 'no image',
  });
}

const load = (given: Partial<DatasetOptions> = {}) =>
  loadDataset(options(folder, { data: [join(folder, 'photos')], lock, ...given }));
/** What is said, without the folder of the test. */
const said = async (given: Partial<DatasetOptions> = {}) => {
  const result = await outcome(load(given));
  return typeof result === 'string' ? result.replaceAll(`${folder}/`, '') : 'loaded';
};
const locked = () => JSON.parse(readFileSync(lock, 'utf8'));
const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex');
const file = (...names: string[]) => join(folder, 'photos', ...names);

test('written at first use: every image, by name, size and sha256; the next run finds it right', async () => {
  const { lock: facts } = await load();
  expect(facts).toMatchObject({ file: lock, written: true, sources: [{ source: 'photos', files: 5 }] });
  const { sources, root, ...head } = locked();
  expect(head).toEqual({ format: 'birbs-lock', version: 1 });
  expect(sources).toEqual([
    { source: 'photos', as: 'data', kind: 'folder', hash: expect.any(String), files: expect.any(Array) },
  ]);
  const names = ['bird/a.png', 'bird/b.png', 'not-bird/c.png', 'not-bird/d.png', 'not-bird/text.jpg'];
  const sums = execFileSync('sha256sum', names, { cwd: file(), encoding: 'utf8' }).trim().split('\n');
  expect(sources[0].files).toEqual(
    names.map((name, i) => [name, readFileSync(file(name)).length, sums[i]!.split(' ')[0]]),
  );
  expect(facts!.root).toBe(root);
  const again = await load();
  expect(again.lock).toEqual({ ...facts, written: false });
});

test('names in another Unicode form are the same names, of files, folders and sources', async () => {
  const [nfc, nfd] = ['Zaunk\u00f6nig', 'Zaunko\u0308nig'];
  const source = join(folder, nfc);
  const loadIt = () => load({ data: [source] });
  const names = async (name: string) =>
    write(folder, {
      [`${name}/${name}/${name}.png`]: await plain(1),
      [`${name}/${name}/z.png`]: await plain(2),
      [`${name}/owl/1.png`]: await plain(3),
    });
  await names(nfc);
  const { lock: before } = await loadIt();
  rmSync(source, { recursive: true });
  await names(nfd);
  const { lock: after, classNames, skipped } = await loadIt();
  expect([after!.root, after!.written]).toEqual([before!.root, false]);
  expect([classNames, skipped]).toEqual([[nfc, 'owl'], []]);
  writeFileSync(join(folder, nfd, nfd, 'z.png'), await plain(4));
  expect(await outcome(loadIt())).toContain(`${nfc}/z.png (other bytes)`);
  rmSync(join(folder, nfd, nfd, 'z.png'));
  expect(await outcome(loadIt())).toContain(`${nfc}/z.png (gone)`);
});

test('the hashes are those of the formula, and know no order', async () => {
  await load();
  await load({ birds: [file('bird')], notBirds: [file('not-bird')] });
  const { sources, root } = locked();
  expect(sources.map(({ source, as }: { source: string; as: string }) => `${source} ${as}`)).toEqual([
    'photos data',
    'photos/bird birds',
    'photos/not-bird not-birds',
  ]);
  const hashes = sources.map(
    ({ source, as, kind, files }: { source: string; as: string; kind: string; files: string[][] }) =>
      sha256(`${source}\0${as}\0${kind}\0\n${files.map((one) => `${one.join('\0')}\0\n`).join('')}`),
  );
  expect(sources.map(({ hash }: { hash: string }) => hash)).toEqual(hashes);
  expect(root).toBe(sha256(hashes.map((hash: string) => `${hash}\n`).join('')));
  const one = await load({ data: [], birds: [file('bird')], notBirds: [file('not-bird')] });
  const other = await load({ data: [], notBirds: [file('not-bird')], birds: [file('bird')] });
  expect(one.lock!.root).toBe(other.lock!.root);
  expect(one.lock!.root).not.toBe(root);
});

describe('a change is refused, by name', () => {
  const changes: [string, () => unknown, string][] = [
    [
      'other bytes',
      async () => writeFileSync(file('bird/a.png'), await plain(9)),
      'bird/a.png (other bytes)',
    ],
    ['a new file', async () => writeFileSync(file('bird/z.png'), await plain(9)), 'bird/z.png (new)'],
    ['a file gone', () => rmSync(file('not-bird/c.png')), 'not-bird/c.png (gone)'],
    [
      'what is no image',
      () => writeFileSync(file('not-bird/text.jpg'), 'another'),
      'not-bird/text.jpg (other bytes)',
    ],
  ];
  test.each(changes)('%s', async (_, change, what) => {
    const { lock: before } = await load();
    await change();
    const refusal = `UserError: 1 file of photos changed since birbs.lock.json was written: ${what}; run again with --update-lock to accept`;
    expect(await said()).toBe(refusal);
    // The images are in the cache by now: it is refused all the same, and the lock is as it was.
    expect(await said()).toBe(refusal);
    expect(locked().root).toBe(before!.root);
    expect(await said({ updateLock: true })).toBe('loaded');
    expect(await said()).toBe('loaded');
    expect(locked().root).not.toBe(before!.root);
  });

  test('several; only the first are named', async () => {
    await load();
    for (let i = 0; i < 7; i++) writeFileSync(file('bird', `n${i}.png`), await plain(20 + i));
    expect(await said()).toContain('7 files of photos changed');
    expect(await said()).toContain('bird/n3.png (new), bird/n4.png (new), ...;');
  });

  test('other bytes with size and time as they were: only when verified', async () => {
    const [one, other] = [await plain(1), await plain(2)];
    const padded = Buffer.concat([other, Buffer.alloc(Math.max(0, one.length - other.length))]);
    expect(padded.length).toBe(one.length);
    const time = new Date(1_700_000_000_000);
    utimesSync(file('bird/a.png'), time, time);
    await load();
    writeFileSync(file('bird/a.png'), padded);
    utimesSync(file('bird/a.png'), time, time);
    expect(await said()).toBe('loaded');
    expect(await said({ verify: true })).toContain('bird/a.png (other bytes)');
  });

  test('new files are known before anything is decoded', async () => {
    await load();
    writeFileSync(file('bird/z.png'), await plain(9));
    const stages: string[] = [];
    await outcome(load({ onProgress: ({ stage }) => stages.push(stage) }));
    expect(stages).not.toContain('decode');
  });
});

describe('parquet files', () => {
  const path = () => join(folder, 'sets/train-0.parquet');
  const given = () => ({ data: [join(folder, 'sets/*.parquet?label=bird')] });
  const content = async (number: number) =>
    parquet({ images: [await plain(number), await plain(7)], labels: ['bird', 'cat'] });

  test('are locked whole, and read again when time or size changed, or to verify', async () => {
    write(folder, { 'sets/train-0.parquet': await content(5), 'sets/train-1.parquet': await content(6) });
    const { lock: facts } = await load(given());
    expect(facts!.sources[0]).toMatchObject({ source: 'sets/*.parquet?label=bird', files: 2 });
    const bytes = readFileSync(path());
    expect(locked().sources[0].files[0]).toEqual(['train-0.parquet', bytes.length, sha256(bytes)]);
    let read = 0;
    const onProgress: DatasetOptions['onProgress'] = ({ stage, bytes: so = 0 }) => {
      if (stage === 'verify') read = so;
    };
    await load({ ...given(), onProgress });
    expect(read).toBe(0);
    await load({ ...given(), verify: true, onProgress });
    expect(read).toBe(facts!.sources[0]!.bytes);
    const time = new Date(1_700_000_000_000);
    const put = (content: Buffer) => {
      writeFileSync(path(), content);
      utimesSync(path(), time, time);
    };
    put(bytes);
    expect(await said(given())).toBe('loaded');
    // A byte of a page; nothing in the file would tell.
    const other = Buffer.from(bytes);
    other[40]! ^= 1;
    put(other);
    expect(await said(given())).toBe('loaded');
    expect(await said({ ...given(), verify: true })).toContain('train-0.parquet (other bytes)');
    utimesSync(path(), time, new Date());
    expect(await said(given())).toContain('train-0.parquet (other bytes)');
  });

  test('beside them the demo is held by its packages: not written down, but in the root', async () => {
    const { lock: facts } = await load({
      data: [],
      birds: ['demo?label=bird'],
      notBirds: [file('not-bird')],
    });
    expect(locked().sources.map(({ source }: { source: string }) => source)).toEqual(['photos/not-bird']);
    expect(facts!.sources).toMatchObject([{ source: 'demo?label=bird', files: 8 }, { files: 3 }]);
    expect(facts!.root).not.toBe(locked().root);
  });
});

test('the lock is right on another machine: nothing in it but names, sizes and sums', async () => {
  await load();
  const copy = testFolder();
  cpSync(join(folder, 'photos'), join(copy, 'photos'), { recursive: true });
  cpSync(lock, join(copy, 'birbs.lock.json'));
  expect(readFileSync(lock, 'utf8')).not.toContain(folder);
  const there = options(copy, { data: [join(copy, 'photos/')], lock: join(copy, 'birbs.lock.json') });
  const { lock: facts } = await loadDataset(there);
  expect(facts).toMatchObject({ written: false, root: locked().root });
});

test('runs of different sources at a time keep the entries of all', async () => {
  const others = ['a', 'b', 'c', 'd'];
  for (const name of others) await photos(name);
  await Promise.all([load(), ...others.map((name) => load({ data: [join(folder, name)] }))]);
  expect(locked().sources.map(({ source }: { source: string }) => source)).toEqual([...others, 'photos']);
});

describe('a lock that is', () => {
  const change = (change: (json: ReturnType<typeof locked>) => void) => () => {
    const json = locked();
    change(json);
    writeFileSync(lock, JSON.stringify(json));
  };
  const advice = 'restore it from version control, or delete it so that it is written again';
  const cases: [string, () => unknown, string][] = [
    [
      'cut short',
      () => writeFileSync(lock, readFileSync(lock).subarray(0, 200)),
      `is damaged: it is not JSON; ${advice}`,
    ],
    [
      'another JSON file',
      () => writeFileSync(lock, '[1]'),
      `is damaged: it is no lock of birbs-metal; ${advice}`,
    ],
    ['null', () => writeFileSync(lock, 'null'), `is damaged: it is no lock of birbs-metal; ${advice}`],
    [
      'without entries',
      change((json) => {
        delete json.sources;
      }),
      `is damaged: its entries are not complete; ${advice}`,
    ],
    [
      'edited by hand',
      change((json) => {
        json.sources[0].files[0][1] += 1;
      }),
      `is damaged: its root hash does not fit its entries; ${advice}`,
    ],
    [
      'of a newer version',
      change((json) => {
        json.version = 2;
      }),
      'is of version 2, but this birbs-metal reads version 1; update birbs-metal, or choose another with --lock',
    ],
    ['a folder', () => mkdirSync(lock), "can't be read (EISDIR); choose another with --lock"],
  ];
  test.each(cases)('%s', async (what, damage, message) => {
    await load();
    if (what === 'a folder') rmSync(lock);
    await damage();
    expect(await said()).toBe(`UserError: The lock birbs.lock.json ${message}`);
  });

  test('in a folder that can not be written to: a notice, and the run goes on', async () => {
    const closed = join(folder, 'no/such/folder/birbs.lock.json');
    const { lock: facts, labels } = await load({ lock: closed });
    expect(labels.length).toBe(4);
    expect(facts).toMatchObject({
      written: false,
      notice: `${closed} could not be written (ENOENT): the files of this run are not locked`,
    });
  });
});

test('an image that could not be read from the start is held to that', async () => {
  const broken = file('bird/broken.png');
  // A file that the system can't read: of root, too.
  symlinkSync('/proc/self/mem', broken);
  if (process.platform !== 'linux') return;
  for (const written of [true, false]) {
    const { lock, skipped } = await load();
    expect([lock!.written, skipped[0]!.reason]).toEqual([written, 'could not be read (EIO)']);
  }
  rmSync(broken);
  writeFileSync(broken, await plain(9));
  expect(await said()).toContain('bird/broken.png (other bytes)');
  expect(await said({ updateLock: true })).toBe('loaded');
  rmSync(broken);
  symlinkSync('/proc/self/mem', broken);
  expect(await said()).toContain("bird/broken.png (can't be read)");
});

test('an image that can not be read is told, not passed over', async () => {
  await load();
  rmSync(file('bird/a.png'));
  mkdirSync(file('bird/a.png'));
  expect(await said()).toContain('bird/a.png (gone)');
  rmSync(file('bird/a.png'), { recursive: true });
  writeFileSync(file('bird/a.png'), await plain(1));
  chmodSync(file('bird/a.png'), 0);
  if (process.getuid?.() === 0) return;
  expect(await said()).toContain("bird/a.png (can't be read)");
});
