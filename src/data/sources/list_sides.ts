/** Which rows of a list train and which are held out, as a column of its own says. */
import { UserError } from '../../base/errors.ts';
import type { SourceContext } from '../part.ts';
import { filesOfSide, sideOf } from '../split_names.ts';
import { type Columns, splitWord } from './list_columns.ts';

export interface Sides {
  /** The rows to use, in their order. */
  kept: number[];
  /** Those of them to validate on. */
  heldOut: Set<number>;
  /** How the column was used if no side was requested. */
  note?: string;
}

interface Asked extends Pick<SourceContext, 'role' | 'isValidated'> {
  split?: string;
}

/** @throws UserError when no row is of the side that `?split=` names */
export function sidesOf(path: string, columns: Columns, rows: string[][], asked: Asked): Sides {
  const { names, split: column } = columns;
  const all = { kept: [...rows.keys()], heldOut: new Set<number>() };
  if (column === undefined || rows.length === 0) return all;
  const name = names[column]!;
  const words = rows.map((row) => splitWord(name, row[column] ?? ''));
  const counts = new Map<string, number>();
  for (const word of words) if (word !== '') counts.set(word, (counts.get(word) ?? 0) + 1);
  if (asked.split !== undefined) {
    const chosen = wordsOfSide(path, name, counts, asked.split);
    return { ...all, kept: all.kept.filter((row) => chosen.has(words[row]!)) };
  }
  return ownSides(name, words, counts, asked) ?? all;
}

function wordsOfSide(path: string, name: string, counts: Map<string, number>, split: string): Set<string> {
  const words = [...counts.keys()].map((word) => ({ path: word }));
  const found = filesOfSide(words, split);
  if (found.length > 0) return new Set(found.map(({ path }) => path));
  throw new UserError(
    `Expected rows of "${path}" whose column "${name}" says "${split}", but it says ${tally(counts)}`,
  );
}

/** Without a requested side: the training side trains, and of the others the validation side validates. */
function ownSides(
  name: string,
  words: string[],
  counts: Map<string, number>,
  { role, isValidated }: Asked,
): Sides | undefined {
  const kept = [...words.keys()];
  const sideOfWord = new Map([...counts.keys()].map((word) => [word, sideOf(word)]));
  const sides = new Set(sideOfWord.values());
  const heldSide = sides.has('val') ? 'val' : 'test';
  const unused = {
    kept,
    heldOut: new Set<number>(),
    note: `its column "${name}" (${tally(counts)}) is not used`,
  };
  if (role === 'validation') return unused;
  if (!sides.has('train') || !sides.has(heldSide))
    return sides.size > 1 || !sides.has('train') ? unused : undefined;
  const side = (row: number) => (words[row] === '' ? 'train' : sideOfWord.get(words[row]!));
  const isHeld = (row: number) => side(row) === heldSide && !isValidated;
  const inUse = kept.filter((row) => side(row) === 'train' || isHeld(row));
  const heldOut = new Set(inUse.filter(isHeld));
  const left = kept.length - inUse.length;
  const note =
    `its column "${name}" (${tally(counts)}) is used: ${inUse.length - heldOut.size} rows train` +
    (heldOut.size > 0 ? `, ${heldOut.size} validate` : '') +
    (left > 0 ? `, ${left} are left out` : '');
  return { kept: inUse, heldOut, note };
}

const SHOWN = 5;

/** "12 train, 3 dev". */
function tally(counts: Map<string, number>): string {
  const all = [...counts].map(([word, count]) => `${count} ${word.slice(0, 30)}`);
  return all.slice(0, SHOWN).join(', ') + (all.length > SHOWN ? ', ...' : '') || 'nothing';
}
