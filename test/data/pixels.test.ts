/** The cache when things go wrong around it: full disks, killed processes, leftovers. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { newName, ownerTag } from '../../src/base/file_owner.ts';
import { contentHash, PixelCache } from '../../src/data/cache/pixel_cache.ts';
import { type DatasetOptions, loadDataset } from '../../src/data/dataset.ts';
import { options, plain, testFolder, write } from './made.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Images that are 3 MB each when decoded to 1,024 pixels: 22 fill a segment. */
async function images(folder: string, count: number): Promise<DatasetOptions> {
  const files = await Promise.all(Array.from({ length: count }, (_, i) => plain(i, 2)));
  write(folder, Object.fromEntries(files.map((file, i) => [`data/${i % 2 ? 'a' : 'b'}/${i}.png`, file])));
  return options(folder, { data: [join(folder, 'data')], imageSize: 1024 });
}

interface Loading {
  /** All it said, once it has ended. */
  ended: Promise<string>;
  kill(): void;
}

/** `loadDataset` in a process of its own, which says "loaded" or what was thrown. */
function loadElsewhere(folder: string, given: DatasetOptions, before = ''): Loading {
  const script = join(folder, 'load.mts');
  const dataset = new URL('../../src/data/dataset.ts', import.meta.url).href;
  writeFileSync(
    script,
    `import { loadDataset } from ${JSON.stringify(dataset)};
     process.on('SIGXFSZ', () => {});
     await loadDataset(${JSON.stringify(given)}).then(
       ({ labels }) => console.log('loaded ' + labels.length),
       (error) => console.log(error.name + ': ' + error.message),
     );`,
  );
  const words = ['-c', `${before}exec "$0" --import tsx "$1"`, process.execPath, script];
  const child = spawn('bash', words, { cwd: root });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
  onTestFinished(() => void child.kill('SIGKILL'));
  return {
    ended: new Promise((resolve) => child.on('close', () => resolve(said))),
    kill: () => child.kill('SIGKILL'),
  };
}

/** How many images a load has to decode. */
async function decodes(given: DatasetOptions): Promise<number> {
  let decoded = 0;
  const dataset = await loadDataset({
    ...given,
    onProgress: ({ stage, total }) => {
      if (stage === 'decode') decoded = total!;
    },
  });
  for (const path of dataset.pixelFiles) {
    const { size } = statSync(path);
    expect((size - 4096) % (given.imageSize ** 2 * 3)).toBe(0);
  }
  return decoded;
}

describe('a full disk', () => {
  const message = (cacheDir: string) =>
    `UserError: The disk is full: decoded images did not fit in "${cacheDir}"; free some space, choose another folder with --cache, or keep less there with --cache-limit\n`;

  test('no space: named, and nothing left that could be taken for whole', async () => {
    const folder = testFolder();
    const given = await images(folder, 8);
    mkdirSync(given.cacheDir);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=10m', 'tmpfs', given.cacheDir], { stdio: 'pipe' });
    } catch {
      console.log('No tmpfs can be mounted here: only a limit on the size of files stands for a full disk.');
      return;
    }
    onTestFinished(() => void execFileSync('umount', [given.cacheDir]));
    console.log('A full tmpfs of 10 MB stands for a full disk (ENOSPC).');
    expect(await loadElsewhere(folder, given).ended).toBe(message(given.cacheDir));
    expect(readdirSync(given.cacheDir, { recursive: true })).toEqual(['pixels-1024-cover-v3']);
    // Smaller pictures fit.
    expect(await decodes({ ...given, imageSize: 256 })).toBe(8);
    expect(await decodes({ ...given, imageSize: 256 })).toBe(0);
  });

  test('a limit on the size of files (EFBIG): the same; afterwards all is well', async () => {
    const folder = testFolder();
    const given = await images(folder, 8);
    expect(await loadElsewhere(folder, given, 'ulimit -f 10000; ').ended).toBe(message(given.cacheDir));
    const left = readdirSync(join(given.cacheDir, 'pixels-1024-cover-v3'));
    expect(left.filter((name) => !name.startsWith('memo-'))).toEqual([]);
    expect(await decodes(given)).toBe(8);
  });
});

