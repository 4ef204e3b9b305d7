import { expect, test } from 'vitest';
import { type ChartOptions, chartLines } from '../../src/ui/terminal_chart.ts';

const chart = (width: number, height: number, values: [string, string]) => {
  const points = [
    { x: 0, y: 0.25 },
    { x: 99, y: 0.75 },
  ];
  const options: ChartOptions = {
    ...{ title: 'balanced accuracy', width, height, last: 100, limits: [0, 1] },
    ends: ['step 100 of 2,000', 'step 100'],
    curves: [
      { points, name: 'train', value: values[0] },
      { points: [], name: 'val', value: values[1], marked: true },
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
    '      └0 ──────────── step 100 of 2,000 ',
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

test('what is said of the end is what there is room for', () => {
  const foot = (width: number) => chart(width, 4, ['1%', '1%']).at(-1)!;
  expect(foot(33)).toBe('      └0 ───── step 100 of 2,000 ');
  expect(foot(30)).toBe('      └0 ─────────── step 100 ');
});

test('one curve stands out, with its name', () => {
  const curves = [{ points: [], name: 'now', value: '320' }];
  const lines = chartLines({
    ...{ title: 'images a second', width: 40, height: 4, last: 9, limits: [0, 999], ends: ['step 9'] },
    ...{ curves, label: String },
  });
  expect(lines[0]).toBe(' images a second  now 320               ');
});
