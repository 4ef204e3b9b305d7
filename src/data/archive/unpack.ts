/** Brings an archive into the cache, once; whatever happens, what lies there under its name is whole. */
import { createHash, type Hash } from 'node:crypto';
import { mkdir, realpath, rename, rm, stat, statfs, utimes } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { UserError } from '../../base/errors.ts';
import { newName } from '../../base/file_owner.ts';
import { temporaryPath } from '../../base/files.ts';
import { Room } from '../cache/cache_budget.ts';
import type { SourceContext } from '../part.ts';
import type { EntryHead } from './archive_entry.ts';
import { formatOf } from './archive_format.ts';
import { isInWork, tidyArchives } from './archive_leftovers.ts';
import { Collector, type Contents } from './collector.ts';
import { PackWriter } from './pack.ts';
import { readTar } from './tar.ts';
import { folderFor, imagesIn, Unpacked, writeIndex } from './unpacked.ts';
import { readZip } from './zip.ts';

/** A process that unpacks shows this often that it is alive. */
const BEAT_MS = 500;

/** Left free on the disk for all else. */
const SPARE_BYTES = 64 * 2 ** 20;

export interface UnpackOptions extends Pick<SourceContext, 'cacheDir' | 'room' | 'onProgress' | 'signal'> {
  /** Whether the md5 of a tar archive is taken while it is read. */
  md5?: boolean;
  /** Of an archive that comes from elsewhere: what is unpacked of it is good without it. */
  remote?: RemoteArchive;
}

export interface RemoteArchive {
  /** What its content is known by. */
  stamp: string;
  /** Brings it to its path. */
  fetch: () => Promise<unknown>;
}

/**
 * The archive, unpacked now if it is not yet. Of two processes that want the same one, the second waits for the first.
 * @throws UserError for an archive that can't be read or is not believed, a full disk, a cache folder that can't be
 *   written to; the signal's reason
 */
export async function unpack(path: string, options: UnpackOptions): Promise<Unpacked> {
  const { cacheDir, room = new Room(cacheDir), remote } = options;
  const stamp = remote?.stamp ?? (await stampOf(path));
  const folder = folderFor(cacheDir, remote ? path : await realpath(path), stamp);
  const release = await room.hold(folder);
  try {
    const unpacked = await unpackOnce(folder, path, stamp, { ...options, room });
    unpacked.onClose = release;
    return unpacked;
  } catch (error) {
    await release();
    throw error;
  }
}

type RoomyOptions = UnpackOptions & { room: Room };

