/**
 * From parquet to pixels: bytes fetched, speed and memory, beside sharp alone, hyparquet, and PyTorch's DataLoader.
 */
import { execFile } from 'node:child_process';
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import sharp from 'sharp';
import { batches } from '../src/data/batches.ts';
import { DECODES_IN_FLIGHT, decodeImage } from '../src/data/decode.ts';
import type { Part } from '../src/data/part.ts';
import { parquetParts } from '../src/data/sources/parquet_source.ts';
import { parseSource, partsOf } from '../src/data/sources/source.ts';
import { loadAddon } from '../src/model/addon.ts';
import { openHub } from '../test/data/hub_server.ts';
import { LineChild } from './child.ts';
import { bare, secondsToCache, testImages } from './decode.ts';
import { writeShard } from './shards.ts';
import { type BenchResult, type MissingRival, median, rounded } from './timer.ts';

const SIZE = 64;
const BATCH = 32;
const ROUNDS = 3;
/** So often the images come again, made to differ: enough of them that starting a thread does not count. */
const REPEATS = 3;
const MB = 2 ** 20;
const PYTORCH = fileURLToPath(new URL('pytorch_data.py', import.meta.url));
const PYARROW = fileURLToPath(new URL('pyarrow_shard.py', import.meta.url));
const PEAK_AIM = 'aim: at most';
const run = promisify(execFile);
const MEMORY = fileURLToPath(new URL('data_memory.ts', import.meta.url));

