/** Every single operation against PyTorch's numbers, on every backend. */
import { describe, expect, test } from 'vitest';
import { assertClose, operationTolerance } from '../close.ts';
import { addon, devices } from './devices.ts';
import { type OperationCase, readJson, readTensors } from './fixture.ts';

const cases = readJson<OperationCase[]>('operations.json');
const tensor = readTensors('operations.safetensors');

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
      'dropoutGradient',
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

  test('maxPool2d: a tie goes to the first in H, W order, padding never wins, NaN does', async () => {
    const run = (operation: string, ...inputs: { shape: number[]; data: Float32Array }[]) =>
      addon.runOperation(device, operation, inputs, {
        kernel: [2, 2],
        stride: [2, 2],
        padding: [0, 0, 0, 0],
      });
    const x = { shape: [1, 1, 2, 4], data: Float32Array.of(1, 5, 7, 7, 5, 5, 7, 7) };
    const dy = { shape: [1, 1, 1, 2], data: Float32Array.of(10, 20) };
    const [dx] = await run('maxPool2dGradient', dy, x);
    expect([...dx!.data]).toEqual([0, 10, 20, 0, 0, 0, 0, 0]);

    const padded = { kernel: [2, 2], stride: [1, 1], padding: [1, 0, 1, 0] } as const;
    const negative = { shape: [1, 1, 1, 2], data: Float32Array.of(-3, -2) };
    const [y] = await addon.runOperation(device, 'maxPool2d', [negative], structuredClone(padded) as never);
    expect([...y!.data]).toEqual([-3, -2]);
  });
});
