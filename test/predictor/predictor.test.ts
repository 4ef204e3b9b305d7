/** A model that stays loaded: the answers of `predict`, in batches, in turns. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeWeights } from '../../src/export/weights.ts';
import { loadAddon } from '../../src/model/addon.ts';
import { birbsBn } from '../../src/model/presets.ts';
import { predict } from '../../src/predict.ts';
import { Batcher } from '../../src/predictor/batcher.ts';
import type { Prediction } from '../../src/predictor/prediction.ts';
import { createPredictor, type Predictor } from '../../src/predictor/predictor.ts';
import { Turns } from '../../src/predictor/turns.ts';
import { pictureFolder, temporaryFolder } from '../images.ts';

const folder = temporaryFolder('predictor');
const model = join(folder, 'model.safetensors');
const expected: Prediction[] = [];
let predictor: Predictor;

beforeAll(async () => {
  await pictureFolder(join(folder, 'photos'), 20, 25);
  const network = birbsBn({ imageSize: 16, classNames: ['bird', 'not-bird'] });
  const options = { device: 'cpu', network, seed: 5, batchSize: 1, threads: 1 } as const;
  const session = await loadAddon().createSession({ ...options, optimizer: { kind: 'sgd' } });
  writeFileSync(model, encodeWeights(network, await session.getParameters()));
  await session.dispose();
  for await (const prediction of predict(join(folder, 'photos'), { model })) expected.push(prediction);
  predictor = await createPredictor(model);
});
afterAll(async () => {
  await predictor.dispose();
  rmSync(folder, { recursive: true });
});

/** A promise that is settled from outside. */
function gate() {
  let open = () => {};
  const closed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { closed, open };
}

describe('createPredictor()', () => {
  test('45 calls at the same time have the answers of predict, each its own', async () => {
    const found = await Promise.all(
      expected.map(async ({ file }) => ({ file, ...(await predictor.predict(readFileSync(file))) })),
    );
    expect(found.map((one) => JSON.stringify(one))).toEqual(expected.map((one) => JSON.stringify(one)));
    expect(predictor.classNames).toEqual(['bird', 'not-bird']);
  });

  test('what is no image rejects, and the calls beside it are answered', async () => {
    const good = readFileSync(expected[0]!.file);
    const [text, nothing, path, answer] = await Promise.allSettled([
      predictor.predict(Buffer.from('plain words')),
      predictor.predict(new Uint8Array()),
      predictor.predict('photo.jpg' as never),
      predictor.predict(good),
    ]);
    expect(text).toMatchObject({ reason: { message: expect.stringMatching(/text.*, not JPEG, PNG/) } });
    expect(nothing).toMatchObject({ reason: { name: 'UserError' } });
    expect(path).toMatchObject({
      reason: { message: expect.stringMatching(/as Uint8Array, but found string/) },
    });
    expect(answer).toMatchObject({ value: { guess: expect.any(String) } });
  });

  test('an aborted call rejects with the reason of its signal', async () => {
    const image = readFileSync(expected[0]!.file);
    await expect(predictor.predict(image, AbortSignal.abort('gone'))).rejects.toBe('gone');
  });

  test('dispose waits for the calls under way, and later ones reject', async () => {
    const other = await createPredictor(model, { threads: 1 });
    const image = readFileSync(expected[0]!.file);
    const call = other.predict(image);
    const disposed = Promise.all([other.dispose(), other.dispose()]);
    await expect(other.predict(image)).rejects.toThrow(/after dispose\(\)$/);
    expect({ file: expected[0]!.file, ...(await call) }).toEqual(expected[0]);
    await disposed;
  });

  test('a model or an option that can not be is refused', async () => {
    await expect(createPredictor(join(folder, 'gone'))).rejects.toThrow(/^No such model: /);
    await expect(createPredictor(model, { treads: 1 } as never)).rejects.toThrow(/did you mean threads\?$/);
  });
});

describe('Batcher', () => {
  test('takes together what comes while a batch runs; a failure is that of its batch alone', async () => {
    const batches: number[][] = [];
    const first = gate();
    const batcher = new Batcher<number, number>(3, async (items) => {
      batches.push(items);
      if (batches.length === 1) await first.closed;
      if (items.includes(4)) throw new Error('four');
      return items.map((item) => 10 * item);
    });
    const results = [batcher.add(0)];
    await new Promise(setImmediate);
    results.push(...[1, 2, 3, 4, 5].map((item) => batcher.add(item)));
    first.open();
    const settled = await Promise.allSettled(results);
    expect(batches).toEqual([[0], [1, 2, 3], [4, 5]]);
    expect(settled.map((one) => (one.status === 'fulfilled' ? one.value : one.reason.message))).toEqual([
      ...[0, 10, 20, 30],
      ...['four', 'four'],
    ]);
    expect(await batcher.add(7)).toBe(70);
  });
});

describe('Turns', () => {
  test('so many at a time, in order; who gives up waiting leaves the others their turn', async () => {
    const turns = new Turns(2);
    const gates = [gate(), gate(), gate(), gate()];
    const begun: number[] = [];
    const giveUp = new AbortController();
    const works = gates.map(({ closed }, i) =>
      turns.take(
        async () => {
          begun.push(i);
          await closed;
        },
        i === 2 ? giveUp.signal : undefined,
      ),
    );
    const left = expect(works[2]).rejects.toThrow(/abort/);
    expect(begun).toEqual([0, 1]);
    giveUp.abort();
    await left;
    gates[1]!.open();
    await works[1];
    await new Promise(setImmediate);
    expect(begun).toEqual([0, 1, 3]);
    for (const { open } of gates) open();
    await Promise.all([works[0], works[3]]);
    expect(await turns.take(async () => 'free')).toBe('free');
  });
});
