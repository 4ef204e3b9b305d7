/**
 * Whether the colour profile in a JPEG is that of sRGB. Then its pixels are what a conversion would make of them, and that
 * can be left out: it takes as long as decoding a small photo.
 */

const MARKER = Buffer.from('ICC_PROFILE\0', 'latin1');
/** Segments and tags looked at; files made to mislead have more. */
const SEGMENTS = 4096;
const TAGS = 100;

/**
 * @param bytes any image file
 * @returns false where that is not certain: no JPEG, a profile in several pieces or by other means than matrix and curves
 */
export function isTaggedSrgb(bytes: Uint8Array): boolean {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const profile = profileOf(view);
    return profile !== undefined && isSrgb(profile);
  } catch {
    // It ends too early: sharp is to make of it what it can.
    return false;
  }
}

/** The profile of a JPEG with three channels, if it is in one piece. */
function profileOf(bytes: Buffer): Buffer | undefined {
  if (bytes.readUInt16BE(0) !== 0xffd8) return undefined;
  let profile: Buffer | undefined;
  for (let at = 2, segment = 0; segment < SEGMENTS; segment++) {
    const marker = bytes.readUInt16BE(at);
    const length = bytes.readUInt16BE(at + 2);
    if (marker === 0xffe2 && bytes.subarray(at + 4, at + 16).equals(MARKER)) {
      if (profile || bytes[at + 16] !== 1 || bytes[at + 17] !== 1) return undefined;
      profile = bytes.subarray(at + 18, at + 2 + length);
    }
    // The frame, of one of the kinds that all decoders know; it says how many channels there are.
    if (marker >= 0xffc0 && marker <= 0xffc2) return bytes[at + 9] === 3 ? profile : undefined;
    if (marker < 0xffc0 || marker === 0xffda || marker === 0xffff) return undefined;
    at += 2 + length;
  }
  return undefined;
}

/** The colorants of IEC 61966-2-1 in the profile connection space, adapted to D50 (as in the sRGB profiles of color.org). */
const COLORANTS = {
  rXYZ: [0.43607, 0.22249, 0.01392],
  gXYZ: [0.38515, 0.71687, 0.09708],
  bXYZ: [0.14307, 0.06061, 0.7141],
};
/** Colorants may differ by less than a step of 8 bits. */
const TOLERANCE = 0.003;

/** Whether it converts RGB by the matrix and the curve of sRGB. @see ICC.1:2010, sections 7 to 10 */
function isSrgb(profile: Buffer): boolean {
  if (profile.toString('latin1', 16, 24) !== 'RGB XYZ ') return false;
  const tags = new Map<string, Buffer>();
  const count = Math.min(TAGS, profile.readUInt32BE(128));
  for (let at = 132; at < 132 + 12 * count; at += 12) {
    const begin = profile.readUInt32BE(at + 4);
    const name = profile.toString('latin1', at, at + 4);
    tags.set(name, profile.subarray(begin, begin + profile.readUInt32BE(at + 8)));
  }
  // Tables would come before matrix and curves.
  if (['A2B0', 'A2B1', 'D2B0'].some((name) => tags.has(name))) return false;
  for (const [name, expected] of Object.entries(COLORANTS)) {
    const tag = tags.get(name);
    if (!tag || expected.some((value, i) => !isNear(fixed(tag, 8 + 4 * i), value, TOLERANCE))) return false;
  }
  return ['rTRC', 'gTRC', 'bTRC'].every((name) => isSrgbCurve(tags.get(name)!));
}

/** Whether a curve takes 8-bit values to light as sRGB does, to less than a step. */
function isSrgbCurve(tag: Buffer): boolean {
  const light = curveOf(tag);
  if (!light) return false;
  for (let value = 0; value <= 1; value += 1 / 15) {
    if (!isNear(encode(light(value)), value, 1 / 255)) return false;
  }
  return true;
}

function curveOf(tag: Buffer): ((value: number) => number) | undefined {
  const type = tag.toString('latin1', 0, 4);
  const count = tag.readUInt32BE(8);
  if (type === 'curv' && count >= 256) {
    return (value) => tag.readUInt16BE(12 + 2 * Math.round(value * (count - 1))) / 65_535;
  }
  if (type !== 'para' || tag.readUInt16BE(8) !== 3) return undefined;
  const [power, a, b, c, d] = Array.from({ length: 5 }, (_, i) => fixed(tag, 12 + 4 * i)) as [
    ...[number, number, number, number, number],
  ];
  return (value) => (value >= d ? (a * value + b) ** power : c * value);
}

/** From light to sRGB's value for it, both from 0 to 1. */
function encode(light: number): number {
  return light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055;
}

/** A number of 16 bits before and 16 after the point. */
function fixed(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) / 65_536;
}

function isNear(value: number, expected: number, tolerance: number): boolean {
  return Math.abs(value - expected) <= tolerance;
}
