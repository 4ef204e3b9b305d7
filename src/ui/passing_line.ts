/** A line of a terminal that shows what is going on until there is something to print. */
import { printable } from '../base/words.ts';
import type { Output } from './console.ts';

const CLEAR = '\r\x1b[K';
/** Milliseconds from one drawing to the next. */
const EVERY = 1000;

export class PassingLine {
  readonly #output: Output;
  #timer: NodeJS.Timeout | undefined;

  /** @param output nothing is written where it is no terminal */
  constructor(output: Output) {
    this.#output = output;
  }

  /** Shows a text in place of the one before, and again each second. */
  show(textOf: () => string): void {
    if (!this.#output.isTTY) return;
    clearInterval(this.#timer);
    const draw = () => {
      const columns = (this.#output.columns || 80) - 1;
      this.#output.write(CLEAR + printable(textOf()).slice(0, columns));
    };
    draw();
    this.#timer = setInterval(draw, EVERY).unref();
  }

  clear(): void {
    clearInterval(this.#timer);
    if (this.#output.isTTY) this.#output.write(CLEAR);
  }
}
