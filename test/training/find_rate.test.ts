import { expect, test } from 'vitest';
import type { Images } from '../../src/data/images.ts';
import type { NativeSession } from '../../src/model/addon.ts';
import { findLearningRate } from '../../src/training/find_rate.ts';

const none = { correct: 0, imageLosses: new Float32Array(8), gradientNorm: 0, deviceSeconds: 0 };

/** A parabola of curvature 1 that gradient descent walks down: stable below a rate of 2, fastest at 1. */
function makeParabola(noise = 0) {
  let x = 3;
  let steps = 0;
  const session = {
    async trainStep(_: Uint8Array, __: Int32Array, rate: number) {
      const loss = x ** 2 / 2 + noise * Math.sin(12.9898 * ++steps);
      x -= rate * x;
      return { ...none, loss, gradientNorm: Math.abs(x) };
    },
    getParameters: async () => Float32Array.of(x),
    setParameters: async (values: Float32Array) => {
      x = values[0]!;
    },
    getOptimizerState: async () => ({ step: steps, values: new Float32Array(0) }),
    setOptimizerState: async (state: { step: number }) => {
      steps = state.step;
    },
  } as unknown as NativeSession;
  return { session, state: () => [x, steps] };
}

const images = {
  async *batches(order: Uint32Array, { batchSize }: { batchSize: number }) {
    for (let i = 0; i < order.length; i += batchSize)
      yield {
        images: new Uint8Array(0),
        labels: new Int32Array(batchSize),
        positions: order,
        waitSeconds: 0,
      };
  },
} as unknown as Images;
const order = Uint32Array.from({ length: 40 }, (_, i) => i);

test.each([0, 0.2])('suggests a rate that falls fast and is stable (noise %d)', async (noise) => {
  const { session, state } = makeParabola(noise);
  const { points, suggestion } = await findLearningRate({ session, images, order, batchSize: 8 });
  expect(suggestion).toBeGreaterThan(0.005);
  expect(suggestion).toBeLessThan(2);
  expect(points.length).toBeGreaterThan(50);
  expect(points[0]!.learningRate).toBeCloseTo(1e-6, 12);
  expect(state()).toEqual([3, 0]);
});

test('a loss that never falls has no suggestion', async () => {
  const { session } = makeParabola();
  session.trainStep = async () => ({ ...none, loss: 1 });
  const { points, suggestion } = await findLearningRate({ session, images, order, batchSize: 8 });
  expect(points).toHaveLength(120);
  expect(suggestion).toBeNull();
});

test('ends where the loss is no number, and puts the session back', async () => {
  const { session, state } = makeParabola();
  const { trainStep } = session;
  let calls = 0;
  const broken: NativeSession['trainStep'] = async (...args) =>
    ++calls === 30 ? { ...none, loss: Number.NaN } : trainStep(...args);
  const { points } = await findLearningRate({
    ...{ session: { ...session, trainStep: broken }, images, order, batchSize: 8 },
  });
  expect(points).toHaveLength(29);
  expect(state()).toEqual([3, 0]);
});
