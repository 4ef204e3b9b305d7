/** Sources in, one data set of cached pixels out. */

import { UserError } from '../base/errors.ts';
import { textList } from '../base/text_list.ts';
import type { Fit } from '../model/network.ts';
import { assemble, type DatasetFacts, type OpenSource } from './assemble.ts';
import { Room } from './cache/cache_budget.ts';
import { PixelCache } from './cache/pixel_cache.ts';
import { holdsCorrections } from './corrections_mark.ts';
import { fillPart, missingIn, type Need, type PreparedPart, preparePart } from './fill.ts';
import { classesOf } from './labels.ts';
import { Lock, type LockFacts } from './lock/lock.ts';
import { type DatasetProgress, Meter } from './meter.ts';
import type { Role, Source } from './part.ts';
import { parseSource, partsOf } from './sources/source.ts';
import { type Located, Supply } from './supply.ts';

export type { DatasetProgress } from './meter.ts';

/** The images of a run. Their pixels stay in the cache files. */
export interface Dataset extends DatasetFacts, Located {
  /**
   * Present where the cache can't hold all pixels at once: `rows` and `pixelFiles` are empty, and the images come
   * window by window (see `openImages`).
   */
  stream?: Stream;
  supply: Supply;
  /** What the sources are held to; absent without a lock. */
  lock?: LockFacts;
  /** Files of the cache that were damaged, and are decoded again. */
  damagedSegments: number;
  /** Images of the cache whose pixels were damaged, and are decoded again. */
  damagedImages: number;
}

/** What it costs that the cache is too small. */
export interface Stream {
  /** Images a window at most. */
  windowImages: number;
  /** Side of an image in pixels. */
  imageSize: number;
  /** Of the pixels of all images, in bytes. */
  bytes: number;
  /** Of the cache. */
  limit: number;
}

/** Which images {@link loadDataset} reads, and where it keeps them. */
export interface DatasetOptions {
  /** Labelled sources (`--data`): a folder, a parquet file or glob, `demo`; `?label=bird` makes them binary. */
  data: string[];
  /**
   * Sources of which every image is a bird (`--birds`), or none is (`--not-birds`); with `?label=NAME` only the images
   * of that label are taken.
   */
  birds: string[];
  notBirds: string[];
  /** Labelled sources held out for validation (`--val`). */
  validation: string[];
  /** Folder that relative sources start from; absent: the working directory. */
  root?: string | undefined;
  /** Side in pixels to which every image is resized, 8 to 1024. */
  imageSize: number;
  fit: Fit;
  /** Folder of the pixel cache. */
  cacheDir: string;
  /** GB (10^9 bytes) that all of it may have; default: any number. */
  cacheLimit?: number;
  /** File that holds the sources to the bytes they had when they were first used; absent: nothing does. */
  lock?: string;
  /** Take what is found, whatever the lock says, and write it there. */
  updateLock?: boolean;
  /** Read every byte again, whatever sizes and times say. */
  verify?: boolean;
  onProgress?: (progress: DatasetProgress) => void;
  signal?: AbortSignal;
}

/**
 * Lists the sources, decodes what is not in the cache yet, and finds duplicates.
 * @throws UserError when a source or the cache folder can't be used; the signal's reason when it is aborted (what was
 *   decoded until then is kept)
 */
export async function loadDataset(options: DatasetOptions): Promise<Dataset> {
  const { opened, cache, lock, streams, limit } = await fillSources(options);
  const { imageSize: size, fit, signal } = options;
  const { facts, origins } = await assemble(opened, { folder: cache.folder, size, signal });
  const supply = new Supply(cache, origins, facts.names, { size, fit });
  const located = streams
    ? { pixelFiles: [], rows: new Uint32Array(), stream: streamOf(opened, limit, options) }
    : supply.locate(new Uint32Array(facts.names.length).map((_, position) => position));
  const held = lock ? { lock: await lock.save() } : {};
  const { damaged: damagedSegments, damagedImages } = cache;
  return { ...facts, ...located, ...held, supply, damagedSegments, damagedImages };
}

/** Sources with all that is known of their images, and the cache that holds their pixels. */
export interface FilledSources {
  opened: OpenSource[];
  cache: PixelCache;
  lock?: Lock;
  /** Whether the cache can't hold all pixels at once. */
  streams: boolean;
  /** Of the cache, in bytes. */
  limit: number;
}

