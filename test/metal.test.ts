/** Training on metal, end to end, on the MPSGraph stand-in: the numbers of the CPU, and the canary. */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadWeights } from '../src/export/weights.ts';
import { loadAddon } from '../src/model/addon.ts';
import { loadCheckpoint } from '../src/run/checkpoint.ts';
import type { Results } from '../src/training/results.ts';
import { type Ended, pictureFolder, temporaryFolder } from './images.ts';
import { describeStandin, root, runNode } from './mpsgraph/standin.ts';

const folder = temporaryFolder('metal');
const photos = join(folder, 'photos');
beforeAll(async () => {
  await pictureFolder(photos, 30, 90);
  if (process.platform !== 'linux') return;
  // The check of the GPU before a run is kept: what a test injects befalls the run itself.
  for (const precision of ['fp32', 'fp16'])
    await train(`checked-${precision}`, 'metal', `--precision ${precision}`);
}, 240_000);
afterAll(() => rmSync(folder, { recursive: true }));

/** Several trainings, each in a process of its own. */
const SLOW = { timeout: 240_000 };
const lock = join(folder, 'birbs.lock.json');

/** Two epochs of twelve steps at 16 pixels; `birbs-bn`, as the default takes over ten times as long on the stand-in. */
function train(name: string, device: string, words = '', env: NodeJS.ProcessEnv = {}) {
  const line = `--data ${photos} --cache ${join(folder, 'cache')} --image-size 16 --batch-size 8 --epochs 2 --network birbs-bn`;
  const more = `--device ${device} --run ${join(folder, name)} --ui none --lock ${lock} ${words}`;
  const args = `--import tsx src/train.ts ${line} ${more}`.trim().split(' ');
  return runNode(args, env);
}
const results = (name: string): Results =>
  JSON.parse(readFileSync(join(folder, name, 'results.json'), 'utf8'));
const epochs = (name: string) =>
  readFileSync(join(folder, name, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ type }) => type === 'epoch');

