import { expect, test } from 'vitest';
import { nearestImages } from '../../src/training/nearest.ts';

test('the most similar of the training images, by the angle of their features', () => {
  const known = {
    positions: Uint32Array.of(7, 3, 9, 5, 2),
    features: Float32Array.of(1, 0, 0, 2, 3, 3.1, -1, -1, 1, 1),
    width: 2,
    train: 4,
  };
  const found = nearestImages(known, 2, 2);
  expect(found.map(({ position }) => position)).toEqual([9, 7]);
  expect(found[0]!.similarity).toBeCloseTo(6.1 / Math.hypot(3, 3.1) / Math.SQRT2, 6);
  expect(found[1]!.similarity).toBeCloseTo(Math.SQRT1_2, 6);
  expect(nearestImages(known, 3, 9).map(({ position }) => position)).toEqual([9, 7, 5]);
  expect(nearestImages(known, 1, 2)).toEqual([]);
});
