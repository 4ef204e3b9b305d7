/** Notices of problems that develop slowly. They change nothing about the training. */
import { statfs } from 'node:fs/promises';
import { allCounts, type Metrics } from '../metrics/metrics.ts';
import type { EpochEvent, StepEvent } from './training_events.ts';

/** A problem was noticed; the training continues. */
export interface NoticeEvent {
  type: 'notice';
  kind: 'loss-stuck' | 'one-answer' | 'overfitting' | 'slow' | 'disk-filling';
  message: string;
  epoch: number;
  step: number;
}

export interface Watch {
  /** The notices of this event; each kind is reported once until its condition clears. */
  note(event: StepEvent | EpochEvent): Promise<NoticeEvent[]>;
}

/** Epochs over which the training loss should change, and by which fraction. */
const STUCK = { epochs: 5, share: 0.01 };
/** Epochs of a rising validation loss beside a falling training loss. */
const OVERFITTING_EPOCHS = 5;
/** Consecutive validations with a single answer. */
const ONE_ANSWER_EPOCHS = 3;
/** Steps per average, the fraction of the best pace that counts as slow, and how many slow averages in a row. */
const PACE = { steps: 50, slow: 1 / 3, times: 3 };
/** Free disk space below which checkpoints may fail. */
const LEAST_FREE_BYTES = 500 * 2 ** 20;
/** Time between two checks of the disk. */
const DISK_MS = 60_000;

/**
 * @param folder of the run
 * @param classNames in the order of the metrics
 * @param history the epochs before a resume: notices about them are not repeated
 * @param freeBytes free space of the disk; tests replace it
 */
export function openWatch(
  folder: string,
  classNames: string[],
  history: EpochEvent[] = [],
  freeBytes = freeBytesOf,
): Watch {
  const reported = new Set<NoticeEvent['kind']>();
  const epochs: EpochEvent[] = [];
  const ofEpoch = (event: EpochEvent) => {
    epochs.push(event);
    return fresh(reported, [
      ['loss-stuck', stuck(epochs)],
      ['overfitting', overfitting(epochs)],
      ['one-answer', oneAnswer(epochs, classNames)],
    ]);
  };
  for (const event of history) ofEpoch(event);
  const pace = newPace();
  let looked = Number.NEGATIVE_INFINITY;
  return {
    async note(event) {
      const found = event.type === 'epoch' ? ofEpoch(event) : fresh(reported, [['slow', pace(event)]]);
      if (performance.now() - looked > DISK_MS) {
        looked = performance.now();
        found.push(...fresh(reported, [['disk-filling', fullDisk(folder, await freeBytes(folder))]]));
      }
      const { epoch, step } = event;
      return found.map(([kind, message]) => ({ type: 'notice', kind, message, epoch, step }));
    },
  };
}

type Kind = NoticeEvent['kind'];

/** Only new notices: each kind is reported once until its condition clears. */
function fresh(reported: Set<Kind>, found: [Kind, string | undefined][]): [Kind, string][] {
  return found.flatMap(([kind, message]) => {
    if (message === undefined) reported.delete(kind);
    if (message === undefined || reported.has(kind)) return [];
    reported.add(kind);
    return [[kind, message]];
  });
}

function stuck(epochs: EpochEvent[]): string | undefined {
  const last = epochs.slice(-STUCK.epochs);
  if (last.length < STUCK.epochs) return undefined;
  const losses = last.map(({ trainLoss }) => trainLoss);
  const [low, high] = [Math.min(...losses), Math.max(...losses)];
  // A loss near zero has nowhere to go.
  if (high < 0.05 || high - low > STUCK.share * high) return undefined;
  return `the training loss has stayed at ${high.toFixed(3)} for ${STUCK.epochs} epochs; try another --learning-rate, or --find-lr`;
}

function overfitting(epochs: EpochEvent[]): string | undefined {
  const last = epochs.slice(-OVERFITTING_EPOCHS - 1);
  if (last.length <= OVERFITTING_EPOCHS) return undefined;
  const grows = (of: (event: EpochEvent) => number) =>
    last.every((event, i) => i === 0 || of(event) > of(last[i - 1]!));
  if (!grows(({ validation }) => validation.loss) || !grows(({ trainLoss }) => -trainLoss)) return undefined;
  return `for ${OVERFITTING_EPOCHS} epochs the validation loss has risen while the training loss fell: it is overfitting; use more images or --patience ${OVERFITTING_EPOCHS}`;
}

function oneAnswer(epochs: EpochEvent[], classNames: string[]): string | undefined {
  const last = epochs.slice(-ONE_ANSWER_EPOCHS).map(({ validation }) => onlyAnswer(validation));
  const [answer] = last;
  if (last.length < ONE_ANSWER_EPOCHS || answer === undefined || last.some((other) => other !== answer))
    return undefined;
  return `for ${ONE_ANSWER_EPOCHS} epochs every validation image was classified as ${classNames[answer]}; check --balance and --learning-rate`;
}

/** The class that all images were assigned to; undefined if there are several. */
function onlyAnswer(validation: Metrics): number | undefined {
  const used = allCounts(validation).flatMap(({ guesses }, k) => (guesses > 0 ? [k] : []));
  return used.length === 1 ? used[0] : undefined;
}

/** Takes each step and returns a message while training is much slower than before. */
function newPace(): (event: StepEvent) => string | undefined {
  let best = 0;
  let times = 0;
  let steps = 0;
  let seconds = 0;
  let last: string | undefined;
  return ({ time }) => {
    steps += 1;
    seconds += time.data + time.device + time.host;
    if (steps < PACE.steps) return last;
    const found = steps / seconds;
    [steps, seconds] = [0, 0];
    best = Math.max(best, found);
    times = found < PACE.slow * best ? times + 1 : 0;
    last =
      times >= PACE.times
        ? `training runs at ${found.toFixed(1)} steps per second, before at ${best.toFixed(1)}; is another program using the machine?`
        : undefined;
    return last;
  };
}

function fullDisk(folder: string, bytes: number): string | undefined {
  if (bytes >= LEAST_FREE_BYTES) return undefined;
  return `the disk of ${folder} has ${(bytes / 1e6).toFixed(0)} MB left; free some space, or checkpoints can't be saved`;
}

async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
