/**
 * Single operations, each on a chosen device: forward and backward as pairs. Tensors are float32 and packed: images
 * [N, C, H, W], weights as PyTorch has them ([out, in / groups, kernel height, kernel width], [out, in]), flat values
 * [N, features]. Every function rejects with one sentence that begins with the operation's name in brackets when a
 * shape or an option does not fit, or when the device is not there.
 *
 * NaN, infinities and overflow give what PyTorch gives, on every device. One case is open, in PyTorch too: a weight of a
 * convolution that is not finite, at the edge of a padded image. Some kernels multiply it with the zeros of the padding,
 * which is NaN, and some skip the padding.
 */
import { type DeviceName, loadAddon, type OperationAttributes, type Tensor } from './addon.ts';
import type { Sides, Size } from './network.ts';
import { readOptions } from './operation_options.ts';

/** Where an operation runs; default `cpu`. */
export interface DeviceOption {
  device?: DeviceName;
}

/** Of a convolution and its gradients. */
export interface ConvolutionOptions extends DeviceOption {
  /** Default 1. */
  stride?: Size;
  /** Zeros around the image; default 0. */
  padding?: Sides;
  /** Default 1. */
  dilation?: Size;
  /** Default 1. */
  groups?: number;
}

/** Of a pooling and its gradient. */
export interface PoolingOptions extends DeviceOption {
  kernelSize: Size;
  /** Default: the kernel size. */
  stride?: Size;
  /** Less than the kernel size; default 0. */
  padding?: Sides;
}

/** Of an average pooling and its gradient. */
export interface AveragePoolingOptions extends PoolingOptions {
  /** Whether padding counts in the mean; default true. */
  countIncludePad?: boolean;
}

/** Of the loss and its gradient. */
export interface CrossEntropyOptions extends DeviceOption {
  /** One weight a class, above 0; default all 1. */
  classWeights?: number[];
  /** 0 to 1; default 0. */
  labelSmoothing?: number;
}

/** Of batch norm, in training and inference. */
export interface BatchNormOptions extends DeviceOption {
  /** Added to the variance; default 1e-5. */
  epsilon?: number;
}

/** Of dropout and its gradient. */
export interface DropoutOptions extends DeviceOption {
  /** Probability of zero, 0 to less than 1. */
  rate: number;
  /** 0 to 2^53 - 1; the same seed, step and stream drop the same elements on every device. */
  seed: number;
  step?: number;
  /** A number of the layer's own. */
  stream?: number;
}

/** @returns a tensor of `shape` over `data` (copied into float32 unless it is a Float32Array) */
export function tensor(shape: number[], data: ArrayLike<number>): Tensor {
  // Anything else is passed on for the operation to refuse; a string would be iterated by character.
  const isArray = typeof data === 'object' && data !== null && !(data instanceof Float32Array);
  return { shape, data: isArray ? Float32Array.from(data) : (data as Float32Array) };
}

/** @returns y [N, out, height, width] of x [N, in, H, W], weight [out, in / groups, kh, kw] and bias [out] */
export async function conv2d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  options: ConvolutionOptions = {},
): Promise<Tensor> {
  return first('conv2d', bias ? [x, weight, bias] : [x, weight], kernelOf(weight), options);
}

/** @param inputSize [H, W] of x, which the shape of y leaves open @returns dx, shaped as x */
export async function conv2dInputGradient(
  dy: Tensor,
  weight: Tensor,
  inputSize: [height: number, width: number],
  options: ConvolutionOptions = {},
): Promise<Tensor> {
  return first('conv2dInputGradient', [dy, weight], kernelOf(weight), { ...options, inputSize });
}

/** @param kernelSize of the weight @returns gradients shaped as the weight and the bias */
export async function conv2dWeightGradient(
  dy: Tensor,
  x: Tensor,
  kernelSize: Size,
  options: ConvolutionOptions = {},
): Promise<{ weight: Tensor; bias: Tensor }> {
  const [weight, bias] = await run('conv2dWeightGradient', [dy, x], {}, { ...options, kernelSize });
  return { weight: weight!, bias: bias! };
}

/** @returns y [N, C, height, width], the largest of each window */
export async function maxPool2d(x: Tensor, options: PoolingOptions): Promise<Tensor> {
  return first('maxPool2d', [x], {}, options);
}

/** @returns dx; where values tie, the first in row order gets the gradient */
export async function maxPool2dGradient(dy: Tensor, x: Tensor, options: PoolingOptions): Promise<Tensor> {
  return first('maxPool2dGradient', [dy, x], {}, options);
}

/** @returns y [N, C, height, width], the mean of each window */
export async function avgPool2d(x: Tensor, options: AveragePoolingOptions): Promise<Tensor> {
  return first('avgPool2d', [x], {}, options);
}

/** @returns dx, shaped as x */
export async function avgPool2dGradient(
  dy: Tensor,
  x: Tensor,
  options: AveragePoolingOptions,
): Promise<Tensor> {
  return first('avgPool2dGradient', [dy, x], {}, options);
}

/** @returns y [N, C, 1, 1], the mean of each channel */
export async function globalAvgPool2d(x: Tensor, options: DeviceOption = {}): Promise<Tensor> {
  return first('globalAvgPool2d', [x], {}, options);
}

/** @returns dx, shaped as x */
export async function globalAvgPool2dGradient(
  dy: Tensor,
  x: Tensor,
  options: DeviceOption = {},
): Promise<Tensor> {
  return first('globalAvgPool2dGradient', [dy, x], {}, options);
}

/** @returns y [N, out] of x [N, in], weight [out, in] and bias [out] */
export async function dense(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  options: DeviceOption = {},
): Promise<Tensor> {
  return first('dense', bias ? [x, weight, bias] : [x, weight], {}, options);
}

