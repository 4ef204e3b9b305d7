/** The safetensors format: 8 bytes of header length, a JSON header, the tensors one after the other. */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { UserError } from '../base/errors.ts';
import type { Tensor } from '../model/addon.ts';
import { floats, isFloats, WIDTHS } from './floats.ts';

/** Named float32 tensors and free text about them. */
export interface Safetensors {
  metadata: Record<string, string>;
  tensors: Record<string, Tensor>;
}

/** A file is not what it should be: cut off, changed, or something else. */
export class DamagedFile extends UserError {}

/** What of the metadata is a {@link contentHash}; a file that another program wrote has none. */
export const CONTENT_HASH = 'sha256';

const LARGEST_HEADER = 100_000_000;
/** What one ArrayBuffer of Node 20 is sure to hold. */
const LARGEST_FILE = 2 ** 32;

/**
 * Encodes a safetensors file: float32, little endian, tensors sorted by name as in Python's writer.
 * @param content each tensor's data has the product of its shape as its length
 * @returns the bytes of the file
 * @throws UserError when a shape does not fit its data
 */
export function encodeSafetensors(content: Safetensors): Uint8Array {
  return Buffer.concat(safetensorsParts(content));
}

/**
 * The same in pieces: the header, then the tensors as they lie in memory, not copied.
 * @throws UserError when a shape does not fit its data
 */
export function safetensorsParts({ metadata, tensors }: Safetensors): Uint8Array[] {
  const names = Object.keys(tensors).sort(byCodePoints);
  // Without a prototype, "__proto__" is a name like any other.
  const header: Record<string, unknown> = Object.create(null);
  if (Object.keys(metadata).length > 0) header.__metadata__ = metadata;
  let end = 0;
  for (const name of names) {
    const { shape, data } = tensors[name]!;
    if (product(shape) !== data.length)
      throw new UserError(
        `Tensor ${name}: expected ${product(shape)} values for ${show(shape)}, but found ${data.length}`,
      );
    header[name] = { dtype: 'F32', shape, data_offsets: [end, end + data.byteLength] };
    end += data.byteLength;
  }
  const json = Buffer.from(JSON.stringify(header));
  const start = 8 + Math.ceil(json.length / 8) * 8;
  const head = new Uint8Array(start).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(start - 8), true);
  head.set(json, 8);
  return [head, ...names.map((name) => bytesOf(tensors[name]!.data))];
}

/** Bytes that are hashed in half a millisecond. */
const SLICE = 2 ** 19;

/**
 * sha256 (hex) over metadata, names, shapes and numbers, however they are laid out in a file; {@link CONTENT_HASH}
 * itself is left out. Yields often enough for others to have their turn.
 */
export function* contentHash({ metadata, tensors }: Safetensors): Generator<void, string> {
  const names = Object.keys(tensors).sort(byCodePoints);
  const texts = Object.entries(metadata)
    .filter(([key]) => key !== CONTENT_HASH)
    .sort(([a], [b]) => byCodePoints(a, b));
  const shapes = names.map((name) => [name, tensors[name]!.shape]);
  const hash = createHash('sha256').update(JSON.stringify([texts, shapes]));
  for (const name of names) {
    const bytes = bytesOf(tensors[name]!.data);
    for (let from = 0; from < bytes.length; from += SLICE) {
      hash.update(bytes.subarray(from, from + SLICE));
      yield;
    }
  }
  return hash.digest('hex');
}

/** Runs to its end what yields now and then, with a turn of the event loop each time. */
export async function inTurns<R>(work: Generator<void, R>): Promise<R> {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
    await nextTurn();
  }
}

/**
 * Decodes a safetensors file that may be damaged or hostile: every length, offset, name and shape is checked before it
 * is used. Float16, bfloat16 and float64 become float32; PyTorch's batch norm counters (`num_batches_tracked`) are
 * left out.
 * @param label the name of the file in error messages
 * @returns float32 tensors by name, and the metadata
 * @throws UserError when it is not safetensors, is damaged, or holds anything but floating-point numbers
 */
export function decodeSafetensors(bytes: Uint8Array, label: string): Safetensors {
  return decode(bytes, label).content;
}

function decode(bytes: Uint8Array, label: string): { content: Safetensors; isFloat32: boolean } {
  const [header, start] = readHeader(bytes, label);
  const refuse = (reason: string) => new UserError(`${label} is not a usable safetensors file: ${reason}`);
  const metadata = readMetadata(header.__metadata__, refuse);
  const entries = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => readEntry(name, value, refuse))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  const tensors: Record<string, Tensor> = Object.create(null);
  let expected = 0;
  for (const { name, dtype, shape, begin, end } of entries) {
    // Also what becomes of a name that is there twice: JSON.parse keeps one, and the other leaves a gap.
    if (begin !== expected)
      throw refuse(`expected tensor ${name} to begin at byte ${expected}, but it begins at ${begin}`);
    if (end > bytes.length - start)
      throw refuse(
        `tensor ${name} ends at byte ${end} of ${bytes.length - start}; the file is cut short, get it again`,
      );
    const data = bytes.subarray(start + begin, start + end);
    if (isFloats(dtype)) tensors[name] = { shape, data: floats(dtype, data) };
    expected = end;
  }
  if (expected !== bytes.length - start)
    throw refuse(`expected ${expected} bytes of tensors, but found ${bytes.length - start}`);
  return { content: { metadata, tensors }, isFloat32: entries.every(({ dtype }) => dtype === 'F32') };
}

