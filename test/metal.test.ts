/** Training on metal, end to end, on the MPSGraph stand-in: the numbers of the CPU, and the canary. */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Results } from '../src/run/record.ts';
import { type Ended, pictureFolder, temporaryFolder } from './images.ts';
import { describeStandin, root, runNode } from './mpsgraph/standin.ts';

const folder = temporaryFolder('metal');
const photos = join(folder, 'photos');
beforeAll(() => pictureFolder(photos, 30, 90));
afterAll(() => rmSync(folder, { recursive: true }));

/** Two epochs of twelve steps at 16 pixels. */
function train(name: string, device: string, words = '', env: NodeJS.ProcessEnv = {}) {
  const line = `--data ${photos} --cache ${join(folder, 'cache')} --image-size 16 --batch-size 8 --epochs 2`;
  const more = `--device ${device} --run ${join(folder, name)} --ui none ${words}`;
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

  test('stops at the end of the epoch in which the numbers go wrong', async () => {
    const ended = await train('wrong', 'metal', '', { BIRBS_STANDIN_INJECT: 'wrong@5' });
    expectStopped(ended, 12);
    expect(results('wrong')).toMatchObject({ status: 'failed', epochs: 0, steps: 12, best: null });
    expect(readdirSync(join(folder, 'wrong'))).toEqual(
      expect.arrayContaining(['last.safetensors', 'state.safetensors', 'results.json']),
    );
  });

  test('or every few steps, as told', async () => {
    expectStopped(await train('told', 'metal', '--canary 5', { BIRBS_STANDIN_INJECT: 'wrong@5' }), 5);
    expect(results('told')).toMatchObject({ status: 'failed', steps: 5 });
    const never = await train('never', 'metal', '--canary 0', { BIRBS_STANDIN_INJECT: 'wrong@5' });
    expect(never).toMatchObject({ code: 0, stderr: '' });
    expect(results('never').status).toBe('done');
  });

  test('lets float16 pass', async () => {
    expect(await train('half', 'metal', '--precision fp16')).toMatchObject({ code: 0, stderr: '' });
    expect(results('half')).toMatchObject({ status: 'done', steps: 24 });
  });

  test('one command buffer of NaN, wherever it falls, never passes for learning', async () => {
    for (const buffer of [3, 4, 5]) {
      const ended = await train(`nan-${buffer}`, 'metal', '--canary 1', {
        BIRBS_STANDIN_INJECT: `nan@${buffer}`,
      });
      expect(ended).toMatchObject({ code: 1, stdout: '' });
      expect(ended.stderr).toMatch(/^Error: (Expected the logits of the GPU|The loss is no number any more)/);
    }
  });
});

function expectStopped({ code, stdout, stderr }: Omit<Ended, 'signal'>, step: number) {
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(
    new RegExp(
      `^Error: Expected the logits of the GPU within 0\\.002 .* at step ${step} they are 0\\.0\\d+ apart ` +
        '\\(logits\\[\\d+\\]: expected .*, found .*\\); the run is saved.*birbs-metal doctor.*--device cpu\\n$',
    ),
  );
}
