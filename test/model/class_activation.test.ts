/** What speaks for a class, against sums by hand and against the network's own answer. */
import { expect, test } from 'vitest';
import { loadAddon, type NativeSession } from '../../src/model/addon.ts';
import { classActivations, explainerOf, questionOf } from '../../src/model/class_activation.ts';
import type { Layer, Network } from '../../src/model/network.ts';
import { birbs } from '../../src/model/presets.ts';
import { lite0, mobilenetv4Small } from '../../src/model/pretrained_networks.ts';
import { assertClose } from '../close.ts';

const tolerance = { absolute: 1e-4, relative: 1e-4 };

function made(layers: Layer[]): Network {
  return {
    input: { height: 6, width: 4, channels: 3, fit: 'fill' },
    normalization: { mean: [0, 0, 0], std: [1, 1, 1] },
    layers,
    classNames: ['a', 'b', 'c'],
  };
}

async function open(network: Network): Promise<NativeSession> {
  return loadAddon().createSession({
    ...{ device: 'portable', network, seed: 5, batchSize: 2, threads: 1, optimizer: { kind: 'sgd' } },
  });
}

function pixels({ input: { height, width } }: Network, count = 1): Uint8Array {
  return Uint8Array.from({ length: count * height * width * 3 }, (_, i) => (i * 7919 + (i >> 3) * 31) % 251);
}

test('each place adds its own share, as sums by hand have it; what is left is the bias', async () => {
  const network = made([
    { type: 'conv2d', name: 'conv', outChannels: 5, kernelSize: 1 },
    { type: 'relu', name: 'map' },
    { type: 'globalAvgPool2d' },
    { type: 'flatten' },
    { type: 'dense', name: 'fc', outFeatures: 3 },
  ]);
  const session = await open(network);
  const values = await session.getParameters();
  const of = (name: string) => {
    const { offset, size } = session.parameters.find((one) => one.name === name)!;
    return values.subarray(offset, offset + size);
  };
  const explainer = explainerOf(network, session.parameters, values)!;
  const images = pixels(network);
  const [found] = await classActivations(session, explainer, images, [{ label: 2, other: 0 }]);
  expect(found).toMatchObject({ height: 6, width: 4 });
  const [weight, bias, dense, end] = ['conv.weight', 'conv.bias', 'fc.weight', 'fc.bias'].map(of);
  const expected = Array.from({ length: 24 }, (_, place) => {
    const channels = Array.from({ length: 5 }, (_, c) => {
      const sum = [0, 1, 2].reduce(
        (total, k) => total + (images[place * 3 + k]! / 255) * weight![c * 3 + k]!,
        bias![c]!,
      );
      return Math.max(0, sum);
    });
    return channels.reduce((total, x, c) => total + x * (dense![10 + c]! - dense![c]!), 0);
  });
  assertClose(found!.values, expected, tolerance);
  assertClose([found!.rest], [end![2]! - end![0]!], tolerance, 'rest');
  await session.dispose();
});

test.each([
  ['lite0', lite0({ imageSize: 64, classNames: ['a', 'b', 'c'] })],
  ['mobilenetv4-small', mobilenetv4Small({ imageSize: 64, classNames: ['a', 'b', 'c'] })],
] as const)('%s: the places and the rest are the difference of the logits', async (_, network) => {
  const session = await open(network);
  const values = await session.getParameters();
  const explainer = explainerOf(network, session.parameters, values)!;
  const images = pixels(network, 2);
  const logits = await session.predict(images, 2);
  const questions = [0, 1].map((row) => questionOf(logits.subarray(row * 3, row * 3 + 3), row));
  const found = await classActivations(session, explainer, images, questions);
  const maps = await session.features(images, 2, explainer.layer);
  for (const [row, { values: places, rest, height, width }] of found.entries()) {
    const { label, other } = questions[row]!;
    const mean = (all: Float32Array) => all.reduce((a, b) => a + b, 0) / all.length;
    expect([height, width]).toEqual([2, 2]);
    expect(other).not.toBe(label);
    assertClose([mean(places) + rest], [logits[row * 3 + label]! - logits[row * 3 + other]!], tolerance);
    // A map a little stronger everywhere: the difference moves by what the places add.
    const map = maps.subarray((row * maps.length) / 2, ((row + 1) * maps.length) / 2);
    const stronger = explainer.explain(
      map.map((x) => x * 1.01),
      label,
      other,
    );
    const moved = mean(stronger.values) + stronger.rest - mean(places) - rest;
    assertClose([moved], [0.01 * mean(places)], { absolute: 1e-5, relative: 1e-2 });
  }
  await session.dispose();
});

test('a network without global average pooling has no such map', async () => {
  const network = birbs({ imageSize: 16, classNames: ['a', 'b'] });
  const session = await open(network);
  expect(explainerOf(network, session.parameters, await session.getParameters())).toBeUndefined();
  await session.dispose();
});

test('the guess is compared with the best of the others', () => {
  expect(questionOf([3, 1, 2], 0)).toEqual({ label: 0, other: 2 });
  expect(questionOf([3, 1, 2], 2)).toEqual({ label: 2, other: 0 });
});
