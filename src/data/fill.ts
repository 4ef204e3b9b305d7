/** Brings the images of a part into the pixel cache: read, decoded, kept; nothing twice. */

import { UserError } from '../base/errors.ts';
import type { Fit } from '../model/network.ts';
import { lookOf } from './cache/image_facts.ts';
import { type Header, readHeader } from './cache/image_header.ts';
import { type Memo, readMemo, writeMemo } from './cache/listing_memo.ts';
import { contentHash, type PixelCache } from './cache/pixel_cache.ts';
import type { Part } from './part.ts';

/** A part and what is known of its images. */
export interface PreparedPart extends Memo {
  part: Part;
  /** Why an image could not be read this time, by its index. */
  passing: Map<number, string>;
  /** Whether the cache remembers all of this. */
  remembered: boolean;
}

/**
 * Lists a part, or remembers its listing; and what its images held when they were last read.
 * @param options `verify`: remember nothing
 */
export async function preparePart(
  part: Part,
  cache: PixelCache,
  { verify = false, signal }: { verify?: boolean; signal?: AbortSignal } = {},
): Promise<PreparedPart> {
  const memo = verify ? undefined : await readMemo(cache.folder, part.key);
  const passing = new Map<number, string>();
  if (memo && part.stamp !== undefined && memo.stamp === part.stamp) {
    return { ...memo, part, passing, remembered: true };
  }
  const listing = await part.list(signal);
  const prepared = {
    part,
    stamp: part.stamp,
    listing,
    contents: new Array<string>(listing.count).fill(''),
    pixelHashes: new Array<string>(listing.count).fill(''),
    looks: new Array<string>(listing.count).fill(''),
    sizes: new Float64Array(listing.count),
    reasons: new Map(),
    passing,
    remembered: false,
  };
  if (memo) prepared.remembered = recall(prepared, memo);
  return prepared;
}

/** Takes over what did not change since; true when that is all. */
function recall(
  { listing, contents, pixelHashes, looks, sizes, reasons }: PreparedPart,
  memo: Memo,
): boolean {
  const [stamps, before] = [listing.stamps, memo.listing.stamps];
  if (!stamps || !before) return false;
  const [names, known] = [listing.names!, memo.listing.names!];
  let same = known.length === names.length;
  // Mostly an image is where it was; only then no map of all is needed.
  let places: Map<string, number> | undefined;
  for (const [i, stamp] of stamps.entries()) {
    const isInPlace = known[i] === names[i];
    if (!isInPlace) places ??= new Map(known.map((name, place) => [name, place]));
    const place = isInPlace ? i : places!.get(names[i]!);
    if (place === undefined || before[place] !== stamp) {
      same = false;
      continue;
    }
    contents[i] = memo.contents[place]!;
    pixelHashes[i] = memo.pixelHashes[place]!;
    looks[i] = memo.looks[place]!;
    sizes[i] = memo.sizes[place]!;
    const reason = memo.reasons.get(place);
    if (reason !== undefined) reasons.set(i, reason);
  }
  return same;
}

/** Pixels in the cache, or only what there is to know of an image, its pixels being of no use yet. */
export type Need = 'pixels' | 'facts';

export interface FillOptions {
  size: number;
  fit: Fit;
  /** Whether an image is needed at all. */
  use: (index: number) => boolean;
  need: Need;
  /** Whether the findings are stored in the cache; only if no image is skipped. */
  remember: boolean;
  /** An image is done; `bytes` of its file. */
  onDone?: (bytes: number) => void;
  signal?: AbortSignal;
}

/** Which images have to be read: needed, and neither there nor known to be unreadable. */
export function missingIn(
  { contents, pixelHashes, reasons }: PreparedPart,
  cache: PixelCache,
  { use, need }: Pick<FillOptions, 'use' | 'need'>,
): (index: number) => boolean {
  const isThere =
    need === 'pixels' ? (i: number) => cache.has(contents[i]!) : (i: number) => pixelHashes[i] !== '';
  return (i) => use(i) && !reasons.has(i) && !isThere(i);
}

/** Findings are saved this often, in case the process is killed. */
const REMEMBER_MS = 60_000;

/**
 * Reads and decodes what is missing. Afterwards each image in use has its content or a reason, and with `need:
 * 'pixels'` its pixels are in the cache. When it fails or is aborted, what was found out is remembered.
 */
