/** Long computations in short pieces, so that the event loop goes on. */

/** Longest piece. */
const PIECE_MS = 10;

/** Returns what a loop awaits now and then: it lets others run once 10 ms have passed since they last did. */
export function breather(): () => Promise<void> | undefined {
  let begin = performance.now();
  return () => {
    if (performance.now() - begin < PIECE_MS) return undefined;
    return new Promise((resolve) =>
      setImmediate(() => {
        begin = performance.now();
        resolve();
      }),
    );
  };
}
