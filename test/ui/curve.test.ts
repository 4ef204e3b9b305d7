import { describe, expect, test } from 'vitest';
import { drawChart } from '../../src/ui/curve.ts';
import { Series } from '../../src/ui/series.ts';

const draw = (curves: Parameters<typeof drawChart>[0], width: number, height: number, last: number) => {
  const chart = drawChart(curves, { width, height, first: 0, last, limits: [0, 1] });
  return { ...chart, text: chart.rows.map((row) => row.map(({ text }) => text).join('')) };
};
/** Too many for their marks. */
const line = (count: number, y: (x: number) => number) =>
  Array.from({ length: count }, (_, x) => ({ x, y: y(x) }));

describe('a chart', () => {
  test('two points at the corners: a line of dots, each where it belongs', () => {
    const points = [
      { x: 0, y: 0 },
      { x: 7, y: 1 },
    ];
    const { text, low, high } = draw([{ points, marked: true }], 4, 2, 8);
    expect([low, high]).toEqual([0, 1]);
    expect(text).toEqual(['  ⡠⠊', '⡠⠊  ']);
  });

  test('a step leaves no gap', () => {
    const { text } = draw([{ points: line(8, (x) => (x < 4 ? 0 : 1)), marked: true }], 4, 2, 8);
    expect(text).toEqual(['  ⡏⠉', '⣀⣀⠇ ']);
  });

  test('later curves lie on top, and each is known by its number', () => {
    const { rows } = draw(
      [
        { points: line(8, () => 0.5), marked: true },
        { points: line(4, () => 0.5), marked: true },
      ],
      4,
      1,
      8,
    );
    expect(rows[0]!.map(({ curve }) => curve)).toEqual([1, 1, 0, 0]);
  });

  test('points that are few are marked', () => {
    const points = [
      { x: 0, y: 0 },
      { x: 11, y: 1 },
    ];
    expect(draw([{ points, marked: true }], 6, 1, 12).text).toEqual(['•⠤⠤⠒⠒•']);
  });

  test('what is not marked is smoothed: the range shrinks to the means', () => {
    const noise = line(16, (x) => x % 2);
    expect(draw([{ points: noise, marked: true }], 8, 1, 16)).toMatchObject({ low: 0, high: 1 });
    const { low, high } = draw([{ points: noise }], 8, 1, 16);
    expect([low, high]).toEqual([expect.closeTo(0.3), expect.closeTo(0.7)]);
  });

  test('an axis ends at round numbers within the limits; without values it has all', () => {
    const { low, high } = draw([{ points: line(8, (x) => 0.5 + x / 30), marked: true }], 4, 2, 8);
    expect([low, high]).toEqual([0.5, expect.closeTo(0.8)]);
    expect(draw([{ points: [] }], 2, 1, 8)).toMatchObject({ text: ['  '], low: 0, high: 1 });
    const top = draw([{ points: line(3, () => 1), marked: true }], 4, 1, 8);
    expect(top.high).toBe(1);
    expect(top.low).toBeLessThan(1);
  });

  test('one value of a hundred does not flatten the others', () => {
    const points = line(100, (x) => (x === 50 ? 1 : x / 1000));
    expect(draw([{ points, marked: true }], 50, 4, 100).high).toBeCloseTo(0.12);
  });
});

describe('a series', () => {
  test('keeps all of 2,000 points, and half as many means of twice as many', () => {
    const series = new Series();
    for (let x = 1; x <= 2000; x++) series.add(x, x);
    expect(series.points).toHaveLength(2000);
    for (let x = 2001; x <= 4096; x++) series.add(x, x);
    expect(series.points.length).toBeLessThan(2048);
    expect(series.points[0]).toEqual({ x: 2.5, y: 2.5 });
    expect(series.points.at(-1)!.x).toBeGreaterThan(4090);
  });

  test('a million values: never more than 2,048 points, in order, of the same mean', () => {
    const series = new Series();
    for (let x = 1; x <= 2 ** 20; x++) series.add(x, x % 2);
    expect(series.points.length).toBeLessThan(2048);
    expect(series.points.every(({ x, y }, i, all) => y === 0.5 && x > (all[i - 1]?.x ?? 0))).toBe(true);
  });

  test('a value that is no number leaves no point', () => {
    const series = new Series();
    series.add(1, Number.NaN);
    series.add(2, Number.POSITIVE_INFINITY);
    series.add(3, 1);
    expect(series.points).toEqual([{ x: 3, y: 1 }]);
    expect(series.last).toBe(1);
  });

  test('what comes after a step is forgotten', () => {
    const series = new Series();
    for (let x = 1; x <= 5; x++) series.add(x, x);
    series.cutAfter(3);
    expect(series.points.map(({ x }) => x)).toEqual([1, 2, 3]);
  });
});
