/** What Ink takes for its output: each of its frames as one text, to be shown elsewhere. */
import { EventEmitter } from 'node:events';

export class Canvas extends EventEmitter {
  readonly #size: { columns: number; rows: number };
  readonly write: (frame: string) => boolean;

  /** @param size read anew for each frame */
  constructor(size: { columns: number; rows: number }, show: (frame: string) => void) {
    super();
    this.#size = size;
    this.write = (frame) => {
      show(frame);
      return true;
    };
  }

  get columns(): number {
    return this.#size.columns;
  }

  get rows(): number {
    return this.#size.rows;
  }
}
