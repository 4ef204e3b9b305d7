/** The sha256 of files on disk, read once and then remembered for as long as size, time and inode stay. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { UserError } from '../../base/errors.ts';
import { touch, writeFileWhole } from '../../base/files.ts';
import type { PinOptions } from '../part.ts';

/** Size in bytes and sha256 (hex) of a file. */
export interface FileSum {
  size: number;
  sha256: string;
}

/**
 * The sum of a file, from memory where the file did not change.
 * @param cacheDir where it is remembered; a folder that can't be written to is no error
 * @param options `verify`: read the file again whatever size and time say
 * @throws UserError when the file can't be read, or changes while it is
 */
export async function fileSum(
  path: string,
  cacheDir: string,
  { verify, onBytes, signal }: PinOptions,
): Promise<FileSum> {
  const key = resolve(path);
  const memo = memoPath(key, cacheDir);
  const stamp = await stampOf(path);
  const known = verify ? undefined : await recall(memo, key, stamp);
  if (known) return known;
  const sum = await readSum(path, onBytes, signal);
  if ((await stampOf(path)) !== stamp) {
    throw new UserError(`"${path}" changed while it was read; try again when nothing writes to it`);
  }
  await remember(memo, { key, stamp, ...sum });
  return sum;
}

/** The sum of a file when it was last read, whatever became of it since. */
export async function lastSum(path: string, cacheDir: string): Promise<FileSum | undefined> {
  const key = resolve(path);
  return recall(memoPath(key, cacheDir), key);
}

function memoPath(key: string, cacheDir: string): string {
  return join(cacheDir, 'sums', `${createHash('sha256').update(key).digest('hex').slice(0, 32)}.json`);
}

async function stampOf(path: string): Promise<string> {
  const { size, mtimeMs, ino } = await stat(path).catch((error) => {
    throw unreadable(path, error);
  });
  return `${size}:${mtimeMs}:${ino}`;
}

async function recall(memo: string, key: string, stamp?: string): Promise<FileSum | undefined> {
  try {
    const { size, sha256, ...rest } = JSON.parse(await readFile(memo, 'utf8'));
    const right =
      rest.key === key && (stamp === undefined || rest.stamp === stamp) && /^[0-9a-f]{64}$/.test(sha256);
    if (!right) return undefined;
    await touch(memo);
    return { size, sha256 };
  } catch {
    return undefined;
  }
}

async function remember(memo: string, known: object): Promise<void> {
  try {
    await mkdir(join(memo, '..'), { recursive: true });
    await writeFileWhole(memo, JSON.stringify(known));
  } catch {
    // It is read again next time.
  }
}

async function readSum(path: string, onBytes: PinOptions['onBytes'], signal?: AbortSignal): Promise<FileSum> {
  const hash = createHash('sha256');
  let size = 0;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20, signal })) {
      hash.update(chunk);
      size += chunk.length;
      onBytes?.(chunk.length);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw unreadable(path, error);
  }
  return { size, sha256: hash.digest('hex') };
}

function unreadable(path: string, error: unknown): UserError {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  return new UserError(`"${path}" can't be read (${code}); check its permissions`);
}
