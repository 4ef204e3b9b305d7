/** For mutants.mjs: whole steps on metal against the portable kernels, as the check of a GPU before a run compares them. */
import {
  loadAddon,
  type NativeSession,
  type OptimizerOptions,
  type SessionOptions,
} from '../src/model/addon.ts';
import type { Layer, Network } from '../src/model/network.ts';
import { compareStep, mismatchInWords, type StepBatch, settleScale } from '../src/model/step_comparison.ts';

const conv = (name: string, outChannels: number, more: object = {}): Layer => ({
  ...{ type: 'conv2d', name, outChannels, kernelSize: 3, padding: 1, ...more },
});
const layers: Layer[] = [
  conv('conv1', 6),
  { type: 'relu6', name: 'relu1' },
  conv('dw', 6, { groups: 6, padding: 'same', bias: false, learningRateFactor: 0.5 }),
  { type: 'batchNorm2d', name: 'bn1' },
  { type: 'relu6', name: 'a' },
  conv('conv2', 6),
  { type: 'batchNorm2d', name: 'bn2', frozenStatistics: true },
  { type: 'add', name: 'sum', from: ['bn2', 'a'] },
  { type: 'avgPool2d', kernelSize: 3, stride: 2, padding: 1, countIncludePad: false },
  { type: 'maxPool2d', kernelSize: 2 },
  conv('conv3', 8, { bias: false }),
  { type: 'relu' },
  { type: 'globalAvgPool2d' },
  { type: 'flatten' },
  { type: 'dropout', rate: 0.4 },
  { type: 'dense', name: 'fc1', outFeatures: 9 },
  { type: 'relu' },
  { type: 'dense', name: 'fc2', outFeatures: 3 },
];
const network: Network = {
  input: { height: 15, width: 14, channels: 3, fit: 'fill' },
  normalization: { mean: [0.5, 0.2, 0.3], std: [0.02, 0.05, 0.04] },
  layers,
  classNames: ['a', 'b', 'c'],
};
const BATCH = 6;

function batch(count: number, seed: number): StepBatch {
  const size = count * network.input.height * network.input.width * 3;
  const images = Uint8Array.from(
    { length: size },
    (_, i) => (i * 7919 + seed * 31 + ((i * i) % 97) * 5) % 251,
  );
  return { images, labels: Int32Array.from({ length: count }, (_, i) => (i + seed) % 3) };
}

const optimizers: OptimizerOptions[] = [
  { kind: 'sgd', momentum: 0.9, nesterov: true, weightDecay: 0.1 },
  { kind: 'adam', weightDecay: 0.01, epsilon: 1e-5 },
  { kind: 'adamw', weightDecay: 10, epsilon: 1e-5 },
];

async function compare(optimizer: OptimizerOptions, more: Partial<SessionOptions>): Promise<void> {
  const options: SessionOptions = {
    ...{ device: 'metal', network, seed: 5, batchSize: BATCH, threads: 1, optimizer, clipNorm: 0.5 },
    ...{ labelSmoothing: 0.2, classWeights: [1, 2, 0.5], ...more },
  };
  const ours = await loadAddon().createSession(options);
  const theirs = await loadAddon().createSession({ ...options, device: 'portable', precision: 'fp32' });
  const { precision = 'fp32' } = options;
  if (precision === 'fp16') await settleScale(ours, batch(BATCH, 0));
  for (const [step, count] of [BATCH, 4, BATCH].entries()) {
    const mismatch = await compareStep(ours, theirs, batch(count, step), precision);
    if (mismatch) throw new Error(`${optimizer.kind} ${precision}: ${mismatchInWords(mismatch)}`);
    const { images, labels } = batch(BATCH, step);
    await Promise.all([1, 2, 3].map(() => ours.trainStep(images, labels, 0.003)));
  }
  await comparePredictions(ours, theirs);
  await Promise.all([ours.dispose(), theirs.dispose()]);
}

/** In evaluation mode, from the weights of `ours`. */
async function comparePredictions(ours: NativeSession, theirs: NativeSession): Promise<void> {
  const { images, labels } = batch(4, 7);
  await theirs.setParameters(await ours.getParameters());
  const [found, expected] = [
    await ours.predict(images, labels.length),
    await theirs.predict(images, labels.length),
  ];
  if (found.some((value, i) => !(Math.abs(value - expected[i]!) < 0.05)))
    throw new Error(`predictions: expected ${expected}, found ${found}`);
}

/** With a fault set for the stand-in: it fails a step, and after a restore all goes on. */
async function recover(): Promise<void> {
  const session = await loadAddon().createSession({
    ...{ device: 'metal', network, seed: 5, batchSize: BATCH, threads: 1, optimizer: optimizers[0]! },
  });
  const start = [await session.getParameters(), await session.getOptimizerState()] as const;
  const { images, labels } = batch(BATCH, 0);
  const codes: unknown[] = [];
  for (let step = 0; step < 4; step++) {
    const failed = await session.trainStep(images, labels, 0.003).then(
      () => undefined,
      (error) => error.code,
    );
    if (!failed) continue;
    codes.push(failed);
    await session.restore(...start);
  }
  await session.dispose();
  if (codes.join() !== 'ERR_DEVICE_FAULT') throw new Error(`expected one fault, found ${codes}`);
}

try {
  if (process.env.BIRBS_STANDIN_INJECT) {
    await recover();
    process.exit(0);
  }
  for (const optimizer of optimizers) await compare(optimizer, {});
  await compare(optimizers[2]!, { depthwise: 'operations' });
  await compare(optimizers[1]!, { precision: 'fp16', clipNorm: 0 });
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}
