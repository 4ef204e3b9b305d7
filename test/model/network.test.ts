import { describe, expect, test } from 'vitest';
import { UserError } from '../../src/base/errors.ts';
import type { Layer, Network } from '../../src/model/network.ts';
import { networkShapes, parameterCount, parseNetwork } from '../../src/model/network_shapes.ts';
import { birbs, birbsBn, networks } from '../../src/model/presets.ts';

const classNames = ['bird', 'not-bird'];

function withLayers(layers: Layer[], side = 8): Network {
  return { ...birbs({ imageSize: side, classNames }), layers };
}

describe('presets', () => {
  test("birbs is the seed's network", () => {
    const { parameters } = networkShapes(birbs({ imageSize: 64, classNames }));
    expect(parameters.map(({ name, shape }) => [name, shape])).toEqual([
      ['conv1.weight', [32, 3, 3, 3]],
      ['conv1.bias', [32]],
      ['conv2.weight', [64, 32, 3, 3]],
      ['conv2.bias', [64]],
      ['conv3.weight', [128, 64, 3, 3]],
      ['conv3.bias', [128]],
      ['fc1.weight', [256, 8192]],
      ['fc1.bias', [256]],
      ['fc2.weight', [2, 256]],
      ['fc2.bias', [2]],
    ]);
  });

  test('each takes any image size from 8 and as many classes as there are', () => {
    for (const preset of Object.values(networks)) {
      for (const imageSize of [8, 31, 100]) {
        const network = preset({ imageSize, classNames: ['a', 'b', 'c'], fit: 'contain' });
        expect(networkShapes(network).layers.at(-1)).toEqual({
          channels: 3,
          height: 1,
          width: 1,
          flat: true,
        });
        expect(network.input).toEqual({ height: imageSize, width: imageSize, channels: 3, fit: 'contain' });
      }
    }
  });

  test('running statistics are not trained', () => {
    const { parameters } = networkShapes(birbsBn({ imageSize: 8, classNames }));
    const fixed = parameters.filter(({ trainable }) => !trainable).map(({ name }) => name);
    expect(fixed).toEqual([1, 2, 3].flatMap((i) => [`bn${i}.running_mean`, `bn${i}.running_var`]));
  });
});

test('shapes follow stride, dilation and uneven padding as PyTorch has them', () => {
  const network = withLayers(
    [
      {
        type: 'conv2d',
        name: 'a',
        outChannels: 6,
        kernelSize: [3, 5],
        stride: [2, 1],
        padding: [1, 0, 2, 2],
        dilation: [2, 1],
        groups: 3,
      },
      { type: 'avgPool2d', kernelSize: 2, stride: 1, padding: [0, 1] },
      { type: 'globalAvgPool2d' },
      { type: 'flatten' },
      { type: 'dense', name: 'b', outFeatures: 2, bias: false },
    ],
    16,
  );
  const { layers, parameters } = networkShapes(network);
  // torch.nn.Conv2d over F.pad(x, (2, 2, 1, 0)), then AvgPool2d(2, 1, (0, 1)).
  expect(layers.slice(1, 3)).toEqual([
    { channels: 6, height: 7, width: 16, flat: false },
    { channels: 6, height: 6, width: 17, flat: false },
  ]);
  expect(parameters.map(({ shape }) => shape)).toEqual([[6, 1, 3, 5], [6], [2, 6]]);
  expect(parameterCount(networkShapes(network))).toBe(90 + 6 + 12);
});

