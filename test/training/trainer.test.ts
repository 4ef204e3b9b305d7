/** The trainer against a device of our own making: what it is given, when, and what becomes of its faults. */
import { describe, expect, test } from 'vitest';
import { batches } from '../../src/data/batches.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import type { Images } from '../../src/data/images.ts';
import type { NativePixels, NativeSession, StepResult } from '../../src/model/addon.ts';
import { epochPositions, roundsAnEpoch } from '../../src/training/epoch_order.ts';
import { Stopwatch } from '../../src/training/stopwatch.ts';
import { type Training, trainEpochs } from '../../src/training/trainer.ts';
import { type Snapshot, startPosition } from '../../src/training/training_state.ts';

const IMAGES = 40;

/** 8 birds and 32 others; the first 4 bytes of each picture are its number. */
function makeTraining(step: (rows: number[], rate: number) => Promise<void>): Training {
  const labels = Int32Array.from({ length: IMAGES }, (_, i) => (i < 8 ? 0 : 1));
  const dataset = {
    ...{ classNames: ['bird', 'not-bird'], labels, rows: Uint32Array.from(labels.keys()) },
    names: Array.from(labels, (_, i) => `image ${i}`),
  } as Dataset;
  const pixels = {
    ...{ count: IMAGES, height: 2, width: 2 },
    async assemble(rows: Uint32Array, output: Uint8Array) {
      for (const [i, row] of rows.entries()) output[i * 12] = row;
    },
  } as NativePixels;
  const numbers = (images: Uint8Array) =>
    Array.from({ length: images.length / 12 }, (_, i) => images[i * 12]!);
  const images: Images = {
    ...{ height: 2, width: 2 },
    arrange: async (order) => order,
    batches: (order, options) => batches(pixels, dataset, order, options),
    assemble: async () => {},
    dispose: async () => {},
  };
  const session = {
    async trainStep(images: Uint8Array, _: Int32Array, rate: number): Promise<StepResult> {
      await step(numbers(images), rate);
      // Read again when the step ends: nobody may have written to it.
      const imageLosses = Float32Array.from(numbers(images));
      return { loss: imageLosses[0]!, imageLosses, correct: 1, gradientNorm: 1, deviceSeconds: 0 };
    },
    predict: async (_: Uint8Array, count: number) => new Float32Array(count * 2),
    getParameters: async () => new Float32Array(1),
    getOptimizerState: async () => ({ step: 0, values: new Float32Array(0) }),
    setParameters: async () => {},
    setOptimizerState: async () => {},
    restore: async () => {},
  } as unknown as NativeSession;
  return {
    ...{ session, images, dataset, train: dataset.rows, val: Uint32Array.of(0, 39), balance: 'undersample' },
    ...{ rounds: 2, epochs: 3, batchSize: 4, seed: 1 },
    ...{ stepsPerEpoch: 8, clock: new Stopwatch(), metric: 'balancedAccuracy', patience: 0, minChange: 0 },
    ...{ budget: undefined, timed: false, rollbacks: 0, average: 0, checkpointSeconds: 1e9 },
    schedule: { kind: 'constant', learningRate: 1, batches: 24, warmup: 4 },
  };
}

const start = (): Snapshot => ({
  position: startPosition(1),
  values: new Float32Array(1),
  optimizer: { step: 0, values: new Float32Array(0) },
});
const go = (training: Training, signal?: AbortSignal) => trainEpochs(training, start(), signal);

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

test('a fault of the device is undone, and the same batches follow at the same rate', async () => {
  const fault = Object.assign(new Error('Metal: the GPU timed out'), { code: 'ERR_DEVICE_FAULT' });
  const seen: [rows: number[], rate: number][] = [];
  const training = (rollbacks: number) => {
    seen.length = 0;
    const made = makeTraining(async (rows, rate) => {
      seen.push([rows, rate]);
      if (seen.length === 6) throw fault;
    });
    const { trainStep } = made.session;
    made.session.trainStep = async (...words) => ({ ...(await trainStep(...words)), loss: 0.5 });
    return { ...made, rollbacks };
  };
  const events: { type: string }[] = [];
  for await (const event of go(training(1))) events.push(event);
  expect(events.filter(({ type }) => type === 'rollback')).toMatchObject([
    { kind: 'device-fault', step: 6, backToStep: 0, batches: [], images: [], rollbacks: 1, allowed: 1 },
  ]);
  // One more was on its way.
  expect(seen.slice(7, 12)).toEqual(seen.slice(0, 5));
  expect(seen.length).toBe(7 + 24);
  expect(events.filter(({ type }) => type === 'epoch')).toHaveLength(3);
  const unguarded = async () => {
    for await (const _ of go(training(0)));
  };
  await expect(unguarded()).rejects.toThrow('the GPU timed out');
});

