/** From filled sources to the data set of a run. */
import { createHash } from 'node:crypto';
import { relative } from 'node:path';
import { displayName } from '../base/class_names.ts';
import { UserError } from '../base/errors.ts';
import { count } from '../base/words.ts';
import type { Hierarchy } from '../metrics/hierarchy.ts';
import { alikePairs } from './alike.ts';
import { headerOf, isBlank, isTiny } from './cache/image_facts.ts';
import type { PreparedPart } from './fill.ts';
import { groupsOf } from './groups.ts';
import { hierarchyOf } from './hierarchy_file.ts';
import { alikeNames, type Classes, expectNames } from './labels.ts';
import type { Role, Skipped, Source } from './part.ts';
import { deeperRoot, under } from './tree_root.ts';

/** A source, listed; filled when it comes here. */
export interface OpenSource extends Classes {
  role: Role;
  source: Source;
  parts: PreparedPart[];
  /** Whether a person has put its labels right: they hold against those of other sources. */
  corrects?: boolean;
}

/** What is known of the images of a run: position 0 to length-1 in all arrays below. */
export interface DatasetFacts {
  /** Sorted, so that `bird` is 0 and `not-bird` is 1. */
  classNames: string[];
  /** As a person would find the image: a path, or "file.parquet#row". */
  names: string[];
  /** Index into `classNames`. */
  labels: Int32Array;
  /** Images of one group stay on one side of a split: equal or nearly equal pictures, drawings of one concept. */
  groups: Int32Array;
  /** 1: from a `--val` source, 0: from the others. Absent when there is no `--val`. */
  validation?: Uint8Array;
  skipped: Skipped[];
  /** Images left out on purpose, such as those whose text speaks of birds among the negatives. */
  filtered: Skipped[];
  /** Files that are no images by their names or first bytes; of each source the first 10,000. */
  ignored: string[];
  /** Images that repeat another one (same bytes or same pixels). */
  duplicates: number;
  /** Images that look like another one without being equal: saved again, smaller, trimmed, mirrored. */
  nearDuplicates: number;
  /** What else there is to know of the images that are used. */
  oddities: Oddities;
  /** 1: from a folder of corrections; absent where no source is one. */
  corrected?: Uint8Array;
  /** Images left out because a correction of the same picture has another label. */
  replaced?: number;
  /** How labels were read, where that is not plain, names that look like one, classes of few images. */
  notes?: string[];
  /** Groups of the classes, where the data has them. */
  hierarchy?: Hierarchy;
  /** sha256 (hex) over names, labels and content hashes: the same data, the same hash. */
  hash: string;
  /**
   * One line a source: what it is, how many images of each class came from it, and how many files were passed over
   * because they are no images.
   */
  sources: { source: string; images: number; counts: Record<string, number>; ignored: number }[];
}

/** Counts of images that are used and are out of the ordinary. */
export interface Oddities {
  /** Turned as their EXIF says. */
  turned: number;
  /** With a side shorter than they are trained at. */
  tiny: number;
  /** Nearly of one colour. */
  blank: number;
}

/** Where each image came from, by position: image `indexes[i]` of part `numbers[i]`. */
export interface Origins {
  parts: PreparedPart[];
  numbers: Uint32Array;
  indexes: Uint32Array;
}

/** An image that can be used. */
interface Entry {
  source: number;
  part: PreparedPart;
  index: number;
  name: string;
  className: string;
  content: string;
  pixelHash: string;
  /** See `lookOf`. */
  look: string;
  group?: string;
}

/** As many as a network may have. */
const CLASS_LIMIT = 10_000;

/**
 * Numbers all that can be used, in the order of the sources.
 * @param options folder of the cache; side of the images in pixels
 * @throws UserError if there is nothing to train on
 */
