/** Samples as WebDataset packs them: files of one name up to its first dot are an image and what is known of it. */
import { birdIn } from './bird_text.ts';

/** Extensions of the files that may accompany an image. */
export const BESIDE_NAMES = /\.(cls|json|txt)$/i;
/** Bytes; more says nothing of one image. */
export const BESIDE_SIZE_LIMIT = 2 ** 20;

/** What stands beside images. */
export interface Beside {
  names: string[];
  read(name: string): Promise<Uint8Array>;
}

export interface BesideLabels {
  /** By the name of the image. */
  labels: Map<string, string>;
  /** Why the other images have none. */
  reasons: Map<string, string>;
  /** Where the labels stand, for a person. */
  where: string;
}

/** Fields of a .json that hold a label; words are better than numbers. */
const FIELDS = [
  ...['label', 'labels', 'class', 'category', 'species', 'class_name', 'label_name', 'target', 'cls'],
  ...['class_id', 'label_id'],
];

/** A text of a class is shorter. */
const LABEL_LENGTH = 100;

/**
 * The labels of images: from `.cls` if there are any; else, unless the images lie in folders of classes, from a field
 * of `.json`, or from `.txt` if the same texts come again and again.
 * @returns undefined when there are none
 */
export async function labelsBeside(images: string[], beside: Beside): Promise<BesideLabels | undefined> {
  const cls = await textsBeside(images, beside, /^(cls|class|label)(\.txt)?$/);
  if (cls.size > 0) return labelled(images, cls, '.cls');
  if (new Set(images.map(folderOf)).size > 1) return undefined;
  const json = await textsBeside(images, beside, /^json$/);
  const field = fieldIn([...json.values()].map(parsed));
  if (field !== undefined) {
    const values = [...json].map(([image, text]) => [image, labelIn(parsed(text), field) ?? ''] as const);
    return labelled(images, new Map(values), `"${field}" of .json`);
  }
  const texts = await textsBeside(images, beside, /^txt$/);
  return areLabels([...texts.values()]) ? labelled(images, texts, '.txt') : undefined;
}

/** The images whose texts speak of birds, and the word. */
export async function birdsBeside(images: string[], beside: Beside): Promise<Map<string, string>> {
  const birds = new Map<string, string>();
  for (const [image, text] of await textsBeside(images, beside, /^txt$/)) note(image, text);
  for (const [image, text] of await textsBeside(images, beside, /^json$/)) {
    const values = Object.values(parsed(text)).filter((value) => typeof value === 'string');
    note(image, values.join('\n'));
  }
  return birds;

  function note(image: string, text: string): void {
    const word = birdIn(text);
    if (word !== undefined) birds.set(image, word);
  }
}

/** The texts of one ending, by the name of the image. */
async function textsBeside(
  images: string[],
  { names, read }: Beside,
  ending: RegExp,
): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const name of names) {
    const [key, rest] = split(name);
    if (ending.test(rest.toLowerCase())) files.set(key, name);
  }
  const texts = new Map<string, string>();
  if (files.size === 0) return texts;
  for (const image of images) {
    const file = files.get(split(image)[0]);
    if (file !== undefined)
      texts.set(
        image,
        Buffer.from(await read(file))
          .toString('utf8')
          .trim(),
      );
  }
  return texts;
}

/** Key and extension of a sample: the name is split at the first dot after its folder. */
function split(name: string): [key: string, ending: string] {
  const dot = name.indexOf('.', name.lastIndexOf('/') + 1);
  return dot < 0 ? [name, ''] : [name.slice(0, dot), name.slice(dot + 1)];
}

function folderOf(name: string): string {
  return name.slice(0, name.lastIndexOf('/') + 1);
}

function labelled(images: string[], texts: Map<string, string>, where: string): BesideLabels {
  const found: BesideLabels = { labels: new Map(), reasons: new Map(), where };
  for (const image of images) {
    const text = texts.get(image);
    if (text === undefined) found.reasons.set(image, `has no ${where} beside it`);
    else if (text === '') found.reasons.set(image, `has no label in the ${where} beside it`);
    else if (/^-\d+$/.test(text)) found.reasons.set(image, `has the label ${text}, which means none`);
    else found.labels.set(image, /^\d+$/.test(text) ? String(Number(text)) : text);
  }
  return found;
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

/** The field that is a label in most: one of words, else one of whole numbers. */
function fieldIn(samples: Record<string, unknown>[]): string | undefined {
  const isIn = (field: string, type: string) =>
    samples.filter((sample) => typeof sample[field] === type && labelIn(sample, field) !== undefined).length >
    samples.length / 2;
  return FIELDS.find((field) => isIn(field, 'string')) ?? FIELDS.find((field) => isIn(field, 'number'));
}

function labelIn(sample: Record<string, unknown>, field: string): string | undefined {
  const value = Object.hasOwn(sample, field) ? sample[field] : undefined;
  if (typeof value === 'string' && isShort(value)) return value.trim();
  return Number.isInteger(value) ? String(value) : undefined;
}

function isShort(text: string): boolean {
  return text.length <= LABEL_LENGTH && !text.includes('\n');
}

/** Captions hardly ever repeat. */
function areLabels(texts: string[]): boolean {
  return texts.length > 0 && texts.every(isShort) && new Set(texts).size <= texts.length / 2;
}
