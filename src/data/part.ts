/** The common interface of folders, parquet files, archives and hub data sets. */
import type { Room } from './cache/cache_budget.ts';

/** An image that could not be used, and why in one sentence. */
export interface Skipped {
  name: string;
  reason: string;
}

/** What an option makes of a source: `--data`, `--birds`, `--not-birds`, `--val`. */
export type Role = 'data' | 'birds' | 'notBirds' | 'validation';

/** A source as the user wrote it, read but not opened. */
export interface Source {
  /** As the user wrote it. */
  text: string;
  kind: 'demo' | 'folder' | 'parquet' | 'hub' | 'archive' | 'arrow' | 'nabirds' | 'list' | 'kaggle';
  /** Without scheme and query. */
  path: string;
  /** The folder that a relative path was completed with, where it is not the working directory. */
  root?: string;
  /** From `?label=`: this label is the class, all others its opposite. */
  label?: string;
  /** From `?limit=`: at most this many images, spread over the whole source. */
  limit?: number;
  /** From `?split=`: one side of the split that the source itself has: `train`, `test`, or its name there. */
  split?: string;
}

/** What a source is opened for. */
export interface SourceContext {
  role: Role;
  /** Whether each image needs a label. */
  labelled: boolean;
  /** Whether another source is given to validate on. */
  isValidated?: boolean;
  /** Side of the square that images are brought to, in pixels. */
  size: number;
  /** Folder for what is fetched and unpacked; decoded pixels are there too. */
  cacheDir: string;
  /** What may lie there; absent: any number of bytes. */
  room?: Room;
  /** The revision to stay on, of a source that has revisions and was opened before. */
  revision?: string;
  onProgress?: (progress: SourceProgress) => void;
  signal?: AbortSignal;
}

/** How far the fetching or unpacking of one source is. */
export interface SourceProgress {
  stage: 'resolve' | 'download' | 'unpack' | 'list';
  /** The file at hand. */
  file?: string;
  /** Bytes so far, and in all where that is known. */
  bytes?: number;
  totalBytes?: number;
  /** Images or files so far, and in all where that is known. */
  done?: number;
  total?: number;
  /** A sentence for the user: a long wait, a cache taken in place of the network. */
  note?: string;
}

/** A class as the source itself has it. */
export interface SourceLabel {
  /** What stands in the data: "3", or a name. */
  value: string;
  /** Its name, where the source has one. */
  name?: string;
  /** Groups that it is part of, the nearest first. */
  above?: string[];
  /** The folder that all its images, and no others, were in before they were packed. */
  folder?: string;
}

/** All that a part knows of its images without reading them; in the order of the data. */
export interface Listing {
  count: number;
  /** Relative to the part; absent: the number of the row. */
  names?: string[];
  /** Index into `labelNames`; -1: has none. */
  labels: Int32Array;
  labelNames: SourceLabel[];
  /** Class names by number if labels are numbers; empty if the part has none. */
  classNames?: string[];
  /** 1: held out for validation, as the data itself says; absent: none is. */
  heldOut?: Uint8Array;
  /** What a person should know of how it was read, such as the column of the labels. */
  notes?: string[];
  /** Images of one group stay on one side of a split. */
  groups?: string[];
  /** Changes whenever the image may have changed; absent: the stamp of the part says it for all. */
  stamps?: string[];
  skipped: Skipped[];
  /** Images left out on purpose, such as those whose text speaks of birds among the negatives; no fault of theirs. */
  filtered?: Skipped[];
  /** Files that are no images by their names or first bytes. */
  ignored: number;
  /** The first of them. */
  ignoredNames?: string[];
}

/** A file that the lock holds on to. */
export interface Pin {
  /** As a person would find it; the same on every machine where that can be. */
  name: string;
  /** Bytes. */
  size: number;
  /**
   * Of the content, hex; empty where it was not read, or can't be. Of a small file of the hub, which knows it by git's
   * name only, of that name.
   */
  sha256: string;
  /** The commit or version that it came from, where there is one. */
  revision?: string;
}

export interface PinOptions {
  verify: boolean;
  onBytes?: (bytes: number) => void;
  signal?: AbortSignal;
}

/** A file, folder or package: the unit that the cache remembers. */
export interface Part {
  /** What the cache knows it by. */
  key: string;
  /** How a person finds image `name` of this part. */
  nameOf(name: string): string;
  /** Changes whenever the listing may have changed; absent: list it and see. */
  stamp?: string;
  list(signal?: AbortSignal): Promise<Listing>;
  /** The bytes of the images for which `wanted` holds, in any order. */
  read(
    listing: Listing,
    wanted: (index: number) => boolean,
    signal?: AbortSignal,
  ): AsyncIterable<SourceImage>;
  /**
   * The files that this part is made of, for the lock. Absent: each image is a file of its own, known by its content.
   * `verify`: read every byte again, whatever sizes and times say; `onBytes` gets the numbers of bytes read.
   */
  pins?(options: PinOptions): Promise<Pin[]>;
  /** Whether what is read of it lies in the cache, unpacked or fetched. */
  isCached?: boolean;
  /** Whether each image is a file of its own beside those of `pins`: a list, and what it names. */
  looseImages?: boolean;
  /** Pixels of an image. Absent: the bytes are an image file. */
  render?(bytes: Uint8Array, size: number): Promise<Uint8Array>;
  /** Ends what runs in the background. */
  close?(): Promise<void>;
}

/**
 * An image of a part, or why its bytes can't be had; `lasting`: nor next time, if nothing changes. Who is done with the
 * bytes may `release` them: they are gone at once, where the garbage collector would have to be run for them.
 */
export type SourceImage =
  | { index: number; bytes: Uint8Array; release?: () => void }
  | { index: number; problem: string; lasting: boolean };

/** Bytes that can be read at any place: a file on disk, or one behind a hub of which only ranges are fetched. */
export interface RandomAccess {
  /** As a person would find it. */
  name: string;
  /** In bytes. */
  size: number;
  /** Changes whenever the bytes may have changed. */
  stamp: string;
  /** Exactly the bytes from `begin` to `end` (not included); rejects with a sentence rather than give others. */
  read(begin: number, end: number, signal?: AbortSignal): Promise<Uint8Array>;
  /** Of an open file of this machine, which another thread may read by itself; then it asks `unchanged`. */
  descriptor?: number;
  /** Rejects when the bytes may be others by now. */
  unchanged?(): Promise<void>;
  close?(): Promise<void>;
}
