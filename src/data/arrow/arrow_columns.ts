/** Columns of a batch of an Arrow file, each read separately: images are large and often not needed. */
import { type Data, DataType, type Field, makeData, makeVector, type Vector } from 'apache-arrow';
import type { RandomAccess } from '../part.ts';
import { type Batch, damaged, type Range } from './arrow_messages.ts';

/** Where a column and those in it are. */
export interface Place {
  type: DataType;
  length: number;
  nullCount: number;
  /** The first one is the validity bitmap. */
  buffers: Range[];
  children: Map<string, Place>;
}

/**
 * Of each column of the schema.
 * @throws Error when a column says that it has more than its bytes hold
 */
export function placesIn(fields: Field[], { rows, nodes, buffers }: Batch): Map<string, Place> {
  let [node, buffer] = [0, 0];
  const place = ({ type }: Field): Place => {
    const { length, nullCount } = nodes[node++] ?? { length: -1, nullCount: 0 };
    const own = buffers.slice(buffer, buffer + buffersOf(type));
    buffer += own.length;
    const inner: Field[] = type.children ?? [];
    const children = new Map(inner.map((child) => [child.name, place(child)]));
    const found = { type, length, nullCount, buffers: own, children };
    if (own.length < buffersOf(type) || !isEnough(found)) throw damaged();
    return found;
  };
  const places = new Map(fields.map((field) => [field.name, place(field)]));
  if ([...places.values()].some(({ length }) => length !== rows)) throw damaged();
  return places;
}

/** Whether the bytes can hold this many values. */
function isEnough({ type, length, nullCount, buffers, children }: Place): boolean {
  const [nulls = 0, second = 0] = buffers.map(({ begin, end }) => end - begin);
  const isCounted = length >= 0 && nullCount >= 0 && nullCount <= length;
  if (!isCounted || (nullCount > 0 && nulls * 8 < length)) return false;
  const offsets = offsetBytes(type);
  if (offsets > 0) return length === 0 || second >= offsets * (length + 1);
  if (DataType.isStruct(type)) return [...children.values()].every((child) => child.length >= length);
  return buffers.length < 2 || second * 8 >= length;
}

/** Of each offset that a column has for its values; 0 where it has none. */
function offsetBytes(type: DataType): number {
  if (DataType.isLargeBinary(type) || DataType.isLargeUtf8(type) || DataType.isLargeList(type)) return 8;
  return isVariable(type) || DataType.isList(type) || DataType.isMap(type) ? 4 : 0;
}

/** @see https://arrow.apache.org/docs/format/Columnar.html#buffer-listing-for-each-layout */
function buffersOf(type: DataType): number {
  if (DataType.isNull(type)) return 0;
  if (DataType.isStruct(type) || DataType.isFixedSizeList(type)) return 1;
  if (isVariable(type)) return 3;
  if (isUnread(type)) throw new Error(`it has a column of ${type}, which is not read`);
  return 2;
}

function isVariable(type: DataType): boolean {
  return (
    DataType.isBinary(type) ||
    DataType.isUtf8(type) ||
    DataType.isLargeBinary(type) ||
    DataType.isLargeUtf8(type)
  );
}

function isUnread(type: DataType): boolean {
  return DataType.isUnion(type) || DataType.isBinaryView(type) || DataType.isUtf8View(type);
}

/** A whole column; numbers, text, and lists and structs of these. */
export async function readColumn(file: RandomAccess, place: Place): Promise<Vector> {
  return makeVector(await dataOf(file, place));
}

async function dataOf(
  file: RandomAccess,
  { type, length, nullCount, buffers, children }: Place,
): Promise<Data> {
  if (DataType.isDictionary(type)) throw new Error(`it has a column of ${type}, which is not read`);
  const [nullBitmap, second, third] = await Promise.all(
    buffers.map(async ({ begin, end }) => (await file.read(begin, end)).slice()),
  );
  const inner = await Promise.all([...children.values()].map((child) => dataOf(file, child)));
  // The library takes a type's own names; what it does not need it ignores.
  const props: object = {
    type,
    length,
    nullCount,
    nullBitmap: nullCount > 0 ? nullBitmap : undefined,
    ...(offsetBytes(type) > 0 ? { valueOffsets: numbersIn(type, second!), data: third } : { data: second }),
    ...(DataType.isStruct(type) ? { children: inner } : { child: inner[0] }),
  };
  return makeData(props as Parameters<typeof makeData>[0]);
}

function numbersIn(type: DataType, bytes: Uint8Array): Int32Array | BigInt64Array {
  const { buffer, byteOffset, byteLength } = bytes;
  return offsetBytes(type) === 8
    ? new BigInt64Array(buffer as ArrayBuffer, byteOffset, byteLength / 8)
    : new Int32Array(buffer as ArrayBuffer, byteOffset, byteLength / 4);
}

/** Where the bytes of each row of a column are in the file; undefined where there are none. */
export async function rangesIn(
  file: RandomAccess,
  { type, length, nullCount, buffers }: Place,
): Promise<(Range | undefined)[]> {
  if (!DataType.isBinary(type) && !DataType.isLargeBinary(type)) {
    throw new Error(`it has images in a column of ${type}, which is not read`);
  }
  const [nulls, offsets, values] = buffers as [Range, Range, Range];
  const bitmap = await file.read(nulls.begin, nulls.end);
  const ends = numbersIn(type, (await file.read(offsets.begin, offsets.end)).slice());
  return Array.from({ length }, (_, row) => {
    const isNull = nullCount > 0 && ((bitmap[row >> 3]! >> (row & 7)) & 1) === 0;
    const [begin, end] = [Number(ends[row]), Number(ends[row + 1])];
    if (!(begin >= 0 && begin <= end && values.begin + end <= values.end)) throw damaged();
    return isNull || begin === end ? undefined : { begin: values.begin + begin, end: values.begin + end };
  });
}
