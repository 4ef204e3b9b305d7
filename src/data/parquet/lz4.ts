/** Decompresses LZ4 blocks chunk by chunk, in bounded memory. */
import { COPY_BYTES, SlidingWindow } from './sliding_window.ts';

/** A length of this in the token continues in the bytes that follow. */
const CONTINUED = 15;

/** The shortest copy. */
const MIN_COPY = 4;

/**
 * @param packed a whole block; each chunk is valid until the next
 * @returns chunks that are valid until the next
 */
export async function* decompressLz4(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const output = new SlidingWindow();
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
      } else sequence.parse(input[at++]!);
      if (!output.isFull) continue;
      yield output.take();
      output.makeRoom();
    }
    yield output.take();
  }
}

/** A literal, then a copy. */
class Sequence {
  next: 'token' | 'literal length' | 'literal' | 'offset' | 'rest of offset' | 'copy length' | 'copy' =
    'token';
  literal = 0;
  copy = 0;
  offset = 0;

  /** @param count of bytes of the literal that are done */
  added(count: number): void {
    this.literal -= count;
    if (this.literal === 0) this.next = 'offset';
  }

  /** @param count of bytes of the copy that are done */
  copied(count: number): void {
    this.copy -= count;
    if (this.copy === 0) this.next = 'token';
  }

  /** The next byte of its lengths and offset. */
  parse(byte: number): void {
    if (this.next === 'token') {
      [this.literal, this.copy] = [byte >> 4, (byte & 15) + MIN_COPY];
      this.next = this.literal === CONTINUED ? 'literal length' : this.literal > 0 ? 'literal' : 'offset';
    } else if (this.next === 'literal length') {
      this.literal += byte;
      if (byte < 255) this.next = 'literal';
    } else if (this.next === 'offset') {
      this.offset = byte;
      this.next = 'rest of offset';
    } else if (this.next === 'rest of offset') {
      this.offset += 256 * byte;
      this.next = this.copy === CONTINUED + MIN_COPY ? 'copy length' : 'copy';
    } else {
      this.copy += byte;
      if (byte < 255) this.next = 'copy';
    }
  }
}
