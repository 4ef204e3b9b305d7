/**
 * The head of a pretrained network against scikit-learn's on the same features and the same split:
 * `BIRBS_PYTHON=python3 npx tsx bench/head.ts SOURCE WEIGHTS [image size] [cache folder]`; one JSON object a line.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheFolder } from '../src/base/cache_folder.ts';
import { loadDataset } from '../src/data/dataset.ts';
import { openImages } from '../src/data/loader.ts';
import { splitDataset } from '../src/data/split.ts';
import { calibrate } from '../src/metrics/calibration.ts';
import { computeMetrics } from '../src/metrics/metrics.ts';
import { loadAddon } from '../src/model/addon.ts';
import { buildNetwork, chooseNetwork, startWeights } from '../src/run/choose_network.ts';
import { allValues } from '../src/run/start_session.ts';
import { extractorOf, featuresOf } from '../src/training/features.ts';
import { fitHead } from '../src/training/head.ts';

const threads = availableParallelism();

async function measure(source: string, pretrained: string, imageSize: number, cacheDir: string) {
  const dataset = await loadDataset({
    ...{ data: [source], birds: [], notBirds: [], validation: [] },
    ...{ imageSize, fit: 'cover', cacheDir },
  });
  const { train, val } = await splitDataset(dataset, { fraction: 0.2, seed: 1 });
  const lock = join(cacheDir, 'head.lock.json');
  const choice = await chooseNetwork(
    {
      network: 'lite0',
      imageSize,
      pretrained,
      sources: [source],
      cacheDir,
      lock,
      updateLock: false,
      init: undefined,
    },
    {},
  );
  const build = { classNames: dataset.classNames, fit: 'cover', tuned: false } as const;
  const network = buildNetwork(choice, build);
  const values = allValues(network, (await startWeights(choice))!);
  const session = await loadAddon().createSession({
    ...{ device: 'cpu', network, seed: 0, batchSize: 32, threads },
    optimizer: { kind: 'sgd' },
  });
  await session.setParameters(values);
  const images = await openImages(dataset, { threads, seed: 1 });
  const extractor = extractorOf(session, values, { name: 'lite0', imageSize, fit: 'cover', batchSize: 32 });
  const all = new Uint32Array(dataset.names.length).map((_, position) => position);
  const positions = Uint32Array.from([...train, ...val]);
  const contents = dataset.supply.contentsOf(all);
  const features = await featuresOf(extractor, images, contents, positions, { cacheDir });
  await Promise.all([images.dispose(), session.dispose()]);
  const labels = Int32Array.from(positions, (position) => dataset.labels[position]!);
  const { width } = extractor;
  const classes = dataset.classNames.length;

  const begin = performance.now();
  const head = await fitHead(
    { features, width, labels, train: train.length, classes },
    { balanced: true, threads },
  );
  const seconds = (performance.now() - begin) / 1000;
  const own = labels.subarray(train.length);
  const { accuracy, balancedAccuracy, topFive } = await computeMetrics(head.logits, own, classes);
  const { expectedCalibrationError } = await calibrate(head.logits, own, classes);
  const ours = { accuracy, balancedAccuracy, topFive, l2: head.l2, seconds };
  print({
    who: 'birbs-metal',
    classes,
    train: train.length,
    ...ours,
    calibrationError: expectedCalibrationError.after,
  });

  const folder = mkdtempSync(join(tmpdir(), 'birbs-head-'));
  try {
    writeFileSync(join(folder, 'features.f32'), features);
    writeFileSync(join(folder, 'labels.i32'), labels);
    const script = new URL('sklearn_head.py', import.meta.url).pathname;
    const words = [script, folder, String(width), String(train.length)];
    spawnSync(process.env.BIRBS_PYTHON ?? 'python3', words, { stdio: 'inherit' });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const [source, weights, size = '96', cache = cacheFolder()] = process.argv.slice(2);
if (source === undefined || weights === undefined) {
  process.stderr.write('Usage: npx tsx bench/head.ts SOURCE WEIGHTS [image size] [cache folder]\n');
  process.exitCode = 2;
} else {
  await measure(source, weights, Number(size), cache);
}
