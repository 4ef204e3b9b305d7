/** What is inside images that were fetched, to lines in the terminal. */

import { count, quote } from '../base/words.ts';
import type { Dataset } from './dataset.ts';
import type { LockFacts } from './lock/lock.ts';
import type { Skipped } from './part.ts';
import { type Recipe, type RecipeName, recipes } from './recipes.ts';

/** The facts about a data set that are reported. */
export const FACTS = [
  ...(['classNames', 'sources', 'skipped', 'filtered', 'ignored', 'duplicates', 'nearDuplicates'] as const),
  ...(['oddities', 'notes', 'hash', 'lock', 'damagedSegments', 'damagedImages'] as const),
];

/** What is inside: all that is known of the images but the images. */
export interface Inventory extends Pick<Dataset, (typeof FACTS)[number]> {
  preset?: RecipeName;
  /** Images of each class, in the order of `classNames`. */
  counts: number[];
  /** Why `train` refuses them; absent: it takes them. */
  refusal?: string | undefined;
}

/** With more classes than this a line would not be read. */
const MOST_CLASSES = 10;
const NAMES_TOLD = 3;
const WIDTH = 100;

/** The presets, each with all there is to know before it is fetched. */
export function presetLines(command: string): string[] {
  const all = Object.entries(recipes) as [RecipeName, Recipe][];
  return [
    ...all.flatMap(([name, recipe]) => [name, ...recipeLines(recipe), '']),
    `Fetch and verify one with ${command} PRESET, train on it with --preset PRESET.`,
  ];
}

function recipeLines({ about, download, licence, pinned, options }: Recipe): string[] {
  const { data = [], birds = [], notBirds = [], val = [] } = options;
  const sources = Object.entries({ data, birds, 'not-birds': notBirds, val }).flatMap(([option, texts]) =>
    texts.map((text) => `  --${option} ${quote(text)}`),
  );
  return [
    ...folded('  ', about),
    ...folded('  download: ', download),
    ...folded('  licence:  ', licence),
    ...folded('  pinned:   ', pinned),
    ...sources,
  ];
}

/** A sentence in lines of at most a screen's width. */
function folded(head: string, text: string): string[] {
  const lines = [head];
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!;
    if (line.length + word.length > WIDTH && line.trim() !== '') lines.push(' '.repeat(head.length) + word);
    else lines[lines.length - 1] = line === head ? line + word : `${line} ${word}`;
  }
  return lines;
}

/** What was found. `train` is the command line that the last line advises. */
export function inventoryLines(inventory: Inventory, train: string): string[] {
  const { preset, classNames, counts, skipped, filtered, lock, refusal } = inventory;
  return [
    ...(preset ? [`Preset ${preset}`, ...recipeLines(recipes[preset]), ''] : []),
    ...sourceLines(inventory),
    ...longList('Skipped', skipped),
    ...longList('Left out', filtered),
    ...healthLines(inventory),
    `In all ${count(counts.reduce((a, b) => a + b, 0))} images: ${classLine(classNames, counts)}`,
    ...lockLines(lock),
    ...cacheLines(inventory),
    refusal === undefined
      ? `All is there. Train on it: ${train}`
      : `All is there, but \`train\` refuses it: ${refusal}`,
  ];
}

function sourceLines({ sources, lock }: Inventory): string[] {
  return sources.flatMap(({ source, images, counts, ignored }, i) => {
    const held = lock?.sources[i];
    const names = Object.keys(counts).sort();
    const files = held ? [`${counted(held.files, 'file')}, ${size(held.bytes)}`] : [];
    const revision = held?.revision === undefined ? [] : [`revision ${held.revision}`];
    const others =
      ignored > 0 ? [`${counted(ignored, 'file')} that ${ignored === 1 ? 'is' : 'are'} no image`] : [];
    return [
      source,
      `  ${counted(images, 'image')}: ${classLine(
        names,
        names.map((name) => counts[name]!),
      )}`,
      `  ${[...files, ...revision, ...others].join('; ')}`,
    ];
  });
}

