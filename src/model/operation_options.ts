/** The options of single operations: a table says which ones an operation takes and what each is for the addon. */
import type { OperationAttributes } from './addon.ts';

/** What the addon gets for a value. Throws what was expected; the addon checks the numbers. */
type Reader = (value: unknown) => OperationAttributes;
type Options = ReadonlyMap<string, Reader>;

const unchanged = (name: keyof OperationAttributes): [string, Reader] => [
  name,
  (value) => ({ [name]: value }) as OperationAttributes,
];
const size = (name: 'stride' | 'dilation'): [string, Reader] => [name, (value) => ({ [name]: pair(value) })];
const padding: [string, Reader] = ['padding', (value) => ({ padding: sides(value) })];

const convolution: Options = new Map([size('stride'), padding, size('dilation'), unchanged('groups')]);
const kernelSize: [string, Reader] = ['kernelSize', (value) => ({ kernel: pair(value) })];
const inputSize: [string, Reader] = ['inputSize', (value) => ({ inputSize: pair(value) })];
const pooling: Options = new Map<string, Reader>([
  // The default stride of pooling is its size.
  ['kernelSize', (value) => ({ kernel: pair(value), stride: pair(value) })],
  size('stride'),
  padding,
]);
const averagePooling: Options = new Map([...pooling, unchanged('countIncludePad')]);
const crossEntropy: Options = new Map([
  ['classWeights', (value) => ({ classWeights: weights(value) })],
  unchanged('labelSmoothing'),
]);
const batchNorm: Options = new Map([unchanged('epsilon')]);
const dropout: Options = new Map([
  unchanged('rate'),
  unchanged('seed'),
  unchanged('step'),
  unchanged('stream'),
]);
const none: Options = new Map();

/** By operation; the rest takes none. All of them take `device`. */
const optionsOf: ReadonlyMap<string, Options> = new Map([
  ['conv2d', convolution],
  ['conv2dInputGradient', new Map([...convolution, inputSize])],
  ['conv2dWeightGradient', new Map([...convolution, kernelSize])],
  ['maxPool2d', pooling],
  ['maxPool2dGradient', pooling],
  ['avgPool2d', averagePooling],
  ['avgPool2dGradient', averagePooling],
  ['crossEntropy', crossEntropy],
  ['crossEntropyGradient', crossEntropy],
  ['batchNorm2d', batchNorm],
  ['batchNorm2dInference', batchNorm],
  ['batchNorm2dGradient', batchNorm],
  ['dropout', dropout],
  ['dropoutGradient', dropout],
]);
/** Options that have no default. */
const needed: ReadonlySet<string> = new Set(['kernelSize', 'inputSize', 'rate', 'seed']);

/**
 * The options of an operation as the addon takes them. `undefined` is not given.
 * @throws an Error that names the option
 */
export function readOptions(operation: string, given: object): OperationAttributes {
  if (given === null || typeof given !== 'object' || Array.isArray(given))
    throw new TypeError(`expected an object of options, found ${shown(given)}`);
  const options = optionsOf.get(operation) ?? none;
  const values = new Map(Object.entries(given).filter(([, value]) => value !== undefined));
  values.delete('device');
  for (const name of values.keys())
    if (!options.has(name))
      throw new TypeError(
        `expected no options but ${[...options.keys(), 'device'].join(', ')}, found ${name}`,
      );
  const attributes: OperationAttributes = {};
  for (const [name, read] of options) {
    if (values.has(name)) Object.assign(attributes, readOne(name, read, values.get(name)));
    else if (needed.has(name)) throw new TypeError(`expected the option ${name}, which has no default`);
  }
  return attributes;
}

function readOne(name: string, read: Reader, value: unknown): OperationAttributes {
  try {
    return read(value);
  } catch (error) {
    throw new TypeError(`expected ${(error as Error).message} for ${name}, found ${shown(value)}`);
  }
}

/** [height, width] of a size. */
function pair(value: unknown): [number, number] {
  if (typeof value === 'number') return [value, value];
  if (isNumbers(value, 2)) return value as [number, number];
  throw new Error('one number or [height, width]');
}

/** [top, bottom, left, right] of a padding. */
function sides(value: unknown): [number, number, number, number] {
  if (typeof value === 'number') return [value, value, value, value];
  if (isNumbers(value, 4)) return value as [number, number, number, number];
  if (isNumbers(value, 2)) return [value[0]!, value[0]!, value[1]!, value[1]!];
  throw new Error('one number, [vertical, horizontal] or [top, bottom, left, right]');
}

function weights(value: unknown): number[] {
  if (Array.isArray(value) && value.length > 0) return value;
  throw new Error('an array of one weight a class');
}

function isNumbers(value: unknown, length: number): value is number[] {
  return Array.isArray(value) && value.length === length && value.every((one) => typeof one === 'number');
}

function shown(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}
