/** The network as plain data: layers, shapes, parameter names; what is refused, with the layer's number. */
import { UserError } from '../base/errors.ts';

/** One number for both axes, or [height, width]. */
export type Size = number | [number, number];
/** One number for all sides, [vertical, horizontal], or [top, bottom, left, right]. */
export type Padding = number | [number, number] | [number, number, number, number];

export type Layer =
  | {
      type: 'conv2d';
      /** Parameter prefix: "conv1" gives "conv1.weight" and "conv1.bias". */
      name: string;
      outChannels: number;
      kernelSize: Size;
      stride?: Size;
      padding?: Padding;
      dilation?: Size;
      groups?: number;
      bias?: boolean;
    }
  | { type: 'batchNorm2d'; name: string; epsilon?: number; momentum?: number }
  | { type: 'relu' }
  | { type: 'maxPool2d'; kernelSize: Size; stride?: Size; padding?: Padding }
  | { type: 'avgPool2d'; kernelSize: Size; stride?: Size; padding?: Padding; countIncludePad?: boolean }
  | { type: 'globalAvgPool2d' }
  | { type: 'flatten' }
  | { type: 'dense'; name: string; outFeatures: number; bias?: boolean }
  | { type: 'dropout'; rate: number };

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
  /** `layers[i]` enters layer i (counted from 0), `layers[i + 1]` leaves it. */
  layers: LayerShape[];
  /** In the order of the native side: layer by layer, weight before bias. */
  parameters: ParameterShape[];
}

/** The most of anything an outside description may ask for, so that it can't ask for the machine. */
const LIMITS = {
  side: 4096,
  features: 65_536,
  layers: 256,
  classes: 10_000,
  parameters: 2 ** 28,
  activations: 2 ** 28,
};

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
 * Follows an image through the network.
 * @throws UserError that names the layer, counted from 1, for whatever the native side would refuse
 */
export function networkShapes(network: Network): NetworkShapes {
  const { height, width, channels } = network.input;
  let shape: LayerShape = { channels, height, width, flat: false };
  const shapes: NetworkShapes = { layers: [shape], parameters: [] };
  const names = new Set<string>();
  for (const [i, layer] of network.layers.entries()) {
    const refuse = (reason: string) => new UserError(`layer ${i + 1} (${layer.type}): ${reason}`);
    if ('name' in layer) {
      if (names.has(layer.name))
        throw refuse(`expected a name of its own, but "${layer.name}" is taken; rename one of the two`);
      names.add(layer.name);
    }
    shapes.parameters.push(...layerParameters(layer, shape, refuse));
    shape = layerOutput(layer, shape, refuse);
    shapes.layers.push(shape);
  }
  checkEnd(network, shape);
  checkSize('weights', LIMITS.parameters, parameterCount(shapes));
  checkSize('values between its layers for one image', LIMITS.activations, activationCount(shapes));
  return shapes;
}

/** Floats in all parameters. */
export function parameterCount({ parameters }: NetworkShapes): number {
  return parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}

/** Values that flow between the layers for one image. */
export function activationCount({ layers }: NetworkShapes): number {
  return layers.reduce((sum, { channels, height, width }) => sum + channels * height * width, 0);
}

function checkSize(what: string, limit: number, found: number): void {
  if (found <= limit) return;
  throw new UserError(
    `Expected a network of at most ${limit} ${what}, but it has ${found}; use a smaller image size`,
  );
}

function checkEnd({ layers, classNames }: Network, end: LayerShape): void {
  if (end.flat && end.channels === classNames.length) return;
  const found = end.flat
    ? `${end.channels} values`
    : `an image of ${end.channels} x ${end.height} x ${end.width}`;
  const type = layers.at(-1)?.type ?? 'input';
  throw new UserError(
    `layer ${layers.length} (${type}): expected the network to end in one value for each of the ${classNames.length} classes, ` +
      `but it ends in ${found}; end it with a dense layer of ${classNames.length}`,
  );
}

type Refuse = (reason: string) => UserError;

function layerOutput(layer: Layer, from: LayerShape, refuse: Refuse): LayerShape {
  switch (layer.type) {
    case 'relu':
    case 'dropout':
      return from;
    case 'flatten':
      return { channels: from.channels * from.height * from.width, height: 1, width: 1, flat: true };
    case 'dense':
      if (!from.flat) throw refuse('expected flat values, but found an image; put a flatten layer before it');
      return { ...from, channels: layer.outFeatures };
  }
  if (from.flat) throw refuse('expected an image, but found flat values; put it before the flatten layer');
  if (layer.type === 'batchNorm2d') return from;
  if (layer.type === 'globalAvgPool2d') return { ...from, height: 1, width: 1 };
  const [height, width] = windowOutput(layer, from, refuse);
  return {
    channels: layer.type === 'conv2d' ? layer.outChannels : from.channels,
    height,
    width,
    flat: false,
  };
}

