import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { UserError } from '../../src/base/errors.ts';
import { decodeSafetensors, encodeSafetensors, readSafetensors } from '../../src/export/safetensors.ts';

const folder = mkdtempSync(join(tmpdir(), 'birbs-safetensors-'));
afterAll(() => rmSync(folder, { recursive: true }));

const fixture = fileURLToPath(new URL('../fixtures/python.safetensors', import.meta.url));

/** As `formula` of weights.py. */
const formula = (index: number, count: number) =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(i * 0.7 + index));

/** A file by its parts, however wrong. */
function file(header: unknown, data = new Uint8Array(0), length?: number): Uint8Array {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(length ?? json.length));
  return Buffer.concat([size, json, data]);
}

const tensor = (shape: unknown, offsets: unknown, dtype: unknown = 'F32') => ({
  dtype,
  shape,
  data_offsets: offsets,
});

describe("Python's file", () => {
  test('is read value by value', async () => {
    const { metadata, tensors } = await readSafetensors(fixture);
    expect(metadata).toEqual({ format: 'pt' });
    expect(Object.keys(tensors).sort()).toEqual(['alpha.bias', 'alpha.weight', 'größe', 'none', 'zeta']);
    expect(tensors.zeta).toEqual({ shape: [2, 3], data: formula(1, 6) });
    expect(tensors['alpha.weight']).toEqual({ shape: [2, 1, 2, 2], data: formula(2, 8) });
    expect(tensors['alpha.bias']).toEqual({ shape: [3], data: formula(3, 3) });
    expect(tensors.größe).toEqual({ shape: [], data: Float32Array.of(2.5) });
    expect(tensors.none).toEqual({ shape: [0, 4], data: new Float32Array(0) });
  });

  test('comes out of our writer byte for byte', () => {
    const bytes = readFileSync(fixture);
    expect(Buffer.from(encodeSafetensors(decodeSafetensors(bytes, 'python'))).equals(bytes)).toBe(true);
  });
});

test('numbers of other widths are those that PyTorch widens them to; its counters of batches are left out', async () => {
  const { tensors } = await readSafetensors(
    fileURLToPath(new URL('../fixtures/widths.safetensors', import.meta.url)),
  );
  const names = ['brain', 'double', 'half'];
  expect(Object.keys(tensors).sort()).toEqual(names.flatMap((name) => [name, `${name}.float`]));
  for (const name of names) expect(tensors[name], name).toEqual(tensors[`${name}.float`]);
});

test("our file is read by Python's safetensors, where it is installed", () => {
  const path = join(folder, 'ours.safetensors');
  const data = formula(5, 12);
  writeFileSync(
    path,
    encodeSafetensors({ metadata: { classNames: '["bird"]' }, tensors: { a: { shape: [3, 4], data } } }),
  );
  const script = `import json, sys
from safetensors import safe_open
with safe_open(sys.argv[1], "np") as f:
    t = f.get_tensor("a")
    print(json.dumps([f.metadata(), str(t.dtype), t.shape, t.ravel().astype(float).tolist()]))`;
  const pythons = [process.env.PYTHON, 'python3'].filter((name) => name !== undefined);
  for (const python of pythons) {
    try {
      const answer = execFileSync(python, ['-c', script, path], { encoding: 'utf8', stdio: 'pipe' });
      expect(JSON.parse(answer)).toEqual([{ classNames: '["bird"]' }, 'float32', [3, 4], Array.from(data)]);
      return;
    } catch (error) {
      if (!/No module named|ENOENT/.test(String(error))) throw error;
    }
  }
  console.log(
    'No Python with safetensors here (PYTHON names another): our file is read by our own reader alone.',
  );
  expect(decodeSafetensors(readFileSync(path), path).tensors.a).toEqual({ shape: [3, 4], data });
});

