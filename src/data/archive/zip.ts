/** Zip archives: the list of entries is checked as a whole before any of them is read. */
import { isUtf8 } from 'node:buffer';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import * as yauzl from 'yauzl';
import { UserError } from '../../base/errors.ts';
import { ENTRY_LIMIT, type EntryHead, tooMany } from './archive_entry.ts';
import { ZipReader } from './zip_reader.ts';

/** An honest archive of images packs them two or three to one; a bomb a thousand. */
const RATIO_LIMIT = 100;
const RATIO_FROM_BYTES = 64 * 2 ** 20;

const LOCAL_HEADER_BYTES = 30;
const UTF8_FLAG = 0x800;
const CENTRAL_SIGNATURE = 0x02014b50;

export interface ZipOptions {
  /** Whether the content of an entry is needed. */
  accepts: (head: EntryHead) => boolean;
  /** Told once how many bytes the needed contents have. */
  onPlan: (bytes: number) => Promise<void>;
  onEntry: (head: EntryHead, content: AsyncIterable<Uint8Array>) => Promise<void>;
  /** Bytes of the archive that were read for a content. */
  onBytes: (bytes: number) => void;
  signal?: AbortSignal;
}

interface Wanted {
  head: EntryHead;
  entry: yauzl.Entry;
}

/**
 * Reads the needed entries in the order of their places in the file.
 * @throws UserError when it is no zip archive, damaged, encrypted, or a bomb; whatever the callbacks throw
 */
export async function readZip(path: string, options: ZipOptions): Promise<void> {
  const file = await open(path);
  try {
    const reader = new ZipReader(file, (await file.stat()).size);
    const zip = await openZip(path, reader);
    const wanted = await entriesOf(path, zip, options);
    await checkListEnd(path, zip, reader);
    const bytes = wanted.reduce((sum, { entry }) => sum + entry.uncompressedSize, 0);
    if (bytes > RATIO_FROM_BYTES && bytes > RATIO_LIMIT * zip.fileSize) {
      throw new UserError(
        `"${path}" unpacks to more than ${RATIO_LIMIT} times its size, as no archive of photos does; it is not used`,
      );
    }
    await options.onPlan(bytes);
    for (const { head, entry } of wanted) {
      options.signal?.throwIfAborted();
      await options.onEntry(head, contentOf(path, zip, entry));
      options.onBytes(entry.compressedSize);
    }
  } finally {
    await file.close();
  }
}

async function openZip(path: string, reader: ZipReader): Promise<yauzl.ZipFile> {
  const { size } = reader;
  const options = { autoClose: false, decodeStrings: false, lazyEntries: true };
  try {
    const zip = await yauzl.fromRandomAccessReaderPromise(reader, size, options);
    // Later failures are reported by the failing call.
    zip.on('error', () => {});
    return zip;
  } catch (error) {
    throw zipError(path, error as Error);
  }
}

/** The count of entries has 16 bits in old archives: one with more of them would lose most. */
async function checkListEnd(path: string, zip: yauzl.ZipFile, reader: ZipReader): Promise<void> {
  const end = Number(zip.readEntryCursor);
  const next = await reader.bytes(end, 4).catch(() => Buffer.alloc(4));
  if (next.readUInt32LE() === CENTRAL_SIGNATURE) {
    throw new UserError(
      `"${path}" has more files than it says; pack it again as tar.gz, or unpack it and name the folder`,
    );
  }
}

/** The needed entries, when all of them are believable. */
async function entriesOf(path: string, zip: yauzl.ZipFile, options: ZipOptions): Promise<Wanted[]> {
  if (zip.entryCount > ENTRY_LIMIT) throw tooMany(path);
  const wanted: Wanted[] = [];
  const places = new Float64Array(2 * zip.entryCount);
  for (let i = 0; i < zip.entryCount; i++) {
    options.signal?.throwIfAborted();
    const entry = await nextEntry(path, zip);
    const begin = entry.relativeOffsetOfLocalHeader;
    places[2 * i] = begin;
    places[2 * i + 1] = begin + LOCAL_HEADER_BYTES + entry.fileNameLength + entry.compressedSize;
    const head = headOf(path, entry);
    if (options.accepts(head)) wanted.push({ head, entry: slim(entry) });
  }
  checkPlaces(path, places);
  return wanted.sort((a, b) => a.entry.relativeOffsetOfLocalHeader - b.entry.relativeOffsetOfLocalHeader);
}

