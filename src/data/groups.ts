/** Sets that are joined and never cut (union-find). */
export class DisjointSets {
  readonly #parents: Int32Array;

  constructor(count: number) {
    this.#parents = Int32Array.from({ length: count }, (_, i) => i);
  }

  join(a: number, b: number): void {
    const [first, second] = [this.#root(a), this.#root(b)];
    this.#parents[Math.max(first, second)] = Math.min(first, second);
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
