import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type Augmentation, loadAddon } from '../../src/model/addon.ts';

const addon = loadAddon();
const folder = mkdtempSync(join(tmpdir(), 'birbs-pixels-'));
afterAll(() => rmSync(folder, { recursive: true }));

const height = 5;
const width = 7;
const imageBytes = height * width * 3;
const none: Augmentation = {
  seed: 3,
  step: 11,
  flip: 0,
  shift: 0,
  brightnessProbability: 0,
  brightness: 0,
  contrastProbability: 0,
  contrast: 0,
};

function header(count: number, changes: Record<number, number> = {}): Buffer {
  const bytes = Buffer.alloc(4096);
  bytes.write('BIRBSPIX', 0, 'latin1');
  [1, width, height, 3].forEach((value, i) => {
    bytes.writeUInt32LE(value, 8 + 4 * i);
  });
  bytes.writeBigUInt64LE(BigInt(count), 24);
  for (const [offset, value] of Object.entries(changes)) bytes.writeUInt8(value, Number(offset));
  return bytes;
}

function pixel(image: number, i: number): number {
  return (image * 41 + i * 7) % 256;
}

function write(name: string, first: number, count: number, changes?: Record<number, number>): string {
  const path = join(folder, name);
  const body = Buffer.alloc(count * imageBytes);
  for (let n = 0; n < count; n++)
    for (let i = 0; i < imageBytes; i++) body[n * imageBytes + i] = pixel(first + n, i);
  writeFileSync(path, Buffer.concat([header(count, changes), body]));
  return path;
}

/** Image `image` with each output pixel taken from where `from(y, x)` says. */
function moved(image: number, from: (y: number, x: number) => [number, number]): number[] {
  const result: number[] = [];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++) {
        const [fromY, fromX] = from(y, x);
        result.push(pixel(image, (fromY * width + fromX) * 3 + c));
      }
  return result;
}

async function assemble(rows: number[], augmentation?: Augmentation): Promise<Uint8Array> {
  const paths = [write('a.pixels', 0, 3), write('b.pixels', 3, 2)];
  const pixels = await addon.openPixels(paths, 2);
  const output = new Uint8Array(rows.length * imageBytes);
  await pixels.assemble(Uint32Array.from(rows), output, augmentation);
  await pixels.dispose();
  return output;
}

function image(output: Uint8Array, i: number): number[] {
  return Array.from(output.subarray(i * imageBytes, (i + 1) * imageBytes));
}

