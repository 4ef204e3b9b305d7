/** Sinks for the images of some rows: one buffer for all bytes, or only counts. */
import type { Images } from './parquet_reader.ts';
import type { Values } from './values.ts';

const FIRST_BYTES = 2 ** 20;

/** Of the last buffer: the next is likely as large. */
let lastBytes = FIRST_BYTES;

export interface ImageSink {
  /** @param values of which the next is an image */
  add(values: Values): Promise<void> | void;
  /** An image without bytes. */
  addNone(): void;
  endRow(): void;
}

/** All images in one buffer, as a call answers with them. */
export class ImageBuffer implements ImageSink {
  readonly #maxBytes: number;
  #bytes = new Uint8Array(lastBytes);
  #end = 0;
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  readonly #firsts = [0];

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  readonly #place = (length: number): Uint8Array => {
    const end = this.#end + length;
    if (end > this.#maxBytes) throw Object.assign(new Error('too large'), { tooLarge: true });
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.min(this.#maxBytes, Math.max(end, 2 * this.#bytes.length)));
      larger.set(this.#bytes.subarray(0, this.#end));
      this.#bytes = larger;
    }
    const place = this.#bytes.subarray(this.#end, end);
    this.#starts.push(this.#end);
    this.#ends.push(end);
    this.#end = end;
    return place;
  };

  add(values: Values): Promise<void> {
    return values.next(this.#place);
  }

  addNone(): void {
    this.#starts.push(-1);
    this.#ends.push(-1);
  }

  endRow(): void {
    this.#firsts.push(this.#starts.length);
  }

  images(): Images {
    lastBytes = Math.max(FIRST_BYTES, Math.ceil(1.1 * this.#end));
    return {
      buffer: this.#bytes.buffer,
      starts: Float64Array.from(this.#starts),
      ends: Float64Array.from(this.#ends),
      firsts: Int32Array.from(this.#firsts),
    };
  }
}

/** Counts the images of each row and skips their bytes. */
export class ImageCounter implements ImageSink {
  #images = 0;
  readonly #counts: number[] = [];

  add(values: Values): void {
    values.skip();
    this.#images += 1;
  }

  addNone(): void {
    this.#images += 1;
  }

  endRow(): void {
    this.#counts.push(this.#images);
    this.#images = 0;
  }

  counts(): Int32Array {
    return Int32Array.from(this.#counts);
  }
}
