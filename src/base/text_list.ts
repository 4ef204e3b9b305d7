import { UserError } from './errors.ts';

/**
 * A list of strings from a caller's argument. A single string counts as a list of one (it would otherwise be iterated
 * by character).
 * @throws UserError, exit code 2, unless all are non-empty strings
 */
export function textList(value: unknown, prefix = ''): string[] {
  const found = typeof value === 'string' ? [value] : isIterable(value) ? [...value] : undefined;
  if (found?.every((text) => typeof text === 'string' && text !== '')) return found as string[];
  const given = found ? JSON.stringify(found) : (JSON.stringify(value) ?? String(value));
  throw new UserError(`${prefix}expected one or more non-empty strings, but found ${given}`, 2);
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof (value as Iterable<unknown> | undefined | null)?.[Symbol.iterator] === 'function';
}
