/** Whether a device computes what the portable kernels compute; one result a check. */
import { availableParallelism } from 'node:os';
import { type Difference, worstDifference } from '../metrics/difference.ts';
import { computeMetrics } from '../metrics/metrics.ts';
import {
  type DeviceInfo,
  type DeviceName,
  loadAddon,
  type NativeSession,
  type OptimizerOptions,
  type ProbeAnswer,
  type SessionOptions,
  type StepResult,
} from './addon.ts';
import { operationFindings } from './doctor_operations.ts';
import type { Layer, Network } from './network.ts';
import { birbsBn } from './presets.ts';
import { lite0 } from './pretrained_networks.ts';
import { compareStep } from './step_comparison.ts';

export interface CheckResult {
  name: string;
  ok: boolean;
  /** A known defect of this device: a wrong result is reported but does not fail the check. */
  excuse: string | null;
  /** Largest difference to the portable kernels, on the scale of the values; null where nothing is compared. */
  worst: number | null;
  /** Largest `worst` that is well. */
  tolerance: number | null;
  /** What was found, in a sentence or less. */
  detail: string;
  seconds: number;
}

export interface DoctorSettings {
  device: DeviceInfo;
  /** Whether to time training at the end. */
  bench: boolean;
  /** Asks the device's library one question, in a process of its own; rejects when that process dies. */
  ask: (probe: string) => Promise<ProbeAnswer>;
  /** Called when a check begins: some take seconds. */
  onStart?: (name: string) => void;
}

/** Float32 sums in another order, and faster convolutions than by definition (Winograd's). */
const TOLERANCE = { operation: 1e-4, pass: 5e-4, steps: 1e-3, half: 3e-2 };
const MEMORY = { steps: 1000, warmUp: 100, megabytes: 16 };

type DepthwiseRoute = SessionOptions['depthwise'];
type Outcome = Partial<Pick<CheckResult, 'ok' | 'excuse' | 'worst' | 'tolerance' | 'detail'>>;

/** All checks, from the device's facts to the benchmark. Nothing rejects: what fails is a result that is not ok. */
export async function* examine(settings: DoctorSettings): AsyncGenerator<CheckResult, void> {
  const results: CheckResult[] = [];
  const check = checker(settings.onStart);
  const { name, gpu } = settings.device;
  const control = gpu?.virtual ? await controlProduct(name, check) : undefined;
  if (control) yield control;
  const pretrained = settings.bench ? LITE0 : BLOCKS;
  for await (const result of compared(name, pretrained, check)) {
    const judged = control ? excuse(result, control) : result;
    results.push(judged);
    yield judged;
  }
  for await (const result of openPoints(settings, results, check))
    yield control ? excuse(result, control) : result;
  if (settings.bench) yield* benchmarks(name, check);
}

const CONTROL = 'control: a product of 2 x 2 matrices';

/** On a virtual GPU: whether it computes at all. Where it does not, no other number says anything about our graphs. */
async function controlProduct(device: DeviceName, check: Check): Promise<CheckResult> {
  const matrix = (...values: number[]) => ({ shape: [2, 2], data: Float32Array.from(values) });
  const result = await check(CONTROL, async () => {
    const inputs = [matrix(1, 2, 3, 4), matrix(5, 7, 6, 8), { shape: [2], data: Float32Array.of(0, 0) }];
    const [found] = await loadAddon().runOperation(device, 'dense', inputs, {});
    return judge(worstDifference([['product', found!.data, [19, 22, 43, 50]]]), TOLERANCE.operation);
  });
  return result.ok
    ? result
    : { ...result, excuse: 'a virtual GPU, as hosted runners have them, may compute wrongly' };
}

/** Known defects of virtual GPUs are reported but fail nothing. */
function excuse(result: CheckResult, control: CheckResult): CheckResult {
  if (result.ok) return result;
  if (!control.ok) return { ...result, excuse: 'this virtual GPU fails its control as well' };
  if (result.name !== HALF_CHECK) return result;
  return { ...result, excuse: 'float16 is known to be wrong on virtual GPUs' };
}

