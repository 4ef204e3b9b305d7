/** Sources in, one data set of cached pixels out. */
import type { Fit } from '../model/network.ts';

/** An image that could not be used, and why in one sentence. */
export interface Skipped {
  name: string;
  reason: string;
}

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
  /** One line a source: what it is and how many images of each class came from it. */
  sources: { source: string; images: number; counts: Record<string, number> }[];
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
  /** Sources of which every image is a bird (`--birds`), or none is (`--not-birds`). */
  birds: string[];
  notBirds: string[];
  /** Labelled sources held out for validation (`--val`). */
  validation: string[];
  imageSize: number;
  fit: Fit;
  /** Folder of the pixel cache. */
  cacheDir: string;
  onProgress?: (progress: DatasetProgress) => void;
  signal?: AbortSignal;
}
