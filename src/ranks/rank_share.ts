/** Which part of a list each of several ranks has; pure. */

/** A rank and how many there are. */
export interface RankPlace {
  rank: number;
  size: number;
}

/** From `first` on `count` of the list. */
export interface Part {
  first: number;
  count: number;
}

/** The part of a list of `length` that a rank has: parts lie in the order of the ranks and differ by one at most. */
export function partOf(length: number, { rank, size }: RankPlace): Part {
  const first = Math.floor((length * rank) / size);
  return { first, count: Math.floor((length * (rank + 1)) / size) - first };
}

/**
 * The images of a batch that a rank is handed: its part, or where it has none (fewer images than ranks) the first of the
 * batch, which counts for nothing.
 */
export function handedOf<T extends { subarray(begin: number, end: number): T; length: number }>(
  batch: T,
  place: RankPlace,
): T {
  const { first, count } = partOf(batch.length, place);
  return count > 0 ? batch.subarray(first, first + count) : batch.subarray(0, 1);
}

/** What a rank is handed of an order that is taken in batches, one batch after the other. */
export function handedOrder(order: Uint32Array, batchSize: number, place: RankPlace): Uint32Array {
  const parts: Uint32Array[] = [];
  for (let begin = 0; begin < order.length; begin += batchSize)
    parts.push(handedOf(order.subarray(begin, begin + batchSize), place));
  const handed = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let end = 0;
  for (const part of parts) {
    handed.set(part, end);
    end += part.length;
  }
  return handed;
}
