/** Where images come from: what a source text means, and what every kind of source can tell. */
import { stat } from 'node:fs/promises';
import { UserError } from '../run/errors.ts';
import type { Skipped } from './dataset.ts';
import { demoPart } from './demo.ts';
import { folderPart } from './folder.ts';
import { parquetParts } from './parquet.ts';

/** A class as the source itself has it. */
export interface SourceLabel {
  /** What stands in the data: "3", or a name. */
  value: string;
  /** Its name, where the source has one. */
  name?: string;
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
  /** Images of one group stay on one side of a split. */
  groups?: string[];
  /** Changes whenever the image may have changed; absent: the stamp of the part says it for all. */
  stamps?: string[];
  skipped: Skipped[];
  /** Files whose names say that they are no images. */
  ignored: number;
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
  /** Pixels of an image. Absent: the bytes are an image file. */
  render?(bytes: Uint8Array, size: number): Promise<Uint8Array>;
  /** Ends what runs in the background. */
  close?(): Promise<void>;
}

/** An image of a part, or why its bytes can't be had; `lasting`: nor next time, if nothing changes. */
export type SourceImage =
  | { index: number; bytes: Uint8Array }
  | { index: number; problem: string; lasting: boolean };

export interface Source {
  /** As the user wrote it. */
  text: string;
  kind: 'demo' | 'folder' | 'parquet';
  path: string;
  /** From `?label=`. */
  label?: string;
}

const FORMS = 'a folder, a .parquet file or glob, or demo';

/**
 * Reads a source text; says what is wrong with it before anything is opened.
 * @throws UserError, exit code 2 for a form that is not known, 1 for a folder or file that is not there
 */
export async function parseSource(text: string): Promise<Source> {
  const query = /\?([A-Za-z][\w-]*)=(.*)$/s.exec(text);
  const path = query ? text.slice(0, query.index) : text;
  if (query && query[1] !== 'label') {
    throw new UserError(`Expected ?label=NAME after the source, but found ?${query[1]}= in "${text}"`, 2);
  }
  if (query && query[2] === '') throw new UserError(`Expected a name after ?label= in "${text}"`, 2);
  if (path === '') throw new UserError(`Expected a source (${FORMS}), but found "${text}"`, 2);
  const label = query?.[2];
  if (path === 'demo') return { text, kind: 'demo', path, label };
  refuseSchemes(path);
  const found = await stat(path).catch(() => null);
  if (found?.isDirectory()) return { text, kind: 'folder', path, label };
  if (/\.parquet$/i.test(path)) return { text, kind: 'parquet', path, label };
  if (!found) {
    throw new UserError(`No such folder: "${path}" (a source is ${FORMS}); check the path`);
  }
  throw new UserError(`Expected ${FORMS}, but "${path}" is neither`, 2);
}

function refuseSchemes(path: string): void {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]+):/.exec(path)?.[1]?.toLowerCase();
  if (!scheme) return;
  const known = scheme === 'hf' || scheme === 'nabirds';
  throw new UserError(
    known
      ? `${scheme}: sources are not supported yet; use ${FORMS}`
      : `Expected ${FORMS}, but found the unknown scheme "${scheme}:" in "${path}"; write ./${path} if it is a path`,
    2,
  );
}

/** The files, folder or packages behind a source, none opened yet. */
export async function partsOf({ kind, path }: Source, size: number, labelled: boolean): Promise<Part[]> {
  if (kind === 'demo') return [await demoPart(size)];
  if (kind === 'folder') return [await folderPart(path, labelled)];
  return parquetParts(path, labelled);
}