async function* compared(
  device: DeviceName,
  pretrained: Network,
  check: Check,
): AsyncGenerator<CheckResult, void> {
  for await (const { operation, note, compare } of operationFindings(device)) {
    const name = note ? `${operation}: ${note}` : operation;
    yield await check(name, async () => judge(await compare(), TOLERANCE.operation));
  }
  for (const [name, network] of Object.entries(NETWORKS)) {
    yield await check(`${name}: evaluate and predict, ragged batch`, () =>
      comparePredictions(device, network),
    );
    yield await check(`${name}: loss, logits, gradients`, () => compareGradients(device, network));
  }
  // Other devices have one way of computing them.
  for (const depthwise of device === 'metal' ? (['groups', 'operations'] as const) : ([undefined] as const)) {
    const route = depthwise ? `, depthwise as ${depthwise}` : '';
    yield await check(`pretrained network${route}: features`, () =>
      compareFeatures(device, pretrained, depthwise),
    );
    yield await check(`pretrained network${route}: a step of fine-tuning`, () =>
      compareFineTuning(device, pretrained, depthwise),
    );
  }
  for (const [name, optimizer] of Object.entries(OPTIMIZERS)) {
    yield await check(`ten training steps: ${name}`, () => compareSteps(device, optimizer));
    yield await check(`resume on another device and back: ${name}`, () => compareResumed(device, optimizer));
  }
  yield await check(HALF_CHECK, () => compareHalf(device));
  yield await check(MEMORY_CHECK, () => memoryFlat(device));
  if (device === 'metal')
    yield await check('command buffers of a step', () => commandBuffers(device, pretrained));
}

type Check = (name: string, run: () => Promise<Outcome>) => Promise<CheckResult>;

function checker(onStart: DoctorSettings['onStart']): Check {
  return async (name, run) => {
    onStart?.(name);
    const begin = performance.now();
    const outcome = await run().catch((error: Error): Outcome => ({ ok: false, detail: error.message }));
    const seconds = (performance.now() - begin) / 1000;
    return { name, ok: true, excuse: null, worst: null, tolerance: null, detail: '', ...outcome, seconds };
  };
}

function judge({ worst, at }: Difference, tolerance: number): Outcome {
  const ok = worst <= tolerance;
  return { ok, worst, tolerance, detail: ok ? '' : at };
}

const NETWORKS: Record<string, Network> = {
  birbs: made(12, 20, 2, [
    ...[5, 8].flatMap((outChannels, i): Layer[] => [
      { type: 'conv2d', name: `conv${i + 1}`, outChannels, kernelSize: 3, padding: 1 },
      { type: 'relu' },
      { type: 'maxPool2d', kernelSize: 2 },
    ]),
    { type: 'flatten' },
    { type: 'dense', name: 'fc1', outFeatures: 20 },
    { type: 'relu' },
    { type: 'dropout', rate: 0.5 },
    { type: 'dense', name: 'fc2', outFeatures: 2 },
  ]),
  'every layer': made(15, 11, 4, [
    {
      type: 'conv2d',
      name: 'conv1',
      outChannels: 9,
      kernelSize: [3, 2],
      stride: [2, 1],
      groups: 3,
      padding: [1, 0, 2, 1],
      bias: false,
    },
    { type: 'batchNorm2d', name: 'bn1' },
    { type: 'relu' },
    { type: 'avgPool2d', kernelSize: [3, 2], stride: [1, 2], padding: [1, 1, 1, 0], countIncludePad: false },
    { type: 'conv2d', name: 'conv2', outChannels: 8, kernelSize: [2, 3], dilation: [2, 1], padding: 1 },
    { type: 'dropout', rate: 0.25 },
    { type: 'maxPool2d', kernelSize: [3, 2], stride: 2, padding: [1, 0, 1, 0] },
    { type: 'globalAvgPool2d' },
    { type: 'flatten' },
    { type: 'dense', name: 'fc', outFeatures: 4 },
  ]),
};

// Adam divides by the root of small second moments: an epsilon above roundings keeps them small.
const OPTIMIZERS: Record<string, OptimizerOptions> = {
  sgd: { kind: 'sgd', momentum: 0.9, weightDecay: 0.001 },
  adam: { kind: 'adam', epsilon: 1e-5 },
  adamw: { kind: 'adamw', epsilon: 1e-5, weightDecay: 0.01 },
};
const LEARNING_RATE = 0.001;
const BATCH_SIZE = 6;
const RULES = { seed: 11, threads: availableParallelism(), clipNorm: 1, labelSmoothing: 0.05 };

