/** Sends alerts in the background: repeats are held back, failed deliveries are retried. */

import { type Alert, type Severity, severities } from './alert.ts';
import { type Channel, Later, Refused } from './channels.ts';

export interface AlertQueue {
  /** Queues an alert; returns at once. */
  send(alert: Omit<Alert, 'at'>): void;
  /** Waits up to `closeMs` for pending deliveries; returns a sentence for each alert that was not delivered. */
  close(): Promise<string[]>;
}

export interface AlertTimes {
  /** Alerts of one kind are at least this far apart. */
  repeatMs: number;
  /** Delay before the first retry; doubled for each further one. */
  retryMs: number;
  longestRetryMs: number;
  /** How long `close` waits for deliveries. */
  closeMs: number;
}

const TIMES: AlertTimes = { repeatMs: 600_000, retryMs: 1000, longestRetryMs: 300_000, closeMs: 10_000 };
/** Alerts that wait for one channel; when there are more, the oldest are dropped. */
const MOST_WAITING = 100;

/** @param lowest alerts below this severity are not sent */
export function openAlertQueue(channels: Channel[], lowest: Severity, times: AlertTimes = TIMES): AlertQueue {
  const queues = channels.map((channel) => new Queue(channel, times));
  const sent = new Map<string, { at: number; held: number }>();
  return {
    send(alert) {
      if (severities.indexOf(alert.severity) < severities.indexOf(lowest)) return;
      const now = performance.now();
      const last = sent.get(alert.kind);
      if (last && now - last.at < times.repeatMs) {
        last.held += 1;
        return;
      }
      sent.set(alert.kind, { at: now, held: 0 });
      const more = last && last.held > 0 ? ` (and ${last.held} more of this kind since the last alert)` : '';
      const whole = { ...alert, text: alert.text + more, at: new Date().toISOString() };
      for (const queue of queues) queue.add(whole);
    },
    async close() {
      const undelivered = await Promise.all(queues.map((queue) => queue.close()));
      return undelivered.flat();
    },
  };
}

/** The alerts for one channel, delivered in order. */
class Queue {
  readonly #channel: Channel;
  readonly #times: AlertTimes;
  readonly #waiting: Alert[] = [];
  #running: Promise<void> | undefined;
  #problem = '';
  #refused: string[] = [];
  #closing = false;
  #wake = () => {};

  constructor(channel: Channel, times: AlertTimes) {
    this.#channel = channel;
    this.#times = times;
  }

  add(alert: Alert): void {
    this.#waiting.push(alert);
    if (this.#waiting.length > MOST_WAITING) this.#waiting.shift();
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async #run(): Promise<void> {
    for (let tries = 0; this.#waiting.length > 0; ) {
      const alert = this.#waiting[0]!;
      try {
        await this.#channel.deliver(alert);
        this.#done(alert);
        tries = 0;
      } catch (error) {
        this.#problem = (error as Error).message;
        if (error instanceof Refused) {
          this.#refused.push(this.#sentence(alert));
          this.#done(alert);
          continue;
        }
        const pause = Math.min(this.#times.longestRetryMs, this.#times.retryMs * 2 ** tries++);
        if (this.#closing) return;
        await this.#pause(Math.max(pause, error instanceof Later ? error.seconds * 1000 : 0));
      }
    }
  }

  #done(alert: Alert): void {
    const place = this.#waiting.indexOf(alert);
    if (place >= 0) this.#waiting.splice(place, 1);
  }

  /** Ends early when the queue is closed. */
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

  /** Alerts that wait for a retry are tried once more now. */
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
    return [...this.#refused, ...this.#waiting.map((alert) => this.#sentence(alert))];
  }

  #sentence({ title }: Alert): string {
    return `Not delivered: "${title}" (${this.#channel.name}: ${this.#problem || 'no answer yet'})`;
  }
}
