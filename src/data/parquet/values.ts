/** The byte strings of a page in sequence, in each of their encodings. */
import { deltaBinaryUnpack } from 'hyparquet/src/delta.js';
import { readRleBitPackedHybrid } from 'hyparquet/src/encoding.js';
import type { ByteStream } from './byte_stream.ts';

/** Returns the memory that a value of this length goes into. */
export type Place = (length: number) => Uint8Array;

/** No image is larger, whatever the file says. */
const VALUE_BYTES = 256 * 2 ** 20;

/** Memory for a value whose length the file says. */
export function allocateValue(length: number): Uint8Array<ArrayBuffer> {
  if (length > VALUE_BYTES) throw Object.assign(new Error('too large'), { tooLarge: true });
  return new Uint8Array(length);
}

/** Values in sequence. A skipped value costs nothing until another is wanted. */
export abstract class Values {
  #skipped = 0;

  skip(): void {
    this.#skipped += 1;
  }

  /** Writes the next value into the memory that `place` returns. */
  next(place: Place): Promise<void> {
    return this.#skipped > 0 ? this.#nextAfterSkipped(place) : this.read(place);
  }

  async #nextAfterSkipped(place: Place): Promise<void> {
    for (; this.#skipped > 0; this.#skipped--) await this.discard();
    await this.read(place);
  }

  protected abstract read(place: Place): Promise<void>;

  protected abstract discard(): Promise<void>;
}

/** Values that are each preceded by their length, or all have one length. */
export class PlainValues extends Values {
  readonly #stream: ByteStream;
  readonly #length: number | undefined;

  constructor(stream: ByteStream, length?: number) {
    super();
    [this.#stream, this.#length] = [stream, length];
  }

  protected override async discard(): Promise<void> {
    await this.#stream.skip(this.#length ?? (await this.#stream.uint32()));
  }

  protected override async read(place: Place): Promise<void> {
    const length = this.#length ?? (await this.#stream.uint32());
    this.#stream.expect(length);
    await this.#stream.into(place(length));
  }
}

/** All lengths first; DELTA_BYTE_ARRAY has before them the length of the prefix shared with the value before. */
export class DeltaValues extends Values {
  readonly #stream: ByteStream;
  readonly #count: number;
  readonly #hasPrefixes: boolean;
  #prefixes: Int32Array | undefined;
  #lengths: Int32Array | undefined;
  #at = 0;
  #before = new Uint8Array(0);

  constructor(stream: ByteStream, count: number, hasPrefixes: boolean) {
    super();
    [this.#stream, this.#count, this.#hasPrefixes] = [stream, count, hasPrefixes];
  }

  protected override async discard(): Promise<void> {
    const [prefix, length] = await this.#nextLengths();
    if (this.#hasPrefixes) await this.#join(prefix, length);
    else await this.#stream.skip(length);
  }

  protected override async read(place: Place): Promise<void> {
    const [prefix, length] = await this.#nextLengths();
    if (!this.#hasPrefixes) return this.#stream.into(place(length));
    await this.#join(prefix, length);
    place(this.#before.length).set(this.#before);
  }

  async #nextLengths(): Promise<[prefix: number, length: number]> {
    if (this.#hasPrefixes) this.#prefixes ??= await integers(this.#stream, this.#count);
    this.#lengths ??= await integers(this.#stream, this.#count);
    const at = this.#at++;
    const [prefix, length] = [this.#prefixes?.[at] ?? 0, this.#lengths[at] ?? -1];
    this.#stream.expect(length);
    return [prefix, length];
  }

  async #join(prefix: number, length: number): Promise<void> {
    if (!(prefix >= 0 && prefix <= this.#before.length)) throw new Error('a prefix longer than its value');
    const value = allocateValue(prefix + length);
    value.set(this.#before.subarray(0, prefix));
    await this.#stream.into(value.subarray(prefix));
    this.#before = value;
  }
}

async function integers(stream: ByteStream, count: number): Promise<Int32Array> {
  const values = new Int32Array(count);
  if (count === 0) return values;
  // More than they can take, whatever the sizes of their blocks.
  const bytes = await stream.peek(2 ** 16 + 16 * count);
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), offset: 0 };
  deltaBinaryUnpack(reader, count, values);
  await stream.skip(reader.offset);
  return values;
}

/** The values that pages refer to by index. */
export interface Dictionary {
  /** Announces the values that a page refers to. */
  expect(indexes: Uint32Array): void;
  /** An expected value is not wanted after all. */
  discard(index: number): void;
  value(index: number, place: Place): Promise<void>;
  end(): Promise<void>;
}

/** Indexes into the dictionary. */
export class DictionaryValues extends Values {
  readonly #dictionary: Dictionary;
  readonly #indexes: Uint32Array;
  #at = 0;

  constructor(dictionary: Dictionary, indexes: Uint32Array) {
    super();
    [this.#dictionary, this.#indexes] = [dictionary, indexes];
    dictionary.expect(indexes);
  }

  protected override async discard(): Promise<void> {
    this.#dictionary.discard(this.#next());
  }

  protected override async read(place: Place): Promise<void> {
    await this.#dictionary.value(this.#next(), place);
  }

  #next(): number {
    return this.#indexes[this.#at++] ?? -1;
  }
}

/**
 * Decodes levels and dictionary indexes.
 * @param width of each in bits, at least 1
 * @param numbers are filled
 */
export function decodeRle<T extends Uint8Array | Uint32Array>(
  bytes: Uint8Array,
  width: number,
  numbers: T,
): T {
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), offset: 0 };
  readRleBitPackedHybrid(reader, width, numbers, bytes.length);
  return numbers;
}
