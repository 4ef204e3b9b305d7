/** Whether the texts of a row speak of birds. */
import { Vector } from 'apache-arrow';

/**
 * The rows whose text speaks of birds, and the words.
 *
 * @param {(import('apache-arrow').Vector | null)[]} columns
 * @param {number} count
 */
export async function birdsIn(columns, count) {
  // Loaded only for negatives.
  const { birdIn } = await import('../bird_text.js');
  /** @type {[row: number, word: string][]} */
  const birds = [];
  for (let row = 0; row < count; row++) {
    const word = birdIn(columns.flatMap((column) => [...textsIn(column?.get(row))]).join('\n'));
    if (word !== undefined) birds.push([row, word]);
  }
  return birds;
}

/**
 * All text in a value: of lists, structs and JSON too; who said it is not part of it.
 *
 * @param {any} value
 * @returns {Generator<string>}
 */
export function* textsIn(value) {
  if (typeof value === 'string') {
    const json = /^\s*[[{]/.test(value) ? parsed(value) : undefined;
    if (json === undefined) yield value;
    else yield* textsIn(json);
  } else if (Array.isArray(value) || value instanceof Vector) {
    for (const item of value) yield* textsIn(item);
  } else if (value && typeof value === 'object') {
    const fields = typeof value.toJSON === 'function' ? value.toJSON() : value;
    for (const [key, item] of Object.entries(fields))
      if (key !== 'from' && key !== 'role') yield* textsIn(item);
  }
}

/** @param {string} json */
function parsed(json) {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
