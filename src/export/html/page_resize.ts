/**
 * A picture of any size to the network's square, as training does it: Lanczos3 over all pixels, after whole blocks of
 * pixels are averaged as sharp does for large pictures. A canvas would skip pixels, which moves probabilities.
 */
import type { Fit } from '../../model/network.ts';

/** What one output pixel is made of: neighbouring input pixels by weight; none outside the picture. */
type Taps = { from: number; weights: Float64Array } | undefined;

export interface SquareOptions {
  /** Of the network's input. */
  height: number;
  width: number;
  fit: Fit;
  /** Sharp averages blocks of a JPEG while it decodes. */
  isJpeg: boolean;
}

/** How one axis is resized. */
interface Axis {
  /** Side of the blocks of pixels that are averaged first. */
  block: number;
  /** How many of them there are; the last may be cut off. */
  count: number;
  /** Of each output pixel, in blocks. */
  taps: Taps[];
}

/** Takes a picture row by row, so that one of any size fits in memory. */
export class SquareResizer {
  readonly #picture: { width: number; height: number };
  readonly #target: SquareOptions;
  /** What is left of it: of a JPEG that is divided while it is decoded, pixels past the last whole block are dropped. */
  readonly #used: { width: number; height: number };
  readonly #x: Axis;
  readonly #y: Axis;
  /** Sums of the blocks of the current row of blocks, RGB. */
  readonly #sums: Float64Array;
  /** Rows of blocks, brought to the target's width. */
  readonly #narrow: Float32Array[] = [];
  #row = 0;

  /** @param picture its size in pixels */
  constructor(picture: { width: number; height: number }, target: SquareOptions) {
    this.#picture = picture;
    this.#target = target;
    const { width, height, isJpeg } = target;
    const shrink = shrinkOf(picture, target);
    const onLoad = isJpeg ? jpegShrink(Math.min(shrink.x, shrink.y)) : 1;
    const loaded = { width: Math.floor(picture.width / onLoad), height: Math.floor(picture.height / onLoad) };
    const rest = shrinkOf(loaded, target);
    this.#x = axisOf(loaded.width, rest.x, width, onLoad);
    this.#y = axisOf(loaded.height, rest.y, height, onLoad);
    this.#used = { width: loaded.width * onLoad, height: loaded.height * onLoad };
    this.#sums = new Float64Array(this.#x.count * 3);
  }

  /** @param pixels RGBA of the next rows; whatever is transparent should be white already */
  add(pixels: ArrayLike<number>): void {
    const { width, height } = this.#used;
    const [{ block }, sums, stride] = [this.#x, this.#sums, this.#picture.width * 4];
    for (let start = 0; start < pixels.length && this.#row < height; start += stride) {
      for (let x = 0; x < width; x++) {
        const [to, at] = [Math.floor(x / block) * 3, start + x * 4];
        sums[to]! += pixels[at]!;
        sums[to + 1]! += pixels[at + 1]!;
        sums[to + 2]! += pixels[at + 2]!;
      }
      this.#row += 1;
      const inBlock = ((this.#row - 1) % this.#y.block) + 1;
      if (inBlock === this.#y.block || this.#row === height) this.#endBlocks(inBlock);
    }
  }

  #endBlocks(rows: number): void {
    const [sums, { block, taps: columns }, { width }] = [this.#sums, this.#x, this.#used];
    for (let i = 0; i < sums.length; i++) {
      const inBlock = Math.min(block, width - Math.floor(i / 3) * block);
      sums[i] = Math.round(sums[i]! / (rows * inBlock));
    }
    const narrow = new Float32Array(this.#target.width * 3).fill(255);
    for (const [x, taps] of columns.entries()) {
      if (!taps) continue;
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let i = 0; i < taps.weights.length; i++)
          sum += taps.weights[i]! * sums[(taps.from + i) * 3 + c]!;
        narrow[x * 3 + c] = sum;
      }
    }
    this.#narrow.push(narrow);
    sums.fill(0);
  }

  /** @returns uint8 RGB [height, width, 3], once all rows are there; white where the picture does not reach */
  finish(): Uint8Array {
    const { height, width } = this.#target;
    const square = new Uint8ClampedArray(height * width * 3).fill(255);
    for (const [y, taps] of this.#y.taps.entries()) {
      if (!taps) continue;
      for (let i = 0; i < width * 3; i++) {
        let sum = 0;
        for (let k = 0; k < taps.weights.length; k++)
          sum += taps.weights[k]! * this.#narrow[taps.from + k]![i]!;
        square[y * width * 3 + i] = sum;
      }
    }
    return new Uint8Array(square.buffer);
  }
}

/** Input pixels for each output pixel, by axis. */
function shrinkOf(picture: { width: number; height: number }, { width, height, fit }: SquareOptions) {
  const [x, y] = [picture.width / width, picture.height / height];
  if (fit === 'fill') return { x, y };
  const both = fit === 'cover' ? Math.min(x, y) : Math.max(x, y);
  return { x: both, y: both };
}

/** What sharp has libjpeg divide the sides by while it decodes. */
function jpegShrink(shrink: number): number {
  const onLoad = shrink >= 8 ? 8 : shrink >= 4 ? 4 : shrink >= 2 ? 2 : 1;
  return onLoad > 1 && Math.floor(shrink) === onLoad ? onLoad / 2 : onLoad;
}

/** As libvips does: blocks until at most half is left to do, then Lanczos3. The picture lies in the middle. */
function axisOf(size: number, shrink: number, target: number, onLoad: number): Axis {
  const inner = Math.max(1, Math.floor(shrink / 2));
  const count = Math.ceil(size / inner);
  const resized = Math.max(1, Math.round(size / shrink));
  const before =
    resized >= target ? -Math.floor((resized - target + 1) / 2) : Math.floor((target - resized) / 2);
  const taps = Array.from({ length: target }, (_, i) => {
    const index = i - before;
    if (index < 0 || index >= resized) return undefined;
    const center = ((index + 0.5 - resized / 2) * shrink + size / 2) / inner - 0.5;
    return tapsAt(center, shrink / inner, count);
  });
  return { block: onLoad * inner, count, taps };
}

/** Beyond the edge its pixel is repeated. */
function tapsAt(center: number, shrink: number, size: number): Taps {
  const scale = Math.max(1, shrink);
  const [first, last] = [Math.ceil(center - 3 * scale), Math.floor(center + 3 * scale)];
  const [from, to] = [Math.max(0, Math.min(size - 1, first)), Math.max(0, Math.min(size - 1, last))];
  const weights = new Float64Array(to - from + 1);
  let total = 0;
  for (let at = first; at <= last; at++) {
    const weight = lanczos3((at - center) / scale);
    weights[Math.max(from, Math.min(to, at)) - from]! += weight;
    total += weight;
  }
  return { from, weights: weights.map((weight) => weight / total) };
}

function lanczos3(x: number): number {
  if (x === 0) return 1;
  if (Math.abs(x) >= 3) return 0;
  const angle = Math.PI * x;
  return (3 * Math.sin(angle) * Math.sin(angle / 3)) / (angle * angle);
}
