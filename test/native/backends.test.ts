/** Every backend against the portable one, and what each has to keep by itself: repeatability, resuming, learning. */
import { afterEach, describe, expect, test } from 'vitest';
import type {
  DeviceName,
  NativeSession,
  OptimizerOptions,
  SessionOptions,
  StepResult,
} from '../../src/model/addon.ts';
import type { Network } from '../../src/model/network.ts';
import { assertClose, assertSame, kinkTolerance, passTolerance, stepsTolerance } from '../close.ts';
import { addon, devices } from './devices.ts';
import { birbsLike, everyLayer, smooth } from './networks.ts';
import { drawImages, drawLabels, lossesOf, meanOf } from './numbers.ts';

const batchSize = 6;

const networks: { name: string; network: Network; kinks?: false }[] = [
  { name: 'birbs at 16 x 24', network: birbsLike(16, 24, 2, [8, 16, 32]) },
  { name: 'birbs at 33 x 20 with odd channels', network: birbsLike(33, 20, 5, [5, 13, 7]) },
  { name: 'every layer at 15 x 11', network: everyLayer(15, 11, 4) },
  { name: 'every layer at 24 x 30', network: everyLayer(24, 30, 3) },
  { name: 'smooth at 18 x 13', network: smooth(18, 13, 3), kinks: false },
];

const optimizers: { rule: string; optimizer: OptimizerOptions; rate: number }[] = [
  { rule: 'sgd', optimizer: { kind: 'sgd' }, rate: 0.01 },
  {
    rule: 'sgd with nesterov momentum',
    optimizer: { kind: 'sgd', momentum: 0.9, nesterov: true, weightDecay: 0.001 },
    rate: 0.002,
  },
  { rule: 'adam', optimizer: { kind: 'adam', weightDecay: 0.001, epsilon: 1e-5 }, rate: 0.0005 },
  { rule: 'adamw', optimizer: { kind: 'adamw', weightDecay: 0.01, epsilon: 1e-5 }, rate: 0.0005 },
];

const sessions: NativeSession[] = [];
afterEach(async () => {
  await Promise.all(sessions.splice(0).map((session) => session.dispose()));
});

async function open(device: DeviceName, network: Network, overrides: Partial<SessionOptions> = {}) {
  const optimizer: OptimizerOptions = { kind: 'adamw' };
  const session = await addon.createSession({
    device,
    network,
    seed: 11,
    batchSize,
    threads: 2,
    optimizer,
    ...overrides,
  });
  sessions.push(session);
  return session;
}

/** The batch of a step; every third one is ragged. */
function batch({ input, classNames }: Network, step: number) {
  const count = step % 3 === 2 ? batchSize - 2 : batchSize;
  return {
    images: drawImages(step % 5, count, input.height, input.width),
    labels: drawLabels(100 + (step % 5), count, classNames.length),
  };
}

async function train(session: NativeSession, network: Network, first: number, last: number, rate: number) {
  const results: StepResult[] = [];
  for (let step = first; step < last; step++) {
    const { images, labels } = batch(network, step);
    results.push(await session.trainStep(images, labels, rate));
  }
  return results;
}

