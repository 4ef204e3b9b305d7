/** What the labels of a source mean: a number means what its own file says, and files are joined by name. */
import { UserError } from '../base/errors.ts';
import type { PreparedPart } from './fill.ts';
import type { Listing, SourceLabel } from './part.ts';

export interface Meaning {
  /** Class name of each label of the part, in NFC; undefined: no class. */
  names: (string | undefined)[];
  /** How many numbers have a name, where labels are numbers that do. */
  numbers: number;
}
export type Meanings = Map<PreparedPart, Meaning>;

/** All names, each once. */
export function namesIn(meanings: Meanings): string[] {
  return [
    ...new Set([...meanings.values()].flatMap(({ names }) => names.filter((name) => name !== undefined))),
  ];
}

/** @throws UserError when there are numbers without names, and what they mean is not certain */
export function meaningsOf(text: string, parts: PreparedPart[]): Meanings {
  const hasNumbers = parts.some(({ listing }) => listing.classNames?.length);
  const bare = parts.filter(({ listing: { labelNames, classNames } }) => {
    // Digits as text are numbers, too, where others are.
    const isBare = classNames ? classNames.length === 0 : hasNumbers && isWithoutNames(labelNames);
    return isBare && labelNames.length > 0;
  });
  const others = parts.filter((part) => !bare.includes(part));
  const isNamed = others.some(({ listing }) => !isWithoutNames(listing.labelNames));
  const borrowed = bare.length > 0 && isNamed ? borrow(text, bare, others) : undefined;
  // Where no part says more, folders may: they are looked at over all parts.
  const names = nameLabels((borrowed ? others : parts).map(({ listing }) => listing));
  return new Map(
    parts.map((part) => {
      const known = bare.includes(part) ? borrowed : part.listing.classNames;
      return [part, meaningOf(part.listing.labelNames, names, known)];
    }),
  );
}

function isWithoutNames(labels: SourceLabel[]): boolean {
  return labels.every(({ name }) => name === undefined);
}

/** @param known class names by number; if absent, all labels are names */
function meaningOf(labels: SourceLabel[], names: Map<string, string>, known?: string[]): Meaning {
  const found = labels.map(({ value, name }) => {
    if (known === undefined) return names.get(value);
    return name ?? (/^\d+$/.test(value) ? known[Number(value)] : undefined);
  });
  return { names: found.map((name) => name?.normalize('NFC')), numbers: known?.length ?? 0 };
}

/** The names for numbers that have none of their own: those of the other parts, if they agree and are enough. */
function borrow(text: string, bare: PreparedPart[], others: PreparedPart[]): string[] {
  const named = others.filter(({ listing }) => listing.labelNames.length > 0);
  const listIn = ({ listing }: PreparedPart) => listing.classNames ?? [];
  const first = named.reduce((a, b) => (listIn(b).length > listIn(a).length ? b : a));
  const longest = listIn(first);
  const other = named.find(
    (part) => listIn(part).length === 0 || listIn(part).some((name, i) => name !== longest[i]),
  );
  const numbers = bare.flatMap(({ listing }) => listing.labelNames.map(({ value }) => Number(value)));
  const largest = numbers.reduce((a, b) => Math.max(a, b), 0);
  if (other === undefined && largest < longest.length) return longest;
  const shown = [...new Set([first, other ?? first])].map((part) => `"${fileOf(part)}" has ${listOf(part)}`);
  throw new UserError(
    `Expected names for the labels 0 to ${largest} of "${fileOf(bare[0]!)}" in "${text}", but it has none, and ${shown.join(', ')}; ` +
      'give it names of its own, or leave it out',
  );
}

/** The name of a part without that of an image. */
function fileOf({ part }: PreparedPart): string {
  return part.nameOf('').replace(/#$/, '');
}

const SHOWN = 10;

function listOf({ listing: { classNames, labelNames } }: PreparedPart): string {
  const all = classNames ? classNames.map((name, i) => `${i} ${name}`) : labelNames.map(({ value }) => value);
  return all.slice(0, SHOWN).join(', ') + (all.length > SHOWN ? ', ...' : '');
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
