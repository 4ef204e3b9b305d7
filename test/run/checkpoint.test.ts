import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadWeights } from '../../src/export/weights.ts';
import { loadAddon, type NativeSession } from '../../src/model/addon.ts';
import { birbsBn } from '../../src/model/network.ts';
import {
  createRunFolder,
  encodeState,
  loadState,
  newestWeights,
  saveCheckpoint,
  saveLog,
} from '../../src/run/checkpoint.ts';
import type { Metrics } from '../../src/run/metrics.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'birbs-run-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('the folder of a run', () => {
  test('is made, with the folders above it', async () => {
    expect(await createRunFolder(join(folder, 'a', 'b'))).toBe(join(folder, 'a', 'b'));
    expect(await createRunFolder(join(folder, 'a', 'b'))).toBe(join(folder, 'a', 'b'));
  });

  test('with something in it is refused, naming --run', async () => {
    writeFileSync(join(folder, 'results.json'), '{}');
    await expect(createRunFolder(folder)).rejects.toMatchObject({
      message: `Expected a new or empty folder for --run, but ${folder} has 1 files in it; choose another or delete it`,
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

test('the log is one JSON object a line', async () => {
  await saveLog(folder, [{ epoch: 1, name: 'a\nb' }, { epoch: 2 }]);
  const lines = readFileSync(join(folder, 'metrics.jsonl'), 'utf8').split('\n');
  expect(lines.slice(0, -1).map((line) => JSON.parse(line))).toEqual([
    { epoch: 1, name: 'a\nb' },
    { epoch: 2 },
  ]);
  expect(lines.at(-1)).toBe('');
});

describe('a checkpoint', () => {
  const network = birbsBn({ imageSize: 8, classNames: ['bird', 'not-bird'] });
  const images = Uint8Array.from({ length: 4 * 8 * 8 * 3 }, (_, i) => (i * 89) % 256);
  const labels = Int32Array.of(0, 1, 1, 0);
  const open = (seed: number) =>
    loadAddon().createSession({
      ...{ device: 'cpu', network, seed, batchSize: 4, threads: 1, optimizer: { kind: 'adamw' } },
    });
  const metrics: Metrics = {
    ...{
      loss: 0.5,
      accuracy: 0.75,
      balancedAccuracy: 0.75,
      precision: 1,
      recall: 0.5,
      f1: 2 / 3,
      auroc: 0.9,
      averagePrecision: 0.8,
    },
    perClass: [],
    confusion: [
      [1, 1],
      [0, 2],
    ],
  };
  const position = { epoch: 2, step: 3, seed: 9, best: { epoch: 1, ...metrics } };

  async function steps(session: NativeSession, count: number) {
    for (let i = 0; i < count; i++) await session.trainStep(images, labels, 1e-2);
  }

  test('holds all that training needs to go on as if it had never stopped', async () => {
    const session = await open(9);
    await steps(session, 3);
    await saveCheckpoint(folder, network, session, position, true);
    await steps(session, 3);
    const expected = await session.getParameters();
    await session.dispose();

    const state = await loadState(join(folder, 'state.safetensors'), network);
    expect(state.position).toEqual(position);
    const other = await open(9);
    await other.setParameters(state.values);
    await other.setOptimizerState(state.optimizer);
    await steps(other, 3);
    const found = await other.getParameters();
    await other.dispose();
    expect(Buffer.from(found.buffer).equals(Buffer.from(expected.buffer))).toBe(true);
  });

  test('writes best only when told, last always', async () => {
    const session = await open(1);
    const first = await session.getParameters();
    await saveCheckpoint(folder, network, session, position, true);
    await steps(session, 1);
    const second = await session.getParameters();
    await saveCheckpoint(folder, network, session, position, false);
    await session.dispose();
    const best = await loadWeights(join(folder, 'best.safetensors'));
    expect(best.values).toEqual(first);
    expect(JSON.parse(best.metadata.metrics!)).toEqual(position.best);
    expect((await loadWeights(join(folder, 'last.safetensors'))).values).toEqual(second);
    expect(second).not.toEqual(first);
  });

  test('plain weights are no state', async () => {
    const path = join(folder, 'state.safetensors');
    const empty = { values: new Float32Array(0), optimizer: { step: 0, values: new Float32Array(0) } };
    expect(() => encodeState(network, { position, ...empty })).toThrow(
      /Expected \d+ weights for this network, but found 0/,
    );
    const session = await open(1);
    await saveCheckpoint(folder, network, session, position, false);
    await session.dispose();
    await expect(loadState(join(folder, 'last.safetensors'), network)).rejects.toThrow(
      /to hold the state of a run, but it has only weights/,
    );
    expect((await loadState(path, network)).optimizer.step).toBe(0);
  });
});
