/** Core ML files: our reader everywhere, coremltools and PyTorch where Python has them (BIRBS_PYTHON). */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, expect, test } from 'vitest';
import { encodeCoreML } from '../../src/export/coreml/encode_coreml.ts';
import { encodeMlProgram, WEIGHTS_PATH } from '../../src/export/coreml/encode_mlprogram.ts';
import { openCoreML } from '../../src/export/coreml/run_coreml.ts';
import { openMlProgram } from '../../src/export/coreml/run_mlprogram.ts';
import type { ExportedModel, WeightWidth } from '../../src/export/exported_model.ts';
import { savePackage } from '../../src/export/save_package.ts';
import { swiftSnippet } from '../../src/export/snippets.ts';
import { scaled } from '../../src/metrics/calibration.ts';
import { softmax } from '../../src/metrics/metrics.ts';
import type { Network } from '../../src/model/network.ts';
import { lite0 } from '../../src/model/pretrained_networks.ts';
import { temporaryFolder } from '../images.ts';
import { exported, images, networks } from './networks.ts';

const folder = temporaryFolder('coreml');
afterAll(() => rmSync(folder, { recursive: true }));
const python = process.env.BIRBS_PYTHON;

const concatenated = (files: Map<string, Uint8Array[]>) =>
  new Map([...files].map(([name, pieces]) => [name, Buffer.concat(pieces)]));

/** Writes both kinds; their paths. */
async function writeBoth(model: ExportedModel, name: string): Promise<string[]> {
  const paths = ['mlmodel', 'mlpackage'].map((ending) => join(folder, `${name}-${model.width}.${ending}`));
  writeFileSync(paths[0]!, Buffer.concat(encodeCoreML(model)));
  await savePackage(paths[1]!, encodeMlProgram(model));
  return paths;
}

const largest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));

/** Also with one deviation for all channels, which needs no layer of its own. */
const cases: Record<string, Network> = {
  ...networks,
  even: { ...networks.residual!, normalization: { mean: [0.5, 0.4, 0.3], std: [0.25, 0.25, 0.25] } },
};

async function prepared(network: Network, width: WeightWidth) {
  const { model, session } = await exported(network, width);
  // Cold, so that probabilities tell the logits apart.
  model.calibration.temperature = 0.05;
  const pixels = images(network, 2);
  const logits = await session.predict(pixels, 2);
  await session.dispose();
  const both = [pixels.subarray(0, pixels.length / 2), pixels.subarray(pixels.length / 2)];
  return { model, both, probabilities: softmax(scaled(logits, 0.05), network.classNames.length) };
}

const widths = [
  ['fp32', 2e-5],
  ['fp16', 1e-2],
] as const;

test.each(Object.entries(cases))(
  '%s: our readers compute what the portable kernels do',
  async (_, network) => {
    for (const [width, most] of widths) {
      const { model, both, probabilities } = await prepared(network, width);
      const runs = [
        openCoreML(Buffer.concat(encodeCoreML(model))),
        openMlProgram(concatenated(encodeMlProgram(model))),
      ];
      for (const run of runs) {
        const found = both.flatMap((image) => [...Array.from(run(image).probabilities)]);
        expect(largest(found, probabilities)).toBeLessThan(most);
      }
    }
  },
);

/** [height][width][3] */
function rowsOf(image: Uint8Array, { input: { height, width } }: Network): number[][][] {
  const pixel = (y: number, x: number) => [...image.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)];
  return Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => pixel(y, x)));
}

