/** ONNX files, with onnxruntime as the judge of what they compute. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-web';
import { describe, expect, test } from 'vitest';
import { compareExport } from '../../src/export/compare_export.ts';
import type { ExportedModel } from '../../src/export/exported_model.ts';
import { floats } from '../../src/export/floats.ts';
import { halfBytes, toHalf } from '../../src/export/half_floats.ts';
import { encodeOnnx } from '../../src/export/onnx/encode_onnx.ts';
import { openOnnx } from '../../src/export/onnx/run_onnx.ts';
import { plainGraph } from '../../src/export/plain_graph.ts';
import { decodeMessage } from '../../src/export/protobuf.ts';
import { exported, images, networks } from './networks.ts';

ort.env.wasm.numThreads = 1;
const python = process.env.BIRBS_PYTHON;

const bytesOf = (model: ExportedModel) => new Uint8Array(Buffer.concat(encodeOnnx(model)));

/** Logits and probabilities of all images in one batch, by onnxruntime. */
async function judge(file: Uint8Array, pixels: Uint8Array, { model }: { model: ExportedModel }) {
  const { height, width } = model.network.input;
  const session = await ort.InferenceSession.create(file);
  const count = pixels.length / (height * width * 3);
  const image = new ort.Tensor('uint8', pixels, [count, height, width, 3]);
  const { logits, probabilities } = await session.run({ image });
  await session.release();
  return { logits: logits!.data as Float32Array, probabilities: probabilities!.data as Float32Array };
}

/** Largest difference, as a share of the largest logit. */
function difference(a: ArrayLike<number>, logits: Float32Array): number {
  expect(a.length).toBe(logits.length);
  const largest = Math.max(...logits.map(Math.abs));
  return Math.max(...Array.from(logits, (value, i) => Math.abs(value - a[i]!))) / largest;
}

const rowsOf = (pixels: Uint8Array, count: number) =>
  Array.from({ length: count }, (_, i) =>
    pixels.subarray((i * pixels.length) / count, ((i + 1) * pixels.length) / count),
  );

describe.each(Object.entries(networks))('%s', (name, network) => {
  test('onnxruntime and our reader compute what the portable kernels do, in batches of 1 and 3', async () => {
    const one = await exported(network);
    const file = bytesOf(one.model);
    const pixels = images(network, 3);
    const logits = await one.session.predict(pixels, 3);
    const three = await judge(file, pixels, one);
    expect(difference(three.logits, logits)).toBeLessThan(1e-5);
    const classes = network.classNames.length;
    const run = openOnnx(file);
    for (const [i, row] of rowsOf(pixels, 3).entries()) {
      const expected = logits.subarray(i * classes, (i + 1) * classes);
      const alone = await judge(file, row, one);
      expect(difference(alone.logits, expected)).toBeLessThan(1e-5);
      expect(difference(run(row).logits!, expected)).toBeLessThan(1e-5);
      const shares = [...expected].map((value) => Math.exp(value / 1.7));
      const sum = shares.reduce((a, b) => a + b);
      for (const [k, share] of shares.entries()) expect(alone.probabilities[k]).toBeCloseTo(share / sum, 6);
    }
    await one.session.dispose();
  });

  test('float16 weights: about half the size, nearly the same answers', async () => {
    const [full, half] = [await exported(network), await exported(network, 'fp16')];
    const file = bytesOf(half.model);
    const pixels = images(network, 3);
    const logits = await half.session.predict(pixels, 3);
    const { probabilities } = await judge(file, pixels, half);
    const exact = await judge(bytesOf(full.model), pixels, full);
    expect(
      Math.max(...probabilities.map((share, i) => Math.abs(share - exact.probabilities[i]!))),
    ).toBeLessThan(1e-3);
    compareExport(half.model, openOnnx(file), rowsOf(pixels, 3), logits);
    if (name === 'lite0') expect(file.length).toBeLessThan(0.56 * bytesOf(full.model).length);
    await Promise.all([full.session.dispose(), half.session.dispose()]);
  });

  test.runIf(python)('passes the checker of onnx', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'birbs-onnx-'));
    for (const width of ['fp32', 'fp16'] as const) {
      const { model, session } = await exported(network, width);
      await session.dispose();
      const path = join(folder, `${width}.onnx`);
      writeFileSync(path, bytesOf(model));
      const code = 'import sys, onnx; onnx.checker.check_model(sys.argv[1], full_check=True)';
      const { status, stderr } = spawnSync(python!, ['-c', code, path], { encoding: 'utf8' });
      expect({ status, stderr }).toMatchObject({ status: 0 });
    }
    rmSync(folder, { recursive: true });
  });
});

test('a file that answers something else is refused', async () => {
  const network = networks.same!;
  const { model, values, session } = await exported(network);
  const pixels = images(network, 3);
  const logits = await session.predict(pixels, 3);
  await session.dispose();
  const check = (change: (values: Float32Array) => void) => {
    const changed = values.slice();
    change(changed);
    const other = { ...model, graph: plainGraph(network, changed) };
    const run = openOnnx(bytesOf(other));
    // As of a format without logits.
    const bare = (image: Uint8Array) => ({ probabilities: run(image).probabilities });
    compareExport(model, bare, rowsOf(pixels, 3), logits);
    return compareExport(model, run, rowsOf(pixels, 3), logits);
  };
  expect(check(() => {}).logits).toBeLessThan(1e-5);
  // A bias of the last layer, and a weight that is no number.
  for (const value of [values.at(-1)! + 0.01, Number.NaN])
    expect(() => check((changed) => changed.set([value], changed.length - 1))).toThrow(
      /^Expected the exported file to answer as the network does, but on 3 images its probabilities differ by up to /,
    );
});

test('float16: every number there is, what lies between, and what lies beyond', () => {
  const all = Uint16Array.from({ length: 0x7c00 }, (_, i) => i);
  const values = floats('F16', new Uint8Array(all.buffer));
  const up = (value: number) => value * (1 + 2 ** -20);
  for (let i = 0; i + 1 < all.length; i++) {
    const middle = (values[i]! + values[i + 1]!) / 2;
    const found = [values[i]!, middle, up(middle), -values[i]!, -middle].map(toHalf);
    const even = i % 2 === 0 ? i : i + 1;
    expect(found).toEqual([i, even, i + 1, 0x8000 | i, 0x8000 | even]);
  }
  expect([65504, 65519, 65520, Infinity, -Infinity, 1e-9].map(toHalf)).toEqual([
    0x7bff, 0x7bff, 0x7c00, 0x7c00, 0xfc00, 0,
  ]);
  expect(toHalf(Number.NaN) & 0x7fff).toBeGreaterThan(0x7c00);
  expect(halfBytes(Float32Array.of(1, 70000))).toBeUndefined();
});

test('a message that is cut off is an error, and fields that are not known are passed over', () => {
  const table = { name: [1, 'string'], ints: [2, ['int']] } as const;
  const bytes = Uint8Array.of(0x0a, 2, 0x61, 0x62, 0x18, 7, 0x10, 5, 0x12, 2, 1, 2);
  expect(decodeMessage(table, bytes)).toEqual({ name: 'ab', ints: [5, 1, 2] });
  expect(() => decodeMessage(table, bytes.subarray(0, 3))).toThrow();
});
