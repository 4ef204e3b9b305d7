/** Our network for training from scratch: what PyTorch makes of it, its size, how it is trained by default. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { networkShapes, parameterCount } from '../../src/model/network_shapes.ts';
import { birbsRes } from '../../src/model/presets.ts';
import { trainingSettings } from '../../src/model/training_defaults.ts';
import { assertClose, passTolerance } from '../close.ts';
import { addon, devices } from '../native/devices.ts';

const classNames = ['bird', 'not-bird'];
const expected = JSON.parse(readFileSync(new URL('../fixtures/birbs_res.json', import.meta.url), 'utf8')) as {
  shapes: Record<string, number[]>;
  logits: number[];
  loss: number;
  gradientNorms: Record<string, number>;
};

/** The weights by the formula of test/fixtures/weights.py. */
function formula(): Float32Array {
  const tensors = Object.entries(expected.shapes).map(([name, shape], index) => {
    const count = shape.reduce((a, b) => a * b, 1);
    const fanIn = shape.length > 1 ? count / shape[0]! : 10;
    return Float32Array.from({ length: count }, (_, i) => {
      const value = Math.fround(Math.sin(i * 0.7 + index));
      if (name.endsWith('running_var')) return 1 + 0.5 * value;
      return name.includes('norm') ? value : value * Math.fround(2 / Math.sqrt(fanIn));
    });
  });
  return Float32Array.from(tensors.flatMap((tensor) => [...tensor]));
}

describe('birbs-res', () => {
  test.each(devices)('on %s predicts and learns what PyTorch does with it', async (device) => {
    const network = birbsRes({ imageSize: 20, classNames });
    const { parameters } = networkShapes(network);
    expect(Object.fromEntries(parameters.map(({ name, shape }) => [name, shape]))).toEqual(expected.shapes);
    const options = { device, network, seed: 0, batchSize: 2, threads: 2 } as const;
    const session = await addon.createSession({ ...options, optimizer: { kind: 'sgd' } });
    await session.setParameters(formula());
    const images = Uint8Array.from({ length: 2 * 20 * 20 * 3 }, (_, i) => (i * 37) % 251);
    assertClose(await session.predict(images, 2), expected.logits, passTolerance, 'logits');
    const { loss, gradients } = await session.gradients(images, Int32Array.of(0, 1));
    expect(Math.abs(loss - expected.loss)).toBeLessThan(1e-4 * expected.loss);
    for (const { name, offset, size, trainable } of session.parameters) {
      const norm = Math.hypot(...gradients.subarray(offset, offset + size));
      const wanted = trainable ? expected.gradientNorms[name]! : 0;
      expect(Math.abs(norm - wanted), name).toBeLessThanOrEqual(1e-3 * wanted);
    }
    await session.dispose();
  });

  test('has less than a megabyte of weights at every image size', () => {
    for (const imageSize of [8, 32, 47, 48, 64, 159, 160, 224, 1024]) {
      const weights = parameterCount(networkShapes(birbsRes({ imageSize, classNames })));
      expect(4 * weights).toBeLessThan(1e6);
    }
  });
});

describe('how a network is trained', () => {
  test('by its recipe, else by AdamW; what is given wins', () => {
    const recipe = { optimizer: 'sgd', learningRate: 0.03, labelSmoothing: 0.1, ema: 0.999, cutout: 0.25 };
    expect(trainingSettings('birbs-res', {})).toEqual({ ...recipe, weightDecay: 5e-4 });
    expect(trainingSettings('birbs-res', { ema: 0, learningRate: 0.1 })).toMatchObject({
      ...recipe,
      ema: 0,
      learningRate: 0.1,
    });
    const plain = { labelSmoothing: 0, ema: 0, cutout: 0 };
    const adamw = { optimizer: 'adamw', learningRate: 0.001, weightDecay: 0.01 };
    for (const name of ['birbs', 'birbs-bn', 'lite0'] as const)
      expect(trainingSettings(name, {})).toEqual({ ...adamw, ...plain });
    expect(trainingSettings('birbs', { optimizer: 'sgd' })).toMatchObject({
      learningRate: 0.01,
      weightDecay: 0,
    });
  });

  test('rate and decay of a recipe are those of its optimizer', () => {
    expect(trainingSettings('birbs-res', { optimizer: 'adamw' })).toEqual({
      ...{ optimizer: 'adamw', learningRate: 0.001, weightDecay: 0.01 },
      ...{ labelSmoothing: 0.1, ema: 0.999, cutout: 0.25 },
    });
  });
});
