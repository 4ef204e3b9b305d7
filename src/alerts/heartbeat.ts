/** A sign of life for somebody else to wait for: who hears nothing any more calls for help. */
import { request } from '../base/request.ts';

const BEAT_MS = 60_000;
const ANSWER_MS = 10_000;

export interface Heartbeat {
  /** The last sign: that it ended well, or `/fail` behind the address if not. */
  end(well: boolean): Promise<void>;
}

/**
 * Asks for `url` now and every minute, as healthchecks.io and its like expect it. A server that does not answer is
 * nobody's trouble here: it is the one who calls.
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
