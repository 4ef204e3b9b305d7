/** What users get wrong: each a sentence, a fitting exit code, and nothing half done. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeSafetensors } from '../src/export/safetensors.ts';
import { loadWeights, splitValues } from '../src/export/weights.ts';
import { loadAddon } from '../src/model/addon.ts';
import { networkShapes, parameterCount } from '../src/model/network_shapes.ts';
import { birbsBn } from '../src/model/presets.ts';
import { pictureFolder, pictureParquet, run, temporaryFolder } from './images.ts';

const folder = temporaryFolder('bad');
const at = (...parts: string[]) => join(folder, ...parts);

beforeAll(async () => {
  await pictureFolder(at('good'), 12, 12);
  mkdirSync(at('empty'));
  cpSync(at('good/bird'), at('one/bird'), { recursive: true });
  for (const name of ['bird', 'not-bird']) {
    mkdirSync(at('text', name), { recursive: true });
    for (const i of [1, 2, 3]) writeFileSync(at('text', name, `${i}.jpg`), 'not a picture');
  }
  const whole = readFileSync(await pictureParquet(at('whole.parquet'), 60));
  writeFileSync(at('cut.parquet'), whole.subarray(0, whole.length / 2));
  writeFileSync(at('text.parquet'), 'not a parquet file');
  await tableParquet(at('columns.parquet'));
  mkdirSync(at('taken'));
  writeFileSync(at('taken/results.json'), '{}');
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Trains on a source in a cache of its own. */
const train = (...words: string[]) =>
  run('train.ts', [...'--image-size 16 --epochs 1 --batch-size 4 --device cpu'.split(' '), ...words], {
    cwd: folder,
  });

describe('training', () => {
  const cases: [what: string, words: string, code: number, sentence: string][] = [
    [
      'a missing folder',
      '--data nowhere',
      1,
      'No such folder: "nowhere" (a source is a folder, a .parquet file or glob, a .zip or .tar archive, a .csv list, hf:OWNER/NAME, nabirds:PATH, kaggle:OWNER/NAME, or demo); check the path',
    ],
    [
      'an empty folder',
      '--data empty',
      1,
      'Expected images in "empty", but found nothing; put one folder of images a class in it',
    ],
    [
      'one class only',
      '--data one',
      1,
      'Expected images of at least two classes, but all of "one" are "bird"; add a second source with --not-birds FOLDER',
    ],
    [
      'no decodable image',
      '--data text',
      1,
      'Expected images in "text", but none of them can be used (6 skipped; text/bird/1.jpg is text, not JPEG, PNG, WebP, GIF, AVIF, TIFF or BMP)',
    ],
    [
      'birds without their opposite',
      '--birds good/bird',
      2,
      '--birds needs images of the other kind: add --not-birds SOURCE',
    ],
    ['an unknown option', '--epocs 3', 2, 'Unknown option --epocs: did you mean --epochs?'],
    [
      'a batch larger than the data',
      '--data good --batch-size 64',
      2,
      'Expected --batch-size of at most 20, the training images of an epoch, but found 64; leave it out, choose a smaller one or add images',
    ],
    [
      'a learning rate that rises for longer than the run',
      '--data good --warmup 900',
      2,
      'Expected --warmup of at most 5, the steps of the run, but found 900; choose fewer, or more --epochs',
    ],
    [
      'an image size for which the network is too large',
      '--data nowhere --network birbs-bn --image-size 1000',
      1,
      'Expected a network of at most 268435456 weights, but it has 512094690; use a smaller image size',
    ],
    [
      'a run folder that exists',
      '--data good --run taken',
      2,
      'Expected a new or empty folder for --run, but taken has 1 files in it; choose another',
    ],
    [
      'a truncated parquet file',
      '--data cut.parquet',
      1,
      '"cut.parquet": not a parquet file, or a damaged one (Parquet error: Invalid Parquet file. Corrupt footer); fetch it again',
    ],
    [
      'wrong columns',
      '--data columns.parquet',
      1,
      '"columns.parquet": expected a column of images (bytes, or a struct of "bytes" and "path", or a list of these), but found the columns a (Int32), b (Float64); use a file with its images inside',
    ],
    [
      'a file that is no parquet at all',
      '--data text.parquet',
      1,
      '"text.parquet": not a parquet file, or a damaged one (Parquet error: Invalid Parquet file. Corrupt footer); fetch it again',
    ],
    [
      'a label that is not there',
      '--data good?label=cat',
      1,
      'Expected a label of "good?label=cat", but it has no "cat"; its labels are bird, not-bird',
    ],
  ];
  test.each(cases)('%s', async (_, words, code, sentence) => {
    const run = `run-${crc32(words)}`;
    const given = words.includes('--run') ? words.split(' ') : [...words.split(' '), '--run', run];
    const ended = await train(...given, '--cache', at('cache'));
    expect(ended.stderr).toBe(`Error: ${sentence}\n`);
    expect(ended.code).toBe(code);
    expect(existsSync(at(run, 'results.json'))).toBe(false);
  });
});

