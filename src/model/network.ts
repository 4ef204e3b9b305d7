/** The network as plain data: layers, shapes, parameter names; what is refused, with the layer's number. */
import { UserError } from '../base/errors.ts';
import { loadAddon } from './addon.ts';

/** One number for both axes, or [height, width]. */
export type Size = number | [number, number];
/** One number for all sides, [vertical, horizontal], or [top, bottom, left, right]. */
export type Sides = number | [number, number] | [number, number, number, number];
/**
 * `same` is TensorFlow's rule: the output has the size of the input divided by the stride, rounded up; of an odd
 * number of pixels the larger half is at the bottom and right.
 */
export type Padding = Sides | 'same';

/** What every layer may have. */
interface Named {
  /** Each its own; `from` of later layers refers to it. */
  name?: string;
  /** The layer it reads, by name; default the one before. */
  from?: string;
}

/** What every layer with parameters has. */
interface Trained extends Named {
  /** Parameter prefix: "conv1" gives "conv1.weight" and "conv1.bias". */
  name: string;
  /** Nothing of it learns, and batch norm uses its running statistics. */
  frozen?: boolean;
  /** Multiplies the learning rate of its parameters; default 1. */
  learningRateFactor?: number;
}

export type Layer =
  | (Trained & {
      type: 'conv2d';
      outChannels: number;
      kernelSize: Size;
      stride?: Size;
      padding?: Padding;
      dilation?: Size;
      groups?: number;
      bias?: boolean;
    })
  | (Trained & {
      type: 'batchNorm2d';
      epsilon?: number;
      momentum?: number;
      /** Training uses the running statistics and leaves them as they are; weight and bias learn. */
      frozenStatistics?: boolean;
    })
  | (Named & { type: 'relu' | 'relu6' | 'globalAvgPool2d' | 'flatten' })
  | (Omit<Named, 'from'> & {
      type: 'add';
      /** The two layers whose outputs it adds, by name. */
      from: [string, string];
    })
  | (Named & { type: 'maxPool2d'; kernelSize: Size; stride?: Size; padding?: Padding })
  | (Named & {
      type: 'avgPool2d';
      kernelSize: Size;
      stride?: Size;
      padding?: Padding;
      countIncludePad?: boolean;
    })
  | (Trained & { type: 'dense'; outFeatures: number; bias?: boolean })
  | (Named & { type: 'dropout'; rate: number });

/** How an image of another size becomes the input's square. */
export type Fit = 'cover' | 'contain' | 'fill';

/** Everything predict needs besides the weights. JSON. */
export interface Network {
  input: { height: number; width: number; channels: 3; fit: Fit };
  /** (pixel / 255 - mean[c]) / std[c], the first thing on the device. */
  normalization: { mean: [number, number, number]; std: [number, number, number] };
  layers: Layer[];
  classNames: string[];
}

/** What flows between two layers, per image. After `flatten`: { channels: features, height: 1, width: 1, flat: true }. */
export interface LayerShape {
  channels: number;
  height: number;
  width: number;
  flat: boolean;
}

/** A parameter tensor as PyTorch names and lays it out. */
export interface ParameterShape {
  name: string;
  shape: number[];
  /** False for running statistics. */
  trainable: boolean;
}

export interface NetworkShapes {
  /** What flows through the network: first the images, then the output of each layer. */
  layers: LayerShape[];
  /** In the order of the native side: layer by layer, weight before bias. */
  parameters: ParameterShape[];
  /** Multiplications with a weight for one image, of each layer. */
  multiplyAdds: number[];
}

/** The ready-made networks, by the name `--network` takes. */
export const networks = { birbs, 'birbs-bn': birbsBn };
export type NetworkName = keyof typeof networks;

export interface PresetOptions {
  /** Side of the square input in pixels. */
  imageSize: number;
  classNames: string[];
  /** Default `cover`. */
  fit?: Fit;
}

/**
 * The network of the first `birbs`: three 3x3 convolutions 3-32-64-128, each with ReLU and a halving max-pool, then
 * dense 256 with ReLU and dropout 0.5, then one output a class. Its weights are called `conv1..3`, `fc1`, `fc2`.
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
 * Better for less time: `birbs` with a batch norm in each convolution block, after the pooling, where it costs a
 * quarter. Its weights are called `conv1..3`, `bn1..3`, `fc1`, `fc2`.
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

/**
 * Follows an image through the network; the native side does it, without touching a device.
 * @throws UserError that names the field or the layer, counted from 1, for whatever can't run
 */
export function networkShapes(network: Network): NetworkShapes {
  return plan(network);
}

function plan(description: unknown): NetworkShapes {
  const { planNetwork } = loadAddon();
  try {
    const { parameters, ...rest } = planNetwork(description);
    return {
      ...rest,
      parameters: parameters.map(({ name, shape, trainable }) => ({ name, shape, trainable })),
    };
  } catch (error) {
    throw new UserError((error as Error).message);
  }
}

/** Floats in all parameters. */
export function parameterCount({ parameters }: NetworkShapes): number {
  return parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}

/** Values that flow between the layers for one image. */
export function activationCount({ layers }: NetworkShapes): number {
  return layers.reduce((sum, { channels, height, width }) => sum + channels * height * width, 0);
}

/** [height, width] of a size. */
export function pair(size: Size): [number, number] {
  return typeof size === 'number' ? [size, size] : size;
}

/** [top, bottom, left, right] of a padding. */
export function sides(padding: Sides): [number, number, number, number] {
  if (typeof padding === 'number') return [padding, padding, padding, padding];
  if (padding.length === 4) return padding;
  const [vertical, horizontal] = padding;
  return [vertical, vertical, horizontal, horizontal];
}

/**
 * A network description from outside (a weights file), checked field by field; nothing unknown is kept.
 * @throws UserError that names the field
 */
export function parseNetwork(value: unknown): Network {
  plan(value);
  return value as Network;
}
