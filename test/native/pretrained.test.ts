/** The networks that have pretrained weights against timm's, with weights of a formula (`test/fixtures/pretrained.py`). */
import { describe, expect, test } from 'vitest';
import type { ParameterInfo } from '../../src/model/addon.ts';
import type { Network } from '../../src/model/network.ts';
import { lite0, mobilenetv4Medium, mobilenetv4Small, resnet18 } from '../../src/model/pretrained_networks.ts';
import { assertClose, type Tolerance } from '../close.ts';
import { addon, devices } from './devices.ts';
import { readJson } from './fixture.ts';

interface Answer {
  height: number;
  width: number;
  logits: number[];
  norm: number;
  features: number[];
  featuresNorm: number;
}
const expected = readJson<Record<string, { tensors: number; answers: Answer[] }>>('pretrained.json');

const classNames = Array.from({ length: 1000 }, (_, i) => `class ${i}`);
const networks = Object.entries({
  lite0,
  'mobilenetv4-small': mobilenetv4Small,
  'mobilenetv4-medium': mobilenetv4Medium,
  resnet18,
}).map(([name, build]) => ({ name, network: build({ imageSize: 64, classNames }) }));

/** Numbers that depend on the name and the place alone, from -1 to 1. */
function noise(name: string, count: number): Float64Array {
  const seed = [...name].reduce((sum, character) => (Math.imul(sum, 31) + character.charCodeAt(0)) | 0, 0);
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    let x = (Math.imul(i, 2654435761) + seed) | 0;
    x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
    values[i] = ((x ^ (x >>> 12)) >>> 0) / 2 ** 31 - 1;
  }
  return values;
}

function parameters(infos: ParameterInfo[]): Float32Array {
  const last = infos.at(-1)!;
  const all = new Float32Array(last.offset + last.size);
  for (const { name, shape, offset, size } of infos) {
    const around = shape.length === 1 && /(weight|running_var)$/.test(name) ? 1 : 0;
    const bound =
      shape.length > 1 ? Math.sqrt(6 / shape.slice(1).reduce((a, b) => a * b)) : around > 0 ? 0.25 : 0.1;
    const values = noise(name, size);
    for (let i = 0; i < size; i++) all[offset + i] = around + values[i]! * bound;
  }
  return all;
}

function image(height: number, width: number): Uint8Array {
  return Uint8Array.from({ length: height * width * 3 }, (_, i) => {
    const [y, x] = [Math.floor(i / 3 / width), Math.floor(i / 3) % width];
    return (7 * y + 13 * x + 29 * (i % 3) + ((x * y) % 31)) % 256;
  });
}

/** Of numbers whose root mean square is made 1. */
const tolerance: Tolerance = { absolute: 1e-4, relative: 1e-4 };

function assertScaled(found: Float32Array, first: number[], norm: number, what: string) {
  const scale = Math.sqrt(found.length) / norm;
  const scaled = (values: ArrayLike<number>) => Array.from(values, (value) => value * scale);
  assertClose(scaled(found.subarray(0, first.length)), scaled(first), tolerance, what);
  assertClose([Math.hypot(...scaled(found))], [Math.sqrt(found.length)], tolerance, `norm of ${what}`);
}

describe.each(devices)('%s', (device) => {
  test.each(networks)('$name answers what timm answers', { timeout: 60_000 }, async ({ name, network }) => {
    const { tensors, answers } = expected[name]!;
    let values: Float32Array | undefined;
    for (const { height, width, ...answer } of answers) {
      const sized: Network = { ...network, input: { ...network.input, height, width } };
      const optimizer = { kind: 'sgd' } as const;
      const session = await addon.createSession({
        ...{ device, network: sized, seed: 0, batchSize: 1, threads: 2, optimizer },
      });
      expect(session.parameters.length).toBe(tensors);
      values ??= parameters(session.parameters);
      await session.setParameters(values);
      const pixels = image(height, width);
      assertScaled(await session.predict(pixels, 1), answer.logits, answer.norm, 'logits');
      assertScaled(await session.features(pixels, 1), answer.features, answer.featuresNorm, 'features');
      await session.dispose();
    }
  });
});
