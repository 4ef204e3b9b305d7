/**
 * Tables of a flatbuffer as far as the messages of Arrow need them, with every place and count held to the bytes that
 * are there: libraries believe both.
 * @see https://flatbuffers.dev/internals/
 */

export interface Vector {
  /** Of its first item. */
  at: number;
  count: number;
}

/** Reading behind the end throws a RangeError. */
export class FlatTable {
  readonly #bytes: Buffer;
  readonly #at: number;

  constructor(bytes: Buffer, at: number) {
    [this.#bytes, this.#at] = [bytes, at];
  }

  /** The table that a buffer is. */
  static root(bytes: Buffer): FlatTable {
    return new FlatTable(bytes, bytes.readUInt32LE(0));
  }

  /** Where a field is; undefined where it has its default. */
  field(slot: number): number | undefined {
    const layout = this.#at - this.#bytes.readInt32LE(this.#at);
    const size = this.#bytes.readUInt16LE(layout);
    const offset = 4 + 2 * slot < size ? this.#bytes.readUInt16LE(layout + 4 + 2 * slot) : 0;
    return offset === 0 ? undefined : this.#at + offset;
  }

  byte(slot: number): number {
    const at = this.field(slot);
    return at === undefined ? 0 : this.#bytes.readUInt8(at);
  }

  long(slot: number): number {
    const at = this.field(slot);
    return at === undefined ? 0 : Number(this.#bytes.readBigInt64LE(at));
  }

  table(slot: number): FlatTable | undefined {
    const at = this.field(slot);
    return at === undefined ? undefined : new FlatTable(this.#bytes, at + this.#bytes.readUInt32LE(at));
  }

  vector(slot: number, itemBytes: number): Vector {
    const field = this.field(slot);
    if (field === undefined) return { at: 0, count: 0 };
    const at = field + this.#bytes.readUInt32LE(field);
    const count = this.#bytes.readUInt32LE(at);
    if (at + 4 + count * itemBytes > this.#bytes.length) throw new RangeError('too many items');
    return { at: at + 4, count };
  }

  /** Each item of a vector of tables. */
  tables(slot: number): FlatTable[] {
    const { at, count } = this.vector(slot, 4);
    return Array.from({ length: count }, (_, i) => {
      const item = at + 4 * i;
      return new FlatTable(this.#bytes, item + this.#bytes.readUInt32LE(item));
    });
  }

  /** Each item of a vector of pairs of whole numbers. */
  pairs(slot: number): [number, number][] {
    const { at, count } = this.vector(slot, 16);
    const number = (place: number) => Number(this.#bytes.readBigInt64LE(place));
    return Array.from({ length: count }, (_, i) => [number(at + 16 * i), number(at + 16 * i + 8)]);
  }
}