export async function fillPart(
  prepared: PreparedPart,
  cache: PixelCache,
  options: FillOptions,
): Promise<void> {
  const { part, listing } = prepared;
  const wanted = missingIn(prepared, cache, options);
  let missing = false;
  for (let i = 0; i < listing.count && !missing; i++) missing = wanted(i);
  if (!missing && (prepared.remembered || !options.remember)) return;
  const remember = async () => {
    if (options.remember) await writeMemo(cache.folder, part.key, prepared);
  };
  let remembered = performance.now();
  const onDone = (bytes: number) => {
    options.onDone?.(bytes);
    if (performance.now() - remembered < REMEMBER_MS) return;
    remembered = performance.now();
    void remember().catch(() => {});
  };
  try {
    if (missing) await decodeAll(prepared, cache, wanted, { ...options, onDone });
  } catch (error) {
    await remember().catch(() => {});
    throw error;
  }
  await cache.guard(remember());
  prepared.remembered = true;
}

/** What the images that are decoded at a time may weigh together; a heavier one is decoded alone. */
const WEIGHT_IN_FLIGHT = 64 * 2 ** 20;

/** Approximate bytes needed to decode an image: its file, and for some formats all pixels or DCT coefficients at once. */
function weightOf(length: number, { format, width, height, progressive, deep }: Header): number {
  const whole = format === 'bmp' || (format === 'tiff' && deep);
  return length + width * height * (progressive || whole ? 6 : 1);
}

async function decodeAll(
  prepared: PreparedPart,
  cache: PixelCache,
  wanted: (index: number) => boolean,
  { size, fit, onDone, signal }: FillOptions,
): Promise<void> {
  // Loaded only when there is something to decode.
  const { decodeImage, DECODES_IN_FLIGHT } = await import('./decode.ts');
  const { part, listing, passing } = prepared;
  const decode = part.render
    ? (bytes: Uint8Array) => part.render!(bytes, size)
    : (bytes: Uint8Array) => decodeImage(bytes, { size, fit });
  const once = decodeOnce(cache, decode, size);
  const running = new Set<Promise<void>>();
  let inFlight = 0;
  const isFull = (more: number) => running.size > 0 && inFlight + more > WEIGHT_IN_FLIGHT;
  try {
    for await (const image of part.read(listing, wanted, signal)) {
      signal?.throwIfAborted();
      if ('problem' in image) {
        (image.lasting ? prepared.reasons : passing).set(image.index, image.problem);
        onDone?.(0);
        continue;
      }
      const { index, bytes, release } = image;
      const { length } = bytes;
      const header = readHeader(bytes);
      const weight = weightOf(length, header);
      while (isFull(weight)) await Promise.race(running);
      const task = once(bytes, header).then((decoded) => {
        note(prepared, index, length, decoded);
        running.delete(task);
        inFlight -= weight;
        release?.();
        onDone?.(length);
      });
      running.add(task);
      inFlight += weight;
      // The next one is not even read while a heavy one is decoded.
      while (running.size >= DECODES_IN_FLIGHT || isFull(0)) await Promise.race(running);
    }
  } finally {
    const ends = await Promise.allSettled(running);
    const failed = ends.find((end) => end.status === 'rejected');
    // biome-ignore lint/correctness/noUnsafeFinally: a full disk is reported before its consequences
    if (failed) throw failed.reason;
  }
}

interface Decoded {
  content: string;
  pixelHash: string;
  look: string;
  reason?: string;
}

function note(prepared: PreparedPart, index: number, bytes: number, decoded: Decoded): void {
  prepared.contents[index] = decoded.content;
  prepared.pixelHashes[index] = decoded.pixelHash;
  prepared.looks[index] = decoded.look;
  prepared.sizes[index] = bytes;
  if (decoded.reason !== undefined) prepared.reasons.set(index, decoded.reason);
}

/** Decodes bytes into the cache, the same bytes only once even if they come again while the first are in work. */
function decodeOnce(
  cache: PixelCache,
  decode: (bytes: Uint8Array) => Promise<Uint8Array>,
  size: number,
): (bytes: Uint8Array, header: Header) => Promise<Decoded> {
  const inWork = new Map<string, Promise<Decoded>>();
  const start = async (content: string, bytes: Uint8Array, header: Header): Promise<Decoded> => {
    try {
      const pixels = await decode(bytes).catch((error) => {
        if (error instanceof UserError) return error.message;
        throw error;
      });
      if (typeof pixels === 'string') return { content, pixelHash: '', look: '', reason: pixels };
      const look = lookOf(header, pixels, size);
      return { content, look, pixelHash: await cache.add(content, pixels, look) };
    } finally {
      inWork.delete(content);
    }
  };
  return async (bytes, header) => {
    const content = contentHash(bytes);
    if (cache.has(content)) {
      return { content, pixelHash: cache.pixelHash(content), look: cache.look(content) };
    }
    const running = inWork.get(content) ?? start(content, bytes, header);
    inWork.set(content, running);
    return running;
  };
}
