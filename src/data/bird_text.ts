/** Whether a text speaks of birds: the rules for the words of bird-words.js. */
import * as words from './bird_words.js';

/** Longer texts are not read to their end. */
const TEXT_LIMIT = 200_000;

/** So many words to either side say what a word means. */
const REACH = 12;

/** Points that make a bird. */
const ENOUGH = 2;

/** @param {string} text */
const listOf = (text) => text.trim().split(/\s+/);

/** @param {string} text */
const phrasesOf = (text) =>
  text
    .split(/[;\n]/)
    .map((phrase) => tokensOf(phrase).map(({ word }) => word))
    .filter((phrase) => phrase.length > 0);

const plurals = new Map(
  words.PLURALS.split(';').map((pair) => /** @type {[string, string]} */ (listOf(pair))),
);

/** @typedef {{ base: number, against: Set<string> }} Doubtful */

/** @param {string} text @param {number} base @returns {[string, Doubtful][]} */
function doubtfulOf(text, base) {
  const lists = { FOOD: listOf(words.FOOD), NAME: listOf(words.NAME) };
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [word, against = ''] = line.split(':');
      const all = listOf(against).flatMap((name) => lists[/** @type {'FOOD'} */ (name)] ?? name);
      return [/** @type {string} */ (word), { base, against: new Set(all) }];
    });
}

const clear = new Set(listOf(words.CLEAR));
const doubtful = new Map([...doubtfulOf(words.LIKELY, ENOUGH), ...doubtfulOf(words.UNLIKELY, 0)]);
const strong = new Set(listOf(words.STRONG_SIGNS));
const weak = new Set(listOf(words.WEAK_SIGNS));
const vocabulary = new Set([...clear, ...doubtful.keys()]);
const phrases = byFirst(phrasesOf(words.PHRASES));
const notBirds = byFirst(phrasesOf(words.NOT_BIRDS));

/**
 * @typedef {object} Token
 * @property {string} word In small letters; a bird's name in the singular.
 * @property {string} written As it stands in the text.
 */

/** @param {string} text @returns {Token[]} */
function tokensOf(text) {
  const found = text.replaceAll('’', "'").match(/[\p{L}\d]+(?:'s\b)?/gu) ?? [];
  return found.map((raw) => {
    const written = raw.replace(/'s$/, '');
    return { word: singular(written.toLowerCase()), written };
  });
}

/** Of a bird's name; other words stay as they are. @param {string} word */
function singular(word) {
  const known = plurals.get(word);
  if (known !== undefined || !word.endsWith('s')) return known ?? word;
  const endings = [word.replace(/s$/, ''), word.replace(/es$/, ''), word.replace(/ies$/, 'y')];
  return endings.find((ending) => ending !== word && vocabulary.has(ending)) ?? word;
}

/** @param {string[][]} all */
function byFirst(all) {
  /** @type {Map<string, string[][]>} */
  const map = new Map();
  for (const phrase of all) {
    const first = /** @type {string} */ (phrase[0]);
    map.set(first, [...(map.get(first) ?? []), phrase]);
  }
  return map;
}

/**
 * The first word by which the text speaks of a bird; undefined when it does not.
 *
 * @param {string} text
 * @returns {string | undefined}
 */
export function birdIn(text) {
  const tokens = tokensOf(text.slice(0, TEXT_LIMIT));
  const hidden = new Uint8Array(tokens.length);
  for (let i = 0; i < tokens.length; i++) hidden.fill(1, i, i + phraseAt(notBirds, tokens, i));
  for (let i = 0; i < tokens.length; i++) {
    const { word } = /** @type {Token} */ (tokens[i]);
    const length = phraseAt(phrases, tokens, i);
    if (length > 0 && !hidden[i])
      return tokens
        .slice(i, i + length)
        .map(({ word }) => word)
        .join(' ');
    if (hidden[i]) continue;
    if (clear.has(word)) return word;
    const doubt = doubtful.get(word);
    if (doubt && pointsOf(doubt, tokens, hidden, i) >= ENOUGH) return word;
  }
  return undefined;
}

/**
 * The length of the phrase that begins here; 0 if none does.
 *
 * @param {Map<string, string[][]>} all
 * @param {Token[]} tokens
 * @param {number} at
 */
function phraseAt(all, tokens, at) {
  const found = (all.get(tokens[at]?.word ?? '') ?? []).filter((phrase) =>
    phrase.every((word, i) => tokens[at + i]?.word === word),
  );
  return Math.max(0, ...found.map(({ length }) => length));
}

/**
 * @param {Doubtful} doubtful
 * @param {Token[]} tokens
 * @param {Uint8Array} hidden
 * @param {number} at
 */
function pointsOf({ base, against }, tokens, hidden, at) {
  const seen = new Set();
  let points = base;
  for (let i = Math.max(0, at - REACH); i < Math.min(tokens.length, at + REACH + 1); i++) {
    const { word, written } = /** @type {Token} */ (tokens[i]);
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

/** One that begins with a capital letter where the words around do not. @param {Token[]} tokens @param {number} at */
function isName(tokens, at) {
  const capital = (/** @type {Token | undefined} */ token) => /^\p{Lu}\p{Ll}/u.test(token?.written ?? '');
  const { word, written } = /** @type {Token} */ (tokens[at]);
  if (!capital(tokens[at]) || written.toLowerCase() !== word) return false;
  const around = [...tokens.slice(Math.max(0, at - 3), at), ...tokens.slice(at + 1, at + 4)];
  return around.length < 2 || around.filter(capital).length * 2 < around.length;
}
