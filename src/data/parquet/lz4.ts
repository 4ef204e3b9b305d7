/** Blocks of LZ4, unpacked as they come, in bounded memory. */
import { COPY_BYTES, LookBack } from './look_back.js';

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
  const sequence = new Sequence();
  for await (const input of packed) {
    for (let at = 0; at < input.length || sequence.next === 'copy'; ) {
      if (sequence.next === 'literal') {
        const added = output.add(input, at, Math.min(input.length, at + sequence.literal));
        sequence.added(added);
        at += added;
      } else if (sequence.next === 'copy') {
        const length = Math.min(sequence.copy, COPY_BYTES);
        output.copy(sequence.offset, length);
        sequence.copied(length);
      } else sequence.tell(/** @type {number} */ (input[at++]));
      if (!output.isFull) continue;
      yield output.take();
      output.makeRoom();
    }
    yield output.take();
  }
}

/** Some bytes as they are, and a copy. */
class Sequence {
  /** @type {'token' | 'literal length' | 'literal' | 'offset' | 'rest of offset' | 'copy length' | 'copy'} */
  next = 'token';
  literal = 0;
  copy = 0;
  offset = 0;

  /** @param {number} count of bytes of the literal that are done with */
  added(count) {
    this.literal -= count;
    if (this.literal === 0) this.next = 'offset';
  }

  /** @param {number} count of bytes that were copied */
  copied(count) {
    this.copy -= count;
    if (this.copy === 0) this.next = 'token';
  }

  /** @param {number} byte that tells more about it */
  tell(byte) {
    if (this.next === 'token') {
      [this.literal, this.copy] = [byte >> 4, (byte & 15) + LEAST_COPY];
      this.next = this.literal === MORE ? 'literal length' : this.literal > 0 ? 'literal' : 'offset';
    } else if (this.next === 'literal length') {
      this.literal += byte;
      if (byte < 255) this.next = 'literal';
    } else if (this.next === 'offset') {
      this.offset = byte;
      this.next = 'rest of offset';
    } else if (this.next === 'rest of offset') {
      this.offset += 256 * byte;
      this.next = this.copy === MORE + LEAST_COPY ? 'copy length' : 'copy';
    } else {
      this.copy += byte;
      if (byte < 255) this.next = 'copy';
    }
  }
}
