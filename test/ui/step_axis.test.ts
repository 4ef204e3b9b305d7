import { expect, test } from 'vitest';
import { noTime } from '../../src/training/stopwatch.ts';
import { axisOf } from '../../src/ui/step_axis.ts';
import { start } from './events.ts';

const ended = { status: 'done', advice: '', grade: undefined };
/** After some steps of a tenth of a second each. */
const run = (step: number, given: object, secondsLeft?: number) => ({
  ...{ step, steps: step, time: { ...noTime(), device: step / 10 }, secondsLeft, ended: undefined },
  start: { ...start, ...given },
});
const epochs = (count: number) => ({ epochs: count, stepsPerEpoch: 100 });

test('a short run has its end from the first step on', () => {
  expect(axisOf(run(1, epochs(3)))).toEqual({ last: 300, ends: ['step 300'] });
  expect(axisOf(run(0, epochs(1)))).toEqual({ last: 100, ends: ['step 100'] });
});

test('a long one names its end, and shows it once the curve would be seen', () => {
  expect(axisOf(run(1, epochs(100)))).toEqual({ last: 32, ends: ['step 32 of 10,000', 'step 32'] });
  expect(axisOf(run(600, epochs(100))).last).toBe(1024);
  expect(axisOf(run(625, epochs(100)))).toEqual({ last: 10_000, ends: ['step 10,000'] });
});

test('where the clock decides: the time, and the steps at the pace so far, rounded so that it rests', () => {
  const timed = { epochs: null, budget: 3600 };
  const axis = { last: 36_000, ends: ['1 h 0 min, about step 36,000', '1 h 0 min'] };
  expect(axisOf(run(6000, timed, 3000))).toEqual(axis);
  expect(axisOf(run(6000, timed, 2990))).toEqual(axis);
  expect(axisOf(run(40, timed, 3596)).ends[0]).toBe('step 64 of 36,000');
  expect(axisOf(run(0, timed)).ends).toEqual(['step 32']);
});

test('at the end it is where the run has ended', () => {
  expect(axisOf({ ...run(130, epochs(3)), ended })).toEqual({ last: 130, ends: ['step 130'] });
  const timed = { epochs: null, budget: 3600 };
  expect(axisOf({ ...run(1234, timed, 0), ended }).ends).toEqual(['step 1,234']);
});
