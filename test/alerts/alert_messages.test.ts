import { expect, test } from 'vitest';
import { endAlert } from '../../src/alerts/alert_messages.ts';
import { end } from '../ui/events.ts';

test('the end of a run: how it ended and what it is worth', () => {
  const { results } = end();
  expect(endAlert('runs/night', results).text).toBe(
    'done after 4 epochs and 200 steps: best balanced accuracy 85.0% (epoch 4). It finds 80 of 100 birds; 11% of what it calls bird is something else.',
  );
  expect(endAlert('runs/night', { ...results, stopped: 'time', best: null }).text).toBe(
    'done (time) after 4 epochs and 200 steps: nothing was validated.',
  );
});