function made(height: number, width: number, classes: number, layers: Layer[]): Network {
  return {
    input: { height, width, channels: 3, fit: 'fill' },
    normalization: { mean: [0.5, 0.4, 0.3], std: [0.25, 0.5, 0.2] },
    layers,
    classNames: Array.from({ length: classes }, (_, k) => `class ${k}`),
  };
}

/** Runs `use` with a session of each device, and frees them. */
async function withSessions<T>(
  devices: DeviceName[],
  network: Network,
  optimizer: OptimizerOptions,
  use: (...sessions: NativeSession[]) => Promise<T>,
  batchSize = BATCH_SIZE,
  depthwise?: DepthwiseRoute,
): Promise<T> {
  const sessions: NativeSession[] = [];
  const rules = { ...RULES, batchSize, optimizer, ...(depthwise ? { depthwise } : {}) };
  try {
    for (const device of devices)
      sessions.push(await loadAddon().createSession({ device, network, ...rules }));
    return await use(...sessions);
  } finally {
    await Promise.all(sessions.map((session) => session.dispose()));
  }
}

/** Random training data, the same in every run; every third batch is smaller. */
async function drawBatch({ input, classNames }: Network, step: number, batchSize = BATCH_SIZE) {
  const count = step % 3 === 2 ? batchSize - 2 : batchSize;
  const size = count * input.height * input.width * 3;
  const words = await loadAddon().philox(7, 1, step, Math.ceil(size / 4));
  const drawn = await loadAddon().philox(7, 2, step, count);
  return {
    images: new Uint8Array(words.buffer, words.byteOffset, size),
    labels: Int32Array.from(drawn, (word) => word % classNames.length),
  };
}

function comparePredictions(device: DeviceName, network: Network): Promise<Outcome> {
  return withSessions([device, 'portable'], network, OPTIMIZERS.sgd!, async (ours, theirs) => {
    const pairs: [string, ArrayLike<number>, ArrayLike<number>][] = [];
    for (const step of [0, 2]) {
      const { images, labels } = await drawBatch(network, step);
      const [found, expected] = [
        await ours!.predict(images, labels.length),
        await theirs!.predict(images, labels.length),
      ];
      pairs.push([`logits of ${labels.length} images`, found, expected]);
      const classes = network.classNames.length;
      const metrics = await computeMetrics(found, labels, classes);
      const others = await computeMetrics(expected, labels, classes);
      pairs.push([`validation loss of ${labels.length} images`, [metrics.loss], [others.loss]]);
    }
    return judge(worstDifference(pairs), TOLERANCE.pass);
  });
}

function compareGradients(device: DeviceName, network: Network): Promise<Outcome> {
  return withSessions([device, 'portable'], network, OPTIMIZERS.sgd!, async (ours, theirs) => {
    const { images, labels } = await drawBatch(network, 0);
    const [found, expected] = [
      await ours!.gradients(images, labels),
      await theirs!.gradients(images, labels),
    ];
    const { worst, at } = worstDifference([
      ['loss', [found.loss], [expected.loss]],
      ['logits', found.logits, expected.logits],
      ['losses of the images', found.imageLosses, expected.imageLosses],
      ['gradient norm', [found.gradientNorm], [expected.gradientNorm]],
      ...eachParameter(ours!, 'gradient of ', found.gradients, expected.gradients),
    ]);
    return judge({ worst, at }, TOLERANCE.pass);
  });
}

/** Depthwise convolutions, `same` padding, relu6, add, frozen statistics: what pretrained networks bring, in little. */
const BLOCKS = made(21, 18, 2, [
  ...block('stem', 8, { kernelSize: 3, stride: 2 }),
  ...block('dw1', 8, { kernelSize: 5, stride: 2, groups: 8 }),
  ...block('pw1', 12, { kernelSize: 1 }),
  ...block('dw2', 12, { kernelSize: 3, groups: 12 }),
  { type: 'add', name: 'sum', from: ['dw2.act', 'pw1.act'] },
  { type: 'globalAvgPool2d' },
  { type: 'flatten' },
  { type: 'dropout', rate: 0.2 },
  { type: 'dense', name: 'fc', outFeatures: 2 },
]);

