import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import { loadAddon, type NativeSession, type SessionOptions } from '../../src/model/addon.ts';
import type { Network } from '../../src/model/network.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const addonPath = process.env.BIRBS_ADDON ?? `${root}/build/Release/birbs.node`;
const addon = loadAddon();

function network(size = 8): Network {
  return {
    input: { height: size, width: size, channels: 3, fit: 'cover' },
    normalization: { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] },
    layers: [
      { type: 'conv2d', name: 'conv1', outChannels: 4, kernelSize: 3, padding: 1 },
      { type: 'relu' },
      { type: 'maxPool2d', kernelSize: 2 },
      { type: 'flatten' },
      { type: 'dense', name: 'fc1', outFeatures: 2 },
    ],
    classNames: ['bird', 'not-bird'],
  };
}

function options(overrides: Partial<SessionOptions> = {}): SessionOptions {
  return {
    device: 'cpu',
    network: network(),
    seed: 7,
    batchSize: 4,
    threads: 2,
    optimizer: { kind: 'adamw' },
    ...overrides,
  };
}

const sessions: NativeSession[] = [];
async function open(overrides: Partial<SessionOptions> = {}): Promise<NativeSession> {
  const session = await addon.createSession(options(overrides));
  sessions.push(session);
  return session;
}
afterEach(async () => {
  await Promise.all(sessions.splice(0).map((session) => session.dispose()));
});

const images = new Uint8Array(4 * 8 * 8 * 3).map((_, i) => (i * 37) % 256);
const labels = Int32Array.of(0, 1, 1, 0);

