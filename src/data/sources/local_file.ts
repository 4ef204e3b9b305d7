/** A file on disk, read at any place. */
import { type FileHandle, open } from 'node:fs/promises';
import { UserError } from '../../base/errors.ts';
import type { RandomAccess } from '../part.ts';

/** "size:mtimeMs:inode". */
export function stampOf({ size, mtimeMs, ino }: { size: number; mtimeMs: number; ino: number }): string {
  return `${size}:${mtimeMs}:${ino}`;
}

/**
 * Opens a file; whatever is read of it is of the file as it was then.
 * @param stamp refused when it has another by now
 * @throws UserError when it can't be opened or was changed
 */
export async function localFile(path: string, stamp: string): Promise<RandomAccess> {
  const handle = await open(path, 'r').catch((error) => {
    throw new UserError(`"${path}" can't be opened (${error.code}); check the path and its permissions`);
  });
  const { size, ...stats } = await handle.stat();
  if (stampOf({ size, ...stats }) !== stamp) {
    await handle.close();
    throw changed(path);
  }
  const unchanged = async () => {
    if (stampOf(await handle.stat()) !== stamp) throw changed(path);
  };
  return {
    name: path,
    size,
    stamp,
    descriptor: handle.fd,
    read: async (begin, end) => {
      const bytes = await readExactly(handle, begin, end);
      if (!bytes) throw changed(path);
      await unchanged();
      return bytes;
    },
    unchanged,
    close: () => handle.close(),
  };
}

async function readExactly(handle: FileHandle, begin: number, end: number): Promise<Uint8Array | undefined> {
  const bytes = new Uint8Array(end - begin);
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, begin + done);
    if (bytesRead === 0) return undefined;
    done += bytesRead;
  }
  return bytes;
}

function changed(path: string): UserError {
  return new UserError(`"${path}": it was changed while it was read; start again`);
}
