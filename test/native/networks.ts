/** Small networks for tests. */
import type { Layer, Network } from '../../src/model/network.ts';

export function network(height: number, width: number, classes: number, layers: Layer[]): Network {
  return {
    input: { height, width, channels: 3, fit: 'fill' },
    normalization: { mean: [0.5, 0.4, 0.3], std: [0.25, 0.5, 0.2] },
    layers,
    classNames: Array.from({ length: classes }, (_, i) => `class${i}`),
  };
}

/** The birbs network with few channels. */
export function birbsLike(height: number, width: number, classes: number, channels: number[]): Network {
  const blocks = channels.flatMap((outChannels, i): Layer[] => [
    { type: 'conv2d', name: `conv${i + 1}`, outChannels, kernelSize: 3, padding: 1 },
    { type: 'relu' },
    { type: 'maxPool2d', kernelSize: 2 },
  ]);
  return network(height, width, classes, [
    ...blocks,
    { type: 'flatten' },
    { type: 'dense', name: 'fc1', outFeatures: 20 },
    { type: 'relu' },
    { type: 'dropout', rate: 0.5 },
    { type: 'dense', name: 'fc2', outFeatures: classes },
  ]);
}

/** Every layer type, strides, groups, dilation and uneven padding. */
export function everyLayer(height: number, width: number, classes: number): Network {
  return network(height, width, classes, [
    {
      type: 'conv2d',
      name: 'conv1',
      outChannels: 9,
      kernelSize: [3, 2],
      stride: [2, 1],
      groups: 3,
      padding: [1, 0, 2, 1],
    },
    { type: 'relu' },
    { type: 'batchNorm2d', name: 'bn1' },
    { type: 'avgPool2d', kernelSize: [3, 2], stride: [1, 2], padding: [1, 1, 1, 0], countIncludePad: false },
    {
      type: 'conv2d',
      name: 'conv2',
      outChannels: 16,
      kernelSize: [2, 3],
      dilation: [2, 1],
      padding: 1,
      bias: false,
    },
    { type: 'batchNorm2d', name: 'bn2', epsilon: 1e-3, momentum: 0.3 },
    { type: 'dropout', rate: 0.25 },
    { type: 'relu' },
    { type: 'maxPool2d', kernelSize: [3, 2], stride: 2, padding: [1, 0, 1, 0] },
    { type: 'conv2d', name: 'conv3', outChannels: 7, kernelSize: 1 },
    { type: 'avgPool2d', kernelSize: 2, stride: 1, padding: [0, 1, 0, 1] },
    { type: 'globalAvgPool2d' },
    { type: 'flatten' },
    { type: 'dense', name: 'fc', outFeatures: classes, bias: false },
  ]);
}

/**
 * No kinks, and no bias before a batch norm (its gradient is rounding alone, which Adam blows up): what differs by a
 * rounding stays so for a hundred steps.
 */
export function smooth(height: number, width: number, classes: number): Network {
  return network(height, width, classes, [
    { type: 'conv2d', name: 'conv1', outChannels: 8, kernelSize: 3, padding: 1, bias: false },
    { type: 'batchNorm2d', name: 'bn1' },
    { type: 'avgPool2d', kernelSize: 2 },
    {
      type: 'conv2d',
      name: 'conv2',
      outChannels: 10,
      kernelSize: [3, 2],
      stride: [1, 2],
      groups: 2,
      bias: false,
    },
    { type: 'dropout', rate: 0.3 },
    { type: 'avgPool2d', kernelSize: 2, padding: [1, 0, 0, 1], countIncludePad: false },
    { type: 'flatten' },
    { type: 'dense', name: 'fc1', outFeatures: 12 },
    { type: 'dense', name: 'fc2', outFeatures: classes },
  ]);
}
