/** Reads an ONNX file back and computes what it says, operator by operator, to check what was exported. */
import type { LayerShape } from '../../model/network.ts';
import type { RunExported } from '../exported_model.ts';
import { floats } from '../floats.ts';
import * as math from '../html/page_network.ts';
import type { PlainWindow } from '../plain_graph.ts';
import { decodeMessage, type Message } from '../protobuf.ts';
import { DataType, ModelProto, type NodeProto, type TensorProto } from './onnx_messages.ts';

/** A value of one image, or a weight. */
interface Value {
  /** Without the batch. */
  shape: number[];
  data: Float32Array;
}

type Node = Message<typeof NodeProto>;

/**
 * @returns what computes the outputs for one image
 * @throws Error where the file is not one that {@link encodeOnnx} writes
 */
export function openOnnx(bytes: Uint8Array): RunExported {
  const { graph } = decodeMessage(ModelProto, bytes);
  const weights = new Map<string, Value>();
  for (const tensor of graph?.initializer ?? []) weights.set(tensor.name ?? '', weightOf(tensor));
  const sides = graph?.input?.[0]?.type?.tensorType?.shape?.dim ?? [];
  const shape = sides.slice(1).map(({ dimValue = 0 }) => dimValue);
  return (pixels) => {
    const values = new Map(weights);
    values.set('image', { shape, data: Float32Array.from(pixels) });
    for (const node of graph?.node ?? []) {
      const inputs = (node.input ?? []).map((name) => {
        const value = values.get(name);
        if (!value) throw new Error(`${node.name} reads ${name}, which nothing writes`);
        return value;
      });
      values.set(node.output?.[0] ?? '', compute(node, inputs));
    }
    const [logits, probabilities] = ['logits', 'probabilities'].map((name) => values.get(name)?.data);
    return { logits: logits!, probabilities: probabilities! };
  };
}

function weightOf({ dims = [], dataType, rawData = new Uint8Array() }: Message<typeof TensorProto>): Value {
  return { shape: dims, data: floats(dataType === DataType.float16 ? 'F16' : 'F32', rawData) };
}

function compute(node: Node, inputs: Value[]): Value {
  const [x, weight, bias, mean, variance] = inputs.map(({ data }) => data);
  const shape = inputs[0]!.shape;
  const image = imageOf(shape);
  const same = (data: Float32Array): Value => ({ shape, data });
  switch (node.opType) {
    case 'Cast':
      return inputs[0]!;
    case 'Transpose':
      return channelsFirst(inputs[0]!);
    case 'Sub':
      return same(broadcast(inputs[0]!, inputs[1]!, (a, b) => a - b));
    case 'Div':
      return same(broadcast(inputs[0]!, inputs[1]!, (a, b) => a / b));
    case 'Add':
      return same(math.add(x!, weight!));
    case 'Relu':
      return same(math.clamp(x!, 0, Number.POSITIVE_INFINITY));
    case 'Clip':
      return same(math.clamp(x!, weight![0]!, bias![0]!));
    case 'Flatten':
      return { shape: [x!.length], data: x! };
    case 'Gemm':
      if (intOf(node, 'transB') !== 1) throw new Error('expected Gemm with transB');
      return { shape: [inputs[1]!.shape[0]!], data: math.dense(x!, weight!, bias) };
    case 'Softmax':
      return same(Float32Array.from(math.probabilitiesOfOne(x!, 1)));
    case 'GlobalAveragePool':
      return { shape: [image.channels, 1, 1], data: math.globalAvgPool(x!, image) };
    case 'BatchNormalization': {
      const epsilon = node.attribute?.find(({ name }) => name === 'epsilon')?.f ?? 1e-5;
      const statistics = { mean: mean!, variance: variance!, epsilon };
      return same(math.batchNorm(x!, image, weight!, bias!, statistics));
    }
    case 'Conv': {
      const [window, output] = windowOf(node, image, inputs[1]!.shape[0]!);
      const data = math.convolve(x!, image, output, window, intOf(node, 'group') ?? 1, weight!, bias);
      return { shape: sidesOf(output), data };
    }
    case 'MaxPool': {
      const [window, output] = windowOf(node, image, image.channels);
      return { shape: sidesOf(output), data: math.maxPool(x!, image, output, window) };
    }
    case 'AveragePool': {
      const [window, output] = windowOf(node, image, image.channels);
      const counted = intOf(node, 'count_include_pad') === 1;
      return { shape: sidesOf(output), data: math.avgPool(x!, image, output, window, counted) };
    }
    default:
      throw new Error(`${node.opType} is no operator that is exported`);
  }
}

function imageOf([channels = 0, height = 1, width = 1]: number[]): LayerShape {
  return { channels, height, width, flat: false };
}

function sidesOf({ channels, height, width }: LayerShape): number[] {
  return [channels, height, width];
}

function channelsFirst({ shape: [height, width, channels], data }: Value): Value {
  const area = height! * width!;
  const moved = data.map((_, i) => data[(i % area) * channels! + Math.floor(i / area)]!);
  return { shape: [channels!, height!, width!], data: moved };
}

/** Of one number, or one for each channel. */
function broadcast(x: Value, { data }: Value, of: (a: number, b: number) => number): Float32Array {
  const area = x.data.length / data.length;
  return x.data.map((value, i) => of(value, data[Math.floor(i / area)]!));
}

function intOf({ attribute }: Node, wanted: string): number | undefined {
  return attribute?.find(({ name }) => name === wanted)?.i;
}

/** The window as the attributes have it, and what leaves it. */
function windowOf(
  { attribute }: Node,
  image: LayerShape,
  channels: number,
): [window: PlainWindow, output: LayerShape] {
  const intsOf = (wanted: string) => attribute?.find(({ name }) => name === wanted)?.ints;
  const [kernel, stride] = [
    intsOf('kernel_shape') as [number, number],
    intsOf('strides') as [number, number],
  ];
  const dilation = (intsOf('dilations') as [number, number] | undefined) ?? [1, 1];
  const [top, left, bottom, right] = intsOf('pads') as [number, number, number, number];
  const side = (size: number, i: 0 | 1, padding: number) =>
    Math.floor((size + padding - dilation[i] * (kernel[i] - 1) - 1) / stride[i]) + 1;
  const output = {
    channels,
    flat: false,
    height: side(image.height, 0, top + bottom),
    width: side(image.width, 1, left + right),
  };
  return [{ kernel, stride, dilation, padding: [top, bottom, left, right] }, output];
}
