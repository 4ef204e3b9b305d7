/** From the labels of a source to the classes of a run. */
import { UserError } from '../base/errors.ts';
import type { PreparedPart } from './fill.ts';
import type { Listing, Role, Source } from './part.ts';

const BIRD = 'bird';
const NOT_BIRD = 'not-bird';

/** The class of image `index` of a part; undefined: not used. */
export type ClassOf = (part: PreparedPart, index: number) => string | undefined;

/**
 * How the labels of a source become classes, of at most `?limit=` images.
 * @throws UserError when there is no label as the user named it
 */
export function classesOf(role: Role, source: Source, parts: PreparedPart[]): ClassOf {
  const classOf = classesOfAll(role, source, parts);
  return source.limit === undefined ? classOf : spread(classOf, parts, source.limit);
}

/** The same, of so many images at most, at even distances over all parts. */
function spread(classOf: ClassOf, parts: PreparedPart[], limit: number): ClassOf {
  let total = 0;
  for (const part of parts) {
    for (let i = 0; i < part.listing.count; i++) if (classOf(part, i) !== undefined) total += 1;
  }
  if (total <= limit) return classOf;
  const chosen = new Map<PreparedPart, Uint8Array>();
  let seen = 0;
  for (const part of parts) {
    const mask = new Uint8Array(part.listing.count);
    for (let i = 0; i < mask.length; i++) {
      if (classOf(part, i) === undefined) continue;
      mask[i] = Math.floor(((seen + 1) * limit) / total) - Math.floor((seen * limit) / total);
      seen += 1;
    }
    chosen.set(part, mask);
  }
  return (part, index) => (chosen.get(part)![index] === 1 ? classOf(part, index) : undefined);
}

function classesOfAll(role: Role, { text, kind, label }: Source, parts: PreparedPart[]): ClassOf {
  const all = role === 'birds' ? BIRD : role === 'notBirds' ? NOT_BIRD : undefined;
  if (all !== undefined && label === undefined) {
    if (kind !== 'demo') return () => all;
    const option = role === 'birds' ? '--birds' : '--not-birds';
    throw new UserError(`Expected images of one kind after ${option}, but demo has both; use --data demo`, 2);
  }
  const names = nameLabels(parts.map(({ listing }) => listing));
  const namesOf = new Map(
    parts.map((part) => [part, part.listing.labelNames.map(({ value }) => names.get(value)!)]),
  );
  const nameOf = (part: PreparedPart, index: number) => namesOf.get(part)![part.listing.labels[index]!];
  if (label === undefined) return nameOf;
  const chosen = chooseLabel(text, label, names);
  const opposite = chosen.startsWith('not-') ? chosen.slice(4) : `not-${chosen}`;
  return (part, index) => {
    const name = nameOf(part, index);
    if (name === undefined) return undefined;
    if (all !== undefined) return name === chosen ? all : undefined;
    return name === chosen ? chosen : opposite;
  };
}

/** The label by its name, its number, or its name in other letters. */
function chooseLabel(text: string, label: string, names: Map<string, string>): string {
  const all = [...new Set(names.values())];
  const lower = label.toLowerCase();
  const found =
    all.find((name) => name === label) ??
    names.get(label) ??
    all.find((name) => name.toLowerCase() === lower);
  if (found !== undefined) return found;
  const shown = all.sort().slice(0, 50).join(', ') + (all.length > 50 ? ', ...' : '');
  throw new UserError(
    `Expected a label of "${text}", but it has no "${label}"; its labels are ${shown || 'none'}`,
  );
}

/**
 * Names for the labels of all parts of a source: those the source gives, else the folders the images were in if folder
 * and label go together one to one, else the labels as they stand.
 */
export function nameLabels(listings: Listing[]): Map<string, string> {
  const all = listings.flatMap((listing) => listing.labelNames);
  const names = new Map<string, string>();
  const folders = new Map<string, Set<string | undefined>>();
  for (const { value, name, folder } of all) {
    if (name !== undefined) names.set(value, name);
    folders.set(value, (folders.get(value) ?? new Set()).add(folder));
  }
  if (names.size > 0) return new Map(all.map(({ value }) => [value, names.get(value) ?? value]));
  const pairs = [...folders].map(
    ([value, set]) => [value, set.size === 1 ? [...set][0] : undefined] as const,
  );
  const distinct = new Set(pairs.map(([, folder]) => folder));
  const oneToOne = !distinct.has(undefined) && distinct.size === pairs.length && pairs.length > 1;
  return new Map(pairs.map(([value, folder]) => [value, oneToOne ? folder! : value]));
}
