/** Events of a training, to lines in the terminal. */

import { displayName } from '../base/class_names.ts';
import { count, duration, megabytes, percent, printable, quote } from '../base/words.ts';
import { cacheLines, healthLines, listLines, lockLines } from '../data/inventory.ts';
import { isComplete } from '../data/meter.ts';
import { allCounts, confusedPairs } from '../metrics/metrics.ts';
import { isTold } from '../run/record.ts';
import type { DataEvent } from '../training/plan.ts';
import type { Results } from '../training/results.ts';
import type { StartEvent, TrainEvent } from '../training/train_events.ts';
import type { EpochMetrics } from '../training/training_state.ts';
import { guessingSentence, verdictOf } from '../training/verdict.ts';
import { Stages, stageBar } from './stages.ts';

export interface Output {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

/** Returns what takes the events. `predict` is the command the last line advises. */
export function reporter(
  ui: 'plain' | 'json' | 'none',
  output: Output,
  predict: string,
): (event: TrainEvent) => void {
  if (ui === 'none') return () => {};
  const due = throttle();
  if (ui === 'json') {
    return (event) => {
      if (due(event)) output.write(`${JSON.stringify(event)}\n`);
    };
  }
  const passing = output.isTTY ? '\r\x1b[K' : '';
  const linesOf = lastingLines(predict);
  const pass = (line: (columns: number) => string) => {
    const columns = (output.columns || 80) - 1;
    if (passing) output.write(passing + printable(line(columns)).slice(0, columns));
  };
  return (event) => {
    for (const line of linesOf(event)) output.write(`${passing}${line}\n`);
    if (event.type === 'step') pass(() => stepLine(event));
    if (event.type === 'reading') pass((columns) => stageBar(event, columns));
  };
}

/** Returns a function from an event to the lines of it that stay; they are safe to show in a terminal. */
export function lastingLines(predict: string): (event: TrainEvent) => string[] {
  const stages = new Stages();
  return (event) => {
    if (event.type === 'step' || event.type === 'checkpoint' || event.type === 'past') return [];
    const lines =
      event.type === 'reading' ? stages.add(event) : [...stages.end(), ...eventLines(event, predict)];
    return lines.map(printable);
  };
}

/** What goes to a program: some of the steps; of each stage one line a second, its notes and its end. */
function throttle(): (event: TrainEvent) => boolean {
  const nextTimes = new Map<string, number>();
  return (event) => {
    if (event.type === 'step') return isTold(event.step);
    if (event.type !== 'reading') return true;
    const now = performance.now();
    const key = `${event.stage} ${event.source}`;
    const next = nextTimes.get(key) ?? 0;
    if (now < next && event.note === undefined && !isComplete(event)) return false;
    nextTimes.set(key, now + 1000);
    return true;
  };
}

/** A line that the next one replaces. */
function stepLine({ epoch, progress, loss, imagesPerSecond }: Extract<TrainEvent, { type: 'step' }>): string {
  return `Epoch ${epoch}: ${percent(progress)}  loss ${loss.toFixed(3)}  ${count(imagesPerSecond)} images/s`;
}

type Lasting = Exclude<TrainEvent, { type: 'step' | 'reading' | 'checkpoint' | 'past' }>;

function eventLines(event: Lasting, predict: string): string[] {
  switch (event.type) {
    case 'device':
      return [
        `Training on ${event.name} (${event.description}): ${event.reason}. Data: ${event.sources.join(', ')}${event.sourcesReason ? ` (${event.sourcesReason})` : ''}.`,
      ];
    case 'data':
      return dataLines(event);
    case 'check':
      return [
        `Checking that ${event.device} computes this network as the CPU does; the answer is kept for the next runs`,
      ];
    case 'start':
      return [
        `Network ${event.network}${event.pretrained === null ? '' : `, pretrained (${event.pretrained})`}: ` +
          `${event.imageSize} x ${event.imageSize} pixels, ${count(event.weights)} weights. ` +
          `${epochsText(event)}${budgetText(event)}. Results go to ${event.run}`,
        ...(event.resumed
          ? [`Resuming after step ${count(event.resumed.step)}, in epoch ${event.resumed.epoch + 1}`]
          : []),
        ...event.remarks,
      ];
    case 'epoch': {
      const { validation } = event;
      const left = event.epoch === event.epochs ? '' : `  ${duration(event.secondsLeft)} left`;
      const epochs = event.epochs === null ? '' : `/${event.epochs}`;
      return [
        `Epoch ${String(event.epoch).padStart(epochs.length - 1)}${epochs}` +
          `  loss ${event.trainLoss.toFixed(3)}  validation loss ${validation.loss.toFixed(3)}` +
          `  balanced accuracy ${percent(validation.balancedAccuracy)}  accuracy ${percent(validation.accuracy)}` +
          `  ${count(event.imagesPerSecond)} images/s${left}`,
      ];
    }
    case 'sweep': {
      const { points, suggestion, learningRate } = event;
      const found =
        suggestion === null
          ? 'the loss fell at none of them'
          : `it falls fastest at ${suggestion.toPrecision(2)}`;
      return [`Tried ${points.length} learning rates: ${found}; using ${learningRate.toPrecision(2)}`];
    }
    case 'rollback':
      return [
        event.kind === 'device-fault'
          ? `Step ${event.step}: ${event.message}. Rolled back to step ${event.backToStep} (rollback ${event.rollbacks} of at most ${event.allowed})`
          : `Step ${event.step}: ${event.message}. Rolled back to step ${event.backToStep}, skipped ${event.images.length} images, learning rate now ${event.newLearningRate.toPrecision(2)} (rollback ${event.rollbacks} of at most ${event.allowed})`,
      ];
    case 'notice':
      return [`Step ${event.step}: ${event.message}`];
    case 'undeliveredAlerts':
      return event.messages;
    case 'end':
      return endLines(event.results, event.run, predict);
  }
}

function epochsText({ epochs, stepsPerEpoch, hasHead }: StartEvent): string {
  const steps = `of ${stepsPerEpoch} steps`;
  if (!hasHead) return `${epochs === null ? 'Epochs' : `${epochs} epoch${epochs === 1 ? '' : 's'}`} ${steps}`;
  if (epochs === 1) return 'Features of all images once, then a head is fitted on them';
  const more = epochs === null ? 'epochs' : epochs === 2 ? '1 epoch' : `${epochs - 1} epochs`;
  return `A head first, then ${more} of fine-tuning ${steps}`;
}

/** A resumed run has used some of its time. */
function budgetText({ budget, spent, resumed }: StartEvent): string {
  if (budget === null) return '';
  return `, at most ${duration(budget)}${resumed ? ` (${duration(Math.min(spent, budget))} of it used)` : ''}`;
}

/** With more classes than this, the lines and the confusion matrix would not be read. */
const MOST_CLASSES = 10;

/** "59 bird, 240 not-bird", or "24,633 images of 555 classes, 12 to 60 of each". */
function countsText(classNames: string[], counts: number[]): string {
  if (classNames.length <= MOST_CLASSES)
    return counts.map((n, k) => `${count(n)} ${displayName(classNames[k]!)}`).join(', ');
  const [least, most] = [Math.min, Math.max].map((pick) => counts.reduce((a, b) => pick(a, b)));
  const each = least === most ? count(most!) : `${count(least!)} to ${count(most!)}`;
  return `${count(counts.reduce((a, b) => a + b, 0))} images of ${count(classNames.length)} classes, ${each} of each`;
}

function dataLines(event: Extract<TrainEvent, { type: 'data' }>): string[] {
  const { classNames, skipped, majorityClass } = event;
  const lines = event.sources.map(({ source, images, counts }) => {
    const text = countsText(Object.keys(counts), Object.values(counts));
    return Object.keys(counts).length > MOST_CLASSES
      ? `${source}: ${text}`
      : `${source}: ${count(images)} images (${text})`;
  });
  const row = (counts: number[]) => countsText(classNames, counts);
  lines.push(...listLines('Skipped', skipped), ...listLines('Left out', event.filtered));
  lines.push(...healthLines(event));
  if (event.dropped > 0)
    lines.push(
      `${count(event.dropped)} training images are left out: the validation images contain them, too`,
    );
  lines.push(...lockLines(event.lock));
  lines.push(...cacheLines(event));
  if (event.stream) lines.push(streamLine(event.stream));
  lines.push(
    `Training on ${row(event.train)}; balanced to ${row(event.balanced)} (${event.balance}${event.draws > 1 ? `, resampled ${event.draws} times per epoch` : ''})`,
    `Validating on ${row(event.validation)}; always guessing ${displayName(majorityClass)} is right for ${percent(event.majorityAccuracy)} of them (balanced accuracy ${percent(1 / classNames.length)})`,
  );
  return lines;
}

const stopWords = {
  end: '',
  time: ', as its time was up',
  patience: ', as it no longer improved',
};

function streamLine({ bytes, limit, windowImages }: NonNullable<DataEvent['stream']>): string {
  return (
    `The decoded images need ${megabytes(bytes)}, more than the ${megabytes(limit)} of the cache: training takes them in windows of ${count(windowImages)}, ` +
    'and evicted images are decoded again each epoch; --cache-limit allows more'
  );
}

/** Of the summary: what the user asked. */
export function headline(results: Results & { best: EpochMetrics }): string {
  return `Best epoch: ${results.best.epoch}. On the validation images it ${verdictOf(results)}.`;
}

function endLines(results: Results, run: string, predict: string): string[] {
  const { best, status, epochs, steps } = results;
  const stopped = `Interrupted after ${epochs} epochs and ${steps} steps; the weights are saved in ${run}/last.safetensors, resume with --resume ${quote(run)}`;
  if (!best) return ['', stopped];
  return [
    '',
    headline({ ...results, best }),
    ...metricLines(results.classNames.length, best),
    ...confusionLines(results.classNames.map(displayName), best),
    guessingSentence({ ...results, best }),
    results.advice,
    '',
    status === 'interrupted'
      ? stopped
      : `Done in ${duration(results.seconds)}${stopWords[results.stopped ?? 'end']}; everything is in ${run}. Now ask it:`,
    `  ${predict} --model ${quote(run)} photo.jpg`,
  ];
}

function metricLines(classes: number, best: EpochMetrics): string[] {
  const { accuracy, topFive, balancedAccuracy, auroc, precision, recall, f1 } = best;
  const shares = [
    `balanced accuracy ${percent(balancedAccuracy)}`,
    `accuracy ${percent(accuracy)}`,
    ...(classes > MOST_CLASSES && topFive !== undefined ? [`top five ${percent(topFive)}`] : []),
    `AUROC ${auroc.toFixed(3)}`,
  ];
  const macro = classes > 2 ? ' (means over the classes)' : '';
  return [
    `  ${shares.join(', ')}`,
    `  precision ${percent(precision)}, recall ${percent(recall)}, F1 ${f1.toFixed(3)}${macro}`,
  ];
}

/** Of many classes: how many are shown that are weak or confused. */
const MOST_WEAK = 5;

/** The classes that are found least, and what is taken for what most often. */
function manyClassesLines(names: string[], best: EpochMetrics): string[] {
  const found = allCounts(best).map((counts, k) => ({ name: names[k]!, ...counts }));
  const weakest = found
    .filter(({ images }) => images > 0)
    .sort((a, b) => a.found / a.images - b.found / b.images || b.images - a.images)
    .slice(0, MOST_WEAK)
    .map(({ name, images, found }) => `${name} (${count(found)} of ${count(images)})`);
  const pairs = confusedPairs(best)
    .slice(0, MOST_WEAK)
    .map(({ truth, guess, images }) => `${names[truth]} for ${names[guess]} (${count(images)})`);
  return [
    `  found least: ${weakest.join(', ')}`,
    ...(pairs.length > 0 ? [`  taken for another most often: ${pairs.join(', ')}`] : []),
  ];
}

/** Columns that a terminal has at least; of longer lines the heads are cut. */
const COLUMNS = 80;
const LEAST_HEAD = 4;

/** Rows are the truth. */
function confusionLines(names: string[], best: EpochMetrics): string[] {
  if (names.length > MOST_CLASSES) return manyClassesLines(names, best);
  const { confusion } = best;
  const left = Math.max(...names.map((name) => name.length)) + 2;
  const whole = names.map((name) => `said ${name}`);
  const isWide = left + whole.join('').length + 3 * whole.length > COLUMNS;
  const most = Math.max(LEAST_HEAD, Math.floor((COLUMNS - left) / names.length) - 2);
  const heads = isWide ? names.map((name) => name.slice(0, most)) : whole;
  const cell = (text: string, k: number) =>
    isWide ? text.padStart(most + 2) : text.padStart(Math.max(heads[k]!.length, 7) + 3);
  return [
    (isWide ? '  is, said' : '').padEnd(left) + heads.map(cell).join(''),
    ...confusion.map(
      (row, k) => `  ${names[k]!}`.padEnd(left) + row.map((n, j) => cell(count(n), j)).join(''),
    ),
  ];
}