test('killed: what was sealed is not decoded again, the rest is', async () => {
  const folder = testFolder();
  const given = await images(folder, 40);
  const cache = join(given.cacheDir, 'pixels-1024-cover-v3');
  const loading = loadElsewhere(folder, given);
  const isSealed = () => existsSync(cache) && readdirSync(cache).some((name) => /^\w.*\.json$/.test(name));
  while (!isSealed()) await new Promise((resolve) => setTimeout(resolve, 1));
  loading.kill();
  expect(await loading.ended).toBe('');
  expect(await decodes(given)).toBe(40);
  const counts = readdirSync(cache)
    .filter((name) => name.endsWith('.pixels'))
    .map((name) => (statSync(join(cache, name)).size - 4096) / (1024 * 1024 * 3));
  // 22 of before the kill were kept, 18 came now; a `.pixels` whose index was not written yet does not count.
  expect(counts).toContain(22);
  expect(counts).toContain(18);
});

test('leftovers of dead processes go at once, those of other machines after a day; those of the living stay', async () => {
  const folder = testFolder();
  const cache = join(folder, 'pixels-8-cover-v3');
  const deadPid = Number(execFileSync('bash', ['-c', 'echo $$'], { encoding: 'utf8' }));
  const own = newName();
  const dead = own.replace(ownerTag(), ownerTag(deadPid));
  const other = dead.replace(/-[0-9a-f]{8}-(\d+-[0-9a-f]{8})$/, '-00000000-$1');
  const day = 24 * 3600;
  const files: [name: string, age: number, stays: boolean][] = [
    [`.${dead}.tmp`, 1, false],
    [`.${own}.tmp`, 600, true],
    [`.${other}.tmp`, 600, true],
    [`.${other}2.tmp`, 2 * day, false],
    ['.foreign.tmp', 2 * day, false],
    [`${dead}.pixels`, 1, false],
    [`${own}.pixels`, 600, true],
    [`${other}.pixels`, 2 * day, false],
  ];
  for (const [name, age] of files) {
    write(cache, { [name]: 'x' });
    const time = Date.now() / 1000 - age;
    utimesSync(join(cache, name), time, time);
  }
  await PixelCache.open({ cacheDir: folder, size: 8, fit: 'cover', limit: Number.POSITIVE_INFINITY });
  expect(readdirSync(cache).sort()).toEqual(files.flatMap(([name, , stays]) => (stays ? [name] : [])).sort());
});

test('two processes fill one cache at a time', async () => {
  const folder = testFolder();
  const given = await images(folder, 12);
  const small = { ...given, imageSize: 64 };
  const both = [loadElsewhere(folder, small), loadElsewhere(folder, small)];
  expect(await Promise.all(both.map(({ ended }) => ended))).toEqual(['loaded 12\n', 'loaded 12\n']);
  expect(await decodes(small)).toBe(0);
});

test('places over many segments', async () => {
  const folder = testFolder();
  const pixels = (i: number) => new Uint8Array(4 * 4 * 3).fill(i);
  const content = (i: number) => contentHash(Uint8Array.of(i));
  for (let begin = 0; begin < 30; begin += 5) {
    const cache = await PixelCache.open({
      cacheDir: folder,
      size: 4,
      fit: 'fill',
      limit: Number.POSITIVE_INFINITY,
    });
    for (let i = begin; i < begin + 5; i++) await cache.add(content(i), pixels(i), 'A'.repeat(96));
    await cache.seal();
  }
  const cache = await PixelCache.open({
    cacheDir: folder,
    size: 4,
    fit: 'fill',
    limit: Number.POSITIVE_INFINITY,
  });
  const { readFile } = await import('node:fs/promises');
  for (let i = 0; i < 30; i++) {
    const { path, row } = cache.place(content(i));
    const bytes = await readFile(path);
    expect(bytes.subarray(4096 + row * 48, 4096 + row * 48 + 48)).toEqual(Buffer.from(pixels(i)));
  }
  expect(cache.has(content(30))).toBe(false);
  rmSync(folder, { recursive: true });
});