describe.each(devices.filter((device) => device !== 'portable'))('%s = portable', (device) => {
  describe.each(networks)('$name', ({ network, kinks }) => {
    test('the same seed gives the same parameters, byte for byte', async () => {
      const [ours, theirs] = [await open(device, network), await open('portable', network)];
      assertSame(await ours.getParameters(), await theirs.getParameters());
    });

    test.each([batchSize, 1])('logits, loss and gradients of %i images', async (count) => {
      const [ours, theirs] = [await open(device, network), await open('portable', network)];
      const images = drawImages(1, count, network.input.height, network.input.width);
      const labels = drawLabels(2, count, network.classNames.length);
      assertClose(await ours.predict(images, count), await theirs.predict(images, count), passTolerance);
      const [found, expected] = await Promise.all([
        ours.gradients(images, labels),
        theirs.gradients(images, labels),
      ]);
      assertClose([found.loss], [expected.loss], passTolerance, 'loss');
      expect(found.correct).toBe(expected.correct);
      assertClose(found.logits, expected.logits, passTolerance, 'logits');
      assertClose([found.gradientNorm], [expected.gradientNorm], passTolerance, 'gradient norm');
      assertClose(found.gradients, expected.gradients, passTolerance, 'gradients');
      assertClose(found.imageLosses, expected.imageLosses, passTolerance, 'losses of the images');
    });

    test.each(optimizers)('parameters after 1 and 100 steps: $rule', async ({ optimizer, rate }) => {
      const rules = { optimizer, clipNorm: 1, labelSmoothing: 0.05 };
      const [ours, theirs] = [await open(device, network, rules), await open('portable', network, rules)];
      for (const [first, last] of [
        [0, 1],
        [1, 100],
      ] as const) {
        const tolerance = kinks !== false && last > 1 ? kinkTolerance : stepsTolerance;
        const found = await train(ours, network, first, last, rate);
        const expected = await train(theirs, network, first, last, rate);
        const losses = (results: StepResult[]) => results.map((result) => result.loss);
        assertClose(losses(found), losses(expected), tolerance, `losses to step ${last}`);
        const [values, others] = [await ours.getParameters(), await theirs.getParameters()];
        assertClose(values, others, tolerance, `parameters after ${last}`);
        const [state, other] = [await ours.getOptimizerState(), await theirs.getOptimizerState()];
        expect(state.step).toBe(last);
        assertClose(state.values, other.values, tolerance, `moments after ${last}`);
      }
    });
  });
});

