/** Where the values of a column of a row group lie, and how they are packed: from the footer of the file. */

import { readOffsetIndex } from 'hyparquet/src/indexes.js';
import { parquetMetadata } from 'hyparquet/src/metadata.js';
import { getSchemaPath } from 'hyparquet/src/schema.js';
import { ask } from './asked.js';

/**
 * @typedef {import('hyparquet').FileMetaData} FileMetaData
 * @typedef {object} Chunk
 * @property {number} begin
 * @property {number} end
 * @property {string} codec
 * @property {number} [length] of all values; absent: each has its own
 * @property {number} values and entries that stand for none
 * @property {boolean} repeats A row holds a list.
 * @property {number} item Least definition level of an item of a list.
 * @property {number} defined Definition level of values.
 */

/** Larger pages are not read again for each window that begins or ends in them. */
const SMALL_BYTES = 4 * 2 ** 20;

/**
 * @param {number} size of the file
 * @returns {Promise<FileMetaData>}
 */
export async function footerOf(size) {
  const length = new DataView(await ask(size - 8, size)).getUint32(0, true);
  return parquetMetadata(await ask(Math.max(0, size - 8 - length), size), { geoparquet: false });
}

/**
 * The chunk of a column in a row group.
 *
 * @param {FileMetaData} footer
 * @param {number} group
 * @param {string} leaf
 * @returns {Chunk}
 */
export function chunkOf(footer, group, leaf) {
  const { about, begin } = columnOf(footer, group, leaf);
  const path = getSchemaPath(footer.schema, about.path_in_schema).slice(1);
  const repeated = path.findIndex(({ element }) => element.repetition_type === 'REPEATED');
  const { type, type_length: length } = path.at(-1)?.element ?? {};
  if (type !== 'BYTE_ARRAY' && type !== 'FIXED_LEN_BYTE_ARRAY') throw new Error(`images as ${type}`);
  return {
    begin,
    end: begin + Number(about.total_compressed_size),
    codec: about.codec,
    length: type === 'BYTE_ARRAY' ? undefined : length,
    values: Number(about.num_values),
    repeats: repeated >= 0,
    item: levelOf(path.slice(0, repeated + 1)),
    defined: levelOf(path),
  };
}

/**
 * Whether the index of pages tells of none, nor of a dictionary, that is too large to be read for one window.
 *
 * @param {FileMetaData} footer
 * @param {number} group
 * @param {string} leaf
 */
export async function hasSmallPages(footer, group, leaf) {
  const { column, about, begin } = columnOf(footer, group, leaf);
  const [at, length] = [Number(column.offset_index_offset), column.offset_index_length];
  if (!at || !length || length > SMALL_BYTES || Number(about.data_page_offset) - begin > SMALL_BYTES)
    return false;
  const { page_locations: pages } = readOffsetIndex({
    view: new DataView(await ask(at, at + length)),
    offset: 0,
  });
  return pages.every(({ compressed_page_size: bytes }) => bytes <= SMALL_BYTES);
}

/**
 * @param {FileMetaData} footer
 * @param {number} group
 * @param {string} leaf
 */
function columnOf(footer, group, leaf) {
  const columns = footer.row_groups[group]?.columns ?? [];
  for (const column of columns) {
    const { meta_data: about } = column;
    if (about?.path_in_schema.join('.') !== leaf) continue;
    const first = Number(about.data_page_offset);
    return { column, about, begin: Math.min(first, Number(about.dictionary_page_offset || first)) };
  }
  throw new Error(`its footer tells nothing of ${leaf}`);
}

/**
 * Definition level of a value that is there.
 *
 * @param {{ element: import('hyparquet').SchemaElement }[]} path to it
 */
function levelOf(path) {
  return path.filter(({ element }) => element.repetition_type !== 'REQUIRED').length;
}
