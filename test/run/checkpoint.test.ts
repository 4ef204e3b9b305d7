import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { encodeWeights, loadWeights } from '../../src/export/weights.ts';
import { loadAddon, type NativeSession } from '../../src/model/addon.ts';
import { networkShapes, parameterCount } from '../../src/model/network_shapes.ts';
import { birbsBn } from '../../src/model/presets.ts';
import {
  encodeCheckpoint,
  loadCheckpoint,
  newestCheckpoint,
  saveCheckpoint,
  saveWeights,
} from '../../src/run/checkpoint.ts';
import { createRunFolder as makeRunFolder, readLog, saveLog } from '../../src/run/run_folder.ts';
import { RunLock } from '../../src/run/run_lock.ts';
import { newestWeights, weightsIn } from '../../src/run/run_weights.ts';
import { type Snapshot, startPosition } from '../../src/training/training_state.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'birbs-run-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('the folder of a run', () => {
  const createRunFolder = async (path: string) => {
    const lock = new RunLock();
    onTestFinished(() => lock.release());
    const made = await makeRunFolder(path, (folder) => lock.take(folder));
    await lock.release();
    return made;
  };

  test('is made, with the folders above it', async () => {
    expect(await createRunFolder(join(folder, 'a', 'b'))).toBe(join(folder, 'a', 'b'));
    expect(await createRunFolder(join(folder, 'a', 'b'))).toBe(join(folder, 'a', 'b'));
  });

  test('with something in it is refused, naming --run', async () => {
    writeFileSync(join(folder, 'results.json'), '{}');
    await expect(createRunFolder(folder)).rejects.toMatchObject({
      message: `Expected a new or empty folder for --run, but ${folder} has 1 files in it; choose another`,
      exitCode: 2,
    });
  });

  test('with a run in it says how to go on with it', async () => {
    writeFileSync(join(folder, 'run.json'), '{}');
    writeFileSync(join(folder, 'state.safetensors'), '');
    await expect(createRunFolder(folder)).rejects.toMatchObject({
      message: expect.stringContaining(`holds a run; resume it with --resume ${folder}, or`),
      exitCode: 2,
    });
  });

  test('that is a file, or below one, is refused', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    for (const path of [file, join(file, 'below')]) {
      await expect(createRunFolder(path)).rejects.toMatchObject({
        message: `Expected --run ${path} to be a folder to write to, but it is a file; choose another`,
        exitCode: 2,
      });
    }
  });
});

test('the newest run is the one whose best weights are the youngest', async () => {
  expect(await newestWeights(folder)).toBeUndefined();
  for (const [name, time] of [
    ['a', 300],
    ['b', 100],
    ['c', 200],
  ] as const) {
    mkdirSync(join(folder, name));
    const path = join(folder, name, 'best.safetensors');
    writeFileSync(path, '');
    utimesSync(path, time, time);
  }
  mkdirSync(join(folder, 'd'));
  expect(await newestWeights(folder)).toBe(join(folder, 'a', 'best.safetensors'));
});

describe('a run without its best weights', () => {
  const network = birbsBn({ imageSize: 8, classNames: ['bird', 'not-bird'] });
  const values = new Float32Array(parameterCount(networkShapes(network)));
  const last = (name: string, notes: Record<string, string>) => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'last.safetensors'), encodeWeights(network, values, notes));
  };

  test('that had some is refused, as the newest run too', async () => {
    last('lost', { bestEpoch: '3' });
    const message =
      /^Expected best\.safetensors \(epoch 3\) in .*lost, but it is missing; train --resume \S+lost writes it again if .* --model \S+last\.safetensors$/;
    await expect(weightsIn(join(folder, 'lost'))).rejects.toThrow(message);
    await expect(newestWeights(folder)).rejects.toThrow(message);
  });

  test('that had none yet is asked with its last ones, but is not the newest', async () => {
    last('young', {});
    expect(await weightsIn(join(folder, 'young'))).toBe(join(folder, 'young/last.safetensors'));
    expect(await newestWeights(folder)).toBeUndefined();
  });
});

test('the log is one JSON object a line', async () => {
  await saveLog(folder, [JSON.stringify({ epoch: 1, name: 'a\nb' }), JSON.stringify({ epoch: 2 })]);
  const lines = readFileSync(join(folder, 'metrics.jsonl'), 'utf8').split('\n');
  expect(lines.slice(0, -1).map((line) => JSON.parse(line))).toEqual([
    { epoch: 1, name: 'a\nb' },
    { epoch: 2 },
  ]);
  expect(lines.at(-1)).toBe('');
});

test('of a log, what is behind a step is left out, and what is no line of ours', async () => {
  const lines = [1, 20, 40].map((step) => JSON.stringify({ type: 'step', step }));
  await saveLog(folder, [...lines, 'null', '7', '{"step":1}', '{"type":"step"}', '{"type":"st']);
  expect(await readLog(folder, 20)).toEqual([
    { type: 'step', step: 1 },
    { type: 'step', step: 20 },
  ]);
  expect(await readLog(join(folder, 'none'), 20)).toEqual([]);
});

