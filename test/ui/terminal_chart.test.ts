import { expect, test } from 'vitest';
import { type ChartOptions, chartLines } from '../../src/ui/terminal_chart.ts';

const chart = (width: number, height: number, told: [string, string]) => {
  const points = [
    { x: 0, y: 0.25 },
    { x: 99, y: 0.75 },
  ];
  const options: ChartOptions = {
    ...{ title: 'balanced accuracy', width, height, last: 100, limits: [0, 1] },
    curves: [
      { points, told: told[0] },
      { points: [], told: told[1], marked: true },
    ],
    label: (value) => `${Math.round(100 * value)}%`,
  };
  return chartLines(options);
};

test('title, axes with their ends and their middle', () => {
  expect(chart(40, 7, ['75%', '–'])).toEqual([
    ' balanced accuracy  train 75%  val –    ',
    '   80%┤                            ⢀⣀⡠⠤ ',
    '      │                    ⣀⣀⡠⠤⠔⠒⠊⠉⠁    ',
    '   50%┤            ⣀⣀⠤⠤⠒⠒⠉⠉             ',
    '      │   ⢀⣀⡠⠤⠔⠒⠊⠉⠉                     ',
    '   20%┤⠒⠊⠉⠁                             ',
    '      └0 ───────────────────── step 100 ',
  ]);
});

test.each([30, 39, 40, 41, 44, 60, 100])('%i wide: each line is, whatever the numbers', (width) => {
  for (const told of [
    ['100%', '100.0%'],
    ['–', '–'],
    ['5%', '7.1%'],
  ] as [string, string][])
    expect(chart(width, 8, told).map((line) => line.length)).toEqual(Array(8).fill(width));
});

test('where there is little room the words go first', () => {
  expect(chart(40, 4, ['100%', '69.6%'])[0]).toBe(' balanced accuracy  train 100% val 69.6%');
  expect(chart(31, 4, ['100%', '69.6%'])[0]).toBe(' balanced accuracy  100%  69.6%');
  expect(chart(30, 4, ['100%', '69.6%'])[0]).toBe(' balanced accuracy 100% 69.6% ');
  expect(chart(20, 4, ['100%', '69.6%'])[0]).toBe(' balanced accuracy  ');
});
