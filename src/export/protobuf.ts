/** Protocol Buffers by tables of fields: messages as plain objects to bytes and back. */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** Number and kind of each field of a message; a list as the kind is a repeated field. */
export interface MessageTable {
  readonly [field: string]: readonly [number: number, kind: Kind | readonly [Kind]];
}

type Scalar = 'int' | 'bool' | 'float' | 'double' | 'string' | 'bytes';
/** `int`: int32, int64, uint64 or an enum. */
type Kind = Scalar | MessageTable;

type ValueOf<K> = K extends 'int' | 'float' | 'double'
  ? number
  : K extends 'bool'
    ? boolean
    : K extends 'string'
      ? string
      : K extends 'bytes'
        ? Uint8Array
        : K extends MessageTable
          ? Message<K>
          : never;

/** A message of a table; what is absent has its default, or is empty. */
export type Message<T extends MessageTable> = {
  -readonly [F in keyof T]?: T[F][1] extends readonly [infer K] ? ValueOf<K>[] : ValueOf<T[F][1]>;
};

type AnyMessage = Record<string, unknown>;

/** The bytes of a message in pieces; large fields are not copied. */
export function encodeMessage<T extends MessageTable>(table: T, message: Message<T>): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let writer = new BinaryWriter();
  const append = (more: Uint8Array[]) => {
    pieces.push(writer.finish(), ...more);
    writer = new BinaryWriter();
  };
  for (const [name, [number, kind]] of Object.entries(table)) {
    const value = (message as AnyMessage)[name];
    if (value === undefined) continue;
    const [type, isList] = Array.isArray(kind) ? [kind[0] as Kind, true] : [kind as Kind, false];
    const values = (isList ? value : [value]) as unknown[];
    if (isList && isPacked(type)) {
      if (values.length === 0) continue;
      const packed = new BinaryWriter();
      for (const one of values) writeScalar(packed, type, one);
      writer.tag(number, WireType.LengthDelimited).bytes(packed.finish());
      continue;
    }
    for (const one of values) {
      writer.tag(number, WIRE_TYPES[typeof type === 'string' ? type : 'bytes']);
      if (typeof type === 'string' && type !== 'bytes') {
        writeScalar(writer, type, one);
        continue;
      }
      const content =
        type === 'bytes' ? [one as Uint8Array] : encodeMessage(type, one as Message<MessageTable>);
      writer.uint32(content.reduce((sum, { length }) => sum + length, 0));
      append(content);
    }
  }
  append([]);
  return pieces.filter(({ length }) => length > 0);
}

const WIRE_TYPES: Record<Scalar, WireType> = {
  int: WireType.Varint,
  bool: WireType.Varint,
  float: WireType.Bit32,
  double: WireType.Bit64,
  string: WireType.LengthDelimited,
  bytes: WireType.LengthDelimited,
};

/** As proto3 does, and what onnx.proto marks so. */
function isPacked(kind: Kind): kind is 'int' | 'float' | 'double' | 'bool' {
  return kind === 'int' || kind === 'float' || kind === 'double' || kind === 'bool';
}

function writeScalar(writer: BinaryWriter, kind: Exclude<Scalar, 'bytes'>, value: unknown): void {
  switch (kind) {
    case 'int':
      writer.int64(value as number);
      return;
    case 'bool':
      writer.bool(value as boolean);
      return;
    case 'string':
      writer.string(value as string);
      return;
    default:
      writer[kind](value as number);
  }
}

/**
 * Reads a message back; fields that the table does not have are passed over.
 * @throws Error when the bytes are no message
 */
export function decodeMessage<T extends MessageTable>(table: T, bytes: Uint8Array): Message<T> {
  const fields = new Map(Object.entries(table).map(([name, [number, kind]]) => [number, { name, kind }]));
  const reader = new BinaryReader(bytes);
  const message: AnyMessage = {};
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    const field = fields.get(number);
    if (!field) {
      reader.skip(wire, number);
      continue;
    }
    const { name, kind } = field;
    if (!Array.isArray(kind)) {
      message[name] = readOne(reader, kind as Kind);
      continue;
    }
    message[name] ??= [];
    const [type, values] = [kind[0] as Kind, message[name] as unknown[]];
    if (!(isPacked(type) && wire === WireType.LengthDelimited)) {
      values.push(readOne(reader, type));
      continue;
    }
    const end = reader.uint32() + reader.pos;
    while (reader.pos < end) values.push(readOne(reader, type));
  }
  return message as Message<T>;
}

function readOne(reader: BinaryReader, kind: Kind): unknown {
  if (typeof kind !== 'string') return decodeMessage(kind, reader.bytes());
  return kind === 'int' ? Number(reader.int64()) : reader[kind]();
}
