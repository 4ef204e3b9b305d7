/** Networks as graphs: residual and inverted residual blocks against PyTorch, frozen and not. */
import { afterEach, describe, expect, test } from 'vitest';
import type { DeviceName, NativeSession } from '../../src/model/addon.ts';
import { assertClose, assertSame, type Tolerance } from '../close.ts';
import { addon, devices } from './devices.ts';
import { type NetworkCase, type NetworkRun, readJson, readTensors } from './fixture.ts';

const cases = readJson<NetworkCase[]>('blocks.json');
const tensor = readTensors('blocks.safetensors');
const floats = (name: string) => tensor(name).data as Float32Array;
const batch = (name: string, i: number) => ({
  images: tensor(`${name}.images${i}`).data as Uint8Array,
  labels: tensor(`${name}.labels${i}`).data as Int32Array,
});

/** What the blocks are held to: relative 1e-4, and of numbers near 0 some roundings of sums of size 1. */
const tolerance: Tolerance = { absolute: 1e-5, relative: 1e-4 };

const sessions: NativeSession[] = [];
afterEach(async () => {
  await Promise.all(sessions.splice(0).map((session) => session.dispose()));
});

/** A session that starts where PyTorch started. */
async function open(device: DeviceName, { name, network }: NetworkCase, run: NetworkRun) {
  const { optimizer } = run;
  const session = await addon.createSession({
    device,
    network,
    seed: 0,
    batchSize: 4,
    threads: 2,
    optimizer,
  });
  sessions.push(session);
  await session.setParameters(floats(`${name}.initial`));
  return session;
}

/** Compares parameter by parameter, so that a failure names one. */
function assertParameters({ parameters }: NativeSession, actual: Float32Array, expected: Float32Array) {
  expect(actual.length).toBe(expected.length);
  for (const { name, offset, size } of parameters) {
    const [found, wanted] = [actual, expected].map((all) => all.subarray(offset, offset + size));
    assertClose(found!, wanted!, tolerance, name);
  }
}

describe.each(devices)('%s', (device) => {
  describe.each(cases)('$name', (network) => {
    const { name, runs, parameters } = network;

    test('names, shapes and what learns', async () => {
      const session = await open(device, network, runs[0]!);
      const found = session.parameters.map(({ name, shape, trainable }) => ({ name, shape, trainable }));
      expect(found).toEqual(parameters);
    });

    test('logits in evaluation mode', async () => {
      const session = await open(device, network, runs[0]!);
      const { images, labels } = batch(name, 0);
      assertClose(await session.predict(images, labels.length), floats(`${name}.logits`), tolerance);
    });

    test('loss and every gradient', async () => {
      const session = await open(device, network, runs[0]!);
      const { images, labels } = batch(name, 0);
      const { loss, gradients } = await session.gradients(images, labels);
      assertClose([loss], [runs[0]!.losses[0]!], tolerance, 'loss');
      assertParameters(session, gradients, floats(`${name}.gradients`));
      assertSame(await session.getParameters(), floats(`${name}.initial`));
    });

    test.each(runs)('three steps: $name', async (run) => {
      const session = await open(device, network, run);
      const losses: number[] = [];
      for (let step = 0; step < 3; step++) {
        const { images, labels } = batch(name, step % 2);
        losses.push((await session.trainStep(images, labels, run.learningRate)).loss);
      }
      assertClose(losses, run.losses, tolerance, 'losses');
      const values = await session.getParameters();
      assertParameters(session, values, floats(`${name}.${run.name}`));
      for (const { trainable, name: parameter, offset, size } of session.parameters) {
        const layer = network.network.layers.find((one) => one.name === parameter.replace(/\.\w+$/, ''))!;
        if (trainable || !('frozen' in layer && layer.frozen)) continue;
        const [found, start] = [values, floats(`${name}.initial`)].map((all) =>
          all.subarray(offset, offset + size),
        );
        assertSame(found!, start!, parameter);
      }
    });

    test('features are what the classifier reads', async () => {
      const session = await open(device, network, runs[0]!);
      const { images, labels } = batch(name, 0);
      const values = await session.getParameters();
      const features = await session.features(images, labels.length);
      const dense = (suffix: string) => {
        const { offset, size } = session.parameters.find((one) =>
          one.name.match(`^(fc|classifier).${suffix}$`),
        )!;
        return values.subarray(offset, offset + size);
      };
      const [weight, bias] = [dense('weight'), dense('bias')];
      const width = weight.length / bias.length;
      expect(features.length).toBe(labels.length * width);
      const logits = Array.from({ length: labels.length * bias.length }, (_, i) => {
        const [n, c] = [Math.floor(i / bias.length), i % bias.length];
        return features
          .subarray(n * width, (n + 1) * width)
          .reduce((sum, x, k) => sum + x * weight[c * width + k]!, bias[c]!);
      });
      assertClose(logits, floats(`${name}.logits`), tolerance);
    });
  });
});
