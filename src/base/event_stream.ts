/** Turns event callbacks into an async iterator. */

/** When this many events wait for their reader, events that a later one replaces are dropped. */
const MOST_WAITING = 1000;

/**
 * Runs `work`, yields the events that it emits, in order, and returns its result. Leaving the loop aborts the work and
 * waits for it to end.
 * @param isPassing whether an event may be dropped when its reader is slow
 */
export async function* streamEvents<E, R>(
  work: (emit: (event: E) => void, signal: AbortSignal) => Promise<R>,
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
  // The rejection is handled where the promise is awaited; this avoids an unhandledRejection until then.
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
