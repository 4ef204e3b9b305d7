/** EfficientNet-Lite0: features beside onnxruntime and PyTorch, a step of fine-tuning, and the head beside scikit-learn. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadAddon, type NativeSession } from '../src/model/addon.ts';
import { lite0 } from '../src/model/pretrained_networks.ts';
import { LineChild } from './child.ts';
import { alternate, type BenchResult, type Contender, type MissingRival, rounded } from './timer.ts';

const RIVALS = fileURLToPath(new URL('pytorch_pretrained.py', import.meta.url));
const SKLEARN = fileURLToPath(new URL('sklearn_head.py', import.meta.url));
const PYTHON = process.env.BIRBS_PYTHON ?? 'python3';
const BATCH = 32;
const THREADS = availableParallelism();

/** Images a second through the layers below the head; a ratio above 1 is faster than the rival. */
export async function* features(): AsyncGenerator<BenchResult | MissingRival> {
  for (const imageSize of [224, 160]) {
    const line = { bench: 'features', case: `lite0, ${imageSize} px, batch ${BATCH}, ${THREADS} threads` };
    const session = await openSession(imageSize, 'frozen');
    const images = noise(imageSize);
    const ours = contender(() => session.features(images, BATCH));
    yield* beside(line, ours, ['features', imageSize], 3, ({ ours: time, rival }) => ({
      unit: 'images/s',
      ours: rounded((BATCH / time) * 1000),
      rival: rounded((BATCH / rival) * 1000),
      ratio: rounded(rival / time),
    }));
    await session.dispose();
  }
}

/** Milliseconds a step; `BIRBS_COMPILE=1` also asks torch.compile, which takes minutes to begin. */
export async function* finetune(): AsyncGenerator<BenchResult | MissingRival> {
  const imageSize = 160;
  const line = { bench: 'finetune', case: `lite0, ${imageSize} px, batch ${BATCH}, ${THREADS} threads` };
  const session = await openSession(imageSize, 'tuned');
  const images = noise(imageSize);
  const labels = new Int32Array(BATCH).map((_, i) => i % 2);
  const ours = contender(() => session.trainStep(images, labels, 1e-4));
  yield* beside(line, ours, ['finetune', imageSize], 3, ({ ours: time, rival }) => ({
    unit: 'ms',
    ours: rounded(time),
    rival: rounded(rival),
    ratio: rounded(time / rival),
  }));
  await session.dispose();
}

/** Milliseconds of a fit on 10,000 images of two classes, and how far the losses are apart. */
export async function* head(): AsyncGenerator<(BenchResult & { losses: number[] }) | MissingRival> {
  const [rows, width, l2] = [10_000, 1280, 0.1];
  const line = { bench: 'head', case: `${rows} images, ${width} features, l2 ${l2}` };
  const folder = await mkdtemp(join(tmpdir(), 'birbs-head-'));
  try {
    const labels = Int32Array.from({ length: rows }, (_, i) => Number(i % 4 === 0));
    const values = madeFeatures(labels, width);
    const path = join(folder, 'features.f32');
    await writeFile(path, new Uint8Array(values.buffer));
    const child = new LineChild(PYTHON, [SKLEARN, path, String(rows), String(width), String(l2)]);
    const version = await child.read().catch((error: Error) => error);
    if (version instanceof Error) {
      yield { ...line, rivalName: 'scikit-learn', missing: version.message };
      return;
    }
    const losses = [0, 0];
    const options = { width, classes: 2, classWeights: [2 / 3, 2], threads: THREADS };
    const classifier = await loadAddon().openClassifier(values, labels, options);
    const ours = contender(async () => {
      losses[0] = (await classifier.fit({ l2 })).loss;
    });
    const rival: Contender = {
      name: `scikit-learn ${version}`,
      async run() {
        const [time, loss] = (await child.ask('')).split(' ').map(Number);
        losses[1] = loss!;
        return time!;
      },
    };
    const [own, other] = await alternate([ours, rival], 5);
    child.close();
    await classifier.dispose();
    yield {
      ...{ ...line, unit: 'ms', ours: rounded(own!), rival: rounded(other!), rivalName: rival.name },
      ...{ ratio: rounded(own! / other!), losses: losses.map((loss) => Number(loss.toFixed(6))) },
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** One line for onnxruntime, one for the fastest way of PyTorch. */
async function* beside(
  line: { bench: string; case: string },
  ours: Contender,
  [what, imageSize]: [string, number],
  rounds: number,
  figures: (times: { ours: number; rival: number }) => Omit<BenchResult, 'bench' | 'case' | 'rivalName'>,
): AsyncGenerator<BenchResult | MissingRival> {
  const more = process.env.BIRBS_COMPILE ? ['compiled'] : [];
  const child = new LineChild(PYTHON, [RIVALS, what, ...[imageSize, BATCH, THREADS].map(String), ...more]);
  const told = await child.read().catch((error: Error) => error);
  if (told instanceof Error) {
    yield { ...line, rivalName: 'onnxruntime, PyTorch', missing: told.message };
    return;
  }
  const names = JSON.parse(told) as string[];
  const rivals = names.map((name, index): Contender => {
    return { name, run: async () => Number(await child.ask(String(index))) };
  });
  const [own, ...times] = await alternate([ours, ...rivals], rounds);
  child.close();
  const all = names.map((rivalName, i) => ({ rivalName, time: times[i]! })).sort((a, b) => a.time - b.time);
  for (const maker of ['onnxruntime', 'PyTorch']) {
    const best = all.find(({ rivalName }) => rivalName.startsWith(maker));
    if (best) yield { ...line, rivalName: best.rivalName, ...figures({ ours: own!, rival: best.time }) };
  }
}

function contender(work: () => Promise<unknown>): Contender {
  return {
    name: 'ours',
    async run() {
      const start = performance.now();
      await work();
      return performance.now() - start;
    },
  };
}

function openSession(imageSize: number, backbone: 'frozen' | 'tuned'): Promise<NativeSession> {
  const network = lite0({ imageSize, classNames: ['bird', 'not-bird'], backbone });
  const optimizer = { kind: 'adamw', weightDecay: 0.01, decayNormsAndBiases: false } as const;
  return loadAddon().createSession({
    ...{ device: 'cpu', network, seed: 1, batchSize: BATCH, threads: THREADS, optimizer, clipNorm: 1 },
  });
}

function noise(imageSize: number): Uint8Array {
  return Uint8Array.from({ length: BATCH * imageSize * imageSize * 3 }, (_, i) => (i * 7919) % 251);
}

/** Noise, and in 64 of the features the class. */
function madeFeatures(labels: Int32Array, width: number): Float32Array {
  let state = 1;
  const next = () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
  const values = new Float32Array(labels.length * width);
  for (let i = 0; i < values.length; i++) {
    const isSigned = i % width < 64 && labels[Math.floor(i / width)] === 1;
    values[i] = next() + next() + next() + (isSigned ? 0.3 : 0);
  }
  return values;
}
