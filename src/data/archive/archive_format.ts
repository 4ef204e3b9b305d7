// biome-ignore-all lint/suspicious/noControlCharactersInRegex: magic numbers have them
/** What kind of archive a file is. */
import { open } from 'node:fs/promises';
import { UserError } from '../../base/errors.ts';

const OTHERS: [RegExp, string][] = [
  [/^BZh/, 'a bzip2 archive'],
  [/^\xfd7zXZ\x00/, 'an xz archive'],
  [/^\x28\xb5\x2f\xfd/, 'a zstd archive'],
  [/^7z\xbc\xaf/, 'a 7-zip archive'],
  [/^Rar!/, 'a RAR archive'],
];

/**
 * By the first bytes, whatever the name.
 * @throws UserError for archives of other kinds, and what can't be read
 */
export async function formatOf(path: string): Promise<'zip' | 'gzip' | 'tar'> {
  const file = await open(path).catch((error) => {
    throw new UserError(`"${path}" can't be read (${error.code}); check its permissions`);
  });
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(8), 0, 8, 0);
    const head = buffer.toString('latin1', 0, bytesRead);
    if (/^PK(\x03\x04|\x05\x06|\x06\x06|\x07\x08)/.test(head)) return 'zip';
    if (head.startsWith('\x1f\x8b')) return 'gzip';
    if (head === '') throw new UserError(`Expected an archive, but "${path}" is empty; fetch it again`);
    const other = OTHERS.find(([magic]) => magic.test(head))?.[1];
    if (!other) return /\.zip$/i.test(path) ? 'zip' : 'tar';
    throw new UserError(
      `Expected a zip, tar or tar.gz archive, but "${path}" is ${other}; unpack it and name the folder`,
    );
  } finally {
    await file.close();
  }
}
