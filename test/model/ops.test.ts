/** The typed operations: each against PyTorch's numbers, so that no option gets lost on the way to the device. */
import { describe, expect, test } from 'vitest';
import { ops } from '../../src/index.ts';
import type { OperationAttributes, Tensor } from '../../src/model/addon.ts';
import { assertClose, operationTolerance } from '../close.ts';
import { type OperationCase, readJson, readTensors } from '../native/fixture.ts';

const cases = readJson<OperationCase[]>('operations.json');
const fixture = readTensors('operations.safetensors');

const read = (name: string): Tensor => ops.tensor(fixture(name).shape, fixture(name).data);

type Call = (inputs: Tensor[], attributes: OperationAttributes) => Promise<Tensor[]>;

const window = ({ stride, padding, dilation, groups }: OperationAttributes) => ({
  stride,
  padding,
  dilation,
  groups,
});
const pool = ({ kernel, stride, padding, countIncludePad }: OperationAttributes) => ({
  kernelSize: kernel!,
  stride,
  padding,
  countIncludePad,
});
const both = ({ weight, bias }: { weight: Tensor; bias: Tensor }) => [weight, bias];
const dropout = ({ rate, seed, step, stream }: OperationAttributes) => ({
  rate: rate!,
  seed: seed!,
  step,
  stream,
});

const calls: Record<string, Call> = {
  conv2d: async ([x, w, b], a) => [await ops.conv2d(x!, w!, b, window(a))],
  conv2dInputGradient: async ([dy, w], a) => [
    await ops.conv2dInputGradient(dy!, w!, a.inputSize!, window(a)),
  ],
  conv2dWeightGradient: async ([dy, x], a) =>
    both(await ops.conv2dWeightGradient(dy!, x!, a.kernel!, window(a))),
  maxPool2d: async ([x], a) => [await ops.maxPool2d(x!, pool(a))],
  maxPool2dGradient: async ([dy, x], a) => [await ops.maxPool2dGradient(dy!, x!, pool(a))],
  avgPool2d: async ([x], a) => [await ops.avgPool2d(x!, pool(a))],
  avgPool2dGradient: async ([dy, x], a) => [await ops.avgPool2dGradient(dy!, x!, pool(a))],
  globalAvgPool2d: async ([x]) => [await ops.globalAvgPool2d(x!)],
  globalAvgPool2dGradient: async ([dy, x]) => [await ops.globalAvgPool2dGradient(dy!, x!)],
  dense: async ([x, w, b]) => [await ops.dense(x!, w!, b)],
  denseInputGradient: async ([dy, w]) => [await ops.denseInputGradient(dy!, w!)],
  denseWeightGradient: async ([dy, x]) => both(await ops.denseWeightGradient(dy!, x!)),
  relu: async ([x]) => [await ops.relu(x!)],
  reluGradient: async ([dy, x]) => [await ops.reluGradient(dy!, x!)],
  softmax: async ([x]) => [await ops.softmax(x!)],
  crossEntropy: async ([x, labels], a) => [
    ops.tensor([1], [await ops.crossEntropy(x!, Int32Array.from(labels!.data), a)]),
  ],
  crossEntropyGradient: async ([x, labels], a) => [
    await ops.crossEntropyGradient(x!, Array.from(labels!.data), a),
  ],
  batchNorm2d: async ([x, w, b], a) => {
    const { y, mean, variance } = await ops.batchNorm2d(x!, w!, b!, a);
    return [y, mean, variance];
  },
  batchNorm2dInference: async ([x, w, b, mean, variance], a) => [
    await ops.batchNorm2dInference(x!, w!, b!, mean!, variance!, a),
  ],
  batchNorm2dGradient: async ([dy, x, w], a) => {
    const gradients = await ops.batchNorm2dGradient(dy!, x!, w!, a);
    return [gradients.x, gradients.weight, gradients.bias];
  },
  dropout: async ([x], a) => [await ops.dropout(x!, dropout(a))],
  relu6: async ([x]) => [await ops.relu6(x!)],
  relu6Gradient: async ([dy, x]) => [await ops.relu6Gradient(dy!, x!)],
  add: async ([a, b]) => [await ops.add(a!, b!)],
  dropoutGradient: async ([dy], a) => [await ops.dropoutGradient(dy!, dropout(a))],
};

test('every operation has its function', () => {
  const { tensor: _, ...functions } = ops;
  expect(Object.keys(functions).sort()).toEqual(Object.keys(calls).sort());
  expect([...new Set(cases.map(({ operation }) => operation))].sort()).toEqual(Object.keys(calls).sort());
});

test.each(cases)('$operation: $name', async ({ operation, attributes, inputs, outputs }) => {
  const results = await calls[operation]!(inputs.map(read), attributes);
  expect(results.map(({ shape }) => shape)).toEqual(outputs.map((name) => read(name).shape));
  for (const [i, name] of outputs.entries())
    assertClose(results[i]!.data, read(name).data, operationTolerance, name);
});

describe('short forms and refusals', () => {
  const ones = (...shape: number[]) =>
    ops.tensor(shape, new Float32Array(shape.reduce((a, b) => a * b)).fill(1));

  test('one number serves both axes and all sides; a pool steps by its size', async () => {
    const y = await ops.conv2d(ones(1, 1, 4, 4), ones(1, 1, 3, 3), undefined, { padding: 1, stride: 2 });
    expect(y).toEqual(ops.tensor([1, 1, 2, 2], [4, 6, 6, 9]));
    expect((await ops.maxPool2d(ones(1, 1, 4, 6), { kernelSize: 2 })).shape).toEqual([1, 1, 2, 3]);
    const wide = await ops.avgPool2d(ones(1, 1, 2, 2), { kernelSize: 2, stride: 1, padding: [0, 1] });
    expect(wide).toEqual(ops.tensor([1, 1, 1, 3], [0.5, 1, 0.5]));
  });

  test('shapes that do not go together are refused by name', async () => {
    await expect(ops.conv2d(ones(1, 2, 4, 4), ones(1, 3, 3, 3))).rejects.toThrow(/^\[conv2d\] /);
    await expect(ops.dense(ones(1, 2), ones(4, 3))).rejects.toThrow(/^\[dense\] /);
  });

  test('a device that is not there is refused', async () => {
    const run = ops.relu(ones(1), { device: 'gpu' as never });
    await expect(run).rejects.toThrow(/gpu/);
  });
});
