/** Single items that are worked on in batches. */

interface Waiting<T, R> {
  item: T;
  resolve(result: R): void;
  reject(error: unknown): void;
}

/** Begins with what is there, and takes what came meanwhile together: nothing waits for a batch to become full. */
export class Batcher<T, R> {
  readonly #waiting: Waiting<T, R>[] = [];
  readonly #size: number;
  readonly #run: (items: T[]) => Promise<R[]>;
  #working: Promise<void> | undefined;

  /** @param run results in the order of the items, of which there are at most `size` */
  constructor(size: number, run: (items: T[]) => Promise<R[]>) {
    this.#size = size;
    this.#run = run;
  }

  add(item: T): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      this.#working ??= this.#work();
    });
  }

  async #work(): Promise<void> {
    // What is added in this turn of the event loop comes along.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#size);
      try {
        const results = await this.#run(batch.map(({ item }) => item));
        for (const [i, { resolve }] of batch.entries()) resolve(results[i]!);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#working = undefined;
  }
}
