/** Types and values of MIL, the language of Core ML programs, and the file that holds the large ones. */
import type { Message } from '../protobuf.ts';
import { MilType, type Value, type ValueType } from './coreml_messages.ts';

export type MilValue = Message<typeof Value>;
export type MilValueType = Message<typeof ValueType>;

export function tensorType(dataType: number, sides: number[]) {
  const dimensions = sides.map((size) => ({ constant: { size } }));
  return { tensorType: { dataType, rank: sides.length, dimensions } };
}

export function text(value: string) {
  return {
    type: tensorType(MilType.string, []),
    immediateValue: { tensor: { strings: { values: [value] } } },
  };
}

export function int(value: number): MilValue {
  return { type: tensorType(MilType.int32, []), immediateValue: { tensor: { ints: { values: [value] } } } };
}

export function ints(values: number[]): MilValue {
  return {
    type: tensorType(MilType.int32, [values.length]),
    immediateValue: { tensor: { ints: { values } } },
  };
}

export function bool(value: boolean): MilValue {
  return { type: tensorType(MilType.bool, []), immediateValue: { tensor: { bools: { values: [value] } } } };
}

export function numbers(values: number[], sides: number[] = []): MilValue {
  return { type: tensorType(MilType.float32, sides), immediateValue: { tensor: { floats: { values } } } };
}

/** A list of texts as a value: the classes of `classify`. */
export function texts(values: string[]): MilValue {
  const type = { type: tensorType(MilType.string, []), length: { constant: { size: values.length } } };
  return { type: { listType: type }, immediateValue: { list: { values: values.map(text) } } };
}

/** As Core ML finds it in a package. */
export const WEIGHTS_FILE = '@model_path/weights/weight.bin';

const ALIGNMENT = 64;
const SENTINEL = 0xdeadbeef;
const BLOB_TYPES = { float16: 1, float32: 2 } as const;

/** weight.bin: a head with the number of blobs; of each blob its description and its bytes, all at multiples of 64. */
export class WeightFile {
  readonly #pieces: Uint8Array[] = [];
  #size = ALIGNMENT;
  #count = 0;

  /** @returns where its description begins, which is what a value refers to */
  add(bytes: Uint8Array, isHalf: boolean): number {
    const offset = this.#size;
    const head = new DataView(new ArrayBuffer(ALIGNMENT));
    head.setUint32(0, SENTINEL, true);
    head.setUint32(4, isHalf ? BLOB_TYPES.float16 : BLOB_TYPES.float32, true);
    head.setBigUint64(8, BigInt(bytes.length), true);
    head.setBigUint64(16, BigInt(offset + ALIGNMENT), true);
    const padding = new Uint8Array((ALIGNMENT - (bytes.length % ALIGNMENT)) % ALIGNMENT);
    this.#pieces.push(new Uint8Array(head.buffer), bytes, padding);
    this.#size += ALIGNMENT + bytes.length + padding.length;
    this.#count += 1;
    return offset;
  }

  /** The bytes of the file in pieces. */
  get pieces(): Uint8Array[] {
    const head = new DataView(new ArrayBuffer(ALIGNMENT));
    head.setUint32(0, this.#count, true);
    head.setUint32(4, 2, true);
    return [new Uint8Array(head.buffer), ...this.#pieces];
  }
}

/** @throws Error where there is no blob at the offset */
export function readBlob(file: Uint8Array, offset: number): { bytes: Uint8Array; isHalf: boolean } {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (view.getUint32(offset, true) !== SENTINEL) throw new Error(`weight.bin has no blob at ${offset}`);
  const [size, from] = [8, 16].map((at) => Number(view.getBigUint64(offset + at, true)));
  const isHalf = view.getUint32(offset + 4, true) === BLOB_TYPES.float16;
  return { bytes: file.subarray(from!, from! + size!), isHalf };
}
