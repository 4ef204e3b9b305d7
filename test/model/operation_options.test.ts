/** Options of single operations that are wrong: each is refused by a sentence that names operation and option. */
import { describe, expect, test } from 'vitest';
import { ops } from '../../src/index.ts';
import type { Tensor } from '../../src/model/addon.ts';

const ones = (...shape: number[]): Tensor =>
  ops.tensor(shape, new Float32Array(shape.reduce((a, b) => a * b)).fill(1));
const [x, weight, channel, rows] = [ones(1, 2, 4, 4), ones(2, 2, 3, 3), ones(2), ones(2, 2)];
const y = ones(1, 2, 2, 2);

/** Every operation with inputs that fit it and the options it can't do without. */
type Call = (more?: object) => Promise<unknown>;
const pool = { kernelSize: 2 };
const drop = { rate: 0.5, seed: 1 };
const calls: Record<string, Call> = {
  conv2d: (more) => ops.conv2d(x, weight, channel, more),
  conv2dInputGradient: (more) => ops.conv2dInputGradient(y, weight, [4, 4], more),
  conv2dWeightGradient: (more) => ops.conv2dWeightGradient(y, x, 3, more),
  maxPool2d: (more) => ops.maxPool2d(x, { ...pool, ...more }),
  maxPool2dGradient: (more) => ops.maxPool2dGradient(y, x, { ...pool, ...more }),
  avgPool2d: (more) => ops.avgPool2d(x, { ...pool, ...more }),
  avgPool2dGradient: (more) => ops.avgPool2dGradient(y, x, { ...pool, ...more }),
  globalAvgPool2d: (more) => ops.globalAvgPool2d(x, more),
  globalAvgPool2dGradient: (more) => ops.globalAvgPool2dGradient(ones(1, 2, 1, 1), x, more),
  dense: (more) => ops.dense(rows, rows, channel, more),
  denseInputGradient: (more) => ops.denseInputGradient(rows, rows, more),
  denseWeightGradient: (more) => ops.denseWeightGradient(rows, rows, more),
  relu: (more) => ops.relu(x, more),
  reluGradient: (more) => ops.reluGradient(x, x, more),
  softmax: (more) => ops.softmax(rows, more),
  crossEntropy: (more) => ops.crossEntropy(rows, [0, 1], more),
  crossEntropyGradient: (more) => ops.crossEntropyGradient(rows, [0, 1], more),
  batchNorm2d: (more) => ops.batchNorm2d(x, channel, channel, more),
  batchNorm2dInference: (more) => ops.batchNorm2dInference(x, channel, channel, channel, channel, more),
  batchNorm2dGradient: (more) => ops.batchNorm2dGradient(x, x, channel, more),
  dropout: (more) => ops.dropout(x, { ...drop, ...more }),
  dropoutGradient: (more) => ops.dropoutGradient(x, { ...drop, ...more }),
};

test.each(Object.entries(calls))('%s refuses what it does not know', async (name, call) => {
  await call({ device: 'cpu' });
  await expect(call({ threads: -1 })).rejects.toThrow(
    new RegExp(`^\\[${name}\\] expected no options but (.*, )?device, found threads$`),
  );
  await expect(call({ device: 3 })).rejects.toThrow(`[${name}] expected a string for device but received 3`);
});