/** @returns dx [N, in] */
export async function denseInputGradient(
  dy: Tensor,
  weight: Tensor,
  options: DeviceOption = {},
): Promise<Tensor> {
  return first('denseInputGradient', [dy, weight], {}, options);
}

/** @returns gradients shaped as the weight [out, in] and the bias [out] */
export async function denseWeightGradient(
  dy: Tensor,
  x: Tensor,
  options: DeviceOption = {},
): Promise<{ weight: Tensor; bias: Tensor }> {
  const [weight, bias] = await run('denseWeightGradient', [dy, x], {}, options);
  return { weight: weight!, bias: bias! };
}

/** @returns max(x, 0), shaped as x */
export async function relu(x: Tensor, options: DeviceOption = {}): Promise<Tensor> {
  return first('relu', [x], {}, options);
}

/** @returns dx: dy where x is above 0, else 0 */
export async function reluGradient(dy: Tensor, x: Tensor, options: DeviceOption = {}): Promise<Tensor> {
  return first('reluGradient', [dy, x], {}, options);
}

/** @returns min(max(x, 0), 6), shaped as x */
export async function relu6(x: Tensor, options: DeviceOption = {}): Promise<Tensor> {
  return first('relu6', [x], {}, options);
}

/** @returns dx: dy where x is above 0 and below 6, else 0 */
export async function relu6Gradient(dy: Tensor, x: Tensor, options: DeviceOption = {}): Promise<Tensor> {
  return first('relu6Gradient', [dy, x], {}, options);
}

/** @returns a + b, both of one shape */
export async function add(a: Tensor, b: Tensor, options: DeviceOption = {}): Promise<Tensor> {
  return first('add', [a, b], {}, options);
}

/** @returns probabilities [N, K] of logits [N, K]; each row sums to 1 */
export async function softmax(x: Tensor, options: DeviceOption = {}): Promise<Tensor> {
  return first('softmax', [x], {}, options);
}

/** @param labels N classes, each 0 to K - 1 @returns the mean loss, as torch.nn.functional.cross_entropy has it */
export async function crossEntropy(
  logits: Tensor,
  labels: ArrayLike<number>,
  options: CrossEntropyOptions = {},
): Promise<number> {
  const loss = await first('crossEntropy', [logits, labelTensor(labels)], {}, options);
  return loss.data[0]!;
}

/** @returns the gradient of {@link crossEntropy}, [N, K] */
export async function crossEntropyGradient(
  logits: Tensor,
  labels: ArrayLike<number>,
  options: CrossEntropyOptions = {},
): Promise<Tensor> {
  return first('crossEntropyGradient', [logits, labelTensor(labels)], {}, options);
}

/**
 * Batch norm as in training: with the mean and the variance of this batch.
 * @param weight [C] @param bias [C]
 * @returns y shaped as x; mean and biased variance, each [C]
 */
export async function batchNorm2d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  options: BatchNormOptions = {},
): Promise<{ y: Tensor; mean: Tensor; variance: Tensor }> {
  const [y, mean, variance] = await run('batchNorm2d', [x, weight, bias], {}, options);
  return { y: y!, mean: mean!, variance: variance! };
}

/** Batch norm as in prediction, with a mean and a variance given, each [C]. */
export async function batchNorm2dInference(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  mean: Tensor,
  variance: Tensor,
  options: BatchNormOptions = {},
): Promise<Tensor> {
  return first('batchNorm2dInference', [x, weight, bias, mean, variance], {}, options);
}

/** @returns gradients of {@link batchNorm2d}: shaped as x, and [C] for weight and bias */
export async function batchNorm2dGradient(
  dy: Tensor,
  x: Tensor,
  weight: Tensor,
  options: BatchNormOptions = {},
): Promise<{ x: Tensor; weight: Tensor; bias: Tensor }> {
  const [dx, dweight, dbias] = await run('batchNorm2dGradient', [dy, x, weight], {}, options);
  return { x: dx!, weight: dweight!, bias: dbias! };
}

/** @returns x with a share `rate` of it zero and the rest scaled by 1 / (1 - rate) */
export async function dropout(x: Tensor, options: DropoutOptions): Promise<Tensor> {
  return first('dropout', [x], {}, options);
}

/** @returns dx: dy through the same elements as {@link dropout} with the same options */
export async function dropoutGradient(dy: Tensor, options: DropoutOptions): Promise<Tensor> {
  return first('dropoutGradient', [dy], {}, options);
}

/** @param given what does not come from the options */
async function run(
  operation: string,
  inputs: Tensor[],
  given: OperationAttributes,
  options: object,
): Promise<Tensor[]> {
  const addon = loadAddon();
  try {
    const attributes = { ...given, ...readOptions(operation, options) };
    const { device = 'cpu' }: DeviceOption = options;
    return await addon.runOperation(device, operation, inputs, attributes);
  } catch (error) {
    if (!(error instanceof Error) || error.message.startsWith('[')) throw error;
    error.message = `[${operation}] ${error.message.replace(/^Expected/, 'expected')}`;
    throw error;
  }
}

async function first(...call: Parameters<typeof run>): Promise<Tensor> {
  const [output] = await run(...call);
  return output!;
}

/** The sizes of a convolution from its weight; an invalid weight is refused with the other inputs. */
function kernelOf(weight: Tensor): OperationAttributes {
  const [, , height = 1, width = 1] = Array.isArray(weight?.shape) ? weight.shape : [];
  return { kernel: [height, width] };
}

function labelTensor(labels: ArrayLike<number>): Tensor {
  return tensor([labels?.length], labels);
}
