/** How far a source is, how fast, and how long it will take. */
import type { SourceProgress } from './part.ts';

/** One source at one of its stages. */
export interface DatasetProgress extends Omit<SourceProgress, 'stage'> {
  source: string;
  stage: SourceProgress['stage'] | 'verify' | 'check' | 'decode' | 'features';
  /** Since the stage began. */
  seconds: number;
  bytesPerSecond?: number;
  /** Images or files. */
  perSecond?: number;
  secondsLeft?: number;
}

type Stage = DatasetProgress['stage'];
export type StageProgress = Omit<SourceProgress, 'stage'> & { stage: Stage };

/** Interval of progress events. */
const INTERVAL_MS = 100;
/** A speed over less says nothing. */
const LEAST_SECONDS = 0.5;

interface StageState {
  first: StageProgress;
  begin: number;
  emittedAt: number;
  pending?: DatasetProgress;
}

/**
 * Follows one source through its stages, several of which may go on at once (what is decoded may be downloaded while it
 * is asked for); emits at most ten events per second, always the last of each stage, and notes at once.
 */
export class Meter {
  readonly #source: string;
  readonly #emit: (progress: DatasetProgress) => void;
  readonly #stages = new Map<Stage, StageState>();

  constructor(source: string, emit: (progress: DatasetProgress) => void) {
    this.#source = source;
    this.#emit = emit;
  }

  note(progress: StageProgress): void {
    const now = performance.now();
    let state = this.#stages.get(progress.stage);
    if (!state) {
      state = { first: progress, begin: now, emittedAt: Number.NEGATIVE_INFINITY };
      this.#stages.set(progress.stage, state);
    }
    const seconds = (now - state.begin) / 1000;
    const event = { source: this.#source, ...progress, seconds, ...pace(state.first, progress, seconds) };
    if (progress.note !== undefined) {
      this.#emit(event);
      return;
    }
    state.pending = event;
    if (now - state.emittedAt >= INTERVAL_MS || isComplete(event)) this.#flush(state);
  }

  /** Emits pending events. */
  end(): void {
    for (const state of this.#stages.values()) this.#flush(state);
  }

  #flush(state: StageState): void {
    if (!state.pending) return;
    state.emittedAt = performance.now();
    this.#emit(state.pending);
    state.pending = undefined;
  }
}

/** Whether nothing of a stage is left. */
export function isComplete({ bytes, totalBytes, done, total }: StageProgress): boolean {
  return totalBytes !== undefined ? bytes === totalBytes : total !== undefined && done === total;
}

/** Speeds since the stage began: what was there before (a download that goes on) is not counted. */
function pace(first: StageProgress, last: StageProgress, seconds: number): Partial<DatasetProgress> {
  if (seconds < LEAST_SECONDS) return {};
  const speed = (from = 0, to = 0) => (to > from ? (to - from) / seconds : undefined);
  const bytesPerSecond = speed(first.bytes, last.bytes);
  const perSecond = speed(first.done, last.done);
  const left = (total?: number, done = 0, rate?: number) =>
    total === undefined || rate === undefined ? undefined : (total - done) / rate;
  const secondsLeft =
    left(last.totalBytes, last.bytes, bytesPerSecond) ?? left(last.total, last.done, perSecond);
  return { bytesPerSecond, perSecond, secondsLeft };
}