describe('what can not run is refused with the number of the layer', () => {
  const conv: Layer = { type: 'conv2d', name: 'c', outChannels: 4, kernelSize: 3 };
  const end: Layer[] = [{ type: 'flatten' }, { type: 'dense', name: 'd', outFeatures: 2 }];
  const cases: [layers: Layer[], message: string | RegExp][] = [
    [
      [conv, conv, ...end],
      /^layer 2 \(conv2d\): the name "c" is taken by an earlier layer; give each its own/,
    ],
    [
      [{ ...conv, kernelSize: 9 }, ...end],
      /^layer 1 \(conv2d\): expected a kernel no larger than its padded input, found kernel 9 x 9 .* on \[3, 8, 8\]; use a larger image size/,
    ],
    [
      [{ ...conv, dilation: 4 }, ...end],
      /^layer 1 \(conv2d\): expected a kernel no larger than its padded input, found .*dilation 4 x 4/,
    ],
    [
      [{ ...conv, groups: 2 }, ...end],
      /^layer 1 \(conv2d\): expected groups that divide its 3 input and 4 output channels, found 2/,
    ],
    [
      [{ type: 'maxPool2d', kernelSize: 2, padding: 2 }, ...end],
      /^layer 1 \(maxPool2d\): expected padding smaller than the kernel 2 x 2, found 2/,
    ],
    [
      [conv, { type: 'dense', name: 'd', outFeatures: 2 }],
      /^layer 2 \(dense\): expected flat features, found an image of \[4, 6, 6\]; put flatten before it/,
    ],
    [
      [{ type: 'flatten' }, conv],
      /^layer 2 \(conv2d\): expected an image, found 192 features; move it before flatten/,
    ],
    [[...end, { type: 'globalAvgPool2d' }], /^layer 3 \(globalAvgPool2d\): expected an image/],
    [
      [conv],
      /^network: expected 2 logits at the end, found an image of \[4, 6, 6\]; end with flatten and dense/,
    ],
    [
      [{ type: 'flatten' }],
      /^network: expected as many logits as classes, 2, found 192; change the last dense layer/,
    ],
  ];
  test.each(cases)('%#', (layers, message) => {
    expect(() => networkShapes(withLayers(layers))).toThrow(message);
  });

  test('and one that would eat the machine', () => {
    expect(() => networkShapes(birbs({ imageSize: 4096, classNames }))).toThrow(/at most 268435456 weights/);
    const wide = withLayers(
      [{ ...conv, outChannels: 60_000, padding: 1 }, { type: 'globalAvgPool2d' }, ...end],
      4096,
    );
    expect(() => networkShapes(wide)).toThrow(/at most 268435456 values between its layers/);
  });
});

describe('a description from outside', () => {
  test.each(Object.entries(networks))('%s survives JSON', (_, preset) => {
    const network = preset({ imageSize: 24, classNames });
    expect(parseNetwork(JSON.parse(JSON.stringify(network)))).toEqual(network);
  });

  const text = JSON.stringify(birbsBn({ imageSize: 16, classNames }));

  /** The description with the field at a path set, or taken out. */
  function changed(path: string, value: unknown): unknown {
    const keys = path.split('.');
    const last = keys.pop()!;
    const network = JSON.parse(text);
    const parent = keys.reduce((field, key) => field[key], network);
    if (value === undefined) delete parent[last];
    else parent[last] = value;
    return network;
  }

  const cases: [path: string, value: unknown, message: RegExp][] = [
    ['layers', undefined, /expected network.layers to be there/],
    ['run', 'rm', /expected network.run to be absent/],
    ['input.height', '16', /expected input.height to be a whole number from 1 to 4096, but found "16"/],
    ['input.channels', 4, /input.channels/],
    ['input.fit', 'crop', /expected input.fit to be cover, contain, fill/],
    ['normalization.mean', [0, 0], /expected normalization.mean to be 3 values/],
    ['normalization.std.1', 0, /normalization.std\[1\]/],
    ['layers.0.type', 'eval', /expected layers\[0\].type to be conv2d, /],
    ['layers.0.type', 'constructor', /expected layers\[0\].type/],
    ['layers.2', null, /expected layers\[2\].type/],
    ['layers.3.rate', 1, /expected layers\[3\].rate to be absent/],
    ['layers.0.name', undefined, /expected layers\[0\].name to be there/],
    ['layers.0.outChannels', 1.5, /layers\[0\].outChannels/],
    ['layers.0.outChannels', 1e6, /whole number from 1 to 65536/],
    ['layers.0.padding', [1, 1, 1], /one number or 2 or 4 numbers/],
    ['layers.0.stride', 0, /layers\[0\].stride/],
    ['layers.0.bias', 'no', /expected layers\[0\].bias to be true or false/],
    ['classNames', ['bird'], /expected classNames to be 2 to 10000 values/],
    ['classNames', ['bird', 'bird'], /expected classNames to be names that differ/],
    ['classNames', ['\u001b[2J', 'b'], /printable/],
    ['layers', Array(1000).fill({ type: 'relu' }), /1 to 256 values/],
    ['layers.16.outFeatures', 3, /network: expected as many logits as classes, 2, found 3/],
  ];
  test.each(cases)('%s %j is refused', (path, value, message) => {
    expect(() => parseNetwork(changed(path, value))).toThrow(message);
    expect(() => parseNetwork(changed(path, value))).toThrow(UserError);
  });

  test.each([null, [], 'birbs', 3])('%j is refused', (value) => {
    expect(() => parseNetwork(value)).toThrow(/expected network to be an object/);
  });
});
