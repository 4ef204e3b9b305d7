/** Data larger than the cache, and a cache that several processes share: what is evicted, and what comes out. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { describe, expect, onTestFinished, test } from 'vitest';
import { PixelCache } from '../../src/data/cache/pixel_cache.ts';
import { type Dataset, type DatasetOptions, loadDataset } from '../../src/data/dataset.ts';
import { DECODES_IN_FLIGHT, decodeImage } from '../../src/data/decode.ts';
import { fillPart, preparePart } from '../../src/data/fill.ts';
import type { Images } from '../../src/data/images.ts';
import { openImages } from '../../src/data/loader.ts';
import type { Part } from '../../src/data/part.ts';
import type { Augmentation } from '../../src/model/addon.ts';
import { train } from '../../src/train.ts';
import type { TrainEvent } from '../../src/training/train_events.ts';
import { pictureFolder } from '../images.ts';
import { options, outcome, parquet, testFolder, write } from './made.ts';

/** A segment has a header of 4,096 bytes: small beside images of this size. */
const SIZE = 128;
const BYTES = SIZE * SIZE * 3;
const root = fileURLToPath(new URL('../..', import.meta.url));

/** A picture with something to shift and to mirror. */
async function picture(number: number): Promise<Buffer> {
  const raw = Buffer.from(
    Array.from({ length: 8 * 8 * 3 }, (_, i) => (i * 29 + number * 53 + ((i * number) % 97)) % 256),
  );
  return sharp(raw, { raw: { width: 8, height: 8, channels: 3 } })
    .png()
    .toBuffer();
}

/** A folder with `count` images in two classes, every one another. */
async function pictures(folder: string, count: number, first = 0): Promise<void> {
  const files = await Promise.all(Array.from({ length: count }, (_, i) => picture(first + i)));
  write(folder, Object.fromEntries(files.map((file, i) => [`${i % 3 ? 'b' : 'a'}/${100 + i}.png`, file])));
}

function given(folder: string, limit: number, data = 'data'): DatasetOptions {
  return options(folder, { data: [join(folder, data)], imageSize: SIZE, cacheLimit: (limit * BYTES) / 1e9 });
}

/** Size of the pixel files of a cache, in images. */
function kept(folder: string): number {
  const cache = join(folder, 'cache');
  const files = readdirSync(cache, { recursive: true, encoding: 'utf8' });
  const pixels = files.filter((name) => /\.(pixels|tmp)$/.test(name));
  return pixels.reduce((sum, name) => sum + statSync(join(cache, name)).size, 0) / BYTES;
}

const shuffled = (count: number) => Uint32Array.from({ length: count }, (_, i) => (i * 37 + 11) % count);

const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** The batches: positions, and a hash an image. */
async function collect(images: Images, order: Uint32Array, batchSize: number, augmentation?: Augmentation) {
  const found: { positions: number[]; hashes: string[] }[] = [];
  for await (const { positions, images: bytes } of images.batches(order, { batchSize, augmentation })) {
    const hashes = Array.from(positions, (_, i) => hash(bytes.subarray(i * BYTES, (i + 1) * BYTES)));
    found.push({ positions: [...positions], hashes });
  }
  return found;
}

async function open(dataset: Dataset, seed = 1): Promise<Images> {
  const images = await openImages(dataset, { threads: 2, seed });
  onTestFinished(() => images.dispose());
  return images;
}

const augmentation: Augmentation = {
  ...{ seed: 5, step: 40, flip: 0.5, shift: 20, brightnessProbability: 1, brightness: 0.3 },
  ...{ contrastProbability: 0.5, contrast: 0.2 },
};

