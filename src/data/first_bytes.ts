/** What a file on disk is, before all of it is read: nothing but images is to be read, kept or hashed. */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { type ImageKind, isImage, sniff } from './sniff.ts';

const HEAD_BYTES = 64;

/** By the first bytes of a regular file. */
export function kindOf(path: string): ImageKind {
  // A file may have become a pipe since it was looked at: it is not waited for.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    return sniff(head.subarray(0, readSync(file, head)));
  } finally {
    closeSync(file);
  }
}

/** Why a regular file is not an image; undefined if it is one. */
export function whyNoImage(path: string): string | undefined {
  const kind = kindOf(path);
  return isImage(kind) ? undefined : `${kind.description}, not an image`;
}
