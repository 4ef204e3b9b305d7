/** NaN, infinities, numbers at the ends of float32 and sizes of 0: every operation of every backend as PyTorch. */
import { describe, expect, test } from 'vitest';
import type { Tensor } from '../../src/model/addon.ts';
import { assertClose, operationTolerance } from '../close.ts';
import { addon, devices } from './devices.ts';
import { type OperationCase, readJson, readTensors } from './fixture.ts';
import { birbsLike, everyLayer } from './networks.ts';
import { drawImages } from './numbers.ts';

const cases = readJson<OperationCase[]>('extremes.json');
const everyKind = new Set(readJson<OperationCase[]>('operations.json').map(({ operation }) => operation));
const tensor = readTensors('extremes.safetensors');

function read(name: string): Tensor {
  const { shape, data } = tensor(name);
  return { shape, data: Float32Array.from(data) };
}

/** NaN and infinities stand where they should, and all else is close. */
function assertAlike(actual: Float32Array, expected: Float32Array, what: string): void {
  const special = (values: Float32Array) => [...values].map((value) => (Number.isFinite(value) ? 0 : value));
  const finite = (values: Float32Array) => values.map((value) => (Number.isFinite(value) ? value : 0));
  expect(special(actual), what).toEqual(special(expected));
  assertClose(finite(actual), finite(expected), operationTolerance, what);
}

test('the fixture has a case of every operation', () => {
  expect(new Set(cases.map(({ operation }) => operation))).toEqual(everyKind);
});

describe.each(devices)('%s', (device) => {
  test.each(cases)('$operation: $name', async ({ operation, attributes, inputs, outputs }) => {
    const results = await addon.runOperation(device, operation, inputs.map(read), attributes);
    expect(results.length).toBe(outputs.length);
    for (const [i, name] of outputs.entries()) {
      const expected = read(name);
      expect(results[i]!.shape).toEqual(expected.shape);
      assertAlike(results[i]!.data, expected.data, `output ${i + 1}`);
    }
  });

  test.each([
    { name: 'birbs', network: birbsLike(16, 24, 2, [8, 16, 32]), middle: 4 },
    { name: 'every layer', network: everyLayer(15, 11, 4), middle: 2 },
  ])('$name: NaN in one weight is in every answer and in the loss', async ({ network, middle }) => {
    const optimizer = { kind: 'sgd' } as const;
    const options = { device, network, seed: 7, batchSize: 2, threads: 1, optimizer };
    const session = await addon.createSession(options);
    const values = await session.getParameters();
    // In the middle of the first window: it meets every pixel.
    values[middle] = Number.NaN;
    await session.setParameters(values);
    const images = drawImages(1, 2, network.input.height, network.input.width);
    expect([...(await session.predict(images, 2))].filter((logit) => !Number.isNaN(logit))).toEqual([]);
    expect((await session.gradients(images, Int32Array.of(0, 1))).loss).toBeNaN();
    await session.dispose();
  });

  test.each([...everyKind])('%s: no elements are refused in one sentence', async (operation) => {
    const { attributes, inputs } = cases.find((each) => each.operation === operation)!;
    for (const which of inputs.keys()) {
      const given = inputs.map(read);
      given[which] = { shape: [0, ...given[which]!.shape.slice(1)], data: new Float32Array() };
      await expect(addon.runOperation(device, operation, given, attributes)).rejects.toThrow(
        `xpected a whole number from 1 to 2147483647 for inputs[${which}].shape[0] but received 0`,
      );
    }
  });
});
