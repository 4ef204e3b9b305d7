/** The images of an Arrow file as the datasets library saves them, and what is known of them. */
import type { Field } from 'apache-arrow';
import { IMAGE_SIZE_LIMIT } from '../image_names.ts';
import {
  classNamesIn,
  featuresOf,
  imageColumn,
  isNumber,
  labelColumn,
  noImages,
  textColumns,
} from '../parquet/columns.ts';
import { FoundImages } from '../parquet/parquet_listing.ts';
import { birdsIn } from '../parquet/row_texts.ts';
import type { Listing, RandomAccess, SourceImage, SourceLabel } from '../part.ts';
import { type Place, placesIn, rangesIn, readColumn } from './arrow_columns.ts';
import { readMessages } from './arrow_messages.ts';

export interface Asked {
  labelled: boolean;
  /** Whether images whose texts speak of birds are left out. */
  texts: boolean;
}

/** Lists a file without reading its images. */
export async function listImages(
  file: RandomAccess,
  { labelled, texts }: Asked,
  signal?: AbortSignal,
): Promise<Listing> {
  const content = await readMessages(file, signal);
  const { fields } = content.schema;
  const image = imageIn(fields);
  const features = featuresOf(content.schema.metadata.get('huggingface'));
  const label = labelled ? labelColumn(fields, image, features) : undefined;
  const isNumbered = label !== undefined && isNumber(fields.find(({ name }) => name === label)!.type);
  const classNames = isNumbered ? (classNamesIn(features, label) ?? []) : undefined;
  const found = new FoundImages(file, { many: false, label, classNames });
  let first = 0;
  for (const batch of content.batches) {
    signal?.throwIfAborted();
    const places = placesIn(fields, batch);
    const columns = texts ? textColumns(fields).map((name) => readColumn(file, places.get(name)!)) : [];
    const birds = columns.length > 0 ? await birdsIn(await Promise.all(columns), batch.rows) : [];
    const labels = label === undefined ? {} : await labelsIn(file, places.get(label)!, classNames);
    found.add({ group: 0, first, offset: 0, limit: batch.rows }, { birds, ...labels });
    first += batch.rows;
  }
  return found.listing();
}

/** The bytes of the images for which `wanted` holds, one after the other. */
export async function* readImages(
  file: RandomAccess,
  { count, names }: Listing,
  wanted: (index: number) => boolean,
  signal?: AbortSignal,
): AsyncGenerator<SourceImage> {
  const { schema, batches } = await readMessages(file, signal);
  const name = imageIn(schema.fields);
  let [index, first] = [0, 0];
  for (const batch of batches) {
    const rowOf = (i: number) => Number(names?.[i] ?? i) - first;
    const here: number[] = [];
    for (; index < count && rowOf(index) < batch.rows; index++) if (wanted(index)) here.push(index);
    const images =
      here.length > 0 ? await imagesIn(file, placesIn(schema.fields, batch).get(name)!) : undefined;
    for (const i of here) {
      signal?.throwIfAborted();
      yield { index: i, ...(await images!(rowOf(i))) };
    }
    first += batch.rows;
  }
}

type Bytes = { bytes: Uint8Array } | { problem: string; lasting: boolean };

/** Reads the image of a row of a batch. */
async function imagesIn(file: RandomAccess, place: Place): Promise<(row: number) => Promise<Bytes>> {
  const ranges = await rangesIn(file, place.children.get('bytes') ?? place);
  const path = place.children.get('path');
  const paths = path && ranges.includes(undefined) ? await readColumn(file, path) : undefined;
  return async (row) => {
    const range = ranges[row];
    if (!range) {
      const at = paths?.get(row);
      const problem = `has no image bytes${at ? `, only the path "${String(at).slice(0, 200)}"` : ''}`;
      return { problem, lasting: true };
    }
    if (range.end - range.begin > IMAGE_SIZE_LIMIT)
      return { problem: `is larger than ${IMAGE_SIZE_LIMIT / 2 ** 20} MB`, lasting: true };
    return { bytes: await file.read(range.begin, range.end) };
  };
}

function imageIn(fields: Field[]): string {
  const image = imageColumn(fields);
  if (!image) throw new Error(noImages(fields, undefined, undefined));
  if (image.many)
    throw new Error(`its column "${image.name}" holds lists of images; save it as parquet files`);
  return image.name;
}

async function labelsIn(
  file: RandomAccess,
  place: Place,
  classNames: string[] | undefined,
): Promise<{ labels: Int32Array; values: SourceLabel[] }> {
  const column = await readColumn(file, place);
  const numbers = new Map<string, number>();
  const labels = Int32Array.from({ length: place.length }, (_, row) => {
    const raw = column.get(row);
    if (raw === null || raw === undefined) return -1;
    const value = String(raw);
    const number = numbers.get(value) ?? numbers.size;
    numbers.set(value, number);
    return number;
  });
  const values = [...numbers.keys()].map((value) => ({
    value,
    name: classNames ? classNames[Number(value)] : value,
  }));
  return { labels, values };
}