export async function assemble(
  opened: OpenSource[],
  { folder, size, signal }: { folder: string; size: number; signal?: AbortSignal },
): Promise<{ facts: DatasetFacts; origins: Origins }> {
  const skipped: Skipped[] = [];
  const all = opened.flatMap((source, i) => entriesOf(source, i, skipped));
  const corrected = dropCorrected(all, (entry) => opened[entry.source]!.corrects === true);
  const unlike = dropContradictions(corrected.kept, skipped);
  const validates = (entry: Entry) =>
    opened[entry.source]!.role === 'validation' || entry.part.listing.heldOut?.[entry.index] === 1;
  const { kept, note } = capOthers(unlike, opened, validates);
  const classNames = checkedClasses(opened, kept, validates, skipped);
  const numbers = new Map(classNames.map((name, i) => [name, i]));
  const pairs = await alikePairs(kept, folder, signal);
  const hasValidation = kept.some(validates);
  const facts: DatasetFacts = {
    classNames,
    names: kept.map(({ name }) => name),
    labels: Int32Array.from(kept, ({ className }) => numbers.get(className)!),
    groups: groupsOf(kept, pairs),
    ...(hasValidation ? { validation: Uint8Array.from(kept, (entry) => Number(validates(entry))) } : {}),
    skipped,
    filtered: [
      ...opened.flatMap(({ parts }) => parts.flatMap(({ listing }) => listing.filtered ?? [])),
      ...corrected.replaced,
    ],
    ...(opened.some(({ corrects }) => corrects)
      ? {
          corrected: Uint8Array.from(kept, ({ source }) => Number(opened[source]!.corrects === true)),
          replaced: corrected.replaced.length,
        }
      : {}),
    ignored: opened.flatMap(({ parts }) => parts.flatMap(({ listing }) => listing.ignoredNames ?? [])),
    duplicates: kept.length - new Set(kept.map(({ pixelHash }) => pixelHash)).size,
    nearDuplicates: new Set(pairs.map(({ second }) => second)).size,
    oddities: odditiesOf(kept, size),
    ...notesOf(opened, [...(note === undefined ? [] : [note]), ...smallClasses(classNames, kept)]),
    ...hierarchyFacts(opened, classNames),
    hash: hashOf(kept),
    sources: opened.map((source, i) => tally(source, kept, i)),
  };
  return { facts, origins: originsOf(opened, kept) };
}

/** How labels were read, where that is not plain, and names that look like one. */
export function notesOf(opened: OpenSource[], more: string[] = []): Pick<DatasetFacts, 'notes'> {
  const notes = opened.flatMap(({ source, parts }) =>
    parts.flatMap(({ listing }) => (listing.notes ?? []).map((note) => `${source.text}: ${note}`)),
  );
  const alike = alikeNames(opened.flatMap(({ labelNames }) => labelNames));
  const all = [...new Set([...notes, ...(alike === undefined ? [] : [alike]), ...more])];
  return all.length > 0 ? { notes: all } : {};
}

function entriesOf(
  { role, source, parts, classOf, whyUnlabelled }: OpenSource,
  number: number,
  skipped: Skipped[],
): Entry[] {
  const entries: Entry[] = [];
  const labelled = isLabelled(role);
  for (const prepared of parts) {
    const { part, listing, contents, pixelHashes, looks, reasons, passing } = prepared;
    // One by one: a call takes some hundred thousand arguments at most.
    for (const { name, reason } of listing.skipped) skipped.push({ name: shown(name, source), reason });
    for (let i = 0; i < listing.count; i++) {
      const className = classOf(prepared, i);
      const unlabelled = className === undefined && labelled ? whyUnlabelled(prepared, i) : undefined;
      // Of another label, or beyond the limit.
      if (className === undefined && unlabelled === undefined) continue;
      const name = shown(part.nameOf(listing.names?.[i] ?? String(i)), source);
      const reason = unlabelled ?? reasons.get(i) ?? passing.get(i);
      if (className === undefined || reason !== undefined) {
        skipped.push({ name, reason: reason! });
        continue;
      }
      const group = listing.groups && `${source.kind} ${listing.groups[i]}`;
      const known = { content: contents[i]!, pixelHash: pixelHashes[i]!, look: looks[i]! };
      entries.push({ source: number, part: prepared, index: i, name, className, ...known, group });
    }
  }
  return entries;
}

/** An image's name relative to the folder that its source's path starts from: the same wherever the run is resumed. */
function shown(name: string, { root }: Source): string {
  if (root === undefined) return name;
  return name.startsWith(`${root}/`) ? name.slice(root.length + 1) : relative(root, name);
}

function isLabelled(role: Role): boolean {
  return role === 'data' || role === 'validation';
}

/** What a person has said of a picture holds against what other sources say of the same. */
function dropCorrected(
  entries: Entry[],
  isRight: (entry: Entry) => boolean,
): { kept: Entry[]; replaced: Skipped[] } {
  const right = new Map(entries.filter(isRight).map((entry) => [entry.pixelHash, entry]));
  const replaced: Skipped[] = [];
  const kept = entries.filter((entry) => {
    const correction = right.get(entry.pixelHash);
    if (!correction || correction.className === entry.className || isRight(entry)) return true;
    const { name, className } = correction;
    replaced.push({ name: entry.name, reason: `is ${className}, as ${name} says` });
    return false;
  });
  return { kept, replaced };
}