/** Lists the sources and decodes what the cache does not hold yet; as `loadDataset`, which goes on from there. */
export async function fillSources(options: DatasetOptions): Promise<FilledSources> {
  const { imageSize: size, fit, cacheDir, cacheLimit = Number.POSITIVE_INFINITY } = options;
  const limit = Math.round(cacheLimit * 1e9);
  const { lock: file, updateLock: update = false, verify = false, signal } = options;
  const sources = await parseAll(options);
  const lock = file === undefined ? undefined : await Lock.open(file, { update, verify, signal });
  const cache = await PixelCache.open({ cacheDir, size, fit, limit });
  const room = new Room(cacheDir, limit);
  const opened: OpenSource[] = [];
  let streams: boolean;
  try {
    for (const { role, source } of sources) {
      const revision = lock?.revisionOf(role, source);
      opened.push(await openSource(role, source, cache, room, options, revision));
    }
    if (room.hasEvicted) await cache.refresh();
    for (const source of opened) await begin(source, lock, options);
    streams = await fillAll(opened, cache, limit, options);
    for (const source of opened) lock?.end(source);
    await tellExcess(opened, room, options);
  } catch (error) {
    await cache.seal().catch(() => {});
    throw error;
  } finally {
    for (const { part } of opened.flatMap(({ parts }) => parts)) await part.close?.();
  }
  // What comes in windows is read from its source again.
  if (!streams) await room.settle();
  return { opened, cache, lock, streams, limit };
}

/** What must be there at once, the images and what they are read from, may be more than the limit. */
async function tellExcess(opened: OpenSource[], room: Room, { onProgress }: DatasetOptions): Promise<void> {
  const bytes = await room.excess();
  if (bytes === 0) return;
  const meter = new Meter(opened[0]!.source.text, (progress) => onProgress?.(progress));
  const gigabytes = (count: number) => `${Number((count / 1e9).toPrecision(3))} GB`;
  meter.note({
    stage: 'decode',
    note: `${room.cacheDir} has ${gigabytes(bytes)} more than --cache-limit (${gigabytes(room.limit)}), as the images and what they are read from are needed at once`,
  });
}

/** Windows in memory: one being trained on, one being filled, one being evicted. */
const WINDOWS = 3;

function streamOf(opened: OpenSource[], limit: number, { imageSize }: DatasetOptions): Stream {
  const imageBytes = imageSize * imageSize * 3;
  const { contents, cachedBytes } = imagesInUse(opened);
  const bytes = new Set(contents).size * imageBytes;
  // What they are read from stays as well.
  const free = Math.max(limit - cachedBytes, limit / WINDOWS);
  return { windowImages: Math.max(1, Math.floor(free / WINDOWS / imageBytes)), imageSize, bytes, limit };
}

/** Compares what is known of the files before they are fetched. */
async function begin(opened: OpenSource, lock: Lock | undefined, { onProgress }: DatasetOptions) {
  const meter = new Meter(opened.source.text, (progress) => onProgress?.(progress));
  let bytes = 0;
  await lock?.begin(opened, (more) => {
    bytes += more;
    meter.note({ stage: 'verify', bytes });
  });
  meter.end();
}

async function parseAll(options: DatasetOptions): Promise<{ role: Role; source: Source }[]> {
  const roles: Role[] = ['data', 'birds', 'notBirds', 'validation'];
  const texts = roles.flatMap((role) =>
    textList(options[role] ?? [], `${role}: `).map((text) => ({ role, text })),
  );
  if (texts.every(({ role }) => role === 'validation')) {
    throw new UserError(
      'Expected a source of images to train on, but found none; use --data, or --birds and --not-birds',
      2,
    );
  }
  return Promise.all(
    texts.map(async ({ role, text }) => ({ role, source: await parseSource(text, options.root) })),
  );
}

