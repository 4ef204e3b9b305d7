/** The axis of steps below a chart: it goes to the end of the run as soon as the curves would still be seen. */
import { count, duration } from '../base/words.ts';
import type { DashboardState } from './live_state.ts';

/** Steps that the axis has at least. */
const FIRST_STEPS = 32;
/** The whole run is shown once this share of it is done. */
const SEEN = 1 / 16;

type Run = Pick<DashboardState, 'start' | 'step' | 'steps' | 'time' | 'secondsLeft' | 'ended'>;

export interface StepAxis {
  /** The step at the right. */
  last: number;
  /** What to say of it: the longest first. */
  ends: string[];
}

/** Until the whole run is shown the axis is doubled as often as needed. */
export function axisOf(run: Run): StepAxis {
  const { step, start } = run;
  const whole = wholeRun(run);
  const shown = Math.max(FIRST_STEPS, step);
  const all = Number.isFinite(whole) && shown >= whole * SEEN;
  const last = all ? whole : Math.min(whole, 2 ** Math.ceil(Math.log2(shown)));
  const ends = [`step ${count(last)}`];
  if (!all && Number.isFinite(whole)) ends.unshift(`step ${count(last)} of ${count(whole)}`);
  if (all && start && start.epochs === null && start.budget !== null && !run.ended)
    ends.splice(0, 1, `${duration(start.budget)}, about step ${count(last)}`, duration(start.budget));
  return { last, ends };
}

/** Steps of the run, where that is known: by its epochs, by its time at the pace so far, or as it has ended. */
function wholeRun({ start, step, steps, time, secondsLeft, ended }: Run): number {
  if (ended) return Math.max(1, step);
  if (start && start.epochs !== null) return Math.max(step, start.epochs * start.stepsPerEpoch);
  const worked = time.data + time.device + time.host + time.saving + time.validation;
  const left = ((secondsLeft ?? Number.NaN) * steps) / worked;
  return Number.isFinite(left) ? Math.max(step, rounded(step + left)) : Number.POSITIVE_INFINITY;
}

/** Up to two digits, so that the axis rests while the pace varies. */
function rounded(steps: number): number {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(steps)) - 1);
  return Math.ceil(steps / unit) * unit;
}
