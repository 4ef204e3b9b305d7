/** Splits long computations so that the event loop stays responsive. */

/** Longest time between two yields. */
const SLICE_MS = 10;

/** Returns a function for a loop to await: it yields to the event loop when 10 ms have passed since the last yield. */
export function breather(): () => Promise<void> | undefined {
  let begin = performance.now();
  return () => {
    if (performance.now() - begin < SLICE_MS) return undefined;
    return new Promise((resolve) =>
      setImmediate(() => {
        begin = performance.now();
        resolve();
      }),
    );
  };
}