describe('pixel files', () => {
  test('rows are counted over all files', async () => {
    const output = await assemble([4, 0, 3, 2]);
    [4, 0, 3, 2].forEach((row, i) => {
      expect(image(output, i)).toEqual(moved(row, (y, x) => [y, x]));
    });
  });

  test('flips mirror the image', async () => {
    const output = await assemble([1], { ...none, flip: 1 });
    expect(image(output, 0)).toEqual(moved(1, (y, x) => [y, width - 1 - x]));
  });

  test('shifts follow the documented words and repeat the edges', async () => {
    const rows = [0, 1, 2, 3, 4, 0, 1];
    const words = await addon.philox(none.seed, 2 << 16, none.step, rows.length * 8);
    const output = await assemble(rows, { ...none, shift: 2 });
    const clamp = (value: number, high: number) => Math.min(Math.max(value, 0), high);
    const shifts = rows.map((row, i) => {
      const [dx, dy] = [1, 2].map((k) => Math.floor(((words[i * 8 + k] as number) / 2 ** 32) * 5) - 2) as [
        number,
        number,
      ];
      expect(image(output, i)).toEqual(
        moved(row, (y, x) => [clamp(y - dy, height - 1), clamp(x - dx, width - 1)]),
      );
      return `${dx},${dy}`;
    });
    expect(new Set(shifts).size).toBeGreaterThan(3);
  });

  test('brightness and contrast follow the documented words', async () => {
    const words = await addon.philox(none.seed, 2 << 16, none.step, 8);
    const uniform = (i: number) => ((words[i] as number) >>> 8) / 2 ** 24;
    const output = await assemble([2], {
      ...none,
      brightnessProbability: 1,
      brightness: 0.3,
      contrastProbability: 1,
      contrast: 0.2,
    });
    const brightness = 1 + 0.3 * (2 * uniform(5) - 1);
    const contrast = 1 + 0.2 * (2 * uniform(7) - 1);
    moved(2, (y, x) => [y, x]).forEach((value, i) => {
      const expected = Math.min(Math.max((value * brightness - 127.5) * contrast + 127.5, 0), 255);
      expect(Math.abs((output[i] as number) - expected)).toBeLessThan(0.51);
    });
  });

  test('cutout follows the documented word, is cut off at the edges and comes after the shift', async () => {
    const rows = [0, 1, 2, 3, 4, 0, 1, 2];
    const words = await addon.philox(none.seed, 2 << 16, none.step, rows.length * 8);
    const moves = { ...none, flip: 0.5, shift: 1 };
    const [whole, output] = [await assemble(rows, moves), await assemble(rows, { ...moves, cutout: 3 })];
    const sizes = rows.map((_, i) => {
      const word = words[i * 8 + 3] as number;
      const centre = {
        x: Math.floor(((word >>> 16) * width) / 65536),
        y: Math.floor(((word & 65535) * height) / 65536),
      };
      const expected = image(whole, i);
      let covered = 0;
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
          if (Math.abs(x - centre.x) > 1 || Math.abs(y - centre.y) > 1) continue;
          covered++;
          expected.fill(118, (y * width + x) * 3, (y * width + x) * 3 + 3);
        }
      expect(image(output, i)).toEqual(expected);
      return covered;
    });
    // Some lie inside, some at an edge or in a corner.
    expect(Math.max(...sizes)).toBe(9);
    expect(Math.min(...sizes)).toBeLessThan(9);
    // One that is wider than the image covers all of it.
    expect(new Set(await assemble([1], { ...none, cutout: 65535 }))).toEqual(new Set([118]));
    await expect(assemble([1], { ...none, cutout: -1 })).rejects.toThrow(/augmentation.cutout/);
  });

  test('the same step gives the same batch, another step another one', async () => {
    const all = { ...none, flip: 0.5, shift: 2, brightnessProbability: 0.4, brightness: 0.3 };
    const rows = [0, 1, 2, 3, 4];
    expect(await assemble(rows, all)).toEqual(await assemble(rows, all));
    expect(await assemble(rows, { ...all, step: 12 })).not.toEqual(await assemble(rows, all));
  });

  test.each([
    ['another magic', { 0: 65 }, /is not a version 1 file/],
    ['another version', { 8: 2 }, /is not a version 1 file/],
    ['a width of nothing', { 12: 0 }, /impossible image size/],
    ['a count that lies', { 24: 9 }, /length that does not fit/],
    ['a count that overflows', { 31: 255 }, /length that does not fit/],
  ])('refuses %s', async (_, changes, message) => {
    await expect(addon.openPixels([write('bad.pixels', 0, 2, changes)], 1)).rejects.toThrow(message);
  });

  test('refuses missing and short files, and rows out of range', async () => {
    await expect(addon.openPixels([join(folder, 'none.pixels')], 1)).rejects.toThrow(/No such file/);
    const short = join(folder, 'short.pixels');
    writeFileSync(short, 'BIRBSPIX');
    await expect(addon.openPixels([short], 1)).rejects.toThrow(/shorter than its header/);
    await expect(assemble([5])).rejects.toThrow('row 5 is out of range: the pixel files hold 5 images');
  });

  test('a file that shrinks while in use is an error, not a signal', async () => {
    const path = write('shrinks.pixels', 0, 400);
    const pixels = await addon.openPixels([path], 2);
    truncateSync(path, 5000);
    const output = new Uint8Array(imageBytes);
    await expect(pixels.assemble(Uint32Array.of(399), output)).rejects.toThrow(/was shortened/);
    await pixels.dispose();
    await expect(pixels.assemble(Uint32Array.of(0), output)).rejects.toThrow(/were disposed/);
  });
});
