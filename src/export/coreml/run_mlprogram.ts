/** Reads a Core ML program back and computes what it says, operation by operation, to check what was exported. */
import type { LayerShape } from '../../model/network.ts';
import type { RunExported } from '../exported_model.ts';
import { floats } from '../floats.ts';
import * as math from '../html/page_network.ts';
import type { PlainWindow } from '../plain_graph.ts';
import { decodeMessage, type Message } from '../protobuf.ts';
import { CoreMLModel, type Operation } from './coreml_messages.ts';
import { IMAGE } from './describe_coreml.ts';
import { MODEL_PATH, WEIGHTS_PATH } from './encode_mlprogram.ts';
import { type MilValue, readBlob } from './mil_values.ts';

type MilOperation = Message<typeof Operation>;

interface Numbers {
  /** With the batch of 1. */
  shape: number[];
  data: Float32Array;
}

/** What is no tensor of floats: whole numbers, flags and texts. */
type Plain = (number | boolean | string)[];

/**
 * @returns what computes the probabilities of one image
 * @throws Error where the package is not one that {@link encodeMlProgram} writes
 */
export function openMlProgram(files: Map<string, Uint8Array>): RunExported {
  const [model, weights] = [files.get(MODEL_PATH), files.get(WEIGHTS_PATH)];
  if (!model || !weights) throw new Error('the package has no model or no weights');
  const { mlProgram } = decodeMessage(CoreMLModel, model);
  const main = mlProgram?.functions?.find(({ key }) => key === 'main')?.value;
  const block = main?.blockSpecializations?.find(({ key }) => key === main.opset)?.value;
  if (!main || !block) throw new Error('the program has no main function');
  const shape = sidesOf(main.inputs![0]!.type!);
  return (pixels) => {
    const values = new Map<string, Numbers | Plain>();
    const area = shape[2]! * shape[3]!;
    const data = Float32Array.from(
      { length: 3 * area },
      (_, i) => pixels[(i % area) * 3 + Math.floor(i / area)]!,
    );
    values.set(IMAGE, { shape, data });
    for (const operation of block.operations ?? []) {
      const name = operation.outputs![0]!.name!;
      if (operation.type === 'classify')
        return { probabilities: (values.get(inputOf(operation, 'probabilities')!) as Numbers).data };
      values.set(name, compute(operation, values, weights));
    }
    throw new Error('the program has no classify');
  };
}

function sidesOf({ tensorType }: NonNullable<MilValue['type']>): number[] {
  return (tensorType?.dimensions ?? []).map(({ constant }) => constant?.size ?? 0);
}

function inputOf({ inputs }: MilOperation, wanted: string): string | undefined {
  return inputs?.find(({ key }) => key === wanted)?.value?.arguments?.[0]?.name;
}

function milValue(value: MilValue, weights: Uint8Array): Numbers | Plain {
  const shape = sidesOf(value.type!);
  if (value.blobFileValue) {
    const { bytes, isHalf } = readBlob(weights, value.blobFileValue.offset!);
    return { shape, data: floats(isHalf ? 'F16' : 'F32', bytes) };
  }
  const { floats: list, ints, bools, strings } = value.immediateValue?.tensor ?? {};
  if (list) return { shape, data: Float32Array.from(list.values ?? []) };
  return ints?.values ?? bools?.values ?? strings?.values ?? [];
}

function compute(
  operation: MilOperation,
  values: Map<string, Numbers | Plain>,
  weights: Uint8Array,
): Numbers | Plain {
  const attribute = (wanted: string) => operation.attributes?.find(({ key }) => key === wanted)?.value;
  if (operation.type === 'const') return milValue(attribute('val')!, weights);
  if (operation.type === 'constexpr_cast') return milValue(attribute('source_val')!, weights);
  const tensor = (name: string) => values.get(inputOf(operation, name) ?? '') as Numbers | undefined;
  const plain = (name: string) => values.get(inputOf(operation, name) ?? '') as number[];
  const { shape, data } = tensor('x')!;
  const image = imageOf(shape);
  const same = (result: Float32Array): Numbers => ({ shape, data: result });
  switch (operation.type) {
    case 'real_div':
      return same(broadcast(data, tensor('y')!.data, (a, b) => a / b));
    case 'sub':
      return same(broadcast(data, tensor('y')!.data, (a, b) => a - b));
    case 'add':
      return same(math.add(data, tensor('y')!.data));
    case 'relu':
      return same(math.clamp(data, 0, Number.POSITIVE_INFINITY));
    case 'relu6':
      return same(math.clamp(data, 0, 6));
    case 'softmax':
      return same(Float32Array.from(math.probabilitiesOfOne(data, 1)));
    case 'reshape':
      return { shape: plain('shape'), data };
    case 'reduce_mean':
      return { shape: [1, shape[1]!, 1, 1], data: math.globalAvgPool(data, image) };
    case 'linear': {
      const weight = tensor('weight')!;
      return { shape: [1, weight.shape[0]!], data: math.dense(data, weight.data, tensor('bias')?.data) };
    }
    case 'batch_norm': {
      const [gamma, beta, mean, variance] = ['gamma', 'beta', 'mean', 'variance'].map(
        (name) => tensor(name)!.data,
      );
      const statistics = { mean: mean!, variance: variance!, epsilon: tensor('epsilon')!.data[0]! };
      return same(math.batchNorm(data, image, gamma!, beta!, statistics));
    }
    case 'conv': {
      const weight = tensor('weight')!;
      const kernel = weight.shape.slice(2);
      const [window, output] = windowOf(kernel, plain, image, weight.shape[0]!);
      const bias = tensor('bias')?.data;
      const result = math.convolve(data, image, output, window, plain('groups')[0]!, weight.data, bias);
      return { shape: shapeOf(output), data: result };
    }
    case 'max_pool': {
      const [window, output] = windowOf(plain('kernel_sizes'), plain, image, image.channels);
      return { shape: shapeOf(output), data: math.maxPool(data, image, output, window) };
    }
    case 'avg_pool': {
      const [window, output] = windowOf(plain('kernel_sizes'), plain, image, image.channels);
      const isCounted = !plain('exclude_padding_from_average')[0];
      return { shape: shapeOf(output), data: math.avgPool(data, image, output, window, isCounted) };
    }
    default:
      throw new Error(`${operation.type} is no operation that is exported`);
  }
}

function imageOf([, channels = 0, height = 1, width = 1]: number[]): LayerShape {
  return { channels, height, width, flat: false };
}

function shapeOf({ channels, height, width }: LayerShape): number[] {
  return [1, channels, height, width];
}

/** Of one number, or one for each channel. */
function broadcast(x: Float32Array, y: Float32Array, of: (a: number, b: number) => number): Float32Array {
  return x.map((value, i) => of(value, y[Math.floor((i / x.length) * y.length)]!));
}

function windowOf(
  kernel: number[],
  plain: (name: string) => number[] | undefined,
  image: LayerShape,
  channels: number,
): [window: PlainWindow, output: LayerShape] {
  const [stride, padding, dilation = [1, 1]] = ['strides', 'pad', 'dilations'].map(plain);
  const [top, bottom, left, right] = padding as [number, number, number, number];
  const side = (size: number, i: number) =>
    Math.floor((size - dilation[i]! * (kernel[i]! - 1) - 1) / stride![i]!) + 1;
  const output = {
    channels,
    flat: false,
    height: side(image.height + top + bottom, 0),
    width: side(image.width + left + right, 1),
  };
  return [{ kernel, stride, dilation, padding } as PlainWindow, output];
}
