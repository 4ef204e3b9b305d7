/**
 * How good a head on EfficientNet-Lite0's features is: five folds of photos, ten photos a class, stamps of Tux Paint
 * (other pictures than any photo set has, from Debian), birds of CIFAR-10. Weights and images are not part of the
 * repository: `BIRBS_LITE0` names the weights, `BIRBS_PHOTOS` a folder of class folders, `BIRBS_CIFAR` parquet files.
 */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { cacheFolder } from '../src/base/cache_folder.ts';
import { loadDataset } from '../src/data/dataset.ts';
import { openImages } from '../src/data/loader.ts';
import { loadBackbone } from '../src/export/backbone.ts';
import { calibrate, scaled } from '../src/metrics/calibration.ts';
import { computeMetrics } from '../src/metrics/metrics.ts';
import { loadAddon } from '../src/model/addon.ts';
import { lite0 } from '../src/model/pretrained_networks.ts';
import { extractorOf, featuresOf } from '../src/training/features.ts';
import { fitHead } from '../src/training/head.ts';
import { type BenchResult, type MissingRival, rounded } from './timer.ts';

const SHARED = fileURLToPath(new URL('../../shared/data', import.meta.url));
const WEIGHTS = process.env.BIRBS_LITE0 ?? join(SHARED, 'lite0/tf_efficientnet_lite0.safetensors');
const PHOTOS = process.env.BIRBS_PHOTOS ?? join(SHARED, 'photos');
const CIFAR = process.env.BIRBS_CIFAR ?? join(SHARED, 'cifar10/train-*.parquet');
const THREADS = availableParallelism();
/** Share of the training images that a fit holds out for validation, as in training. */
const HELD_OUT = 0.2;

/** Features of a data set with two classes. */
interface Known {
  names: string[];
  labels: Int32Array;
  features: Float32Array;
  width: number;
}

type Line = BenchResult | MissingRival;

export async function* photos(): AsyncGenerator<Line> {
  const bench = 'photos';
  try {
    const known = await featuresFrom(PHOTOS, 224);
    yield* folds(known, bench);
    yield* fewPhotos(known, bench);
  } catch (error) {
    yield { bench, case: PHOTOS, rivalName: 'aim', missing: (error as Error).message };
  }
}

/** Five folds, three times; each of the others holds out its own validation images. */
async function* folds(known: Known, bench: string): AsyncGenerator<Line> {
  const scores: Scores[] = [];
  for (const seed of [1, 2, 3]) {
    const folds = parts(known.labels, 5, seed);
    const tested: Tested[] = [];
    for (const [i, test] of folds.entries()) {
      const rest = folds.filter((_, k) => k !== i).flat();
      tested.push(await fitAndTest(known, rest, test, seed));
    }
    scores.push(await scoresOf(tested, known));
  }
  const what = `${known.labels.length} photos, 5 folds, ${scores.length} times`;
  yield aim(bench, what, 'balanced accuracy', mean(scores, 'balancedAccuracy'), 0.94);
  yield aim(bench, what, 'AUROC', mean(scores, 'auroc'), 0.975);
  yield aim(bench, what, 'calibration error', mean(scores, 'calibrationError'), 0.05);
}

/** Ten draws of ten photos a class to train on, and of ten in all. */
async function* fewPhotos(known: Known, bench: string): AsyncGenerator<Line> {
  for (const [given, what] of [
    [12, '10 photos a class, and 2 to validate on'],
    [10, '10 photos a class, 2 of them to validate on'],
  ] as const) {
    const scores: Scores[] = [];
    for (let seed = 1; seed <= 10; seed++) {
      const [some, rest] = draw(known.labels, given, seed);
      scores.push(await scoresOf([await fitAndTest(known, some, rest, seed)], known));
    }
    yield aim(bench, `${what}, 10 draws`, 'balanced accuracy', mean(scores, 'balancedAccuracy'), 0.87);
  }
}

