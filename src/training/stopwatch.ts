/** Where the time of a run goes: at any moment the main loop does one thing. */

/** `host` is all that is none of the others. */
export const activities = ['reading', 'data', 'device', 'validation', 'saving', 'paused', 'host'] as const;
export type Activity = (typeof activities)[number];

/** Seconds of each activity; they sum to the wall time. */
export type TimeSplit = Record<Activity, number>;

/** Counts the wall time, each moment once. */
export class Stopwatch {
  readonly #seconds: TimeSplit;
  #activity: Activity = 'host';
  #since = performance.now();

  /** @param before what an earlier part of the run took */
  constructor(before?: TimeSplit) {
    this.#seconds = before ? { ...before } : noTime();
  }

  /** What goes on from now on; returns what did until now. */
  begin(activity: Activity): Activity {
    const now = performance.now();
    const before = this.#activity;
    this.#seconds[before] += (now - this.#since) / 1000;
    this.#since = now;
    this.#activity = activity;
    return before;
  }

  /** Counts the wait for a promise as one activity. */
  async during<T>(activity: Activity, work: Promise<T>): Promise<T> {
    const before = this.begin(activity);
    try {
      return await work;
    } finally {
      this.begin(before);
    }
  }

  /** Seconds of each activity up to now. */
  get split(): TimeSplit {
    this.begin(this.#activity);
    return { ...this.#seconds };
  }

  /** All of it, in seconds. */
  get total(): number {
    return activities.reduce((sum, activity) => sum + this.split[activity], 0);
  }
}

export function noTime(): TimeSplit {
  return Object.fromEntries(activities.map((activity) => [activity, 0])) as TimeSplit;
}

/** What there is between two splits of one stopwatch. */
export function timeBetween(earlier: TimeSplit, later: TimeSplit): TimeSplit {
  return Object.fromEntries(
    activities.map((activity) => [activity, later[activity] - earlier[activity]]),
  ) as TimeSplit;
}
