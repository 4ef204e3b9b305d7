/** What is out of the ordinary among images. */
import { isBlank, isTiny } from '../data/cache/image_facts.ts';
import type { NearPair } from '../data/near.ts';
import type { Skipped } from '../data/part.ts';
import { type ClassCount, type Finding, ITEMS, type Item, KINDS, type Kind } from './check_result.ts';
import { type CheckedImage, shown } from './checked_images.ts';

export interface Evidence {
  images: CheckedImage[];
  /** Of images that can be used, by their numbers. */
  pairs: NearPair[];
  /** What could not even be listed. */
  skipped: Skipped[];
  filtered: Skipped[];
  classes: ClassCount[];
  imageSize: number;
}

/** The worst kinds first; kinds without an image are left out. */
export function findingsOf(evidence: Evidence): Finding[] {
  const found = [
    ...equalPictures(evidence),
    ...alikePictures(evidence),
    ...unusable(evidence),
    ...oddHeaders(evidence),
    ...blanks(evidence),
    listed('filtered', 'note', evidence.filtered),
    imbalance(evidence.classes),
  ];
  return merged(found.filter(({ count }) => count > 0)).sort(
    (a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind),
  );
}

/** Equal and alike pictures may lead to one kind of finding. */
function merged(findings: Finding[]): Finding[] {
  const kinds = new Map<Kind, Finding>();
  for (const found of findings) {
    const { kind, weight, items, count } = kinds.get(found.kind) ?? { ...found, items: [], count: 0 };
    kinds.set(kind, finding(kind, weight, [...items, ...found.items], count + found.count));
  }
  return [...kinds.values()];
}

function finding(kind: Kind, weight: Finding['weight'], items: Item[], count = items.length): Finding {
  return { kind, weight, count, items: items.slice(0, ITEMS) };
}

function listed(kind: Kind, weight: Finding['weight'], all: Skipped[]): Finding {
  return finding(
    kind,
    weight,
    all.map(({ name, reason }) => ({ images: [{ name }], reason })),
  );
}

/** Of one set of equal pictures this many are listed. */
const COPIES = 12;

/** Pictures that are there more than once, by what follows from it. */
function equalPictures({ images }: Evidence): Finding[] {
  const sets = new Map<string, number[]>();
  for (const [i, { pixelHash, problem }] of images.entries()) {
    if (problem !== undefined) continue;
    const same = sets.get(pixelHash);
    if (same) same.push(i);
    else sets.set(pixelHash, [i]);
  }
  const found: Record<'contradiction' | 'leak' | 'duplicate', { items: Item[]; count: number }> = {
    contradiction: { items: [], count: 0 },
    leak: { items: [], count: 0 },
    duplicate: { items: [], count: 0 },
  };
  const repeated = [...sets.values()].filter((set) => set.length > 1).sort((a, b) => b.length - a.length);
  for (const set of repeated) {
    const kind = kindOf(set.map((i) => images[i]!));
    const bytes =
      new Set(set.map((i) => images[i]!.content)).size === 1 ? 'the same file' : 'the same pixels';
    const times = set.length === 2 ? 'twice' : `${set.length} times`;
    found[kind].count += kind === 'duplicate' ? set.length - 1 : set.length;
    found[kind].items.push({
      images: set.slice(0, COPIES).map((i) => shown(images, i)),
      reason: `${bytes}, ${times}`,
    });
  }
  return [
    finding('contradiction', 'out', found.contradiction.items, found.contradiction.count),
    finding('leak', 'out', found.leak.items, found.leak.count),
    finding('duplicate', 'look', found.duplicate.items, found.duplicate.count),
  ];
}

function kindOf(set: CheckedImage[]): 'contradiction' | 'leak' | 'duplicate' {
  if (new Set(set.map(({ className }) => className)).size > 1) return 'contradiction';
  return new Set(set.map(({ validation }) => validation)).size > 1 ? 'leak' : 'duplicate';
}

/** Pictures that look like another one without being equal. */
function alikePictures({ images, pairs }: Evidence): Finding[] {
  const items: Record<'lookalike' | 'leak' | 'near', Item[]> = { lookalike: [], leak: [], near: [] };
  for (const { first, second, likeness, mirrored } of pairs) {
    const kind = kindOf([images[first]!, images[second]!]);
    const reason = `${(100 * likeness).toFixed(0)}% alike${mirrored ? ', mirrored' : ''}`;
    items[kind === 'contradiction' ? 'lookalike' : kind === 'leak' ? 'leak' : 'near'].push({
      images: [shown(images, first), shown(images, second)],
      reason,
    });
  }
  return [
    finding('lookalike', 'look', items.lookalike),
    finding('leak', 'out', items.leak),
    finding('near', 'look', items.near),
  ];
}

