/** Bytes that some phones leave between the segments of a JPEG: every decoder skips them, libjpeg warns of them. */

/** Segments looked at; files made to mislead have more. */
const SEGMENTS = 4096;
const END_OF_HEADER = 0xda;

/** The JPEG without such bytes before its pixels; the input itself if there are none. */
export function withoutStrays(bytes: Uint8Array): Uint8Array {
  const kept: Uint8Array[] = [];
  let from = 0;
  for (let at = 2, segment = 0; segment < SEGMENTS; segment++) {
    const marker = nextMarker(bytes, at);
    if (marker === undefined) break;
    if (marker !== at) {
      kept.push(bytes.subarray(from, at));
      from = marker;
    }
    if (bytes[marker + 1] === END_OF_HEADER) break;
    at = marker + 2 + (hasLength(bytes[marker + 1]!) ? (bytes[marker + 2]! << 8) | bytes[marker + 3]! : 0);
  }
  return kept.length === 0 ? bytes : Buffer.concat([...kept, bytes.subarray(from)]);
}

/** Where the next marker is: 255, and then neither 0 nor 255. */
function nextMarker(bytes: Uint8Array, from: number): number | undefined {
  for (let at = bytes.indexOf(0xff, from); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
    const kind = bytes[at + 1];
    if (kind === undefined) return undefined;
    if (kind !== 0 && kind !== 0xff) return at;
  }
  return undefined;
}

/** Restarts, begin and end stand alone. */
function hasLength(kind: number): boolean {
  return kind !== 0x01 && (kind < 0xd0 || kind > 0xd9);
}