function block(name: string, outChannels: number, more: object): Layer[] {
  return [
    {
      type: 'conv2d',
      name,
      outChannels,
      padding: 'same',
      bias: false,
      learningRateFactor: 0.1,
      ...more,
    } as Layer,
    { type: 'batchNorm2d', name: `${name}.bn`, frozenStatistics: true, learningRateFactor: 0.1 },
    { type: 'relu6', name: `${name}.act` },
  ];
}

/** The network itself, where time does not matter. */
const LITE0 = lite0({ imageSize: 48, classNames: ['bird', 'not-bird'], backbone: 'tuned' });

function compareFeatures(device: DeviceName, network: Network, depthwise: DepthwiseRoute): Promise<Outcome> {
  return withSessions(
    [device, 'portable'],
    network,
    OPTIMIZERS.sgd!,
    async (ours, theirs) => {
      const { images, labels } = await drawBatch(network, 0);
      const found = await ours!.features(images, labels.length);
      const expected = await theirs!.features(images, labels.length);
      return judge(worstDifference([['features', found, expected]]), TOLERANCE.pass);
    },
    BATCH_SIZE,
    depthwise,
  );
}

function compareFineTuning(
  device: DeviceName,
  network: Network,
  depthwise: DepthwiseRoute,
): Promise<Outcome> {
  return withSessions(
    [device, 'portable'],
    network,
    OPTIMIZERS.adamw!,
    async (ours, theirs) => {
      const mismatch = await compareStep(ours!, theirs!, await drawBatch(network, 2));
      if (!mismatch) return {};
      return { ok: false, worst: mismatch.worst, tolerance: mismatch.allowed, detail: mismatch.what };
    },
    BATCH_SIZE,
    depthwise,
  );
}

/** How many MPSGraph makes of one step, and whether each was watched for faults. */
async function commandBuffers(device: DeviceName, pretrained: Network): Promise<Outcome> {
  const found: string[] = [];
  let unwatched = false;
  for (const [name, network] of [['birbs', NETWORKS.birbs!] as const, ['pretrained', pretrained] as const]) {
    const result = await withSessions([device], network, OPTIMIZERS.adamw!, async (session) => {
      const { images, labels } = await drawBatch(network, 0);
      return session!.trainStep(images, labels, LEARNING_RATE);
    });
    const count = result.commandBuffers ?? 1;
    found.push(`${name} ${count}, so ${count - 1} continuations`);
    unwatched ||= result.unwatched === true;
  }
  const detail = found.join('; ');
  if (!unwatched) return { detail };
  return {
    ok: false,
    excuse:
      'MPSGraph continues without asking the command buffer, so a fault in the middle of a step may pass unseen',
    detail,
  };
}

function eachParameter(session: NativeSession, what: string, found: Float32Array, expected: Float32Array) {
  return session.parameters.map(({ name, offset, size }): [string, Float32Array, Float32Array] => [
    what + name,
    found.subarray(offset, offset + size),
    expected.subarray(offset, offset + size),
  ]);
}

function compareSteps(device: DeviceName, optimizer: OptimizerOptions): Promise<Outcome> {
  const network = NETWORKS.birbs!;
  return withSessions([device, 'portable'], network, optimizer, async (ours, theirs) => {
    const [found, expected] = [
      await takeSteps(ours!, network, 0, 10),
      await takeSteps(theirs!, network, 0, 10),
    ];
    const [values, others] = [await ours!.getParameters(), await theirs!.getParameters()];
    const pairs = eachParameter(ours!, 'after ten steps: ', values, others);
    return judge(worstDifference([['losses', found, expected], ...pairs]), TOLERANCE.steps);
  });
}

/** Float16 against the portable float32: the losses alone, as single weights part where they hardly matter. */
async function compareHalf(device: DeviceName): Promise<Outcome> {
  const [network, optimizer] = [NETWORKS.birbs!, OPTIMIZERS.adamw!];
  const options = { ...RULES, device, network, optimizer, batchSize: BATCH_SIZE, precision: 'fp16' } as const;
  const session = await loadAddon()
    .createSession(options)
    .catch((error: Error) => error);
  if (session instanceof Error) return { detail: `fp32 only: ${session.message}` };
  try {
    const found = await takeSteps(session, network, 0, 10);
    const expected = await withSessions(['portable'], network, optimizer, (theirs) =>
      takeSteps(theirs!, network, 0, 10),
    );
    return judge(worstDifference([['losses', found, expected]]), TOLERANCE.half);
  } finally {
    await session.dispose();
  }
}

