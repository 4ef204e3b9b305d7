/**
 * The demo set, trained for an epoch on metal and on cpu. At 32 pixels: the default 64 take a minute on the stand-in, and
 * differ no less and no more. At a tenth of the default learning rate: 0.03 amplifies differences of rounding to 2e-3 in
 * the loss (0.003: 3e-6), which would hide a wrong gradient.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import type { Results } from '../../src/training/results.ts';
import { temporaryFolder } from '../images.ts';
import { describeStandin, root, runNode, standinAddon } from './standin.ts';

const folder = temporaryFolder('demo');
afterAll(() => rmSync(folder, { recursive: true }));

const usualAddon = process.env.BIRBS_ADDON ?? join(root, 'build/Release/birbs.node');

async function train(name: string, device: 'metal' | 'cpu', words: string[]) {
  const run = join(folder, name);
  const line = [
    '--data',
    'demo?limit=2500',
    '--image-size',
    '32',
    '--epochs',
    '1',
    '--threads',
    '2',
    '--ui',
    'none',
  ];
  const more = ['--device', device, '--cache', join(folder, 'cache'), '--run', run, ...words];
  const env = { BIRBS_ADDON: device === 'metal' ? standinAddon : usualAddon };
  const ended = await runNode(['--import', 'tsx', 'src/train.ts', ...line, ...more], env, 240_000);
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  const log = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n');
  const epoch = log.map((text) => JSON.parse(text)).find(({ type }) => type === 'epoch');
  const { final } = JSON.parse(readFileSync(join(run, 'results.json'), 'utf8')) as Results;
  return { trainLoss: epoch.trainLoss as number, ...final! };
}

const apart = (a: number, b: number) => Math.abs(a - b);

describeStandin('the demo set through the stand-in', () => {
  it('reaches the losses of cpu after an epoch, with the default network', { timeout: 300_000 }, async () => {
    const words = ['--learning-rate', '0.003'];
    const [metal, cpu] = [await train('metal', 'metal', words), await train('cpu', 'cpu', words)];
    expect(apart(metal.trainLoss, cpu.trainLoss)).toBeLessThan(1e-4);
    expect(apart(metal.loss, cpu.loss)).toBeLessThan(5e-4);
    expect(apart(metal.balancedAccuracy, cpu.balancedAccuracy)).toBeLessThan(0.003);
  });

  it('and birbs-bn with sgd those of validation too', { timeout: 300_000 }, async () => {
    const words = ['--network', 'birbs-bn', '--optimizer', 'sgd', '--learning-rate', '0.003'];
    const [metal, cpu] = [await train('metal-sgd', 'metal', words), await train('cpu-sgd', 'cpu', words)];
    expect(apart(metal.trainLoss, cpu.trainLoss)).toBeLessThan(1e-4);
    expect(apart(metal.loss, cpu.loss)).toBeLessThan(5e-4);
    expect(apart(metal.balancedAccuracy, cpu.balancedAccuracy)).toBeLessThan(0.002);
  });
});
