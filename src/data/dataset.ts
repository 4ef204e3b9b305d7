/** Sources in, one data set of cached pixels out. */
import type { Fit } from '../model/network.ts';
import { UserError } from '../run/errors.ts';
import { assemble, type OpenSource } from './assemble.ts';
import { PixelCache } from './cache/pixels.ts';
import { type FillOptions, fillPart, type PreparedPart, preparePart } from './fill.ts';
import { classesOf } from './labels.ts';
import { Lock, type LockFacts } from './lock/lock.ts';
import type { Role, Skipped, Source } from './sources/part.ts';
import { parseSource, partsOf } from './sources/source.ts';

/** Where each image of a run is, by position 0 to length-1 in all arrays below. Pixels stay in the cache files. */
export interface Dataset {
  /** Sorted, so that `bird` is 0 and `not-bird` is 1. */
  classNames: string[];
  /** As a person would find the image: a path, or "file.parquet#row". */
  names: string[];
  /** Index into `classNames`. */
  labels: Int32Array;
  /** Row in the pixel files, counted over all of them in order (see `NativePixels`). */
  rows: Uint32Array;
  /** Images of one group stay on one side of a split: duplicates by bytes or pixels, drawings of one concept. */
  groups: Int32Array;
  /** 1: from a `--val` source, 0: from the others. Absent when there is no `--val`. */
  validation?: Uint8Array;
  pixelFiles: string[];
  skipped: Skipped[];
  /** Images that repeat another one (same bytes or same pixels). */
  duplicates: number;
  /** sha256 (hex) over names, labels and content hashes: the same data, the same hash. */
  hash: string;
  /**
   * One line a source: what it is, how many images of each class came from it, and how many files were passed over
   * because their names say that they are no images.
   */
  sources: { source: string; images: number; counts: Record<string, number>; ignored: number }[];
  /** What the sources are held to; absent without a lock. */
  lock?: LockFacts;
}

export interface DatasetProgress {
  source: string;
  stage: 'list' | 'decode';
  done: number;
  /** Absent while it is not known. */
  total?: number;
}

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
  imageSize: number;
  fit: Fit;
  /** Folder of the pixel cache. */
  cacheDir: string;
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
 * Lists the sources, decodes what the cache does not hold yet, finds duplicates.
 * @throws UserError for whatever is wrong with the sources or the cache folder; the signal's reason when it is aborted,
 *   with all that was decoded kept
 */
export async function loadDataset(options: DatasetOptions): Promise<Dataset> {
  const { lock: file, updateLock: update = false, verify = false, signal } = options;
  const sources = await parseAll(options);
  const lock = file === undefined ? undefined : await Lock.open(file, { update, verify, signal });
  const cache = await PixelCache.open(options.cacheDir, options.imageSize, options.fit);
  const opened: OpenSource[] = [];
  try {
    for (const { role, source } of sources) {
      opened.push(await openSource(role, source, cache, options, lock?.revisionOf(role, source)));
    }
    for (const source of opened) {
      await lock?.begin(source);
      await fillSource(source, cache, options);
      lock?.end(source);
    }
  } catch (error) {
    await cache.seal().catch(() => {});
    for (const { part } of opened.flatMap(({ parts }) => parts)) await part.close?.();
    throw error;
  }
  await cache.seal();
  const dataset = assemble(opened, cache);
  return lock ? { ...dataset, lock: await lock.save() } : dataset;
}

async function parseAll(options: DatasetOptions): Promise<{ role: Role; source: Source }[]> {
  const roles: Role[] = ['data', 'birds', 'notBirds', 'validation'];
  const texts = roles.flatMap((role) => options[role].map((text) => ({ role, text })));
  if (texts.every(({ role }) => role === 'validation')) {
    throw new UserError(
      'Expected a source of images to train on, but found none; use --data, or --birds and --not-birds',
      2,
    );
  }
  return Promise.all(texts.map(async ({ role, text }) => ({ role, source: await parseSource(text) })));
}

async function openSource(
  role: Role,
  source: Source,
  cache: PixelCache,
  { imageSize, cacheDir, verify, onProgress, signal }: DatasetOptions,
  revision?: string,
): Promise<OpenSource> {
  const oneClass = role === 'birds' || role === 'notBirds';
  const labelled = !oneClass || source.label !== undefined;
  const all = await partsOf(source, { role, labelled, size: imageSize, cacheDir, revision, signal });
  const parts: PreparedPart[] = [];
  try {
    for (const [i, part] of all.entries()) {
      signal?.throwIfAborted();
      onProgress?.({ source: source.text, stage: 'list', done: i, total: all.length });
      parts.push(await preparePart(part, cache, { verify, signal }));
    }
    onProgress?.({ source: source.text, stage: 'list', done: all.length, total: all.length });
    return { role, source, parts, classOf: classesOf(role, source, parts) };
  } catch (error) {
    for (const part of all) await part.close?.();
    throw error;
  }
}

/** Progress is told this often. */
const PROGRESS_MS = 100;

async function fillSource(opened: OpenSource, cache: PixelCache, options: DatasetOptions): Promise<void> {
  const { imageSize: size, fit, onProgress, signal } = options;
  const { source, parts, classOf } = opened;
  let told = 0;
  let before = 0;
  try {
    for (const part of parts) {
      const use = (index: number) => classOf(part, index) !== undefined;
      const onDecoded: FillOptions['onDecoded'] = (done, total) => {
        const now = performance.now();
        if (now - told < PROGRESS_MS && done < total) return;
        told = now;
        const all = parts.length === 1 ? total : undefined;
        onProgress?.({ source: source.text, stage: 'decode', done: before + done, total: all });
        if (done === total) before += total;
      };
      await fillPart(part, cache, { size, fit, use, onDecoded, signal });
    }
  } finally {
    for (const { part } of parts) await part.close?.();
  }
}
