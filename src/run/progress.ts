/** Events of a training, to lines in the terminal. */
import type { TrainEvent } from '../train.ts';
import { listLines, lockLines } from './inventory.ts';
import { isTold, type Results } from './record.ts';

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
  return (event) => {
    if (event.type === 'step' || event.type === 'reading') {
      if (passing) output.write(passing + passingLine(event).slice(0, (output.columns || 80) - 1));
      return;
    }
    for (const line of lastingLines(event, predict)) output.write(`${passing}${line}\n`);
  };
}

/** What goes to a program: some of the steps, and at most one line a second while images are read. */
function throttle(): (event: TrainEvent) => boolean {
  let next = 0;
  return (event) => {
    if (event.type === 'step') return isTold(event.step);
    if (event.type !== 'reading') return true;
    const now = performance.now();
    if (now < next) return false;
    next = now + 1000;
    return true;
  };
}

/** A line that the next one replaces. */
function passingLine(event: Extract<TrainEvent, { type: 'step' | 'reading' }>): string {
  if (event.type === 'reading') {
    if (event.stage === 'list') return `Looking through ${event.source}`;
    const of = event.total === undefined ? '' : ` of ${count(event.total)}`;
    return `Reading ${event.source}: ${count(event.done ?? 0)}${of} images`;
  }
  const { epoch, progress, loss, imagesPerSecond } = event;
  return `Epoch ${epoch}: ${percent(progress)}  loss ${loss.toFixed(3)}  ${count(imagesPerSecond)} images/s`;
}

type Lasting = Exclude<TrainEvent, { type: 'step' | 'reading' }>;

function lastingLines(event: Lasting, predict: string): string[] {
  switch (event.type) {
    case 'device':
      return [
        `Training on ${event.name} (${event.description}): ${event.reason}. Data: ${event.sources.join(', ')}${event.sourcesReason ? ` (${event.sourcesReason})` : ''}.`,
      ];
    case 'data':
      return dataLines(event);
    case 'start':
      return [
        `Network ${event.network}: ${event.imageSize} x ${event.imageSize} pixels, ${count(event.weights)} weights. ` +
          `${event.epochs} epochs of ${event.stepsPerEpoch} steps. Results go to ${event.run}`,
      ];
    case 'epoch': {
      const { validation } = event;
      const left = event.epoch === event.epochs ? '' : `  ${duration(event.secondsLeft)} left`;
      return [
        `Epoch ${String(event.epoch).padStart(String(event.epochs).length)}/${event.epochs}` +
          `  loss ${event.trainLoss.toFixed(3)}  validation loss ${validation.loss.toFixed(3)}` +
          `  balanced accuracy ${percent(validation.balancedAccuracy)}  accuracy ${percent(validation.accuracy)}` +
          `  ${count(event.imagesPerSecond)} images/s${left}`,
      ];
    }
    case 'end':
      return endLines(event.results, event.run, predict);
  }
}

/** With more classes than this, the lines and the confusion matrix would not be read. */
const MOST_CLASSES = 10;

function dataLines(event: Extract<TrainEvent, { type: 'data' }>): string[] {
  const { classNames, skipped, majorityClass } = event;
  const more = classNames.length > MOST_CLASSES ? ', ...' : '';
  const row = (counts: number[]) =>
    counts
      .slice(0, MOST_CLASSES)
      .map((n, k) => `${count(n)} ${classNames[k]}`)
      .join(', ') + more;
  const lines = event.sources.map(
    ({ source, images, counts }) =>
      `${source}: ${count(images)} images (${Object.entries(counts)
        .slice(0, MOST_CLASSES)
        .map(([name, n]) => `${count(n)} ${name}`)
        .join(', ')}${more})`,
  );
  lines.push(...listLines('Skipped', skipped), ...listLines('Left out', event.filtered));
  if (event.duplicates > 0)
    lines.push(`${count(event.duplicates)} images repeat another one; they stay on its side of the split`);
  if (event.dropped > 0)
    lines.push(`${count(event.dropped)} training images are left out: the same images are in --val`);
  lines.push(...lockLines(event.lock));
  lines.push(
    `Training on ${row(event.train)}; balanced to ${row(event.balanced)} (${event.balance}${event.draws > 1 ? `, drawn anew ${event.draws} times an epoch` : ''})`,
    `Validating on ${row(event.validation)}; always guessing ${majorityClass} is right for ${percent(event.majorityAccuracy)} of them (balanced accuracy ${percent(1 / classNames.length)})`,
  );
  return lines;
}

function endLines(results: Results, run: string, predict: string): string[] {
  const { best, status, epochs, steps } = results;
  const stopped = `Interrupted after ${epochs} epochs and ${steps} steps; the weights are saved in ${run}/last.safetensors`;
  if (!best) return ['', stopped];
  return [
    '',
    `Best epoch: ${best.epoch}. On the validation images:`,
    `  balanced accuracy ${percent(best.balancedAccuracy)}, accuracy ${percent(best.accuracy)}, AUROC ${best.auroc.toFixed(3)}`,
    `  precision ${percent(best.precision)}, recall ${percent(best.recall)}, F1 ${best.f1.toFixed(3)}`,
    ...confusionLines(results.classNames, best.confusion),
    verdict(results),
    '',
    status === 'interrupted'
      ? stopped
      : `Done in ${duration(results.seconds)}; everything is in ${run}. Now ask it:`,
    `  ${predict} --model ${quote(run)} photo.jpg`,
  ];
}

/** Rows are the truth. */
function confusionLines(names: string[], confusion: number[][]): string[] {
  if (names.length > MOST_CLASSES) return [];
  const left = Math.max(...names.map((name) => name.length)) + 2;
  const heads = names.map((name) => `said ${name}`);
  const cell = (text: string, k: number) => text.padStart(Math.max(heads[k]!.length, 7) + 3);
  return [
    ' '.repeat(left) + heads.map(cell).join(''),
    ...confusion.map(
      (row, k) => `  ${names[k]!}`.padEnd(left) + row.map((n, j) => cell(count(n), j)).join(''),
    ),
  ];
}

/** Whether it learnt anything, said plainly. */
function verdict({ best, betterThanMajority, majorityAccuracy, majorityBalancedAccuracy }: Results): string {
  const scores = `balanced accuracy ${percent(best!.balancedAccuracy)} against ${percent(majorityBalancedAccuracy)} for always guessing the most frequent class`;
  if (!betterThanMajority) return `NO BETTER THAN GUESSING: ${scores}; more images or more epochs may help.`;
  if (best!.accuracy > majorityAccuracy) return `Better than guessing: ${scores}.`;
  return (
    `Better than guessing: ${scores}. Plain accuracy favours that guess, ${percent(majorityAccuracy)} to ${percent(best!.accuracy)}: ` +
    'it misses only what is rare, but all of it.'
  );
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}

export function count(n: number): string {
  return Math.round(n).toLocaleString('en-US');
}

function duration(seconds: number): string {
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}

/** For a shell, where the path needs it. */
export function quote(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