describe('a set larger than the cache', () => {
  test('comes window by window: the same batches as from a cache that holds all', async () => {
    const folder = testFolder();
    await pictures(join(folder, 'data'), 50);
    const whole = await loadDataset({ ...given(folder, 1e6), cacheDir: join(folder, 'whole') });
    const dataset = await loadDataset(given(folder, 36));
    expect(whole.stream).toBeUndefined();
    expect(dataset.stream).toEqual({
      windowImages: 12,
      imageSize: SIZE,
      bytes: 50 * BYTES,
      limit: 36 * BYTES,
    });
    expect([dataset.hash, dataset.names, [...dataset.groups]]).toEqual([
      whole.hash,
      whole.names,
      [...whole.groups],
    ]);
    const [images, all] = [await open(dataset), await open(whole)];
    // Some twice, as oversampling does.
    const order = Uint32Array.of(...shuffled(50), 3, 3, 49);
    const arranged = await images.arrange(order, 1);
    expect([...arranged].sort()).toEqual([...order].sort());
    expect(await all.arrange(order, 1)).toBe(order);
    for (const augment of [undefined, augmentation]) {
      const found = await collect(images, arranged, 7, augment);
      expect(found).toEqual(await collect(all, arranged, 7, augment));
      expect(found.flatMap(({ positions }) => positions)).toEqual([...arranged]);
    }
    // Whatever order is asked for, and any piece of one: as a resumed epoch asks.
    expect(await collect(images, order, 20)).toEqual(await collect(all, order, 20));
    expect(await collect(images, arranged.slice(16), 8)).toEqual(await collect(all, arranged.slice(16), 8));
    const output = new Uint8Array(2 * BYTES);
    await images.assemble(Uint32Array.of(49, 0), output);
    const expected = await decodeImage(await readFile(dataset.names[49]!), { size: SIZE, fit: 'cover' });
    expect(Buffer.compare(output.subarray(0, BYTES), expected)).toBe(0);
  });

  test('windows are runs of the data, visited by the lot of seed and epoch; within one the order stays', async () => {
    const folder = testFolder();
    await pictures(join(folder, 'data'), 50);
    const dataset = await loadDataset(given(folder, 36));
    const images = await open(dataset);
    const order = shuffled(50);
    const visits = async (of: Images, epoch: number) => {
      const arranged = [...(await of.arrange(order, epoch))];
      const runs: number[][] = [];
      for (const position of arranged) {
        const window = Math.floor(position / 12);
        if (runs.at(-1)?.[0] !== window) runs.push([window]);
        runs.at(-1)!.push(position);
      }
      for (const [window, ...members] of runs) {
        expect(members).toEqual([...order].filter((position) => Math.floor(position / 12) === window));
      }
      return runs.map(([window]) => window!);
    };
    const first = await visits(images, 1);
    expect([...first].sort()).toEqual([0, 1, 2, 3, 4]);
    expect(await visits(images, 1)).toEqual(first);
    const others = await Promise.all([2, 3, 4, 5].map((epoch) => visits(images, epoch)));
    expect(new Set([first, ...others].map(String)).size).toBeGreaterThan(2);
    const otherSeed = await open(dataset, 2);
    const again = await Promise.all([1, 2, 3].map((epoch) => visits(otherSeed, epoch)));
    expect(again).not.toEqual([first, ...others].slice(0, 3));
  });

  test('the cache keeps its limit all the time, and a second start reads no image to know them all', async () => {
    const folder = testFolder();
    await pictures(join(folder, 'data'), 60);
    let decoded = 0;
    const options: DatasetOptions = {
      ...given(folder, 36),
      onProgress: ({ stage, done }) => {
        if (stage === 'decode') decoded = done!;
      },
    };
    const first = await loadDataset(options);
    expect([decoded, kept(folder) <= 36]).toEqual([60, true]);
    decoded = 0;
    const second = await loadDataset(options);
    expect([decoded, second.hash]).toEqual([0, first.hash]);
    const images = await open(second);
    const sizes: number[] = [];
    for (const epoch of [1, 2]) {
      const order = await images.arrange(shuffled(60), epoch);
      for await (const _ of images.batches(order, { batchSize: 4 })) sizes.push(kept(folder));
    }
    expect(sizes).toHaveLength(30);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(36);
  });

  test('parquet comes in windows too, after its reader was closed', async () => {
    const folder = testFolder();
    const images = await Promise.all(Array.from({ length: 40 }, (_, i) => picture(i)));
    const labels = images.map((_, i) => (i % 2 ? 'a' : 'b'));
    write(folder, { 'data.parquet': parquet({ images, labels, rowsAGroup: 7 }) });
    const dataset = await loadDataset(given(folder, 24, 'data.parquet'));
    expect(dataset.stream?.windowImages).toBe(8);
    const expected = await Promise.all(
      images.map((image) => decodeImage(image, { size: SIZE, fit: 'cover' })),
    );
    for (const { positions, hashes } of await collect(await open(dataset), shuffled(40), 5)) {
      expect(hashes).toEqual(positions.map((position) => hash(expected[position]!)));
    }
  });

  test('too large only while duplicates were not known: all is kept after all', async () => {
    const folder = testFolder();
    await pictures(join(folder, 'data'), 20);
    write(folder, Object.fromEntries([0, 1, 2].map((i) => [`data/a/${i}.jpg`, 'no image'])));
    for (let i = 0; i < 20; i++) {
      const label = i % 3 ? 'b' : 'a';
      write(folder, { [`data/${label}/again/${i}.png`]: await picture(i) });
    }
    const dataset = await loadDataset(given(folder, 24));
    expect([dataset.stream, dataset.duplicates, dataset.skipped.length]).toEqual([undefined, 20, 3]);
    expect(await collect(await open(dataset), shuffled(40), 40)).toHaveLength(1);
  });

  test('an image that is gone, or another one, when its window comes is named', async () => {
    const folder = testFolder();
    await pictures(join(folder, 'data'), 40);
    const dataset = await loadDataset(given(folder, 24));
    const images = await open(dataset);
    const order = Uint32Array.from({ length: 40 }, (_, i) => i);
    const [gone, other] = [dataset.names[0]!, dataset.names[30]!];
    rmSync(gone);
    expect(await outcome(collect(images, order, 4))).toBe(
      `UserError: Expected ${gone} as it was when the run began, but it could not be read (ENOENT); train again with the images as they are`,
    );
    writeFileSync(other, await picture(1000));
    expect(await outcome(collect(images, order.slice(1), 4))).toContain(
      `Expected ${other} as it was when the run began, but it is another image now;`,
    );
  });

  test('stops at the signal though a window is being filled, at a break quietly', async () => {
    const folder = testFolder();
    await pictures(join(folder, 'data'), 60);
    const images = await open(await loadDataset(given(folder, 24)));
    const order = shuffled(60);
    for await (const _ of images.batches(order, { batchSize: 4 })) break;
    const controller = new AbortController();
    const run = async () => {
      for await (const _ of images.batches(order, { batchSize: 4, signal: controller.signal })) {
        controller.abort(new Error('enough'));
      }
    };
    expect(await outcome(run())).toBe('Error: enough');
    expect(await outcome(run())).toBe('Error: enough');
    expect(await collect(images, order, 60)).toHaveLength(1);
  });
});

