/** Run by run_exits.ts: works with the addon, and ends itself in the given way after some milliseconds. */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { loadAddon, type Tensor } from '../src/model/addon.ts';
import { birbs } from '../src/model/presets.ts';
import { train } from '../src/train.ts';

/** The ways to end, and the exit code of each. */
export const exitCodes = {
  'process.exit during operations': 7,
  'process.exit during training steps': 7,
  'process.exit during train()': 7,
  'process.exit with work in worker threads': 7,
  'process.exit in a worker thread': 3,
  'worker.terminate()': 7,
  'an uncaught exception': 1,
  'an exit that begins more work, then another exit': 9,
  "process.exit where nobody hears 'exit'": 7,
} as const;
type Way = keyof typeof exitCodes;

const addonPath =
  process.env.BIRBS_ADDON ?? fileURLToPath(new URL('../build/Release/birbs.node', import.meta.url));
const ones = (...shape: number[]): Tensor => ({
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b)).fill(1),
});

/** Two convolutions are always under way. */
function convolve(): void {
  const inputs = [ones(8, 16, 32, 32), ones(16, 16, 3, 3)];
  const again = (): void => {
    void loadAddon()
      .runOperation('cpu', 'conv2d', inputs, { kernel: [3, 3] })
      .then(again);
  };
  again();
  again();
}

async function takeSteps(): Promise<void> {
  const network = birbs({ imageSize: 32, classNames: ['bird', 'not-bird'] });
  const session = await loadAddon().createSession({
    ...{ device: 'cpu', network, seed: 1, batchSize: 32, threads: 2 },
    optimizer: { kind: 'adamw' },
  });
  for (;;) await session.trainStep(new Uint8Array(32 * 32 * 32 * 3), new Int32Array(32), 0.01);
}

/** A thread of Node's that convolves, and ends itself if told when. */
function startWorker(exitAfter?: number): Worker {
  const script = `
    const addon = require(${JSON.stringify(addonPath)});
    const ones = (...shape) => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b)).fill(1) });
    const inputs = [ones(8, 16, 32, 32), ones(16, 16, 3, 3)];
    const again = () => addon.runOperation('cpu', 'conv2d', inputs, { kernel: [3, 3] }).then(again);
    again();
    again();
    const after = ${exitAfter ?? -1};
    if (after >= 0) setTimeout(() => process.exit(3), after);`;
  return new Worker(script, { eval: true });
}

/** The parent measures how long the end takes from here. */
function end(code: number): never {
  writeSync(1, `${Date.now()}\n`);
  process.exit(code);
}

const starts: Record<Way, (moment: number, folder: string) => unknown> = {
  'process.exit during operations': convolve,
  'process.exit during training steps': takeSteps,
  'process.exit during train()': (_, folder) =>
    train({
      ...{ data: [join(folder, 'photos')], cache: join(folder, 'cache'), lock: join(folder, 'lock.json') },
      ...{
        run: join(folder, `run-${process.pid}`),
        imageSize: 32,
        batchSize: 4,
        epochs: 1000,
        device: 'cpu',
      },
    }),
  'process.exit with work in worker threads': () => [startWorker(), startWorker()],
  'process.exit in a worker thread': (moment) => {
    convolve();
    startWorker(moment).on('exit', end);
  },
  'worker.terminate()': (moment) => {
    const worker = startWorker();
    convolve();
    setTimeout(() => void worker.terminate().then(() => end(7)), moment);
  },
  'an uncaught exception': convolve,
  'an exit that begins more work, then another exit': () => {
    process.on('exit', () => {
      convolve();
      process.exit(9);
    });
    convolve();
  },
  "process.exit where nobody hears 'exit'": () => {
    convolve();
    process.removeAllListeners('exit');
  },
};

function endAs(way: Way): void {
  if (way !== 'an uncaught exception') end(7);
  writeSync(1, `${Date.now()}\n`);
  throw new Error('uncaught');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [way, moment, folder] = process.argv.slice(2) as [Way, string, string];
  starts[way](Number(moment), folder);
  const endsItself = way === 'worker.terminate()' || way === 'process.exit in a worker thread';
  // Images are read before the first step.
  const later = way === 'process.exit during train()' ? 5 : 1;
  if (!endsItself) setTimeout(() => endAs(way), Number(moment) * later);
}