/** Pictures that come under two classes teach nothing: all of them are left out. */
function dropContradictions(entries: Entry[], skipped: Skipped[]): Entry[] {
  const firsts = new Map<string, Entry>();
  const contradictions = new Map<string, string>();
  for (const entry of entries) {
    const { pixelHash } = entry;
    const first = firsts.get(pixelHash) ?? entry;
    firsts.set(pixelHash, first);
    if (first.className !== entry.className) {
      contradictions.set(
        pixelHash,
        `is the same picture under two labels: ${first.name} is ${first.className}, ${entry.name} is ${entry.className}`,
      );
    }
  }
  if (contradictions.size === 0) return entries;
  return entries.filter(({ name, pixelHash }) => {
    const reason = contradictions.get(pixelHash);
    if (reason !== undefined) skipped.push({ name, reason });
    return reason === undefined;
  });
}

/** Of all training images, the share that `--not-birds` may have beside several classes. */
const MOST_OTHERS = 1 / 4;

/** Drops training images of `--not-birds` above that share, evenly spaced. */
function capOthers(
  entries: Entry[],
  opened: OpenSource[],
  validates: (entry: Entry) => boolean,
): { kept: Entry[]; note?: string } {
  const isOther = (entry: Entry) => opened[entry.source]!.role === 'notBirds' && !validates(entry);
  const own = entries.filter((entry) => !validates(entry) && !isOther(entry));
  const others = entries.filter(isOther).length;
  const species = new Set(own.map(({ className }) => className));
  for (const { className } of entries.filter(isOther)) species.delete(className);
  const most = Math.floor((own.length * MOST_OTHERS) / (1 - MOST_OTHERS));
  if (others <= most || species.size < 2) return { kept: entries };
  let seen = 0;
  const kept = entries.filter((entry) => {
    if (!isOther(entry)) return true;
    const place = seen++;
    return Math.floor(((place + 1) * most) / others) > Math.floor((place * most) / others);
  });
  const note = `Of the ${count(others)} images of --not-birds ${count(most)} are used, so that they are a quarter of all`;
  return { kept, note };
}

/** With fewer images there is little to learn from, and little to validate on. */
const FEW_IMAGES = 10;
const FEW_SHOWN = 20;

/** Names the classes of few images, the smallest first, where there are more than two classes. */
function smallClasses(classNames: string[], kept: Entry[]): string[] {
  if (classNames.length === 2) return [];
  const counts = new Map(classNames.map((name) => [name, 0]));
  for (const { className } of kept) counts.set(className, counts.get(className)! + 1);
  const few = [...counts].filter(([, images]) => images < FEW_IMAGES).sort((a, b) => a[1] - b[1]);
  if (few.length === 0) return [];
  const shown = few.slice(0, FEW_SHOWN).map(([name, images]) => `${displayName(name)} (${images})`);
  const more = few.length > FEW_SHOWN ? `, and ${count(few.length - FEW_SHOWN)} more` : '';
  const classes = few.length === 1 ? '1 class has' : `${count(few.length)} classes have`;
  return [
    `${classes} fewer than ${FEW_IMAGES} images, too few to train on and to evaluate: ${shown.join(', ')}${more}`,
  ];
}

function hierarchyFacts(opened: OpenSource[], classNames: string[]): Pick<DatasetFacts, 'hierarchy'> {
  const labels = opened.flatMap(({ parts }) => parts.flatMap(({ listing }) => listing.labelNames));
  const above = new Map(
    labels.flatMap(({ value, name = value, above }) => (above ? [[name.normalize('NFC'), above]] : [])),
  );
  const hierarchy = above.size > 0 ? hierarchyOf(classNames, { above }) : [];
  return hierarchy.length > 0 ? { hierarchy } : {};
}