test('every round draws other negatives, and each birds all', async () => {
  const seen: number[] = [];
  const training = makeTraining(async (rows) => void seen.push(...rows));
  for await (const _ of go(training));
  const rounds = Array.from({ length: 6 }, (_, i) => seen.slice(i * 16, (i + 1) * 16));
  for (const round of rounds) expect(round.filter((row) => row < 8).sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  const negatives = rounds.map((round) => round.filter((row) => row >= 8));
  // 32 negatives serve four rounds of eight without a repeat.
  expect(new Set(negatives.slice(0, 4).flat()).size).toBe(32);
});

test('a step is always queued while another runs, never more, and its pictures stay as they were', async () => {
  let running = 0;
  const most: number[] = [];
  const firsts: number[] = [];
  const training = makeTraining(async (rows) => {
    most.push(++running);
    firsts.push(rows[0]!);
    await pause(3);
    running -= 1;
  });
  const losses: number[] = [];
  for await (const event of go(training)) if (event.type === 'step') losses.push(event.loss);
  expect(Math.max(...most)).toBe(2);
  expect(most.filter((count) => count === 2).length).toBeGreaterThan(most.length / 2);
  expect(losses).toEqual(firsts);
});

test('the learning rate follows the schedule over the epochs', async () => {
  const rates: number[] = [];
  for await (const _ of go(makeTraining(async (_, rate) => void rates.push(rate))));
  expect(rates).toEqual([0.25, 0.5, 0.75, ...Array(21).fill(1)]);
});

test('a step that fails ends the training with its own words, and no rejection is left over', async () => {
  let steps = 0;
  const training = makeTraining(async () => {
    const step = ++steps;
    await pause(1);
    if (step === 3) throw new Error('device gone');
  });
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on('unhandledRejection', note);
  const drain = async () => {
    for await (const _ of go(training)) await pause(5);
  };
  await expect(drain()).rejects.toThrow('device gone');
  await pause(10);
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
  expect(steps).toBe(4);
});

test('a loss that is no number ends the training at its step', async () => {
  const training = makeTraining(async () => {});
  let steps = 0;
  training.session.trainStep = async () => ({
    ...{ loss: ++steps === 3 ? Number.NaN : 1, imageLosses: new Float32Array(4) },
    ...{ correct: 0, gradientNorm: 1, deviceSeconds: 0 },
  });
  const drain = async () => {
    for await (const _ of go(training));
  };
  await expect(drain()).rejects.toThrow(/^At step 3 the loss is NaN; .* but found 0.750; try a tenth/);
});

test('weights that were lost in the last step of an epoch are noticed before they are saved', async () => {
  const training = makeTraining(async () => {});
  training.session.predict = async (_, count) => new Float32Array(count * 2).fill(Number.NaN);
  const kinds: string[] = [];
  const drain = async () => {
    for await (const { type } of go(training)) kinds.push(type);
  };
  await expect(drain()).rejects.toThrow(
    /^At step 8 the loss of validation is NaN; .* but found 1.00; try a tenth/,
  );
  expect(kinds).not.toContain('epoch');
});

describe('the history of losses', () => {
  /** Trains to the end; the last state, and the rollbacks. */
  const lastState = async (training: Training, from = start()) => {
    let last = from;
    let rollbacks = 0;
    for await (const event of trainEpochs(training, from)) {
      if (event.type === 'snapshot') last = event.snapshot;
      if (event.type === 'rollback') rollbacks += 1;
    }
    const row = (i: number) => Array.from(last.losses!.subarray(i * IMAGES, (i + 1) * IMAGES));
    return { last, rollbacks, sums: row(0), lasts: row(1), times: row(2) };
  };
  const seen = (times: number[]) => times.reduce((a, b) => a + b);

  test('each loss goes to its image, of training and of validation', async () => {
    const { sums, lasts, times } = await lastState(makeTraining(async () => {}));
    // Of the six draws each takes all birds; two images are validated as well, on logits of 0, after each epoch.
    expect(times.slice(1, 8)).toEqual(Array(7).fill(6));
    expect([times[0], lasts[0]]).toEqual([9, expect.closeTo(Math.LN2, 6)]);
    for (let image = 1; image < 39; image++) {
      expect(sums[image]).toBeCloseTo(image * times[image]!, 3);
      if (times[image]! > 0) expect(lasts[image]).toBe(image);
    }
    expect(sums[39]).toBeCloseTo(39 * (times[39]! - 3) + 3 * Math.LN2, 3);
    expect(seen(times)).toBe(6 * 16 + 3 * 2);
  });

  test('of steps that the guard took back nothing is left', async () => {
    const training = { ...makeTraining(async () => {}), rollbacks: 2 };
    const { trainStep } = training.session;
    let steps = 0;
    training.session.trainStep = async (...given) => {
      const result = await trainStep(...given);
      return { ...result, loss: ++steps === 14 ? Number.NaN : 1 };
    };
    const { last, rollbacks, times } = await lastState(training);
    expect(rollbacks).toBe(1);
    expect(last.position.images).toBeLessThan(24 * 4);
    expect(seen(times)).toBe(last.position.images + 3 * 2);
  });

  test('goes on where it was, or begins anew where the one before is of another number of images', async () => {
    const before = new Float32Array(3 * IMAGES).fill(5);
    const fresh = await lastState(makeTraining(async () => {}));
    const { times } = await lastState(
      makeTraining(async () => {}),
      { ...start(), losses: before },
    );
    expect(times).toEqual(fresh.times.map((count) => count + 5));
    const other = await lastState(
      makeTraining(async () => {}),
      { ...start(), losses: before.slice(3) },
    );
    expect(other.times).toEqual(fresh.times);
  });
});

test('an epoch may have more images than a call may have arguments', async () => {
  const labels = new Int32Array(400_000);
  const training = { ...makeTraining(async () => {}), balance: 'none' as const, rounds: 1 };
  const dataset = { ...training.dataset, labels };
  const order = await epochPositions({ ...training, dataset, train: Uint32Array.from(labels.keys()) }, 1);
  expect(order.toSorted()).toEqual(Uint32Array.from(labels.keys()));
});

describe('how many draws an epoch joins', () => {
  test.each([
    ['a rare class: enough for a thousand images', 'undersample', 128, 5867, 300, 8],
    ['a rare class: twice as many as are validated', 'undersample', 4000, 38_000, 9500, 5],
    ['a large enough draw', 'undersample', 5000, 47_500, 2500, 1],
    ['never more images than there are', 'undersample', 80, 300, 75, 3],
    ['few images, well balanced', 'undersample', 80, 90, 20, 1],
    ['another balance', 'oversample', 128, 128, 9000, 1],
  ] as const)('%s', (_, balance, drawn, images, validated, rounds) => {
    expect(roundsAnEpoch(balance, { drawn, images, validated, classes: 2 })).toBe(rounds);
  });
});

test('an epoch whose last batches the guard leaves out is over, and the next one begins', async () => {
  let calls = 0;
  const training = makeTraining(async () => {
    calls += 1;
  });
  const { trainStep } = training.session;
  training.session.trainStep = async (...given) => {
    const result = await trainStep.apply(training.session, given);
    // The last of the eight batches of the first epoch.
    return { ...result, loss: calls === 8 ? Number.NaN : 0.5 };
  };
  const events = trainEpochs({ ...training, epochs: 2, rollbacks: 3 }, start());
  const ended: [number, number][] = [];
  const kinds: string[] = [];
  let stop: unknown;
  for (;;) {
    const { value, done } = await events.next();
    if (done) {
      stop = value;
      break;
    }
    kinds.push(value.type);
    if (value.type === 'epoch') ended.push([value.epoch, value.progress]);
  }
  expect(kinds).toContain('rollback');
  expect(ended).toEqual([
    [1, 1],
    [2, 1],
  ]);
  expect(stop).toBeUndefined();
});
