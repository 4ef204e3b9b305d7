/** What a picture looks like in 64 numbers: near copies have nearly the same ones. */

/** Numbers of a print, each a signed byte. */
export const PRINT_BYTES = 64;

/** Cells of the thumbnail, on a side. */
const GRID = 32;
const HALF = GRID / 2;
/** Waves across the picture, from none to eight. */
const WAVES = 9;
/** A picture that strays less than this from its mean, in levels of 256, is blank. */
const BLANK_DEVIATION = 3;

/** The DCT coefficients of a hash, [down, across], low frequencies first: they survive most edits of an image. */
const KEPT = Array.from({ length: WAVES * WAVES }, (_, i) => [Math.floor(i / WAVES), i % WAVES] as const)
  .filter(([down, across]) => down + across > 0)
  .sort((a, b) => a[0] + a[1] - b[0] - b[1] || Math.abs(a[0] - a[1]) - Math.abs(b[0] - b[1]) || a[0] - b[0])
  .slice(0, PRINT_BYTES);

/** Short waves are weak in photographs, the more so the shorter; here all speak alike. */
const WEIGHTS = KEPT.map(([down, across]) => Math.hypot(down, across));

/** Cosines at the middles of the first half of the cells; the other half mirrors them. */
const COSINES = Float64Array.from({ length: WAVES * HALF }, (_, i) =>
  Math.cos((Math.PI * (2 * (i % HALF) + 1) * Math.floor(i / HALF)) / (2 * GRID)),
);

/** Which numbers of a print change sign when the picture is mirrored left to right. */
export const MIRROR_SIGNS = Int8Array.from(KEPT, ([, across]) => (across % 2 === 1 ? -1 : 1));

const thumbnail = new Float64Array(GRID * GRID);
const byRow = new Float64Array(GRID * WAVES);
const spectrum = new Float64Array(WAVES * WAVES);
const folded = new Float64Array(GRID);

/**
 * The weighted cosine transform of a thumbnail of 32 x 32 brightnesses, as direction only: light and contrast don't matter, and
 * all zero means a blank picture, which is like no other.
 * @param pixels uint8 RGB, size * size * 3
 */
export function printOf(pixels: Uint8Array, size: number): Int8Array {
  const print = new Int8Array(PRINT_BYTES);
  // A picture may be all of one brightness and yet have colours.
  const isBlank = (value: Channel) => shrink(pixels, size, value) < BLANK_DEVIATION;
  if (isBlank(brightness) && isBlank(warmth)) return print;
  transform();
  let largest = 0;
  const values = KEPT.map(([down, across], i) => {
    const value = spectrum[down * WAVES + across]! * WEIGHTS[i]!;
    largest = Math.max(largest, Math.abs(value));
    return value;
  });
  for (let i = 0; i < PRINT_BYTES; i++) print[i] = Math.round((127 * values[i]!) / largest);
  return print;
}

/** Fills the thumbnail with one channel; each cell is the mean of four pixels. Returns its standard deviation. */
function shrink(pixels: Uint8Array, size: number, valueAt: Channel): number {
  const [first, second] = samples(size);
  let sum = 0;
  let squares = 0;
  for (let row = 0; row < GRID; row++) {
    const [top, bottom] = [first[row]! * size, second[row]! * size];
    for (let column = 0; column < GRID; column++) {
      const [left, right] = [first[column]!, second[column]!];
      const value =
        (valueAt(pixels, top + left) +
          valueAt(pixels, top + right) +
          valueAt(pixels, bottom + left) +
          valueAt(pixels, bottom + right)) /
        16;
      thumbnail[row * GRID + column] = value;
      sum += value;
      squares += value * value;
    }
  }
  const mean = sum / thumbnail.length;
  return Math.sqrt(Math.max(0, squares / thumbnail.length - mean * mean));
}

/** Four times the value of a pixel. */
type Channel = (pixels: Uint8Array, pixel: number) => number;

function brightness(pixels: Uint8Array, pixel: number): number {
  const at = 3 * pixel;
  return pixels[at]! + 2 * pixels[at + 1]! + pixels[at + 2]!;
}

function warmth(pixels: Uint8Array, pixel: number): number {
  const at = 3 * pixel;
  return 2 * (pixels[at]! - pixels[at + 2]!);
}

let sampledSize = 0;
let sampled: [Int32Array, Int32Array] = [new Int32Array(), new Int32Array()];

/** Two rows (or columns) of pixels for each cell: at a quarter and at three quarters of it. */
function samples(size: number): [Int32Array, Int32Array] {
  if (size !== sampledSize) {
    const at = (share: number) =>
      Int32Array.from({ length: GRID }, (_, cell) => Math.floor(((cell + share) * size) / GRID));
    sampled = [at(0.25), at(0.75)];
    sampledSize = size;
  }
  return sampled;
}

/** From thumbnail to spectrum: along the rows, then along the columns. */
function transform(): void {
  for (let row = 0; row < GRID; row++) {
    for (let i = 0; i < GRID; i++) folded[i] = thumbnail[row * GRID + i]!;
    waves(byRow, row, GRID);
  }
  for (let wave = 0; wave < WAVES; wave++) {
    for (let i = 0; i < GRID; i++) folded[i] = byRow[wave * GRID + i]!;
    waves(spectrum, wave, WAVES);
  }
}

/** The cosine transform of `folded`, each wave `stride` further in `target`. */
function waves(target: Float64Array, offset: number, stride: number): void {
  for (let i = 0; i < HALF; i++) {
    const [near, far] = [folded[i]!, folded[GRID - 1 - i]!];
    folded[i] = near + far;
    folded[GRID - 1 - i] = near - far;
  }
  for (let wave = 0; wave < WAVES; wave++) {
    let sum = 0;
    const cosines = wave * HALF;
    if (wave % 2 === 0) for (let i = 0; i < HALF; i++) sum += folded[i]! * COSINES[cosines + i]!;
    else for (let i = 0; i < HALF; i++) sum += folded[GRID - 1 - i]! * COSINES[cosines + i]!;
    target[wave * stride + offset] = sum;
  }
}