describe('a checkpoint', () => {
  const network = birbsBn({ imageSize: 8, classNames: ['bird', 'not-bird'] });
  const images = Uint8Array.from({ length: 4 * 8 * 8 * 3 }, (_, i) => (i * 89) % 256);
  const labels = Int32Array.of(0, 1, 1, 0);
  const open = (seed: number) =>
    loadAddon().createSession({
      ...{ device: 'cpu', network, seed, batchSize: 4, threads: 1, optimizer: { kind: 'adamw' } },
    });
  const position = { ...startPosition(9), epoch: 2, step: 3, batch: 4 };

  async function snapshotOf(session: NativeSession): Promise<Snapshot> {
    const [values, optimizer] = await Promise.all([session.getParameters(), session.getOptimizerState()]);
    return { position, values, optimizer };
  }

  async function steps(session: NativeSession, count: number) {
    for (let i = 0; i < count; i++) await session.trainStep(images, labels, 1e-2);
  }

  test('holds all that training needs to go on as if it had never stopped', async () => {
    const session = await open(9);
    await steps(session, 3);
    await saveCheckpoint(folder, { ...(await snapshotOf(session)), network, dataHash: 'abc' });
    await steps(session, 3);
    const expected = await session.getParameters();
    await session.dispose();

    const found = await newestCheckpoint(folder, () => expect.unreachable());
    expect(found).toMatchObject({ network, dataHash: 'abc', position });
    const other = await open(9);
    await other.setParameters(found!.values);
    await other.setOptimizerState(found!.optimizer);
    await steps(other, 3);
    const values = await other.getParameters();
    await other.dispose();
    expect(Buffer.from(values.buffer).equals(Buffer.from(expected.buffer))).toBe(true);
  });

  const made = (step: number, more: Partial<Snapshot> = {}) => {
    const { parameters } = networkShapes(network);
    const count = parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    const values = new Float32Array(count).fill(step);
    const optimizer = { step, values: new Float32Array(6).fill(-step) };
    return { position: { ...position, step }, values, optimizer, network, dataHash: 'abc', ...more };
  };

  test('keeps the moving average, and predicts with it', async () => {
    const { values } = made(5);
    const checkpoint = made(1, { average: values });
    await saveCheckpoint(folder, checkpoint);
    expect(await newestCheckpoint(folder, () => {})).toMatchObject({ ...checkpoint });
    await saveWeights(join(folder, 'last.safetensors'), network, checkpoint);
    expect((await loadWeights(join(folder, 'last.safetensors'))).values).toEqual(values);
  });

  test('keeps the losses of the images; one of before there were any has none', async () => {
    const losses = Float32Array.of(0.1, 5, 0.2, 3, 7, 65_536);
    await saveCheckpoint(folder, made(1));
    expect(await newestCheckpoint(folder, () => {})).not.toHaveProperty('losses');
    await saveCheckpoint(folder, made(2, { losses }));
    expect(await newestCheckpoint(folder, () => {})).toMatchObject({ losses });
    const path = join(folder, 'state.safetensors');
    const bytes = readFileSync(path);
    bytes[bytes.indexOf(Buffer.from(losses.buffer))]! ^= 1;
    writeFileSync(path, bytes);
    await expect(loadCheckpoint(path)).rejects.toThrow(/its checksum is another: it is damaged$/);
  });

  test('none is none; the newest counts', async () => {
    expect(await newestCheckpoint(folder, () => {})).toBeUndefined();
    for (const step of [1, 2, 3]) await saveCheckpoint(folder, made(step));
    expect((await newestCheckpoint(folder, () => {}))!.position.step).toBe(3);
    expect(readdirSync(folder).sort()).toEqual(['state.previous.safetensors', 'state.safetensors']);
  });

  test.each([
    ['cut short', (bytes: Buffer) => bytes.subarray(0, bytes.length - 5)],
    [
      'with one bit of a weight turned',
      (bytes: Buffer) => {
        bytes[bytes.length - 30]! ^= 1;
        return bytes;
      },
    ],
    ['empty', () => Buffer.alloc(0)],
  ])('%s, it is told and the one before is taken', async (_, damage) => {
    for (const step of [1, 2]) await saveCheckpoint(folder, made(step));
    const path = join(folder, 'state.safetensors');
    writeFileSync(path, damage(readFileSync(path)));
    const told: string[] = [];
    expect((await newestCheckpoint(folder, (message) => told.push(message)))!.position.step).toBe(1);
    expect(told).toEqual([
      expect.stringMatching(/state\.safetensors.*; resuming from .*state\.previous\.safetensors, step 1$/),
    ]);
    writeFileSync(join(folder, 'state.previous.safetensors'), '');
    await expect(newestCheckpoint(folder, () => {})).rejects.toThrow(/train again in a new folder$/);
  });

  test('plain weights are no state', async () => {
    const empty = { values: new Float32Array(0) };
    await expect(encodeCheckpoint(made(1, empty))).rejects.toThrow(
      /Expected \d+ weights for this network, but found 0/,
    );
    await saveWeights(join(folder, 'last.safetensors'), network, made(1));
    await expect(loadCheckpoint(join(folder, 'last.safetensors'))).rejects.toThrow(
      /to hold the state of a run, but it has only weights/,
    );
  });
});