test('a training whose images come in windows says so, and is the same again', async () => {
  const folder = testFolder();
  await pictureFolder(join(folder, 'data'), 110, 110);
  const once = async (run: string) => {
    const told: TrainEvent[] = [];
    const results = await train(
      {
        ...{ data: [join(folder, 'data')], cache: join(folder, 'cache'), cacheLimit: 0.01, imageSize: SIZE },
        ...{ lock: join(folder, 'lock.json'), run: join(folder, run), device: 'cpu', epochs: 1, seed: 3 },
      },
      { onEvent: (event) => told.push(event) },
    );
    expect(kept(folder) * BYTES).toBeLessThanOrEqual(0.01e9);
    expect(told.find((event) => event.type === 'data')).toMatchObject({ stream: { windowImages: 67 } });
    expect(results).toMatchObject({ status: 'done', epochs: 1 });
    expect(results.best!.confusion.flat().reduce((a, b) => a + b)).toBe(44);
    return hash(await readFile(join(folder, run, 'last.safetensors')));
  };
  expect(await once('first')).toBe(await once('second'));
});

describe('a limit', () => {
  const load = (folder: string, data: string, limit: number) => loadDataset(given(folder, limit, data));

  test('evicts what was unused for longest, of any size and fit, never what is open', async () => {
    const folder = testFolder();
    for (const [i, name] of ['one', 'two', 'three', 'four'].entries()) {
      await pictures(join(folder, name), 10, 100 * i);
    }
    const isWhole = async (name: string) => {
      let decoded = 0;
      const onProgress: DatasetOptions['onProgress'] = ({ stage, done }) => {
        if (stage === 'decode') decoded = done!;
      };
      await loadDataset({ ...given(folder, 1e6, name), onProgress });
      return decoded === 0;
    };
    await load(folder, 'one', 36);
    await load(folder, 'two', 36);
    await load(folder, 'three', 36);
    const images = await open(await load(folder, 'two', 36));
    await load(folder, 'one', 36);
    expect((await load(folder, 'four', 24)).stream).toBeUndefined();
    // three was unused for longest; two is older than one, but open.
    expect(await isWhole('two')).toBe(true);
    expect(await isWhole('four')).toBe(true);
    expect([await isWhole('three'), await isWhole('one')]).toEqual([false, false]);
    await images.dispose();
    await loadDataset({ ...given(folder, 12, 'four'), fit: 'fill' });
    expect(kept(folder)).toBeLessThanOrEqual(12);
  });

  test('and no more than it must', async () => {
    const folder = testFolder();
    for (const [i, name] of ['one', 'two', 'three'].entries())
      await pictures(join(folder, name), 10, 100 * i);
    let decoded: string[] = [];
    const load = (name: string, limit: number) => {
      const onProgress: DatasetOptions['onProgress'] = ({ stage, source }) => {
        if (stage === 'decode') decoded.push(source);
      };
      return loadDataset({ ...given(folder, limit, name), onProgress });
    };
    await load('one', 1e6);
    await load('two', 1e6);
    await load('one', 1e6);
    await load('three', 30);
    decoded = [];
    await load('one', 1e6);
    await load('three', 1e6);
    expect(decoded).toEqual([]);
    await load('two', 1e6);
    expect(new Set(decoded)).toEqual(new Set([join(folder, 'two')]));
  });

  test('what another process evicts before it is open is decoded again', async () => {
    const folder = testFolder();
    await pictures(join(folder, 'data'), 10);
    const dataset = await load(folder, 'data', 1e6);
    const whole = await collect(await open(dataset), shuffled(10), 4);
    for (const path of dataset.pixelFiles) {
      rmSync(path);
      rmSync(path.replace(/pixels$/, 'json'));
    }
    expect(await collect(await open(dataset), shuffled(10), 4)).toEqual(whole);
  });

  test('two processes that evict what the other needs both get all of it', async () => {
    const folder = testFolder();
    await pictures(join(folder, 'data'), 40);
    const order = shuffled(40);
    const whole = await open(await loadDataset({ ...given(folder, 1e6), cacheDir: join(folder, 'whole') }));
    const expected = createHash('sha256');
    for await (const { images } of whole.batches(order, { batchSize: 5 })) expected.update(images);
    const both = [0, 1].map(() => startHolder(folder, given(folder, 24), order));
    const said = `${expected.digest('hex')}\n`;
    expect(await Promise.all(both.map((child) => child.said))).toEqual([said, said]);
    await Promise.all(both.map(({ ended }) => ended));
    // Each may have a segment more in work than it knows of the other.
    expect(kept(folder)).toBeLessThanOrEqual(24 + 4);
  });

  test('what another process has open stays, until it is killed', async () => {
    const folder = testFolder();
    await pictures(join(folder, 'one'), 10);
    await pictures(join(folder, 'two'), 10, 500);
    const child = startHolder(folder, given(folder, 36, 'one'));
    expect(await child.said).toBe('open\n');
    await load(folder, 'two', 12);
    expect(kept(folder)).toBeGreaterThan(20);
    child.kill();
    await child.ended;
    await loadDataset({ ...given(folder, 12, 'two'), fit: 'fill' });
    expect(kept(folder)).toBeLessThanOrEqual(12);
  });
});

