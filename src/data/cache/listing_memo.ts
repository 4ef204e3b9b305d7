/** What the cache remembers of a part of a source, so that nothing is read again that did not change. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { touch, writeFileWhole } from '../../base/files.ts';
import type { Listing } from '../part.ts';
import { LOOK_DIGITS } from './image_facts.ts';
import { CONTENT_DIGITS, cut, PIXEL_DIGITS } from './segment.ts';

/** Raise it when the listing of the same part would come out different. */
const MEMO_VERSION = 6;

export interface Memo {
  stamp?: string;
  listing: Listing;
  /** Content hash of each image; empty where it was not read. */
  contents: string[];
  /** The same for equal pixels; empty where the image was not decoded. */
  pixelHashes: string[];
  /** What it looks like and what its header says (see `lookOf`); empty where the image was not decoded. */
  looks: string[];
  /** Bytes of each image; 0 where it was not read. */
  sizes: Float64Array;
  /** Why an image can't be decoded, by its index. */
  reasons: Map<number, string>;
}

/** Undefined if there is none or it is not valid. */
export async function readMemo(folder: string, key: string): Promise<Memo | undefined> {
  try {
    const path = memoPath(folder, key);
    const memo = JSON.parse(await readFile(path, 'utf8'));
    await touch(path);
    const { version, stamp, count, labels, contents, pixels, looks, sizes, reasons, ...rest } = memo;
    const right =
      version === MEMO_VERSION &&
      memo.key === key &&
      labels.length === count &&
      contents.length === count * CONTENT_DIGITS &&
      pixels.length === count * PIXEL_DIGITS &&
      looks.length === count * LOOK_DIGITS &&
      sizes.length === count &&
      Array.isArray(rest.skipped) &&
      [rest.names, rest.groups, rest.stamps].every((list) => list === undefined || list.length === count);
    if (!right) return undefined;
    return {
      stamp,
      listing: {
        count,
        names: rest.names,
        labels: Int32Array.from(labels),
        labelNames: rest.labelNames,
        classNames: rest.classNames,
        heldOut: rest.heldOut && Uint8Array.from(rest.heldOut),
        notes: rest.notes,
        groups: rest.groups,
        stamps: rest.stamps,
        skipped: rest.skipped,
        filtered: rest.filtered,
        ignored: rest.ignored,
        ignoredNames: rest.ignoredNames,
      },
      contents: columnOf(contents, CONTENT_DIGITS),
      pixelHashes: columnOf(pixels, PIXEL_DIGITS),
      looks: columnOf(looks, LOOK_DIGITS),
      sizes: Float64Array.from(sizes),
      reasons: new Map(reasons),
    };
  } catch {
    return undefined;
  }
}

export async function writeMemo(folder: string, key: string, memo: Memo): Promise<void> {
  const { count, names, labels, labelNames, classNames, heldOut, notes } = memo.listing;
  const { groups, stamps, skipped, filtered, ignored, ignoredNames } = memo.listing;
  const json = {
    version: MEMO_VERSION,
    key,
    stamp: memo.stamp,
    count,
    names,
    labels: Array.from(labels),
    labelNames,
    classNames,
    heldOut: heldOut && Array.from(heldOut),
    notes,
    groups,
    stamps,
    skipped,
    filtered,
    ignored,
    ignoredNames,
    contents: textOf(memo.contents, CONTENT_DIGITS),
    pixels: textOf(memo.pixelHashes, PIXEL_DIGITS),
    looks: textOf(memo.looks, LOOK_DIGITS),
    sizes: Array.from(memo.sizes),
    reasons: [...memo.reasons],
  };
  await writeFileWhole(memoPath(folder, key), JSON.stringify(json));
}

/** A hash an image, all in one text. */
function textOf(column: string[], digits: number): string {
  return column.map((hash) => hash || '-'.repeat(digits)).join('');
}

function columnOf(text: string, digits: number): string[] {
  return cut(text, digits).map((hash) => (hash.startsWith('-') ? '' : hash));
}

function memoPath(folder: string, key: string): string {
  return join(folder, `memo-${createHash('sha256').update(key).digest('hex').slice(0, 32)}.json`);
}
