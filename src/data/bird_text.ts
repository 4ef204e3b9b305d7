/** Whether a text mentions a bird: the rules for the words of bird_words.ts. */
import * as words from './bird_words.ts';

/** Longer texts are not read to their end. */
const TEXT_LIMIT = 200_000;

/** How many words to either side decide what a word means. */
const REACH = 12;

/** Points that make a bird. */
const ENOUGH = 2;

interface Token {
  /** In lower case; a bird's name in the singular. */
  word: string;
  /** As in the text. */
  written: string;
}

/** A word that may mean something else. */
interface Doubtful {
  base: number;
  /** Words that speak against a bird. */
  against: Set<string>;
}

type Phrases = Map<string, string[][]>;

const listOf = (text: string): string[] => text.trim().split(/\s+/);

const phrasesOf = (text: string): string[][] =>
  text
    .split(/[;\n]/)
    .map((phrase) => tokensOf(phrase).map(({ word }) => word))
    .filter((phrase) => phrase.length > 0);

const plurals = new Map(words.PLURALS.split(';').map((pair) => listOf(pair) as [string, string]));

const lists = new Map([
  ['FOOD', listOf(words.FOOD)],
  ['NAME', listOf(words.NAME)],
]);

function doubtfulOf(text: string, base: number): [string, Doubtful][] {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [word, against = ''] = line.split(':');
      const all = listOf(against).flatMap((name) => lists.get(name) ?? name);
      return [word!, { base, against: new Set(all) }];
    });
}

const clear = new Set(listOf(words.CLEAR));
const doubtful = new Map([...doubtfulOf(words.LIKELY, ENOUGH), ...doubtfulOf(words.UNLIKELY, 0)]);
const strong = new Set(listOf(words.STRONG_SIGNS));
const weak = new Set(listOf(words.WEAK_SIGNS));
const vocabulary = new Set([...clear, ...doubtful.keys()]);
const phrases = byFirst(phrasesOf(words.PHRASES));
const notBirds = byFirst(phrasesOf(words.NOT_BIRDS));

function tokensOf(text: string): Token[] {
  const found = text.replaceAll('’', "'").match(/[\p{L}\d]+(?:'s\b)?/gu) ?? [];
  return found.map((raw) => {
    const written = raw.replace(/'s$/, '');
    return { word: singular(written.toLowerCase()), written };
  });
}

/** The singular of a bird's name; other words stay as they are. */
function singular(word: string): string {
  const known = plurals.get(word);
  if (known !== undefined || !word.endsWith('s')) return known ?? word;
  const endings = [word.replace(/s$/, ''), word.replace(/es$/, ''), word.replace(/ies$/, 'y')];
  return endings.find((ending) => ending !== word && vocabulary.has(ending)) ?? word;
}

function byFirst(all: string[][]): Phrases {
  const map: Phrases = new Map();
  for (const phrase of all) map.set(phrase[0]!, [...(map.get(phrase[0]!) ?? []), phrase]);
  return map;
}

/** The first word or phrase by which the text mentions a bird; undefined when it does not. */
export function birdIn(text: string): string | undefined {
  const tokens = tokensOf(text.slice(0, TEXT_LIMIT));
  const hidden = new Uint8Array(tokens.length);
  for (let i = 0; i < tokens.length; i++) hidden.fill(1, i, i + phraseAt(notBirds, tokens, i));
  for (const [i, { word }] of tokens.entries()) {
    if (hidden[i]) continue;
    const length = phraseAt(phrases, tokens, i);
    if (length > 0)
      return tokens
        .slice(i, i + length)
        .map(({ word }) => word)
        .join(' ');
    if (clear.has(word)) return word;
    const doubt = doubtful.get(word);
    if (doubt && pointsOf(doubt, tokens, hidden, i) >= ENOUGH) return word;
  }
  return undefined;
}

/** The length of the phrase that begins here; 0 if none does. */
function phraseAt(all: Phrases, tokens: Token[], at: number): number {
  const found = (all.get(tokens[at]?.word ?? '') ?? []).filter((phrase) =>
    phrase.every((word, i) => tokens[at + i]?.word === word),
  );
  return Math.max(0, ...found.map(({ length }) => length));
}

function pointsOf({ base, against }: Doubtful, tokens: Token[], hidden: Uint8Array, at: number): number {
  const seen = new Set<string>();
  let points = base;
  for (let i = Math.max(0, at - REACH); i < Math.min(tokens.length, at + REACH + 1); i++) {
    const { word, written } = tokens[i]!;
    if (i === at || hidden[i] || seen.has(word)) continue;
    seen.add(word);
    const small = written.toLowerCase();
    const forms = [word, small, small.replace(/s$/, ''), small.replace(/es$/, '')];
    if (forms.some((form) => strong.has(form))) points += 2;
    else if (forms.some((form) => weak.has(form))) points += 1;
    if (forms.some((form) => against.has(form))) points -= 2;
  }
  return points - (isName(tokens, at) ? 2 : 0);
}

/** Whether the word begins with a capital letter and the words around it do not. */
function isName(tokens: Token[], at: number): boolean {
  const capital = (token: Token) => /^\p{Lu}\p{Ll}/u.test(token.written);
  const token = tokens[at]!;
  if (!capital(token) || token.written.toLowerCase() !== token.word) return false;
  const around = [...tokens.slice(Math.max(0, at - 3), at), ...tokens.slice(at + 1, at + 4)];
  return around.length < 2 || around.filter(capital).length * 2 < around.length;
}