describeStandin('training on metal', () => {
  test('reaches the numbers of cpu and portable', async () => {
    // The stand-in's addon may have no oneDNN.
    const usual = { BIRBS_ADDON: process.env.BIRBS_ADDON ?? join(root, 'build/Release/birbs.node') };
    for (const [device, env] of [['metal'], ['portable'], ['cpu', usual]] as const)
      expect(await train(device, device, '', env)).toMatchObject({ code: 0, stderr: '' });
    expect(results('metal')).toMatchObject({ status: 'done', device: 'metal', epochs: 2, steps: 24 });
    const [first] = epochs('metal');
    for (const device of ['cpu', 'portable']) {
      const [other] = epochs(device);
      expect(Math.abs(first.trainLoss - other.trainLoss)).toBeLessThan(1e-3);
      expect(Math.abs(first.validation.loss - other.validation.loss)).toBeLessThan(1e-3);
      expect(first.validation.confusion).toEqual(other.validation.confusion);
    }
  });

  test(
    'a fault in the middle of a step is undone, and all that follows is as if it had not been',
    SLOW,
    async () => {
      const split = { BIRBS_STANDIN_SPLIT: '60' };
      const done = { code: 0, stderr: '' };
      expect(await train('split', 'metal', '', split)).toMatchObject(done);
      const strict = { ...split, BIRBS_STANDIN_INJECT: 'timeout@40' };
      expect(await train('fault', 'metal', '', strict)).toMatchObject(done);
      expect(results('fault')).toMatchObject({ status: 'done', steps: 24, incidents: 1 });
      expect(readdirSync(join(folder, 'fault', 'incidents'))).toEqual(['0001-device-fault.json']);
      expect(results('fault').final).toEqual(results('split').final);
      const ended = await train('no-guard', 'metal', '--rollbacks 0', strict);
      expect(ended).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/^Error: After step \d+ the device failed/),
      });
    },
  );

  test('stops at the end of the epoch in which the numbers go wrong', async () => {
    const ended = await train('wrong', 'metal', '', { BIRBS_STANDIN_INJECT: 'wrong@5' });
    expectStopped(ended, 12);
    expect(results('wrong')).toMatchObject({ status: 'failed', epochs: 0, steps: 10, best: null });
    expect(readdirSync(join(folder, 'wrong'))).toEqual(
      expect.arrayContaining(['last.safetensors', 'state.safetensors', 'results.json']),
    );
  });

  test('or every few steps, as told', async () => {
    expectStopped(await train('told', 'metal', '--canary 5', { BIRBS_STANDIN_INJECT: 'wrong@5' }), 5);
    // The first state to go back to is that of step 10.
    expect(results('told')).toMatchObject({ status: 'failed', steps: 0 });
    const never = await train('never', 'metal', '--canary 0', { BIRBS_STANDIN_INJECT: 'wrong@5' });
    expect(never).toMatchObject({ code: 0, stderr: '' });
    expect(results('never').status).toBe('done');
  });

  test('takes the cpu where the GPU fails its check, or refuses', async () => {
    const cache = join(folder, 'other-cache');
    const env = { BIRBS_STANDIN_INJECT: 'abort@1' };
    const auto = await train('auto', 'auto', `--cache ${cache} --epochs 1 --ui plain`, env);
    expect(auto).toMatchObject({ code: 0, stderr: '' });
    expect(auto.stdout).toContain(
      'the Apple GPU failed its check with this network: its process ended with SIGABRT',
    );
    expect(results('auto')).toMatchObject({ status: 'done', device: 'cpu' });
    // The verdict of the run before.
    const asked = await train('asked', 'metal', `--cache ${cache}`);
    expect(asked).toMatchObject({ code: 1, stdout: '' });
    expect(asked.stderr).toMatch(
      /^Error: --device metal can't be used for this network: .* SIGABRT.*use --device cpu/,
    );
  });

  test('lets float16 pass', async () => {
    expect(await train('half', 'metal', '--precision fp16')).toMatchObject({ code: 0, stderr: '' });
    expect(results('half')).toMatchObject({ status: 'done', steps: 24 });
  });

  test('one command buffer of NaN, wherever it falls, never passes for learning', SLOW, async () => {
    const clean = await train('clean', 'metal');
    expect(clean).toMatchObject({ code: 0 });
    let undone = 0;
    for (const buffer of [3, 4, 5, 6, 7]) {
      const name = `nan-${buffer}`;
      const env = { BIRBS_STANDIN_INJECT: `nan@${buffer}` };
      const { code, stderr } = await train(name, 'metal', '--canary 1', env);
      if (code === 1) {
        expect(stderr).toMatch(/^Error: Expected the GPU to take the training step/);
      } else if (results(name).incidents > 0) {
        undone++;
        expect(readdirSync(join(folder, name, 'incidents'))[0]).toMatch(/^0001-(loss|gradient)-not-finite/);
      } else {
        // It fell on a reading that the training never met.
        expect(results(name).final).toEqual(results('clean').final);
      }
      const { values } = await loadWeights(join(folder, name, 'last.safetensors'));
      expect(values.every(Number.isFinite)).toBe(true);
    }
    expect(undone).toBeGreaterThanOrEqual(2);
  });

  test('a GPU that is gone before the first step is told', async () => {
    const { code, stderr } = await train('lost', 'metal', '', {
      BIRBS_STANDIN_INJECT: 'device-removed@1',
    });
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(
        /^Error: The device failed before the first step: Metal: the GPU was removed/,
      ),
    });
  });

  test.each([
    {
      name: 'lost-early',
      buffer: 9,
      epochs: 0,
      least: 0,
      most: 0,
      kept: /no step, only the initial weights/,
    },
    {
      name: 'lost-later',
      buffer: 40,
      epochs: 1,
      least: 12,
      most: 23,
      kept: /what was learnt up to step \d+/,
    },
  ])('$name: a GPU that is gone ends in a checkpoint and a sentence', async (lost) => {
    const env = { BIRBS_STANDIN_INJECT: `device-removed@${lost.buffer}` };
    const { code, stdout, stderr } = await train(lost.name, 'metal', '', env);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(
      /^Error: After step \d+ the device failed: Metal: the GPU was removed; run again, or with --device cpu \(MTLCommandBufferError 11.*\); saved in .*: .*; go on with --resume .*\n$/,
    );
    expect(stderr).toMatch(lost.kept);
    const { status, steps, epochs } = results(lost.name);
    expect({ status, epochs }).toEqual({ status: 'failed', epochs: lost.epochs });
    expect(steps).toBeGreaterThanOrEqual(lost.least);
    expect(steps).toBeLessThanOrEqual(lost.most);
    const { network, values } = await loadWeights(join(folder, lost.name, 'last.safetensors'));
    const state = await loadCheckpoint(join(folder, lost.name, 'state.safetensors'));
    expect(state.position).toMatchObject({ step: steps, epoch: lost.epochs });
    expect(state.optimizer.step).toBe(steps);
    expect(state.values).toEqual(values);
    expect(values.every(Number.isFinite)).toBe(true);
    // Nothing was learnt exactly where no step is told.
    const options = { device: 'portable', network, seed: 1, batchSize: 1, threads: 1 } as const;
    const first = await loadAddon().createSession({ ...options, optimizer: { kind: 'sgd' } });
    if (steps === 0) expect(values).toEqual(await first.getParameters());
    else expect(values).not.toEqual(await first.getParameters());
    await first.dispose();
  });

  test(
    'a run that lost its GPU is gone on with, there or on the cpu, as if nothing had been',
    SLOW,
    async () => {
      expect(await train('through', 'metal')).toMatchObject({ code: 0 });
      const weights = async (name: string) =>
        (await loadWeights(join(folder, name, 'last.safetensors'))).values;
      const through = await weights('through');
      for (const device of ['metal', 'cpu']) {
        const name = `again-${device}`;
        await train(name, 'metal', '', { BIRBS_STANDIN_INJECT: 'device-removed@30' });
        const words = `--resume ${join(folder, name)} --device ${device} --ui none`;
        const ended = await runNode(`--import tsx src/train.ts ${words}`.split(' '), {});
        expect(ended).toMatchObject({ code: 0, stderr: '' });
        expect(results(name)).toMatchObject({ status: 'done', device, steps: 24 });
        const found = await weights(name);
        if (device === 'metal')
          expect(Buffer.from(found.buffer).equals(Buffer.from(through.buffer))).toBe(true);
        const apart = found.map((value, i) => Math.abs(value - through[i]!));
        expect(apart.reduce((a, b) => Math.max(a, b))).toBeLessThan(RESUMED);
      }
    },
  );
});

/** Largest difference of a weight after twelve steps of adamw on another device. */
const RESUMED = 5e-3;

function expectStopped({ code, stdout, stderr }: Omit<Ended, 'signal'>, step: number) {
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(
    new RegExp(
      `^Error: Expected the GPU to take the training step that the CPU takes, but at step ${step} .* is off by 0\\.\\d+ of its ` +
        'size, where 0\\.\\d+ may be; the run is saved.*birbs-metal doctor.*--device cpu\\n$',
    ),
  );
}
