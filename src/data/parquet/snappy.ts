/** Snappy, unpacked as it comes, in bounded memory. */

import { LookBack } from './look_back.js';

/** Lengths of literals up to this are in the tag itself. */
const SHORT_LITERAL = 60;

/** Bytes of a copy's offset, by the kind of the tag. */
const OFFSET_BYTES = [0, 1, 2, 4];

/**
 * @param {AsyncIterable<Uint8Array>} packed a whole block, in chunks; each is good until the next
 * @returns {AsyncGenerator<Uint8Array>} Each good until the next.
 */
export async function* unsnapped(packed) {
  const output = new LookBack();
  let rest = new Uint8Array(0);
  let literal = 0;
  let isStarted = false;
  for await (const chunk of packed) {
    const input = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    let at = 0;
    // The length of it all comes first, and the page's header has told it.
    while (!isStarted && at < input.length) isStarted = /** @type {number} */ (input[at++]) < 128;
    for (;;) {
      if (literal > 0) {
        if (at === input.length) break;
        const added = output.add(input, at, Math.min(input.length, at + literal));
        at += added;
        literal -= added;
      } else {
        const size = tagSize(input, at);
        if (at + size > input.length) break;
        literal = element(input, at, output);
        at += size;
      }
      if (!output.isFull) continue;
      yield output.take();
      output.makeRoom();
    }
    yield output.take();
    rest = input.slice(at);
  }
  if (literal > 0 || rest.length > 0) throw new Error('snappy: it ends too early');
}

/**
 * @param {Uint8Array} input
 * @param {number} at
 */
function tagSize(input, at) {
  const tag = input[at] ?? 0;
  if ((tag & 3) !== 0) return 1 + /** @type {number} */ (OFFSET_BYTES[tag & 3]);
  return 1 + Math.max(0, (tag >> 2) + 1 - SHORT_LITERAL);
}

/**
 * A copy is made; of a literal, the length of what follows is told.
 *
 * @param {Uint8Array} input
 * @param {number} at
 * @param {LookBack} output
 */
function element(input, at, output) {
  const tag = /** @type {number} */ (input[at]);
  if ((tag & 3) === 0) {
    const length = tag >> 2;
    return 1 + (length < SHORT_LITERAL ? length : littleEndian(input, at + 1, length - SHORT_LITERAL + 1));
  }
  const next = /** @type {number} */ (input[at + 1]);
  if ((tag & 3) === 1) output.copy(((tag >> 5) << 8) + next, ((tag >> 2) & 7) + 4);
  else output.copy(littleEndian(input, at + 1, (tag & 3) === 2 ? 2 : 4), (tag >> 2) + 1);
  return 0;
}

/**
 * @param {Uint8Array} input
 * @param {number} at
 * @param {number} count of bytes, up to four
 */
function littleEndian(input, at, count) {
  let value = 0;
  for (let i = count - 1; i >= 0; i--) value = value * 256 + /** @type {number} */ (input[at + i]);
  return value;
}
