/** The sides of a split, as the names of files tell them. */

/** How the sides are called, best first. */
const SIDES = {
  train: [/^train(ing)?$/i],
  test: [/^test(ing)?$/i, /^val(id(ation)?)?$/i],
};

/** Those files of which the name, or else the folder, says so; none when no name does. */
export function filesOfSide<T extends { path: string }>(files: T[], split: keyof typeof SIDES): T[] {
  for (const side of SIDES[split]) {
    const found = files.filter(({ path }) => isOfSide(path, side));
    if (found.length > 0) return found;
  }
  return [];
}

/** By the last folder or name with such a word in it: train-00000-of-00001.parquet, default/train/0000.parquet. */
function isOfSide(path: string, side: RegExp): boolean {
  const words = [...SIDES.train, ...SIDES.test];
  for (const part of path.split('/').reverse()) {
    const found = part.split(/[^A-Za-z]+/).filter((word) => words.some((one) => one.test(word)));
    if (found.length > 0) return found.some((word) => side.test(word));
  }
  return false;
}
