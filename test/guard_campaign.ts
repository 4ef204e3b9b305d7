/**
 * Whether the guard sees what is wrong, and nothing else; on the CIFAR-10 files beside the repository:
 * `node --import tsx test/guard_campaign.ts clean 50` trains in peace and counts alarms,
 * `node --import tsx test/guard_campaign.ts poison 4 [FILE [COUNT]]` compares poisoned trainings with clean ones, in points of
 * balanced accuracy, for each of some seeds, beside what two clean ones differ by. What FILE has is not trained again, and not
 * more than COUNT trainings are, so that it can be done in pieces.
 */
import { appendFileSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TrainOptions } from '../src/options.ts';
import { temporaryFolder } from './images.ts';
import { type Poison, trainWith } from './poison.ts';

const folder = temporaryFolder('guard');
const data = fileURLToPath(new URL('../../shared/data/cifar10/', import.meta.url));

const options = (run: string, more: Partial<TrainOptions>): Partial<TrainOptions> => ({
  ...{ imageSize: 32, device: 'cpu', run: join(folder, run), lock: join(folder, 'birbs.lock.json') },
  ...more,
});

const birds: Partial<TrainOptions> = {
  data: [`${data}train-*.parquet?label=bird`],
  val: [`${data}test-*.parquet?label=bird`],
};

const named = (label: string) => `${data}*.parquet?label=${label}`;
/**
 * Two large groups that are told apart well, and twenty thousand images to judge by: of a few birds chance alone moves
 * the result by more than the half point that is to be seen.
 */
const groups: Partial<TrainOptions> = {
  birds: ['airplane', 'automobile', 'ship', 'truck'].map(named),
  notBirds: ['bird', 'cat', 'deer', 'dog', 'frog', 'horse'].map(named),
  ...{ valFraction: 0.4, epochs: 8 },
};

const peace: Poison = async () => {};

/** Settings that a clean run may have; each seed another mixture. */
function mixture(seed: number): Partial<TrainOptions> {
  const pick = <T>(all: readonly T[], by: number) => all[Math.floor(seed / by) % all.length]!;
  return {
    ...{ ...birds, seed, epochs: 2 },
    batchSize: pick([32, 8, 128, 16], 1),
    optimizer: pick(['adamw', 'sgd', 'adam'] as const, 2),
    network: pick(['birbs-bn', 'birbs'] as const, 3),
    schedule: pick(['cosine', 'one-cycle', 'constant'] as const, 5),
  };
}

const nan: Poison = async (session) =>
  session.setParameters((await session.getParameters()).fill(Number.NaN));
const huge: Poison = async (session) =>
  session.setParameters((await session.getParameters()).map((value, i) => (i % 2 ? -100 : 100) * value));
const mislabelled: Poison = async (_session, _step, labels) => {
  for (const [i, label] of labels.entries()) labels[i] = 1 - label;
};

/** The given poisons in turn, at the given steps. */
const poisoned =
  (used: Poison[], steps: number[]): Poison =>
  async (session, step, labels) => {
    const place = steps.indexOf(step);
    if (place >= 0) await used[place % used.length]!(session, step, labels);
  };

/**
 * A clean training is compared with another that only adds up in another order, and with poisoned ones. NaN and huge take
 * turns: alone, they are undone at the same step and end up the same to the last bit.
 */
const kinds = {
  clean: [],
  'one thread': [],
  'NaN and huge': [nan, huge],
  mislabelled: [mislabelled],
  late: [nan, huge, mislabelled],
} satisfies Record<string, Poison[]>;
type Kind = keyof typeof kinds;
const kindNames = Object.keys(kinds) as Kind[];

/** Three steps while the rate rises. */
const early = (seed: number) => [60, 150, 260].map((step, i) => step + ((seed * 37 + i * 11) % 40));
/** And while it comes down for the last time. */
const late = (seed: number, steps: number) =>
  [0.7, 0.8, 0.9].map((share, i) => Math.round(share * steps) + ((seed * 37 + i * 11) % 40));

