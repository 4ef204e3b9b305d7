/** When a run is saved, and what of it when the device is gone. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import type { NativeSession } from '../../src/model/addon.ts';
import { birbsBn, networkShapes, parameterCount } from '../../src/model/network.ts';
import type { StepEvent } from '../../src/model/trainer.ts';
import { loadState } from '../../src/run/checkpoint.ts';
import { startRecord } from '../../src/run/record.ts';
import { temporaryFolder } from '../images.ts';

const folder = temporaryFolder('record');
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

const network = birbsBn({ imageSize: 8, classNames: ['bird', 'not-bird'] });
const count = parameterCount(networkShapes(network));

/** Weights that are the number of steps taken; reading them waits until `open` is called. */
function slowSession() {
  const device = { step: 0, value: 0, reads: 0, open: () => {}, error: undefined as Error | undefined };
  const gate = () => new Promise<void>((resolve) => (device.open = resolve));
  const session = {
    async getParameters() {
      device.reads++;
      const values = new Float32Array(count).fill(device.value);
      await gate();
      if (device.error) throw device.error;
      return values;
    },
    getOptimizerState: async () => ({ step: device.step, values: new Float32Array(0) }),
  } as unknown as NativeSession;
  return { device, session };
}

function open(session: NativeSession) {
  return startRecord({
    ...{ folder, network, session, seed: 1, device: 'metal', majorityAccuracy: 0.5, begin: 0 },
    optimizer: { kind: 'sgd' },
  });
}
const step = (number: number): StepEvent => ({
  ...{ type: 'step', epoch: 1, step: number, progress: 0.1, loss: 1, accuracy: 0.5, learningRate: 1 },
  ...{ gradientNorm: 1, imagesPerSecond: 1 },
});
const settled = () => new Promise((resolve) => setTimeout(resolve, 300));
const saved = () => loadState(join(folder, 'state.safetensors'), network);

test('between epochs it saves every ten seconds, and no step waits for it', async () => {
  const { device, session } = slowSession();
  const record = open(session);
  const now = vi.spyOn(performance, 'now');
  const at = async (seconds: number, number: number) => {
    now.mockReturnValue(seconds * 1000);
    Object.assign(device, { step: number, value: number });
    await record.add(step(number));
  };
  await at(1, 1);
  expect(device.reads).toBe(1);
  await at(2, 2);
  await at(30, 3);
  expect(device.reads, 'one at a time').toBe(1);
  now.mockReturnValue(1000);
  device.open();
  await settled();
  expect((await saved()).position).toMatchObject({ epoch: 0, step: 1 });
  expect((await saved()).values[0]).toBe(1);
  await at(10.9, 4);
  expect(device.reads).toBe(1);
  await at(11.1, 5);
  expect(device.reads).toBe(2);

  // Two seconds it takes: it comes again after a hundred.
  now.mockReturnValue(13_100);
  device.open();
  await settled();
  expect((await saved()).position.step).toBe(5);
  await at(113, 6);
  expect(device.reads).toBe(2);
  await at(113.2, 7);
  expect(device.reads).toBe(3);

  // Weights that are no numbers are no checkpoint.
  device.open();
  await settled();
  await at(400, Number.NaN);
  device.open();
  await settled();
  expect((await saved()).position.step).toBe(7);
});

test('a session that can not be read leaves the last checkpoint, and the error comes with the next event', async () => {
  const { device, session } = slowSession();
  const record = open(session);
  Object.assign(device, { step: 3, value: 3 });
  await record.add(step(3));
  device.open();
  await settled();
  device.error = new Error('gone');
  vi.spyOn(performance, 'now').mockReturnValue(1e9);
  await record.add(step(4));
  device.open();
  await settled();
  await expect(record.add(step(5))).rejects.toThrow('gone');
  const failing = record.fail();
  await settled();
  device.open();
  const failure = await failing;
  expect(failure).toMatchObject({ lost: device.error, step: 4, results: { status: 'failed', steps: 3 } });
  expect(JSON.parse(readFileSync(join(folder, 'results.json'), 'utf8'))).toMatchObject({ steps: 3 });
  expect((await saved()).position.step).toBe(3);
});
