/** A network with everything filled in, for writing it in another format: no defaults, no names to look up, no dropout. */
import type { Layer, LayerShape, Network, Padding, Size } from '../model/network.ts';
import { networkShapes } from '../model/network_shapes.ts';
import { splitValues } from './weights.ts';

/** Kernel and stride of a convolution or a pooling, [height, width]; padding [top, bottom, left, right]. */
export interface PlainWindow {
  kernel: [number, number];
  stride: [number, number];
  dilation: [number, number];
  padding: [number, number, number, number];
}

/** A tensor of weights under the name it has in PyTorch. */
export interface NamedTensor {
  name: string;
  shape: number[];
  data: Float32Array;
}

/** What one layer computes. */
export type PlainOperation =
  | { kind: 'conv'; window: PlainWindow; groups: number; weight: NamedTensor; bias: NamedTensor | undefined }
  | { kind: 'batchNorm'; epsilon: number; parameters: Record<NormTensor, NamedTensor> }
  | { kind: 'maxPool'; window: PlainWindow }
  | { kind: 'avgPool'; window: PlainWindow; countIncludePad: boolean }
  | { kind: 'dense'; weight: NamedTensor; bias: NamedTensor | undefined }
  | { kind: 'relu' | 'relu6' | 'add' | 'globalAvgPool' | 'flatten' };

export type NormTensor = 'weight' | 'bias' | 'running_mean' | 'running_var';

/** A layer: what it computes of which values. */
export interface PlainLayer {
  /** That of the network's layer, or one made from its type; each its own. */
  name: string;
  /** Values: 0 is the normalised image, n + 1 the output of layer n of this graph. */
  inputs: number[];
  input: LayerShape;
  output: LayerShape;
  operation: PlainOperation;
}

/** The layers in an order in which they can be computed; the last gives the logits. */
export interface PlainGraph {
  image: LayerShape;
  layers: PlainLayer[];
}

/**
 * @param values all parameters one after the other, as in `Weights`
 * @throws UserError when the network can't run or the number of values is not its own
 */
export function plainGraph(network: Network, values: Float32Array): PlainGraph {
  const { layers: shapes, parameters } = networkShapes(network);
  const tensors = splitValues(parameters, values);
  const tensorOf = (name: string): NamedTensor => ({ name, ...tensors[name]! });
  const names = new Map<string, number>();
  const taken = new Set(network.layers.flatMap(({ name }) => name ?? []));
  // Which value of the graph each value of the network is: those of dropouts are what they read.
  const plainValues = [0];
  const layers: PlainLayer[] = [];
  for (const [i, layer] of network.layers.entries()) {
    if (layer.name !== undefined) names.set(layer.name, i + 1);
    const from = layer.from === undefined ? [i] : [layer.from].flat().map((name) => names.get(name)!);
    const inputs = from.map((value) => plainValues[value]!);
    if (layer.type === 'dropout') {
      plainValues.push(inputs[0]!);
      continue;
    }
    const [input, output] = [shapes[from[0]!]!, shapes[i + 1]!];
    const operation = operationOf(layer, input, output, tensorOf);
    layers.push({
      name: layer.name ?? freeName(`${layer.type}${i + 1}`, taken),
      inputs,
      input,
      output,
      operation,
    });
    plainValues.push(layers.length);
  }
  return { image: shapes[0]!, layers };
}

function freeName(wanted: string, taken: Set<string>): string {
  let name = wanted;
  while (taken.has(name)) name += '_';
  taken.add(name);
  return name;
}

function operationOf(
  layer: Exclude<Layer, { type: 'dropout' }>,
  input: LayerShape,
  output: LayerShape,
  tensorOf: (name: string) => NamedTensor,
): PlainOperation {
  const parameters = (name: string, { bias = true }: { bias?: boolean }) => ({
    weight: tensorOf(`${name}.weight`),
    bias: bias ? tensorOf(`${name}.bias`) : undefined,
  });
  switch (layer.type) {
    case 'conv2d':
      return {
        kind: 'conv',
        window: windowOf(layer, [1, 1], input, output),
        groups: layer.groups ?? 1,
        ...parameters(layer.name, layer),
      };
    case 'batchNorm2d': {
      const of = (suffix: NormTensor) => tensorOf(`${layer.name}.${suffix}`);
      return {
        kind: 'batchNorm',
        epsilon: Math.fround(layer.epsilon ?? 1e-5),
        parameters: {
          weight: of('weight'),
          bias: of('bias'),
          running_mean: of('running_mean'),
          running_var: of('running_var'),
        },
      };
    }
    case 'maxPool2d':
      return { kind: 'maxPool', window: windowOf(layer, pair(layer.kernelSize), input, output) };
    case 'avgPool2d': {
      const window = windowOf(layer, pair(layer.kernelSize), input, output);
      return { kind: 'avgPool', window, countIncludePad: layer.countIncludePad ?? true };
    }
    case 'dense':
      return { kind: 'dense', ...parameters(layer.name, layer) };
    case 'globalAvgPool2d':
      return { kind: 'globalAvgPool' };
    default:
      return { kind: layer.type };
  }
}

function pair(size: Size): [number, number] {
  return typeof size === 'number' ? [size, size] : size;
}

function windowOf(
  layer: { kernelSize: Size; stride?: Size; dilation?: Size; padding?: Padding },
  usualStride: [number, number],
  input: LayerShape,
  output: LayerShape,
): PlainWindow {
  const kernel = pair(layer.kernelSize);
  const stride = layer.stride === undefined ? usualStride : pair(layer.stride);
  const dilation = pair(layer.dilation ?? 1);
  const given = layer.padding ?? 0;
  if (given !== 'same') return { kernel, stride, dilation, padding: sidesOf(given) };
  const [top, bottom] = samePadding(input.height, output.height, kernel[0], stride[0], dilation[0]);
  const [left, right] = samePadding(input.width, output.width, kernel[1], stride[1], dilation[1]);
  return { kernel, stride, dilation, padding: [top, bottom, left, right] };
}

function sidesOf(padding: Exclude<Padding, 'same'>): [number, number, number, number] {
  if (typeof padding === 'number') return [padding, padding, padding, padding];
  if (padding.length === 4) return padding;
  const [vertical, horizontal] = padding;
  return [vertical, vertical, horizontal, horizontal];
}

/** TensorFlow's rule: the odd pixel comes after. */
function samePadding(size: number, out: number, kernel: number, stride: number, dilation: number) {
  const total = Math.max((out - 1) * stride + dilation * (kernel - 1) + 1 - size, 0);
  return [Math.floor(total / 2), Math.ceil(total / 2)] as const;
}
