import { UserError } from './errors.ts';

/**
 * The texts of a list that a program gave. A string is a list of one: as an iterable it would be read letter by letter.
 * @throws UserError with exit code 2 unless each is a string with something in it
 */
export function textList(value: unknown, prefix = ''): string[] {
  const found = typeof value === 'string' ? [value] : isIterable(value) ? [...value] : undefined;
  if (found?.every((text) => typeof text === 'string' && text !== '')) return found as string[];
  const given = found ? JSON.stringify(found) : (JSON.stringify(value) ?? String(value));
  throw new UserError(`${prefix}expected one or more texts, but found ${given}`, 2);
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof (value as Iterable<unknown> | undefined | null)?.[Symbol.iterator] === 'function';
}
