/** Where the values of a column lie in a row group, and how they are stored, from the footer of the file. */
import type { ColumnChunk as ColumnAbout, ColumnMetaData, CompressionCodec, FileMetaData } from 'hyparquet';
import { readOffsetIndex } from 'hyparquet/src/indexes.js';
import { parquetMetadata } from 'hyparquet/src/metadata.js';
import { getSchemaPath } from 'hyparquet/src/schema.js';
import { readKept } from './open_file.ts';

export interface ColumnChunk {
  begin: number;
  end: number;
  codec: CompressionCodec;
  /** Of all values; absent: each has its own. */
  length?: number;
  /** Values and nulls. */
  entries: number;
  /** Whether a row holds a list. */
  repeats: boolean;
  /** The least definition level of an item of a list. */
  itemLevel: number;
  /** The definition level of a value. */
  valueLevel: number;
  /** From the index of the pages, where it was read. */
  pages?: PageLocation[];
}

export interface PageLocation {
  begin: number;
  bytes: number;
  /** In its row group. */
  firstRow: number;
}

/** Larger pages are not read again for each window that begins or ends in them. */
const SMALL_BYTES = 4 * 2 ** 20;

/** @param size of the file */
export async function readFooter(size: number): Promise<FileMetaData> {
  const end = await readKept(size - 8, size);
  const length = new DataView(end).getUint32(0, true);
  const begin = Math.max(0, size - 8 - length);
  const bytes = new Uint8Array(size - begin);
  bytes.set(new Uint8Array(await readKept(begin, size - 8)));
  bytes.set(new Uint8Array(end), size - 8 - begin);
  return parquetMetadata(bytes.buffer, { geoparquet: false });
}

/** The chunk of a column in a row group. */
export function columnChunk(footer: FileMetaData, group: number, leaf: string): ColumnChunk {
  const { about, begin } = findColumn(footer, group, leaf);
  const path = getSchemaPath(footer.schema, about.path_in_schema).slice(1);
  const isOptional = path.map(({ element }) => element.repetition_type !== 'REQUIRED');
  const levelAt = (depth: number) => isOptional.slice(0, depth).filter(Boolean).length;
  const repeated = path.findIndex(({ element }) => element.repetition_type === 'REPEATED');
  const { type, type_length: length } = path.at(-1)?.element ?? {};
  if (type !== 'BYTE_ARRAY' && type !== 'FIXED_LEN_BYTE_ARRAY') throw new Error(`images as ${type}`);
  return {
    begin,
    end: begin + Number(about.total_compressed_size),
    codec: about.codec,
    length: type === 'BYTE_ARRAY' ? undefined : length,
    entries: Number(about.num_values),
    repeats: repeated >= 0,
    itemLevel: levelAt(repeated + 1),
    valueLevel: levelAt(path.length),
  };
}

/** Where the pages of a chunk lie; undefined where there is no index, or too large a one. */
export async function readPageIndex(
  footer: FileMetaData,
  group: number,
  leaf: string,
): Promise<PageLocation[] | undefined> {
  const { column } = findColumn(footer, group, leaf);
  const { begin: first, end } = columnChunk(footer, group, leaf);
  const [at, length] = [Number(column.offset_index_offset), column.offset_index_length];
  if (!at || !length || length > SMALL_BYTES) return undefined;
  const view = new DataView(await readKept(at, at + length));
  const pages = readOffsetIndex({ view, offset: 0 }).page_locations.map((page) => ({
    begin: Number(page.offset),
    bytes: page.compressed_page_size,
    firstRow: Number(page.first_row_index),
  }));
  for (const { begin } of pages) if (begin < first || begin > end) throw new Error(`a page at byte ${begin}`);
  return pages;
}

/** Whether the pages, and the dictionary before them, are small enough to be read again for another window. */
export function areSmall(pages: PageLocation[], { begin }: ColumnChunk): boolean {
  return (
    (pages[0]?.begin ?? begin) - begin <= SMALL_BYTES && pages.every(({ bytes }) => bytes <= SMALL_BYTES)
  );
}

function findColumn(
  footer: FileMetaData,
  group: number,
  leaf: string,
): { column: ColumnAbout; about: ColumnMetaData; begin: number } {
  for (const column of footer.row_groups[group]?.columns ?? []) {
    const { meta_data: about } = column;
    if (about?.path_in_schema.join('.') !== leaf) continue;
    const first = Number(about.data_page_offset);
    return { column, about, begin: Math.min(first, Number(about.dictionary_page_offset || first)) };
  }
  throw new Error(`its footer has no column ${leaf}`);
}
