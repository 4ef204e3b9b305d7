/** How far a source is, how fast, and how long it will take. */
import type { SourceProgress } from './sources/part.ts';

/** One source at one of its stages. */
export interface DatasetProgress extends Omit<SourceProgress, 'stage'> {
  source: string;
  stage: SourceProgress['stage'] | 'decode';
  /** Of this stage. */
  seconds: number;
  bytesPerSecond?: number;
  /** Images or files. */
  perSecond?: number;
  secondsLeft?: number;
}

export type StageProgress = Pick<DatasetProgress, 'stage'> & Omit<SourceProgress, 'stage'>;

/** Progress is told this often. */
const TOLD_MS = 100;
/** A speed over less says nothing. */
const LEAST_SECONDS = 0.5;

/** Follows one source through its stages; tells ten times a second, and the last of each stage always. */
export class Meter {
  readonly #source: string;
  readonly #tell: (progress: DatasetProgress) => void;
  #first: StageProgress | undefined;
  #begin = 0;
  #told = 0;
  #untold: DatasetProgress | undefined;

  constructor(source: string, tell: (progress: DatasetProgress) => void) {
    this.#source = source;
    this.#tell = tell;
  }

  note(progress: StageProgress): void {
    const now = performance.now();
    if (this.#first?.stage !== progress.stage) {
      this.end();
      this.#first = progress;
      this.#begin = now;
    }
    const seconds = (now - this.#begin) / 1000;
    this.#untold = { source: this.#source, ...progress, seconds, ...pace(this.#first, progress, seconds) };
    if (now - this.#told >= TOLD_MS) this.end();
  }

  /** Tells what was not told yet. */
  end(): void {
    if (!this.#untold) return;
    this.#told = performance.now();
    this.#tell(this.#untold);
    this.#untold = undefined;
  }
}

/** Speeds since the stage began: what was there before (a download that goes on) is not counted. */
function pace(first: StageProgress, last: StageProgress, seconds: number) {
  if (seconds < LEAST_SECONDS) return {};
  const speed = (key: 'bytes' | 'done') => {
    const [from, to] = [first[key], last[key]];
    return from === undefined || to === undefined || to <= from ? undefined : (to - from) / seconds;
  };
  const [bytesPerSecond, perSecond] = [speed('bytes'), speed('done')];
  const left = (total: number | undefined, done: number | undefined, rate: number | undefined) =>
    total === undefined || done === undefined || !rate ? undefined : (total - done) / rate;
  const secondsLeft =
    left(last.totalBytes, last.bytes, bytesPerSecond) ?? left(last.total, last.done, perSecond);
  return {
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
    ...(perSecond === undefined ? {} : { perSecond }),
    ...(secondsLeft === undefined ? {} : { secondsLeft }),
  };
}
