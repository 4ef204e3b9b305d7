/** Parquet files with images in them: on disk, or wherever they can be read from at any place. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import { UserError } from '../../base/errors.ts';
import { fileSum } from '../cache/checksums.ts';
import { readImages } from '../parquet/parquet_images.ts';
import { imageName, listAll } from '../parquet/parquet_listing.ts';
import { type ParquetFile, ParquetReader } from '../parquet/parquet_reader.ts';
import { listSome } from '../parquet/row_limit.ts';
import type { Listing, Part, Source, SourceContext } from '../part.ts';
import { localFile, stampOf } from './local_file.ts';
import { type MatchingFiles, matchingFiles, matchingSide } from './matching_files.ts';

export type { ParquetFile } from '../parquet/parquet_reader.ts';

/** Raise it when the same file would be listed in another way, as with other bird words. */
const LISTING_VERSION = 2;

/**
 * The files on disk that a source names, each a part.
 * @throws UserError when there is none
 */
export async function parquetParts(source: Source, context: SourceContext): Promise<Part[]> {
  const { paths, folder } = await parquetFiles(source);
  const files = await Promise.all(
    paths.map(async (path): Promise<ParquetFile> => {
      const stats = await stat(path);
      const stamp = stampOf(stats);
      return {
        key: resolve(path),
        name: path,
        size: stats.size,
        stamp,
        isLocal: true,
        open: () => localFile(path, stamp),
        pins: async (options) => [
          { name: relative(folder, path), ...(await fileSum(path, context.cacheDir, options)) },
        ],
      };
    }),
  );
  return parquetPartsOf(files, source, context);
}

async function parquetFiles({ path: pattern, text, split }: Source): Promise<MatchingFiles> {
  const files = await matchingFiles(pattern, /\.parquet$/i, '.parquet file');
  if (split === undefined) return files;
  const paths = matchingSide(pattern, files, split);
  if (paths.length > 0) return { ...files, paths };
  throw new UserError(
    `Expected parquet files of the split "${split}" in "${text}", but no name says so, such as "${files.paths[0]}"; ` +
      'leave ?split= out, or name the files',
  );
}

/**
 * Parquet files as parts; nothing is opened yet. With `source.limit` and no `source.label`, at most this many images of
 * all files together; of those with a label whoever knows the labels takes as many. As negatives (`notBirds`) rows
 * whose text speaks of birds are left out.
 */
export function parquetPartsOf(
  files: ParquetFile[],
  { limit, label }: Pick<Source, 'limit' | 'label'>,
  { labelled, role, onProgress }: Pick<SourceContext, 'labelled' | 'role' | 'onProgress'>,
): Part[] {
  const texts = role === 'notBirds';
  const reader = new ParquetReader({ labelled, texts });
  const onFile = ({ name }: ParquetFile, done: number) =>
    onProgress?.({ stage: 'list', file: name, done, total: limit });
  const some =
    limit !== undefined && label === undefined ? new Some(reader, files, limit, onFile) : undefined;
  return files.map((file) => ({
    key: ['parquet', LISTING_VERSION, labelled, texts, ...(some ? [some.key] : []), file.key].join(' '),
    stamp: file.stamp,
    nameOf: (image) => imageName(file, image),
    list: (signal) => (some ? some.list(file, signal) : listAll(reader, file, signal)),
    read: (listing, wanted, signal) => readImages(reader, file, listing, wanted, signal),
    pins: file.pins,
    close: () => reader.close(),
  }));
}

/** The selection of a limited number of images, made once for all files when the first is listed. */
class Some {
  /** Another choice, another key: of other files, or of more images. */
  readonly key: string;
  readonly #choose: (signal?: AbortSignal) => Promise<Map<ParquetFile, Listing>>;
  #chosen: Promise<Map<ParquetFile, Listing>> | undefined;

  constructor(
    reader: ParquetReader,
    files: ParquetFile[],
    limit: number,
    onFile: (file: ParquetFile, images: number) => void,
  ) {
    const all = files.map(({ key, stamp }) => `${key}\0${stamp}\n`).join('');
    this.key = `${limit} of ${createHash('sha256').update(all).digest('hex').slice(0, 32)}`;
    this.#choose = (signal) => listSome(reader, files, limit, onFile, signal);
  }

  async list(file: ParquetFile, signal?: AbortSignal): Promise<Listing> {
    this.#chosen ??= this.#choose(signal);
    try {
      return (await this.#chosen).get(file)!;
    } catch (error) {
      this.#chosen = undefined;
      throw error;
    }
  }
}
