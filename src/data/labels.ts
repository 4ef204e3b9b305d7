/** From the labels of a source to the classes of a run. */
import { UserError } from '../base/errors.ts';
import type { PreparedPart } from './fill.ts';
import { type Meaning, type Meanings, meaningsOf, namesIn } from './label_meaning.ts';
import type { Role, Source } from './part.ts';

const BIRD = 'bird';
const NOT_BIRD = 'not-bird';

/** The class of image `index` of a part; undefined: not used. */
export type ClassOf = (part: PreparedPart, index: number) => string | undefined;

export interface Classes {
  classOf: ClassOf;
  /** Why an image has no label; undefined: it has one, whether it is used or not. */
  whyUnlabelled: (part: PreparedPart, index: number) => string | undefined;
  /** As they stand in the source, before `?label=` makes two classes of them. */
  labelNames: string[];
}

/**
 * How the labels of a source become classes, of at most `?limit=` images.
 * @throws UserError when there is no label as the user named it
 */
export function classesOf(role: Role, source: Source, parts: PreparedPart[]): Classes {
  const meanings = meaningsOf(source.text, parts);
  const classOf = classesOfAll(role, source, meanings);
  return {
    classOf: source.limit === undefined ? classOf : spread(classOf, parts, source.limit),
    whyUnlabelled: (part, index) => whyUnlabelled(part, index, meanings.get(part)!),
    labelNames: namesIn(meanings),
  };
}

/**
 * Joined by name, sources of which one has names and another numbers only would be of classes that are none.
 * @param opened the sources whose labels are classes as they stand
 * @throws UserError that names both
 */
export function expectNames(opened: { source: Source; parts: PreparedPart[]; labelNames: string[] }[]): void {
  const isNumber = (name: string) => /^-?\d+$/.test(name);
  const named = opened.find(({ labelNames }) => labelNames.some((name) => !isNumber(name)));
  const bare = opened.find(
    ({ parts, labelNames }) =>
      parts.some(({ listing }) => listing.classNames) &&
      labelNames.length > 0 &&
      labelNames.every((name) => isNumber(name) && !named?.labelNames.includes(name)),
  );
  if (!named || !bare) return;
  const shown = ({ labelNames }: typeof named) => labelNames.slice(0, 10).join(', ');
  throw new UserError(
    `Expected names for the labels of "${bare.source.text}", as "${named.source.text}" has them (${shown(named)}), ` +
      `but found only numbers (${shown(bare)}); use a file with names, or ?label=NUMBER for both`,
  );
}

function whyUnlabelled(
  { listing }: PreparedPart,
  index: number,
  { names, numbers }: Meaning,
): string | undefined {
  const label = listing.labels[index]!;
  if (label === -1) return 'has no label';
  if (names[label] !== undefined) return undefined;
  return `has the label ${listing.labelNames[label]!.value}, but only 0 to ${numbers - 1} have names`;
}

/** One line about names that differ in case or spaces only, and may be one class. */
export function alikeNames(names: string[]): string | undefined {
  const groups = new Map<string, Set<string>>();
  for (const name of names) {
    const plain = name.toLowerCase().replace(/[\s\p{Cf}]+/gu, '');
    groups.set(plain, (groups.get(plain) ?? new Set()).add(name));
  }
  const alike = [...groups.values()].filter(({ size }) => size > 1);
  if (alike.length === 0) return undefined;
  const shown = alike
    .slice(0, 3)
    .map((group) => [...group].map((name) => JSON.stringify(name)).join(' and '));
  const more = alike.length > 3 ? ', and more' : '';
  return `Labels that differ in case or spaces only: ${shown.join(', ')}${more}; if they are one class, give them one name`;
}

/** The same, with at most this many images, evenly spaced over all parts. */
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

function classesOfAll(role: Role, { text, kind, label }: Source, meanings: Meanings): ClassOf {
  const all = role === 'birds' ? BIRD : role === 'notBirds' ? NOT_BIRD : undefined;
  if (all !== undefined && label === undefined) {
    if (kind !== 'demo') return () => all;
    const option = role === 'birds' ? '--birds' : '--not-birds';
    throw new UserError(`Expected images of one kind after ${option}, but demo has both; use --data demo`, 2);
  }
  const nameOf = (part: PreparedPart, index: number) =>
    meanings.get(part)!.names[part.listing.labels[index]!];
  if (label === undefined) return nameOf;
  const chosen = chooseLabel(text, label, meanings);
  const opposite = chosen.startsWith('not-') ? chosen.slice(4) : `not-${chosen}`;
  return (part, index) => {
    const name = nameOf(part, index);
    if (name === undefined) return undefined;
    if (all !== undefined) return name === chosen ? all : undefined;
    return name === chosen ? chosen : opposite;
  };
}

/** The label by its name, its number, or its name in other letters. */
function chooseLabel(text: string, label: string, meanings: Meanings): string {
  const wanted = label.normalize('NFC');
  const all = namesIn(meanings);
  const numbered = [...meanings].flatMap(([{ listing }, { names }]) =>
    listing.labelNames.flatMap(({ value }, i) =>
      value === label && names[i] !== undefined ? [names[i]] : [],
    ),
  );
  const [byNumber, ...others] = [...new Set(numbered)];
  const found = all.find((name) => name === wanted) ?? byNumber;
  if (found !== undefined && found !== wanted && others.length > 0) {
    throw new UserError(
      `Expected a name after ?label= in "${text}", as its files number their labels differently: "${label}" is ${[byNumber, ...others].join(' or ')}; say which`,
    );
  }
  const lower = wanted.toLowerCase();
  const chosen = found ?? all.find((name) => name.toLowerCase() === lower);
  if (chosen !== undefined) return chosen;
  const shown = all.sort().slice(0, 50).join(', ') + (all.length > 50 ? ', ...' : '');
  throw new UserError(
    `Expected a label of "${text}", but it has no "${label}"; its labels are ${shown || 'none'}`,
  );
}
