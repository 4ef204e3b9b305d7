/** Whether the texts of a row mention birds. */
import { Vector } from 'apache-arrow';

/** The rows whose text mentions a bird, and the word. */
export async function birdsIn(
  columns: (Vector | null)[],
  count: number,
): Promise<[row: number, word: string][]> {
  // Loaded only for negatives.
  const { birdIn } = await import('../bird_text.ts');
  const birds: [row: number, word: string][] = [];
  for (let row = 0; row < count; row++) {
    const word = birdIn(columns.flatMap((column) => [...textsIn(column?.get(row))]).join('\n'));
    if (word !== undefined) birds.push([row, word]);
  }
  return birds;
}

/** All text in a value, also in lists, structs and JSON; without the names of the speakers. */
export function* textsIn(value: unknown): Generator<string> {
  if (typeof value === 'string') {
    const json = /^\s*[[{]/.test(value) ? parsed(value) : undefined;
    if (json === undefined) yield value;
    else yield* textsIn(json);
  } else if (Array.isArray(value) || value instanceof Vector) {
    for (const item of value) yield* textsIn(item);
  } else if (value && typeof value === 'object') {
    const fields = 'toJSON' in value && typeof value.toJSON === 'function' ? value.toJSON() : value;
    for (const [key, item] of Object.entries(fields))
      if (key !== 'from' && key !== 'role') yield* textsIn(item);
  }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
