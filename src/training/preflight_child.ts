/** The process that preflight.ts starts: reads a request, answers with a line of JSON, and may die of it. */
import { loadAddon } from '../model/addon.ts';
import {
  comparePredictions,
  compareStep,
  mismatchInWords,
  type StepBatch,
  settleScale,
} from '../model/step_comparison.ts';
import type { PreflightRequest, RouteVerdict } from './preflight.ts';

/** Steps that are timed, of which a few are on their way at a time. */
const TIMED = 4;

async function readRequest(): Promise<{ request: PreflightRequest; values: Float32Array | undefined }> {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part as Buffer);
  const all = Buffer.concat(parts);
  const end = all.indexOf('\n');
  const request = JSON.parse(all.subarray(0, end).toString()) as PreflightRequest;
  if (request.values === 0) return { request, values: undefined };
  // A copy, so that it is aligned.
  const bytes = Uint8Array.from(all.subarray(end + 1));
  return { request, values: new Float32Array(bytes.buffer) };
}

/** Noise with coarse structure, the same in every run. */
async function drawBatch(
  { network }: PreflightRequest['session'],
  count: number,
  stream: number,
): Promise<StepBatch> {
  const { height, width } = network.input;
  const noise = await loadAddon().philox(7, stream, 0, count * height * width * 3);
  const images = new Uint8Array(noise.length);
  for (let i = 0; i < noise.length; i++) {
    const pixel = Math.floor(i / 3);
    const image = Math.floor(pixel / (height * width));
    const [y, x] = [Math.floor(pixel / width) % height, pixel % width];
    const wave = Math.sin((y * (image + 2)) / height) * Math.cos((x * (image + 1 + (i % 3))) / width);
    images[i] = Math.max(0, Math.min(255, 128 + 90 * wave + (noise[i]! % 64) - 32));
  }
  const words = await loadAddon().philox(7, stream + 1, 0, count);
  return { images, labels: Int32Array.from(words, (word) => word % network.classNames.length) };
}

async function secondsOf(call: () => Promise<unknown>): Promise<number> {
  await call();
  const begin = performance.now();
  await Promise.all(Array.from({ length: TIMED }, call));
  return (performance.now() - begin) / 1000 / TIMED;
}

async function answer(): Promise<RouteVerdict> {
  const { request, values } = await readRequest();
  const { session: options } = request;
  const { precision = 'fp32', batchSize } = options;
  const ours = await loadAddon().createSession(options);
  const theirs = await loadAddon().createSession({ ...options, device: 'portable', precision: 'fp32' });
  if (values) await ours.setParameters(values);
  // A whole batch, and one that leaves rows of padding.
  for (const [stream, count] of [batchSize, Math.max(1, Math.min(8, batchSize - 1))].entries()) {
    const batch = await drawBatch(options, count, 2 * stream + 1);
    if (request.predictOnly) {
      await theirs.setParameters(await ours.getParameters());
      const mismatch = await comparePredictions(ours, theirs, batch, precision);
      if (mismatch) return { why: mismatchInWords(mismatch), seconds: 0 };
      continue;
    }
    if (precision === 'fp16') await settleScale(ours, batch);
    const mismatch = await compareStep(ours, theirs, batch, precision);
    if (mismatch) return { why: mismatchInWords(mismatch), seconds: 0 };
    await ours.trainStep(batch.images, batch.labels, 1e-3);
  }
  const batch = await drawBatch(options, batchSize, 1);
  const call = request.predictOnly
    ? () => ours.predict(batch.images, batchSize)
    : () => ours.trainStep(batch.images, batch.labels, 0);
  return { why: '', seconds: await secondsOf(call) };
}

process.stdout.write(
  JSON.stringify(
    await answer().catch(
      (error: NodeJS.ErrnoException): RouteVerdict => ({
        why: error.message,
        seconds: 0,
        isTransient: error.code === 'ERR_DEVICE_FAULT',
      }),
    ),
  ),
  // Without waiting for work of a GPU that hangs.
  () => process.exit(0),
);