export async function* data(): AsyncGenerator<BenchResult | MissingRival> {
  const folder = await mkdtemp(join(tmpdir(), 'birbs-bench-data-'));
  try {
    const { images, what } = await testImages();
    yield* fetched(folder, images);
    yield* memory(folder, images);
    const path = join(folder, 'photos.parquet');
    const more = Array.from({ length: REPEATS }, (_, i) =>
      images.map((image) => Buffer.concat([image, Buffer.from(`${i}`)])),
    ).flat();
    await writeShard(path, more.length, (row) => more[row]!, { rowsAGroup: 100, layout: 'image' });
    yield* toCache(path, more, what);
    yield* reading(path, more.length, what);
    yield* epochs(folder, path, more, what);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function line(what: string, unit: string, ours: number, rival: number, rivalName: string): BenchResult {
  const ratio = rounded(ours / rival);
  return { bench: 'data', case: what, unit, ours: rounded(ours), rival: rounded(rival), rivalName, ratio };
}

/** 3,000 of 6,000 images of six shards on a hub of this machine; they are made smaller, for the disk's sake. */
async function* fetched(folder: string, photos: Uint8Array[]) {
  const small = await Promise.all(
    photos.slice(0, 300).map((photo) => sharp(photo).resize(600).jpeg({ quality: 85 }).toBuffer()),
  );
  for (const rowsAGroup of [100, 1000]) {
    const files: Record<string, Uint8Array> = {};
    for (let shard = 0; shard < 6; shard++) {
      const path = join(folder, 'shard.parquet');
      const imageAt = (row: number) =>
        Buffer.concat([small[row % small.length]!, Buffer.alloc(2 + shard, row >> 8)]);
      await writeShard(path, 1000, imageAt, { rowsAGroup, layout: 'honey' });
      files[`train-0000${shard}-of-00006.parquet`] = await readFile(path);
    }
    const { sent, needed } = await fetch3000(folder, files);
    const groups = rowsAGroup === 100 ? 'row groups of 100 images' : 'one row group a shard';
    const rival = 'the bytes of these images, and footers; aim: ratio at most 1.15';
    yield line(`3,000 images of six shards, ${groups}: fetched`, 'MB', sent / MB, needed / MB, rival);
  }
}

async function fetch3000(folder: string, files: Record<string, Uint8Array>) {
  const hub = await openHub({ 'owner/honey': { files } });
  const before = { ...process.env };
  Object.assign(process.env, { HF_ENDPOINT: hub.endpoint, HF_HOME: join(folder, 'home') });
  const cacheDir = join(folder, 'fetched');
  try {
    const source = await parseSource('hf:owner/honey?limit=3000');
    const parts = await partsOf(source, { role: 'notBirds', labelled: false, size: SIZE, cacheDir });
    let needed = 0;
    for (const part of parts) needed += (await readPart(part)).bytes;
    for (const [name, bytes] of Object.entries(files)) {
      if (hub.sent[name])
        needed += 8 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(bytes.length - 8, true);
    }
    return { sent: Object.values(hub.sent).reduce((sum, bytes) => sum + bytes, 0), needed };
  } finally {
    process.env = before;
    await hub.close();
    await rm(cacheDir, { recursive: true, force: true });
  }
}

async function readPart(part: Part): Promise<{ images: number; bytes: number }> {
  const listing = await part.list();
  let [images, bytes] = [0, 0];
  for await (const image of part.read(listing, () => true)) {
    if ('problem' in image) throw new Error(image.problem);
    images += 1;
    bytes += image.bytes.length;
  }
  await part.close?.();
  return { images, bytes };
}

/** A shard of a gigabyte: in row groups of 100 MB, and in one of which no page can be read alone. */
async function* memory(folder: string, photos: Uint8Array[]): AsyncGenerator<BenchResult | MissingRival> {
  const path = join(folder, 'large.parquet');
  const mean = photos.reduce((sum, { length }) => sum + length, 0) / photos.length;
  const count = Math.ceil(2 ** 30 / mean);
  const imageAt = (row: number) => Buffer.concat([photos[row % photos.length]!, Buffer.from(`${row}`)]);
  await writeShard(path, count, imageAt, { rowsAGroup: Math.round((100 * MB) / mean), layout: 'image' });
  yield await peak(path, `${count} images, row groups of 100 MB`);
  const files = join(folder, 'photos');
  await mkdir(files);
  for (const [i, bytes] of photos.entries()) await writeFile(join(files, `${i}.jpg`), bytes);
  const what = `${count} images, one row group without page index, by pyarrow`;
  const python = process.env.BIRBS_PYTHON ?? 'python3';
  const written = await run(python, [PYARROW, files, String(count), path]).catch((error: Error) => error);
  if (written instanceof Error) {
    const missing = written.message.trim().split('\n').at(-1)!;
    yield { bench: 'data', case: what, rivalName: PEAK_AIM, missing };
  } else yield await peak(path, what);
}

/** Megabytes of a process that brings the file to pixels; the file is gone then. */
async function peak(path: string, name: string): Promise<BenchResult | MissingRival> {
  const { stdout } = await run(process.execPath, ['--import', 'tsx', MEMORY, path]);
  const what = `peak of ${Math.round(statSync(path).size / MB)} MB: ${name}`;
  await rm(path);
  if (!Number.isNaN(Number(stdout))) return line(what, 'MB', Number(stdout), 400, PEAK_AIM);
  const missing = 'this system has no /proc/self/status';
  return { bench: 'data', case: what, rivalName: PEAK_AIM, missing };
}

async function localParts(path: string): Promise<Part[]> {
  const context = { role: 'birds', labelled: false, size: SIZE, cacheDir: `${path}.cache` } as const;
  return parquetParts({ text: path, kind: 'parquet', path }, context);
}

async function* toCache(path: string, images: Uint8Array[], what: string) {
  for (const size of [64, 256]) {
    const [ours, rival] = await inTurns(
      async () => secondsToCache(await localParts(path), size),
      () => bare(images, size),
    );
    const name = `sharp alone, from memory, ${DECODES_IN_FLIGHT} in flight; aim: 0.9`;
    const count = images.length;
    yield line(
      `${count} ${what}: parquet to cached ${size} px`,
      'images/s',
      count / ours,
      count / rival,
      name,
    );
  }
}

/** Medians of both, in alternating order; the first round warms up. */
async function inTurns(ours: () => Promise<number>, rival: () => Promise<number>): Promise<[number, number]> {
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round <= ROUNDS; round++) {
    const turns = [async () => times[0].push(await ours()), async () => times[1].push(await rival())];
    for (const turn of round % 2 === 0 ? turns : turns.reverse()) await turn();
  }
  return [median(times[0].slice(1)), median(times[1].slice(1))];
}

async function* reading(path: string, count: number, what: string) {
  const [ours, rival] = await inTurns(
    () =>
      seconds(async () => {
        for (const part of await localParts(path)) await readPart(part);
      }),
    () => seconds(() => readWithHyparquet(path)),
  );
  const name = 'hyparquet, by row group, in this thread and without a guard';
  yield line(`${count} ${what}: image bytes out of parquet`, 'images/s', count / ours, count / rival, name);
}

async function readWithHyparquet(path: string): Promise<void> {
  const descriptor = openSync(path, 'r');
  const slice = (begin: number, end = statSync(path).size) => {
    const bytes = new ArrayBuffer(end - begin);
    readSync(descriptor, new Uint8Array(bytes), { position: begin });
    return bytes;
  };
  const file = { byteLength: statSync(path).size, slice };
  const metadata = await parquetMetadataAsync(file);
  let rowStart = 0;
  for (const { num_rows: rows } of metadata.row_groups) {
    const rowEnd = rowStart + Number(rows);
    const options = { file, metadata, columns: ['image'], rowStart, rowEnd, utf8: false };
    for (const row of await parquetReadObjects(options)) if (row.image.bytes.length === 0) throw new Error();
    rowStart = rowEnd;
  }
  closeSync(descriptor);
}

async function seconds(work: () => Promise<void>): Promise<number> {
  const begin = performance.now();
  await work();
  return (performance.now() - begin) / 1000;
}

/** An epoch that decodes, and one that does not, beside PyTorch over the same bytes and the same pixels. */
async function* epochs(folder: string, path: string, images: Uint8Array[], what: string) {
  const files = join(folder, 'files');
  await mkdir(files);
  for (const [i, bytes] of images.entries()) await writeFile(join(files, `${i}.jpg`), bytes);
  const pixels = await Promise.all(images.map((bytes) => decodeImage(bytes, { size: SIZE, fit: 'cover' })));
  await writeFile(join(files, 'pixels'), Buffer.concat(pixels));
  const count = images.length;
  const cases = { uncached: `an epoch that decodes`, cached: `an epoch from the cache` };
  const rival = await openRival(files).catch((error: Error) => error);
  if (rival instanceof Error) {
    for (const name of Object.values(cases)) {
      yield { bench: 'data', case: name, rivalName: 'PyTorch DataLoader', missing: rival.message };
    }
    return;
  }
  const ask = (epoch: string) => async () => Number(await rival.ask(epoch));
  const uncached = await inTurns(async () => secondsToCache(await localParts(path), SIZE), ask('uncached'));
  const workers = availableParallelism();
  const decoding = `DataLoader with Pillow, ${workers} workers, image files`;
  yield line(
    `${count} ${what}, ${cases.uncached}`,
    'images/s',
    count / uncached[0],
    count / uncached[1],
    decoding,
  );
  const cached = await inTurns(await cachedEpoch(folder, pixels), ask('cached'));
  const mapped = 'DataLoader over the same pixels, memory-mapped';
  yield line(`${count} ${what}, ${cases.cached}`, 'images/s', count / cached[0], count / cached[1], mapped);
  rival.close();
}

async function openRival(folder: string): Promise<LineChild> {
  const words = [PYTORCH, folder, SIZE, BATCH, availableParallelism()].map(String);
  const child = new LineChild(process.env.BIRBS_PYTHON ?? 'python3', words);
  await child.read();
  return child;
}

/** Seconds of batches in random order out of a pixel file. */
async function cachedEpoch(folder: string, images: Uint8Array[]): Promise<() => Promise<number>> {
  const path = join(folder, 'cached.pixels');
  const header = Buffer.alloc(4096);
  header.write('BIRBSPIX', 'latin1');
  for (const [i, value] of [1, SIZE, SIZE, 3].entries()) header.writeUInt32LE(value, 8 + 4 * i);
  header.writeBigUInt64LE(BigInt(images.length), 24);
  await writeFile(path, Buffer.concat([header, ...images]));
  const pixels = await loadAddon().openPixels([path], availableParallelism());
  const rows = Uint32Array.from(images, (_, i) => i);
  const labels = Int32Array.from(images, () => 0);
  const order = rows.toSorted((a, b) => ((a * 7919) % images.length) - ((b * 7919) % images.length));
  return () =>
    seconds(async () => {
      for await (const _ of batches(pixels, { rows, labels }, order, { batchSize: BATCH }));
    });
}
