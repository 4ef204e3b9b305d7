/** Whether the process may have the address space that it needs (`ulimit -v`). */
import { readFileSync } from 'node:fs';

/**
 * Bytes that the smallest training takes: of Node.js 20 and 22 some 2.0e9, of 24 and 26 up to 2.6e9, most of it reserved
 * by V8 and never used. Where it runs out, V8 and libvips abort the process, so that it must be known beforehand.
 */
const LEAST = 3e9;

/** Bytes; infinite where there is no limit, or where the system has none (all but Linux). */
export function addressSpaceLimit() {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    return Number(/^Max address space +(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** One sentence where the limit is too low, else undefined. */
export function addressSpaceProblem() {
  const limit = addressSpaceLimit();
  if (limit >= LEAST) return undefined;
  const [least, found] = [LEAST, limit].map((bytes) => `${(bytes / 1e9).toFixed(1)} GB`);
  return `Expected at least ${least} of address space, but the limit is ${found}; raise it with \`ulimit -v unlimited\``;
}
