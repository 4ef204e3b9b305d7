/** Pings of a monitoring service, which alerts the user when they stop. */
import { request } from '../base/request.ts';

const BEAT_MS = 60_000;
const ANSWER_MS = 10_000;

export interface Heartbeat {
  /** Sends the last ping; with `/fail` behind the URL if the run failed. */
  end(well: boolean): Promise<void>;
}

/**
 * Requests `url` now and every minute, as healthchecks.io and similar services expect. Failed requests are ignored: the
 * service notices missing pings itself.
 */
export function startHeartbeat(url: URL, everyMs = BEAT_MS): Heartbeat {
  const beat = async (address: URL) => {
    const signal = AbortSignal.timeout(ANSWER_MS);
    await request(address, { signal, redirect: 'manual' })
      .then((answer) => answer.body?.cancel())
      .catch(() => {});
  };
  void beat(url);
  const timer = setInterval(() => void beat(url), everyMs);
  timer.unref();
  return {
    async end(well) {
      clearInterval(timer);
      const last = new URL(url);
      if (!well) last.pathname = `${last.pathname.replace(/\/$/, '')}/fail`;
      await beat(last);
    },
  };
}
