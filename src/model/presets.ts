/** The ready-made networks, by the name that `--network` takes. */
import type { Fit, Layer, Network, PresetOptions } from './network.ts';
import {
  type BackboneOptions,
  lite0,
  mobilenetv4Medium,
  mobilenetv4Small,
  resnet18,
} from './pretrained_networks.ts';

/** Functions that make our networks and the pretrained ones for an image size and class names. */
export const networks = {
  birbs,
  'birbs-bn': birbsBn,
  lite0,
  'mobilenetv4-small': mobilenetv4Small,
  'mobilenetv4-medium': mobilenetv4Medium,
  resnet18,
} satisfies Record<string, (options: BackboneOptions) => Network>;
/** What `--network` takes. */
export type NetworkName = keyof typeof networks;

/**
 * The network of the original `birbs` project: three 3x3 convolutions 3-32-64-128, each with ReLU and a halving
 * max-pool, then dense 256 with ReLU and dropout 0.5, then one output per class. Its weights are named `conv1..3`,
 * `fc1` and `fc2`. The image size is at least 8; nothing is checked here, see `networkShapes`.
 */
export function birbs({ imageSize, classNames, fit = 'cover' }: PresetOptions): Network {
  const layers: Layer[] = [];
  for (const [i, outChannels] of [32, 64, 128].entries()) {
    layers.push(
      { type: 'conv2d', name: `conv${i + 1}`, outChannels, kernelSize: 3, padding: 1 },
      { type: 'relu' },
      { type: 'maxPool2d', kernelSize: 2 },
    );
  }
  layers.push(...head(classNames.length));
  return network(imageSize, fit, layers, classNames);
}

/**
 * `birbs` with a batch norm in each convolution block, after the pooling, where it costs a quarter: better results in
 * less time. Its weights are named `conv1..3`, `bn1..3`, `fc1` and `fc2`.
 */
export function birbsBn({ imageSize, classNames, fit = 'cover' }: PresetOptions): Network {
  const layers = [32, 64, 128].flatMap((outChannels, i): Layer[] => [
    { type: 'conv2d', name: `conv${i + 1}`, outChannels, kernelSize: 3, padding: 1, bias: false },
    { type: 'maxPool2d', kernelSize: 2 },
    { type: 'batchNorm2d', name: `bn${i + 1}` },
    { type: 'relu' },
  ]);
  layers.push(...head(classNames.length));
  return network(imageSize, fit, layers, classNames);
}

/** Dense 256 with ReLU and dropout, then one output a class. */
function head(classes: number): Layer[] {
  return [
    { type: 'flatten' },
    { type: 'dense', name: 'fc1', outFeatures: 256 },
    { type: 'relu' },
    { type: 'dropout', rate: 0.5 },
    { type: 'dense', name: 'fc2', outFeatures: classes },
  ];
}

function network(side: number, fit: Fit, layers: Layer[], classNames: string[]): Network {
  return {
    input: { height: side, width: side, channels: 3, fit },
    normalization: { mean: [0, 0, 0], std: [1, 1, 1] },
    layers,
    classNames,
  };
}
