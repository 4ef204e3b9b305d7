/** What a steady training step on Metal costs beside its arithmetic, counted by the MPSGraph stand-in of the tests. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Layer } from '../src/model/network.ts';

const STANDIN =
  process.env.BIRBS_STANDIN_ADDON ??
  fileURLToPath(new URL('../build/standin/Release/birbs.node', import.meta.url));
const WARM_UP = 10;
const BATCH = 4;
const SIZE = 48;

/** One counted figure, and what it has to be. */
export interface CostResult {
  bench: 'metal-cost';
  case: string;
  what: string;
  count: number;
  wanted: number;
}

/** See `standin_counters` in test/mpsgraph/include/standin.h. */
type Counters = Record<string, number>;

const LAYERS: Layer[] = [
  { type: 'conv2d', name: 'conv1', outChannels: 4, kernelSize: 3, stride: 2, padding: 1 },
  { type: 'batchNorm2d', name: 'bn1' },
  { type: 'relu' },
  { type: 'maxPool2d', kernelSize: 4 },
  { type: 'flatten' },
  { type: 'dense', name: 'fc1', outFeatures: 2 },
];

// Four steps asked for at a time, every tenth batch smaller than the others.
const SCRIPT = `
  const addon = require(process.env.BIRBS_ADDON);
  const { options, steps } = JSON.parse(process.argv[1]);
  const size = options.network.input.height ** 2 * 3;
  const images = new Uint8Array(options.batchSize * size).map((_, i) => (i * 7919) % 251);
  (async () => {
    const session = await addon.createSession(options);
    const asked = [];
    for (let step = 0; step < steps; step++) {
      const count = step % 10 === 9 ? options.batchSize - 1 : options.batchSize;
      asked.push(session.trainStep(images.subarray(0, count * size), new Int32Array(count), 1e-3));
      if (asked.length > 4) await asked.shift();
    }
    await Promise.all(asked);
    await session.dispose();
  })();`;

/** Each figure over `steps` steps, those of the start left out. Throws where the stand-in is not built. */
export function* metalCost(steps = 1000): Generator<CostResult> {
  if (!existsSync(STANDIN)) {
    throw new Error(`${STANDIN} is missing; run \`node src/setup.mjs --standin\` (Linux only)`);
  }
  const start = countersOf(WARM_UP);
  const end = countersOf(WARM_UP + steps);
  const grown = (...names: string[]) =>
    names.map((name) => end[name]! - start[name]!).reduce((a, b) => a + b, 0);
  const batchBytes = BATCH * SIZE * SIZE * 3;
  const figures: [string, number, number][] = [
    // Opening a session compiles predict as well.
    ['compiles for train', end.compiles! - 1, 1],
    ['host waits other than ring-full', grown('hostWaits', 'queueWaits'), 0],
    // The rest of a step's input is labels and scalars: two decimals leave them out.
    ['input bytes per batch byte', Math.round((grown('inputBytes') / steps / batchBytes) * 100) / 100, 1],
    ['bytes copied besides the write of the batch', grown('copiedBytes'), 0],
    ['weight bytes moved', grown('variableBytesIn', 'variableBytesOut', 'readBytes'), 0],
    ['command buffers a step', grown('commandBuffers') / steps, 1],
    ['device allocations', grown('buffers'), 0],
    ['device bytes grown', end.peakBytes! - start.peakBytes!, 0],
    ['steps in flight', end.maxInFlight!, 3],
  ];
  for (const [what, count, wanted] of figures) {
    yield { bench: 'metal-cost', case: `${steps} steps on the stand-in`, what, count, wanted };
  }
}

function countersOf(steps: number): Counters {
  const folder = mkdtempSync(join(tmpdir(), 'birbs-cost-'));
  const file = join(folder, 'counters.json');
  const options = {
    device: 'metal',
    network: {
      input: { height: SIZE, width: SIZE, channels: 3, fit: 'cover' },
      normalization: { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] },
      layers: LAYERS,
      classNames: ['bird', 'not-bird'],
    },
    seed: 1,
    batchSize: BATCH,
    threads: 1,
    optimizer: { kind: 'adamw' },
  };
  // The device takes its time, so that the host is the one that could wait.
  const env = { BIRBS_ADDON: STANDIN, BIRBS_STANDIN_COUNTERS: file, BIRBS_STANDIN_DELAY: '2' };
  execFileSync(process.execPath, ['-e', SCRIPT, JSON.stringify({ options, steps })], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const counters = JSON.parse(readFileSync(file, 'utf8')) as Counters;
  rmSync(folder, { recursive: true });
  return counters;
}
