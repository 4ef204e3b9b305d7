import { describe, expect, test } from 'vitest';
import { assertClose, assertSame } from './close.ts';

const tolerance = { absolute: 0.1, relative: 0.01 };

describe('assertClose', () => {
  test('allows the absolute plus the relative tolerance', () => {
    assertClose([1.1, 101], [1, 100], tolerance);
    assertClose([], [], tolerance);
    assertClose([Infinity], [Infinity], tolerance);
  });

  test('names the worst index, not the first', () => {
    expect(() => assertClose([1, 3, 9], [1, 2, 3], tolerance, 'loss')).toThrow(
      'loss[2]: expected 3, found 9',
    );
  });

  test('refuses another length, NaN and infinity', () => {
    expect(() => assertClose([1], [1, 2], tolerance)).toThrow('expected 2 values, found 1');
    expect(() => assertClose([1, Number.NaN], [1, 2], tolerance)).toThrow('[1]: expected 2, found NaN');
    expect(() => assertClose([Infinity], [1], tolerance)).toThrow('found Infinity');
  });
});

test('assertSame tells 0 from -0, and names the first difference', () => {
  assertSame(Float32Array.of(1, Number.NaN), Float32Array.of(1, Number.NaN));
  expect(() => assertSame(Float32Array.of(1, 0), Float32Array.of(1, -0))).toThrow('[1]: expected exactly');
  expect(() => assertSame(Float32Array.of(1), Float32Array.of())).toThrow('expected 0 values, found 1');
});
