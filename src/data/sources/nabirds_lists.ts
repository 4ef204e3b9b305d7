/** The lists that come with NABirds: lines of an id and what belongs to it. */
import { UserError } from '../../base/errors.ts';

/** Their names, without the ending. */
export const LISTS = ['images', 'image_class_labels', 'classes', 'hierarchy', 'train_test_split'];

/** What the lists say, by the ids of images and classes. */
export interface NabirdsLists {
  /** Path of each image below the folder `images`. */
  paths: Map<string, string>;
  /** Class of each image. */
  classes: Map<string, string>;
  /** Name of each class; inner nodes of the hierarchy have one too. */
  names: Map<string, string>;
  /** From class to the class that it is part of. */
  parents: Map<string, string>;
  /** Whether an image is for training. */
  training: Map<string, boolean>;
}

/** Reads a list by its name, "images.txt"; undefined when there is none. */
export type ReadList = (name: string) => Promise<string | undefined>;

const CLASS_ID = String.raw`\d{1,9}`;
const IMAGE_ID = String.raw`[\w-]{1,64}`;

/**
 * Reads and checks the lists.
 * @param where what stands before the names of the lists for a person
 * @throws UserError that names list and line
 */
export async function readLists(where: string, read: ReadList): Promise<NabirdsLists> {
  const list = async (name: string, key: string, rest: string, expected: string) => {
    const text = await read(name);
    if (text !== undefined) return pairs(`${where}/${name}`, text, key, rest, expected);
    throw new UserError(
      `Expected the list ${name} of NABirds in "${where}", but there is none; fetch NABirds again`,
    );
  };
  const split = await list('train_test_split.txt', IMAGE_ID, '[01]', 'an image id, and 1 or 0');
  const lists = {
    paths: await list('images.txt', IMAGE_ID, '\\S.*', 'an image id and a path'),
    classes: await list('image_class_labels.txt', IMAGE_ID, CLASS_ID, 'an image id and a class number'),
    names: await list('classes.txt', CLASS_ID, '\\S.*', 'a class number and a name'),
    parents: await list('hierarchy.txt', CLASS_ID, CLASS_ID, 'two class numbers'),
    training: new Map([...split].map(([id, side]) => [id, side === '1'])),
  };
  for (const id of lists.classes.values()) {
    if (lists.names.has(id)) continue;
    throw new UserError(
      `Expected a name for each class of "${where}/image_class_labels.txt" in classes.txt, but ${id} has none; fetch NABirds again`,
    );
  }
  return lists;
}

function pairs(
  where: string,
  text: string,
  key: string,
  rest: string,
  expected: string,
): Map<string, string> {
  const pattern = new RegExp(`^(${key})[ \\t]+(${rest})$`);
  const found = new Map<string, string>();
  for (const [i, raw] of text
    .replace(/^\ufeff/, '')
    .split('\n')
    .entries()) {
    const line = raw.trim();
    if (line === '') continue;
    const match = pattern.exec(line);
    if (!match) throw lineError(where, i, `${expected}, but found ${JSON.stringify(line.slice(0, 100))}`);
    if (found.has(match[1]!)) throw lineError(where, i, `each id once, but ${match[1]} comes again`);
    found.set(match[1]!, match[2]!);
  }
  if (found.size > 0) return found;
  throw new UserError(`Expected lines of ${expected} in "${where}", but it is empty; fetch NABirds again`);
}

function lineError(where: string, index: number, what: string): UserError {
  return new UserError(`"${where}", line ${index + 1}: expected ${what}; fetch NABirds again`);
}

/** A class and all that are part of it. */
export function descendants(parents: Map<string, string>, ancestor: string): Set<string> {
  const children = new Map<string, string[]>();
  for (const [child, parent] of parents) children.set(parent, [...(children.get(parent) ?? []), child]);
  const found = new Set<string>([ancestor]);
  // A set takes in what is added while it is walked, and each only once: circles end.
  for (const one of found) for (const child of children.get(one) ?? []) found.add(child);
  return found;
}
