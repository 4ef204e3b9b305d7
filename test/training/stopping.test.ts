import { expect, test } from 'vitest';
import type { Metrics } from '../../src/metrics/metrics.ts';
import { afterEpoch, afterPlateau, fresh, isBetter, noPlateau } from '../../src/training/stopping.ts';

test.each([
  ['more is better', 'auroc', 0.9, 0.8, 0, true],
  ['less is not', 'auroc', 0.7, 0.8, 0, false],
  ['the same is not', 'auroc', 0.8, 0.8, 0, false],
  ['of the loss, less is', 'loss', 0.7, 0.8, 0, true],
  ['too little is not', 'accuracy', 0.805, 0.8, 0.01, false],
  ['too little of the loss is not', 'loss', 0.795, 0.8, 0.01, false],
  ['NaN never', 'loss', Number.NaN, 0.8, 0, false],
  ['NaN not even at first', 'f1', Number.NaN, null, 0, false],
  ['anything at first', 'f1', 0, null, 0.5, true],
] as const)('%s', (_, metric, value, best, minChange, better) => {
  expect(isBetter(metric, value, best, minChange)).toBe(better);
});

test('patience counts the epochs since the best', () => {
  let patience = fresh;
  const counts = [0.5, 0.6, 0.55, Number.NaN, 0.6, 0.7].map((balancedAccuracy) => {
    patience = afterEpoch(patience, 'balancedAccuracy', { balancedAccuracy } as Metrics, 0);
    return patience.epochs;
  });
  expect(counts).toEqual([0, 0, 1, 2, 3, 0]);
});

test("on a plateau the rate falls as PyTorch's ReduceLROnPlateau(factor=0.1, patience=5) has it", () => {
  let plateau = noPlateau;
  // Written by torch 2.15.
  const losses = [
    1, 0.9, 0.95, 0.91, 0.9, 0.89999, 0.95, 0.92, 0.91, 0.8, 0.81, 0.82, 0.83, 0.84, 0.85, 0.86,
  ];
  const factors = losses.map((loss) => {
    plateau = afterPlateau(plateau, loss);
    return plateau.factor;
  });
  const torch = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.01];
  for (const [i, factor] of torch.entries()) expect(factors[i]).toBeCloseTo(factor, 12);
});
