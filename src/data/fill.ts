/** Brings the images of a part into the pixel cache: read, decoded, kept; nothing twice. */
import type { Fit } from '../model/network.ts';
import { UserError } from '../run/errors.ts';
import { type Memo, readMemo, writeMemo } from './cache/memo.ts';
import { contentHash, type PixelCache } from './cache/pixels.ts';
import type { Part } from './sources/part.ts';

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
  const contents = new Array<string>(listing.count).fill('');
  const prepared = {
    part,
    stamp: part.stamp,
    listing,
    contents,
    sizes: new Float64Array(listing.count),
    reasons: new Map(),
    passing,
    remembered: false,
  };
  if (memo) prepared.remembered = recall(prepared, memo);
  return prepared;
}

/** Takes over what did not change since; true when that is all. */
function recall({ listing, contents, sizes, reasons }: PreparedPart, memo: Memo): boolean {
  const [stamps, before] = [listing.stamps, memo.listing.stamps];
  if (!stamps || !before) return false;
  const places = new Map(memo.listing.names!.map((name, i) => [name, i]));
  let same = places.size === listing.count;
  for (const [i, stamp] of stamps.entries()) {
    const place = places.get(listing.names![i]!);
    if (place === undefined || before[place] !== stamp) {
      same = false;
      continue;
    }
    contents[i] = memo.contents[place]!;
    sizes[i] = memo.sizes[place]!;
    const reason = memo.reasons.get(place);
    if (reason !== undefined) reasons.set(i, reason);
  }
  return same;
}

export interface FillOptions {
  size: number;
  fit: Fit;
  /** Whether an image is needed at all. */
  use: (index: number) => boolean;
  onDecoded?: (done: number, total: number) => void;
  signal?: AbortSignal;
}

/**
 * Decodes the images that are neither in the cache nor known to be unreadable; afterwards each image in use has its
 * content or a reason.
 */
export async function fillPart(
  prepared: PreparedPart,
  cache: PixelCache,
  options: FillOptions,
): Promise<void> {
  const { part, listing, contents, reasons } = prepared;
  const wanted = (i: number) => options.use(i) && !reasons.has(i) && !cache.has(contents[i]!);
  let total = 0;
  for (let i = 0; i < listing.count; i++) if (wanted(i)) total += 1;
  if (total > 0) await decodeAll(prepared, cache, wanted, total, options);
  if (total > 0 || !prepared.remembered) await cache.guard(writeMemo(cache.folder, part.key, prepared));
}

async function decodeAll(
  prepared: PreparedPart,
  cache: PixelCache,
  wanted: (index: number) => boolean,
  total: number,
  { size, fit, onDecoded, signal }: FillOptions,
): Promise<void> {
  // Loaded only when there is something to decode.
  const { decodeImage, DECODES_IN_FLIGHT } = await import('./decode.ts');
  const { part, listing, contents, sizes, reasons, passing } = prepared;
  const decode = part.render
    ? (bytes: Uint8Array) => part.render!(bytes, size)
    : (bytes: Uint8Array) => decodeImage(bytes, { size, fit });
  const once = decodeOnce(cache, decode);
  const running = new Set<Promise<void>>();
  let done = 0;
  try {
    for await (const image of part.read(listing, wanted, signal)) {
      signal?.throwIfAborted();
      if ('problem' in image) {
        (image.lasting ? reasons : passing).set(image.index, image.problem);
        onDecoded?.(++done, total);
        continue;
      }
      const task = once(image.bytes).then(({ content, reason }) => {
        contents[image.index] = content;
        sizes[image.index] = image.bytes.length;
        if (reason !== undefined) reasons.set(image.index, reason);
        running.delete(task);
        onDecoded?.(++done, total);
      });
      running.add(task);
      if (running.size >= DECODES_IN_FLIGHT) await Promise.race(running);
    }
  } finally {
    const ends = await Promise.allSettled(running);
    const failed = ends.find((end) => end.status === 'rejected');
    // biome-ignore lint/correctness/noUnsafeFinally: a full disk is told before what followed from it
    if (failed) throw failed.reason;
  }
}

interface Decoded {
  content: string;
  reason?: string;
}

/** Decodes bytes into the cache, the same bytes only once even if they come again while the first are in work. */
function decodeOnce(
  cache: PixelCache,
  decode: (bytes: Uint8Array) => Promise<Uint8Array>,
): (bytes: Uint8Array) => Promise<Decoded> {
  const inWork = new Map<string, Promise<Decoded>>();
  const start = async (content: string, bytes: Uint8Array): Promise<Decoded> => {
    try {
      const pixels = await decode(bytes).catch((error) => {
        if (error instanceof UserError) return error.message;
        throw error;
      });
      if (typeof pixels === 'string') return { content, reason: pixels };
      await cache.add(content, pixels);
      return { content };
    } finally {
      inWork.delete(content);
    }
  };
  return async (bytes) => {
    const content = contentHash(bytes);
    if (cache.has(content)) return { content };
    const running = inWork.get(content) ?? start(content, bytes);
    inWork.set(content, running);
    return running;
  };
}
