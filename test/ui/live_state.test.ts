import { expect, test } from 'vitest';
import {
  type DashboardState,
  elapsedSeconds,
  newState,
  recallsOf,
  takeEvent,
} from '../../src/ui/live_state.ts';
import { data, device, end, epoch, past, reading, start, step } from './events.ts';

const take = (state: DashboardState, ...events: Parameters<typeof takeEvent>[1][]) => {
  for (const event of events) takeEvent(state, event, [`told of ${event.type}`], 0);
  return state;
};
const begun = () => take(newState(), device, data(), start);
const texts = ({ messages }: DashboardState) => messages.map(({ text }) => text);

test('what is read is known until it is complete', () => {
  const state = take(newState(), device, reading, { ...reading, stage: 'list', total: undefined });
  expect([...state.reading.keys()]).toEqual(['decode photos', 'list photos']);
  take(state, { ...reading, done: 1200 });
  expect([...state.reading.keys()]).toEqual(['list photos']);
  take(state, { ...reading, note: 'one image is odd' });
  expect(state.reading.size).toBe(1);
  take(state, data());
  expect(state.reading.size).toBe(0);
});

test('steps: curves from the first on, busy share, time by activity, time left', () => {
  const state = take(begun(), step(1), step(2));
  expect(state.loss.train.points.map(({ x }) => x)).toEqual([1, 2]);
  expect(state.accuracy.train.points).toHaveLength(2);
  expect(state.recent.device / state.recent.all).toBeCloseTo(0.9);
  expect(state.time).toMatchObject({ device: 0.16, data: 0.02 });
  // 198 steps of a tenth of a second.
  expect(state.secondsLeft).toBeCloseTo(19.8);
});

test('an epoch: validation, recalls, the best, and the time left goes on from what it says', () => {
  const state = take(begun(), step(1), epoch(1), step(51));
  expect(recallsOf(state)).toEqual([65 / 66, 64 / 65]);
  expect(state.best).toEqual({ epoch: 1, balancedAccuracy: 0.58 });
  expect(state.loss.validation.points).toEqual([{ x: 50, y: 0.7000000000000001 }]);
  expect(state.secondsLeft).toBeCloseTo(16.2 - 0.1);
  take(state, epoch(3));
  expect(state.best!.epoch).toBe(1);
});

test('gone on with: curves, recalls and the best of before; time left by the pace of now', () => {
  const goneOn = { ...start, resumed: { step: 100, epoch: 2 } };
  const state = take(newState(), device, data(), goneOn, past, step(101));
  expect(state.loss.train.points.map(({ x }) => x)).toEqual([1, 20, 40, 60, 80, 100, 101]);
  expect(state.accuracy.validation.points.map(({ x, y }) => [x, y])).toEqual([
    [50, 0.58],
    [100, 0.66],
  ]);
  expect(recallsOf(state)).toEqual([70 / 71, 69 / 70]);
  expect(state.best).toEqual({ epoch: 2, balancedAccuracy: 0.66 });
  // 99 steps of a tenth of a second.
  expect(state.secondsLeft).toBeCloseTo(9.9);
});

test('where the clock knows the end: what it has left, less what was used before', () => {
  const state = take(newState(), device, data(), { ...start, epochs: null, budget: 60 }, step(1));
  expect(state.secondsLeft).toBeCloseTo(57.9);
  expect(take(begun(), { ...start, budget: 5 }, step(1)).secondsLeft).toBeCloseTo(2.9);
});

test('a rollback takes back the curves', () => {
  const state = take(begun(), step(1), step(2), step(3));
  take(state, { type: 'rollback', backToStep: 1 } as Parameters<typeof takeEvent>[1]);
  expect(state.loss.train.points.map(({ x }) => x)).toEqual([1]);
  expect(state.accuracy.train.points.map(({ x }) => x)).toEqual([1]);
});

test('messages: the lines of the plain output; of epochs and the end short ones; the last 200', () => {
  const state = take(begun(), epoch(1), epoch(3), end());
  expect(texts(state)).toEqual([
    'told of device',
    'told of data',
    'told of start',
    'Epoch 1: balanced accuracy 58.0%, validation loss 0.700, the best so far',
    'Epoch 3: balanced accuracy 74.0%, validation loss 0.500',
    'It finds 80 of 100 birds; 11% of what it calls bird is something else.',
    'Done after 4 epochs and 200 steps, 21 s',
  ]);
  expect(state.ended!.grade).toBe('good');
  const poor = { ...end().results, betterThanMajority: false };
  take(state, { ...end(), results: poor });
  expect(texts(state).at(-2)).toMatch(/^It is no better than guessing: it finds 80 of 100 birds/);
  expect(state.ended!.grade).toBe('poor');
  for (let n = 0; n < 300; n++) take(state, { ...start });
  expect(state.messages).toHaveLength(200);
});

test('a checkpoint is known by step and time', () => {
  const state = begun();
  takeEvent(state, { type: 'checkpoint', epoch: 1, step: 7 }, [], 123);
  expect(state.saved).toEqual({ step: 7, at: 123 });
});

test('time goes by from the first event on; the run knows what it used before, and its end', () => {
  const state = newState();
  expect(elapsedSeconds(state, 9000)).toBe(0);
  takeEvent(state, device, [], 1000);
  expect(elapsedSeconds(state, 4500)).toBe(3.5);
  takeEvent(state, { ...start, spent: 60 }, [], 5000);
  expect(elapsedSeconds(state, 7000)).toBe(62);
  takeEvent(state, end(), [], 8000);
  expect(elapsedSeconds(state, 99_000)).toBe(21);
});

test('recalls by epoch: of two classes each, of more the lowest and the mean', () => {
  const points = ({ recalls }: DashboardState) => recalls.map((series) => series.points.map(({ y }) => y));
  expect(points(take(begun(), step(1), epoch(1)))).toEqual([[65 / 66], [64 / 65]]);
  const many = take(newState(), device, data(['a', 'b', 'c']), start, step(1), epoch(1, 3));
  expect(points(many)).toEqual([[Math.min(...recallsOf(many))], [0.58]]);
  take(many, { type: 'rollback', backToStep: 1 } as Parameters<typeof takeEvent>[1]);
  expect(points(many)).toEqual([[], []]);
});

test('names can do nothing to a terminal', () => {
  const bad = 'a\x1b[31m\x9b2J\n\u202eb';
  const state = take(
    newState(),
    { ...device, sources: [bad], description: bad },
    { ...reading, source: bad },
    { ...data([bad, 'b']) },
  );
  take(state, { ...reading, source: bad }, { ...start, run: bad });
  const all = JSON.stringify([state, [...state.reading.values()]]);
  expect(all).toContain('a\ufffd[31m\ufffd2J\ufffd\ufffdb');
  expect(all).not.toMatch(/\\u001b|\\n|\x9b|\u202e/);
});
