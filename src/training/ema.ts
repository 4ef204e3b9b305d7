/** The moving average of the weights. */

/** Batches from one update to the next: reading the weights costs time. */
const BATCHES_AN_UPDATE = 10;
/** Numbers that are averaged before other work may go on. */
const NUMBERS_A_TURN = 200_000;

/**
 * Follows the weights with a decay a step (Polyak averaging), ten steps at a time. The decay rises from nearly 0, so
 * that the average of a short run is not one of its beginning.
 */
export class Average {
  values: Float32Array;
  readonly #keep: number;

  /** @param decay of a step, below 1 */
  constructor(decay: number, start: { values: Float32Array; average?: Float32Array }) {
    this.#keep = decay ** BATCHES_AN_UPDATE;
    this.values = (start.average ?? start.values).slice();
  }

  /** @param batch from 0 */
  isDue(batch: number): boolean {
    return (batch + 1) % BATCHES_AN_UPDATE === 0;
  }

  /** Takes in the weights as they are behind `batch`. */
  async update(batch: number, values: Float32Array): Promise<void> {
    if (!this.isDue(batch)) return;
    const updates = (batch + 1) / BATCHES_AN_UPDATE;
    // As TensorFlow's ExponentialMovingAverage with num_updates.
    const keep = Math.min(this.#keep, (1 + updates) / (10 + updates));
    for (let begin = 0; begin < values.length; begin += NUMBERS_A_TURN) {
      const end = Math.min(values.length, begin + NUMBERS_A_TURN);
      for (let i = begin; i < end; i++) this.values[i] = keep * this.values[i]! + (1 - keep) * values[i]!;
      if (end < values.length) await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
