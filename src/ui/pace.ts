/** How often to draw: the training comes first. */

/** Milliseconds from one drawing to the next at least. */
export const LEAST_MS = 250;
/** So many times what a drawing takes: with what each step costs, it stays below 0.5% of the time. */
const TIMES_ITS_COST = 300;
/** Weight of the last drawing in the mean. */
const WEIGHT = 0.2;

export class Pace {
  #cost = 0;
  /** Milliseconds of all drawings, and how many there were. */
  spent = 0;
  drawings = 0;

  /** Draws. */
  measure(draw: () => void): void {
    const begin = performance.now();
    draw();
    const cost = performance.now() - begin;
    this.#cost += WEIGHT * (cost - this.#cost);
    this.spent += cost;
    this.drawings += 1;
  }

  /** Milliseconds until the next drawing. */
  get wait(): number {
    return Math.max(LEAST_MS, TIMES_ITS_COST * this.#cost);
  }
}