/** Files outside the class folders, files that are not images, and images that do not decode. */
function unusable({ images, skipped }: Evidence): Finding[] {
  const bad = images.flatMap(({ problem }, i) => (problem === undefined ? [] : [{ i, problem }]));
  const items = (holds: (problem: string) => boolean): Item[] => [
    ...bad
      .filter(({ problem }) => holds(problem))
      .map(({ i, problem }) => ({ images: [shown(images, i)], reason: problem })),
    ...skipped
      .filter(({ reason }) => holds(reason))
      .map(({ name, reason }) => ({ images: [{ name }], reason })),
  ];
  const isOutside = (problem: string) => /^(has no label|lies outside)/.test(problem);
  const isDamaged = (problem: string) => problem.includes('does not decode');
  return [
    finding('outside', 'out', items(isOutside)),
    finding('damaged', 'out', items(isDamaged)),
    finding(
      'unreadable',
      'out',
      items((problem) => !isOutside(problem) && !isDamaged(problem)),
    ),
  ];
}

const ENDINGS: Record<string, string> = {
  jpg: 'jpeg',
  jpeg: 'jpeg',
  jpe: 'jpeg',
  jfif: 'jpeg',
  png: 'png',
  webp: 'webp',
  gif: 'gif',
  avif: 'avif',
  tif: 'tiff',
  tiff: 'tiff',
  bmp: 'bmp',
  heic: 'heic',
  heif: 'heic',
};

/** Problems that headers show. */
function oddHeaders({ images, imageSize }: Evidence): Finding[] {
  const items: Record<string, Item[]> = {};
  const add = (kind: Kind, i: number, reason: string) => {
    items[kind] ??= [];
    items[kind].push({ images: [shown(images, i)], reason });
  };
  const tiny: number[] = [];
  for (const [i, { name, header, problem }] of images.entries()) {
    if (!header || problem !== undefined) continue;
    const ending = /\.([A-Za-z]{3,4})$/.exec(name)?.[1]?.toLowerCase() ?? '';
    const promised = ENDINGS[ending];
    if (promised !== undefined && header.format !== '' && promised !== header.format)
      add('mislabelled', i, `named .${ending}, but is ${header.format.toUpperCase()}`);
    if (isTiny(header, imageSize)) tiny.push(i);
    if (header.turned) add('turned', i, 'turned upright as its EXIF says');
    if (header.cmyk) add('cmyk', i, 'CMYK, converted to sRGB');
    if (header.deep) add('deep', i, 'more than 8 bits per channel, converted to 8');
    if (header.animated) add('animated', i, 'animated; only the first frame is used');
    if (header.alpha) add('transparent', i, 'transparent parts become white');
  }
  const area = (i: number) => images[i]!.header!.width * images[i]!.header!.height;
  for (const i of tiny.sort((a, b) => area(a) - area(b))) {
    const { width, height } = images[i]!.header!;
    add('tiny', i, `${width} × ${height}, trained at ${imageSize} × ${imageSize}`);
  }
  const weights = { mislabelled: 'look', tiny: 'look' } as const;
  return Object.entries(items).map(([kind, all]) =>
    finding(kind as Kind, weights[kind as keyof typeof weights] ?? 'note', all),
  );
}

function blanks({ images }: Evidence): Finding[] {
  const items = images.flatMap(({ problem, look }, i) =>
    problem === undefined && isBlank(look)
      ? [{ images: [shown(images, i)], reason: 'nearly of one colour' }]
      : [],
  );
  return [finding('blank', 'look', items)];
}

/** A class this many times as large as another drowns it. */
const DROWNS = 10;
/** Fewer images teach little. */
const FEW = 20;

function imbalance(classes: ClassCount[]): Finding {
  const sorted = [...classes].sort((a, b) => a.training - b.training);
  const most = sorted.at(-1)?.training ?? 0;
  const items = sorted
    .filter(({ training }) => training < FEW || training * DROWNS < most)
    .map(({ name, training }) => ({
      images: [],
      reason:
        training * DROWNS < most
          ? `“${name}” has ${training} images, the largest class ${Math.round(most / Math.max(1, training))} times as many`
          : `“${name}” has only ${training} images`,
    }));
  return finding('imbalance', 'look', items);
}
