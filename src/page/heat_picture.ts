/** An image with a map over it: what speaks for an answer is red, what speaks against it blue. */

/** Numbers over an image, however coarse. */
export interface HeatMap {
  height: number;
  width: number;
  /** [height, width]; 0 leaves the image as it is. */
  values: ArrayLike<number>;
}

/** Orange-red and blue, which people with any kind of colour vision can distinguish. */
const [FOR, AGAINST] = [
  [255, 60, 0],
  [0, 90, 255],
] as const;
/** Share of the colour where the map is largest. */
const STRONGEST = 0.65;

/**
 * @param pixels uint8 [height, width, 3]
 * @returns the same with the map over it, its largest value in full colour
 */
export function heatPicture(pixels: Uint8Array, height: number, width: number, map: HeatMap): Uint8Array {
  const most = Array.from(map.values).reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) || 1;
  const output = new Uint8Array(pixels.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const share = valueAt(map, (y + 0.5) / height, (x + 0.5) / width) / most;
      const colour = share > 0 ? FOR : AGAINST;
      const weight = STRONGEST * Math.min(1, Math.abs(share));
      for (let c = 0; c < 3; c++) {
        const i = (y * width + x) * 3 + c;
        output[i] = Math.round(pixels[i]! * (1 - weight) + colour[c]! * weight);
      }
    }
  }
  return output;
}

/** Bilinear, at a place from 0 to 1 of each axis; as it is at the centre of its cells. */
function valueAt({ height, width, values }: HeatMap, down: number, right: number): number {
  const place = (share: number, size: number) => {
    const at = Math.min(Math.max(share * size - 0.5, 0), size - 1);
    const first = Math.floor(at);
    return [first, Math.min(first + 1, size - 1), at - first] as const;
  };
  const [top, bottom, low] = place(down, height);
  const [left, end, side] = place(right, width);
  const row = (y: number) => values[y * width + left]! * (1 - side) + values[y * width + end]! * side;
  return row(top) * (1 - low) + row(bottom) * low;
}
