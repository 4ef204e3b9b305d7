/** Sends pages in the background: the same one not twice, and again while nobody answers. */

import { type Page, type Severity, severities } from './alert.ts';
import { type Channel, Later, Refused } from './channels.ts';

export interface Pager {
  /** Takes a page; returns at once. */
  page(page: Omit<Page, 'at'>): void;
  /** Waits a little for what is on its way; returns a sentence for each that was not delivered. */
  close(): Promise<string[]>;
}

export interface PagerTimes {
  /** The same kind is told again after so long. */
  repeatMs: number;
  /** Before the second try; doubled for each further one. */
  retryMs: number;
  longestRetryMs: number;
  /** What `close` waits. */
  closeMs: number;
}

const TIMES: PagerTimes = { repeatMs: 600_000, retryMs: 1000, longestRetryMs: 300_000, closeMs: 10_000 };
/** Pages that wait for one channel; the oldest give way. */
const MOST_WAITING = 100;

/** @param least pages below this severity are not sent */
export function openPager(channels: Channel[], least: Severity, times: PagerTimes = TIMES): Pager {
  const queues = channels.map((channel) => new Queue(channel, times));
  const told = new Map<string, { at: number; held: number }>();
  return {
    page(page) {
      if (severities.indexOf(page.severity) < severities.indexOf(least)) return;
      const now = performance.now();
      const last = told.get(page.kind);
      if (last && now - last.at < times.repeatMs) {
        last.held += 1;
        return;
      }
      told.set(page.kind, { at: now, held: 0 });
      const more = last && last.held > 0 ? ` (and ${last.held} more of the kind since)` : '';
      const whole = { ...page, text: page.text + more, at: new Date().toISOString() };
      for (const queue of queues) queue.add(whole);
    },
    async close() {
      const lost = await Promise.all(queues.map((queue) => queue.close()));
      return lost.flat();
    },
  };
}

/** The pages for one channel, one after the other. */
class Queue {
  readonly #channel: Channel;
  readonly #times: PagerTimes;
  readonly #waiting: Page[] = [];
  #running: Promise<void> | undefined;
  #problem = '';
  #refused: string[] = [];
  #closing = false;
  #wake = () => {};

  constructor(channel: Channel, times: PagerTimes) {
    this.#channel = channel;
    this.#times = times;
  }

  add(page: Page): void {
    this.#waiting.push(page);
    if (this.#waiting.length > MOST_WAITING) this.#waiting.shift();
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async #run(): Promise<void> {
    for (let tries = 0; this.#waiting.length > 0; ) {
      const page = this.#waiting[0]!;
      try {
        await this.#channel.deliver(page);
        this.#done(page);
        tries = 0;
      } catch (error) {
        this.#problem = (error as Error).message;
        if (error instanceof Refused) {
          this.#refused.push(this.#sentence(page));
          this.#done(page);
          continue;
        }
        const pause = Math.min(this.#times.longestRetryMs, this.#times.retryMs * 2 ** tries++);
        if (this.#closing) return;
        await this.#pause(Math.max(pause, error instanceof Later ? error.seconds * 1000 : 0));
      }
    }
  }

  #done(page: Page): void {
    const place = this.#waiting.indexOf(page);
    if (place >= 0) this.#waiting.splice(place, 1);
  }

  /** Ends early when the pager is closed. */
  #pause(milliseconds: number): Promise<void> {
    if (this.#closing) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** What waits for a later try gets one more now. */
  async close(): Promise<string[]> {
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#times.closeMs);
    });
    const running = this.#running;
    this.#wake();
    this.#closing = true;
    await Promise.race([running, enough]);
    clearTimeout(timer);
    return [...this.#refused, ...this.#waiting.map((page) => this.#sentence(page))];
  }

  #sentence({ title }: Page): string {
    return `Not told: "${title}" (${this.#channel.name}: ${this.#problem || 'no answer yet'})`;
  }
}
