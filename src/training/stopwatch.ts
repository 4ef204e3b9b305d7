/** Splits the wall time of a run by what the main loop is doing. */

/** `host`: everything else. */
export const activities = ['reading', 'data', 'device', 'validation', 'saving', 'paused', 'host'] as const;
export type Activity = (typeof activities)[number];

/** Seconds of each activity; they sum to the wall time. */
export type TimeSplit = Record<Activity, number>;

/** Assigns each moment of the wall time to one activity. */
export class Stopwatch {
  readonly #seconds: TimeSplit;
  #activity: Activity = 'host';
  #since = performance.now();

  /** @param before the times of the run before a resume */
  constructor(before?: TimeSplit) {
    this.#seconds = before ? { ...before } : noTime();
  }

  /** Switches to another activity; returns the previous one. */
  begin(activity: Activity): Activity {
    const now = performance.now();
    const before = this.#activity;
    this.#seconds[before] += (now - this.#since) / 1000;
    this.#since = now;
    this.#activity = activity;
    return before;
  }

  /** Counts the time until a promise settles as one activity. */
  async during<T>(activity: Activity, work: Promise<T>): Promise<T> {
    const before = this.begin(activity);
    try {
      return await work;
    } finally {
      this.begin(before);
    }
  }

  /** Seconds of each activity so far. */
  get split(): TimeSplit {
    this.begin(this.#activity);
    return { ...this.#seconds };
  }

  /** The total in seconds. */
  get total(): number {
    return activities.reduce((sum, activity) => sum + this.split[activity], 0);
  }
}

export function noTime(): TimeSplit {
  return Object.fromEntries(activities.map((activity) => [activity, 0])) as TimeSplit;
}

/** The difference of two splits of one stopwatch. */
export function timeBetween(earlier: TimeSplit, later: TimeSplit): TimeSplit {
  return Object.fromEntries(
    activities.map((activity) => [activity, later[activity] - earlier[activity]]),
  ) as TimeSplit;
}
