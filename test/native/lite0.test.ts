/** EfficientNet-Lite0 with its published weights, in timm's names: logits and features against timm's own. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { readSafetensors } from '../../src/export/safetensors.ts';
import { joinTensors } from '../../src/export/weights.ts';
import type { DeviceName } from '../../src/model/addon.ts';
import type { Network } from '../../src/model/network.ts';
import { networkShapes } from '../../src/model/network_shapes.ts';
import { lite0 } from '../../src/model/pretrained_networks.ts';
import { assertClose, type Tolerance } from '../close.ts';
import { addon, devices } from './devices.ts';

const shared = (name: string) =>
  fileURLToPath(new URL(`../../../shared/data/lite0/${name}`, import.meta.url));
const found = existsSync(shared('expected.json'));
if (!found) console.log('../shared/data/lite0 is not there: the published weights were not run.');

interface Expected {
  top5: { index: number; logit: number }[];
  logits_0_9: number[];
}
interface ExpectedImage extends Expected {
  name: string;
  features_0_9: number[];
  features_l2: number;
}
interface Fixture {
  images: ExpectedImage[];
  synthetic_160: Expected;
  synthetic_97x131: Expected;
}

const expected: Fixture = found ? JSON.parse(readFileSync(shared('expected.json'), 'utf8')) : { images: [] };
const tolerance: Tolerance = { absolute: 1e-3, relative: 0 };
const classNames = Array.from({ length: 1000 }, (_, i) => `class ${i}`);

function network(height: number, width: number): Network {
  const built = lite0({ imageSize: 224, classNames });
  return { ...built, input: { ...built.input, height, width } };
}

/** pixel[y][x][c] = (7y + 13x + 29c) mod 256 */
function synthetic(height: number, width: number): Uint8Array {
  return Uint8Array.from({ length: height * width * 3 }, (_, i) => {
    const [y, x] = [Math.floor(i / 3 / width), Math.floor(i / 3) % width];
    return (7 * y + 13 * x + 29 * (i % 3)) % 256;
  });
}

async function open(device: DeviceName, description: Network, batchSize: number) {
  const { tensors } = await readSafetensors(shared('tf_efficientnet_lite0.safetensors'));
  const values = joinTensors(networkShapes(description).parameters, tensors, 'lite0');
  const optimizer = { kind: 'sgd' } as const;
  const session = await addon.createSession({
    ...{ device, network: description, seed: 0, batchSize, threads: 2, optimizer },
  });
  await session.setParameters(values);
  return session;
}

function assertLogits(logits: Float32Array, { top5, logits_0_9: first }: Expected, what: string) {
  assertClose(logits.subarray(0, 10), first, tolerance, `${what}, the first logits`);
  for (const { index, logit } of top5) assertClose([logits[index]!], [logit], tolerance, `${what}, ${index}`);
  expect(logits.indexOf(Math.max(...logits)), what).toBe(top5[0]!.index);
}

/** The logits of the synthetic image. */
async function answer(device: DeviceName, description: Network): Promise<Float32Array> {
  const session = await open(device, description, 1);
  const { height, width } = description.input;
  const logits = await session.predict(synthetic(height, width), 1);
  await session.dispose();
  return logits;
}

describe.skipIf(!found).each(devices)('%s', (device) => {
  test('photos and the synthetic image at 224 x 224: logits and features', { timeout: 60_000 }, async () => {
    const pixels = await Promise.all(
      expected.images.map(({ name }) =>
        name.startsWith('synthetic')
          ? synthetic(224, 224)
          : sharp(shared(`lite0-${name.replace(/.*\/(.*)\.jpg/, '$1.png')}`))
              .raw()
              .toBuffer(),
      ),
    );
    const count = pixels.length;
    const session = await open(device, network(224, 224), count);
    const images = new Uint8Array(Buffer.concat(pixels));
    const [logits, features] = [await session.predict(images, count), await session.features(images, count)];
    await session.dispose();
    expect(features.length).toBe(count * 1280);
    for (const [n, image] of expected.images.entries()) {
      assertLogits(logits.subarray(n * 1000, (n + 1) * 1000), image, image.name);
      const own = features.subarray(n * 1280, (n + 1) * 1280);
      assertClose(own.subarray(0, 10), image.features_0_9, tolerance, `${image.name}, features`);
      assertClose(
        [Math.hypot(...own)],
        [image.features_l2],
        tolerance,
        `${image.name}, norm of the features`,
      );
    }
  });

  test('at 160 x 160 and at 97 x 131', { timeout: 60_000 }, async () => {
    assertLogits(await answer(device, network(160, 160)), expected.synthetic_160, '160 x 160');
    assertLogits(await answer(device, network(97, 131)), expected.synthetic_97x131, '97 x 131');
  });

  test('another padding or epsilon is far from it', { timeout: 60_000 }, async () => {
    const changed = (change: (layer: Network['layers'][number]) => object): Network => {
      const built = network(160, 160);
      return { ...built, layers: built.layers.map((layer) => ({ ...layer, ...change(layer) })) };
    };
    const symmetric = changed((layer) =>
      layer.type === 'conv2d' && layer.padding === 'same'
        ? { padding: Math.floor((layer.kernelSize as number) / 2) }
        : {},
    );
    const small = changed((layer) => (layer.type === 'batchNorm2d' ? { epsilon: 1e-5 } : {}));
    for (const wrong of [symmetric, small]) {
      const logits = await answer(device, wrong);
      expect(() => assertLogits(logits, expected.synthetic_160, '160 x 160')).toThrow(
        'times what is allowed',
      );
    }
  });
});
