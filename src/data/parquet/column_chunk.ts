/** Where the values of a column lie in a row group, and how they are stored, from the footer of the file. */
import type { ColumnChunk as ColumnAbout, ColumnMetaData, CompressionCodec, FileMetaData } from 'hyparquet';
import { readOffsetIndex } from 'hyparquet/src/indexes.js';
import { parquetMetadata } from 'hyparquet/src/metadata.js';
import { getSchemaPath } from 'hyparquet/src/schema.js';
import { readBytes } from './open_file.ts';

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
}

/** Larger pages are not read again for each window that begins or ends in them. */
const SMALL_BYTES = 4 * 2 ** 20;

/** @param size of the file */
export async function readFooter(size: number): Promise<FileMetaData> {
  const length = new DataView(await readBytes(size - 8, size)).getUint32(0, true);
  return parquetMetadata(await readBytes(Math.max(0, size - 8 - length), size), { geoparquet: false });
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

/** Whether there is an index of the pages, and all of them, and the dictionary, are small enough for one window. */
export async function hasSmallPages(footer: FileMetaData, group: number, leaf: string): Promise<boolean> {
  const { column, about, begin } = findColumn(footer, group, leaf);
  const [at, length] = [Number(column.offset_index_offset), column.offset_index_length];
  if (!at || !length || length > SMALL_BYTES || Number(about.data_page_offset) - begin > SMALL_BYTES)
    return false;
  const view = new DataView(await readBytes(at, at + length));
  const { page_locations: pages } = readOffsetIndex({ view, offset: 0 });
  return pages.every(({ compressed_page_size: bytes }) => bytes <= SMALL_BYTES);
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