/** Three steps on portable, three on the device, three on portable again; against nine on portable. */
function compareResumed(device: DeviceName, optimizer: OptimizerOptions): Promise<Outcome> {
  const network = NETWORKS.birbs!;
  return withSessions(
    ['portable', device, 'portable', 'portable'],
    network,
    optimizer,
    async (...sessions) => {
      const [first, ours, last, through] = sessions;
      await takeSteps(first!, network, 0, 3);
      await handOver(first!, ours!);
      const losses = await takeSteps(ours!, network, 3, 6);
      await handOver(ours!, last!);
      losses.push(...(await takeSteps(last!, network, 6, 9)));
      const expected = (await takeSteps(through!, network, 0, 9)).slice(3);
      const [values, others] = [await last!.getParameters(), await through!.getParameters()];
      const [state, other] = [await last!.getOptimizerState(), await through!.getOptimizerState()];
      const { worst, at } = worstDifference([
        ['losses', losses, expected],
        ['steps taken', [state.step], [other.step]],
        ['moments', state.values, other.values],
        ...eachParameter(ours!, 'after nine steps: ', values, others),
      ]);
      return judge({ worst, at }, TOLERANCE.steps);
    },
  );
}

async function handOver(from: NativeSession, to: NativeSession): Promise<void> {
  await to.setParameters(await from.getParameters());
  await to.setOptimizerState(await from.getOptimizerState());
}

/** @returns the losses */
async function takeSteps(session: NativeSession, network: Network, first: number, last: number) {
  const losses: number[] = [];
  for (let step = first; step < last; step++) {
    const { images, labels } = await drawBatch(network, step);
    losses.push((await session.trainStep(images, labels, LEARNING_RATE)).loss);
  }
  return losses;
}

const HALF_CHECK = 'ten training steps: fp16';
const MEMORY_CHECK = `memory flat over ${MEMORY.steps} steps`;

/** What leaks a tensor a step shows; what grows once, as a pool does, does not. */
function memoryFlat(device: DeviceName): Promise<Outcome> {
  const network = NETWORKS.birbs!;
  return withSessions([device], network, OPTIMIZERS.adamw!, async (session) => {
    await queueSteps(session!, network, MEMORY.warmUp);
    const before = process.memoryUsage.rss();
    await queueSteps(session!, network, MEMORY.steps);
    const grown = Math.max(0, process.memoryUsage.rss() - before) / 2 ** 20;
    const ok = grown <= MEMORY.megabytes;
    return { ok, detail: `${grown.toFixed(1)} MiB grown, ${MEMORY.megabytes} allowed` };
  });
}

/** Steps of one batch, a few queued ahead. @returns seconds */
async function queueSteps(session: NativeSession, network: Network, count: number, batchSize = BATCH_SIZE) {
  const { images, labels } = await drawBatch(network, 0, batchSize);
  const begin = performance.now();
  const queued: Promise<unknown>[] = [];
  for (let step = 0; step < count; step++) {
    queued.push(session.trainStep(images, labels, LEARNING_RATE));
    if (queued.length > 4) await queued.shift();
  }
  await Promise.all(queued);
  return (performance.now() - begin) / 1000;
}

/** Of the open points, those whose answer our graphs do without. */
const NOT_RELIED_ON = ['optimization-levels', 'layout-timing', 'dropout-scaling', 'empty-targets'];

