/** Reads a Core ML neural network back and computes what it says, layer by layer, to check what was exported. */
import type { LayerShape } from '../../model/network.ts';
import type { RunExported } from '../exported_model.ts';
import { floats } from '../floats.ts';
import * as math from '../html/page_network.ts';
import type { PlainWindow } from '../plain_graph.ts';
import { decodeMessage, type Message } from '../protobuf.ts';
import {
  CoreMLModel,
  type NeuralNetworkLayer,
  Pooling,
  Unary,
  type WeightParams,
} from './coreml_messages.ts';
import { IMAGE } from './describe_coreml.ts';

interface Value {
  shape: LayerShape;
  data: Float32Array;
}

type Layer = Message<typeof NeuralNetworkLayer>;

/**
 * @returns what computes the probabilities of one image
 * @throws Error where the file is not one that {@link encodeCoreML} writes
 */
export function openCoreML(bytes: Uint8Array): RunExported {
  const { description, neuralNetworkClassifier: network } = decodeMessage(CoreMLModel, bytes);
  const image = description?.input?.[0]?.type?.imageType;
  const scaler = network?.preprocessing?.[0]?.scaler;
  if (!network || !image || !scaler) throw new Error('the file is no classifier of images');
  const { width = 0, height = 0 } = image;
  const biases = [scaler.redBias!, scaler.greenBias!, scaler.blueBias!];
  return (pixels) => {
    const area = width * height;
    const data = Float32Array.from(
      { length: 3 * area },
      (_, i) =>
        scaler.channelScale! * pixels[(i % area) * 3 + Math.floor(i / area)]! + biases[Math.floor(i / area)]!,
    );
    const values = new Map<string, Value>();
    values.set(IMAGE, { data, shape: { channels: 3, height, width, flat: false } });
    for (const layer of network.layers ?? []) {
      const inputs = (layer.input ?? []).map((name) => values.get(name)!);
      values.set(layer.output?.[0] ?? '', compute(layer, inputs));
    }
    return { probabilities: values.get(network.labelProbabilityLayerName!)!.data };
  };
}

function numbers(weights: Message<typeof WeightParams> | undefined): Float32Array {
  const { floatValue, float16Value } = weights ?? {};
  return float16Value ? floats('F16', float16Value) : floats('F32', floatValue ?? new Uint8Array());
}

function compute(layer: Layer, [x, y]: Value[]): Value {
  const { shape, data } = x!;
  const same = (values: Float32Array): Value => ({ shape, data: values });
  const flat = (values: Float32Array): Value => ({
    shape: { channels: values.length, height: 1, width: 1, flat: true },
    data: values,
  });
  const { convolution, pooling, innerProduct, batchnorm, activation, unary, scale } = layer;
  if (convolution) {
    const [window, output] = windowOf(convolution, shape, convolution.outputChannels!);
    const bias = convolution.hasBias ? numbers(convolution.bias) : undefined;
    const { nGroups = 1, weights } = convolution;
    return {
      shape: output,
      data: math.convolve(data, shape, output, window, nGroups, numbers(weights), bias),
    };
  }
  if (pooling?.globalPooling)
    return { shape: { ...shape, height: 1, width: 1 }, data: math.globalAvgPool(data, shape) };
  if (pooling) {
    const [window, output] = windowOf(pooling, shape, shape.channels);
    const isMax = pooling.type === Pooling.max;
    const values = isMax
      ? math.maxPool(data, shape, output, window)
      : math.avgPool(data, shape, output, window, !pooling.avgPoolExcludePadding);
    return { shape: output, data: values };
  }
  if (innerProduct) {
    const bias = innerProduct.hasBias ? numbers(innerProduct.bias) : undefined;
    return flat(math.dense(data, numbers(innerProduct.weights), bias));
  }
  if (batchnorm) {
    const { gamma, beta, mean, variance, epsilon } = batchnorm;
    const statistics = { mean: numbers(mean), variance: numbers(variance), epsilon: epsilon! };
    return same(math.batchNorm(data, shape, numbers(gamma), numbers(beta), statistics));
  }
  if (activation?.relu) return same(math.clamp(data, 0, Number.POSITIVE_INFINITY));
  if (activation?.linear) return same(data.map((value) => activation.linear!.alpha! * value));
  if (unary?.type === Unary.threshold)
    return same(data.map((value) => Math.max(unary.alpha!, unary.scale! * value + unary.shift!)));
  if (layer.add) return same(math.add(data, y!.data));
  if (layer.flatten) return flat(data);
  if (layer.softmax) return same(Float32Array.from(math.probabilitiesOfOne(data, 1)));
  if (scale) {
    const factors = numbers(scale.scale);
    return same(data.map((value, i) => value * factors[Math.floor((i / data.length) * factors.length)]!));
  }
  throw new Error(`layer ${layer.name} is of a type that is not exported`);
}

interface Windowed {
  kernelSize?: number[];
  stride?: number[];
  dilationFactor?: number[];
  valid?: { paddingAmounts?: { borderAmounts?: { startEdgeSize?: number; endEdgeSize?: number }[] } };
}

function windowOf(
  { kernelSize, stride, dilationFactor = [1, 1], valid }: Windowed,
  image: LayerShape,
  channels: number,
): [window: PlainWindow, output: LayerShape] {
  const [vertical, horizontal] = valid?.paddingAmounts?.borderAmounts ?? [];
  const { startEdgeSize: top = 0, endEdgeSize: bottom = 0 } = vertical ?? {};
  const { startEdgeSize: left = 0, endEdgeSize: right = 0 } = horizontal ?? {};
  const [kernel, step, dilation] = [kernelSize, stride, dilationFactor] as [number, number][];
  const side = (size: number, i: 0 | 1) =>
    Math.floor((size - dilation![i] * (kernel![i] - 1) - 1) / step![i]) + 1;
  const output = {
    channels,
    flat: false,
    height: side(image.height + top + bottom, 0),
    width: side(image.width + left + right, 1),
  };
  const window = { kernel: kernel!, stride: step!, dilation: dilation!, padding: [top, bottom, left, right] };
  return [window as PlainWindow, output];
}
