/** Room on the disk, asked for before much is fetched. */
import { statfs } from 'node:fs/promises';
import { UserError } from '../../base/errors.ts';

/** What is left to the rest of the machine. */
const SPARE_BYTES = 64 * 2 ** 20;

/** @throws UserError when `bytes` more would not fit beside `folder` */
export async function checkSpace(folder: string, bytes: number, what: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free >= bytes + SPARE_BYTES) return;
  throw new UserError(
    `${what} needs ${gigabytes(bytes)} more in ${folder}, but only ${gigabytes(free)} are free there; ` +
      'free some space, or set HF_HUB_CACHE to a folder on another disk',
  );
}

/** Turns a write error into a sentence; other errors are returned unchanged. */
export function writeError(error: unknown, path: string, what: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') {
    return new UserError(
      `The disk is full while ${what} is fetched to ${path}; free some space and start again, what has come is kept`,
    );
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code === 'ENOTDIR' || code === 'EEXIST') {
    return new UserError(
      `${what} can't be written to ${path} (${code}); check its permissions, or set HF_HUB_CACHE to another folder`,
    );
  }
  return error;
}

function gigabytes(bytes: number): string {
  return bytes < 1e8 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
