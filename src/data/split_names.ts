/** The sides of a split, as the names of files and folders say them: train, val2017, seg_test, images to test, fold1. */

/** The words for each side, best first. */
const WORDS = {
  train: ['train', 'training', 'trainval', 'trn'],
  test: ['test', 'testing', 'tst'],
  val: [
    ...['val', 'valid', 'validation', 'validate', 'dev', 'devel', 'development'],
    ...['eval', 'evaluation', 'holdout', 'heldout'],
  ],
  predict: ['pred', 'predict', 'prediction', 'predictions', 'inference', 'unlabeled', 'unlabelled'],
};

/** What stands beside or behind such a word and means nothing: train images, testset. */
const FILLERS = ['set', 'data', 'dataset', 'image', 'images', 'img', 'imgs', 'split', 'folder', 'dir'];
const WITHOUT_MEANING = new Set([...FILLERS, 'to', 'for', 'the']);
const ENDINGS = new RegExp(`(${FILLERS.join('|')})$`);

interface SplitName {
  /** `train`, `test`, `val` or `predict`; of one part of several the word and its number: `fold 1`. */
  side: string;
  /** The word that says so. */
  word: string;
  /** How good the word is among those of its side; 0: the best. */
  rank: number;
  /** Whether nothing else is in the name. */
  isPure: boolean;
}

/** Undefined for a name that speaks of no side. */
function readName(name: string): SplitName | undefined {
  const words = wordsOf(name);
  for (const [i, word] of words.entries()) {
    for (const [side, known] of Object.entries(WORDS)) {
      const rank = known.indexOf(known.includes(word) ? word : word.replace(ENDINGS, ''));
      if (rank < 0) continue;
      return {
        side,
        word: known[rank]!,
        rank,
        isPure: words.every((other, k) => k === i || WITHOUT_MEANING.has(other)),
      };
    }
  }
  const part = /^(.*[^\p{L}])?(fold|split)[\s_-]?(\d+)$/iu.exec(name);
  if (!part) return undefined;
  const side = `${part[2]!.toLowerCase()} ${Number(part[3])}`;
  return { side, word: side, rank: 0, isPure: !part[1] };
}

function wordsOf(name: string): string[] {
  return name
    .replace(/(\p{Ll})(\p{Lu})/gu, '$1 $2')
    .toLowerCase()
    .replace(/(hold|held)[\s_-]out/g, '$1out')
    .split(/[^\p{L}]+/u)
    .filter((word) => word !== '');
}

/** The side that a name says. */
export function sideOf(name: string): 'train' | 'test' | 'val' | undefined {
  const side = readName(name)?.side;
  return side === 'train' || side === 'test' || side === 'val' ? side : undefined;
}

/** Whether this is the name of a side rather than of a class. */
export function isSplitName(name: string): boolean {
  return readName(name) !== undefined;
}

/**
 * Those of some folders that are sides of a split, if they are one and no classes: two at least (a steam train and a
 * bullet train are none), and most of the folders or such as hold folders themselves.
 */
export function splitFolders(names: string[], hasFolders: (name: string) => boolean): string[] {
  const found = names.flatMap((name) => {
    const read = readName(name);
    return read ? [{ name, ...read }] : [];
  });
  const differ = (some: typeof found) =>
    new Set(some.map(({ name, word, isPure }) => (isPure ? name.toLowerCase() : word))).size > 1;
  const isSplit =
    (differ(found) && found.length * 2 > names.length) ||
    differ(found.filter(({ name, isPure }) => isPure && hasFolders(name)));
  return isSplit ? found.map(({ name }) => name) : [];
}

/** The sides that `?split=` means; what is held out may be called either way, and then "test" is better. */
function sidesFor(split: string): string[] {
  const side = readName(split)?.side;
  if (side === undefined) return [];
  return side === 'test' ? ['test', 'val'] : [side];
}

/** The names that `?split=` selects: the one with exactly this name, else the best matches of that side. */
export function namesOfSide(names: string[], split: string): string[] {
  const isCalledSo = names.filter((name) => isEqual(name, split));
  if (isCalledSo.length > 0) return isCalledSo;
  for (const side of sidesFor(split)) {
    const found = names.flatMap((name) => {
      const read = readName(name);
      return read?.side === side ? [{ name, rank: read.rank + (read.isPure ? 0 : 100) }] : [];
    });
    const best = Math.min(...found.map(({ rank }) => rank));
    if (found.length > 0) return found.filter(({ rank }) => rank === best).map(({ name }) => name);
  }
  return [];
}

function isEqual(a: string, b: string): boolean {
  return a.normalize('NFC').toLowerCase() === b.normalize('NFC').toLowerCase();
}

/** Those files of which the name, or else the folder, says so; none when no name does. */
export function filesOfSide<T extends { path: string }>(files: T[], split: string): T[] {
  const isCalledSo = files.filter(({ path }) => partsOf(path).some((part) => isEqual(part, split)));
  const isSide = split === 'train' || split === 'test';
  if (!isSide && isCalledSo.length > 0) return isCalledSo;
  for (const side of sidesFor(split)) {
    const found = files.filter(({ path }) => sideOfPath(path) === side);
    if (found.length > 0) return found;
  }
  return [];
}

/** The names in a path, those of shards without what numbers them: train-00000-of-00001.parquet. */
function partsOf(path: string): string[] {
  return path.split('/').flatMap((name) => [name, name.replace(/\.[^.]+$/, '').replace(/-\d.*$/, '')]);
}

/** By the last folder or name with such a word in it: train-00000-of-00001.parquet, default/train/0000.parquet. */
function sideOfPath(path: string): string | undefined {
  return partsOf(path)
    .map((part) => readName(part)?.side)
    .findLast((side) => side !== undefined);
}
