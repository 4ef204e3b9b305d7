/** Tar archives, plain or gzipped, read once from begin to end. */
import { createReadStream } from 'node:fs';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract, type Header } from 'tar-stream';
import { UserError } from '../../base/errors.ts';
import { ENTRY_LIMIT, type EntryHead, tooMany } from './archive_entry.ts';

/** An honest archive of images packs them two or three to one; a bomb a thousand. */
const RATIO_LIMIT = 100;
const RATIO_FROM_BYTES = 64 * 2 ** 20;

/** A reading that gained nothing two times, so far apart, hangs; one time may be a process that was stopped. */
const LOOK_MS = 60_000;

const PROBLEMS: Record<string, string> = {
  link: 'is a hard link',
  symlink: 'is a symbolic link',
  'character-device': 'is a device',
  'block-device': 'is a device',
  fifo: 'is a pipe',
};

export interface TarOptions {
  gzipped: boolean;
  /** Called for each entry in turn; once started, its content must be read to the end. */
  onEntry: (head: EntryHead, content: AsyncIterable<Uint8Array>) => Promise<void>;
  /** Sees the bytes of the archive itself as they are read. */
  onBytes: (bytes: Uint8Array) => void;
  signal?: AbortSignal;
}

/**
 * Reads all entries.
 * @throws UserError when it is no tar archive, damaged, cut short, or a bomb; whatever `onEntry` throws
 */
export async function readTar(path: string, options: TarOptions): Promise<void> {
  const { gzipped, signal } = options;
  const state: State = {
    read: 0,
    unpacked: 0,
    entries: 0,
    tail: Buffer.alloc(0),
    turn: Promise.resolve(),
    isBroken: false,
  };
  const source = createReadStream(path, { highWaterMark: 2 ** 20 });
  const raw = tap((bytes) => {
    state.read += bytes.length;
    options.onBytes(bytes);
  });
  const unpacked = tap((bytes) => watch(path, state, bytes, gzipped));
  const gunzip = gzipped ? createGunzip({ chunkSize: 2 ** 18 }) : undefined;
  const out = entries(path, options, state);
  const watchdog = watchOver(state);
  const ends = { signal: signal ? AbortSignal.any([signal, watchdog.signal]) : watchdog.signal };
  try {
    if (gunzip) await pipeline(source, raw, gunzip, unpacked, out, ends);
    else await pipeline(source, raw, unpacked, out, ends);
    await state.turn;
  } catch (error) {
    signal?.throwIfAborted();
    if (watchdog.signal.aborted) throw tarError(path, new Error('Invalid header'), state);
    throw state.failure ?? tarError(path, error as Error, state);
  } finally {
    watchdog.end();
  }
  if (state.failure) throw state.failure;
  checkEnd(path, state, gunzip?.bytesWritten ?? state.read);
}

interface State {
  /** Bytes of the archive, and of the tar within. */
  read: number;
  unpacked: number;
  entries: number;
  /** The last bytes of the tar. */
  tail: Buffer;
  /** The entry in work. */
  turn: Promise<void>;
  /** Whether an entry failed because the archive did. */
  isBroken: boolean;
  /** What `onEntry` threw. */
  failure?: unknown;
}

/** Aborts when nothing moves. */
function watchOver(state: State): { signal: AbortSignal; end: () => void } {
  const controller = new AbortController();
  let before = -1;
  let still = 0;
  const timer = setInterval(() => {
    still = state.unpacked === before ? still + 1 : 0;
    before = state.unpacked;
    if (still === 2) controller.abort();
  }, LOOK_MS);
  return { signal: controller.signal, end: () => clearInterval(timer) };
}

function tap(look: (bytes: Buffer) => void): Transform {
  return new Transform({
    transform(chunk: Buffer, _, done) {
      try {
        look(chunk);
        done(null, chunk);
      } catch (error) {
        done(error as Error);
      }
    },
  });
}

function watch(path: string, state: State, bytes: Buffer, gzipped: boolean): void {
  state.unpacked += bytes.length;
  state.tail = Buffer.concat([state.tail, bytes.subarray(-512)]).subarray(-512);
  if (gzipped && state.unpacked > RATIO_FROM_BYTES && state.unpacked > RATIO_LIMIT * state.read) {
    throw new UserError(
      `"${path}" unpacks to more than ${RATIO_LIMIT} times its size, as no archive of photos does; it is not used`,
    );
  }
}

/** What takes the tar in and hands the entries out. */
function entries(path: string, { onEntry }: TarOptions, state: State) {
  // Archives from before there was a standard; their checksums are right all the same.
  const lenient: object = { allowUnknownFormat: true };
  const out = extract(lenient);
  out.on('entry', (header, content, next) => {
    state.entries += 1;
    // An error of the archive reaches the pipeline too, which ends the reading.
    content.on('error', () => {
      state.isBroken = true;
    });
    // The reader would wait forever for the end of an entry without a size.
    const problem = Number.isSafeInteger(header.size) ? undefined : new Error('Invalid header');
    if (problem || state.entries > ENTRY_LIMIT) {
      next(problem ?? tooMany(path));
      return;
    }
    state.turn = onEntry(headOf(header), content as AsyncIterable<Uint8Array>).then(
      () => {
        content.resume();
        next();
      },
      (error) => {
        if (!state.isBroken) state.failure ??= error;
        next(error);
      },
    );
  });
  return out as unknown as NodeJS.WritableStream;
}

function headOf({ name, size, type }: Header): EntryHead {
  const isFile = type === 'file' || type === 'contiguous-file';
  const isFolder = type === 'directory';
  const problem = isFile || isFolder ? undefined : (PROBLEMS[type ?? ''] ?? 'is of an unknown kind');
  return { name, size, isFolder, problem };
}

function tarError(path: string, error: NodeJS.ErrnoException, { entries }: State): Error {
  if (error instanceof UserError) return error;
  const { code = '', message } = error;
  if (code === 'Z_BUF_ERROR' || /unexpected end/i.test(message)) return cutShort(path);
  if (code.startsWith('Z_')) return new UserError(`"${path}" is damaged (${message}); fetch it again`);
  if (/tar header|invalid header|header exceeds/i.test(message)) {
    return new UserError(
      entries === 0
        ? `Expected a tar archive, but "${path}" is something else or damaged; fetch it again`
        : `"${path}" is damaged after entry ${entries}; fetch it again`,
    );
  }
  return new UserError(`"${path}" could not be read (${code || message}); check it and run again`);
}

function cutShort(path: string): UserError {
  return new UserError(`"${path}" ends too early; fetch it again`);
}

/** Whatever wrote a tar ended it with zeros, and a gzip ends with its file or in zeros. */
function checkEnd(path: string, { read, entries, tail }: State, consumed: number): void {
  if (tail.length < 512 || tail.some((byte) => byte !== 0)) throw cutShort(path);
  if (entries === 0) throw new UserError(`Expected images in "${path}", but the archive is empty`);
  if (read - consumed > 2 ** 16) {
    throw new UserError(`"${path}" has ${read - consumed} bytes after its end; fetch it again`);
  }
}