/** Refuses archives with entries that count more than once, the trick of the worst bombs. */
function checkPlaces(path: string, places: Float64Array): void {
  const order = Uint32Array.from({ length: places.length / 2 }, (_, i) => i);
  order.sort((a, b) => places[2 * a]! - places[2 * b]!);
  let end = 0;
  for (const i of order) {
    if (places[2 * i]! < end) {
      throw new UserError(
        `"${path}" has entries that lie over each other; it is damaged or a bomb, fetch it again`,
      );
    }
    end = places[2 * i + 1]!;
  }
}

function nextEntry(path: string, zip: yauzl.ZipFile): Promise<yauzl.Entry> {
  return new Promise((resolve, reject) => {
    const end = () => zip.off('entry', onEntry).off('error', onError).off('end', onEnd);
    const onEntry = (entry: yauzl.Entry) => {
      end();
      resolve(entry);
    };
    const onError = (error: Error) => {
      end();
      reject(zipError(path, error));
    };
    const onEnd = () => onError(new Error('the list of entries ends too early'));
    zip.on('entry', onEntry).on('error', onError).on('end', onEnd);
    zip.readEntry();
  });
}

function headOf(path: string, entry: yauzl.Entry): EntryHead {
  if (entry.isEncrypted()) {
    throw new UserError(`"${path}" is encrypted; unpack it with its password and name the folder`);
  }
  const { generalPurposeBitFlag, fileNameRaw, extraFields, compressionMethod, crc32 } = entry;
  // Many programs write UTF-8 without saying so.
  const flags = isUtf8(fileNameRaw) ? generalPurposeBitFlag | UTF8_FLAG : generalPurposeBitFlag;
  const name = yauzl.getFileNameLowLevel(flags, fileNameRaw, extraFields, true);
  const isFolder = /[\\/]$/.test(name);
  const problem = problemOf(entry.externalFileAttributes >>> 16, compressionMethod);
  return { name, size: entry.uncompressedSize, isFolder, problem: isFolder ? undefined : problem, crc32 };
}

/** @param mode as Unix has it, 0 where the archive does not say */
function problemOf(mode: number, compressionMethod: number): string | undefined {
  const kind = mode & constants.S_IFMT;
  if (kind === constants.S_IFLNK) return 'is a symbolic link';
  if (kind === constants.S_IFIFO) return 'is a pipe';
  if (kind === constants.S_IFCHR || kind === constants.S_IFBLK) return 'is a device';
  if (kind === constants.S_IFSOCK) return 'is a socket';
  if (compressionMethod === 0 || compressionMethod === 8) return undefined;
  return `is compressed by method ${compressionMethod}, which is not known`;
}

/** Without the texts of the entry, of which there may be a lot. */
function slim(entry: yauzl.Entry): yauzl.Entry {
  const { compressedSize, uncompressedSize, compressionMethod } = entry;
  const { generalPurposeBitFlag, relativeOffsetOfLocalHeader } = entry;
  return Object.assign(new yauzl.Entry(), {
    compressedSize,
    uncompressedSize,
    compressionMethod,
    generalPurposeBitFlag,
    relativeOffsetOfLocalHeader,
  });
}

async function* contentOf(path: string, zip: yauzl.ZipFile, entry: yauzl.Entry): AsyncGenerator<Uint8Array> {
  let stream: Readable | undefined;
  try {
    stream = await zip.openReadStreamPromise(entry);
    yield* stream as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw zipError(path, error as Error);
  } finally {
    stream?.destroy();
  }
}

function zipError(path: string, error: NodeJS.ErrnoException): UserError {
  if (error instanceof UserError) return error;
  const { code = '', message } = error;
  if (/strong encryption/.test(message)) {
    return new UserError(`"${path}" is encrypted; unpack it with its password and name the folder`);
  }
  if (/End of central directory/i.test(message)) {
    return new UserError(
      `Expected a zip archive, but "${path}" is something else or truncated; fetch it again`,
    );
  }
  if (code !== '' && !code.startsWith('Z_')) {
    return new UserError(`"${path}" could not be read (${code}); check it and run again`);
  }
  return new UserError(`"${path}" is damaged (${message.split('\n')[0]!.slice(0, 200)}); fetch it again`);
}