type WindowLayer = Extract<Layer, { kernelSize: Size }>;

function windowOutput(layer: WindowLayer, from: LayerShape, refuse: Refuse): [number, number] {
  const kernel = pair(layer.kernelSize);
  const pool = layer.type !== 'conv2d';
  const stride = pair(layer.stride ?? (pool ? layer.kernelSize : 1));
  const dilation = pair((layer.type === 'conv2d' && layer.dilation) || 1);
  const padding = sides(layer.padding ?? 0);
  return [from.height, from.width].map((size, axis) => {
    const [before, after] = [padding[axis * 2]!, padding[axis * 2 + 1]!];
    if (pool && Math.max(before, after) >= kernel[axis]!)
      throw refuse(
        `expected padding below the kernel size ${kernel[axis]}, but found ${Math.max(before, after)}`,
      );
    const reach = dilation[axis]! * (kernel[axis]! - 1) + 1;
    if (size + before + after < reach) {
      throw refuse(
        `expected at least ${reach} pixels a side, but ${size + before + after} are left; use a larger --image-size or fewer layers`,
      );
    }
    return Math.floor((size + before + after - reach) / stride[axis]!) + 1;
  }) as [number, number];
}

function layerParameters(layer: Layer, from: LayerShape, refuse: Refuse): ParameterShape[] {
  const parameter = (suffix: string, shape: number[], trainable = true) => ({
    name: `${'name' in layer ? layer.name : ''}.${suffix}`,
    shape,
    trainable,
  });
  if (layer.type === 'dense') {
    const { outFeatures, bias = true } = layer;
    return [
      parameter('weight', [outFeatures, from.channels]),
      ...(bias ? [parameter('bias', [outFeatures])] : []),
    ];
  }
  if (layer.type === 'batchNorm2d') {
    const shape = [from.channels];
    return [
      parameter('weight', shape),
      parameter('bias', shape),
      parameter('running_mean', shape, false),
      parameter('running_var', shape, false),
    ];
  }
  if (layer.type !== 'conv2d') return [];
  const { outChannels, groups = 1, bias = true } = layer;
  if (from.channels % groups !== 0 || outChannels % groups !== 0) {
    throw refuse(
      `expected channels that ${groups} groups divide, but found ${from.channels} in and ${outChannels} out`,
    );
  }
  return [
    parameter('weight', [outChannels, from.channels / groups, ...pair(layer.kernelSize)]),
    ...(bias ? [parameter('bias', [outChannels])] : []),
  ];
}

/** [height, width] of a size. */
export function pair(size: Size): [number, number] {
  return typeof size === 'number' ? [size, size] : size;
}

/** [top, bottom, left, right] of a padding. */
export function sides(padding: Padding): [number, number, number, number] {
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
  const top = record(value, 'network', ['input', 'normalization', 'layers', 'classNames']);
  const input = record(top.input, 'input', ['height', 'width', 'channels', 'fit']);
  const normalization = record(top.normalization, 'normalization', ['mean', 'std']);
  const classNames = array(top.classNames, 'classNames', 2, LIMITS.classes).map((name, i) =>
    text(name, `classNames[${i}]`),
  );
  if (new Set(classNames).size !== classNames.length)
    throw broken('classNames', 'names that differ', classNames);
  const triple = (field: 'mean' | 'std') =>
    array(normalization[field], `normalization.${field}`, 3, 3).map((number, i) =>
      finite(number, `normalization.${field}[${i}]`, field === 'std' ? 1e-6 : -1e6, 1e6),
    ) as [number, number, number];
  const network: Network = {
    input: {
      height: integer(input.height, 'input.height', 1, LIMITS.side),
      width: integer(input.width, 'input.width', 1, LIMITS.side),
      channels: integer(input.channels, 'input.channels', 3, 3) as 3,
      fit: choice(input.fit, 'input.fit', ['cover', 'contain', 'fill']),
    },
    normalization: { mean: triple('mean'), std: triple('std') },
    layers: array(top.layers, 'layers', 1, LIMITS.layers).map(parseLayer),
    classNames,
  };
  networkShapes(network);
  return network;
}

