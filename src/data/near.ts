/** Pictures that look alike: the same one saved again, smaller, brighter, trimmed, stamped or mirrored. */
import { MIRROR_SIGNS, PRINT_BYTES } from './cache/perceptual_hash.ts';

/** Two pictures that look alike, by their positions. */
export interface NearPair {
  first: number;
  second: number;
  /** Cosine between their prints: 1 is the same. */
  likeness: number;
  /** Alike when one of them is mirrored left to right. */
  mirrored: boolean;
}

/*
 * Measured at 64 pixels. Of copies of 299 photographs all are found that were saved at quality 50, shrunk to 128 pixels,
 * darkened, greyed, mirrored, blurred or stamped in a corner; 99% of those brightened or trimmed by 2% on each side; 64%
 * of those with a watermark across; 29% of those trimmed by 5% on each side. Nothing else is: among the 1.4 billion pairs
 * of 52,500 small photographs of ten classes only a handful were no copies, dark shapes before an empty sky.
 */
const LEAST_LIKENESS = 0.9;
/** Largest Hamming distance of two 64-bit perceptual hashes that count as near-duplicates. */
const MOST_SIGNS = 11;

/**
 * Sixty of the signs in four bands of fifteen: near copies agree in some band but for the signs of its faintest numbers.
 * Looking only where that holds finds 98% of the pairs that comparing all with all does, in a thousandth of the work.
 */
const BANDS = 4;
const BAND_SIGNS = 15;
const FAINT = 4;

/** Of pictures that look like hundreds of others, these many ties are enough to hold them together. */
const MOST_TIES = 16;
/** Steps a picture; data made to be alike can't take all day. */
const MOST_LOOKS = 3000;
/** Yields to the event loop after this many milliseconds. */
const TURN_MS = 10;

/**
 * Finds the pairs, in time that grows with the number of pictures and not with its square.
 * @param prints 64 numbers a picture; all zero: like no other
 * @returns the most alike first
 */
export async function nearPairs(prints: Int8Array, signal?: AbortSignal): Promise<NearPair[]> {
  const search = new Search(prints);
  let turn = performance.now();
  for (let picture = 0; picture < search.count; picture++) {
    search.visit(picture);
    if ((picture & 63) !== 0 || performance.now() - turn < TURN_MS) continue;
    await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
    turn = performance.now();
  }
  return search.pairs.sort((a, b) => b.likeness - a.likeness || a.first - b.first || a.second - b.second);
}

/** Each picture against those before it. */
class Search {
  readonly pairs: NearPair[] = [];
  readonly count: number;
  readonly #prints: Int8Array;
  readonly #lengths: Float64Array;
  /** All 64 signs of each picture, in two halves. */
  readonly #signs: Int32Array;
  /** By band and its signs: the last picture seen that has them, and before each picture the one before; -1: none. */
  readonly #last = new Int32Array(BANDS << BAND_SIGNS).fill(-1);
  readonly #before: Int32Array;
  /** The picture that each was last compared with. */
  readonly #compared: Int32Array;

  constructor(prints: Int8Array) {
    this.count = prints.length / PRINT_BYTES;
    this.#prints = prints;
    this.#lengths = new Float64Array(this.count);
    this.#signs = new Int32Array(this.count * 2);
    this.#before = new Int32Array(this.count * BANDS);
    this.#compared = new Int32Array(this.count).fill(-1);
  }

  visit(picture: number): void {
    const print = this.#prints.subarray(picture * PRINT_BYTES, (picture + 1) * PRINT_BYTES);
    const length = Math.sqrt(print.reduce((sum, value) => sum + value * value, 0));
    if (length === 0) return;
    this.#lengths[picture] = length;
    const found: NearPair[] = [];
    this.#look(picture, print, false, found);
    this.#look(
      picture,
      print.map((value, i) => value * MIRROR_SIGNS[i]!),
      true,
      found,
    );
    this.pairs.push(...found);
    this.#remember(picture, print);
  }

  #look(picture: number, print: Int8Array, mirrored: boolean, found: NearPair[]): void {
    const signs = signsOf(print);
    // Each is compared once as it is and once mirrored.
    const mark = 2 * picture + Number(mirrored);
    let looks = 0;
    for (let band = 0; band < BANDS; band++) {
      const here = bandOf(print, band);
      for (const change of faintOf(print, band)) {
        let other = this.#last[(band << BAND_SIGNS) | (here ^ change)]!;
        for (; other >= 0; other = this.#before[other * BANDS + band]!) {
          if (++looks > MOST_LOOKS) return;
          if (this.#compared[other] === mark) continue;
          this.#compared[other] = mark;
          const likeness = this.#compare(other, signs, print, this.#lengths[picture]!);
          if (likeness >= LEAST_LIKENESS) found.push({ first: other, second: picture, likeness, mirrored });
          if (found.length >= MOST_TIES) return;
        }
      }
    }
  }

  /** Zero if too many signs differ. */
  #compare(other: number, [low, high]: readonly [number, number], print: Int8Array, length: number): number {
    const differing = ones(this.#signs[2 * other]! ^ low) + ones(this.#signs[2 * other + 1]! ^ high);
    if (differing > MOST_SIGNS) return 0;
    let product = 0;
    const begin = other * PRINT_BYTES;
    for (let i = 0; i < PRINT_BYTES; i++) product += this.#prints[begin + i]! * print[i]!;
    return product / (length * this.#lengths[other]!);
  }

  #remember(picture: number, print: Int8Array): void {
    this.#signs.set(signsOf(print), 2 * picture);
    for (let band = 0; band < BANDS; band++) {
      const place = (band << BAND_SIGNS) | bandOf(print, band);
      this.#before[picture * BANDS + band] = this.#last[place]!;
      this.#last[place] = picture;
    }
  }
}

function signsOf(print: Int8Array): [number, number] {
  const signs: [number, number] = [0, 0];
  for (let i = 0; i < PRINT_BYTES; i++) if (print[i]! > 0) signs[i >> 5]! |= 1 << (i & 31);
  return signs;
}

/** Neighbouring waves go to different bands, so that each has long and short ones. */
function bandOf(print: Int8Array, band: number): number {
  let signs = 0;
  for (let i = 0; i < BAND_SIGNS; i++) if (print[i * BANDS + band]! > 0) signs |= 1 << i;
  return signs;
}

/** What to change in a band to meet all combinations of the signs of its faintest numbers. */
function faintOf(print: Int8Array, band: number): number[] {
  const changes = [0];
  let taken = 0;
  for (let n = 0; n < FAINT; n++) {
    let faintest = -1;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < BAND_SIGNS; i++) {
      const size = Math.abs(print[i * BANDS + band]!);
      if (size < least && ((taken >> i) & 1) === 0) [faintest, least] = [i, size];
    }
    taken |= 1 << faintest;
    for (let i = changes.length - 1; i >= 0; i--) changes.push(changes[i]! | (1 << faintest));
  }
  return changes;
}

/** How many bits of a 32-bit number are set. */
function ones(bits: number): number {
  let sums = bits - ((bits >>> 1) & 0x55555555);
  sums = (sums & 0x33333333) + ((sums >>> 2) & 0x33333333);
  return (((sums + (sums >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}