/** The class names, sorted; refused if they are no task. */
function checkedClasses(
  opened: OpenSource[],
  kept: Entry[],
  validates: (entry: Entry) => boolean,
  skipped: Skipped[],
): string[] {
  const texts = (validation: boolean) =>
    opened
      .filter(({ role }) => (role === 'validation') === validation)
      .map(({ source }) => `"${source.text}"`)
      .join(', ');
  const classesOf = (validation: boolean) => {
    const entries = kept.filter((entry) => validates(entry) === validation);
    if (entries.length === 0 && (!validation || texts(true) !== ''))
      throw nothing(texts(validation), skipped);
    return new Set(entries.map(({ className }) => className));
  };
  expectNames(opened.filter(({ role, source }) => isLabelled(role) && source.label === undefined));
  const [training, validation] = [classesOf(false), classesOf(true)];
  const names = [...training].sort();
  if (names.length === 1)
    throw oneClass(texts(false), names[0]!, `${deeperFolder(opened)}${leftOut(skipped)}`);
  const strange = [...validation].find((name) => !training.has(name));
  if (strange !== undefined) {
    throw new UserError(
      `Expected the classes of the training images (${shortList(names)}) in ${texts(true) || 'what is held out'}, but found "${strange}"; ` +
        (texts(true)
          ? 'use the same ?label= for --val as for --data'
          : 'train on images of it, too, or leave it out'),
    );
  }
  if (names.length > CLASS_LIMIT) {
    throw new UserError(
      `Expected at most ${CLASS_LIMIT} classes, but found ${names.length}; use ?label=NAME`,
    );
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  const odd = names.find((name) => !/^[^\u0000-\u001f\u007f-\u009f]{1,200}$/u.test(name));
  if (odd === undefined) return names;
  throw new UserError(
    `Expected class names of 1 to 200 printable characters, but found ${JSON.stringify(odd).slice(0, 220)}; rename it`,
  );
}

function nothing(texts: string, skipped: Skipped[]): UserError {
  const [first] = skipped;
  return new UserError(
    first
      ? `Expected images in ${texts}, but none of them can be used${leftOut(skipped)}`
      : `Expected images in ${texts}, but there are none`,
  );
}

/** What to name instead of a folder whose classes lie deeper: photos/photos/bird. */
function deeperFolder(opened: OpenSource[]): string {
  for (const { source, parts } of opened) {
    const found = source.kind === 'folder' ? deeperRoot(parts[0]?.listing.names ?? []) : undefined;
    if (found) return `, or name "${under(source.path, found.path)}" if ${found.folders} are the classes`;
  }
  return '';
}

/** The others may be among what could not be used. */
function leftOut(skipped: Skipped[]): string {
  const [first] = skipped;
  return first ? ` (${skipped.length} skipped; ${first.name} ${first.reason})` : '';
}

function oneClass(texts: string, name: string, advice: string): UserError {
  const other =
    name === 'bird' ? '--not-birds FOLDER' : name === 'not-bird' ? '--birds FOLDER' : '--data SOURCE';
  return new UserError(
    `Expected images of at least two classes, but all of ${texts} are "${name}"; add a second source with ${other}${advice}`,
  );
}

function shortList(names: string[]): string {
  return names.slice(0, 20).join(', ') + (names.length > 20 ? ', ...' : '');
}

function originsOf(opened: OpenSource[], kept: Entry[]): Origins {
  const parts = opened.flatMap(({ parts }) => parts);
  const numbers = new Map(parts.map((part, number) => [part, number]));
  return {
    parts,
    numbers: Uint32Array.from(kept, ({ part }) => numbers.get(part)!),
    indexes: Uint32Array.from(kept, ({ index }) => index),
  };
}

function odditiesOf(kept: Entry[], size: number): Oddities {
  const oddities = { turned: 0, tiny: 0, blank: 0 };
  for (const { look } of kept) {
    const header = headerOf(look);
    if (!header) continue;
    if (header.turned) oddities.turned += 1;
    if (isTiny(header, size)) oddities.tiny += 1;
    if (isBlank(look)) oddities.blank += 1;
  }
  return oddities;
}

/** Lines at a time; a hash a line would be slow, one long text large. */
const LINES = 4096;

function hashOf(kept: Entry[]): string {
  const hash = createHash('sha256');
  for (let begin = 0; begin < kept.length; begin += LINES) {
    const lines = kept.slice(begin, begin + LINES);
    hash.update(lines.map(({ name, className, content }) => `${name}\0${className}\0${content}\n`).join(''));
  }
  return hash.digest('hex');
}

function tally(
  { source, parts }: OpenSource,
  kept: Entry[],
  number: number,
): DatasetFacts['sources'][number] {
  const counts = new Map<string, number>();
  let images = 0;
  for (const entry of kept) {
    if (entry.source !== number) continue;
    images += 1;
    counts.set(entry.className, (counts.get(entry.className) ?? 0) + 1);
  }
  const ignored = parts.reduce((sum, { listing }) => sum + listing.ignored, 0);
  return { source: source.text, images, counts: Object.fromEntries(counts), ignored };
}