test('`data` does not send anybody to a training that would be refused', async () => {
  cpSync(at('good/not-bird'), at('few/not-bird'), { recursive: true });
  mkdirSync(at('few/bird'));
  cpSync(at('good/bird/1.png'), at('few/bird/1.png'));
  const words = ['--data', 'few', '--image-size', '16', '--cache', at('cache'), '--lock', 'few.lock.json'];
  const { code, stdout } = await run('data.ts', words, { cwd: folder });
  expect(code).toBe(0);
  expect(stdout.trimEnd().split('\n').at(-1)).toMatch(
    /^All is there, but `train` refuses it: Expected images of "bird" to (train|validate) on, but .*; add more of them/,
  );
  const ended = await train('--data', 'few', '--cache', at('cache'), '--run', 'few-run');
  expect(stdout).toContain(ended.stderr.replace('Error: ', '').trim());
});

test('Metal where there is none is refused, not replaced', async () => {
  const metal = (await loadAddon().devices()).find(({ name }) => name === 'metal')!;
  if (metal.available) return console.log('Metal is here: test/model/device.test.ts has the refusal.');
  const ended = await train('--data', 'good', '--device', 'metal', '--run', 'metal');
  const reason = metal.description.replace(/\.$/, '');
  expect(ended).toMatchObject({
    code: 2,
    stdout: '',
    stderr: `Error: --device metal can't be used here: ${reason}\n`,
  });
});

test('bombs, liars and halves among the images are skipped by name, and the rest is used', async () => {
  await pictureFolder(at('mixed'), 12, 12);
  writeFileSync(at('mixed/bird/bomb.png'), hugePng(30_000));
  writeFileSync(at('mixed/bird/liar.jpg'), '<!doctype html><title>404</title>');
  writeFileSync(at('mixed/bird/half.png'), readFileSync(at('good/bird/1.png')).subarray(0, 100));
  const { code, stdout, stderr } = await train(
    '--data',
    'mixed',
    '--cache',
    'cache-mixed',
    '--run',
    'mixed-run',
  );
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toContain('mixed: 24 images (12 bird, 12 not-bird)\n');
  expect(stdout).toMatch(
    /^Skipped 3: \S+bomb\.png is a PNG image of 30000 x 30000 pixels, .*; \S+half\.png is .*; \S+liar\.jpg is an HTML page, /m,
  );
  const { data } = JSON.parse(readFileSync(at('mixed-run/run.json'), 'utf8'));
  expect(data.skipped.map(({ name }: { name: string }) => name).sort()).toEqual([
    'mixed/bird/bomb.png',
    'mixed/bird/half.png',
    'mixed/bird/liar.jpg',
  ]);
});

test('a disk that fills while saving: named, exit code 1, what was saved stays good', async () => {
  const disk = at('disk');
  mkdirSync(disk);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=5m', 'tmpfs', disk], { stdio: 'pipe' });
  } catch {
    console.log('No small tmpfs can be mounted here: test/base/files.test.ts fills a disk in another way.');
    return;
  }
  try {
    // 1 MB of weights: best, last and the new one fit beside 2.5 MB of state; the second state does not.
    const words = ['--data', 'good', '--cache', 'cache-disk', '--epochs', '50', '--run', 'disk/run'];
    const { code, stderr } = await train(...words);
    expect(stderr).toMatch(
      /^Error: Could not save disk\/run\/\S+: the disk is full \(\d\.\d MB were needed\); files saved before are intact; free some space and continue with --resume disk\/run\n$/,
    );
    expect(code).toBe(1);
    const files = readdirSync(at('disk/run'));
    expect(files.filter((name) => name.endsWith('.tmp'))).toEqual([]);
    const { values } = await loadWeights(at('disk/run/last.safetensors'));
    expect(values.every(Number.isFinite)).toBe(true);
  } finally {
    execFileSync('umount', [disk]);
  }
});

test('weights of another network', async () => {
  const network = birbsBn({ imageSize: 16, classNames: ['bird', 'not-bird'] });
  const other = networkShapes(birbsBn({ imageSize: 24, classNames: ['bird', 'not-bird'] }));
  const tensors = splitValues(other.parameters, new Float32Array(parameterCount(other)));
  const metadata = { network: JSON.stringify(network) };
  writeFileSync(at('other.safetensors'), encodeSafetensors({ metadata, tensors }));
  const ended = await run('predict.ts', ['--model', 'other.safetensors', 'good/bird/1.png'], { cwd: folder });
  expect(ended).toMatchObject({
    code: 1,
    stdout: '',
    stderr:
      'Error: other.safetensors holds the weights of another network: expected fc1.weight to be [256, 512], but found [256, 1152]\n',
  });
});

/** A black PNG of a kilobyte for each hundred million pixels it claims, and has. */
function hugePng(side: number): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const [length, crc] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    crc.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, crc]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  // One bit of grey a pixel.
  header[8] = 1;
  const rows = deflateSync(Buffer.alloc((1 + Math.ceil(side / 8)) * side));
  const signature = Buffer.from('89504e470d0a1a0a', 'hex');
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', rows),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** A parquet file with two columns that are no images. */
async function tableParquet(path: string): Promise<void> {
  const { makeVector, Table, tableToIPC } = await import('apache-arrow');
  const { Table: ParquetTable, writeParquet } = await import('parquet-wasm');
  const table = new Table({ a: makeVector(Int32Array.of(1, 2)), b: makeVector(Float64Array.of(3, 4)) });
  writeFileSync(path, writeParquet(ParquetTable.fromIPCStream(tableToIPC(table, 'stream'))));
}
