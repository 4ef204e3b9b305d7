/** A rank: trains small networks together with the others, and rank 0 the same alone. One JSON object a case. */
import { createHash } from 'node:crypto';
import {
  loadAddon,
  type NativeRanks,
  type NativeSession,
  type SessionOptions,
} from '../../src/model/addon.ts';
import type { Layer, Network } from '../../src/model/network.ts';
import { partOf } from '../../src/ranks/rank_share.ts';
import { birbsLike, network } from '../native/networks.ts';

const addon = loadAddon();
const SIDE = 12;
/** Images of each batch: also fewer than ranks, and parts of different sizes. */
const COUNTS = [9, 8, 9, 1, 7, 2];
const BYTES = SIDE * SIDE * 3;

function withBatchNorm(): Network {
  const block = (name: string, outChannels: number): Layer[] => [
    { type: 'conv2d', name: `conv${name}`, outChannels, kernelSize: 3, padding: 1 },
    { type: 'batchNorm2d', name: `bn${name}` },
    { type: 'relu' },
    { type: 'maxPool2d', kernelSize: 2 },
  ];
  return network(SIDE, SIDE, 3, [
    ...block('1', 10),
    ...block('2', 16),
    { type: 'dropout', rate: 0.3 },
    { type: 'flatten' },
    { type: 'dense', name: 'fc', outFeatures: 3 },
  ]);
}

/** 7 channels of 3 x 3 pixels before the dropout: no multiple of the four words of a block of Philox. */
function withoutBatchNorm(): Network {
  const like = birbsLike(SIDE, SIDE, 3, [8, 7]);
  // Its first dense layer is larger than a bucket of gradients.
  const layers = like.layers.map((layer) =>
    layer.type === 'dense' && layer.name === 'fc1' ? { ...layer, outFeatures: 17_001 } : layer,
  );
  return { ...like, layers };
}

const cases = {
  plain: { network: withoutBatchNorm(), syncBatchNorm: true },
  synchronised: { network: withBatchNorm(), syncBatchNorm: true },
  separate: { network: withBatchNorm(), syncBatchNorm: false },
} satisfies Record<string, Pick<SessionOptions, 'network' | 'syncBatchNorm'>>;

function batchOf(step: number) {
  const count = COUNTS[step % COUNTS.length]!;
  const images = new Uint8Array(count * BYTES).map((_, i) => ((i + 1) * (step + 7) * 2654435761) >>> 24);
  return { images, labels: Int32Array.from({ length: count }, (_, i) => (i * 7 + step) % 3) };
}

async function train(session: NativeSession, ranks: NativeRanks | undefined, steps: number) {
  const take = (step: number) => {
    const { images, labels } = batchOf(step);
    if (!ranks) return { images, labels };
    const part = partOf(labels.length, ranks);
    const own = part.count > 0 ? part : { first: 0, count: 1 };
    const bytes = images.subarray(own.first * BYTES, (own.first + own.count) * BYTES);
    return { images: bytes, labels, share: { ...part, notes: Float64Array.of(1, ranks.rank) } };
  };
  const first = take(0);
  const { gradients } = await session.gradients(first.images, first.labels, first.share);
  const results = [];
  for (let step = 0; step < steps; step++) {
    const { images, labels, share } = take(step);
    const { loss, correct, imageLosses, gradientNorm, notes } = await session.trainStep(
      ...[images, labels, rate],
      share,
    );
    results.push({ loss, correct, imageLosses: [...imageLosses], gradientNorm, notes: notes && [...notes] });
  }
  return { gradients, results, values: await session.getParameters() };
}

const ranks = await addon.joinRanks();
const [steps, rate] = [Number(process.argv[2] ?? COUNTS.length), Number(process.argv[3] ?? 0.05)];
for (const device of ['portable', 'cpu'] as const) {
  for (const [name, own] of Object.entries(cases)) {
    const options = {
      ...{ device, ...own, seed: 5, threads: 1, labelSmoothing: 0.1, classWeights: [1, 2, 0.5] },
      optimizer: { kind: 'sgd', momentum: 0.9, weightDecay: 0.01 },
    } satisfies Partial<SessionOptions>;
    const session = await addon.createSession({ ...options, batchSize: Math.ceil(9 / ranks.size), ranks });
    const together = await train(session, ranks, steps);
    await session.dispose();
    const hash = createHash('sha256').update(new Uint8Array(together.values.buffer)).digest();
    const hashes = await ranks.gather(new Uint8Array(hash));
    if (ranks.rank > 0) continue;
    const single = await addon.createSession({ ...options, syncBatchNorm: true, batchSize: 9 });
    const one = await train(single, undefined, steps);
    await single.dispose();
    const line = {
      ...{ device, name, hashes: Buffer.from(hashes).toString('hex').match(/.{64}/g) },
      gradients: distance(together.gradients, one.gradients),
      values: distance(together.values, one.values),
      losses: distance(
        together.results.flatMap(({ loss, imageLosses }) => [loss, ...imageLosses]),
        one.results.flatMap(({ loss, imageLosses }) => [loss, ...imageLosses]),
      ),
      sameCorrect: together.results.every(({ correct }, i) => correct === one.results[i]!.correct),
      notes: together.results[0]!.notes,
    };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
}
await ranks.leave();

/** Relative, in L2. */
function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [difference, size] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    difference += (a[i]! - b[i]!) ** 2;
    size += b[i]! ** 2;
  }
  return Math.sqrt(difference / size);
}