/** A head from the photos, asked about pictures of another kind. */
export async function* stamps(): AsyncGenerator<Line> {
  const bench = 'stamps';
  const folder = await mkdtemp(join(tmpdir(), 'birbs-stamps-'));
  try {
    const pictures = await makeStamps(folder);
    const [known, asked] = [await featuresFrom(PHOTOS, 224), await featuresFrom(pictures, 224)];
    const all = [...known.labels.keys()];
    const scores: Scores[] = [];
    for (const seed of [1, 2, 3]) {
      const tested = await fitAndTest(known, all, [...asked.labels.keys()], seed, asked);
      scores.push(await scoresOf([tested], asked));
    }
    const what = `${asked.labels.length} stamps of Tux Paint, a head from ${all.length} photos`;
    yield aim(bench, what, 'balanced accuracy', mean(scores, 'balancedAccuracy'), 0.98);
    yield aim(bench, what, 'AUROC', mean(scores, 'auroc'), 0.995);
  } catch (error) {
    yield { bench, case: 'Tux Paint', rivalName: 'aim', missing: (error as Error).message };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Birds among small pictures of ten kinds: 500 a class to learn from, the others to be asked about. */
export async function* cifar(): AsyncGenerator<Line> {
  const bench = 'cifar';
  try {
    const known = await featuresFrom(`${CIFAR}?label=bird`, 96);
    const scores: Scores[] = [];
    for (const seed of [1, 2, 3]) {
      const [some, rest] = draw(known.labels, 500, seed);
      scores.push(await scoresOf([await fitAndTest(known, some, rest, seed)], known));
    }
    const what = `CIFAR-10 at 96 px, 500 a class, ${known.labels.length - 1000} to ask about`;
    yield aim(bench, what, 'balanced accuracy', mean(scores, 'balancedAccuracy'), 0.86);
    yield aim(bench, what, 'AUROC', mean(scores, 'auroc'), 0.94);
  } catch (error) {
    yield { bench, case: CIFAR, rivalName: 'aim', missing: (error as Error).message };
  }
}

async function featuresFrom(source: string, imageSize: number): Promise<Known> {
  const cacheDir = cacheFolder();
  const dataset = await loadDataset({
    ...{ data: [source], birds: [], notBirds: [], validation: [], imageSize, fit: 'cover', cacheDir },
  });
  const { names, labels, classNames, supply } = dataset;
  const network = lite0({ imageSize, classNames });
  const session = await loadAddon().createSession({
    ...{ device: 'cpu', network, seed: 1, batchSize: 32, threads: THREADS, optimizer: { kind: 'sgd' } },
  });
  const images = await openImages(dataset, { threads: THREADS, seed: 1 });
  try {
    const values = await session.getParameters();
    values.set((await loadBackbone(WEIGHTS, 'lite0', imageSize)).backbone);
    await session.setParameters(values);
    const extractor = extractorOf(session, values, { name: 'lite0', imageSize, fit: 'cover', batchSize: 32 });
    const everywhere = new Uint32Array(names.length).map((_, position) => position);
    const contents = supply.contentsOf(everywhere);
    const features = await featuresOf(extractor, images, contents, everywhere, { cacheDir });
    return { names, labels, features, width: extractor.width };
  } finally {
    await images.dispose();
    await session.dispose();
  }
}

/** Labels of the images that were asked about, and calibrated logits. */
interface Tested {
  rows: number[];
  logits: Float32Array;
}

/** As training does: some of the images are held out to choose the penalty and the temperature. */
async function fitAndTest(
  known: Known,
  given: number[],
  test: number[],
  seed: number,
  asked: Known = known,
): Promise<Tested> {
  const { features, width, labels } = known;
  const shares = parts(
    Int32Array.from(given, (row) => labels[row]!),
    1 / HELD_OUT,
    seed + 100,
  );
  const val = shares[0]!.map((i) => given[i]!);
  const train = shares
    .slice(1)
    .flat()
    .map((i) => given[i]!);
  const rows = [...train, ...val];
  const own = new Float32Array(rows.length * width);
  for (const [i, row] of rows.entries())
    own.set(features.subarray(row * width, (row + 1) * width), i * width);
  const data = {
    ...{ features: own, width, train: train.length, classes: 2 },
    labels: Int32Array.from(rows, (row) => labels[row]!),
  };
  const head = await fitHead(data, { balanced: true, threads: THREADS });
  const valLabels = data.labels.slice(train.length);
  const { temperature } = await calibrate(head.logits.slice(train.length * 2), valLabels, 2);
  const logits = new Float32Array(test.length * 2);
  for (const [i, row] of test.entries())
    for (const k of [0, 1]) {
      let sum = head.bias[k]!;
      for (let j = 0; j < width; j++) sum += head.weights[k * width + j]! * asked.features[row * width + j]!;
      logits[i * 2 + k] = sum;
    }
  return { rows: test, logits: scaled(logits, temperature) };
}

interface Scores {
  balancedAccuracy: number;
  auroc: number;
  calibrationError: number;
}

/** Of all that was tested together. */
async function scoresOf(tested: Tested[], { labels }: Known): Promise<Scores> {
  const rows = tested.flatMap((one) => one.rows);
  const logits = Float32Array.from(tested.flatMap((one) => [...one.logits]));
  const truth = Int32Array.from(rows, (row) => labels[row]!);
  const { balancedAccuracy, auroc } = await computeMetrics(logits, truth, 2);
  const { expectedCalibrationError } = await calibrate(logits, truth, 2);
  return { balancedAccuracy, auroc: auroc!, calibrationError: expectedCalibrationError.before };
}

function mean(scores: Scores[], name: keyof Scores): number {
  return scores.reduce((sum, one) => sum + one[name], 0) / scores.length;
}

function aim(bench: string, what: string, unit: string, ours: number, rival: number): BenchResult {
  return {
    ...{ bench, case: what, unit, ours: rounded(ours), rival, rivalName: 'aim' },
    ratio: rounded(ours / rival),
  };
}

/** Random folds of the rows, stratified by class. */
function parts(labels: Int32Array, count: number, seed: number): number[][] {
  const all = Array.from({ length: count }, (): number[] => []);
  for (const label of [0, 1]) {
    const rows = shuffled(
      [...labels.keys()].filter((row) => labels[row] === label),
      seed + label,
    );
    for (const [i, row] of rows.entries()) all[(i + label) % count]!.push(row);
  }
  return all;
}

/** So many rows of each class by lot, and the others. */
function draw(labels: Int32Array, count: number, seed: number): [number[], number[]] {
  const some = [0, 1].flatMap((label) =>
    shuffled(
      [...labels.keys()].filter((row) => labels[row] === label),
      1000 * seed + label,
    ).slice(0, count),
  );
  const chosen = new Set(some);
  return [some, [...labels.keys()].filter((row) => !chosen.has(row))];
}

/** Fisher and Yates, with a small generator. */
function shuffled<T>(list: T[], seed: number): T[] {
  let state = (seed * 2654435761) % 2147483647 || 1;
  for (let i = list.length - 1; i > 0; i--) {
    state = (state * 48271) % 2147483647;
    const j = state % (i + 1);
    [list[i], list[j]] = [list[j]!, list[i]!];
  }
  return list;
}

const PACKAGE = 'tuxpaint-stamps-default';
/** Things that are no animals. */
const THINGS = 150;

/** Photographs of birds, of other animals, and of things, cut out, on grey; drawings are left out. */
async function makeStamps(folder: string): Promise<string> {
  const made = join(folder, 'pictures');
  try {
    execFileSync('apt-get', ['download', PACKAGE], { cwd: folder, stdio: 'pipe' });
  } catch {
    throw new Error(`apt-get can't fetch ${PACKAGE}: this needs Debian or Ubuntu, and the network`);
  }
  const [archive] = (await readdir(folder)).filter((name) => name.endsWith('.deb'));
  execFileSync('dpkg-deb', ['-x', archive!, 'package'], { cwd: folder });
  const root = join(folder, 'package/usr/share/tuxpaint/stamps');
  const all = (await readdir(root, { recursive: true })).filter((name) => name.endsWith('.png')).sort();
  const photographs = all.filter((name) => !name.includes('cartoon'));
  const [birds, animals] = [/^animals\/birds\//, /^animals\/(?!birds\/)/].map((pattern) =>
    photographs.filter((name) => pattern.test(name)),
  );
  const things = shuffled(
    photographs.filter((name) => !name.startsWith('animals/')),
    1,
  ).slice(0, THINGS);
  for (const [label, names] of [
    ['bird', birds!],
    ['not-bird', [...animals!, ...things]],
  ] as const) {
    await mkdir(join(made, label), { recursive: true });
    for (const name of names) {
      const cut = await sharp(join(root, name)).resize(200, 200, { fit: 'inside' }).png().toBuffer();
      const picture = sharp({ create: { width: 224, height: 224, channels: 3, background: '#c8cdc8' } });
      await writeFile(
        join(made, label, name.replaceAll('/', '-')),
        await picture
          .composite([{ input: cut }])
          .png()
          .toBuffer(),
      );
    }
  }
  return made;
}
