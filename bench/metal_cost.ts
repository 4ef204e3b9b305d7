/** What a steady training step on Metal costs beside its arithmetic, counted by the MPSGraph stand-in of the tests. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Network } from '../src/model/network.ts';
import { birbsBn } from '../src/model/presets.ts';
import { lite0 } from '../src/model/pretrained_networks.ts';

const STANDIN =
  process.env.BIRBS_STANDIN_ADDON ??
  fileURLToPath(new URL('../build/standin/Release/birbs.node', import.meta.url));
const WARM_UP = 10;
const BATCH = 4;

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

const classNames = ['bird', 'not-bird'];

/** What is called again and again. */
interface Workload {
  name: string;
  network: Network;
  call: 'trainStep' | 'features';
  /** Features that are dropped at random: a byte of a mask for each. */
  dropped: number;
  /** Of the calls asked for, as a pretrained network takes the stand-in longer. */
  share: number;
}

const WORKLOADS: Workload[] = [
  {
    name: 'birbs-bn',
    network: birbsBn({ imageSize: 48, classNames }),
    call: 'trainStep',
    dropped: 0,
    share: 1,
  },
  {
    ...{ name: 'lite0, fine-tuning', call: 'trainStep', dropped: 1280, share: 0.1 },
    network: lite0({ imageSize: 32, classNames, backbone: 'tuned' }),
  },
  {
    name: 'lite0, features',
    network: lite0({ imageSize: 32, classNames }),
    call: 'features',
    dropped: 0,
    share: 0.1,
  },
];

// Four steps asked for at a time, every tenth batch smaller than the others.
const SCRIPT = `
  const addon = require(process.env.BIRBS_ADDON);
  const { options, call, steps } = JSON.parse(process.argv[1]);
  const size = options.network.input.height ** 2 * 3;
  const images = new Uint8Array(options.batchSize * size).map((_, i) => (i * 7919) % 251);
  (async () => {
    const session = await addon.createSession(options);
    const asked = [];
    for (let step = 0; step < steps; step++) {
      const count = step % 10 === 9 ? options.batchSize - 1 : options.batchSize;
      const given = images.subarray(0, count * size);
      asked.push(call === 'features' ? session.features(given, count) : session.trainStep(given, new Int32Array(count), 1e-3));
      if (asked.length > 4) await asked.shift();
    }
    await Promise.all(asked);
    await session.dispose();
  })();`;

/** Each figure over `steps` calls, those of the start left out. Throws where the stand-in is not built. */
export function* metalCost(steps = 1000): Generator<CostResult> {
  if (!existsSync(STANDIN)) {
    throw new Error(`${STANDIN} is missing; run \`node src/setup.mjs --standin\` (Linux only)`);
  }
  for (const workload of WORKLOADS) {
    const calls = Math.max(10, Math.round(steps * workload.share));
    const title = `${workload.name}, ${calls} calls on the stand-in`;
    for (const [what, count, wanted] of figuresOf(workload, calls))
      yield { bench: 'metal-cost', case: title, what, count, wanted };
  }
}

function figuresOf(workload: Workload, calls: number): [what: string, count: number, wanted: number][] {
  const { network, call, dropped } = workload;
  const start = countersOf(workload, WARM_UP);
  const end = countersOf(workload, WARM_UP + calls);
  const grown = (...names: string[]) =>
    names.map((name) => end[name]! - start[name]!).reduce((a, b) => a + b, 0);
  const batchBytes = BATCH * (network.input.height ** 2 * 3 + dropped);
  return [
    // Opening a session compiles train and predict.
    ['compiles of its own', end.compiles! - (call === 'features' ? 2 : 1), 1],
    ['host waits other than ring-full', grown('hostWaits', 'queueWaits'), 0],
    // The rest of a step's input is labels and scalars.
    [
      'input bytes per byte of batch and masks',
      Math.round((10 * grown('inputBytes')) / calls / batchBytes) / 10,
      1,
    ],
    ['bytes copied besides the write of the batch', grown('copiedBytes'), 0],
    ['weight bytes moved', grown('variableBytesIn', 'variableBytesOut', 'readBytes'), 0],
    ['command buffers a call', grown('commandBuffers') / calls, 1],
    ['device allocations', grown('buffers'), 0],
    ['device bytes grown', end.peakBytes! - start.peakBytes!, 0],
    ...(call === 'features'
      ? []
      : ([['steps in flight', end.maxInFlight!, 3]] as [string, number, number][])),
  ];
}

function countersOf({ network, call }: Workload, steps: number): Counters {
  const folder = mkdtempSync(join(tmpdir(), 'birbs-cost-'));
  const file = join(folder, 'counters.json');
  const options = {
    device: 'metal',
    network,
    seed: 1,
    batchSize: BATCH,
    threads: 1,
    optimizer: { kind: 'adamw' },
  };
  // The device takes its time, so that the host is the one that could wait.
  const env = { BIRBS_ADDON: STANDIN, BIRBS_STANDIN_COUNTERS: file, BIRBS_STANDIN_DELAY: '2' };
  execFileSync(process.execPath, ['-e', SCRIPT, JSON.stringify({ options, call, steps })], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const counters = JSON.parse(readFileSync(file, 'utf8')) as Counters;
  rmSync(folder, { recursive: true });
  return counters;
}
