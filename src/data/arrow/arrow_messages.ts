/** The messages of an Arrow file, of either of its formats: what is where, without reading any of it. */
import { Message, type Schema } from 'apache-arrow';
import type { RandomAccess } from '../part.ts';
import { FlatTable } from './flatbuffer.ts';

/** A place in the file. */
export interface Range {
  begin: number;
  end: number;
}

/** Some rows: where the parts of each column are, in the order of the schema. */
export interface Batch {
  rows: number;
  nodes: { length: number; nullCount: number }[];
  buffers: Range[];
}

export interface ArrowContent {
  schema: Schema;
  batches: Batch[];
}

const MAGIC = 'ARROW1';
const MAGIC_BYTES = 8;
/** The length of the footer, and the magic again. */
const FOOTER_END_BYTES = 10;
/** Before the length of a message; absent in old files. */
const CONTINUATION = 0xffffffff;
const METADATA_LIMIT = 64 * 2 ** 20;
const FIELD_LIMIT = 10_000;
const DEPTH_LIMIT = 64;

/** Kinds of message. */
const SCHEMA = 1;
const BATCH = 3;

/**
 * Goes from message to message.
 * @throws Error that says what is wrong with the file
 */
export async function readMessages(file: RandomAccess, signal?: AbortSignal): Promise<ArrowContent> {
  try {
    return await walk(file, signal);
  } catch (error) {
    throw error instanceof RangeError ? damaged() : error;
  }
}

/** A file that says what can't be. */
export function damaged(): Error {
  return new Error('it is not one, or it is damaged');
}

async function walk(file: RandomAccess, signal?: AbortSignal): Promise<ArrowContent> {
  const { begin, end } = await messagesIn(file);
  let at = begin;
  let schema: Schema | undefined;
  const batches: Batch[] = [];
  for (;;) {
    signal?.throwIfAborted();
    const found = await metadataAt(file, at, end);
    if (!found) break;
    const { bytes, body } = found;
    const message = FlatTable.root(bytes);
    const bodyBytes = message.long(3);
    if (!(bodyBytes >= 0 && body + bodyBytes <= end)) throw new Error('it ends too early');
    at = body + bodyBytes;
    if (message.byte(1) === SCHEMA) schema ??= schemaOf(bytes, message);
    if (message.byte(1) === BATCH) batches.push(batchOf(message.table(2), { begin: body, end: at }));
  }
  if (!schema)
    throw begin === 0 ? damaged() : new Error('it has its schema in the footer only, which is not read');
  return { schema, batches };
}

/** Where the messages are: in one of the two formats between a head and a footer. */
async function messagesIn(file: RandomAccess): Promise<Range> {
  const stream = { begin: 0, end: file.size };
  if (file.size < MAGIC_BYTES + FOOTER_END_BYTES) return stream;
  const head = Buffer.from(await file.read(0, MAGIC_BYTES)).toString('latin1');
  if (!head.startsWith(MAGIC)) return stream;
  const tail = Buffer.from(await file.read(file.size - FOOTER_END_BYTES, file.size));
  if (tail.toString('latin1', 4) !== MAGIC) throw new Error('it ends too early');
  const end = file.size - FOOTER_END_BYTES - tail.readInt32LE(0);
  if (!(end >= MAGIC_BYTES && end <= file.size)) throw damaged();
  return { begin: MAGIC_BYTES, end };
}

/** What stands before the body of a message; undefined at the end, of which a stream may have no mark. */
async function metadataAt(
  file: RandomAccess,
  begin: number,
  end: number,
): Promise<{ bytes: Buffer; body: number } | undefined> {
  if (begin + 8 > end) {
    if (begin === 0) throw damaged();
    return undefined;
  }
  const head = Buffer.from(await file.read(begin, begin + 8));
  const isMarked = head.readUInt32LE(0) === CONTINUATION;
  const length = head.readInt32LE(isMarked ? 4 : 0);
  if (length === 0) return undefined;
  const from = begin + (isMarked ? 8 : 4);
  if (length < 0 || length > METADATA_LIMIT) throw damaged();
  if (from + length > end) throw begin === 0 ? damaged() : new Error('it ends too early');
  return { bytes: Buffer.from(await file.read(from, from + length)), body: from + length };
}

function schemaOf(bytes: Buffer, message: FlatTable): Schema {
  message.vector(4, 4);
  const schema = message.table(2);
  if (!schema) throw damaged();
  if (schema.byte(0) !== 0) throw new Error('it is of a computer of the other byte order, which is not read');
  schema.vector(2, 4);
  checkFields(schema.tables(1), { left: FIELD_LIMIT }, 0);
  try {
    return Message.decode(bytes).header() as unknown as Schema;
  } catch {
    throw damaged();
  }
}

function checkFields(fields: FlatTable[], budget: { left: number }, depth: number): void {
  budget.left -= fields.length;
  if (budget.left < 0 || depth > DEPTH_LIMIT) throw damaged();
  for (const field of fields) {
    field.vector(6, 4);
    checkFields(field.tables(5), budget, depth + 1);
  }
}

function batchOf(batch: FlatTable | undefined, body: Range): Batch {
  if (!batch) throw damaged();
  if (batch.field(3) !== undefined) throw new Error('it is compressed, which is not read');
  const buffers = batch.pairs(2).map(([offset, length]) => {
    const [begin, end] = [body.begin + offset, body.begin + offset + length];
    if (!(begin >= body.begin && begin <= end && end <= body.end)) throw damaged();
    return { begin, end };
  });
  const nodes = batch.pairs(1).map(([length, nullCount]) => ({ length, nullCount }));
  return { rows: batch.long(0), nodes, buffers };
}
