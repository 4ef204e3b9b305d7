/** The training step of the `birbs` network beside its bare oneDNN convolutions and beside PyTorch. */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { loadAddon, type NativeSession } from '../src/model/addon.ts';
import { birbs } from '../src/model/presets.ts';
import { LineChild } from './child.ts';
import { alternate, type BenchResult, type Contender, type MissingRival, rounded } from './timer.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BUILD = fileURLToPath(new URL('../build/bench', import.meta.url));
const CONVOLUTIONS = `${BUILD}/birbs_convolutions`;
const PYTORCH = fileURLToPath(new URL('pytorch_step.py', import.meta.url));
const ROUNDS = 15;

interface Case {
  imageSize: number;
  batchSize: number;
  optimizer: 'sgd' | 'adamw';
}

interface Rival {
  name: string;
  /** The fastest of them counts. */
  ways: Contender[];
  close(): void;
}

const CASES: Case[] = [
  { imageSize: 64, batchSize: 32, optimizer: 'sgd' },
  { imageSize: 64, batchSize: 32, optimizer: 'adamw' },
  { imageSize: 256, batchSize: 16, optimizer: 'sgd' },
  { imageSize: 256, batchSize: 16, optimizer: 'adamw' },
];

/** Milliseconds a step, through the addon as a training run does it. */
export async function* step(): AsyncGenerator<BenchResult | MissingRival> {
  for (const one of CASES) yield* stepCase(one);
  yield* portableCase(CASES[0]!);
}

/** What a machine without oneDNN takes, beside what it would take with it. */
async function* portableCase(one: Case): AsyncGenerator<BenchResult> {
  const sessions = [await openSession(one, 'portable'), await openSession(one)];
  const [ours, rival] = await alternate(
    sessions.map((session) => contender(session, one)),
    ROUNDS,
  );
  for (const session of sessions) await session.dispose();
  yield {
    ...{ bench: 'step', case: `${nameOf(one)}, portable kernels`, unit: 'ms' },
    ...{ ours: rounded(ours!), rival: rounded(rival!), rivalName: 'the cpu device' },
    ratio: rounded(ours! / rival!),
  };
}

function nameOf({ imageSize, batchSize, optimizer }: Case): string {
  return `${imageSize} px, batch ${batchSize}, ${optimizer}, ${availableParallelism()} threads`;
}

async function* stepCase(one: Case): AsyncGenerator<BenchResult | MissingRival> {
  const line = { bench: 'step', case: nameOf(one) };
  const rivals: Rival[] = [];
  for (const open of [openConvolutions, openPytorch]) {
    try {
      rivals.push(await open(one));
    } catch (error) {
      const rivalName = open === openPytorch ? 'PyTorch' : 'oneDNN convolutions';
      yield { ...line, rivalName, missing: (error as Error).message };
    }
  }
  const session = await openSession(one);
  const ways = rivals.flatMap((rival) => rival.ways);
  const [ours, ...times] = await alternate([contender(session, one), ...ways], ROUNDS);
  await session.dispose();
  for (const rival of rivals) {
    rival.close();
    const [best, ...others] = rival.ways
      .map(({ name }) => ({ name, time: times.shift()! }))
      .sort((a, b) => a.time - b.time);
    yield {
      ...line,
      unit: 'ms',
      ours: rounded(ours!),
      rival: rounded(best!.time),
      rivalName: others.length > 0 ? `${rival.name}, ${best!.name}` : rival.name,
      ratio: rounded(ours! / best!.time),
    };
  }
}

async function openSession(
  { imageSize, batchSize, optimizer }: Case,
  device: 'cpu' | 'portable' = 'cpu',
): Promise<NativeSession> {
  return await loadAddon().createSession({
    device,
    network: birbs({ imageSize, classNames: ['bird', 'not-bird'] }),
    seed: 1,
    batchSize,
    threads: availableParallelism(),
    optimizer: { kind: optimizer },
  });
}

function contender(session: NativeSession, { imageSize, batchSize }: Case): Contender {
  const images = new Uint8Array(batchSize * imageSize * imageSize * 3);
  for (let i = 0; i < images.length; i++) images[i] = (i * 7919) % 251;
  const labels = new Int32Array(batchSize).map((_, i) => i % 2);
  return {
    name: 'ours',
    async run() {
      const start = performance.now();
      await session.trainStep(images, labels, 1e-3);
      return performance.now() - start;
    },
  };
}

async function openConvolutions({ imageSize, batchSize }: Case): Promise<Rival> {
  // Also where it is there: it may be older than its source.
  const args = ['cmake-js', 'compile', '-O', BUILD, '--CDBIRBS_BENCH=ON', '-T', 'birbs_convolutions'];
  const built = spawnSync('npx', args, { cwd: ROOT, encoding: 'utf8' });
  if (built.status !== 0) throw new Error('birbs_convolutions could not be built; is oneDNN installed?');
  const child = new LineChild(CONVOLUTIONS, [imageSize, batchSize, availableParallelism()].map(String));
  const name = `sum of the convolutions, ${await child.read()}`;
  return { name, ways: [asked(child, name, '')], close: () => child.close() };
}

async function openPytorch({ imageSize, batchSize, optimizer }: Case): Promise<Rival> {
  const numbers = [imageSize, batchSize, availableParallelism()].map(String);
  const child = new LineChild(process.env.BIRBS_PYTHON ?? 'python3', [PYTORCH, ...numbers, optimizer]);
  const version = await child.read();
  const names = JSON.parse(await child.read()) as string[];
  return {
    name: `PyTorch ${version}`,
    ways: names.map((name, index) => asked(child, name, String(index))),
    close: () => child.close(),
  };
}

function asked(child: LineChild, name: string, question: string): Contender {
  return { name, run: async () => Number(await child.ask(question)) };
}