describe('values', () => {
  const wrong = [-1, 0.5, Number.NaN, Infinity, '2', true, null, {}, 2 ** 40];
  const sizes: [operation: string, option: string][] = [
    ['conv2d', 'stride'],
    ['conv2d', 'dilation'],
    ['conv2d', 'padding'],
    ['conv2d', 'groups'],
    ['conv2dInputGradient', 'stride'],
    ['conv2dWeightGradient', 'padding'],
    ['maxPool2d', 'kernelSize'],
    ['maxPool2dGradient', 'stride'],
    ['avgPool2d', 'padding'],
    ['dropout', 'seed'],
    ['dropout', 'step'],
    ['dropout', 'stream'],
  ];
  test.each(sizes)('%s: %s is one whole number or several', async (operation, option) => {
    for (const value of wrong) {
      // A seed or step may be large.
      if (value === 2 ** 40 && ['seed', 'step'].includes(option)) continue;
      const call = calls[operation]!({ [option]: value });
      await expect(call, String(value)).rejects.toThrow(/^\[\w+\] expected /);
    }
    if (operation === 'dropout' || option === 'groups') return;
    for (const value of [[], [1], [1, 1, 1], [1, -1], [1, Number.NaN], ['1', '1'], [1, 1, 1, 1, 1]]) {
      const call = calls[operation]!({ [option]: value });
      await expect(call, JSON.stringify(value)).rejects.toThrow(/^\[\w+\] expected /);
    }
  });

  const numbers: [operation: string, option: string, values: unknown[]][] = [
    ['dropout', 'rate', [-0.1, 1, Number.NaN, '0.5', null]],
    ['dropoutGradient', 'rate', [2, Number.NaN]],
    ['batchNorm2d', 'epsilon', [0, -1, Number.NaN, Infinity, '1']],
    ['crossEntropy', 'labelSmoothing', [-0.1, 1.1, Number.NaN, true]],
    ['crossEntropy', 'classWeights', [[], [1], [1, -1], [1, Number.NaN], 1, ['1', '1'], [0, 1]]],
    ['avgPool2d', 'countIncludePad', [1, 'true', null]],
  ];
  test.each(numbers)('%s: %s', async (operation, option, values) => {
    for (const value of values) {
      const call = calls[operation]!({ [option]: value });
      await expect(call, JSON.stringify(value)).rejects.toThrow(/^\[\w+\] expected /);
    }
  });

  test('undefined is not given', async () => {
    const given = { stride: undefined, padding: undefined, dilation: undefined, groups: undefined };
    expect(await calls.conv2d!(given)).toEqual(await calls.conv2d!());
    expect(await calls.maxPool2d!({ stride: undefined })).toEqual(await calls.maxPool2d!());
  });
});

test('what has no default must be given', async () => {
  await expect(ops.dropout(x, { seed: 1 } as never)).rejects.toThrow(
    '[dropout] expected the option rate, which has no default',
  );
  await expect(ops.dropout(x, { rate: 0.5 } as never)).rejects.toThrow('[dropout] expected the option seed');
  await expect(ops.maxPool2d(x, {} as never)).rejects.toThrow('[maxPool2d] expected the option kernelSize');
  await expect(ops.maxPool2d(x, undefined as never)).rejects.toThrow(
    '[maxPool2d] expected an object of options, found undefined',
  );
  await expect(ops.conv2dInputGradient(y, weight, undefined as never)).rejects.toThrow(
    '[conv2dInputGradient] expected the option inputSize',
  );
});

test.each([undefined, null, 3, 'x', {}, { shape: [2] }, { shape: [-1], data: new Float32Array(1) }])(
  'an input that is no tensor: %j',
  async (none) => {
    await expect(ops.relu(none as never)).rejects.toThrow(/^\[relu\] expected /);
    await expect(ops.conv2d(x, none as never)).rejects.toThrow(/^\[conv2d\] expected /);
    await expect(ops.crossEntropy(rows, none as never)).rejects.toThrow(/^\[crossEntropy\] expected /);
  },
);

test('a string is no list of numbers', async () => {
  await expect(ops.crossEntropy(rows, '01' as never)).rejects.toThrow(
    '[crossEntropy] expected a Float32Array of 2 elements for inputs[1].data but received "01"',
  );
  await expect(ops.relu(ops.tensor([2], '12' as never))).rejects.toThrow('[relu] expected a Float32Array');
});

test('a result of more elements than 32 bits count is refused', async () => {
  const one = ones(1, 1, 1, 1);
  await expect(ops.conv2d(one, one, undefined, { padding: 65_535 })).rejects.toThrow(
    '[conv2d] expected an output of 1 to 2^31 - 1 elements',
  );
});
