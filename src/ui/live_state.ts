/** What the dashboard knows: each event of a training takes it a little further. */

import { displayName } from '../base/class_names.ts';
import { count, duration, percent, printable } from '../base/words.ts';
import { type DatasetProgress, isComplete } from '../data/meter.ts';
import { allCounts, type Metrics } from '../metrics/metrics.ts';
import type { Results } from '../training/results.ts';
import { noTime, type TimeSplit } from '../training/stopwatch.ts';
import type { PastEvent, StartEvent, TrainEvent } from '../training/train_events.ts';
import type { EpochEvent, StepEvent } from '../training/training_events.ts';
import { type Grade, gradeOf, verdictOf } from '../training/verdict.ts';
import { Series } from './series.ts';

/** Messages that are kept. */
const MOST_MESSAGES = 200;

export interface Message {
  /** Milliseconds since 1970. */
  at: number;
  text: string;
}

export interface DashboardState {
  /** Seconds of the run until `since` (milliseconds since 1970); undefined before the first event. */
  elapsed: { seconds: number; since: number } | undefined;
  deviceName: string;
  /** Name and description. */
  device: string;
  sources: string;
  /** What is read just now, by stage and source. */
  reading: Map<string, DatasetProgress>;
  start: StartEvent | undefined;
  classNames: string[];
  epoch: number;
  step: number;
  /** Of the epoch, 0 to 1. */
  progress: number;
  learningRate: number;
  imagesPerSecond: number;
  secondsLeft: number | undefined;
  /** Whether an epoch of this process has estimated the time left. */
  paced: boolean;
  loss: { train: Series; validation: Series };
  imageRate: Series;
  /** Of two classes the recall of each; of more the lowest and the mean. */
  recalls: [Series, Series];
  /** Of the batches plain accuracy, of the validation balanced accuracy. */
  accuracy: { train: Series; validation: Series };
  /** The last one. */
  validation: Metrics | undefined;
  best: { epoch: number; balancedAccuracy: number } | undefined;
  /** Of the last seconds: those in which the device worked, and all. */
  recent: { device: number; all: number };
  /** Seconds by activity since the first step. */
  time: TimeSplit;
  steps: number;
  saved: { step: number; at: number } | undefined;
  messages: Message[];
  /** How it ended; undefined while it runs. */
  ended: { status: string; advice: string; grade: Grade | undefined } | undefined;
}

export function newState(): DashboardState {
  const pair = () => ({ train: new Series(), validation: new Series() });
  return {
    ...{
      elapsed: undefined,
      deviceName: '',
      device: '',
      sources: '',
      reading: new Map(),
      start: undefined,
      classNames: [],
    },
    epoch: 0,
    step: 0,
    progress: 0,
    learningRate: 0,
    imagesPerSecond: 0,
    secondsLeft: undefined,
    paced: false,
    loss: pair(),
    accuracy: pair(),
    validation: undefined,
    best: undefined,
    imageRate: new Series(),
    recalls: [new Series(), new Series()],
    recent: { device: 0, all: 0 },
    time: noTime(),
    steps: 0,
    saved: undefined,
    messages: [],
    ended: undefined,
  };
}

/**
 * Takes an event in, in place.
 * @param lines what the plain output says of it
 * @param now milliseconds since 1970
 */
export function takeEvent(state: DashboardState, event: TrainEvent, lines: string[], now: number): void {
  const texts =
    event.type === 'epoch' ? [epochLine(event)] : event.type === 'end' ? endLines(event.results) : lines;
  for (const text of texts) if (text !== '') addMessage(state, text, now);
  state.elapsed ??= { seconds: 0, since: now };
  switch (event.type) {
    case 'device':
      state.deviceName = event.name;
      state.device = printable(`${event.name} (${event.description})`);
      state.sources = event.sources.map(printable).join(', ');
      break;
    case 'reading':
      takeReading(state, event);
      break;
    case 'data':
      state.classNames = event.classNames.map((name) => printable(displayName(name)));
      state.reading.clear();
      break;
    case 'start':
      state.start = { ...event, run: printable(event.run) };
      state.elapsed = { seconds: event.spent, since: now };
      [state.epoch, state.step] = [(event.resumed?.epoch ?? 0) + 1, event.resumed?.step ?? 0];
      break;
    case 'past':
      takePast(state, event);
      break;
    case 'step':
      takeStep(state, event);
      break;
    case 'epoch':
      takeEpoch(state, event);
      break;
    case 'rollback':
      for (const series of seriesOf(state)) series.cutAfter(event.backToStep);
      break;
    case 'checkpoint':
      state.saved = { step: event.step, at: now };
      break;
    case 'end':
      state.ended = endOf(event.results);
      state.elapsed = { seconds: event.results.seconds, since: now };
  }
}

function seriesOf({ loss, accuracy, imageRate, recalls }: DashboardState): Series[] {
  return [...Object.values(loss), ...Object.values(accuracy), imageRate, ...recalls];
}

