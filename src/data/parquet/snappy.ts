/** Decompresses snappy chunk by chunk, in bounded memory. */
import { SlidingWindow } from './sliding_window.ts';

/** Lengths of literals up to this are in the tag itself. */
const SHORT_LITERAL = 60;

/** Bytes of a copy's offset, by the kind of the tag. */
const OFFSET_BYTES = [0, 1, 2, 4] as const;

/**
 * @param packed a whole block; each chunk is valid until the next
 * @returns chunks that are valid until the next
 */
export async function* decompressSnappy(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const output = new SlidingWindow();
  let rest = new Uint8Array(0);
  let literal = 0;
  let isStarted = false;
  for await (const chunk of packed) {
    const input = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    let at = 0;
    // The uncompressed length comes first; the page's header has it too.
    while (!isStarted && at < input.length) isStarted = input[at++]! < 128;
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

function tagSize(input: Uint8Array, at: number): number {
  const tag = input[at] ?? 0;
  if ((tag & 3) !== 0) return 1 + OFFSET_BYTES[(tag & 3) as 1 | 2 | 3];
  return 1 + Math.max(0, (tag >> 2) + 1 - SHORT_LITERAL);
}

/**
 * Makes a copy.
 * @returns the length of the literal that follows the tag
 */
function element(input: Uint8Array, at: number, output: SlidingWindow): number {
  const tag = input[at]!;
  if ((tag & 3) === 0) {
    const length = tag >> 2;
    return 1 + (length < SHORT_LITERAL ? length : littleEndian(input, at + 1, length - SHORT_LITERAL + 1));
  }
  if ((tag & 3) === 1) output.copy(((tag >> 5) << 8) + input[at + 1]!, ((tag >> 2) & 7) + 4);
  else output.copy(littleEndian(input, at + 1, (tag & 3) === 2 ? 2 : 4), (tag >> 2) + 1);
  return 0;
}

/** @param count of bytes, up to four */
function littleEndian(input: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = count - 1; i >= 0; i--) value = value * 256 + input[at + i]!;
  return value;
}
