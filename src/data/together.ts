/** Work that may go on together, and work that must be alone. */

/** What came of work that went on together with other. */
export interface Outcome<T> {
  value: T;
  /** Whether `mark` was called meanwhile, by whomever. */
  marked: boolean;
}

export class Gate {
  readonly #running = new Map<Promise<unknown>, { marked: boolean }>();
  /** The last of those that are, or want to be, alone. */
  #last: Promise<void> | undefined;

  /** Starts the work when no exclusive work runs or waits. */
  async together<T>(work: () => Promise<T>): Promise<Outcome<T>> {
    while (this.#last) await this.#last;
    const running = work();
    const state = { marked: false };
    this.#running.set(running, state);
    try {
      return { value: await running, ...state };
    } finally {
      this.#running.delete(running);
    }
  }

  /** Something happened that may be of any of the works under way. */
  mark(): void {
    for (const state of this.#running.values()) state.marked = true;
  }

  /** Begins the work when all other has ended, and nothing else begins before it ends. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#last;
    let end = () => {};
    const mine = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#last = mine;
    try {
      await before;
      await Promise.allSettled(this.#running.keys());
      return await work();
    } finally {
      if (this.#last === mine) this.#last = undefined;
      end();
    }
  }
}
