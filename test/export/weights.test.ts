import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { UserError } from '../../src/base/errors.ts';
import { CONTENT_HASH, decodeSafetensors, encodeSafetensors } from '../../src/export/safetensors.ts';
import { encodeWeights, type ForeignNetwork, loadWeights, splitValues } from '../../src/export/weights.ts';
import { loadAddon, type Tensor } from '../../src/model/addon.ts';
import { networkShapes, parameterCount } from '../../src/model/network_shapes.ts';
import { birbs, birbsBn } from '../../src/model/presets.ts';
import { assertClose, passTolerance } from '../close.ts';

const folder = mkdtempSync(join(tmpdir(), 'birbs-weights-'));
afterAll(() => rmSync(folder, { recursive: true }));

function save(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

const expected = JSON.parse(readFileSync(new URL('../fixtures/birbs.json', import.meta.url), 'utf8')) as {
  shapes: Record<string, number[]>;
  logits: number[];
};

/** The weights of the first birbs, by the formula of weights.py. */
function seedTensors(): Record<string, Tensor> {
  const entries = Object.entries(expected.shapes).map(([name, shape], index) => {
    const count = shape.reduce((a, b) => a * b, 1);
    const scale = Math.fround(2 / Math.sqrt(shape.length > 1 ? count / shape[0]! : 10));
    const value = (_: unknown, i: number) => Math.fround(Math.sin(i * 0.7 + index)) * scale;
    return [name, { shape, data: Float32Array.from({ length: count }, value) }];
  });
  return Object.fromEntries(entries);
}

describe("the seed's bird_classifier.safetensors", () => {
  const path = save(
    'bird_classifier.safetensors',
    encodeSafetensors({ metadata: {}, tensors: seedTensors() }),
  );

  test('says its image size, fit, scaling and classes by its shapes', async () => {
    const { network } = await loadWeights(path);
    expect(network).toEqual(birbs({ imageSize: 16, classNames: ['bird', 'not-bird'], fit: 'fill' }));
    expect(network.normalization).toEqual({ mean: [0, 0, 0], std: [1, 1, 1] });
  });

  test('predicts what PyTorch predicts with it', async () => {
    const { network, values } = await loadWeights(path);
    const options = { device: 'cpu', network, seed: 0, batchSize: 2, threads: 2 } as const;
    const session = await loadAddon().createSession({ ...options, optimizer: { kind: 'sgd' } });
    await session.setParameters(values);
    const images = Uint8Array.from({ length: 2 * 16 * 16 * 3 }, (_, i) => (i * 37) % 251);
    const logits = await session.predict(images, 2);
    await session.dispose();
    assertClose(logits, expected.logits, passTolerance, 'logits');
  });

  test.each([64, 256])('of %i pixels', async (side) => {
    const shape = (classes: number, features: number) => ({
      shape: [classes, features],
      data: new Float32Array(0),
    });
    const network = birbs({ imageSize: side, classNames: ['bird', 'not-bird'] });
    const fc1 = networkShapes(network).parameters.find(({ name }) => name === 'fc1.weight')!;
    expect(fc1.shape).toEqual(shape(256, 128 * (side / 8) ** 2).shape);
  });

  test('of three classes has classes without names', async () => {
    const tensors = seedTensors();
    tensors['fc2.weight'] = { shape: [3, 256], data: new Float32Array(768) };
    tensors['fc2.bias'] = { shape: [3], data: new Float32Array(3) };
    const { network } = await loadWeights(save('three', encodeSafetensors({ metadata: {}, tensors })));
    expect(network.classNames).toEqual(['class 0', 'class 1', 'class 2']);
  });
});

describe('a weights file of ours', () => {
  const network = birbsBn({ imageSize: 16, classNames: ['bird', 'not "bird"'], fit: 'contain' });
  const count = parameterCount(networkShapes(network));
  const values = Float32Array.from({ length: count }, (_, i) => Math.fround(i / count));

  test('comes back: network, weights in order, notes', async () => {
    const loaded = await loadWeights(save('ours', encodeWeights(network, values, { epoch: '3' })));
    expect(loaded.network).toEqual(network);
    expect(Buffer.from(loaded.values.buffer).equals(Buffer.from(values.buffer))).toBe(true);
    expect(loaded.metadata).toMatchObject({
      format: 'pt',
      epoch: '3',
      classNames: '["bird","not \\"bird\\""]',
    });
    expect(loaded.metadata.tool).toMatch(/^birbs-metal \d/);
  });

  test('with any byte changed is refused, or says the same', async () => {
    const bytes = encodeWeights(network, values, { epoch: '3' });
    const whole = await loadWeights(save('whole', bytes));
    const header = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
    // All of the header that is text, and some of the rest.
    const places = [
      ...Array(8 + header).keys(),
      ...Array.from({ length: 20 }, (_, i) => bytes.length - 1 - i * 997),
    ];
    let refused = 0;
    for (const place of places.filter((at) => at < 8 || at % 31 === 0 || at > 8 + header)) {
      const damaged = bytes.slice();
      damaged[place]! ^= 1 << (place % 7);
      const loaded = await loadWeights(save('damaged', damaged)).catch((error) => error);
      if (loaded instanceof UserError) refused += 1;
      else {
        // Its checksum has another name then, or the padding is another.
        const { [CONTENT_HASH]: _, ...metadata } = whole.metadata;
        expect(loaded, `byte ${place}`).toMatchObject({ ...whole, metadata });
      }
    }
    expect(refused).toBeGreaterThan(70);
  });

  test('without a checksum is read', async () => {
    const { tensors, metadata } = decodeSafetensors(encodeWeights(network, values), 'ours');
    const { [CONTENT_HASH]: hash, ...rest } = metadata;
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    const loaded = await loadWeights(save('plain', encodeSafetensors({ tensors, metadata: rest })));
    expect(Buffer.from(loaded.values.buffer).equals(Buffer.from(values.buffer))).toBe(true);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, -1 / 0])(
    'with a weight of %d is neither written nor read',
    async (bad) => {
      const spoilt = values.slice();
      spoilt[count - 1] = bad;
      const message = `expected finite weights, but tensor fc2.bias has ${bad} at position 1; use an earlier file`;
      expect(() => encodeWeights(network, spoilt)).toThrow(`The weights to save: ${message}`);
      const { tensors, metadata } = decodeSafetensors(encodeWeights(network, values), 'ours');
      tensors['fc2.bias']!.data[1] = bad;
      const { [CONTENT_HASH]: _, ...rest } = metadata;
      const path = save('spoilt', encodeSafetensors({ tensors, metadata: rest }));
      await expect(loadWeights(path)).rejects.toThrow(`${path}: ${message}`);
    },
  );

  test('has the order and the shapes of the native side', async () => {
    const options = { device: 'cpu', network, seed: 0, batchSize: 2, threads: 1 } as const;
    const session = await loadAddon().createSession({ ...options, optimizer: { kind: 'sgd' } });
    const native = session.parameters.map(({ name, shape, trainable }) => ({ name, shape, trainable }));
    await session.dispose();
    expect(networkShapes(network).parameters).toEqual(native);
  });

  test('with the tensors of another network is refused', async () => {
    const text = { network: JSON.stringify(network) };
    const refuse = async (tensors: Record<string, Tensor>, message: RegExp) => {
      const path = save('wrong', encodeSafetensors({ metadata: text, tensors }));
      await expect(loadWeights(path)).rejects.toThrow(message);
    };
    await refuse(seedTensors(), /weights of another network: expected no tensor conv1.bias, but found it/);
    await refuse({}, /expected a tensor conv1.weight, but found none/);
    await refuse(
      { 'conv1.weight': { shape: [1], data: new Float32Array(1) } },
      /expected conv1.weight to be \[32, 3, 3, 3\], but found \[1\]/,
    );
  });

  test('with a description that can not run is refused', async () => {
    const refuse = async (description: string, message: RegExp) => {
      const path = save('bad', encodeSafetensors({ metadata: { network: description }, tensors: {} }));
      await expect(loadWeights(path)).rejects.toThrow(message);
    };
    await refuse('{', /does not describe a network that can run: its network description is not JSON/);
    await refuse('{}', /expected network.input to be there/);
    await refuse(
      JSON.stringify({ ...network, input: { ...network.input, height: 1e9 } }),
      /expected input.height to be a whole number from 1 to 4096, but found 1000000000/,
    );
  });

  test('of tensors that fit no network it knows is refused', async () => {
    const path = save(
      'alien',
      encodeSafetensors({ metadata: {}, tensors: { x: { shape: [1], data: Float32Array.of(1) } } }),
    );
    await expect(loadWeights(path)).rejects.toThrow(
      /does not say which network its weights belong to.*not written by birbs-metal.*--network \(birbs, birbs-bn/,
    );
  });
});

describe('a file of another program, with the network named', () => {
  const network = birbsBn({ imageSize: 24, classNames: ['owl', 'robin', 'wren'] });
  const { parameters } = networkShapes(network);
  const values = Float32Array.from({ length: parameterCount(networkShapes(network)) }, (_, i) => i % 7);
  const path = save('torch', encodeSafetensors({ metadata: {}, tensors: splitValues(parameters, values) }));

  test('its image size and number of classes follow from its tensors', async () => {
    const loaded = await loadWeights(path, { network: 'birbs-bn', classNames: network.classNames });
    expect(loaded.network).toEqual(network);
    expect(Buffer.from(loaded.values.buffer).equals(Buffer.from(values.buffer))).toBe(true);
    const unnamed = await loadWeights(path, { network: 'birbs-bn' });
    expect(unnamed.network.classNames).toEqual(['class 0', 'class 1', 'class 2']);
  });

  test.each([
    [
      { network: 'birbs-bn', classNames: ['a', 'b'] },
      /^Expected 3 names of classes \(--classes\) for .* as many as \S+ has rows, but found 2/,
    ],
    [{ network: 'birbs-bn', imageSize: 32 }, /another network: expected fc1.weight to be \[256, 2048\]/],
    [{ network: 'birbs' }, /holds the weights of another network: expected no tensor bn1/],
  ] as const)('%j does not fit', async (foreign, message) => {
    await expect(loadWeights(path, foreign as unknown as ForeignNetwork)).rejects.toThrow(message);
  });

  test('unnamed, it is said to be foreign', async () => {
    await expect(loadWeights(path)).rejects.toThrow(
      /not written by birbs-metal, so name its network with --network/,
    );
  });

  test('a file that says its network needs no name', async () => {
    const ours = save('said', encodeWeights(network, values));
    await expect(loadWeights(ours, { network: 'birbs-bn' })).rejects.toMatchObject({ exitCode: 2 });
  });
});
