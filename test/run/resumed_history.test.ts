/** What is told of a run that is gone on with. */
import { expect, test } from 'vitest';
import { pastOf } from '../../src/run/resumed_history.ts';
import type { LogLine } from '../../src/training/train_events.ts';
import type { EpochMetrics } from '../../src/training/training_state.ts';
import { epoch, step } from '../ui/events.ts';

test('a run that ended before it told anything', () => {
  expect(pastOf([], null)).toEqual({ type: 'past', steps: [], epochs: [], validation: null, best: null });
});

test('steps, validations, the last metrics, the best; nothing else of the log', () => {
  const notice = { type: 'notice', kind: 'slow', message: 'slow', epoch: 1, step: 30 } as const;
  const best = { epoch: 1, ...epoch(1).validation } as EpochMetrics;
  const past = pastOf([step(1), step(20), notice, epoch(1), step(60), epoch(2)], best);
  expect(past.steps).toEqual(
    [1, 20, 60].map((n) => ({ step: n, loss: step(n).loss, accuracy: step(n).accuracy })),
  );
  expect(past.epochs.map((point) => [point.step, point.balancedAccuracy])).toEqual([
    [50, 0.58],
    [100, 0.66],
  ]);
  expect(past.validation).toEqual(epoch(2).validation);
  expect(past.best).toEqual({ epoch: 1, balancedAccuracy: 0.58 });
});

test('of a long run not more than a thousand of each, the last included', () => {
  const lines: LogLine[] = [];
  for (let n = 1; n <= 2500; n++) lines.push(step(n), epoch(n));
  const { steps, epochs } = pastOf(lines, null);
  expect([steps.length, steps[0]!.step, steps.at(-1)!.step]).toEqual([834, 1, 2500]);
  expect([epochs.length, epochs.at(-1)!.step]).toEqual([834, 125_000]);
});
