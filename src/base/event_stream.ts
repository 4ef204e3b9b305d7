/** Events told by calls, as an async iterator. */

/** While so many wait for their reader, those that the next of their kind replaces are left out. */
const MOST_WAITING = 1000;

/**
 * Runs `work` and yields what it tells, in order; returns what it returns. Leaving the loop aborts the work and waits
 * for its end.
 * @param isPassing whether an event may be left out when its reader is slow
 */
export async function* streamEvents<E, R>(
  work: (tell: (event: E) => void, signal: AbortSignal) => Promise<R>,
  isPassing: (event: E) => boolean,
  signal?: AbortSignal,
): AsyncGenerator<E, R> {
  const controller = new AbortController();
  const abort = () => controller.abort(signal?.reason);
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { once: true });
  const waiting: E[] = [];
  let wake = () => {};
  let ended = false;
  const running = work((event) => {
    if (waiting.length >= MOST_WAITING && isPassing(event)) return;
    waiting.push(event);
    wake();
  }, controller.signal).finally(() => {
    ended = true;
    wake();
  });
  // Told where it is awaited.
  running.catch(() => {});
  try {
    for (;;) {
      for (let event = waiting.shift(); event !== undefined; event = waiting.shift()) yield event;
      if (ended) return await running;
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (waiting.length > 0 || ended) resolve();
      });
    }
  } finally {
    signal?.removeEventListener('abort', abort);
    if (!ended) {
      controller.abort();
      await running.catch(() => {});
    }
  }
}