/** What each field of a layer must be. */
const FIELDS: Record<string, (value: unknown, field: string) => unknown> = {
  name: text,
  outChannels: (value, field) => integer(value, field, 1, LIMITS.features),
  outFeatures: (value, field) => integer(value, field, 1, LIMITS.features),
  kernelSize: (value, field) => sizes(value, field, 1, [2]),
  stride: (value, field) => sizes(value, field, 1, [2]),
  dilation: (value, field) => sizes(value, field, 1, [2]),
  padding: (value, field) => sizes(value, field, 0, [2, 4]),
  groups: (value, field) => integer(value, field, 1, LIMITS.features),
  bias: flag,
  countIncludePad: flag,
  epsilon: (value, field) => finite(value, field, 1e-12, 1),
  momentum: (value, field) => finite(value, field, 0, 1),
  rate: (value, field) => finite(value, field, 0, 0.999),
};

/** The fields of each layer: those it needs, then those it may have. */
const LAYERS: Record<Layer['type'], [required: string[], optional: string[]]> = {
  conv2d: [
    ['name', 'outChannels', 'kernelSize'],
    ['stride', 'padding', 'dilation', 'groups', 'bias'],
  ],
  batchNorm2d: [['name'], ['epsilon', 'momentum']],
  relu: [[], []],
  maxPool2d: [['kernelSize'], ['stride', 'padding']],
  avgPool2d: [['kernelSize'], ['stride', 'padding', 'countIncludePad']],
  globalAvgPool2d: [[], []],
  flatten: [[], []],
  dense: [['name', 'outFeatures'], ['bias']],
  dropout: [['rate'], []],
};

function parseLayer(value: unknown, index: number): Layer {
  const where = `layers[${index}]`;
  const type = choice(
    (value as { type?: unknown } | null)?.type,
    `${where}.type`,
    Object.keys(LAYERS) as Layer['type'][],
  );
  const [required, optional] = LAYERS[type];
  const fields = record(value, where, ['type', ...required], optional);
  const layer: Record<string, unknown> = { type };
  for (const name of [...required, ...optional]) {
    if (fields[name] !== undefined) layer[name] = FIELDS[name]!(fields[name], `${where}.${name}`);
  }
  return layer as Layer;
}

function broken(field: string, expected: string, found: unknown): UserError {
  const shown = JSON.stringify(found)?.slice(0, 60) ?? String(found);
  return new UserError(`network description: expected ${field} to be ${expected}, but found ${shown}`);
}

function record(
  value: unknown,
  field: string,
  required: string[],
  optional: string[] = [],
): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw broken(field, 'an object', value);
  const keys = Object.keys(value);
  const missing = required.find((key) => !keys.includes(key));
  if (missing) throw broken(`${field}.${missing}`, 'there', undefined);
  const unknown = keys.find((key) => !required.includes(key) && !optional.includes(key));
  if (unknown) throw broken(`${field}.${unknown.slice(0, 40)}`, 'absent', 'an unknown field');
  return value as Record<string, unknown>;
}

function array(value: unknown, field: string, least: number, most: number): unknown[] {
  if (!Array.isArray(value) || value.length < least || value.length > most)
    throw broken(field, least === most ? `${least} values` : `${least} to ${most} values`, value);
  return value;
}

function integer(value: unknown, field: string, least: number, most: number): number {
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most)
    throw broken(field, `a whole number from ${least} to ${most}`, value);
  return value as number;
}

function finite(value: unknown, field: string, least: number, most: number): number {
  if (typeof value !== 'number' || !(value >= least && value <= most))
    throw broken(field, `a number from ${least} to ${most}`, value);
  return value;
}

function sizes(value: unknown, field: string, least: number, lengths: number[]): unknown {
  if (!Array.isArray(value)) return integer(value, field, least, LIMITS.side);
  if (!lengths.includes(value.length))
    throw broken(field, `one number or ${lengths.join(' or ')} numbers`, value);
  return value.map((number) => integer(number, field, least, LIMITS.side));
}

/** Names go into files and terminals: short, and without control characters. */
function text(value: unknown, field: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (typeof value !== 'string' || !/^[^\u0000-\u001f\u007f-\u009f]{1,200}$/u.test(value))
    throw broken(field, 'a text of 1 to 200 printable characters', value);
  return value;
}

function flag(value: unknown, field: string): boolean {
  if (typeof value !== 'boolean') throw broken(field, 'true or false', value);
  return value;
}

function choice<T extends string>(value: unknown, field: string, choices: readonly T[]): T {
  if (!choices.includes(value as T)) throw broken(field, choices.join(', '), value);
  return value as T;
}
