/** Scalars as TensorBoard reads them: event files, records of protobuf messages with checksums. */
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';

/** One line of each chart. */
export interface ScalarsAt {
  step: number;
  /** Seconds since 1970. */
  wallTime: number;
  /** By tag; TensorBoard groups them by what stands before the first slash. */
  scalars: Record<string, number>;
}

export interface EventFile {
  /** Appends; rejects when the disk does not take it. A half-written end is what TensorBoard waits at. */
  add(at: ScalarsAt): Promise<void>;
}

/**
 * Begins an event file in a run folder. What older files of the folder say of later steps than `step` is then passed
 * over by TensorBoard: those steps are taken again.
 * @param wallTime seconds since 1970, part of the name
 */
export async function createEventFile(folder: string, wallTime: number, step: number): Promise<EventFile> {
  const path = join(folder, `events.out.tfevents.${Math.floor(wallTime)}.birbs-metal.${process.pid}`);
  await appendFile(path, encodeEventHead(wallTime, step));
  return { add: (at) => appendFile(path, encodeScalars(at)) };
}

/** The first two records: the version of the format, and the step that this file begins at. */
export function encodeEventHead(wallTime: number, step: number): Uint8Array {
  const version = event(wallTime, 0, [text(Event.fileVersion, 'brain.Event:2')]);
  const start = event(wallTime, step + 1, [bytes(Event.sessionLog, varint(SessionLog.status, START))]);
  return Buffer.concat([record(version), record(start)]);
}

/** One record. */
export function encodeScalars({ step, wallTime, scalars }: ScalarsAt): Uint8Array {
  const values = Object.entries(scalars).map(([tag, value]) =>
    bytes(Summary.value, Buffer.concat([text(Value.tag, tag), float(Value.simpleValue, value)])),
  );
  return record(event(wallTime, step, [bytes(Event.summary, Buffer.concat(values))]));
}

/** Field numbers of tensorboard/compat/proto/event.proto and summary.proto. */
const Event = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 };
const SessionLog = { status: 1 };
const START = 1;
const Summary = { value: 1 };
const Value = { tag: 1, simpleValue: 2 };

function event(wallTime: number, step: number, content: Uint8Array[]): Uint8Array {
  return Buffer.concat([double(Event.wallTime, wallTime), varint(Event.step, step), ...content]);
}

/** Length, its checksum, data, its checksum; little endian. */
function record(data: Uint8Array): Uint8Array {
  const whole = Buffer.alloc(data.length + 16);
  whole.writeBigUInt64LE(BigInt(data.length), 0);
  whole.writeUInt32LE(maskedCrc(whole.subarray(0, 8)), 8);
  whole.set(data, 12);
  whole.writeUInt32LE(maskedCrc(data), data.length + 12);
  return whole;
}

/** As the record format wants it, so that a checksum of data that hold a checksum is no special one. */
function maskedCrc(data: Uint8Array): number {
  const crc = crc32c(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** CRC-32 by Castagnoli's polynomial. */
export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 0xff]!;
  return ~crc >>> 0;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  return crc;
});

// Protobuf: each field is a number with its kind of value, then the value.

function varint(field: number, value: number): Uint8Array {
  return Buffer.from([field << 3, ...varintBytes(value)]);
}

function double(field: number, value: number): Uint8Array {
  const whole = Buffer.alloc(9, (field << 3) | 1);
  whole.writeDoubleLE(value, 1);
  return whole;
}

function float(field: number, value: number): Uint8Array {
  const whole = Buffer.alloc(5, (field << 3) | 5);
  whole.writeFloatLE(value, 1);
  return whole;
}

function text(field: number, value: string): Uint8Array {
  return bytes(field, Buffer.from(value));
}

function bytes(field: number, value: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from([(field << 3) | 2, ...varintBytes(value.length)]), value]);
}

function varintBytes(value: number): number[] {
  const found: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) found.push((rest % 128) | 128);
  return [...found, rest];
}