test.runIf(python)('coremltools and PyTorch compute the same', async () => {
  const jobs: { images: number[][][][]; files: string[] }[] = [];
  const expected: { classNames: string[]; version: number; probabilities: Float64Array; most: number }[] = [];
  for (const [name, network] of Object.entries(cases)) {
    const { classNames } = network;
    for (const [width, most] of widths) {
      const { model, both, probabilities } = await prepared(network, width);
      const files = await writeBoth(model, name);
      jobs.push({ images: both.map((image) => rowsOf(image, network)), files });
      for (const version of width === 'fp32' ? [1, 6] : [2, 7])
        expected.push({ classNames, version, probabilities, most });
    }
  }
  writeFileSync(join(folder, 'jobs.json'), JSON.stringify(jobs));
  const judge = fileURLToPath(new URL('coreml_judge.py', import.meta.url));
  const { status, stdout, stderr } = spawnSync(python!, [judge, join(folder, 'jobs.json')], {
    encoding: 'utf8',
  });
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  const answers = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(answers.length).toBe(expected.length);
  for (const [i, { classNames, version, probabilities, most }] of expected.entries()) {
    expect(answers[i]).toMatchObject({ version, labels: classNames });
    expect(answers[i].metadata).toMatchObject({ 'com.apple.coreml.model.preview.type': 'imageClassifier' });
    expect(largest(answers[i].probabilities.flat(), probabilities)).toBeLessThan(most);
  }
});

/** Xcode's compiler of Core ML models. */
const compiler =
  process.platform === 'darwin' && spawnSync('xcrun', ['--find', 'coremlcompiler']).status === 0;

test.runIf(compiler)(
  'on a Mac: Core ML compiles both kinds, and Vision answers with the program that is printed',
  { timeout: 300_000 },
  async () => {
    const network = lite0({ imageSize: 64, classNames: ['bird', 'not-bird'] });
    const { model, both, probabilities } = await prepared(network, 'fp32');
    const raw = { width: 64, height: 64, channels: 3 } as const;
    // Of the network's own size and without loss, so that nothing is resized.
    await sharp(both[0]!, { raw }).png().toFile(join(folder, 'photo.jpg'));
    for (const path of await writeBoth(model, 'mac')) {
      const { status, stderr } = spawnSync('xcrun', ['coremlcompiler', 'compile', path, folder], {
        encoding: 'utf8',
      });
      expect({ status, stderr }).toMatchObject({ status: 0 });
      writeFileSync(join(folder, 'main.swift'), swiftSnippet(model, path));
      const run = spawnSync('swift', ['main.swift'], { cwd: folder, encoding: 'utf8' });
      const bird = /"bird": ([\d.e-]+)/.exec(run.stdout)?.[1];
      expect({ bird, stderr: bird === undefined ? run.stderr : '' }).toEqual({
        bird: expect.any(String),
        stderr: '',
      });
      expect(Math.abs(Number(bird) - probabilities[0]!)).toBeLessThan(0.01);
    }
  },
);

test('a package is whole, and takes the place of an earlier one', async () => {
  const { model, session } = await exported(networks.same!);
  await session.dispose();
  const path = join(folder, 'same.mlpackage');
  mkdirSync(path);
  writeFileSync(join(path, 'earlier'), '');
  const files = encodeMlProgram(model);
  await savePackage(path, files);
  expect(readdirSync(path).sort()).toEqual(['Data', 'Manifest.json']);
  expect(readFileSync(join(path, WEIGHTS_PATH))).toEqual(Buffer.concat(files.get(WEIGHTS_PATH)!));
  const manifest = JSON.parse(readFileSync(join(path, 'Manifest.json'), 'utf8'));
  const root = manifest.itemInfoEntries[manifest.rootModelIdentifier];
  expect(readdirSync(join(path, 'Data', root.path, '..')).sort()).toEqual(['model.mlmodel', 'weights']);
  expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  // A blob that is not where a value says.
  const damaged = concatenated(files);
  damaged.get(WEIGHTS_PATH)!.fill(0, 64, 68);
  const image = images(networks.same!, 1);
  expect(() => openMlProgram(damaged)(image)).toThrow('weight.bin has no blob at 64');
});

test.skipIf(python)('BIRBS_PYTHON is not set: coremltools did not judge the Core ML files', () => {});