async function openSource(
  role: Role,
  source: Source,
  cache: PixelCache,
  room: Room,
  { imageSize, cacheDir, validation, verify, onProgress, signal }: DatasetOptions,
  revision?: string,
): Promise<OpenSource> {
  const oneClass = role === 'birds' || role === 'notBirds';
  const labelled = !oneClass || source.label !== undefined;
  const meter = new Meter(source.text, (progress) => onProgress?.(progress));
  const isValidated = validation.length > 0;
  const context = { role, labelled, isValidated, size: imageSize, cacheDir, room, revision, signal };
  const all = await partsOf(source, { ...context, onProgress: (progress) => meter.note(progress) });
  const parts: PreparedPart[] = [];
  try {
    for (const [i, part] of all.entries()) {
      signal?.throwIfAborted();
      meter.note({ stage: 'list', done: i, total: all.length });
      parts.push(await preparePart(part, cache, { verify, signal }));
    }
    meter.note({ stage: 'list', done: all.length, total: all.length });
    const corrects = source.kind === 'folder' && holdsCorrections(source.path);
    return { role, source, parts, corrects, ...classesOf(role, source, parts) };
  } catch (error) {
    for (const part of all) await part.close?.();
    throw error;
  } finally {
    meter.end();
  }
}

/** How often it is looked whether all pixels are there; another process may evict some each time. */
const ROUNDS = 4;

/**
 * Decodes what is missing, or, where the cache can't hold all pixels at once, finds out what there is to know.
 * @returns whether the cache can't hold them
 */
async function fillAll(
  opened: OpenSource[],
  cache: PixelCache,
  limit: number,
  options: DatasetOptions,
): Promise<boolean> {
  const imageBytes = options.imageSize ** 2 * 3;
  const meter = new Meter(opened[0]!.source.text, (progress) => options.onProgress?.(progress));
  let bytes = 0;
  const onBytes = (more: number) => {
    bytes += more;
    meter.note({ stage: 'check', bytes });
  };
  const isRemembered = opened.every(({ parts }) => parts.every(({ remembered }) => remembered));
  for (let round = 0; round < ROUNDS; round++) {
    const { contents, unread } = imagesInUse(opened);
    // Those not read yet may turn out to be duplicates or of no use: this is asked again when they are.
    const exceeds = (images: number) => images * imageBytes > limit;
    const need: Need =
      exceeds(contents.length + unread) && exceeds(new Set(contents).size + unread) ? 'facts' : 'pixels';
    const isThere = await cache.keep(need === 'pixels' ? contents : [], {
      added: need === 'pixels',
      onBytes,
      signal: options.signal,
    });
    if (isThere && unread === 0 && (isRemembered || round > 0)) return need === 'facts';
    for (const source of opened) await fillSource(source, cache, need, options);
    await cache.refresh();
  }
  throw new UserError(
    `Expected room for these images in "${options.cacheDir}", but other trainings take it; allow more with --cache-limit, or wait`,
  );
}

interface ImagesInUse {
  contents: string[];
  /** How many more may come to them once they are read. */
  unread: number;
  /** Of the files of those that lie in the cache, too. */
  cachedBytes: number;
}

/** The images that are of use. */
function imagesInUse(opened: OpenSource[]): ImagesInUse {
  const contents: string[] = [];
  let [unread, cachedBytes] = [0, 0];
  for (const { parts, classOf } of opened) {
    for (const part of parts) {
      for (let i = 0; i < part.listing.count; i++) {
        if (part.reasons.has(i) || part.passing.has(i) || classOf(part, i) === undefined) continue;
        if (part.part.isCached) cachedBytes += part.sizes[i]!;
        if (part.pixelHashes[i] === '') unread += 1;
        else contents.push(part.contents[i]!);
      }
    }
  }
  return { contents, unread, cachedBytes };
}

async function fillSource(
  { source, parts, classOf }: OpenSource,
  cache: PixelCache,
  need: Need,
  options: DatasetOptions,
): Promise<void> {
  const { imageSize: size, fit, onProgress, signal } = options;
  const meter = new Meter(source.text, (progress) => onProgress?.(progress));
  const useOf = (part: PreparedPart) => (index: number) => classOf(part, index) !== undefined;
  const total = parts.reduce(
    (sum, part) => sum + count(part, missingIn(part, cache, { use: useOf(part), need })),
    0,
  );
  const so = { done: 0, bytes: 0 };
  const onDone = (bytes: number) => {
    so.done += 1;
    so.bytes += bytes;
    meter.note({ stage: 'decode', ...so, total: Math.max(total, so.done) });
  };
  try {
    for (const part of parts) {
      signal?.throwIfAborted();
      await fillPart(part, cache, { size, fit, use: useOf(part), need, remember: true, onDone, signal });
    }
  } finally {
    meter.end();
  }
}

function count({ listing }: PreparedPart, holds: (index: number) => boolean): number {
  let found = 0;
  for (let i = 0; i < listing.count; i++) if (holds(i)) found += 1;
  return found;
}
