/** Which columns of a parquet file hold images, labels and text, by type and name: all layouts found in the wild. */
import { DataType, type Field } from 'apache-arrow';

export interface ImageColumn {
  name: string;
  /** A row holds a list of images. */
  many: boolean;
  /** An image is a struct of "bytes" and perhaps "path". */
  struct: boolean;
}

/** What the datasets library of Hugging Face saves about the columns. */
export type Features = Record<string, { _type?: unknown; names?: unknown } | undefined>;

const IMAGE_NAMES = ['image', 'img', 'images', 'jpg', 'jpeg', 'png', 'webp', 'picture', 'photo'];
const LABEL_NAMES = ['label', 'labels', 'fine_label', 'class', 'category', 'species', 'target'];
const TEXT_NAMES = [
  'conversations',
  'messages',
  'text',
  'texts',
  'caption',
  'captions',
  'description',
  'question',
  'answer',
  'title',
  'prompt',
  'sentences',
];
const ADDRESS_NAMES =
  /(^|_)(image|images|img|picture|photo|url|urls|uri|base64|b64|path|file|file_?name|filename)s?($|_)/i;

/** The column of the images; undefined when no column holds bytes. */
export function imageColumn(fields: Field[]): ImageColumn | undefined {
  const found = fields.flatMap(({ name, type }) => {
    const many = isList(type);
    const item = many ? type.children[0]?.type : type;
    if (!item) return [];
    const struct = DataType.isStruct(item) && item.children.some(isBytesChild);
    return struct || isBytes(item) ? [{ name, many, struct }] : [];
  });
  // Beside images in structs, plain bytes are something else: an embedding, a mask.
  const likely = found.some(({ struct }) => struct) ? found.filter(({ struct }) => struct) : found;
  const [image, other] = preferred(likely, IMAGE_NAMES);
  if (other) {
    const names = likely.map(({ name }) => `"${name}"`).join(', ');
    throw new Error(
      `expected one column of images, but ${names} could all be it; keep one of them, or name it "image"`,
    );
  }
  return image;
}

function isBytesChild({ name, type }: Field): boolean {
  return name === 'bytes' && isBytes(type);
}

function isBytes(type: DataType): boolean {
  if (DataType.isDictionary(type)) return isBytes(type.dictionary);
  return (
    DataType.isBinary(type) ||
    DataType.isLargeBinary(type) ||
    DataType.isBinaryView(type) ||
    DataType.isFixedSizeBinary(type)
  );
}

function isList(type: DataType): boolean {
  return DataType.isList(type) || DataType.isLargeList(type) || DataType.isFixedSizeList(type);
}

function isText(type: DataType): boolean {
  if (DataType.isDictionary(type)) return isText(type.dictionary);
  return DataType.isUtf8(type) || DataType.isLargeUtf8(type) || DataType.isUtf8View(type);
}

export function isNumber(type: DataType | undefined): boolean {
  return DataType.isDictionary(type) ? isNumber(type.dictionary) : DataType.isInt(type);
}

function isLabel(type: DataType): boolean {
  if (DataType.isDictionary(type)) return isLabel(type.dictionary);
  return DataType.isInt(type) || DataType.isBool(type) || isText(type);
}

/** The one with the best name, else all. */
function preferred<T extends { name: string }>(found: T[], names: string[]): T[] {
  for (const wanted of names) {
    const named = found.filter(({ name }) => name.toLowerCase() === wanted);
    if (named.length > 0) return named;
  }
  return found;
}

/** The column of the classes: "label", else the one that the datasets library calls a class, else by name or alone. */
export function labelColumn(fields: Field[], image: string, features: Features): string {
  const found = fields.filter(({ name, type }) => name !== image && isLabel(type));
  const classes = found.filter(({ name }) => features[name]?._type === 'ClassLabel');
  const exact = found.filter(({ name }) => name === 'label');
  const [label, other] =
    exact.length > 0 ? exact : classes.length === 1 ? classes : preferred(found, LABEL_NAMES);
  if (label && !other) return label.name;
  const lists = fields.find(({ name, type }) => LABEL_NAMES.includes(name) && isList(type));
  throw new Error(
    lists
      ? `expected one label an image, but column "${lists.name}" holds lists (${lists.type}); for images of one kind use --birds or --not-birds`
      : `expected a column "label" of whole numbers or text, or one such column of another name, but found ${listed(fields)}; for images of one kind use --birds or --not-birds`,
  );
}

/** The columns of text about the image. */
export function textColumns(fields: Field[]): string[] {
  return fields
    .filter(({ name, type }) => TEXT_NAMES.includes(name.toLowerCase()) && hasText(type))
    .map(({ name }) => name);
}

function hasText(type: DataType): boolean {
  return isText(type) || (type.children ?? []).some((child: Field) => hasText(child.type));
}

/** A column that may hold images as text, or their addresses. */
export function addressColumn(fields: Field[]): string | undefined {
  const found = fields.filter(({ name, type }) => ADDRESS_NAMES.test(name) && hasText(type));
  return preferred(found, IMAGE_NAMES)[0]?.name;
}

/**
 * Why a file without a column of bytes is refused.
 * @param name of the column that `value`, an example, is from
 */
export function noImages(fields: Field[], name: string | undefined, value: string | undefined): string {
  if (value === undefined || value === '') {
    return (
      'expected a column of images (bytes, or a struct of "bytes" and "path", or a list of these), ' +
      `but found ${listed(fields)}; use a file with its images inside`
    );
  }
  const column = `expected images as bytes, but column "${name}"`;
  if (/^https?:/i.test(value)) {
    return `${column} holds addresses ("${value.slice(0, 80)}"), and addresses inside data are not followed; download the images into folders, or use a data set with its images inside`;
  }
  if (/^(data:image|[A-Za-z0-9+/\s]{64,}={0,2}$)/.test(value.slice(0, 4096))) {
    return `${column} holds them as base64 text; decode them once (in Python: base64.b64decode) and write a column of bytes named "image"`;
  }
  return `${column} holds text ("${value.slice(0, 80)}"); if these are paths, list them in a .csv file of path and label and use that`;
}

function listed(fields: Field[]): string {
  return `the columns ${fields.map(({ name, type }) => `${name} (${type})`).join(', ')}`.slice(0, 1000);
}

/** @param json metadata of the file under the key "huggingface" */
export function featuresOf(json: string | null | undefined): Features {
  try {
    return Object(JSON.parse(json ?? '{}').info?.features);
  } catch {
    return {};
  }
}

/** The class names of a column, in the order of their numbers. */
export function classNamesIn(features: Features, column: string): string[] | undefined {
  const names = Object.hasOwn(features, column) ? features[column]?.names : undefined;
  return Array.isArray(names) && names.every((name) => typeof name === 'string') ? names : undefined;
}