describe('a file nobody vouches for is refused in a sentence', () => {
  const four = new Uint8Array(4);
  const cases: [what: string, bytes: Uint8Array, message: RegExp][] = [
    ['nothing', new Uint8Array(0), /only 0 bytes/],
    ['a JPEG', readFileSync(fixture).fill(0xff, 0, 8), /claims a header of \d+ bytes/],
    [
      'a header longer than the file',
      file('{}', four, 1000),
      /claims a header of 1000 bytes in a file of 14/,
    ],
    [
      'a header of 2^63 bytes',
      Buffer.concat([Buffer.from('00000000000000807b7d', 'hex')]),
      /claims a header/,
    ],
    ['no JSON', file('{"a":'), /header is not a JSON object/],
    ['bytes that are no UTF-8', file('{"\u0000": 1}').fill(0xff, 10, 11), /header is not a JSON object/],
    ['a list', file('[1, 2, 3]'), /header is not a JSON object/],
    [
      'another dtype',
      file({ a: tensor([1], [0, 4], 'I32') }, four),
      /expected tensor a to be float32.*is I32; save it/,
    ],
    ['F16 of another size', file({ a: tensor([1], [0, 4], 'F16') }, four), /needs 2 bytes, but has 4/],
    [
      'no dtype',
      file({ a: { shape: [1], data_offsets: [0, 4] } }, four),
      /float32 \(or F16, BF16, F64\), but it is undefined/,
    ],
    ['no shape', file({ a: { dtype: 'F32', data_offsets: [0, 4] } }, four), /has no shape/],
    ['a negative side', file({ a: tensor([-1], [0, 4]) }, four), /has no shape/],
    ['a broken side', file({ a: tensor([0.5], [0, 2]) }, four), /has no shape/],
    [
      'a shape beyond numbers',
      file({ a: tensor([2 ** 52, 2 ** 52], [0, 4]) }, four),
      /needs \S+ bytes, but has 4/,
    ],
    ['one offset', file({ a: tensor([1], [0]) }, four), /no two data offsets/],
    ['offsets turned round', file({ a: tensor([1], [4, 0]) }, four), /needs 4 bytes, but has -4/],
    [
      'offsets beyond the end',
      file({ a: tensor([2], [0, 8]) }, four),
      /ends at byte 8 of 4; the file is cut short/,
    ],
    ['a gap', file({ a: tensor([1], [4, 8]) }, new Uint8Array(8)), /begin at byte 0, but it begins at 4/],
    [
      'an overlap',
      file({ a: tensor([1], [0, 4]), b: tensor([1], [0, 4]) }, four),
      /begin at byte 4, but it begins at 0/,
    ],
    [
      'a name there twice',
      file(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
        new Uint8Array(8),
      ),
      /begin at byte 0, but it begins at 4/,
    ],
    [
      'bytes nobody owns',
      file({ a: tensor([1], [0, 4]) }, new Uint8Array(8)),
      /expected 4 bytes of tensors, but found 8/,
    ],
    ['metadata that is no text', file({ __metadata__: { a: 1 } }), /metadata is not a list of texts/],
    ['a tensor that is null', file({ a: null }), /has no shape/],
  ];
  test.each(cases)('%s', (_, bytes, message) => {
    expect(() => decodeSafetensors(bytes, 'model.safetensors')).toThrow(message);
    expect(() => decodeSafetensors(bytes, 'model.safetensors')).toThrow(UserError);
  });

  test('a file that is not there, a folder', async () => {
    await expect(readSafetensors(join(folder, 'missing'))).rejects.toThrow(/Could not open .*ENOENT/);
    await expect(readSafetensors(folder)).rejects.toThrow(/something that is no file/);
  });
});

test('a tensor that would change the prototype is only a name', () => {
  const { tensors } = decodeSafetensors(
    file('{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', new Uint8Array(4)),
    'model',
  );
  expect(Object.keys(tensors)).toEqual(['__proto__']);
  const again = decodeSafetensors(encodeSafetensors({ metadata: {}, tensors }), 'again');
  expect(Object.keys(again.tensors)).toEqual(['__proto__']);
  expect(({} as { shape?: unknown }).shape).toBeUndefined();
});

test('a shape that does not fit its data is not written', () => {
  const tensors = { a: { shape: [2, 2], data: new Float32Array(3) } };
  expect(() => encodeSafetensors({ metadata: {}, tensors })).toThrow(
    'Tensor a: expected 4 values for [2, 2], but found 3',
  );
});
