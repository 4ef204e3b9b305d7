/**
 * Whether the guard sees what is wrong, and nothing else; on the CIFAR-10 files beside the repository:
 * `node --import tsx test/guard_campaign.ts clean 50` trains in peace and counts alarms,
 * `node --import tsx test/guard_campaign.ts poison 5` compares poisoned trainings with clean ones, in points of balanced
 * accuracy, for each of some seeds.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TrainOptions } from '../src/options.ts';
import { temporaryFolder } from './images.ts';
import { type Poison, trainWith } from './poison.ts';

const folder = temporaryFolder('guard');
const data = fileURLToPath(new URL('../../shared/data/cifar10/', import.meta.url));

const options = (run: string, more: Partial<TrainOptions>): Partial<TrainOptions> => ({
  ...{
    data: [`${data}train-*.parquet?label=bird`],
    val: [`${data}test-*.parquet?label=bird`],
    imageSize: 32,
  },
  ...{ device: 'cpu', run: join(folder, run), lock: join(folder, 'birbs.lock.json'), ...more },
});

const peace: Poison = async () => {};

/** Settings that a clean run may have; each seed another mixture. */
function mixture(seed: number): Partial<TrainOptions> {
  const pick = <T>(all: readonly T[], by: number) => all[Math.floor(seed / by) % all.length]!;
  return {
    ...{ seed, epochs: 2 },
    batchSize: pick([32, 8, 128, 16], 1),
    optimizer: pick(['adamw', 'sgd', 'adam'] as const, 2),
    network: pick(['birbs-bn', 'birbs'] as const, 3),
    schedule: pick(['cosine', 'one-cycle', 'constant'] as const, 5),
  };
}

const at = (seed: number) => [60, 150, 260].map((step, i) => step + ((seed * 37 + i * 11) % 40));
const kinds: Record<string, (seed: number) => Poison> = {
  NaN: (seed) => async (session, step) => {
    if (at(seed).includes(step))
      await session.setParameters((await session.getParameters()).fill(Number.NaN));
  },
  huge: (seed) => async (session, step) => {
    if (!at(seed).includes(step)) return;
    await session.setParameters(
      (await session.getParameters()).map((value, i) => (i % 2 ? -100 : 100) * value),
    );
  },
  mislabelled: (seed) => async (_, step, labels) => {
    if (at(seed).includes(step)) for (const [i, label] of labels.entries()) labels[i] = 1 - label;
  },
};

async function clean(runs: number) {
  let alarms = 0;
  for (let seed = 1; seed <= runs; seed++) {
    const { rollbacks } = await trainWith(peace, options(`clean-${seed}`, mixture(seed)));
    alarms += rollbacks.length;
    console.log(JSON.stringify({ ...mixture(seed), alarms: rollbacks.map(({ message }) => message) }));
    rmSync(join(folder, `clean-${seed}`), { recursive: true });
  }
  console.log(JSON.stringify({ runs, alarms }));
}

async function poison(seeds: number) {
  for (let seed = 1; seed <= seeds; seed++) {
    const settings = { seed, epochs: 8 };
    const { results } = await trainWith(peace, options(`whole-${seed}`, settings));
    for (const [kind, make] of Object.entries(kinds)) {
      const found = await trainWith(make(seed), options(`${kind}-${seed}`, settings));
      const points = 100 * (found.results.best!.balancedAccuracy - results.best!.balancedAccuracy);
      const rollbacks = found.rollbacks.length;
      console.log(
        JSON.stringify({ seed, kind, steps: at(seed), rollbacks, points: Number(points.toFixed(2)) }),
      );
    }
  }
}

try {
  const [what, count = '5'] = process.argv.slice(2);
  await (what === 'clean' ? clean : poison)(Number(count));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
