/** An entry of an archive, and whether its name is safe. */
import { UserError } from '../../base/errors.ts';

/** An entry before its content is read. */
export interface EntryHead {
  /** As the archive has it. */
  name: string;
  /** Bytes, unpacked; a claim of the archive. */
  size: number;
  isFolder: boolean;
  /** Why it can't be taken, whatever its name: a link, a device. */
  problem?: string;
  /** Of the content, where the archive has it. */
  crc32?: number;
}

/** More are refused: all their names are held in memory. */
export const ENTRY_LIMIT = 1_000_000;

const NAME_BYTES = 4096;
const PART_BYTES = 255;

/**
 * The name relative to the archive, with slashes and nothing before it, or why it is refused. Nothing is ever written
 * under such a name, but classes are made of them and people read them.
 */
export function safeName(raw: string): { name: string } | { problem: string } {
  const name = raw.replaceAll('\\', '/');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\u0000-\u001f\u007f-\u009f]/.test(name)) return { problem: 'has control characters in its name' };
  if (name.startsWith('/') || /^[A-Za-z]:/.test(name)) return { problem: 'has an absolute path' };
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) return { problem: 'has a path that leads out of the archive' };
  if (parts.length === 0) return { problem: 'has no name' };
  const tooLong = parts.some((part) => Buffer.byteLength(part) > PART_BYTES);
  if (tooLong || Buffer.byteLength(name) > NAME_BYTES) return { problem: 'has a name that is too long' };
  return { name: parts.join('/') };
}

/** A name that was refused, so that it can be shown. */
export function shownName(raw: string): string {
  const short = raw.length > 200 ? `${raw.slice(0, 200)}...` : raw;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
  return short.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');
}

export function tooMany(path: string): UserError {
  return new UserError(
    `Expected at most ${ENTRY_LIMIT} files in "${path}", but there are more; unpack it and name the folder`,
  );
}