async function unpackOnce(
  folder: string,
  path: string,
  stamp: string,
  options: RoomyOptions,
): Promise<Unpacked> {
  const root = dirname(folder);
  try {
    await mkdir(root, { recursive: true });
    await tidyArchives(root, folder);
    for (;;) {
      const known = await Unpacked.open(folder, stamp);
      if (known) return known;
      if (!(await isInWork(folder))) break;
      await wait(BEAT_MS / 5, undefined, { signal: options.signal });
    }
    await options.remote?.fetch();
    await unpackTo(folder, path, stamp, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    throw cacheError(path, options.cacheDir, error);
  }
  const unpacked = await Unpacked.open(folder, stamp);
  if (unpacked) return unpacked;
  throw new UserError(`"${path}" was unpacked to "${folder}", but is gone; run again`);
}

async function stampOf(path: string): Promise<string> {
  const found = await stat(path).catch((error) => {
    throw new UserError(`"${path}" can't be read (${error.code}); check the path`);
  });
  if (!found.isFile()) throw new UserError(`Expected an archive, but "${path}" is no file; check the path`);
  return `${found.size}:${found.mtimeMs}:${found.ino}`;
}

async function unpackTo(folder: string, path: string, stamp: string, options: RoomyOptions): Promise<void> {
  const temporary = temporaryPath(dirname(folder), `${basename(folder)}-${newName()}`);
  const before = await stampOf(path);
  await mkdir(temporary);
  const beat = setInterval(() => void utimes(temporary, new Date(), new Date()).catch(() => {}), BEAT_MS);
  beat.unref();
  try {
    const { contents, md5 } = await readArchive(path, temporary, options);
    if ((await stampOf(path)) !== before) {
      throw new UserError(`"${path}" changed while it was unpacked; run again when nothing writes to it`);
    }
    await writeIndex(temporary, stamp, contents, md5);
    // A folder without an index, from which something was taken.
    const known = await Unpacked.open(folder, stamp);
    await known?.close();
    if (!known) await rm(folder, { recursive: true, force: true });
    await rename(temporary, folder).catch((error) => {
      // Another process was as fast.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    clearInterval(beat);
    await rm(temporary, { recursive: true, force: true });
  }
}

async function readArchive(
  path: string,
  temporary: string,
  options: RoomyOptions,
): Promise<{ contents: Contents; md5?: string }> {
  const { size } = await stat(path);
  const format = await formatOf(path);
  const pack = await PackWriter.create(imagesIn(temporary));
  const collector = new Collector(path);
  const progress = progressOf(path, size, collector, options);
  const { cacheDir, room, signal } = options;
  const grow = room.growing(`"${path}", unpacked,`);
  const expect = async (bytes: number) => {
    await grow(0, bytes);
    await checkDisk(path, cacheDir, bytes);
  };
  const onEntry = async (head: EntryHead, content: AsyncIterable<Uint8Array>) => {
    await collector.add(head, content, pack);
    await grow(pack.length);
  };
  let hash: Hash | undefined;
  try {
    await expect(format === 'zip' ? 0 : size);
    if (format === 'zip') {
      const accepts = (head: EntryHead) => collector.accepts(head);
      await readZip(path, { accepts, onPlan: expect, onEntry, onBytes: progress, signal });
    } else {
      hash = options.md5 ? createHash('md5') : undefined;
      await readTar(path, {
        gzipped: format === 'gzip',
        onEntry: async (head, content) => {
          if (collector.accepts(head)) await onEntry(head, content);
        },
        onBytes: (bytes) => {
          hash?.update(bytes);
          progress(bytes.length);
        },
        signal,
      });
    }
    await pack.finish();
    progress(Number.POSITIVE_INFINITY);
  } finally {
    await pack.close();
  }
  return { contents: collector.finish(), md5: hash?.digest('hex') };
}

/** Interval of progress events. */
const PROGRESS_MS = 100;

function progressOf(
  path: string,
  totalBytes: number,
  { contents }: Collector,
  { onProgress }: UnpackOptions,
): (bytes: number) => void {
  let bytes = 0;
  let reportedAt = 0;
  return (more) => {
    const isEnd = more === Number.POSITIVE_INFINITY;
    // 100% is reported only when the last image is packed.
    bytes = isEnd ? totalBytes : Math.min(totalBytes - 1, bytes + more);
    const now = performance.now();
    if (now - reportedAt < PROGRESS_MS && !isEnd) return;
    reportedAt = now;
    onProgress?.({ stage: 'unpack', file: path, bytes, totalBytes, done: contents.files.size });
  };
}

async function checkDisk(path: string, cacheDir: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(cacheDir);
  const free = Math.max(0, bavail * bsize - SPARE_BYTES);
  if (bytes <= free) return;
  const mega = (count: number) => `${Math.ceil(count / 1e6)} MB`;
  throw new UserError(
    `Unpacking "${path}" takes about ${mega(bytes)}, but "${cacheDir}" has ${mega(free)} left; free some space or ` +
      'choose another folder with --cache',
  );
}

function cacheError(path: string, cacheDir: string, error: unknown): unknown {
  if (error instanceof UserError) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') {
    return new UserError(
      `The disk is full: "${path}" did not fit unpacked in "${cacheDir}"; free some space or choose another folder with --cache`,
    );
  }
  if (code === undefined) return error;
  return new UserError(
    `"${path}" could not be unpacked to "${cacheDir}" (${code}); choose another with --cache`,
  );
}
