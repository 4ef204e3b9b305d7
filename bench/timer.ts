/** How everything here is timed: contenders take turns, and the median of each counts. */

/** One line of `npm run bench`. */
export interface BenchResult {
  bench: string;
  case: string;
  unit: string;
  ours: number;
  rival: number;
  rivalName: string;
  /** Ours over the rival's. */
  ratio: number;
}

/** A rival that could not be asked, and why. */
export interface MissingRival {
  bench: string;
  case: string;
  rivalName: string;
  missing: string;
}

export interface Contender {
  name: string;
  /** Does the work once and says how long it took. */
  run(): Promise<number>;
}

/**
 * Medians of `rounds` alternating turns, in the order of `contenders`. In a turn a contender runs twice and
 * the second time counts: the caches are its own again. Before a turn, threads of the last one come to rest.
 */
export async function alternate(contenders: Contender[], rounds: number): Promise<number[]> {
  const times = contenders.map((): number[] => []);
  for (let round = -1; round < rounds; round++) {
    for (const [index, contender] of contenders.entries()) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      await contender.run();
      const time = await contender.run();
      // The first round warms up.
      if (round >= 0) times[index]!.push(time);
    }
  }
  return times.map(median);
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** To three places. */
export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