interface Trained {
  seed: number;
  kind: Kind;
  /** Of the weights of the end, and of the best epoch; from 0 to 1. */
  final: number;
  best: number;
  /** Of the clean training: those that count. */
  steps: number;
  poisonedSteps: number[];
  rollbacks: string[];
}

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

async function trainKind(seed: number, kind: Kind, clean: Trained | undefined): Promise<Trained> {
  const used: Poison[] = kinds[kind];
  const poisonedSteps = used.length === 0 ? [] : kind === 'late' ? late(seed, clean!.steps) : early(seed);
  const settings = { ...groups, seed, threads: kind === 'one thread' ? 1 : 2 };
  const run = `${kind}-${seed}`;
  const { results, rollbacks } = await trainWith(poisoned(used, poisonedSteps), options(run, settings));
  rmSync(join(folder, run), { recursive: true });
  return {
    ...{ seed, kind, final: results.final!.balancedAccuracy, best: results.best!.balancedAccuracy },
    ...{
      steps: results.steps,
      poisonedSteps,
      rollbacks: rollbacks.map(({ step, kind }) => `${step} ${kind}`),
    },
  };
}

/** Points that a poison may cost. */
const ALLOWED = 0.5;

/** In points, of each training from the clean one of its seed; ends with 1 where a poison costs more than it may. */
function tell(all: Trained[]) {
  const cleanOf = (one: Trained) => all.find(({ seed, kind }) => seed === one.seed && kind === 'clean')!;
  const points = (a: number, b: number) => Number((100 * (a - b)).toFixed(2));
  for (const one of all) {
    const { seed, kind, final, best, ...more } = one;
    const clean = kind === 'clean' ? { final: 0, best: 0 } : cleanOf(one);
    const told = { final: points(final, clean.final), best: points(best, clean.best) };
    console.log(JSON.stringify({ seed, kind, ...told, ...more }));
  }
  for (const kind of kindNames.slice(1)) {
    const differences = all
      .filter((one) => one.kind === kind)
      .map((one) => 100 * (one.final - cleanOf(one).final));
    if (differences.length === 0) continue;
    const mean = differences.reduce((a, b) => a + b, 0) / differences.length;
    const worst = Math.max(...differences.map(Math.abs));
    console.log(
      `${kind}: ${differences.length} runs, mean ${mean.toFixed(2)}, largest ${worst.toFixed(2)} points`,
    );
  }
  const poisoned = all.filter(({ kind }) => kinds[kind].length > 0);
  const recovered = poisoned.filter((one) => 100 * (one.final - cleanOf(one).final) >= -ALLOWED);
  console.log(`${recovered.length} of ${poisoned.length} poisoned runs lost no more than ${ALLOWED} points`);
  if (recovered.length < poisoned.length) process.exitCode = 1;
}

/** Of so many seeds it is measured by how much two clean trainings differ. */
const FLOOR_SEEDS = 2;

async function poison(seeds: number, file = join(folder, 'trained.jsonl'), most = Number.POSITIVE_INFINITY) {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const lines = text.split('\n').filter((line) => line !== '');
  const all = lines.map((line): Trained => JSON.parse(line));
  let done = 0;
  for (let seed = 1; seed <= seeds; seed++)
    for (const kind of kindNames) {
      if (done >= most || all.some((one) => one.seed === seed && one.kind === kind)) continue;
      if (kind === 'one thread' && seed > FLOOR_SEEDS) continue;
      const clean = all.find((one) => one.seed === seed && one.kind === 'clean');
      all.push(await trainKind(seed, kind, clean));
      appendFileSync(file, `${JSON.stringify(all.at(-1))}\n`);
      done += 1;
    }
  tell(all);
}

try {
  const [what, count = '4', file, most] = process.argv.slice(2);
  if (what === 'clean') await clean(Number(count));
  else await poison(Number(count), file, most === undefined ? undefined : Number(most));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
