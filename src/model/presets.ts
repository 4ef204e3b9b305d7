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
  'birbs-res': birbsRes,
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

/**
 * A small residual network: convolutions 3-32-64-128, each with a halving max-pool, a residual block behind the first
 * two, and global average pooling, so that it has fewer than 200,000 weights (0.8 MB) at every image size. The first
 * convolution has stride 2 from 48 pixels on and 4 from 160, where it is 7x7. The image size is at least 8.
 */
export function birbsRes({ imageSize, classNames, fit = 'cover' }: PresetOptions): Network {
  const stride = imageSize < 48 ? 1 : imageSize < 160 ? 2 : 4;
  const layers: Layer[] = [
    ...halving('stem', 32, stride),
    ...residual('block1', 32, 'stem'),
    ...halving('down2', 64),
    ...residual('block2', 64, 'down2'),
    ...halving('down3', 128),
    { type: 'globalAvgPool2d' },
    { type: 'flatten' },
    { type: 'dense', name: 'fc', outFeatures: classNames.length },
  ];
  const normalization: Network['normalization'] = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
  return { ...network(imageSize, fit, layers, classNames), normalization };
}

/** Batch norm after the pooling, where it costs a quarter. */
function halving(name: string, outChannels: number, stride = 1): Layer[] {
  const kernelSize = stride === 1 ? 3 : 2 * stride - 1;
  return [
    {
      type: 'conv2d',
      name: `${name}.conv`,
      outChannels,
      kernelSize,
      stride,
      padding: (kernelSize - 1) / 2,
      bias: false,
    },
    { type: 'maxPool2d', kernelSize: 2 },
    { type: 'batchNorm2d', name: `${name}.norm` },
    { type: 'relu', name },
  ];
}

/** Two convolutions and what they read, added: the basic block of He et al. (2016). */
function residual(name: string, outChannels: number, from: string): Layer[] {
  const conv = (nth: number): Layer[] => [
    {
      type: 'conv2d',
      name: `${name}.conv${nth}`,
      outChannels,
      kernelSize: 3,
      padding: 1,
      bias: false,
    },
    { type: 'batchNorm2d', name: `${name}.norm${nth}` },
  ];
  return [
    ...conv(1),
    { type: 'relu' },
    ...conv(2),
    { type: 'add', from: [`${name}.norm2`, from] },
    { type: 'relu', name },
  ];
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