/** Seconds of the run so far; it has its last once it has ended. */
export function elapsedSeconds({ elapsed, ended }: DashboardState, now: number): number {
  if (!elapsed) return 0;
  return elapsed.seconds + (ended ? 0 : Math.max(0, now - elapsed.since) / 1000);
}

/** What somebody should read, with its time. */
export function addMessage({ messages }: DashboardState, text: string, now: number): void {
  messages.push({ at: now, text });
  if (messages.length > MOST_MESSAGES) messages.shift();
}

/** Shorter than the plain one: the curves show the rest. */
function epochLine({ epoch, validation, isBest }: EpochEvent): string {
  const best = isBest ? ', the best so far' : '';
  return `Epoch ${epoch}: balanced accuracy ${percent(validation.balancedAccuracy)}, validation loss ${validation.loss.toFixed(3)}${best}`;
}

/** The summary has the rest. */
function endLines(results: Results): string[] {
  const { status, epochs, steps, seconds, best } = results;
  const word = status === 'done' ? 'Done' : 'Interrupted';
  const worth = best ? [`It ${verdictOf({ ...results, best })}.`] : [];
  return [...worth, `${word} after ${count(epochs)} epochs and ${count(steps)} steps, ${duration(seconds)}`];
}

function endOf(results: Results): DashboardState['ended'] {
  const { status, advice, best } = results;
  return { status, advice, grade: best ? gradeOf({ ...results, best }) : undefined };
}

function takeReading({ reading }: DashboardState, event: DatasetProgress): void {
  const key = `${event.stage} ${event.source}`;
  if (event.note !== undefined) return;
  reading.delete(key);
  if (!isComplete(event)) reading.set(key, { ...event, source: printable(event.source) });
}

/** The curves of the processes before this one. */
function takePast(state: DashboardState, { steps, epochs, validation, best }: PastEvent): void {
  for (const { step, loss, accuracy } of steps) {
    state.loss.train.add(step, loss);
    state.accuracy.train.add(step, accuracy);
  }
  for (const { step, loss, balancedAccuracy } of epochs) {
    state.loss.validation.add(step, loss);
    state.accuracy.validation.add(step, balancedAccuracy);
  }
  state.validation = validation ?? undefined;
  state.best = best ?? undefined;
}

/** Weight of past seconds in the moving average, per second. */
const FADING = 0.9;

function takeStep(state: DashboardState, event: StepEvent): void {
  const { epoch, step, progress, learningRate, imagesPerSecond, time, deviceSeconds } = event;
  Object.assign(state, { epoch, step, progress, learningRate, imagesPerSecond });
  state.loss.train.add(step, event.loss);
  state.accuracy.train.add(step, event.accuracy);
  state.imageRate.add(step, imagesPerSecond);
  for (const activity of Object.keys(time) as (keyof TimeSplit)[]) state.time[activity] += time[activity];
  state.steps += 1;
  const worked = time.data + time.device + time.host + time.saving;
  const kept = FADING ** worked;
  const { recent } = state;
  state.recent = { device: recent.device * kept + deviceSeconds, all: recent.all * kept + worked };
  const all = worked + time.validation;
  if (state.paced) state.secondsLeft = Math.max(0, (state.secondsLeft ?? 0) - all);
  else state.secondsLeft = firstGuess(state);
}

/** Seconds left by the pace so far and by the clock, until an epoch gives a better estimate. */
function firstGuess({ start, time, step, steps }: DashboardState): number | undefined {
  if (!start) return undefined;
  const trained = time.data + time.device + time.host + time.saving;
  const clock =
    start.budget === null ? undefined : Math.max(0, start.budget - start.spent - trained - time.validation);
  if (start.epochs === null) return clock;
  const left = (trained / steps) * (start.epochs * start.stepsPerEpoch - step);
  return Math.min(left, clock ?? left);
}

function takeEpoch(state: DashboardState, event: EpochEvent): void {
  const { epoch, step, validation, isBest, secondsLeft } = event;
  const { loss, balancedAccuracy } = validation;
  state.loss.validation.add(step, loss);
  state.accuracy.validation.add(step, balancedAccuracy);
  state.validation = validation;
  const recalls = recallsOf(state);
  const [first, second] =
    recalls.length === 2
      ? recalls
      : [recalls.filter(Number.isFinite).reduce((a, b) => Math.min(a, b), 1), balancedAccuracy];
  state.recalls[0].add(step, first!);
  state.recalls[1].add(step, second!);
  if (isBest) state.best = { epoch, balancedAccuracy };
  [state.secondsLeft, state.paced] = [secondsLeft, true];
}

/** Of each class: the share that was recognised at the last validation. */
export function recallsOf({ validation }: DashboardState): number[] {
  if (!validation) return [];
  return allCounts(validation).map(({ found, images }) => found / images);
}