function classLine(names: string[], counts: number[]): string {
  const shown = names.slice(0, MOST_CLASSES).map((name, i) => `${count(counts[i]!)} ${name}`);
  return shown.join(', ') + (names.length > MOST_CLASSES ? `, ... (${names.length} classes)` : '');
}

/** How many, and the first of them. */
export function listLines(what: string, list: Skipped[]): string[] {
  if (list.length === 0) return [];
  const shown = list.slice(0, NAMES_TOLD).map(({ name, reason }) => `${name} ${reason}`);
  return [`${what} ${count(list.length)}: ${shown.join('; ')}${list.length > NAMES_TOLD ? '; ...' : ''}`];
}

/** The same with a line for each. */
function longList(what: string, list: Skipped[]): string[] {
  if (list.length === 0) return [];
  const shown = list.slice(0, NAMES_TOLD).map(({ name, reason }) => `  ${name} ${reason}`);
  const rest = list.length > NAMES_TOLD ? ['  ... (--json lists all)'] : [];
  return [`${what} ${count(list.length)}`, ...shown, ...rest];
}

/** What `data check` shows with pictures. */
export function healthLines({
  duplicates,
  nearDuplicates,
  oddities,
  notes = [],
}: Pick<Dataset, 'duplicates' | 'nearDuplicates' | 'oddities' | 'notes'>): string[] {
  const copies = [
    ...(duplicates > 0 ? [`${count(duplicates)} images repeat another one`] : []),
    ...(nearDuplicates > 0 ? [`${count(nearDuplicates)} images look like another one`] : []),
  ];
  const odd = [
    ...(oddities.blank > 0 ? [`${count(oddities.blank)} blank`] : []),
    ...(oddities.tiny > 0 ? [`${count(oddities.tiny)} smaller than --image-size`] : []),
    ...(oddities.turned > 0 ? [`${count(oddities.turned)} turned by their EXIF`] : []),
  ];
  const lines = copies.length > 0 ? [`${copies.join(', ')}; they stay on its side of the split`] : [];
  if (odd.length > 0) lines.push(`Out of the ordinary: ${odd.join(', ')}`);
  if (lines.length > 0) lines[lines.length - 1] += ' (the command `data check` shows which)';
  return [...notes, ...lines];
}

/** What was found damaged in the cache. */
export function cacheLines({
  damagedSegments,
  damagedImages,
}: Pick<Dataset, 'damagedSegments' | 'damagedImages'>): string[] {
  const lines: string[] = [];
  if (damagedSegments > 0)
    lines.push(`${count(damagedSegments)} files of the cache were damaged: deleted, and decoded again`);
  if (damagedImages > 0)
    lines.push(
      `${counted(damagedImages, 'image')} in the cache had changed since ${damagedImages === 1 ? 'it was' : 'they were'} written: decoded again; check the disk`,
    );
  return lines;
}

/** How the images are held to their bytes. */
export function lockLines(lock: LockFacts | undefined): string[] {
  if (!lock) return [];
  if (lock.notice !== undefined) return [lock.notice];
  // The demo has no entry.
  if (lock.sources.every(({ kind }) => kind === 'demo')) return [];
  return [
    `${lock.written ? 'Locked' : 'Unchanged, as locked'} in ${lock.file} (root ${lock.root.slice(0, 12)})`,
  ];
}

function counted(n: number, noun: string): string {
  return `${count(n)} ${noun}${n === 1 ? '' : 's'}`;
}

function size(bytes: number): string {
  const [unit, name] = bytes < 1e6 ? [1e3, 'kB'] : bytes < 1e9 ? [1e6, 'MB'] : [1e9, 'GB'];
  return `${(bytes / unit).toFixed(1)} ${name}`;
}
