/** Floating-point numbers of the widths that weights files have, as float32. */

/** Bytes of a number. */
export const WIDTHS = { F16: 2, BF16: 2, F32: 4, F64: 8 } as const;

export type FloatType = keyof typeof WIDTHS;

export function isFloats(type: unknown): type is FloatType {
  return typeof type === 'string' && Object.hasOwn(WIDTHS, type);
}

/** A copy, little endian: the bytes need not be aligned. A float64 beyond float32 becomes infinite. */
export function floats(type: FloatType, bytes: Uint8Array): Float32Array {
  const { buffer } = new Uint8Array(bytes);
  switch (type) {
    case 'F32':
      return new Float32Array(buffer);
    case 'F64':
      return Float32Array.from(new Float64Array(buffer));
    case 'BF16':
      return new Float32Array(Uint32Array.from(new Uint16Array(buffer), (half) => half << 16).buffer);
    case 'F16':
      return Float32Array.from(new Uint16Array(buffer), fromHalf);
  }
}

/** IEEE 754 binary16: 1 bit of sign, 5 of exponent, 10 of fraction. */
function fromHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(half >> 10) & 0x1f, half & 0x3ff];
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}
