import { expect, test } from 'vitest';
import { openWatch } from '../../src/training/notices.ts';
import { noTime } from '../../src/training/stopwatch.ts';
import type { EpochEvent, StepEvent } from '../../src/training/training_events.ts';

const names = ['bird', 'not-bird'];
const fine = [
  [3, 1],
  [1, 3],
];
const epoch = (number: number, trainLoss: number, loss: number, confusion = fine) =>
  ({
    type: 'epoch',
    epoch: number,
    step: number * 10,
    trainLoss,
    validation: { loss, confusion, perClass: [] },
  }) as unknown as EpochEvent;
const step = (number: number, seconds: number) =>
  ({ type: 'step', epoch: 1, step: number, time: { ...noTime(), device: seconds } }) as StepEvent;
const plenty = async () => 1e12;

async function kindsOf(events: (EpochEvent | StepEvent)[], history: EpochEvent[] = [], free = plenty) {
  const watch = openWatch('run', names, history, free);
  const found: [string, number][] = [];
  for (const event of events) for (const { kind, step } of await watch.note(event)) found.push([kind, step]);
  return found;
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

test.each([
  ['a run that learns', numbers(9).map((n) => epoch(n, 1 / n, 1 / n)), []],
  [
    'a loss that stays, told once',
    numbers(9).map((n) => epoch(n, 0.66 + n * 1e-4, 0.7)),
    [['loss-stuck', 50]],
  ],
  ['a loss with nowhere to go', numbers(9).map((n) => epoch(n, 0.001, 0.7)), []],
  ['images learnt by heart', numbers(9).map((n) => epoch(n, 1 / n, 0.5 + n / 10)), [['overfitting', 60]]],
  ['ups and downs', numbers(9).map((n) => epoch(n, 1 / n, 0.5 + (n % 3) / 10)), []],
  [
    'one answer only, three times',
    numbers(5).map((n) =>
      epoch(n, 1 / n, 1 / n, [
        [0, 4],
        [0, 4],
      ]),
    ),
    [['one-answer', 30]],
  ],
  [
    'one answer, but another each time',
    numbers(6).map((n) =>
      epoch(
        n,
        1 / n,
        1 / n,
        n % 2
          ? [
              [0, 4],
              [0, 4],
            ]
          : [
              [4, 0],
              [4, 0],
            ],
      ),
    ),
    [],
  ],
] as const)('%s', async (_, events, found) => {
  expect(await kindsOf([...events])).toEqual(found);
});

test('what passed is told again when it comes back', async () => {
  const stuck = (from: number) => numbers(6).map((n) => epoch(from + n, 0.7, 0.7));
  const events = [...stuck(0), epoch(7, 0.3, 0.7), ...stuck(7)];
  expect(await kindsOf(events)).toEqual([
    ['loss-stuck', 50],
    ['loss-stuck', 120],
  ]);
});

test('a run that is gone on with is not told what it was told', async () => {
  const all = numbers(9).map((n) => epoch(n, 0.7, 0.7));
  expect(await kindsOf(all.slice(6), all.slice(0, 6))).toEqual([]);
  expect(await kindsOf(all.slice(3), all.slice(0, 3))).toEqual([['loss-stuck', 50]]);
});

test('a pace that collapses, and not one slow moment', async () => {
  const steady = numbers(200).map((n) => step(n, 0.01));
  const moment = numbers(60).map((n) => step(200 + n, 0.1));
  const slow = numbers(200).map((n) => step(300 + n, 0.05));
  expect(await kindsOf([...steady, ...moment, ...numbers(90).map((n) => step(260 + n, 0.01))])).toEqual([]);
  expect(await kindsOf([...steady, ...slow])).toEqual([['slow', 450]]);
});

test('a disk that fills', async () => {
  expect(await kindsOf([step(1, 0.01), step(2, 0.01)], [], async () => 1e8)).toEqual([['disk-filling', 1]]);
});