describe('memory', () => {
  test.each([
    ['files', 40, 0, 1],
    ['pixels', 1, 40, 1],
    ['light ones', 1, 1, DECODES_IN_FLIGHT],
  ])('images in work are bounded by what they weigh: %s', async (_, megabytes, megapixels, most) => {
    const folder = testFolder();
    const cache = await PixelCache.open({
      cacheDir: folder,
      size: 8,
      fit: 'cover',
      limit: Number.POSITIVE_INFINITY,
    });
    const head = await picture(1);
    head.writeUInt32BE(1000, 16);
    head.writeUInt32BE(1000 * megapixels, 20);
    let [working, seen, asked] = [0, 0, 0];
    const part: Part = {
      ...{ key: 'x', nameOf: String },
      list: async () => ({ count: 12, labels: new Int32Array(12), labelNames: [], skipped: [], ignored: 0 }),
      async *read() {
        for (let index = 0; index < 12; index++) {
          // One more may be on its way from the disk.
          asked = Math.max(asked, working);
          yield { index, bytes: Buffer.concat([head, Buffer.alloc(megabytes * 2 ** 20, index)]) };
        }
      },
      async render() {
        seen = Math.max(seen, ++working);
        await new Promise((resolve) => setTimeout(resolve, 5));
        working -= 1;
        return new Uint8Array(8 * 8 * 3);
      },
    };
    const prepared = await preparePart(part, cache);
    await fillPart(prepared, cache, {
      size: 8,
      fit: 'cover',
      use: () => true,
      need: 'pixels',
      remember: false,
    });
    await cache.seal();
    expect(prepared.contents.every((content) => content !== '')).toBe(true);
    expect([seen, asked <= most]).toEqual([most, true]);
  });
});

/** A process that opens a data set and waits; or with an order, says the hash of all its images in it. */
function startHolder(folder: string, given: DatasetOptions, order?: Uint32Array) {
  const script = join(folder, `hold${order ? '-order' : ''}.mts`);
  const from = (name: string) => JSON.stringify(new URL(`../../src/data/${name}.ts`, import.meta.url).href);
  writeFileSync(
    script,
    `import { createHash } from 'node:crypto';
     import { loadDataset } from ${from('dataset')};
     import { openImages } from ${from('loader')};
     const images = await openImages(await loadDataset(${JSON.stringify(given)}), { threads: 1, seed: 1 });
     const order = ${JSON.stringify(order ? [...order] : null)};
     if (order) {
       const hash = createHash('sha256');
       for await (const batch of images.batches(Uint32Array.from(order), { batchSize: 5 })) hash.update(batch.images);
       console.log(hash.digest('hex'));
       await images.dispose();
     } else {
       console.log('open');
       setInterval(() => {}, 1000);
     }`,
  );
  const child = spawn(process.execPath, ['--import', 'tsx', script], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return {
    said: new Promise<string>((resolve) => child.stdout.setEncoding('utf8').once('data', resolve)),
    ended: new Promise((resolve) => child.once('close', resolve)),
    kill: () => child.kill('SIGKILL'),
  };
}