describe('the addon', () => {
  test('has exactly the names that addon.ts types', async () => {
    expect(Object.keys(addon).sort()).toEqual([
      'createSession',
      'devices',
      'findMpi',
      'joinRanks',
      'openClassifier',
      'openPixels',
      'philox',
      'planNetwork',
      'probe',
      'removeUnusedPixels',
      'runOperation',
    ]);
    const session = await open();
    expect(methods(session)).toEqual([
      'dispose',
      'features',
      'getOptimizerState',
      'getParameters',
      'gradients',
      'predict',
      'restore',
      'setOptimizerState',
      'setParameters',
      'trainStep',
    ]);
    expect(Object.keys(session)).toEqual(['parameters']);
    expect(Object.keys(session.parameters[0] ?? {})).toEqual([
      'name',
      'shape',
      'offset',
      'size',
      'trainable',
    ]);
  });

  test('every call is a promise, also when the arguments are wrong', async () => {
    const session = await open();
    const calls: [string, () => unknown][] = [
      ['createSession', () => addon.createSession(undefined as never)],
      ['philox', () => addon.philox(-1, 0, 0, 4)],
      ['openPixels', () => addon.openPixels([], 1)],
      ['probe', () => addon.probe('cpu', 'nonsense')],
      ['runOperation', () => addon.runOperation('cpu', 'nonsense', [], {})],
      ['trainStep', () => session.trainStep(images, Int32Array.of(0, 2), 0.1)],
      ['predict', () => session.predict(images, 5)],
      ['setParameters', () => session.setParameters(new Float32Array(1))],
    ];
    for (const [name, call] of calls) {
      const answer = call();
      expect(answer, name).toBeInstanceOf(Promise);
      await expect(answer, name).rejects.toThrow(/./);
    }
  });

  test('names the argument, what was expected and what came', async () => {
    const session = await open();
    await expect(session.trainStep(images.subarray(1), labels, 0.1)).rejects.toThrow(
      'Expected a Uint8Array of 768 elements for images but received a typed array of 767 elements',
    );
    await expect(session.trainStep(images, labels, Number.NaN)).rejects.toThrow(
      'Expected a finite number for learningRate but received NaN',
    );
    await expect(session.trainStep(images, new Int32Array(5), 0.1)).rejects.toThrow('Expected 1 to 4 labels');
    await expect(open({ batchSize: 0 })).rejects.toThrow(
      'Expected a whole number from 1 to 65535 for batchSize but received 0',
    );
    await expect(open({ device: 'gpu' as never })).rejects.toThrow(/gpu/);
    const wrong = network();
    wrong.layers[1] = { type: 'softplus' } as never;
    await expect(open({ network: wrong })).rejects.toThrow(/layers\[1\]\.type.*softplus/);
  });

  test('answers while the event loop goes on', async () => {
    const session = await addon.createSession(options({ network: network(128), batchSize: 64 }));
    const many = new Uint8Array(64 * 128 * 128 * 3);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const steps = Array.from({ length: 8 }, () => session.trainStep(many, new Int32Array(64), 0.01));
    await Promise.all(steps);
    clearInterval(timer);
    await session.dispose();
    expect(ticks).toBeGreaterThan(0);
  });

  test('queued steps run in order and end the same as awaited ones', async () => {
    const one = await open();
    const two = await open();
    const queued = await Promise.all([1, 2, 3].map(() => one.trainStep(images, labels, 0.01)));
    const awaited = [];
    for (let i = 0; i < 3; i++) awaited.push(await two.trainStep(images, labels, 0.01));
    expect(queued.map((step) => step.loss)).toEqual(awaited.map((step) => step.loss));
    expect(await one.getParameters()).toEqual(await two.getParameters());
  });

  test('dispose waits for queued calls, may be repeated, and ends the session', async () => {
    const session = await addon.createSession(options());
    const step = session.trainStep(images, labels, 0.01);
    await Promise.all([session.dispose(), session.dispose()]);
    expect((await step).loss).toBeGreaterThan(0);
    await expect(session.predict(images, 1)).rejects.toThrow(/was disposed/);
  });

  test('frees native memory on dispose and on collection', async () => {
    const script = `
      const addon = require(${JSON.stringify(addonPath)});
      const options = ${JSON.stringify(options({ network: network(64), batchSize: 64 }))};
      const images = new Uint8Array(64 * 64 * 64 * 3), labels = new Int32Array(64);
      async function use(dispose) {
        const session = await addon.createSession(options);
        await session.trainStep(images, labels, 0.1);
        if (dispose) await session.dispose();
      }
      async function settled() {
        for (let i = 0; i < 4; i++) { gc(); await new Promise((r) => setTimeout(r, 20)); }
        return process.memoryUsage().rss / 2 ** 20;
      }
      (async () => {
        for (const dispose of [true, false]) {
          for (let i = 0; i < 5; i++) { await use(dispose); await settled(); }
          const before = await settled();
          for (let i = 0; i < 20; i++) { await use(dispose); await settled(); }
          console.log(JSON.stringify({ dispose, grown: await settled() - before }));
        }
      })();`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', '-e', script]);
    const rows = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { grown: number });
    expect(rows).toHaveLength(2);
    // A session of this size holds over 10 MB: twenty of them would show.
    for (const row of rows) expect(row.grown).toBeLessThan(60);
  });

  test('a process may end while a step runs', async () => {
    const script = `
      const addon = require(${JSON.stringify(addonPath)});
      const options = ${JSON.stringify(options({ network: network(128), batchSize: 64 }))};
      addon.createSession(options).then((session) => {
        for (let i = 0; i < 20; i++) session.trainStep(new Uint8Array(64 * 128 * 128 * 3), new Int32Array(64), 0.1);
        setTimeout(() => process.exit(7), 5);
      });`;
    const ended = await promisify(execFile)(process.execPath, ['-e', script]).catch((error) => error);
    expect(ended).toMatchObject({ code: 7, signal: null });
  });

  test('works in worker threads, several at once, and survives their termination', async () => {
    const script = `
      const { parentPort } = require('node:worker_threads');
      const addon = require(${JSON.stringify(addonPath)});
      const options = ${JSON.stringify(options())};
      addon.createSession(options).then(async (session) => {
        const step = await session.trainStep(new Uint8Array(4 * 8 * 8 * 3), Int32Array.of(0, 1, 1, 0), 0.1);
        parentPort.postMessage(step.loss);
        for (;;) await session.trainStep(new Uint8Array(4 * 8 * 8 * 3), Int32Array.of(0, 1, 1, 0), 0.1);
      });`;
    const workers = [1, 2, 3].map(() => new Worker(script, { eval: true }));
    const losses = await Promise.all(
      workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))),
    );
    expect(new Set(losses).size).toBe(1);
    await Promise.all(workers.map((worker) => worker.terminate()));
    const session = await open();
    expect((await session.trainStep(images, labels, 0.1)).loss).toBeGreaterThan(0);
  });

  test('lists its devices, and Metal says why it is not there', async () => {
    const devices = await addon.devices();
    expect(devices.map((device) => device.name)).toEqual(['metal', 'cpu', 'portable']);
    for (const device of devices) expect(device.description.length).toBeGreaterThan(5);
    expect(devices.find((device) => device.name === 'cpu')?.available).toBe(true);
    // BIRBS_ADDON may be a build on the MPSGraph stand-in.
    if (process.platform === 'linux' && !process.env.BIRBS_ADDON) expect(devices[0]?.available).toBe(false);
    if (devices[0]?.available === false) {
      await expect(open({ device: 'metal' })).rejects.toThrow(devices[0]?.description);
    }
  });
});

function methods(object: object): string[] {
  return Object.getOwnPropertyNames(Object.getPrototypeOf(object))
    .filter((name) => name !== 'constructor')
    .sort();
}