/**
 * {@link decodeSafetensors} of a file, with a check of its checksum (metadata `sha256`) if it has one.
 * @throws UserError as decodeSafetensors does, and when the checksum does not match
 */
export async function readSafetensors(path: string): Promise<Safetensors> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`Could not open ${path}: ${error.code}; expected a .safetensors file`);
  });
  try {
    const stat = await file.stat();
    if (!stat.isFile() || stat.size > LARGEST_FILE)
      throw new UserError(
        `Expected ${path} to be a .safetensors file of at most 4 GB, but found ${stat.isFile() ? `${stat.size} bytes` : 'something that is no file'}`,
      );
    const bytes = new Uint8Array(stat.size);
    for (let done = 0; done < bytes.length; ) {
      const { bytesRead } = await file.read(bytes, done, Math.min(bytes.length - done, 2 ** 30), done);
      if (bytesRead === 0) throw new UserError(`${path} became shorter while it was read; try again`);
      done += bytesRead;
    }
    const { content, isFloat32 } = decodeFile(bytes, path);
    const expected = content.metadata[CONTENT_HASH];
    // One in other widths was converted since.
    if (expected !== undefined && isFloat32 && expected !== (await inTurns(contentHash(content))))
      throw new DamagedFile(
        `Expected ${path} to be as it was written, but its checksum is another: it is damaged`,
      );
    return content;
  } finally {
    await file.close();
  }
}

function decodeFile(bytes: Uint8Array, path: string): ReturnType<typeof decode> {
  try {
    return decode(bytes, path);
  } catch (error) {
    throw error instanceof UserError ? new DamagedFile(error.message) : error;
  }
}

type Refuse = (reason: string) => UserError;

function readHeader(bytes: Uint8Array, label: string): [Record<string, unknown>, number] {
  const refuse = (reason: string) => new UserError(`${label} is not a safetensors file: ${reason}`);
  if (bytes.length < 10) throw refuse(`it has only ${bytes.length} bytes`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (length > LARGEST_HEADER || length > bytes.length - 8)
    throw refuse(`it claims a header of ${length} bytes in a file of ${bytes.length}`);
  try {
    const json = new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, 8 + length));
    const header: unknown = JSON.parse(json);
    if (typeof header === 'object' && header !== null && !Array.isArray(header))
      return [header as Record<string, unknown>, 8 + length];
  } catch {
    // Not UTF-8 or not JSON: said below.
  }
  throw refuse('its header is not a JSON object');
}

function readMetadata(value: unknown, refuse: Refuse): Record<string, string> {
  if (value === undefined) return {};
  const valid =
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((text) => typeof text === 'string');
  if (!valid) throw refuse('its metadata is not a list of texts');
  return { ...value } as Record<string, string>;
}

function readEntry(name: string, value: unknown, refuse: Refuse) {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  const naturals = (list: unknown, most: number): list is number[] =>
    Array.isArray(list) && list.length <= most && list.every((n) => Number.isSafeInteger(n) && n >= 0);
  if (!naturals(shape, 8)) throw refuse(`tensor ${name} has no shape of at most 8 dimensions`);
  if (!naturals(offsets, 2) || offsets.length !== 2) throw refuse(`tensor ${name} has no two data offsets`);
  const width = isFloats(dtype) ? WIDTHS[dtype] : isCounter(name, dtype) ? 8 : undefined;
  if (width === undefined)
    throw refuse(
      `expected tensor ${name} to be float32 (or F16, BF16, F64), but it is ${String(dtype)}; save it as float32`,
    );
  const [begin, end] = offsets as [number, number];
  if (end - begin !== product(shape) * width)
    throw refuse(
      `tensor ${name} of shape ${show(shape)} needs ${product(shape) * width} bytes, but has ${end - begin}`,
    );
  return { name, dtype: dtype as string, shape, begin, end };
}

function isCounter(name: string, dtype: unknown): boolean {
  return dtype === 'I64' && name.endsWith('num_batches_tracked');
}

/** A view of the memory of an array. */
export function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function product(shape: number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

function show(shape: number[]): string {
  return `[${shape.join(', ')}]`;
}

/** As Rust and Python sort. */
function byCodePoints(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