describe.each(devices)('%s', (device) => {
  describe.each(networks)('$name', ({ network }) => {
    test('same seed, same run, byte for byte; another seed, another run', async () => {
      const run = async (seed: number) => {
        const session = await open(device, network, { seed });
        await train(session, network, 0, 8, 0.003);
        return session.getParameters();
      };
      const first = await run(3);
      const other = await run(4);
      assertSame(await run(3), first);
      expect(() => assertSame(other, first)).toThrow('expected exactly');
    });

    test.each(optimizers)('a run resumed goes on as if never stopped: $rule', async ({ optimizer, rate }) => {
      const through = await open(device, network, { optimizer });
      await train(through, network, 0, 9, rate);
      const before = await open(device, network, { optimizer });
      await train(before, network, 0, 4, rate);
      const after = await open(device, network, { optimizer });
      await after.setParameters(await before.getParameters());
      await after.setOptimizerState(await before.getOptimizerState());
      await train(after, network, 4, 9, rate);
      assertSame(await after.getParameters(), await through.getParameters());
      const [state, other] = [await after.getOptimizerState(), await through.getOptimizerState()];
      expect(state.step).toBe(other.step);
      assertSame(state.values, other.values);
    });

    test('parameters and moments come back as they were set', async () => {
      const session = await open(device, network);
      const values = (await session.getParameters()).map((_, i) => Math.sin(i));
      await session.setParameters(values);
      assertSame(await session.getParameters(), values);
      const moments = new Float32Array(2 * values.length).map((_, i) => Math.cos(i) + 2);
      await session.setOptimizerState({ step: 2 ** 40, values: moments });
      const state = await session.getOptimizerState();
      expect(state.step).toBe(2 ** 40);
      for (const { offset, size, trainable } of session.parameters) {
        if (!trainable) continue;
        for (const start of [offset, values.length + offset]) {
          const [found, expected] = [state.values, moments].map((all) => all.subarray(start, start + size));
          assertSame(found!, expected!);
        }
      }
    });

    test('gradients and predict change nothing', async () => {
      const [used, fresh] = [await open(device, network), await open(device, network)];
      const { images, labels } = batch(network, 0);
      await used.gradients(images, labels);
      await used.predict(images, batchSize);
      await train(used, network, 0, 2, 0.003);
      await train(fresh, network, 0, 2, 0.003);
      assertSame(await used.getParameters(), await fresh.getParameters());
    });

    test('a ragged batch is a batch of its own size', async () => {
      const count = 4;
      const [large, exact] = [await open(device, network), await open(device, network, { batchSize: count })];
      await train(large, network, 0, 2, 0.003);
      await exact.setParameters(await large.getParameters());
      await exact.setOptimizerState(await large.getOptimizerState());
      const { images, labels } = batch(network, 2);
      expect(labels.length).toBe(count);
      const [found, expected] = [
        await large.trainStep(images, labels, 0.003),
        await exact.trainStep(images, labels, 0.003),
      ];
      assertClose([found.loss], [expected.loss], passTolerance, 'loss');
      assertClose(found.imageLosses, expected.imageLosses, passTolerance, 'losses of the images');
      assertClose(await large.getParameters(), await exact.getParameters(), stepsTolerance);
      assertClose(
        await large.predict(images, count),
        await exact.predict(images, count),
        stepsTolerance,
        'logits',
      );
    });

    test('overfits one batch', async () => {
      const first = batch(network, 0);
      const session = await open(device, network);
      const start = await session.trainStep(first.images, first.labels, 0.01);
      for (let step = 0; step < 250; step++) await session.trainStep(first.images, first.labels, 0.01);
      const logits = await session.predict(first.images, batchSize);
      const classes = network.classNames.length;
      const best = [...first.labels].map((_, n) => {
        const row = logits.subarray(n * classes, (n + 1) * classes);
        return row.indexOf(Math.max(...row));
      });
      expect(best).toEqual([...first.labels]);
      const end = await session.gradients(first.images, first.labels);
      expect(end.loss).toBeLessThan(start.loss / 3);
    });
  });

  test('steps queued at once run in order', async () => {
    const { network } = networks[0]!;
    const [queued, waited] = [await open(device, network), await open(device, network)];
    const inputs = [0, 1, 2, 3].map((step) => batch(network, step));
    const found = await Promise.all(
      inputs.map(({ images, labels }) => queued.trainStep(images, labels, 0.01)),
    );
    const expected = await train(waited, network, 0, 4, 0.01);
    expect(found.map((result) => result.loss)).toEqual(expected.map((result) => result.loss));
  });

  test('class weights shift the loss as they should', async () => {
    const { network } = networks[0]!;
    const { images, labels } = batch(network, 0);
    const loss = async (classWeights?: number[]) =>
      (await (await open(device, network, { classWeights })).gradients(images, labels)).loss;
    const plain = await loss();
    assertClose([await loss([3, 3])], [plain], passTolerance, 'equal weights');
    expect(Math.abs((await loss([1, 9])) - plain)).toBeGreaterThan(1e-4);
  });

  test('the loss of an image is that of the forward pass alone: no weights, no smoothing, no padding', async () => {
    const { network } = networks[3]!;
    const { images, labels } = batch(network, 2);
    expect(labels.length).toBeLessThan(batchSize);
    const rules = { classWeights: [1, 9, 0.2], labelSmoothing: 0.3 };
    const [weighted, plain] = [await open(device, network, rules), await open(device, network)];
    const { logits, imageLosses } = await weighted.gradients(images, labels);
    assertClose(imageLosses, lossesOf(logits, labels), passTolerance);
    // Larger batches before it leave nothing behind.
    const { images: before, labels: their } = batch(network, 0);
    await plain.gradients(before, their);
    const step = await plain.trainStep(images, labels, 0.01);
    assertClose(step.imageLosses, imageLosses, passTolerance, 'of a step');
    assertClose([meanOf(imageLosses)], [step.loss], passTolerance, 'mean');
  });

  test('a clip norm above the gradient changes no bit', async () => {
    const { network } = networks[0]!;
    const run = async (clipNorm: number) => {
      const session = await open(device, network, { clipNorm });
      await train(session, network, 0, 3, 0.003);
      return session.getParameters();
    };
    assertSame(await run(1e6), await run(0));
  });

  test('clipping bounds the step', async () => {
    const { network } = networks[0]!;
    const optimizer: OptimizerOptions = { kind: 'sgd' };
    const session = await open(device, network, { optimizer, clipNorm: 0.01 });
    const before = await session.getParameters();
    const { images, labels } = batch(network, 0);
    const { gradientNorm } = await session.trainStep(images, labels, 1);
    expect(gradientNorm).toBeGreaterThan(0.1);
    const after = await session.getParameters();
    const moved = Math.sqrt(after.reduce((total, value, i) => total + (value - before[i]!) ** 2, 0));
    assertClose([moved], [0.01], { absolute: 1e-5, relative: 0 }, 'distance');
  });
});

test.each(networks)('portable, $name: the number of threads changes no bit', async ({ network }) => {
  const run = async (threads: number) => {
    const session = await open('portable', network, { threads });
    await train(session, network, 0, 5, 0.003);
    return session.getParameters();
  };
  const one = await run(1);
  assertSame(await run(2), one);
  assertSame(await run(5), one);
});
