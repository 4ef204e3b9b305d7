/** A rank of bench/ranks.ts: rank 0 prints the median milliseconds of a step, of its exchange and of the sum alone. */
import { loadAddon, type NativeRanks } from '../src/model/addon.ts';
import { type NetworkName, networks } from '../src/model/presets.ts';
import { partOf } from '../src/ranks/rank_share.ts';

const [name, size, batch, rounds] = process.argv.slice(2) as [NetworkName, string, string, string];
const [imageSize, batchSize, steps] = [Number(size), Number(batch), Number(rounds)];
const addon = loadAddon();
const ranks: NativeRanks | undefined = process.env.BIRBS_BENCH_ALONE ? undefined : await addon.joinRanks();
// Fine-tuned: of a pretrained network else only the head learns.
const network = networks[name]({
  imageSize,
  fit: 'cover',
  classNames: ['bird', 'not-bird'],
  backbone: 'tuned',
});
const place = ranks ?? { rank: 0, size: 1 };
const part = partOf(batchSize, place);
const session = await addon.createSession({
  ...{ device: 'cpu', network, seed: 1, batchSize: part.count, threads: 1, optimizer: { kind: 'adamw' } },
  ...(ranks ? { ranks } : {}),
});
const images = new Uint8Array(part.count * imageSize * imageSize * 3).map((_, i) => (i * 2654435761) >>> 24);
const labels = Int32Array.from({ length: batchSize }, (_, i) => i % 2);
const weights = session.parameters.reduce((sum, { trainable, size }) => sum + (trainable ? size : 0), 0);

const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
const took: number[] = [];
const waited: number[] = [];
for (let step = 0; step < steps + 2; step++) {
  const result = await session.trainStep(images, labels, 1e-4, ranks ? part : undefined);
  if (step < 2) continue;
  took.push(result.deviceSeconds * 1000);
  waited.push((result.exchangeSeconds ?? 0) * 1000);
}
await session.dispose();
// Doubles: half as many carry the same bytes as the gradients.
const sums: number[] = [];
if (ranks) {
  const values = new Float64Array(Math.ceil(weights / 2)).fill(1);
  for (let i = 0; i < steps; i++) {
    const begin = performance.now();
    await ranks.sum(values);
    sums.push(performance.now() - begin);
  }
}
await ranks?.leave();
if (place.rank === 0)
  process.stdout.write(
    `${JSON.stringify({ weights, step: median(took), exchange: median(waited), sum: sums.length > 0 ? median(sums) : 0 })}\n`,
  );
