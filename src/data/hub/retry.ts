/** Asking again: when, how often, and after how long. */
import { setTimeout as sleep } from 'node:timers/promises';
import { HubFailure } from './http_failure.ts';

/** In a row, without anything gained. */
const TRIES = 6;

/** The hub counts requests in windows of five minutes; longer waits are not accepted. */
const LONGEST_WAIT_SECONDS = 310;

export interface RetryOptions {
  /** Pause after the first failure; it doubles with each that follows. */
  pauseMs: number;
  signal?: AbortSignal;
  /** There is another way if nothing can be reached: that is not tried again. */
  impatient?: boolean;
  /** A sentence for the user, when the wait is long. */
  onNote?: (note: string) => void;
}

/**
 * Retries the work until it succeeds, fails permanently or has failed too often; `gained` reports progress of a try.
 */
export async function retrying<T>(
  work: (gained: () => void) => Promise<T>,
  { pauseMs, signal, impatient, onNote }: RetryOptions,
): Promise<T> {
  let failures = 0;
  for (;;) {
    try {
      return await work(() => {
        failures = 0;
      });
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof HubFailure) || !error.facts.passing) throw error;
      failures += 1;
      const { waitSeconds, host, unreachable } = error.facts;
      if (impatient && unreachable) throw error;
      const longest = waitSeconds !== undefined && waitSeconds > LONGEST_WAIT_SECONDS;
      if (failures >= TRIES || longest) throw error;
      // A random delay, so that requests that failed together are not retried together.
      const pause = waitSeconds
        ? waitSeconds * 1000
        : pauseMs * 2 ** (failures - 1) * (1 + Math.random() / 4);
      if (pause > 2000) onNote?.(`${host} ${error.message}; asking again in ${Math.round(pause / 1000)} s`);
      await sleep(pause, undefined, { signal }).catch(() => signal?.throwIfAborted());
    }
  }
}

/**
 * How long the headers of an answer ask to wait, in seconds: till the end of a window that is used up, else
 * `Retry-After` as seconds or a date.
 */
export function waitOf(headers: Headers, now = Date.now()): number | undefined {
  const [, left, reset] = /;\s*r=(\d{1,9})\s*;\s*t=(\d{1,9})/.exec(headers.get('RateLimit') ?? '') ?? [];
  if (left === '0') return Number(reset) + 1;
  const after = headers.get('Retry-After')?.trim();
  if (!after) return undefined;
  if (/^\d{1,9}$/.test(after)) return Number(after);
  const date = Date.parse(after);
  return Number.isNaN(date) ? undefined : Math.max(0, (date - now) / 1000);
}
