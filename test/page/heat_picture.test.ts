/** A map over an image: colours, and where they are. */
import { expect, test } from 'vitest';
import { heatPicture } from '../../src/page/heat_picture.ts';

const grey = new Uint8Array(8 * 8 * 3).fill(100);
const at = (pixels: Uint8Array, y: number, x: number) => [
  ...pixels.subarray((y * 8 + x) * 3, (y * 8 + x) * 3 + 3),
];

test('red where the map is above 0, blue below, as it was at 0', () => {
  const picture = heatPicture(grey, 8, 8, { height: 2, width: 2, values: [2, 0, 0, -1] });
  const [forIt, none, against] = [at(picture, 0, 0), at(picture, 0, 7), at(picture, 7, 7)];
  expect(none).toEqual([100, 100, 100]);
  expect(forIt[0]).toBeGreaterThan(180);
  expect(forIt[2]).toBeLessThan(60);
  expect(against[2]).toBeGreaterThan(130);
  // Half as strong.
  expect(against[0]! - 100).toBeGreaterThan(-60);
  // Between the cells it changes evenly.
  expect(at(picture, 0, 3)[0]!).toBeGreaterThan(at(picture, 0, 4)[0]!);
});

test('a map of zeros changes nothing', () => {
  expect(heatPicture(grey, 8, 8, { height: 1, width: 3, values: [0, 0, 0] })).toEqual(grey);
});
