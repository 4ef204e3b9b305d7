/** Every single operation against PyTorch's numbers, on every backend. */
import { describe, expect, test } from 'vitest';
import type { OperationAttributes, Tensor } from '../../src/model/addon.ts';
import { assertClose, operationTolerance } from '../close.ts';
import { addon, devices } from './devices.ts';
import { type OperationCase, readJson, readTensors } from './fixture.ts';
import { draw } from './numbers.ts';

const cases = readJson<OperationCase[]>('operations.json');
const tensor = readTensors('operations.safetensors');

const convolution = {
  kernel: [3, 3],
  stride: [1, 1],
  dilation: [1, 1],
  groups: 1,
} satisfies OperationAttributes;

function read(name: string) {
  const { shape, data } = tensor(name);
  return { shape, data: Float32Array.from(data) };
}

test('the fixture has a case of every operation', () => {
  expect([...new Set(cases.map((each) => each.operation))].sort()).toEqual(
    [
      ...['conv2d', 'conv2dInputGradient', 'conv2dWeightGradient', 'dense', 'denseInputGradient'],
      ...['denseWeightGradient', 'maxPool2d', 'maxPool2dGradient', 'avgPool2d', 'avgPool2dGradient'],
      ...['globalAvgPool2d', 'globalAvgPool2dGradient', 'relu', 'reluGradient', 'softmax', 'crossEntropy'],
      ...['crossEntropyGradient', 'batchNorm2d', 'batchNorm2dInference', 'batchNorm2dGradient', 'dropout'],
      ...['dropoutGradient', 'relu6', 'relu6Gradient', 'add'],
    ].sort(),
  );
});

describe.each(devices)('%s', (device) => {
  test.each(cases)('$operation: $name', async ({ operation, attributes, inputs, outputs }) => {
    const results = await addon.runOperation(device, operation, inputs.map(read), attributes);
    expect(results.length).toBe(outputs.length);
    for (const [i, name] of outputs.entries()) {
      const expected = read(name);
      expect(results[i]!.shape).toEqual(expected.shape);
      assertClose(results[i]!.data, expected.data, operationTolerance, `output ${i + 1}`);
    }
  });

  test('maxPool2d: a tie goes to the first in H, W order', async () => {
    const x = { shape: [1, 1, 2, 4], data: Float32Array.of(1, 5, 7, 7, 5, 5, 7, 7) };
    const dy = { shape: [1, 1, 1, 2], data: Float32Array.of(10, 20) };
    const attributes = {
      kernel: [2, 2],
      stride: [2, 2],
      padding: [0, 0, 0, 0],
    } satisfies OperationAttributes;
    const [dx] = await addon.runOperation(device, 'maxPool2dGradient', [dy, x], attributes);
    expect([...dx!.data]).toEqual([0, 10, 20, 0, 0, 0, 0, 0]);
  });

  test('maxPool2d: padding never wins', async () => {
    const x = { shape: [1, 1, 1, 2], data: Float32Array.of(-3, -2) };
    const attributes = {
      kernel: [2, 2],
      stride: [1, 1],
      padding: [1, 0, 1, 0],
    } satisfies OperationAttributes;
    const [y] = await addon.runOperation(device, 'maxPool2d', [x], attributes);
    expect([...y!.data]).toEqual([-3, -2]);
  });

  test('conv2dWeightGradient: a large batch is the sum of its images', async () => {
    const [count, attributes] = [19, { ...convolution, padding: [1, 0, 1, 1] } satisfies OperationAttributes];
    const [x, dy] = [draw(1, count, 2, 5, 4), draw(2, count, 3, 4, 4)];
    const image = ({ shape, data }: Tensor, n: number) => {
      const size = data.length / count;
      return { shape: [1, ...shape.slice(1)], data: data.slice(n * size, (n + 1) * size) };
    };
    const whole = await addon.runOperation(device, 'conv2dWeightGradient', [dy, x], attributes);
    const sums = whole.map(({ data }) => new Float64Array(data.length));
    for (let n = 0; n < count; n++) {
      const inputs = [image(dy, n), image(x, n)];
      const parts = await addon.runOperation(device, 'conv2dWeightGradient', inputs, attributes);
      for (const [k, { data }] of parts.entries()) {
        for (const [i, value] of data.entries()) sums[k]![i]! += value;
      }
    }
    for (const [k, { data }] of whole.entries()) assertClose(data, sums[k]!, operationTolerance);
  });
});

test('portable maxPool2d: NaN wins, as in PyTorch', async () => {
  const x = { shape: [1, 1, 1, 3], data: Float32Array.of(1, Number.NaN, 2) };
  const attributes = { kernel: [1, 3], stride: [1, 1], padding: [0, 0, 0, 0] } satisfies OperationAttributes;
  const [y] = await addon.runOperation('portable', 'maxPool2d', [x], attributes);
  expect([...y!.data]).toEqual([Number.NaN]);
});
