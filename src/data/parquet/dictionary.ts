/** The dictionary of a column chunk: the values that pages refer to by index. */
import { allocateValue, type Dictionary, type Place, type PlainValues } from './values.ts';

/** How much of a dictionary is kept in memory. */
export const KEPT_BYTES = 32 * 2 ** 20;

/** A dictionary that is in memory as a whole. */
export class KeptDictionary implements Dictionary {
  readonly #bytes: Uint8Array;
  readonly #starts: Uint32Array;
  readonly #ends: Uint32Array;

  /**
   * @param bytes of the page
   * @param count of values
   * @param length of all values; if absent, each value is preceded by its length
   */
  constructor(bytes: Uint8Array, count: number, length?: number) {
    if (count * (length ?? 4) > bytes.length) throw new Error(`a dictionary of ${count} values`);
    this.#bytes = bytes;
    [this.#starts, this.#ends] = [new Uint32Array(count), new Uint32Array(count)];
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let index = 0, at = 0; index < count; index++) {
      if (length === undefined) at += 4;
      const end = at + (length ?? view.getUint32(at - 4, true));
      if (end > bytes.length) throw new Error('a dictionary that ends too early');
      [this.#starts[index], this.#ends[index]] = [at, end];
      at = end;
    }
  }

  expect(indexes: Uint32Array): void {
    expectIn(indexes, this.#starts.length);
  }

  discard(): void {}

  async value(index: number, place: Place): Promise<void> {
    const value = this.#bytes.subarray(this.#starts[index], this.#ends[index]);
    place(value.length).set(value);
  }

  async end(): Promise<void> {}
}

export interface DictionaryStream {
  values: PlainValues;
  end: () => Promise<void>;
}

/**
 * A dictionary that is read beside the pages that refer to it: one of photographs may be hundreds of megabytes. Writers
 * number values in the order of the rows, so one pass is enough, but for values that come again.
 */
export class StreamedDictionary implements Dictionary {
  readonly #open: () => DictionaryStream;
  #keptBytes: number;
  /** How often each value is still wanted. */
  readonly #uses: Uint32Array;
  /** Values that are wanted again. */
  readonly #kept = new Map<number, Uint8Array>();
  #stream: DictionaryStream | undefined;
  #next = 0;

  /**
   * @param open begins at the first value
   * @param count of values
   * @param keptBytes memory for values that are wanted again; those that do not fit are read again
   */
  constructor(open: () => DictionaryStream, count: number, keptBytes = KEPT_BYTES) {
    [this.#open, this.#keptBytes] = [open, keptBytes];
    this.#uses = new Uint32Array(count);
  }

  expect(indexes: Uint32Array): void {
    expectIn(indexes, this.#uses.length);
    for (const index of indexes) this.#uses[index] = this.#usesOf(index) + 1;
  }

  discard(index: number): void {
    this.#uses[index] = this.#usesOf(index) - 1;
    const kept = this.#kept.get(index);
    if (!kept || this.#usesOf(index) > 0) return;
    this.#kept.delete(index);
    this.#keptBytes += kept.length;
  }

  async value(index: number, place: Place): Promise<void> {
    const value = this.#kept.get(index) ?? (await this.#read(index));
    place(value.length).set(value);
    this.discard(index);
  }

  async end(): Promise<void> {
    await this.#stream?.end();
    this.#stream = undefined;
    this.#next = 0;
  }

  /** Reads forward to this value, or from the beginning again. */
  async #read(index: number): Promise<Uint8Array> {
    if (index < this.#next) await this.end();
    this.#stream ??= this.#open();
    const { values } = this.#stream;
    for (; ; this.#next++) {
      const isIt = this.#next === index;
      const isWanted = this.#usesOf(this.#next) > 0 && !this.#kept.has(this.#next);
      if (!isWanted && !isIt) values.skip();
      else {
        const value = await nextOf(values);
        if (this.#usesOf(this.#next) > Number(isIt)) this.#keep(this.#next, value);
        if (isIt) {
          this.#next += 1;
          return value;
        }
      }
    }
  }

  #keep(index: number, value: Uint8Array): void {
    if (value.length > this.#keptBytes) return;
    this.#kept.set(index, value);
    this.#keptBytes -= value.length;
  }

  #usesOf(index: number): number {
    return this.#uses[index] ?? 0;
  }
}

async function nextOf(values: PlainValues): Promise<Uint8Array> {
  let value = new Uint8Array(0);
  await values.next((length) => {
    value = allocateValue(length);
    return value;
  });
  return value;
}

function expectIn(indexes: Uint32Array, count: number): void {
  for (const index of indexes)
    if (index >= count) throw new Error(`no value ${index} in its dictionary of ${count}`);
}
