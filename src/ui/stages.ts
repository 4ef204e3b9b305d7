/** The stages that images go through before a training, as bars and lines in a terminal. */

import { count, duration, megabytes } from '../base/words.ts';
import { type DatasetProgress, isComplete } from '../data/meter.ts';

type Stage = DatasetProgress['stage'];

const DOING: Record<Stage, string> = {
  resolve: 'Looking up',
  download: 'Downloading',
  unpack: 'Unpacking',
  list: 'Looking through',
  verify: 'Verifying',
  check: 'Checking the cache of',
  decode: 'Decoding',
  features: 'Computing features',
};

/** Stages that leave a line; the others take no time worth a line. */
const DONE: Partial<Record<Stage, string>> = {
  download: 'downloaded',
  unpack: 'unpacked',
  verify: 'verified',
  decode: 'decoded',
  features: 'computed features of',
};

/** Stages that count images. */
const OF_IMAGES = new Set<Stage>(['decode', 'features']);

const BAR = { most: 20, least: 5 };
const NAME = { most: 24, least: 12 };

/** Turns progress events into lines that stay. */
export class Stages {
  /** The last event of each stage that has no line yet, by source and stage. */
  readonly #open = new Map<string, DatasetProgress>();
  readonly #closed = new Set<string>();

  /** @returns lines that stay: a note of the source, or what came of a stage that is complete */
  add(event: DatasetProgress): string[] {
    if (event.note !== undefined) return [`${event.source}: ${event.note}`];
    const key = `${event.stage} ${event.source}`;
    if (this.#closed.has(key)) return [];
    this.#open.set(key, event);
    return isComplete(event) ? this.#close(key) : [];
  }

  /** Lines of the stages that never said how much there was to do, once all are over. */
  end(): string[] {
    return [...this.#open.keys()].flatMap((key) => this.#close(key));
  }

  #close(key: string): string[] {
    const event = this.#open.get(key)!;
    this.#open.delete(key);
    const verb = DONE[event.stage];
    if (!verb || !(event.done || event.bytes)) return [];
    this.#closed.add(key);
    return [`${event.source}: ${verb} ${amounts(event)} in ${duration(event.seconds)}${speed(event)}`];
  }
}

/** Progress of a stage within a number of columns: name, bar, share, images, megabytes, speed, time left. */
export function stageBar(event: DatasetProgress, columns: number): string {
  const { totalBytes, bytes, total, done, bytesPerSecond, perSecond, secondsLeft } = event;
  const share = totalBytes ? (bytes ?? 0) / totalBytes : total ? (done ?? 0) / total : undefined;
  const pace = OF_IMAGES.has(event.stage)
    ? perSecond && `${count(perSecond)}/s`
    : bytesPerSecond && `${megabytes(bytesPerSecond)}/s`;
  const right = [
    share !== undefined && `${Math.floor(Math.min(1, share) * 100)}%`.padStart(4),
    done !== undefined && (total === undefined ? count(done) : `${count(done)}/${count(total)}`),
    bytes !== undefined &&
      (totalBytes === undefined ? megabytes(bytes) : `${megabytes(bytes)}/${megabytes(totalBytes)}`),
    pace,
    secondsLeft !== undefined && `${duration(secondsLeft)} left`,
  ]
    .filter(Boolean)
    .join('  ');
  const doing = DOING[event.stage];
  const room = columns - doing.length - right.length - BAR.least - 3;
  const name = shorten(event.source, Math.min(NAME.most, Math.max(NAME.least, room)));
  const left = `${doing} ${name} `;
  const width = share === undefined ? 0 : Math.min(BAR.most, columns - left.length - right.length - 1);
  const filled = Math.round(Math.min(1, share ?? 0) * width);
  const bar = width < BAR.least ? '' : `${'█'.repeat(filled)}${'░'.repeat(width - filled)} `;
  return `${left}${bar}${right}`.trimEnd().slice(0, columns);
}

function amounts({ done, total, bytes, totalBytes, stage }: DatasetProgress): string {
  const things = OF_IMAGES.has(stage) ? 'images' : 'files';
  const of = total === undefined || done === total ? '' : ` of ${count(total)}`;
  const ofBytes = totalBytes === undefined || bytes === totalBytes ? '' : ` of ${megabytes(totalBytes)}`;
  return [
    ...(done === undefined ? [] : [`${count(done)}${of} ${things}`]),
    ...(bytes === undefined ? [] : [`${megabytes(bytes)}${ofBytes}`]),
  ].join(', ');
}

function speed({ stage, bytesPerSecond, perSecond }: DatasetProgress): string {
  if (OF_IMAGES.has(stage) && perSecond) return ` (${count(perSecond)} images/s)`;
  return bytesPerSecond ? ` (${megabytes(bytesPerSecond)}/s)` : '';
}

/** The end of a name says most. */
function shorten(text: string, columns: number): string {
  return text.length <= columns ? text : `...${text.slice(3 - columns)}`;
}