/** What the documentation leaves open, by the names of the checks that settle it. */
async function* openPoints(
  { device, ask }: DoctorSettings,
  results: CheckResult[],
  check: Check,
): AsyncGenerator<CheckResult, void> {
  for (const name of device.probes ?? []) {
    yield await check(`open point: ${name}`, async () => {
      const answer = await ask(name).catch((error: Error) => error);
      if (!(answer instanceof Error)) return { ok: answer.asReliedOn, detail: answer.text };
      if (NOT_RELIED_ON.includes(name))
        return { detail: `not to be had, and not relied on: ${answer.message}` };
      throw answer;
    });
  }
  if (!device.probes) return;
  const settled: [point: string, by: (name: string) => boolean, detail: string][] = [
    [
      'weight-gradient-layout',
      (name) => name.startsWith('conv2dWeightGradient'),
      'settled by its checks above',
    ],
    ['loss-gradient', (name) => name.startsWith('crossEntropyGradient'), 'settled by its check above'],
    ['memory-flat', (name) => name === MEMORY_CHECK, 'settled by its check above'],
  ];
  for (const [point, by, detail] of settled) {
    const ok = results.filter(({ name }) => by(name)).every((result) => result.ok || result.excuse !== null);
    yield await check(`open point: ${point}`, async () => ({ ok, detail }));
  }
}

/** Networks that are timed, by the batch sizes; the largest is what training takes where there is room. */
const TIMED: [name: string, network: Network, batchSizes: number[]][] = [
  ['birbs-bn, 64 px', birbsBn({ imageSize: 64, classNames: ['bird', 'not-bird'] }), [32, 128]],
  ['lite0, 224 px', lite0({ imageSize: 224, classNames: ['bird', 'not-bird'], backbone: 'tuned' }), [8, 32]],
];
/** About what each measurement takes. */
const TIMED_SECONDS = 1.5;

async function* benchmarks(device: DeviceName, check: Check): AsyncGenerator<CheckResult, void> {
  for (const [name, network, batchSizes] of TIMED) {
    for (const batchSize of batchSizes) {
      yield await check(`benchmark: ${name}, batch ${batchSize}`, async () => {
        const ours = await rates(device, network, batchSize);
        const cpu = device === 'cpu' ? undefined : await rates('cpu', network, batchSize);
        return { detail: `images/s: ${ratesInWords(ours, cpu)}` };
      });
    }
  }
}

/** Images a second, and of a GPU how it was kept busy. */
interface Rates {
  train: number;
  features: number;
  predict: number;
  gpu: string;
}

function rates(device: DeviceName, network: Network, batchSize: number): Promise<Rates> {
  const optimizer: OptimizerOptions = { kind: 'adamw' };
  const measure = async (session: NativeSession): Promise<Rates> => {
    const { images, labels } = await drawBatch(network, 0, batchSize);
    let last: StepResult | undefined;
    let busy = 0;
    const train = await rateOf(batchSize, async () => {
      last = await session.trainStep(images, labels, LEARNING_RATE);
      busy += last.deviceSeconds;
    });
    const features = await rateOf(batchSize, () => session.features(images, labels.length));
    const predict = await rateOf(batchSize, () => session.predict(images, labels.length));
    const { commandBuffers = 0, hostSeconds = 0 } = last!;
    const share = Math.round((100 * busy) / ((train.calls * batchSize) / train.rate));
    const gpu =
      commandBuffers > 0
        ? `, GPU busy ${share}% of training, ${commandBuffers} command buffers and ${(hostSeconds * 1e3).toFixed(2)} ms of the host a step`
        : '';
    return { train: train.rate, features: features.rate, predict: predict.rate, gpu };
  };
  return withSessions([device], network, optimizer, (session) => measure(session!), batchSize);
}

/** A few calls at a time, as training has them; the first ones do not count. */
async function rateOf(
  batchSize: number,
  call: () => Promise<unknown>,
): Promise<{ rate: number; calls: number }> {
  await call();
  const begin = performance.now();
  const seconds = () => (performance.now() - begin) / 1000;
  const queued: Promise<unknown>[] = [];
  let calls = 0;
  while (calls < 3 || seconds() < TIMED_SECONDS) {
    queued.push(call());
    calls += 1;
    if (queued.length > 2) await queued.shift();
  }
  await Promise.all(queued);
  return { rate: (batchSize * calls) / seconds(), calls };
}

function ratesInWords(ours: Rates, cpu: Rates | undefined): string {
  const each = (['train', 'features', 'predict'] as const).map((what) => {
    const beside = cpu ? ` (cpu ${Math.round(cpu[what])})` : '';
    return `${what} ${Math.round(ours[what])}${beside}`;
  });
  return `${each.join(', ')}${ours.gpu}`;
}
