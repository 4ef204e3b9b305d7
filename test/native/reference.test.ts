/** Two networks against PyTorch: one pass, and ten steps of each optimizer, dropout included. */
import { afterEach, describe, expect, test } from 'vitest';
import type { DeviceName, NativeSession } from '../../src/model/addon.ts';
import { assertClose, passTolerance, stepsTolerance } from '../close.ts';
import { addon, devices } from './devices.ts';
import { type NetworkCase, type NetworkRun, readJson, readTensors } from './fixture.ts';
import { lossesOf, meanOf } from './numbers.ts';

const cases = readJson<NetworkCase[]>('networks.json');
const tensor = readTensors('networks.safetensors');
const floats = (name: string) => tensor(name).data as Float32Array;

const batches = (name: string) =>
  [0, 1].map((i) => ({
    images: tensor(`${name}.images${i}`).data as Uint8Array,
    labels: tensor(`${name}.labels${i}`).data as Int32Array,
  }));

const sessions: NativeSession[] = [];
afterEach(async () => {
  await Promise.all(sessions.splice(0).map((session) => session.dispose()));
});

/** A session that starts where PyTorch started. */
async function open(device: DeviceName, { name, network }: NetworkCase, run: NetworkRun) {
  const { seed, optimizer, classWeights, labelSmoothing, clipNorm } = run;
  const rules = { seed, optimizer, classWeights, labelSmoothing, clipNorm };
  const session = await addon.createSession({ device, network, batchSize: 5, threads: 2, ...rules });
  sessions.push(session);
  await session.setParameters(floats(`${name}.initial`));
  return session;
}

/** Compares a flat array parameter by parameter, so that a failure names one. */
function assertParameters(
  session: NativeSession,
  actual: Float32Array,
  name: string,
  tolerance = passTolerance,
) {
  const expected = floats(name);
  expect(actual.length).toBe(expected.length);
  for (const { name, offset, size } of session.parameters) {
    assertClose(
      actual.subarray(offset, offset + size),
      expected.subarray(offset, offset + size),
      tolerance,
      name,
    );
  }
}

describe.each(devices)('%s', (device) => {
  describe.each(cases)('$name', (network) => {
    const { name, runs } = network;

    test('parameters have the names, shapes and order of PyTorch', async () => {
      const session = await open(device, network, runs[0]!);
      const found = session.parameters.map(({ name, shape, trainable }) => ({ name, shape, trainable }));
      expect(found).toEqual(network.parameters);
    });

    test('logits in evaluation mode', async () => {
      const session = await open(device, network, runs[0]!);
      const logits = await session.predict(batches(name)[0]!.images, 5);
      assertClose(logits, floats(`${name}.logits`), passTolerance, 'logits');
    });

    test.each(runs.map((run, index) => ({ run, index, rule: run.name })))(
      'loss, logits and every gradient: $rule',
      async ({ run, index }) => {
        const session = await open(device, network, run);
        const { images, labels } = batches(name)[0]!;
        const result = await session.gradients(images, labels);
        assertClose([result.loss], [run.losses[0]!], passTolerance, 'loss');
        assertClose([result.gradientNorm], [run.gradientNorms[0]!], passTolerance, 'gradient norm');
        assertClose(result.logits, floats(`${name}.${index}.logits`), passTolerance, 'logits');
        const plain = lossesOf(floats(`${name}.${index}.logits`), labels);
        assertClose(result.imageLosses, plain, passTolerance, 'losses of the images');
        assertParameters(session, result.gradients, `${name}.${index}.gradients`);
        const classes = network.network.classNames.length;
        const best = [...labels].map((_, n) => {
          const row = floats(`${name}.${index}.logits`).subarray(n * classes, (n + 1) * classes);
          return row.indexOf(Math.max(...row));
        });
        expect(result.correct).toBe(best.filter((label, n) => label === labels[n]).length);
        assertParameters(session, await session.getParameters(), `${name}.initial`, {
          absolute: 0,
          relative: 0,
        });
      },
    );

    test.each(runs.map((run, index) => ({ run, index, rule: run.name })))(
      'ten steps, the last batch of two ragged: $rule',
      async ({ run, index }) => {
        const session = await open(device, network, run);
        const losses: number[] = [];
        const norms: number[] = [];
        for (let step = 0; step < 10; step++) {
          const { images, labels } = batches(name)[step % 2]!;
          const result = await session.trainStep(images, labels, run.learningRate);
          losses.push(result.loss);
          expect(result.imageLosses).toHaveLength(labels.length);
          const { classWeights, labelSmoothing } = run;
          // Otherwise the loss of the batch is another mean.
          if (!classWeights && !labelSmoothing)
            assertClose([meanOf(result.imageLosses)], [run.losses[step]!], stepsTolerance, 'mean');
          norms.push(result.gradientNorm);
        }
        assertClose(losses, run.losses, stepsTolerance, 'losses');
        assertClose(norms, run.gradientNorms, stepsTolerance, 'gradient norms');
        const parameters = await session.getParameters();
        assertParameters(session, parameters, `${name}.${index}.final`, stepsTolerance);
        const logits = await session.predict(batches(name)[0]!.images, 5);
        assertClose(logits, floats(`${name}.${index}.finalLogits`), stepsTolerance, 'logits');
        expect((await session.getOptimizerState()).step).toBe(10);
      },
    );
  });
});
