/** Blocks of LZ4, unpacked as they come, in bounded memory. */
import { COPY_BYTES, LookBack } from './look-back.js';

/** A length that does not fit into its half of the token goes on in the bytes that follow. */
const MORE = 15;

/** Copies are so long at least. */
const LEAST_COPY = 4;

/**
 * @param {AsyncIterable<Uint8Array>} packed a whole block, in chunks; each is good until the next
 * @returns {AsyncGenerator<Uint8Array>} Each good until the next.
 */
export async function* unlz4ed(packed) {
  const output = new LookBack();
  /** What the next byte is of. */
  /** @type {'token' | 'literal length' | 'literal' | 'offset' | 'offset, second' | 'copy length' | 'copy'} */
  let state = 'token';
  let [literal, copy, offset] = [0, 0, 0];
  for await (const input of packed) {
    for (let at = 0; at < input.length || state === 'copy'; ) {
      if (state === 'literal') {
        const added = output.add(input, at, Math.min(input.length, at + literal));
        at += added;
        literal -= added;
        if (literal === 0) state = 'offset';
      } else if (state === 'copy') {
        const length = Math.min(copy, COPY_BYTES);
        output.copy(offset, length);
        copy -= length;
        if (copy === 0) state = 'token';
      } else {
        const byte = /** @type {number} */ (input[at++]);
        if (state === 'token') {
          [literal, copy] = [byte >> 4, (byte & 15) + LEAST_COPY];
          state = literal === MORE ? 'literal length' : literal > 0 ? 'literal' : 'offset';
        } else if (state === 'literal length') {
          literal += byte;
          if (byte < 255) state = 'literal';
        } else if (state === 'offset') {
          offset = byte;
          state = 'offset, second';
        } else if (state === 'offset, second') {
          offset += 256 * byte;
          state = copy === MORE + LEAST_COPY ? 'copy length' : 'copy';
        } else {
          copy += byte;
          if (byte < 255) state = 'copy';
        }
      }
      if (!output.isFull) continue;
      yield output.take();
      output.makeRoom();
    }
    yield output.take();
  }
}
