/** A cached epoch: its share of waiting for data, its pace beside PyTorch's, and what memory does over 10,000 steps. */
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { batches } from '../src/data/batches.ts';
import { damagedRows } from '../src/data/cache/segment_check.ts';
import { loadAddon, type NativePixels, type NativeSession } from '../src/model/addon.ts';
import { birbs } from '../src/model/presets.ts';
import { LineChild } from './child.ts';
import { type BenchResult, type MissingRival, rounded } from './timer.ts';

const CACHED = 100_000;
const EPOCH = 8_000;
const STEPS = 10_000;
const SIZE = 32;
const BATCH = 32;
const PYTORCH = fileURLToPath(new URL('pytorch_epoch.py', import.meta.url));
const AUGMENTATION = {
  ...{ seed: 1, step: 0, flip: 0.5, shift: 4, brightnessProbability: 0.4, brightness: 0.3 },
  ...{ contrastProbability: 0.3, contrast: 0.2 },
};

/** Figures that have no rival: the aim stands in its place. */
interface AimResult extends Omit<BenchResult, 'rival'> {
  rival: number;
  rivalName: `aim: ${string}`;
}

export async function* epoch(): AsyncGenerator<BenchResult | AimResult | MissingRival> {
  const folder = await mkdtemp(join(tmpdir(), 'birbs-epoch-'));
  const addon = loadAddon();
  const path = join(folder, 'images.pixels');
  try {
    await writePixels(path);
    const pixels = await addon.openPixels([path], availableParallelism());
    const session = await addon.createSession({
      device: 'cpu',
      network: birbs({ imageSize: SIZE, classNames: ['bird', 'not-bird'] }),
      ...{ seed: 1, batchSize: BATCH, threads: availableParallelism(), optimizer: { kind: 'adamw' } },
    });
    yield* pace(session, pixels, path);
    yield* memory(session, pixels);
    await session.dispose();
    await pixels.dispose();
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Three rounds in turns with PyTorch; the medians count. */
async function* pace(session: NativeSession, pixels: NativePixels, path: string) {
  const what = `${SIZE} px, batch ${BATCH}, ${EPOCH} images`;
  const rival = await openRival(path).catch((error: Error) => error);
  const ours: { seconds: number; waited: number }[] = [];
  const checks: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round <= 3; round++) {
    const run = await runEpoch(session, pixels, EPOCH, round);
    if (round > 0) ours.push(run);
    if (round > 0) checks.push((100 * (await checkSeconds(path))) / run.seconds);
    if (rival instanceof Error) continue;
    const seconds = Number(await rival.ask('epoch'));
    if (round > 0) theirs.push(seconds);
  }
  const middle = <T>(rows: T[], value: (row: T) => number) =>
    rows.map(value).sort((a, b) => a - b)[rows.length >> 1]!;
  const share = middle(ours, ({ seconds, waited }) => (100 * waited) / seconds);
  yield aim(`${what}: waiting for data`, '% of the time', share, 3);
  const check = middle(checks, (one) => one);
  yield aim(`${what}: their checksums, once a run`, '% of a cached epoch', check, 1);
  const line = { bench: 'epoch', case: what };
  if (rival instanceof Error) {
    yield { ...line, rivalName: 'PyTorch DataLoader', missing: rival.message };
    return;
  }
  rival.close();
  const speed = EPOCH / middle(ours, ({ seconds }) => seconds);
  const other = EPOCH / middle(theirs, (seconds) => seconds);
  yield {
    ...line,
    unit: 'images/s',
    ours: rounded(speed),
    rival: rounded(other),
    rivalName: 'PyTorch DataLoader over the same file',
    ratio: rounded(speed / other),
  };
}

/** What it takes to look for damage in as many images as an epoch has. */
async function checkSeconds(path: string): Promise<number> {
  const begin = performance.now();
  await damagedRows({ path, pixelHashes: new Array<string>(CACHED).fill('') }, SIZE);
  return ((performance.now() - begin) / 1000) * (EPOCH / CACHED);
}

async function openRival(path: string): Promise<LineChild> {
  const words = [PYTORCH, path, SIZE, BATCH, EPOCH, availableParallelism()].map(String);
  const child = new LineChild(process.env.BIRBS_PYTHON ?? 'python3', words);
  await child.read();
  return child;
}

/** Private memory with all images in the cache, and what 10,000 steps add to it. */
async function* memory(session: NativeSession, pixels: NativePixels) {
  const before = await privateMegabytes();
  await runEpoch(session, pixels, STEPS * BATCH, 9);
  const after = await privateMegabytes();
  if (before === undefined || after === undefined) {
    const rivalName = 'private memory';
    yield { bench: 'epoch', case: rivalName, rivalName, missing: 'this system has no /proc/self/status' };
    return;
  }
  yield aim(`private memory, ${CACHED} cached images`, 'MB', after, 500);
  yield aim(`growth of it over ${STEPS} steps`, 'MB', after - before, 20);
}

function aim(what: string, unit: string, ours: number, most: number): AimResult {
  const ratio = rounded(ours / most);
  return {
    bench: 'epoch',
    case: what,
    unit,
    ours: rounded(ours),
    rival: most,
    rivalName: 'aim: at most',
    ratio,
  };
}

/** As a training run does it: one step queued while the next batch is awaited. */
async function runEpoch(session: NativeSession, pixels: NativePixels, images: number, round: number) {
  const rows = Uint32Array.from({ length: CACHED }, (_, i) => i);
  const labels = Int32Array.from(rows, (row) => row % 2);
  // A stride that is prime to the count: every image in turn, none near the last.
  const order = Uint32Array.from({ length: images }, (_, i) => ((i + round) * 60_013) % CACHED);
  const begin = performance.now();
  let waited = 0;
  let running: Promise<unknown> | undefined;
  for await (const batch of batches(pixels, { rows, labels }, order, {
    batchSize: BATCH,
    augmentation: AUGMENTATION,
  })) {
    waited += batch.waitSeconds;
    const queued = session.trainStep(batch.images, batch.labels, 1e-3);
    await running;
    running = queued;
  }
  await running;
  return { seconds: (performance.now() - begin) / 1000, waited };
}

/** A pixel file of made-up images, in pieces. */
async function writePixels(path: string): Promise<void> {
  const file = await open(path, 'w');
  const header = Buffer.alloc(4096);
  header.write('BIRBSPIX', 'latin1');
  for (const [i, value] of [1, SIZE, SIZE, 3].entries()) header.writeUInt32LE(value, 8 + 4 * i);
  header.writeBigUInt64LE(BigInt(CACHED), 24);
  await file.write(header);
  const piece = Buffer.alloc(1000 * SIZE * SIZE * 3);
  for (let first = 0; first < CACHED; first += 1000) {
    for (let i = 0; i < piece.length; i++) piece[i] = (i * 7 + (i >> 9) * first) & 255;
    await file.write(piece);
  }
  await file.close();
}

/** Anonymous memory of this process after a collection: mapped files do not count. */
async function privateMegabytes(): Promise<number | undefined> {
  await new Promise((resolve) => setTimeout(resolve, 200));
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
  const kilobytes = /^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) / 1024;
}
