/** float32 to float16 and back, as exported weights may have them. */

const scratch = new Float32Array(1);
const bits = new Uint32Array(scratch.buffer);

/** The nearest float16 (ties to even), as its 16 bits; beyond its range infinite. */
export function toHalf(value: number): number {
  scratch[0] = value;
  const word = bits[0]!;
  const sign = (word >>> 16) & 0x8000;
  const size = word & 0x7fffffff;
  if (size >= 0x7f800000) return sign | (size > 0x7f800000 ? 0x7e00 : 0x7c00);
  if (size >= 0x477ff000) return sign | 0x7c00;
  // Below the smallest normal number the steps are 2^-24.
  if (size < 0x38800000) return sign | roundToEven(Math.abs(scratch[0]!) * 2 ** 24);
  const rounded = size + 0xfff + ((size >>> 13) & 1);
  return sign | ((rounded >>> 13) - 0x1c000);
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

/** Little endian, two bytes a number; undefined where a number is beyond the range of float16. */
export function halfBytes(values: Float32Array): Uint8Array | undefined {
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    halves[i] = toHalf(values[i]!);
    if ((halves[i]! & 0x7c00) === 0x7c00) return undefined;
  }
  return new Uint8Array(halves.buffer);
}
