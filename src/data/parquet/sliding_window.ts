/** The output of a decompressor whose copies refer to earlier output (snappy, LZ4). */

/** Compressors look back 64 kB at most, though the format of snappy allows more. */
const HISTORY_BYTES = 2 ** 20;
const OUTPUT_BYTES = 4 * 2 ** 20;

/** The longest copy. */
export const COPY_BYTES = 64;

/** New output, and before it the history that copies may come from. */
export class SlidingWindow {
  readonly #bytes = new Uint8Array(HISTORY_BYTES + OUTPUT_BYTES);
  #end = 0;
  #taken = 0;

  /** Whether a copy might not fit. */
  get isFull(): boolean {
    return this.#bytes.length - this.#end < COPY_BYTES;
  }

  /** The new output, valid until more is added. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(this.#taken, this.#end);
    this.#taken = this.#end;
    return taken;
  }

  /** Drops all but the history. */
  makeRoom(): void {
    this.#bytes.copyWithin(0, this.#end - HISTORY_BYTES, this.#end);
    this.#taken = this.#end = HISTORY_BYTES;
  }

  /**
   * Adds bytes of a literal.
   * @returns how many of them fitted
   */
  add(input: Uint8Array, begin: number, end: number): number {
    const part = input.subarray(begin, Math.min(end, begin + this.#bytes.length - this.#end));
    this.#bytes.set(part, this.#end);
    this.#end += part.length;
    return part.length;
  }

  /**
   * Repeats earlier output, which may overlap with its copy.
   * @param length at most `COPY_BYTES`
   */
  copy(offset: number, length: number): void {
    if (offset === 0 || offset > this.#end) throw new Error(`it looks back ${offset} bytes`);
    const [bytes, end] = [this.#bytes, this.#end];
    for (let at = end; at < end + length; at++) bytes[at] = bytes[at - offset]!;
    this.#end = end + length;
  }
}
