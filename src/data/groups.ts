/** Which images stay on one side of a split. */
import type { NearPair } from './near.ts';

/** What of an image decides where it belongs. */
export interface Member {
  className: string;
  pixelHash: string;
  /** From the source. */
  group?: string;
}

/** Images that only look alike are held together up to this share of a class, so that no chain of them eats it. */
const MOST_SHARE = 0.1;

/**
 * Joins images with the same pixels, of the same group of their source, and those that look alike, the most alike first.
 * @param pairs the most alike first
 * @returns the number of each image's group, counted from 0 in the order of their first images
 */
export function groupsOf(members: Member[], pairs: NearPair[]): Int32Array {
  const sets = new DisjointSets(members.length);
  const firsts = new Map<string, number>();
  const counts = new Map<string, number>();
  for (const [i, { className, group, pixelHash }] of members.entries()) {
    counts.set(className, (counts.get(className) ?? 0) + 1);
    for (const key of [pixelHash, ...(group === undefined ? [] : [`group ${group}`])]) {
      const first = firsts.get(key);
      if (first === undefined) firsts.set(key, i);
      else sets.join(first, i);
    }
  }
  const most = ({ className }: Member) => Math.max(2, Math.floor(MOST_SHARE * counts.get(className)!));
  for (const { first, second } of pairs) {
    const [a, b] = [members[first]!, members[second]!];
    if (sets.jointSize(first, second) <= Math.min(most(a), most(b))) sets.join(first, second);
  }
  return sets.numbers();
}

/** Sets that are joined and never cut (union-find). */
export class DisjointSets {
  readonly #parents: Int32Array;
  /** Of a root: how many are in its set. */
  readonly #sizes: Int32Array;

  constructor(count: number) {
    this.#parents = Int32Array.from({ length: count }, (_, i) => i);
    this.#sizes = new Int32Array(count).fill(1);
  }

  join(a: number, b: number): void {
    const [first, second] = [this.#root(a), this.#root(b)];
    if (first === second) return;
    const [low, high] = [Math.min(first, second), Math.max(first, second)];
    this.#parents[high] = low;
    this.#sizes[low]! += this.#sizes[high]!;
  }

  /** How many there are in the sets of both together. */
  jointSize(a: number, b: number): number {
    const [first, second] = [this.#root(a), this.#root(b)];
    return this.#sizes[first]! + (first === second ? 0 : this.#sizes[second]!);
  }

  /** The number of each item's set, counted from 0 in the order of their first items. */
  numbers(): Int32Array {
    const numbers = new Map<number, number>();
    return this.#parents.map((_, item) => {
      const root = this.#root(item);
      const number = numbers.get(root) ?? numbers.size;
      numbers.set(root, number);
      return number;
    });
  }

  #root(item: number): number {
    let root = item;
    while (this.#parents[root] !== root) {
      // Every second one on the way is hung higher: paths stay short.
      this.#parents[root] = this.#parents[this.#parents[root]!]!;
      root = this.#parents[root]!;
    }
    return root;
  }
}
